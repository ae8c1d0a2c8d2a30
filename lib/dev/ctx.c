/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts: schemes, and the dispatch of events. */
#include "dev_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Handled in one fl_ctx_dispatch(), so that an event that never ends cannot hold the caller. */
#define EVENTS_MAX 64
/* Who polls wants to be back soon: as long as that, and what the last event takes. */
#define POLLS_NS 20000u

struct fl_scheme_node {
	struct fl_scheme_node *next;
	struct fl_scheme s;
	char name[];
};

struct fl_fd_node {
	struct fl_watch watch; /* first: epoll's pointer is the node's */
	struct fl_fd_node *next;
	void (*fn)(void *arg);
	void *arg;
};

static int open_vfio_user(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	int fd;

	if (strncmp(rest, "fd=", 3) != 0) {
		if (*rest)
			return fl_vfio_user_open(ctx->space, rest, -1, ctx->polls, fl_ctx_log(ctx),
						 out);
		fl_err(fl_ctx_log(ctx), "dev", "vfio-user: needs a socket's path, or fd=N");
		return -EINVAL;
	}
	fd = fl_uri_fd(rest + 3);
	if (fd < 0) {
		fl_err(fl_ctx_log(ctx), "dev", "vfio-user:%s: no number of a file descriptor",
		       rest);
		return fd;
	}
	return fl_vfio_user_open(ctx->space, NULL, fd, ctx->polls, fl_ctx_log(ctx), out);
}

static int open_pci(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct fl_pci_uri u;
	int err = fl_uri_pci(fl_ctx_log(ctx), rest, &u);

	if (err)
		return err;
	if (!ctx->kernel)
		err = fl_vfio_kernel_create(ctx->space, ctx->polls, fl_ctx_log(ctx), NULL, &ctx->kernel);
	return err ? err : fl_vfio_kernel_open(ctx->kernel, u.address, &u.how, out);
}

static const struct fl_scheme builtin_schemes[] = {
	{ .name = "vfio-user", .open = open_vfio_user },
	{ .name = "pci", .open = open_pci },
};

int fl_ctx_create(const struct fl_ctx_opts *opts, struct fl_ctx **out)
{
	struct fl_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (!ctx)
		return -ENOMEM;
	if (opts && opts->log) {
		ctx->log = *opts->log;
		ctx->has_log = true;
	}
	ctx->polls = opts && opts->polls;
	ctx->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (ctx->epfd < 0) {
		err = -errno;
		fl_err(fl_ctx_log(ctx), "dev", "no epoll fd: %s; see `ulimit -n`", strerror(-err));
		goto free_ctx;
	}
	err = fl_dma_space_create(fl_ctx_log(ctx), &ctx->space);
	if (err)
		goto close_epoll;
	*out = ctx;
	return 0;

close_epoll:
	close(ctx->epfd);
free_ctx:
	free(ctx);
	return err;
}

int fl_ctx_destroy(struct fl_ctx *ctx)
{
	struct fl_scheme_node *n;
	int err;

	if (ctx->ndevs) {
		fl_err(fl_ctx_log(ctx), "dev", "%u devices of the context are open: close them",
		       ctx->ndevs);
		return -EBUSY;
	}
	err = fl_dma_space_destroy(ctx->space);
	if (err)
		return err;
	fl_vfio_kernel_destroy(ctx->kernel);
	while ((n = ctx->schemes)) {
		ctx->schemes = n->next;
		if (n->s.done)
			n->s.done(n->s.arg);
		free(n);
	}
	while (ctx->fds)
		fl_ctx_del_fd(ctx, ctx->fds->watch.fd);
	close(ctx->epfd);
	free(ctx);
	return 0;
}

const struct fl_log *fl_ctx_log(const struct fl_ctx *ctx)
{
	return ctx->has_log ? &ctx->log : fl_log_default();
}

struct fl_dma_space *fl_ctx_space(struct fl_ctx *ctx)
{
	return ctx->space;
}

bool fl_ctx_polls(const struct fl_ctx *ctx)
{
	return ctx->polls;
}

int fl_ctx_fd(const struct fl_ctx *ctx)
{
	return ctx->epfd;
}

/* `name` need not end at `len`. */
static const struct fl_scheme *find_scheme(const struct fl_ctx *ctx, const char *name, size_t len)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(builtin_schemes); i++)
		if (strlen(builtin_schemes[i].name) == len &&
		    !memcmp(builtin_schemes[i].name, name, len))
			return &builtin_schemes[i];
	for (const struct fl_scheme_node *n = ctx->schemes; n; n = n->next)
		if (strlen(n->name) == len && !memcmp(n->name, name, len))
			return &n->s;
	return NULL;
}

