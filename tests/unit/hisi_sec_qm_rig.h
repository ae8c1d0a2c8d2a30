/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modelled SEC2 functions on a bench: an engine turned by hand, memory that all of them reach at
 * the addresses of the datasheet's worked sequence, and the steps of that sequence.
 */
#ifndef HISI_SEC_RIG_H
#define HISI_SEC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <model_internal.h>
#include "../../models/hisi_sec/qm_internal.h"

#define RIG_IOVA   0x100000000ull
#define RIG_MEM	   (4u << 20)
#define RIG_CTX	   0x1000u /* offsets in the memory */
#define RIG_SQT	   0x2000u
#define RIG_CQT	   0x4000u
#define RIG_EQ	   0x8000u
#define RIG_AEQ	   0xa000u
#define RIG_SQ	   0x10000u
#define RIG_CQ	   0x30000u
#define RIG_SRC	   0x40000u
#define RIG_DST	   0x41000u
#define RIG_KEY	   0x42000u
#define RIG_IV	   0x42040u
#define RIG_VECS   4u
#define CAP_DEVCTL 0x48u
#define RIG_DEPTH  1024u

extern const struct fl_model_ops fl_hisi_sec_model_ops, fl_hisi_sec_vf_model_ops;

struct rig {
	struct fl_engine *e;
	uint8_t *mem; /* at RIG_IOVA */
	int fd;
	uint64_t now;
};

/** A function. */
struct fun {
	struct rig *r;
	struct fl_model *m;
	struct secm *s;
	bool db4; /* doorbells in BAR4 */
	int irq[RIG_VECS];
};

static inline void rig_open(struct rig *r)
{
	static const struct fl_engine_opts opts = { .cpu = -1 };

	memset(r, 0, sizeof(*r));
	r->fd = memfd_create("rig", MFD_CLOEXEC);
	if (fl_engine_new(&opts, false, &r->e) || r->fd < 0 || ftruncate(r->fd, RIG_MEM))
		abort();
	r->mem = mmap(NULL, RIG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->mem == MAP_FAILED)
		abort();
	r->now = fl_now_ns();
}

static inline void rig_close(struct rig *r)
{
	fl_engine_destroy(r->e);
	munmap(r->mem, RIG_MEM);
	close(r->fd);
}

static inline void rig_run(struct rig *r)
{
	for (unsigned i = 0; i < 100000 && fl_engine_round(r->e, r->now); i++)
		;
}

static inline void fun_access(struct fun *f, unsigned bar, uint64_t off, void *v, unsigned n,
			      bool write)
{
	if (fl_model_region(f->m, bar, off, v, n, write))
		abort();
}

static inline uint32_t rd(struct fun *f, uint32_t off)
{
	uint32_t v = 0;

	fun_access(f, 2, off, &v, 4, false);
	return v;
}

static inline uint64_t rd64(struct fun *f, uint32_t off)
{
	uint64_t v = 0;

	fun_access(f, 2, off, &v, 8, false);
	return v;
}

static inline void wr(struct fun *f, uint32_t off, uint32_t v)
{
	fun_access(f, 2, off, &v, 4, true);
}

static inline void wr64(struct fun *f, uint32_t off, uint64_t v)
{
	fun_access(f, 2, off, &v, 8, true);
}

static inline uint32_t cfg(struct fun *f, unsigned off, unsigned n)
{
	uint32_t v = 0;

	fun_access(f, FL_VFIO_REGION_CONFIG, off, &v, n, false);
	return v;
}

static inline void cfg_wr(struct fun *f, unsigned off, unsigned n, uint32_t v)
{
	fun_access(f, FL_VFIO_REGION_CONFIG, off, &v, n, true);
}

static inline int fun_try(struct rig *r, struct fun *f, const struct fl_model_ops *ops,
			  const char *args)
{
	int rc;

	memset(f, 0, sizeof(*f));
	f->r = r;
	for (unsigned i = 0; i < RIG_VECS; i++)
		f->irq[i] = -1;
	rc = fl_engine_add_ops(r->e, ops, args, NULL, -1, 0, &f->m);
	if (rc)
		return rc;
	f->s = f->m->state;
	f->db4 = f->s->isolation;
	rc = fl_model_map(f->m, RIG_IOVA, RIG_MEM, FL_DMA_RW, r->fd, 0);
	cfg_wr(f, 4, 2, 6);
	return rc;
}

