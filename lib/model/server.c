/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user server: one client at a time, non-blocking, in the engine's thread. Messages are
 * put together from whatever bytes come, and a reply that the client does not fetch stops
 * further reading, so that no client can hold the engine or make it buffer without bound.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MSGS_A_LOOK	64u
#define LOOK_NS		100000u
#define SILENCE_MAX	2000000000ull
#define QUEUE_MAX	64u
#define QUEUE_BYTES_MAX (4u << 20)
#define DMA_TIMEOUT	500000000ull
#define DMA_PROMPT	5000000u
#define LATE_MOST	5u /* half time-outs */
#define LATE_SHARE	16u

union fd_space {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FL_SERVER_MSG_FDS * sizeof(int))];
};

/* ---- messages in ---------------------------------------------------------------------- */

static void msg_free(struct fl_vu_msg *msg)
{
	for (unsigned i = 0; i < msg->nfds; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	}
	free(msg->data);
	*msg = (struct fl_vu_msg){ 0 };
}

static void take_fds(struct fl_server *s, struct fl_vu_msg *msg, struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->nfds < FL_SERVER_MSG_FDS) {
				msg->fds[msg->nfds++] = fd;
			} else {
				close(fd);
				s->broken = "sent too many file descriptors";
			}
		}
	}
	if (mh->msg_flags & MSG_CTRUNC)
		s->broken = "sent more than 16 file descriptors in a message";
}

/* Bytes read (> 0), 0 when there are none now, < 0 when the connection is over. */
static ssize_t receive(struct fl_server *s, int fd, struct fl_vu_msg *msg, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	union fd_space space;
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space.buf,
			     .msg_controllen = sizeof(space.buf) };
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		if (!s->broken)
			s->broken = "";
		return -1;
	}
	take_fds(s, msg, &mh);
	return n;
}

static int check_header(struct fl_server *s, struct fl_vu_msg *msg)
{
	uint32_t most = s->negotiated ? FL_VU_MSG_MAX : FL_VU_VERSION_MAX;

	if (msg->hdr.size < sizeof(msg->hdr) || msg->hdr.size > most)
		s->broken = "sent a message of an impossible size";
	else if ((msg->hdr.flags & FL_VU_F_TYPE) > FL_VU_REPLY)
		s->broken = "sent a message that is neither command nor reply";
	else if (msg->hdr.size > sizeof(msg->hdr) &&
		 !(msg->data = malloc(msg->hdr.size - sizeof(msg->hdr))))
		s->broken = "cannot be served: no memory";
	return s->broken ? -1 : 0;
}

/*
 * Goes on reading a message; true when it is whole. Header and payload are asked for apart, so
 * that fds are never those of the message that follows.
 */
static bool read_msg(struct fl_server *s, int fd, struct fl_vu_msg *msg)
{
	const uint32_t hlen = sizeof(msg->hdr);
	ssize_t n;

	while (msg->have < hlen) {
		n = receive(s, fd, msg, (uint8_t *)&msg->hdr + msg->have, hlen - msg->have);
		if (n <= 0)
			return false;
		msg->have += (uint32_t)n;
		if (msg->have == hlen && check_header(s, msg))
			return false;
	}
	while (msg->have < msg->hdr.size) {
		n = receive(s, fd, msg, msg->data + (msg->have - hlen), msg->hdr.size - msg->have);
		if (n <= 0)
			return false;
		msg->have += (uint32_t)n;
	}
	return !s->broken;
}

/* ---- messages out --------------------------------------------------------------------- */

ssize_t fl_server_send(struct fl_server *s, int fd, struct iovec *iov, unsigned n, int with_fd)
{
	union fd_space space;
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = n };
	struct cmsghdr *c;
	ssize_t r;

	if (with_fd >= 0) {
		mh.msg_control = space.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &with_fd, sizeof(int));
	}
	r = sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r < 0 && !s->broken)
		s->broken = "";
	return r;
}

/* True when nothing of the reply is left. */
static bool flush(struct fl_server *s)
{
	struct fl_reply *t = &s->tx;

	if (!t->len)
		return true;
	/* not into the middle of a page request */
	if (!t->off && s->cmd_fd < 0 && s->m->pages.sent && !fl_server_send_pages(s))
		return false;
	while (t->off < t->len) {
		struct iovec iov = { .iov_base = t->buf + t->off, .iov_len = t->len - t->off };
		ssize_t n = fl_server_send(s, s->fd, &iov, 1, t->off ? -1 : t->fd);

		if (n <= 0)
			return false;
		t->off += (uint32_t)n;
	}
	if (t->own_fd)
		close(t->fd);
	t->len = t->off = 0;
	t->fd = -1;
	t->own_fd = false;
	return true;
}

