/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of a page: registers that remember, a doorbell page that can be mapped, a copy engine,
 * and a wire. Register map of BAR 0 (64 KiB; the second page is shared memory):
 *   0x00 scratch   0x08 intx level   0x10 fire MSI-X vector   0x18 fire MSI
 *   0x20 iova      0x28 length, and go: read from iova to the internal buffer
 *   0x30 length, and go: write the internal buffer to iova     0x38 result of the last go
 */
#ifndef MODEL_TOY_H
#define MODEL_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <model_internal.h>

#define TOY_BAR_SIZE  0x10000u
#define TOY_SHARED    0x1000u
#define TOY_FRAMES    4096u
#define TOY_FRAME_MAX 2048u

struct toy {
	struct fl_model *m;
	struct fl_wire *w;
	uint64_t reg[8];
	uint8_t buf[8192];
	unsigned resets, clients, gone, cfg_writes, carriers;
	unsigned quiesced; /* while 0x1000 could still be reached */
	/* wire */
	unsigned room; /* frames still taken; what is more waits (hold) */
	unsigned n;
	uint64_t bytes;
	uint8_t frame[TOY_FRAMES][TOY_FRAME_MAX];
	uint32_t len[TOY_FRAMES];
	bool no_poll;
	uint32_t seen_doorbell;
};

static inline unsigned toy_receive(void *arg, const struct fl_frame *f, unsigned n)
{
	struct toy *t = arg;
	unsigned i;

	for (i = 0; i < n && t->room; i++, t->room--) {
		uint32_t at = 0;

		for (unsigned s = 0; s < f[i].nsegs; s++) {
			assert_true(at + f[i].seg[s].len <= TOY_FRAME_MAX);
			memcpy(t->frame[t->n % TOY_FRAMES] + at, f[i].seg[s].p, f[i].seg[s].len);
			at += f[i].seg[s].len;
		}
		assert_int_equal(at, f[i].len);
		t->bytes += at;
		t->len[t->n++ % TOY_FRAMES] = at;
	}
	return i;
}

static inline void toy_carrier(void *arg, bool up)
{
	((struct toy *)arg)->carriers++;
}

static inline int toy_create(struct fl_model *m, struct fl_args *args, void **state)
{
	const struct fl_pci_id id = { .vendor = 0x8086,
				      .device = 0x10d3,
				      .subvendor = 0x8086,
				      .subdevice = 0xa01f,
				      .class_code = 0x020000 };
	const struct fl_model_bar bar0 = { .size = TOY_BAR_SIZE,
					   .nshared = 1,
					   .shared = { { TOY_SHARED, 0x1000 } } };
	const struct fl_model_bar bar2 = { .size = 32, .io = true };
	const struct fl_model_bar bar4 = { .size = 0x4000, .mem64 = true, .prefetch = true };
	struct toy *t = calloc(1, sizeof(*t));
	struct fl_wire_port port = { toy_receive, toy_carrier, t };
	int r;

	fl_model_set_id(m, &id, 1);
	fl_model_set_bar(m, 0, &bar0);
	fl_model_set_bar(m, 2, &bar2);
	fl_model_set_bar(m, 4, &bar4);
	fl_model_add_pm(m, 0xc8);
	fl_model_add_msi(m, 0xd0, 1, true, false);
	fl_model_add_pcie(m, 0xe0, 1, true);
	fl_model_add_msix(m, 0xa0, 5, 4, 0, 0x2000);
	fl_model_add_ext_cap(m, 1, 1, 0x100, 0x40);
	fl_model_add_ext_cap(m, 3, 1, 0x140, 12);
	t->m = m;
	t->room = UINT32_MAX;
	*state = t;
	r = fl_wire_open(m, args, &port, &t->w);
	if (r)
		free(t);
	return r;
}

static inline void toy_destroy(void *state)
{
	struct toy *t = state;

	fl_wire_close(t->w);
	free(t);
}

static inline void toy_reset(void *state)
{
	struct toy *t = state;

	memset(t->reg, 0, sizeof(t->reg));
	t->resets++;
}

