/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: a command and its reply, and what the server asks of us meanwhile. */
#include "vfio_internal.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Served in one dispatch, so that a server that never stops asking cannot hold the caller. */
#define SERVE_MAX 64u

int fl_vu_kill(struct fl_vu *u, int err, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (!u->up)
		return err;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fl_log_msg(u->dev.log, err == -ENODEV ? FL_LOG_WARN : FL_LOG_ERR, "vfio-user",
		   "%s: %s; the link is closed", u->path ? u->path : "fd", why);
	u->up = false;
	fl_pageq_reset(&u->pages.q);
	__atomic_store_n(&u->dev.removed, true, __ATOMIC_RELAXED);
	shutdown(u->main.fd, SHUT_RDWR);
	if (u->twin.fd >= 0)
		shutdown(u->twin.fd, SHUT_RDWR);
	return err;
}

static int kill_recv(struct fl_vu *u, const struct fl_vu_chan *c, int err)
{
	return fl_vu_kill(u, err, "%s",
			  err == -EPROTO   ? c->why
			  : err == -ENODEV ? "the server is gone"
					   : strerror(-err));
}

static int kill_send(struct fl_vu *u, int err, unsigned cmd)
{
	if (err == -ETIMEDOUT)
		return fl_vu_kill(u, err, "the server took no message for %u ms (command %u)",
				  u->timeout_ms, cmd);
	return err == -ENODEV ? fl_vu_kill(u, err, "the server is gone") : err;
}

static int refuse(struct fl_vu_chan *c, int err, uint64_t deadline)
{
	struct fl_vu_hdr h = { .id = c->hdr.id,
			       .cmd = c->hdr.cmd,
			       .size = sizeof(h),
			       .flags = FL_VU_REPLY | FL_VU_F_ERROR,
			       .error = (uint32_t)-err };
	struct iovec iov = { &h, sizeof(h) };

	if (c->hdr.flags & FL_VU_F_NO_REPLY)
		return 0;
	return fl_vu_send(c, &iov, 1, NULL, 0, deadline);
}

/* The server's command that stands in the channel. */
static int serve(struct fl_vu *u, struct fl_vu_chan *c, uint64_t deadline)
{
	unsigned cmd = c->hdr.cmd;
	int err;

	if ((c->hdr.flags & FL_VU_F_TYPE) != FL_VU_COMMAND)
		return fl_vu_kill(u, -EPROTO, "a reply to a command that we did not send");
	if (cmd == FL_VU_DMA_READ || cmd == FL_VU_DMA_WRITE)
		err = fl_vu_serve_dma(u, c, deadline);
	else if (cmd == FL_VU_PAGE_REQUEST && u->pages.max)
		err = fl_vu_take_page_request(u, c);
	else
		err = -ENOSYS;
	if (err && u->up && err != -ENODEV && err != -ETIMEDOUT)
		err = refuse(c, err, deadline);
	fl_vu_recv_done(c);
	if (err)
		kill_send(u, err, cmd);
	return u->up ? 0 : err;
}

static int take_reply(struct fl_vu *u, struct fl_vu_call *call, uint16_t id)
{
	struct fl_vu_chan *c = &u->main;
	size_t len = fl_vu_body_len(c), head;
	int err;

	if (c->hdr.id != id || c->hdr.cmd != call->cmd)
		return fl_vu_kill(u, -EPROTO, "reply %u to command %u, asked was %u to %u",
				  c->hdr.id, c->hdr.cmd, id, call->cmd);
	if (c->hdr.flags & FL_VU_F_ERROR) {
		err = fl_vu_error(&c->hdr);
		return err == -ENODEV ? -EIO : err; /* that word is ours: the link is down */
	}
	if (len < call->reply_min || len > call->reply_len + call->reply_data_len)
		return fl_vu_kill(u, -EPROTO, "a reply of %zu bytes to command %u, %zu to %zu fit",
				  len, call->cmd, call->reply_min,
				  call->reply_len + call->reply_data_len);
	head = len < call->reply_len ? len : call->reply_len;
	if (head)
		memcpy(call->reply, c->body, head);
	if (len > head)
		memcpy(call->reply_data, c->body + head, len - head);
	call->got = len;
	if (call->reply_fds) {
		memcpy(call->reply_fds, c->fds, c->nfds * sizeof(int));
		call->reply_nfds = c->nfds;
		c->nfds = 0;
	}
	return 0;
}

static bool is_reply(const struct fl_vu_chan *c)
{
	return (c->hdr.flags & FL_VU_F_TYPE) == FL_VU_REPLY;
}

/* 1 = a message is there, 0 = nothing now, else the link is dead. */
static int receive(struct fl_vu *u, struct fl_vu_chan *c)
{
	int got = c->fd >= 0 ? fl_vu_recv(c) : 0;

	return got < 0 ? kill_recv(u, c, got) : got;
}