/* ---- DMA by message ------------------------------------------------------------------- */

/* False when the deadline has passed or the connection is over. */
static bool wait_for(struct fl_server *s, int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = fl_now_ns();
	struct timespec ts;

	if (s->broken || now >= deadline)
		return false;
	ts.tv_sec = (time_t)((deadline - now) / 1000000000u);
	ts.tv_nsec = (long)((deadline - now) % 1000000000u);
	return ppoll(&p, 1, &ts, NULL) >= 0;
}

static bool send_all(struct fl_server *s, int fd, struct iovec *iov, unsigned n, uint64_t deadline)
{
	while (n) {
		ssize_t r = fl_server_send(s, fd, iov, n, -1);

		if (r < 0 || (!r && !wait_for(s, fd, POLLOUT, deadline)))
			return false;
		while (n && (size_t)r >= iov->iov_len) {
			r -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (uint8_t *)iov->iov_base + r;
			iov->iov_len -= (size_t)r;
		}
	}
	return true;
}

/* The model waits inside a callback: what the client asks meanwhile is for later. */
static void enqueue(struct fl_server *s, struct fl_vu_msg *msg)
{
	struct fl_vu_msg *q = malloc(sizeof(*q));

	if (!q || s->queued == QUEUE_MAX || s->queued_bytes + msg->hdr.size > QUEUE_BYTES_MAX) {
		s->broken = "sends commands without end instead of a DMA reply";
		free(q);
		msg_free(msg);
		return;
	}
	*q = *msg;
	q->next = NULL;
	*msg = (struct fl_vu_msg){ 0 };
	*s->queue_end = q;
	s->queue_end = &q->next;
	s->queued++;
	s->queued_bytes += q->hdr.size;
}

/* What comes while the model is in a callback: at once if that can be, else queued. */
static void take_later(struct fl_server *s, struct fl_vu_msg *msg)
{
	if (fl_server_page_now(s, msg))
		msg_free(msg);
	else
		enqueue(s, msg);
}

static bool dequeue(struct fl_server *s, struct fl_vu_msg *out)
{
	struct fl_vu_msg *q = s->queue;

	if (!q)
		return false;
	s->queue = q->next;
	if (!s->queue)
		s->queue_end = &s->queue;
	s->queued--;
	s->queued_bytes -= q->hdr.size;
	*out = *q;
	out->next = NULL;
	free(q);
	return true;
}

/* Waits for the reply with that id. 0 with the reply in *rx. */
static int await_reply(struct fl_server *s, int fd, struct fl_vu_msg *rx, uint16_t id,
		       uint64_t deadline)
{
	for (;;) {
		while (read_msg(s, fd, rx)) {
			bool reply = (rx->hdr.flags & FL_VU_F_TYPE) == FL_VU_REPLY;

			if (reply && rx->hdr.id == id)
				return 0;
			if (!reply && fd == s->fd)
				take_later(s, rx);
			else
				msg_free(rx); /* of a DMA that was given up */
		}
		if (!wait_for(s, fd, POLLIN, deadline))
			return s->broken ? -ENODEV : -ETIMEDOUT;
	}
}

static int check_reply(const struct fl_vu_msg *rx, uint16_t cmd, uint64_t iova, uint32_t n,
		       void *out)
{
	struct fl_vu_dma_access a;
	uint32_t len = rx->hdr.size - (uint32_t)sizeof(rx->hdr);

	if (rx->hdr.flags & FL_VU_F_ERROR || rx->hdr.cmd != cmd)
		return -EFAULT;
	if (cmd == FL_VU_DMA_WRITE)
		return 0; /* some clients answer with the bare header */
	if (len != sizeof(a) + n)
		return -EFAULT;
	memcpy(&a, rx->data, sizeof(a));
	if (a.iova != iova || a.count != n)
		return -EFAULT;
	memcpy(out, rx->data + sizeof(a), n);
	return 0;
}

