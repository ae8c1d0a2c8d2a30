/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A modelled 82574L or 82540EM on a bench: an engine turned by hand with its own clock, a few MiB
 * of DMA memory, and a far end of the wire that keeps what arrives and sends what a test gives it.
 */
#ifndef E1000_RIG_H
#define E1000_RIG_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <model_internal.h>
#include "../../models/e1000/e1000_hw.h"

#define RIG_IOVA      0x40000000ull
#define RIG_MEM	      (4u << 20)
#define RIG_FRAMES    128u
#define RIG_FRAME_MAX 65536u
#define RIG_MS	      1000000ull

struct rig_frame {
	uint32_t len;
	uint8_t *p;
};

/** The far end. */
struct rig_port {
	struct fl_wire *w;
	unsigned n, room; /* kept; how many more it takes */
	bool carrier;
	struct rig_frame f[RIG_FRAMES];
	uint8_t *store;
};

struct rig {
	struct fl_engine *e;
	struct fl_model *m, *far_model;
	struct rig_port *far;
	uint8_t *mem; /* at RIG_IOVA */
	int fd;
	uint64_t now;
	int irq[5];
};

extern const struct fl_model_ops fl_e1000_model_ops, fl_e1000e_model_ops;

/** The chip that rig_open() takes. */
static const struct fl_model_ops *rig_chip = &fl_e1000e_model_ops;

static inline bool rig_is_82540(void)
{
	return rig_chip == &fl_e1000_model_ops;
}

/** Causes as ICR shows them. */
static inline uint32_t rig_icr(uint32_t causes)
{
	return rig_is_82540() ? causes : causes | ICR_ASSERT;
}

static unsigned rig_far_receive(void *arg, const struct fl_frame *f, unsigned n)
{
	struct rig_port *p = arg;
	unsigned i;

	for (i = 0; i < n && p->room; i++, p->room--) {
		struct rig_frame *to = &p->f[p->n % RIG_FRAMES];

		if (f[i].len > RIG_FRAME_MAX)
			abort();
		to->p = p->store + (p->n % RIG_FRAMES) * (size_t)RIG_FRAME_MAX;
		to->len = f[i].len;
		memcpy(to->p, f[i].seg[0].p, f[i].seg[0].len);
		if (f[i].nsegs == 2)
			memcpy(to->p + f[i].seg[0].len, f[i].seg[1].p, f[i].seg[1].len);
		p->n++;
	}
	return i;
}

static void rig_far_carrier(void *arg, bool up)
{
	((struct rig_port *)arg)->carrier = up;
}

static int rig_far_create(struct fl_model *m, struct fl_args *args, void **state)
{
	struct rig_port *p = calloc(1, sizeof(*p));
	struct fl_wire_port port = { rig_far_receive, rig_far_carrier, p };

	p->store = malloc(RIG_FRAMES * (size_t)RIG_FRAME_MAX);
	p->room = UINT32_MAX;
	*state = p;
	return fl_wire_open(m, args, &port, &p->w);
}

static void rig_far_destroy(void *state)
{
	struct rig_port *p = state;

	fl_wire_close(p->w);
	free(p->store);
	free(p);
}

static void rig_far_reset(void *state)
{
}

static unsigned rig_far_poll(void *state, uint64_t now)
{
	return 0;
}

static const struct fl_model_ops rig_far_ops = {
	.name = "far",
	.create = rig_far_create,
	.destroy = rig_far_destroy,
	.reset = rig_far_reset,
	.poll = rig_far_poll,
};

static inline uint32_t rig_rd(struct rig *r, uint32_t off)
{
	uint32_t v = 0;

	if (fl_model_region(r->m, 0, off, &v, 4, false))
		abort();
	return v;
}

static inline void rig_wr(struct rig *r, uint32_t off, uint32_t v)
{
	if (fl_model_region(r->m, 0, off, &v, 4, true))
		abort();
}