/* Next message of either channel: 1 = in *from, 0 = nothing now, else the link is dead. */
static int next_message(struct fl_vu *u, struct fl_vu_chan **from)
{
	struct fl_vu_chan *const chans[] = { &u->main, &u->twin };

	for (size_t i = 0; i < FL_ARRAY_SIZE(chans); i++) {
		int got = receive(u, chans[i]);

		if (got < 0)
			return got;
		if (got) {
			*from = chans[i];
			return 1;
		}
	}
	return 0;
}

static int wait_reply(struct fl_vu *u, struct fl_vu_call *call, uint16_t id, uint64_t deadline)
{
	struct fl_vu_chan *c = NULL;
	int got, err;

	for (;;) {
		int ms = fl_vu_ms_left(deadline);

		if (!ms)
			return fl_vu_kill(u, -ETIMEDOUT, "no reply to command %u within %u ms",
					  call->cmd, u->timeout_ms);
		got = next_message(u, &c);
		if (got < 0)
			return got;
		if (got && c == &u->main && is_reply(c)) {
			err = take_reply(u, call, id);
			fl_vu_recv_done(c);
			return err;
		}
		if (got) {
			err = serve(u, c, deadline);
			if (err)
				return err;
			continue;
		}
		poll((struct pollfd[]){ { .fd = u->main.fd, .events = POLLIN },
					{ .fd = u->twin.fd, .events = POLLIN } },
		     2, ms);
	}
}

int fl_vu_flush(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;
	struct iovec iov = { p->out, p->out_len };
	int err;

	if (!u->up)
		return -ENODEV;
	if (!p->out_len)
		return 0;
	p->out_len = 0;
	err = fl_vu_send(&u->main, &iov, 1, NULL, 0, fl_now_ns() + u->timeout_ms * 1000000ull);
	if (err)
		kill_send(u, err, FL_VU_PAGE_RESPONSE);
	/* the device waits for what could not be sent */
	if (err && u->up)
		fl_vu_kill(u, err, "a page response could not be sent: %s", strerror(-err));
	return err ? -ENODEV : 0;
}

int fl_vu_post(struct fl_vu *u, enum fl_vu_cmd cmd, const void *body, size_t len)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_vu_hdr h = { .id = u->next_id++,
			       .cmd = (uint16_t)cmd,
			       .size = (uint32_t)(sizeof(h) + len),
			       .flags = FL_VU_COMMAND | FL_VU_F_NO_REPLY };
	int err = sizeof(p->out) - p->out_len < h.size ? fl_vu_flush(u) : 0;

	if (err || !u->up)
		return -ENODEV;
	memcpy(p->out + p->out_len, &h, sizeof(h));
	memcpy(p->out + p->out_len + sizeof(h), body, len);
	p->out_len += h.size;
	return 0;
}

int fl_vu_call_locked(struct fl_vu *u, struct fl_vu_call *call)
{
	uint64_t deadline = fl_now_ns() + u->timeout_ms * 1000000ull;
	struct fl_vu_hdr h = {
		.id = u->next_id++,
		.cmd = (uint16_t)call->cmd,
		.size = (uint32_t)(sizeof(h) + call->head_len + call->data_len),
		.flags = FL_VU_COMMAND,
	};
	struct iovec iov[] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)call->head, call->head_len },
		{ (void *)(uintptr_t)call->data, call->data_len },
	};
	int err;

	/* what was granted before comes before: this may be its end */
	if (fl_vu_flush(u))
		return -ENODEV;
	err = fl_vu_send(&u->main, iov, FL_ARRAY_SIZE(iov), call->fds, call->nfds, deadline);
	err = err ? kill_send(u, err, call->cmd) : wait_reply(u, call, h.id, deadline);
	fl_vu_rearm(u);
	return err;
}

int fl_vu_call(struct fl_vu *u, struct fl_vu_call *call)
{
	int err;

	pthread_mutex_lock(&u->lock);
	err = fl_vu_call_locked(u, call);
	pthread_mutex_unlock(&u->lock);
	return err;
}

/* Serves what one channel has, up to a number; how many messages that were. */
static unsigned serve_channel(struct fl_vu *u, struct fl_vu_chan *c)
{
	unsigned n = 0;

	for (; n < SERVE_MAX && u->up && receive(u, c) > 0; n++)
		(void)serve(u, c, fl_now_ns() + u->timeout_ms * 1000000ull);
	return n;
}

int fl_vu_dispatch(struct fl_vfio_dev *d)
{
	struct fl_vu *u = (struct fl_vu *)d;
	bool up;

	pthread_mutex_lock(&u->lock);
	/* a server with a twin says nothing on the other socket but that it is gone */
	if (!serve_channel(u, &u->twin))
		serve_channel(u, &u->main);
	fl_pageq_resolve(&u->pages.q);
	fl_vu_rearm(u);
	up = u->up;
	pthread_mutex_unlock(&u->lock);
	return up ? 0 : -ENODEV;
}