int fl_ctx_add_scheme(struct fl_ctx *ctx, const struct fl_scheme *s)
{
	size_t len = s->name ? strlen(s->name) : 0;
	struct fl_scheme_node *n;

	if (!len || strchr(s->name, ':') || !s->open)
		return -EINVAL;
	if (find_scheme(ctx, s->name, len))
		return -EEXIST;
	n = malloc(sizeof(*n) + len + 1);
	if (!n)
		return -ENOMEM;
	memcpy(n->name, s->name, len + 1);
	n->s = *s;
	n->s.name = n->name;
	n->next = ctx->schemes;
	ctx->schemes = n;
	return 0;
}

int fl_ctx_open(struct fl_ctx *ctx, const char *uri, struct fl_vfio_dev **out)
{
	const char *colon = strchr(uri, ':');
	const struct fl_scheme *s;

	if (!colon || colon == uri) {
		fl_err(fl_ctx_log(ctx), "dev",
		       "\"%s\" is no device URI: write vfio-user:PATH, pci:ADDRESS or model:NAME",
		       uri);
		return -EINVAL;
	}
	s = find_scheme(ctx, uri, (size_t)(colon - uri));
	if (!s) {
		fl_err(fl_ctx_log(ctx), "dev",
		       "\"%s\": nothing in this context opens \"%.*s:\" devices%s", uri,
		       (int)(colon - uri), uri,
		       strncmp(uri, "model:", 6)
			       ? "; write vfio-user:PATH, pci:ADDRESS or model:NAME"
			       : "; fl_model_enable() has to be called before");
		return -EOPNOTSUPP;
	}
	return s->open(ctx, colon + 1, s->arg, out);
}

int fl_ctx_watch(struct fl_ctx *ctx, struct fl_watch *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(ctx->epfd, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
}

void fl_ctx_unwatch(struct fl_ctx *ctx, struct fl_watch *w)
{
	epoll_ctl(ctx->epfd, EPOLL_CTL_DEL, w->fd, NULL);
}

int fl_ctx_add_fd(struct fl_ctx *ctx, int fd, void (*fn)(void *arg), void *arg)
{
	struct fl_fd_node *n = malloc(sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	*n = (struct fl_fd_node){
		.watch = { FL_WATCH_FD, NULL, fd }, .next = ctx->fds, .fn = fn, .arg = arg
	};
	err = fl_ctx_watch(ctx, &n->watch);
	if (err) {
		free(n);
		return err;
	}
	ctx->fds = n;
	return 0;
}

void fl_ctx_del_fd(struct fl_ctx *ctx, int fd)
{
	for (struct fl_fd_node **at = &ctx->fds, *n; (n = *at); at = &n->next) {
		if (n->watch.fd == fd) {
			*at = n->next;
			fl_ctx_unwatch(ctx, &n->watch);
			free(n);
			return;
		}
	}
}

void fl_ctx_enlist(struct fl_ctx *ctx, struct fl_item *it, enum fl_item_kind kind, void *obj)
{
	struct fl_item **at = &ctx->items;

	while (*at)
		at = &(*at)->next;
	*it = (struct fl_item){ .obj = obj, .kind = kind };
	*at = it;
}

void fl_ctx_delist(struct fl_ctx *ctx, struct fl_item *it)
{
	struct fl_item **at = &ctx->items;

	while (*at && *at != it)
		at = &(*at)->next;
	if (*at)
		*at = it->next;
}

void *fl_ctx_item(const struct fl_ctx *ctx, enum fl_item_kind kind, unsigned i)
{
	for (const struct fl_item *it = ctx->items; it; it = it->next)
		if (it->kind == kind && !i--)
			return it->obj;
	return NULL;
}

/*
 * One event a system call: a handler may close any device, and then no fetched event may still
 * point at it. Level-triggered epoll goes round its ready list, so none starves.
 */
int fl_ctx_dispatch(struct fl_ctx *ctx, int timeout_ms)
{
	struct epoll_event ev;
	uint64_t until = 0;
	int n = 0;

	while (n < EVENTS_MAX && (!until || fl_now_ns() < until)) {
		int got = epoll_wait(ctx->epfd, &ev, 1, n ? 0 : timeout_ms);
		struct fl_watch *w = ev.data.ptr;

		if (got < 0 && errno != EINTR)
			return n ? n : -errno;
		if (got <= 0)
			break;
		if (!n++ && ctx->polls)
			until = fl_now_ns() + POLLS_NS;
		if (w->kind == FL_WATCH_VECTOR)
			fl_irq_event(w->dev, (struct fl_vec *)w);
		else if (w->kind == FL_WATCH_FD)
			((struct fl_fd_node *)w)->fn(((struct fl_fd_node *)w)->arg);
		else
			fl_dev_event(w->dev, w);
	}
	return n;
}
