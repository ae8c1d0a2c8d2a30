/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end: one request, one answer. */
#include "telemetry_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (8u << 20)

/** Until the fd is ready or the time over; 0 or -errno. */
static int await(int fd, short events, uint64_t end)
{
	struct pollfd p = { fd, events, 0 };
	uint64_t now;
	int n;

	do {
		now = fl_now_ns();
		n = now < end ? poll(&p, 1, (int)((end - now) / 1000000 + 1)) : 0;
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

static int open_socket(const char *path, uint64_t end)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		err = -errno;
		/* the queue of those who wait is full; no event tells when it no longer is */
		if (err == -EAGAIN && fl_now_ns() < end) {
			poll(NULL, 0, 5);
			continue;
		}
		close(fd);
		return err == -EAGAIN ? -ETIMEDOUT : err;
	}
	return fd;
}

static int send_all(int fd, const char *text, size_t len, uint64_t end)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
		int err;

		if (n >= 0) {
			at += (size_t)n;
			continue;
		}
		err = errno == EAGAIN ? await(fd, POLLOUT, end) : errno == EINTR ? 0 : -errno;
		if (err)
			return err;
	}
	return 0;
}

static int read_line(int fd, uint64_t end, char **out)
{
	size_t len = 0, cap = 0;
	char *buf = NULL, *more, *nl;
	ssize_t n;
	int err;

	for (;;) {
		if (cap - len < 2) {
			cap = cap ? cap * 2 : 4096;
			more = cap <= ANSWER_MAX ? realloc(buf, cap) : NULL;
			err = cap <= ANSWER_MAX ? -ENOMEM : -EPROTO;
			if (!more)
				break;
			buf = more;
		}
		n = recv(fd, buf + len, cap - len - 1, 0);
		if (n < 0) {
			err = errno == EAGAIN  ? await(fd, POLLIN, end)
			      : errno == EINTR ? 0
					       : -errno;
			if (err)
				break;
			continue;
		}
		err = -EPROTO; /* the other side hung up */
		if (!n)
			break;
		nl = memchr(buf + len, '\n', (size_t)n);
		len += (size_t)n;
		if (nl) {
			*nl = 0;
			*out = buf;
			return 0;
		}
	}
	free(buf);
	return err;
}

int fl_telemetry_ask(const char *path, const char *request, int timeout_ms, char **answer)
{
	uint64_t end = fl_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
	int fd, err;

	if (strchr(request, '\n'))
		return -EINVAL;
	fd = open_socket(path, end);
	if (fd < 0)
		return fd;
	err = send_all(fd, request, strlen(request), end);
	if (!err)
		err = send_all(fd, "\n", 1, end);
	if (!err)
		err = read_line(fd, end, answer);
	close(fd);
	return err;
}
