/* SPDX-License-Identifier: BSD-3-Clause */
/* A tap interface of the host. */
#include "wire_internal.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

struct tap {
	struct fl_wire_queue q;
	uint64_t too_long;
	uint8_t buf[FL_WIRE_BATCH][FL_WIRE_MAX];
};

static unsigned tap_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	for (unsigned i = 0; i < n; i++) {
		struct iovec iov[2];
		ssize_t r;

		for (unsigned s = 0; s < f[i].nsegs; s++) {
			iov[s].iov_base = (void *)(uintptr_t)f[i].seg[s].p;
			iov[s].iov_len = f[i].seg[s].len;
		}
		r = writev(w->fd, iov, (int)f[i].nsegs);
		if (r >= 0)
			continue;
		if (hold && (errno == EAGAIN || errno == ENOBUFS))
			return i;
		w->dropped++;
	}
	return n;
}

/* Ethernet knows no shorter frame than 60 bytes; the kernel hands over what it has. */
static uint32_t pad(uint8_t *p, uint32_t len)
{
	if (len >= FL_WIRE_MIN)
		return len;
	memset(p + len, 0, FL_WIRE_MIN - len);
	return FL_WIRE_MIN;
}

static void tap_fill(struct fl_wire *w, struct tap *t, unsigned budget)
{
	w->drained = false;
	while (t->q.n < budget && t->q.n < FL_WIRE_BATCH) {
		uint8_t *p = t->buf[t->q.n];
		ssize_t r = read(w->fd, p, FL_WIRE_MAX);

		if (r < 0) {
			w->drained = true;
			return;
		}
		if (r == FL_WIRE_MAX) {
			t->too_long++;
			continue;
		}
		fl_frame_set(&t->q.f[t->q.n++], p, pad(p, (uint32_t)r));
	}
}

static unsigned tap_poll(struct fl_wire *w, uint64_t now_ns, unsigned budget)
{
	struct tap *t = w->priv;

	if (!t->q.n)
		tap_fill(w, t, budget);
	return fl_wire_offer(w, &t->q, budget);
}

static void tap_close(struct fl_wire *w)
{
	struct tap *t = w->priv;

	if (t->too_long)
		fl_warn(w->log, "wire", "%llu frames of the tap were too long",
			(unsigned long long)t->too_long);
	close(w->fd);
	free(t);
}

static const struct fl_wire_ops tap_ops = { .send = tap_send,
					    .poll = tap_poll,
					    .close = tap_close };

static int bring_up(const char *ifname)
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (s < 0)
		return -errno;
	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(s, SIOCGIFFLAGS, &ifr)) {
		r = -errno;
	} else if (!(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(s, SIOCSIFFLAGS, &ifr))
			r = -errno;
	}
	close(s);
	return r;
}

static int attach(const char *ifname, int *out)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETOFFLOAD, 0)) {
		r = -errno;
		close(fd);
		return r;
	}
	r = bring_up(ifname);
	if (r) {
		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

static void explain(const struct fl_log *log, const char *ifname, int r)
{
	if (r == -EPERM || r == -EACCES)
		fl_err(log, "wire",
		       "tap %s: not permitted; make it once as root: ip tuntap add dev %s mode tap user "
		       "$USER && ip link set %s up",
		       ifname, ifname, ifname);
	else if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
		fl_err(log, "wire", "tap %s: no /dev/net/tun; load the module: modprobe tun",
		       ifname);
	else if (r == -EBUSY)
		fl_err(log, "wire", "tap %s: another process holds it", ifname);
	else if (r == -EINVAL)
		fl_err(log, "wire",
		       "tap %s: an interface of that name is there and is no plain tap", ifname);
	else
		fl_err(log, "wire", "tap %s: %s", ifname, strerror(-r));
}

int fl_wire_tap_open(struct fl_wire *w, const char *ifname)
{
	struct tap *t;
	int r;

	if (!*ifname || strlen(ifname) >= IFNAMSIZ || strpbrk(ifname, "/ \t%:")) {
		fl_err(w->log, "wire", "'%s' is no name of an interface", ifname);
		return -EINVAL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	r = attach(ifname, &w->fd);
	if (r) {
		explain(w->log, ifname, r);
		free(t);
		return r;
	}
	w->ops = &tap_ops;
	w->priv = t;
	return 0;
}