static inline void rig_set(struct rig *r, uint32_t off, uint32_t bits)
{
	rig_wr(r, off, rig_rd(r, off) | bits);
}

static inline void rig_clear(struct rig *r, uint32_t off, uint32_t bits)
{
	rig_wr(r, off, rig_rd(r, off) & ~bits);
}

static inline uint32_t rig_phy_rd(struct rig *r, uint32_t reg)
{
	rig_wr(r, R_MDIC, 1u << 27 | 1u << 21 | reg << 16);
	return rig_rd(r, R_MDIC);
}

static inline uint32_t rig_phy_wr(struct rig *r, uint32_t reg, uint32_t v)
{
	rig_wr(r, R_MDIC, 1u << 26 | 1u << 21 | reg << 16 | v);
	return rig_rd(r, R_MDIC);
}

/** Time passes, everything gets its turn (often enough for a bounded poll to finish). */
static inline void rig_run(struct rig *r, uint64_t ns)
{
	r->now += ns;
	for (unsigned i = 0; i < 64 && fl_engine_round(r->e, r->now); i++)
		;
}

static inline void *rig_at(struct rig *r, uint64_t iova)
{
	return r->mem + (iova - RIG_IOVA);
}

static inline void rig_send(struct rig *r, const uint8_t *p, uint32_t len)
{
	struct fl_frame f = { .seg = { { p, len } }, .nsegs = 1, .len = len };

	(void)fl_wire_send(r->far->w, &f, 1, false);
}

/** eventfds for `n` vectors of a kind; they stay quiet until fired. */
static inline void rig_irqs(struct rig *r, unsigned index, unsigned n)
{
	int fds[5];

	for (unsigned i = 0; i < n; i++) {
		r->irq[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		fds[i] = dup(r->irq[i]);
	}
	/* VFIO: eventfd data, trigger */
	if (fl_model_irq_set(r->m, index, 0, n, 1u << 2 | 1u << 5, NULL, fds, n))
		abort();
}

/** How often a vector fired since the last look. */
static inline unsigned rig_fired(struct rig *r, unsigned vec)
{
	uint64_t v = 0;

	return read(r->irq[vec], &v, sizeof(v)) == sizeof(v) ? (unsigned)v : 0;
}

static inline int rig_open(struct rig *r, const char *args)
{
	static const struct fl_engine_opts opts = { .cpu = -1 };
	char with_mac[256];
	uint16_t cmd = 6;
	int rc;

	/* the far end has taken the engine's first address */
	snprintf(with_mac, sizeof(with_mac), "%s%s", args,
		 strstr(args, "mac=") ? "" : ",mac=52:54:00:12:34:56");
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < 5; i++)
		r->irq[i] = -1;
	rc = fl_engine_new(&opts, false, &r->e);
	if (!rc)
		rc = fl_engine_add_ops(r->e, &rig_far_ops, "wire=x", NULL, -1, 0, &r->far_model);
	if (!rc)
		rc = fl_engine_add_ops(r->e, rig_chip, with_mac, NULL, -1, 0, &r->m);
	if (rc)
		return rc;
	r->far = r->far_model->state;
	r->fd = memfd_create("rig", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, RIG_MEM))
		return -errno;
	r->mem = mmap(NULL, RIG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->mem == MAP_FAILED)
		return -errno;
	rc = fl_model_map(r->m, RIG_IOVA, RIG_MEM, FL_DMA_RW, r->fd, 0);
	if (!rc)
		rc = fl_model_region(r->m, FL_VFIO_REGION_CONFIG, 4, &cmd, 2, true);
	r->now = fl_now_ns() + RIG_MS;
	rig_run(r, 1);
	return rc;
}

static inline void rig_close(struct rig *r)
{
	fl_engine_destroy(r->e);
	munmap(r->mem, RIG_MEM);
	close(r->fd);
	for (unsigned i = 0; i < 5; i++)
		if (r->irq[i] >= 0)
			close(r->irq[i]);
}

#endif