static inline uint64_t toy_read(void *state, unsigned bar, uint64_t off, unsigned size)
{
	struct toy *t = state;

	return bar == 0 && off < sizeof(t->reg) ? t->reg[off / 8] >> off % 8 * 8 : 0;
}

static inline void toy_go(struct toy *t, bool write, uint64_t len)
{
	fl_iova_t iova = fl_iova(t->reg[4]);

	len = len > sizeof(t->buf) ? sizeof(t->buf) : len;
	t->reg[7] = (uint64_t)(write ? fl_model_dma_write(t->m, iova, t->buf, (uint32_t)len)
				     : fl_model_dma_read(t->m, iova, t->buf, (uint32_t)len));
}

static inline void toy_write(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v)
{
	struct toy *t = state;

	if (bar || off >= sizeof(t->reg))
		return;
	if (size == 4 && off % 8 == 4)
		v = v << 32 | (t->reg[off / 8] & UINT32_MAX);
	t->reg[off / 8] = v;
	switch (off) {
	case 0x08:
		fl_model_intx(t->m, v & 1);
		break;
	case 0x10:
		fl_model_msix(t->m, (unsigned)v);
		break;
	case 0x18:
		fl_model_msi(t->m, (unsigned)v);
		break;
	case 0x28:
	case 0x30:
		toy_go(t, off == 0x30, v);
		break;
	}
}

static inline void toy_cfg_written(void *state, unsigned off, unsigned size)
{
	((struct toy *)state)->cfg_writes++;
}

static inline unsigned toy_poll(void *state, uint64_t now)
{
	struct toy *t = state;
	uint32_t db = __atomic_load_n((uint32_t *)fl_model_bar_mem(t->m, 0, TOY_SHARED),
				      __ATOMIC_ACQUIRE);
	bool rung = db != t->seen_doorbell;

	t->seen_doorbell = db;
	/* rung: answers in the next word */
	if (rung)
		__atomic_store_n((uint32_t *)fl_model_bar_mem(t->m, 0, TOY_SHARED + 4), db,
				 __ATOMIC_RELEASE);
	return rung + (t->no_poll ? 0 : fl_wire_poll(t->w, now, 32));
}

static inline uint64_t toy_next(void *state)
{
	struct toy *t = state;

	return t->no_poll ? UINT64_MAX : fl_wire_next(t->w);
}

static inline void toy_client(void *state, bool present)
{
	struct toy *t = state;

	if (present)
		t->clients++;
	else
		t->gone++;
}

static inline void toy_quiesce(void *state)
{
	struct toy *t = state;

	t->quiesced += fl_model_bus_master(t->m) && fl_iommu_find(&t->m->mmu, 0x1000);
}

static const struct fl_model_ops toy_ops = {
	.name = "toy",
	.help = "a device of a page",
	.create = toy_create,
	.destroy = toy_destroy,
	.reset = toy_reset,
	.bar_read = toy_read,
	.bar_write = toy_write,
	.cfg_written = toy_cfg_written,
	.poll = toy_poll,
	.next_timer = toy_next,
	.client = toy_client,
	.quiesce = toy_quiesce,
};

/* Messages are kept, not shown: the last of this thread. */
static __thread char toy_said[4096];

static inline void toy_log_write(void *arg, enum fl_log_level level, const char *component,
				 const char *msg)
{
	snprintf(toy_said, sizeof(toy_said), "%s", msg);
}

static const struct fl_log toy_log = { .write = toy_log_write, .level = FL_LOG_INFO };

static inline struct fl_engine *toy_engine(bool thread)
{
	struct fl_engine_opts o = { .log = &toy_log, .cpu = -1 };
	struct fl_engine *e = NULL;

	assert_int_equal(fl_engine_new(&o, thread, &e), 0);
	return e;
}

static inline struct toy *toy_add(struct fl_engine *e, const char *args)
{
	struct fl_model *m = NULL;

	assert_int_equal(fl_engine_add_ops(e, &toy_ops, args, NULL, -1, 0, &m), 0);
	return m->state;
}

#endif
