/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket, and what is said on it. A client is of the right user and hostile all the same. */
#include "opener.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 2000

/* Left by an opener that was killed: nobody listens. */
static bool is_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct stat st;
	bool stale;

	if (fd < 0)
		return false;
	stale = !lstat(addr->sun_path, &st) && S_ISSOCK(st.st_mode) &&
		connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_to(int fd, const struct sockaddr_un *addr)
{
	const struct sockaddr *a = (const struct sockaddr *)addr;

	if (!bind(fd, a, sizeof(*addr)))
		return 0;
	if (errno != EADDRINUSE || !is_stale(addr) || unlink(addr->sun_path))
		return -1;
	return bind(fd, a, sizeof(*addr));
}

int op_listen(const struct op_conf *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *what = "socket";
	mode_t mask;
	int fd, rc;

	if (strlen(c->socket) >= sizeof(addr.sun_path)) {
		op_log("--socket %s: longer than %zu bytes", c->socket, sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, c->socket, strlen(c->socket) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto failed;
	what = "bind";
	mask = umask(0177);
	rc = bind_to(fd, &addr);
	umask(mask);
	if (rc)
		goto failed;
	what = "giving it to the user";
	if (c->uid != geteuid() && lchown(c->socket, c->uid, c->gid))
		goto remove;
	what = "listen";
	if (listen(fd, 8))
		goto remove;
	return fd;

remove:
	rc = errno;
	unlink(c->socket);
	errno = rc;
failed:
	rc = -errno;
	op_log("--socket %s: %s: %s", c->socket, what, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Sent at once or not at all: a client that reads nothing has room for one answer. */
static void answer(int client, const char *text, const int *fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FL_OPENER_FDS)];
	} control = { .space = { 0 } };
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fds) {
		struct cmsghdr *m = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(sizeof(int) * FL_OPENER_FDS);
		memcpy(CMSG_DATA(m), fds, sizeof(int) * FL_OPENER_FDS);
	}
	if (sendmsg(client, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		op_log("a client did not take its answer: %s", strerror(errno));
}

static void answer_refused(int client, const struct ucred *peer, const struct op_refusal *why)
{
	char text[FL_OPENER_ANSWER_MAX];

	snprintf(text, sizeof(text), "error %d %s\n", why->err, why->text);
	op_log("refused pid %d of uid %u: %s", peer->pid, peer->uid, why->text);
	answer(client, text, NULL);
}

/* "open ADDRESS WAY\n" in one message; files that come with it the kernel drops. */
static bool read_question(int client, char *buf, char **address, char **way, struct op_refusal *why)
{
	struct pollfd p = { .fd = client, .events = POLLIN };
	ssize_t n = 0;
	char *end;

	*why = (struct op_refusal){ ETIMEDOUT, "no question came" };
	if (poll(&p, 1, PATIENCE_MS) <= 0)
		return false;
	n = recv(client, buf, FL_OPENER_ASK_MAX, MSG_DONTWAIT | MSG_TRUNC);
	*why = (struct op_refusal){ EPROTO, "want \"open ADDRESS WAY\" in a line" };
	if (n <= 0 || n >= FL_OPENER_ASK_MAX || buf[n - 1] != '\n')
		return false;
	buf[n - 1] = 0;
	/* what is said again in an answer or a log line is plain text */
	for (ssize_t i = 0; i < n - 1; i++)
		if (buf[i] < ' ' || buf[i] > '~')
			return false;
	if (strncmp(buf, "open ", 5))
		return false;
	*address = buf + 5;
	end = strchr(*address, ' ');
	if (!end)
		return false;
	*end = 0;
	*way = end + 1;
	return true;
}

/* The question is read first in any case: to close over it would take the answer away as well. */
void op_serve(const struct op_conf *c, int client)
{
	char buf[FL_OPENER_ASK_MAX], *address, *way;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct op_refusal why;
	int fds[FL_OPENER_FDS];
	bool ok = read_question(client, buf, &address, &way, &why);

	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.uid != c->uid) {
		why = (struct op_refusal){ EPERM, "the opener serves another user" };
		ok = false;
	}
	if (ok && op_open(c, address, way, fds, &why)) {
		answer(client, "ok\n", fds);
		op_log("%s handed to pid %d of %s, for %s", address, peer.pid, c->user, way);
		for (unsigned i = 0; i < FL_OPENER_FDS; i++)
			close(fds[i]);
	} else {
		answer_refused(client, &peer, &why);
	}
	close(client);
}
