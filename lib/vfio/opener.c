/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks an opener for the files of a device. */
#include "kernel_internal.h"
#include "opener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SECONDS 5

struct answer {
	char text[FL_OPENER_ANSWER_MAX + 1];
	int fds[FL_OPENER_FDS];
	unsigned nfds;
};

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = SECONDS };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) &&
	    !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

static void close_fds(const struct answer *a)
{
	for (unsigned i = 0; i < a->nfds; i++)
		close(a->fds[i]);
}

/* -EPROTO: more files or bytes than there may be; the files that came stand in `a` all the same. */
static int receive(int sock, struct answer *a)
{
	/* room for one file too many: what does not fit, some systems leave open */
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (FL_OPENER_FDS + 1))];
	} control;
	struct iovec iov = { a->text, sizeof(a->text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	bool extra;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	extra = n >= 0 && msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (a->nfds < FL_OPENER_FDS) {
				a->fds[a->nfds++] = fd;
			} else {
				close(fd);
				extra = true;
			}
		}
	}
	a->text[n] = 0;
	return extra ? -EPROTO : 0;
}

/* What it says goes into a message, so nothing in it may steer a terminal. */
static void make_plain(char *text)
{
	text[strcspn(text, "\n")] = 0;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static int judge(const struct fl_vk_dev *d, struct answer *a)
{
	char *text;
	long err;

	if (!strcmp(a->text, "ok\n") && a->nfds == FL_OPENER_FDS)
		return 0;
	if (strncmp(a->text, "error ", 6))
		return -EPROTO;
	err = strtol(a->text + 6, &text, 10);
	if (err <= 0 || err > 4095 || *text != ' ')
		return -EPROTO;
	make_plain(text);
	fl_err(d->k->log, "vfio", "%s: the opener %s refuses:%s", d->pci.address, d->how.opener,
	       text);
	return (int)-err;
}

static int ask(const struct fl_vk_dev *d, int sock, const char *way, struct answer *a)
{
	char line[FL_OPENER_ASK_MAX];
	int n = snprintf(line, sizeof(line), "open %s %s\n", d->pci.address, way);

	if (send(sock, line, (size_t)n, MSG_NOSIGNAL) != n)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return receive(sock, a);
}

static void give(int *to, int fd)
{
	if (*to < 0)
		*to = fd;
	else
		close(fd);
}

int fl_vk_ask_opener(struct fl_vk_dev *d, enum fl_vfio_backend backend)
{
	bool cdev = backend == FL_VFIO_IOMMUFD;
	struct answer a = { .nfds = 0 };
	int sock, rc;

	if (backend == FL_VFIO_NOIOMMU) {
		fl_err(d->k->log, "vfio",
		       "%s: an opener hands out no device without IOMMU: it would hand out all "
		       "memory",
		       d->pci.address);
		return -EOPNOTSUPP;
	}
	sock = connect_to(d->how.opener);
	if (sock < 0) {
		fl_err(d->k->log, "vfio",
		       "%s: no opener at %s: %s; is fl-opener running, with us "
		       "as its --user?",
		       d->pci.address, d->how.opener, strerror(-sock));
		return sock;
	}
	rc = ask(d, sock, cdev ? FL_OPENER_IOMMUFD : FL_OPENER_CONTAINER, &a);
	close(sock);
	if (!rc) {
		rc = judge(d, &a);
		if (rc && rc != -EPROTO)
			goto out;
	}
	if (rc) {
		fl_err(d->k->log, "vfio", "%s: the opener %s does not answer as one: %s",
		       d->pci.address, d->how.opener, strerror(-rc));
		goto out;
	}
	give(cdev ? &d->how.cdev_fd : &d->how.group_fd, a.fds[0]);
	give(cdev ? &d->how.iommu_fd : &d->how.container_fd, a.fds[1]);
	return 0;
out:
	close_fds(&a);
	return rc;
}