static int dma_piece(struct fl_server *s, uint64_t iova, void *buf, uint32_t n, bool write)
{
	int fd = s->cmd_fd >= 0 ? s->cmd_fd : s->fd;
	struct fl_vu_msg *rx = s->cmd_fd >= 0 ? &s->cmd_rx : &s->rx;
	struct fl_vu_dma_access a = { .iova = iova, .count = n };
	struct fl_vu_hdr h = { .id = s->next_id++,
			       .cmd = write ? FL_VU_DMA_WRITE : FL_VU_DMA_READ,
			       .size = (uint32_t)(sizeof(h) + sizeof(a)) + (write ? n : 0) };
	struct iovec iov[] = { { &h, sizeof(h) }, { &a, sizeof(a) }, { buf, n } };
	uint64_t deadline = fl_now_ns() + s->dma_timeout_ns;
	int r;

	fl_stat_add(&s->m->stats.dma_messages, 1);
	while ((fd == s->fd && !flush(s)) || !fl_server_send_pages(s)) {
		if (!wait_for(s, fd, POLLOUT, deadline))
			return s->broken ? -ENODEV : -ETIMEDOUT;
	}
	if (!send_all(s, fd, iov, write ? 3 : 2, deadline)) {
		/* half a message may be on its way: nothing can follow it */
		if (!s->broken)
			s->broken = "does not read its socket";
		return -ENODEV;
	}
	r = await_reply(s, fd, rx, h.id, deadline);
	if (r)
		return r;
	r = check_reply(rx, h.cmd, iova, n, buf);
	msg_free(rx);
	return r;
}

/*
 * A client's slow answers are paid by every model of the engine: it has LATE_MOST halves of a
 * time-out to spend, and one part in LATE_SHARE of the time that passes.
 */
static void count_wait(struct fl_server *s, uint64_t start)
{
	uint64_t now = fl_now_ns(), back = (start - s->late_at) / LATE_SHARE;
	uint64_t waited = now - start;

	s->late_ns -= back < s->late_ns ? back : s->late_ns;
	s->late_at = now;
	if (waited > DMA_PROMPT)
		s->late_ns += waited < s->dma_timeout_ns ? waited : s->dma_timeout_ns;
	if (2 * s->late_ns > LATE_MOST * s->dma_timeout_ns && !s->broken)
		s->broken = "takes too long to answer DMA messages";
}

int fl_server_dma(struct fl_server *s, uint64_t iova, void *buf, uint32_t len, bool write)
{
	uint32_t most = s->peer.max_data_xfer_size < FL_VU_DEFAULT_XFER
				? (uint32_t)s->peer.max_data_xfer_size
				: FL_VU_DEFAULT_XFER;
	uint8_t *p = buf;

	if (s->fd < 0 || s->broken || !s->negotiated || !most)
		return -ENODEV;
	while (len) {
		uint32_t n = len < most ? len : most;
		uint64_t start = fl_now_ns();
		int r = dma_piece(s, iova, p, n, write);

		count_wait(s, start);
		if (r == -ETIMEDOUT) {
			fl_warn(s->log, "vfio-user", "%s: no reply to a DMA message in %llu ms",
				s->m->ops->name,
				(unsigned long long)(s->dma_timeout_ns / 1000000u));
			return -EFAULT;
		}
		if (r)
			return r;
		iova += n;
		p += n;
		len -= n;
	}
	return 0;
}

/* ---- clients come and go -------------------------------------------------------------- */

