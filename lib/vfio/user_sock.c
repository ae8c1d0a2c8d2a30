/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: messages and file descriptors on a stream socket, never waiting past a deadline. */
#include "vfio_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int fl_vu_ms_left(uint64_t deadline)
{
	uint64_t now = fl_now_ns();

	return now < deadline ? (int)((deadline - now + 999999) / 1000000) : 0;
}

int fl_vu_connect(const char *path, unsigned timeout_ms, const struct fl_log *log)
{
	uint64_t deadline = fl_now_ns() + timeout_ms * 1000000ull;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		fl_err(log, "vfio-user", "%s: a socket's path has at most %zu bytes", path,
		       sizeof(sa.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: the server's backlog is full, and nothing tells when it has room */
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		err = -errno;
		if (err == -EAGAIN && fl_vu_ms_left(deadline)) {
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
			continue;
		}
		if (err == -EINTR)
			continue;
		close(fd);
		err = err == -EAGAIN ? -ETIMEDOUT : err;
		fl_err(log, "vfio-user",
		       "%s: %s; is the server running, and may this user write "
		       "to its socket?",
		       path, strerror(-err));
		return err;
	}
	return fd;
}

/* Takes `n` sent bytes off the front. */
static void advance(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen) {
		m->msg_iov->iov_base = (uint8_t *)m->msg_iov->iov_base + n;
		m->msg_iov->iov_len -= n;
	}
}

int fl_vu_send(struct fl_vu_chan *c, struct iovec *iov, unsigned niov, const int *fds,
	       unsigned nfds, uint64_t deadline)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FL_VU_FDS_MAX * sizeof(int))];
	} ctl;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = niov };
	bool begun = false;

	if (nfds > FL_VU_FDS_MAX)
		return -EINVAL;
	if (nfds) {
		memset(&ctl, 0, sizeof(ctl));
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&ctl.align), fds, nfds * sizeof(int));
	}
	while (m.msg_iovlen) {
		ssize_t n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			begun = true;
			m.msg_control = NULL;
			m.msg_controllen = 0;
			advance(&m, (size_t)n);
		} else if (errno == EAGAIN) {
			int ms = fl_vu_ms_left(deadline);

			if (!ms)
				return -ETIMEDOUT;
			poll(&(struct pollfd){ .fd = c->fd, .events = POLLOUT }, 1, ms);
		} else if (errno != EINTR) {
			return begun || errno == EPIPE || errno == ECONNRESET ? -ENODEV : -errno;
		}
	}
	return 0;
}

static int broken(struct fl_vu_chan *c, const char *why)
{
	c->why = why;
	return -EPROTO;
}

/* All fds of a message are taken in before any is judged, so that none is left open. */
static int take_fds(struct fl_vu_chan *c, struct msghdr *m)
{
	bool many = m->msg_flags & MSG_CTRUNC;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (c->nfds < FL_VU_FDS_MAX) {
				c->fds[c->nfds++] = fd;
			} else {
				close(fd);
				many = true;
			}
		}
	}
	return many ? broken(c, "more file descriptors in a message than we said we take") : 0;
}

/* Reads at most `len` more bytes of this message: 1 = all of them, 0 = not yet. */
static int fill(struct fl_vu_chan *c, void *to, size_t len)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FL_VU_FDS_MAX * sizeof(int))];
	} ctl;
	struct iovec iov = { to, len };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	ssize_t n;
	int err;

	do
		n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -ENODEV;
	err = take_fds(c, &m);
	if (err)
		return err;
	if (!n)
		return -ENODEV;
	c->got += (size_t)n;
	return (size_t)n == len;
}

/* Bytes, 0 = none now, or -ENODEV. */
static ssize_t read_some(struct fl_vu_chan *c, void *to, size_t len)
{
	ssize_t n;

	/* the last read got all; what has come since then the next call finds */
	if (c->drained) {
		c->drained = false;
		return 0;
	}
	do
		n = recv(c->fd, to, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n && errno == EAGAIN ? 0 : -ENODEV;
	c->drained = (size_t)n < len;
	return n;
}

/* As fill(), where no fds come: all that is there is read in one go, and kept. */
static int fill_ahead(struct fl_vu_chan *c, void *to, size_t len)
{
	ssize_t n = (ssize_t)(c->ahead_end - c->ahead_at);

	if (!n && len < FL_VU_AHEAD) {
		n = read_some(c, c->ahead, FL_VU_AHEAD);
		c->ahead_at = 0;
		c->ahead_end = n > 0 ? (size_t)n : 0;
	} else if (!n) {
		n = read_some(c, to, len);
		c->got += n > 0 ? (size_t)n : 0;
		return n > 0 ? (size_t)n == len : (int)n;
	}
	if (n <= 0)
		return (int)n;
	n = n < (ssize_t)len ? n : (ssize_t)len;
	memcpy(to, c->ahead + c->ahead_at, (size_t)n);
	c->ahead_at += (size_t)n;
	c->got += (size_t)n;
	return (size_t)n == len;
}

static int take(struct fl_vu_chan *c, void *to, size_t len)
{
	return c->ahead ? fill_ahead(c, to, len) : fill(c, to, len);
}

static int check_header(struct fl_vu_chan *c)
{
	size_t len = c->hdr.size - sizeof(c->hdr);
	uint8_t *body;

	if (c->hdr.size < sizeof(c->hdr))
		return broken(c, "a message shorter than its header");
	if (c->hdr.size > FL_VU_MSG_MAX)
		return broken(c, "a message longer than any that we would take");
	if (len <= c->body_cap)
		return 0;
	body = realloc(c->body, len);
	if (!body)
		return -ENOMEM;
	c->body = body;
	c->body_cap = len;
	return 0;
}

int fl_vu_recv(struct fl_vu_chan *c)
{
	int got;

	if (c->got < sizeof(c->hdr)) {
		got = take(c, (uint8_t *)&c->hdr + c->got, sizeof(c->hdr) - c->got);
		if (got > 0)
			got = check_header(c);
		else if (!got)
			return 0;
		if (got)
			return got;
	}
	if (c->got == c->hdr.size)
		return 1;
	return take(c, c->body + (c->got - sizeof(c->hdr)), c->hdr.size - c->got);
}

void fl_vu_recv_done(struct fl_vu_chan *c)
{
	for (unsigned i = 0; i < c->nfds; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	c->nfds = 0;
	c->got = 0;
}

void fl_vu_chan_close(struct fl_vu_chan *c)
{
	fl_vu_recv_done(c);
	if (c->fd >= 0)
		close(c->fd);
	free(c->body);
	free(c->ahead);
	*c = (struct fl_vu_chan){ .fd = -1 };
}