static inline void fun_open(struct rig *r, struct fun *f, const struct fl_model_ops *ops,
			    const char *args)
{
	if (fun_try(r, f, ops, args))
		abort();
}

static inline void fun_irqs(struct fun *f)
{
	int fds[RIG_VECS];
	unsigned n = f->m->irq.index[FL_VFIO_IRQ_MSI].count;

	for (unsigned i = 0; i < n; i++) {
		f->irq[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		fds[i] = dup(f->irq[i]);
	}
	if (fl_model_irq_set(f->m, FL_VFIO_IRQ_MSI, 0, n, 1u << 2 | 1u << 5, NULL, fds, n))
		abort();
}

/** How often a vector fired since the last look. */
static inline unsigned fun_fired(struct fun *f, unsigned vec)
{
	uint64_t v = 0;

	return read(f->irq[vec], &v, sizeof(v)) == sizeof(v) ? (unsigned)v : 0;
}

static inline void fun_close(struct fun *f)
{
	for (unsigned i = 0; i < RIG_VECS; i++) {
		if (f->irq[i] >= 0)
			close(f->irq[i]);
	}
	fl_engine_remove(f->r->e, f->m);
}

/* ---- the steps ----------------------------------------------------------------------------- */

/** All sixteen bytes at once. */
static inline void mb_write(struct fun *f, uint32_t cmd, uint32_t queue, uint64_t data)
{
	uint32_t w[4] = { MB_BUSY | cmd | queue << 16, (uint32_t)data, (uint32_t)(data >> 32), 0 };

	fun_access(f, 2, Q_MB, w, 16, true);
}

/** The status, or 0x10: still busy. */
static inline unsigned mb(struct fun *f, uint32_t cmd, uint32_t queue, uint64_t data)
{
	mb_write(f, cmd, queue, data);
	for (unsigned i = 0; i < 1000 && rd(f, Q_MB) & MB_BUSY; i++)
		rig_run(f->r);
	return rd(f, Q_MB) & MB_BUSY ? 0x10 : rd(f, Q_MB) >> MB_STATUS & 0xf;
}

static inline uint64_t mb_data(struct fun *f)
{
	return rd(f, Q_MB + 4) | (uint64_t)rd(f, Q_MB + 8) << 32;
}

static inline void vft(struct fun *pf, uint32_t fn, uint32_t type, uint64_t v)
{
	wr(pf, P_VFT_WR, 0);
	wr(pf, P_VFT_TYPE, type);
	wr(pf, P_VFT_ADDR, fn);
	wr(pf, P_VFT_DATA_L, (uint32_t)v);
	wr(pf, P_VFT_DATA_H, (uint32_t)(v >> 32));
	wr(pf, P_VFT_RDY, 0);
	wr(pf, P_VFT_GO, 1);
}

static inline void give_queues(struct fun *pf, uint32_t fn, uint32_t base, uint32_t n)
{
	vft(pf, fn, 0, n ? (uint64_t)base << 28 | VFT_SQC_VALID | (uint64_t)(n - 1) << 45 : 0);
	vft(pf, fn, 1, n ? VFT_CQC_VALID : 0);
}

/** Steps 4 to 10. */
static inline void pf_init(struct fun *pf, uint32_t queues)
{
	wr(pf, P_MEM_START, 1);
	wr(pf, S_CONTROL, rd(pf, S_CONTROL) & ~CONTROL_GATE);
	wr(pf, S_MEM_START, 1);
	give_queues(pf, 0, 0, queues);
}

struct queue_opts {
	uint32_t sq, cq; /* offsets */
	uint32_t sq_depth, cq_depth;
	uint16_t random;
	uint32_t dw6;
};

static inline void put32(struct rig *r, uint32_t off, uint32_t v)
{
	memcpy(r->mem + off, &v, 4);
}

static inline uint32_t get32(struct rig *r, uint32_t off)
{
	uint32_t v;

	memcpy(&v, r->mem + off, 4);
	return v;
}

static inline uint16_t get16(struct rig *r, uint32_t off)
{
	uint16_t v;

	memcpy(&v, r->mem + off, 2);
	return v;
}

static inline void tables(struct fun *f)
{
	if (mb(f, MB_SQC_BT, 0, RIG_IOVA + RIG_SQT) || mb(f, MB_CQC_BT, 0, RIG_IOVA + RIG_CQT))
		abort();
}

static inline void make_sqc(struct rig *r, const struct queue_opts *o, uint32_t qn)
{
	const uint32_t w[8] = {
		0, o->sq, 1, 7u << 12 | (o->sq_depth - 1), o->random, 0, qn | 0x10u << 16, 0
	};

	memcpy(r->mem + RIG_CTX, w, sizeof(w));
}

static inline void make_cqc(struct rig *r, const struct queue_opts *o)
{
	const uint32_t w[8] = { 0, o->cq, 1, 4u << 12 | (o->cq_depth - 1), o->random, 0, o->dw6 };

	memcpy(r->mem + RIG_CTX, w, sizeof(w));
}

static inline unsigned queue_up(struct fun *f, uint32_t qn, const struct queue_opts *o)
{
	unsigned st;

	memset(f->r->mem + o->cq, 0, o->cq_depth * CQE_SIZE);
	make_sqc(f->r, o, qn);
	st = mb(f, MB_SQC, qn, RIG_IOVA + RIG_CTX);
	if (st)
		return st;
	make_cqc(f->r, o);
	return mb(f, MB_CQC, qn, RIG_IOVA + RIG_CTX);
}

static inline uint64_t db_word(uint32_t qn, uint32_t type, uint16_t random, uint32_t idx,
			       uint32_t prio)
{
	return qn | type << 12 | (uint64_t)random << 16 | (uint64_t)idx << 32 |
	       (uint64_t)prio << 48;
}

/** By access, wherever it belongs. */
static inline void ring(struct fun *f, uint32_t qn, uint32_t type, uint32_t idx, uint32_t prio)
{
	uint64_t v = db_word(qn, type, 0, idx, prio);

	if (type >= DB_EQ)
		wr64(f, Q_DB_EVENT, v);
	else if (!f->db4)
		wr64(f, Q_DB, v);
	else
		fun_access(f, 4, (uint64_t)qn * SECM_DB_PAGE + Q_DB, &v, 8, true);
}

/** By a store into the mapped page. */
static inline void ring_mem(struct fun *f, uint32_t qn, uint32_t type, uint32_t idx)
{
	uint64_t *p = fl_model_bar_mem(f->m, 4, (uint64_t)qn * SECM_DB_PAGE + Q_DB);

	__atomic_store_n(p, db_word(qn, type, 0, idx, 0), __ATOMIC_RELEASE);
}

/** Key, IV and four blocks of SP 800-38A. */
static inline void text(struct rig *r)
{
	static const uint8_t key[16] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
					 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
	static const uint8_t plain[64] = {
		0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73,
		0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7,
		0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4,
		0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45,
		0xdf, 0x4f, 0x9b, 0x17, 0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10,
	};

	memcpy(r->mem + RIG_KEY, key, sizeof(key));
	memcpy(r->mem + RIG_SRC, plain, sizeof(plain));
	for (unsigned i = 0; i < 16; i++)
		r->mem[RIG_IV + i] = (uint8_t)i;
}

/** The BD of the worked sequence, type 2 or 3, at `p`. */
static inline void make_bd(uint8_t *p, unsigned type, uint16_t tag)
{
	static const uint8_t two[112] = {
		[0] = 0x12,  [1] = 0x02,   [13] = 0x10,	 [14] = 0x02,  [20] = 0x40,  [80] = 0x40,
		[81] = 0x20, [82] = 0x04,  [84] = 0x01,	 [89] = 0x20,  [90] = 0x04,  [92] = 0x01,
		[98] = 0x04, [100] = 0x01, [105] = 0x10, [106] = 0x04, [108] = 0x01,
	};
	static const uint8_t three[112] = {
		[0] = 0x03,  [1] = 0x02,  [4] = 0x01,  [6] = 0x21,  [18] = 0x04, [20] = 0x01,
		[49] = 0x20, [50] = 0x04, [52] = 0x01, [72] = 0x40, [77] = 0x10, [78] = 0x04,
		[80] = 0x01, [92] = 0x40, [93] = 0x20, [94] = 0x04, [96] = 0x01,
	};

	memset(p, 0, SECM_BD_SIZE);
	memcpy(p, type == 2 ? two : three, 112);
	memcpy(p + (type == 2 ? 40 : 8), &tag, 2);
}

#endif