static void start_client(struct fl_server *s, int fd)
{
	s->fd = fd;
	s->peer = fl_vu_caps_default();
	s->broken = NULL;
	s->late_ns = 0;
	s->since = s->late_at = fl_now_ns();
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void end_client(struct fl_server *s)
{
	struct fl_vu_msg msg;
	bool was = s->negotiated;

	if (s->broken && *s->broken)
		fl_warn(s->log, "vfio-user", "%s: the client %s; disconnected", s->m->ops->name,
			s->broken);
	if (was)
		fl_info(s->log, "vfio-user", "%s: client left", s->m->ops->name);
	close_fd(&s->fd);
	close_fd(&s->cmd_fd);
	msg_free(&s->rx);
	msg_free(&s->cmd_rx);
	while (dequeue(s, &msg))
		msg_free(&msg);
	if (s->tx.own_fd)
		close(s->tx.fd);
	free(s->tx.buf);
	s->tx = (struct fl_reply){ .fd = -1 };
	s->broken = NULL;
	s->negotiated = false;
	s->over = s->lfd < 0;
	if (!was)
		return;
	fl_model_release(s->m);
	if (s->m->ops->client)
		s->m->ops->client(s->m->state, false);
}

static bool accept_client(struct fl_server *s)
{
	int fd = s->lfd >= 0 ? accept4(s->lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

	if (fd < 0)
		return false;
	start_client(s, fd);
	return true;
}

bool fl_server_connected(const struct fl_server *s)
{
	return s->fd >= 0;
}

bool fl_server_over(const struct fl_server *s)
{
	return s->over;
}

unsigned fl_server_pollfds(struct fl_server *s, struct pollfd *p)
{
	unsigned n = 0;

	if (s->fd < 0) {
		p[n] = (struct pollfd){ .fd = s->lfd, .events = POLLIN };
		return s->lfd >= 0 ? 1 : 0;
	}
	p[n++] = (struct pollfd){ .fd = s->fd, .events = s->tx.len ? POLLOUT : POLLIN };
	if (s->cmd_fd >= 0)
		p[n++] = (struct pollfd){ .fd = s->cmd_fd, .events = POLLIN };
	if (s->m->irq.unmask_fd >= 0)
		p[n++] = (struct pollfd){ .fd = s->m->irq.unmask_fd, .events = POLLIN };
	return n;
}

/* On the second socket nothing comes unasked but late replies, and the end. */
static void drain_cmd(struct fl_server *s)
{
	while (s->cmd_fd >= 0 && !s->broken && read_msg(s, s->cmd_fd, &s->cmd_rx))
		msg_free(&s->cmd_rx);
}

static bool one_command(struct fl_server *s)
{
	struct fl_vu_msg msg;

	if (!flush(s))
		return false;
	if (!dequeue(s, &msg)) {
		if (s->broken || !read_msg(s, s->fd, &s->rx))
			return false;
		/* its own now: the model may wait for a reply, which reads into s->rx */
		msg = s->rx;
		s->rx = (struct fl_vu_msg){ 0 };
	}
	if ((msg.hdr.flags & FL_VU_F_TYPE) == FL_VU_COMMAND)
		fl_server_handle(s, &msg);
	msg_free(&msg);
	return true;
}

/* A client that only connects keeps others out. */
static bool silent(const struct fl_server *s)
{
	return !s->negotiated && s->fd >= 0 && s->lfd >= 0 &&
	       fl_now_ns() - s->since > s->silence_ns;
}

bool fl_server_due(const struct fl_server *s)
{
	return s->broken || (s->queue && !s->tx.len) || s->m->pages.nout || silent(s);
}

bool fl_server_work(struct fl_server *s)
{
	bool any = false;
	uint64_t until;

	if (s->fd < 0)
		return accept_client(s);
	until = fl_now_ns() + LOOK_NS;
	for (unsigned i = 0; i < MSGS_A_LOOK && !s->broken && one_command(s); i++) {
		any = true;
		if (fl_now_ns() > until)
			break;
	}
	if (!s->broken && silent(s))
		s->broken = "does not negotiate";
	if (flush(s))
		fl_server_send_pages(s);
	drain_cmd(s);
	fl_irq_unmask_event(s->m);
	if (s->broken) {
		end_client(s);
		return true;
	}
	return any;
}

/* ---- making and ending ---------------------------------------------------------------- */

/* A socket file that nobody listens on is left from a process that died. */
static void remove_stale(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (!stat(sa->sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) && errno == ECONNREFUSED)
		unlink(sa->sun_path);
	close(fd);
}

static int listen_on(struct fl_server *s, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		fl_err(s->log, "vfio-user", "%s: longer than the %zu bytes of a socket's path",
		       path, sizeof(sa.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(sa.sun_path, path, strlen(path));
	s->path = strdup(path);
	s->lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!s->path || s->lfd < 0)
		return s->path ? -errno : -ENOMEM;
	remove_stale(&sa);
	/* before bind: then the file never has another mode */
	if (fchmod(s->lfd, 0600) || bind(s->lfd, (struct sockaddr *)&sa, sizeof(sa)))
		goto fail;
	if (listen(s->lfd, 4)) {
		r = -errno;
		unlink(path);
		errno = -r;
		goto fail;
	}
	return 0;
fail:
	r = -errno;
	fl_err(s->log, "vfio-user", "cannot listen on %s: %s%s", path, strerror(-r),
	       r == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
	/* what is there is not ours to remove */
	free(s->path);
	s->path = NULL;
	return r;
}

int fl_server_new(struct fl_model *m, const char *path, int fd, struct fl_server **out)
{
	struct fl_server *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s) {
		close_fd(&fd);
		return -ENOMEM;
	}
	*s = (struct fl_server){ .m = m, .log = m->log, .lfd = -1, .fd = -1, .cmd_fd = -1 };
	s->tx.fd = -1;
	s->queue_end = &s->queue;
	s->dma_timeout_ns = DMA_TIMEOUT;
	s->silence_ns = SILENCE_MAX;
	if (path)
		r = listen_on(s, path);
	else
		start_client(s, fd);
	if (r) {
		fl_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void fl_server_free(struct fl_server *s)
{
	if (s->fd >= 0)
		end_client(s);
	close_fd(&s->lfd);
	if (s->path)
		unlink(s->path);
	free(s->path);
	free(s);
}
