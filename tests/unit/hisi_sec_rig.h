/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine half of the SEC2 model on a bench: descriptors written field by field from the
 * datasheet, memory of several kinds, SGLs cut as a test wants them.
 */
#ifndef HISI_SEC_RIG_H
#define HISI_SEC_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <model_internal.h>
#include "../../models/hisi_sec/bd.h"

#define RIG_IOVA   0x100000000ull
#define RIG_DIRECT (4u << 20) /* reached directly, in two mappings that meet in the middle */
#define RIG_FAR	   (4u << 20) /* reached by messages only */
#define RIG_MEM	   (RIG_DIRECT + RIG_FAR + 0x2000)
#define RIG_RO	   (RIG_DIRECT + RIG_FAR) /* a page that may only be read */
#define RIG_HOLE   (RIG_RO + 0x1000)	  /* not mapped */

/* where things are */
#define AT_KEY	0x1003u
#define AT_AKEY 0x1105u
#define AT_IV	0x1207u
#define AT_AIV	0x1309u
#define AT_MAC	0x140bu
#define AT_SGL	0x10000u /* source's; the destination's one MiB after */
#define AT_SRC	0x1c0001u
#define AT_DST	0x300003u
#define SPREAD	0x100000u

struct rig {
	struct fl_engine *e;
	struct fl_model *m;
	uint8_t *mem;
	int fd;
	struct secm_env env;
	struct secm_cache *cache;
	struct secm_job *job;
	uint32_t counter;
};

static struct rig *rig_far; /* whose far memory messages go to */
static unsigned rig_messages;
int __wrap_fl_server_dma(struct fl_server *s, uint64_t iova, void *buf, uint32_t len, bool write);
int __wrap_fl_server_dma(struct fl_server *s, uint64_t iova, void *buf, uint32_t len, bool write)
{
	uint8_t *p = rig_far->mem + (iova - RIG_IOVA);

	rig_messages++;
	memcpy(write ? (void *)p : buf, write ? buf : (void *)p, len);
	return 0;
}

static int rig_create(struct fl_model *m, struct fl_args *args, void **state)
{
	*state = m;
	return 0;
}

static void rig_nothing(void *state)
{
}

static unsigned rig_poll(void *state, uint64_t now)
{
	return 0;
}

static const struct fl_model_ops rig_ops = {
	.name = "bench",
	.create = rig_create,
	.destroy = rig_nothing,
	.reset = rig_nothing,
	.poll = rig_poll,
};

static inline int rig_map(struct rig *r, uint32_t at, uint32_t len, unsigned prot, int fd)
{
	return fl_model_map(r->m, RIG_IOVA + at, len, prot, fd, at);
}

static inline int rig_open(struct rig *r, uint8_t version)
{
	static const struct fl_engine_opts opts = { .cpu = -1 };
	static char server[64]; /* any address: its calls are ours */
	uint16_t cmd = 6;
	int rc;

	memset(r, 0, sizeof(*r));
	rc = fl_engine_new(&opts, false, &r->e);
	if (!rc)
		rc = fl_engine_add_ops(r->e, &rig_ops, "", NULL, -1, 0, &r->m);
	r->fd = memfd_create("rig", MFD_CLOEXEC);
	if (rc || r->fd < 0 || ftruncate(r->fd, RIG_MEM))
		return -1;
	r->mem = mmap(NULL, RIG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->mem == MAP_FAILED || rig_map(r, 0, RIG_DIRECT / 2, FL_DMA_RW, r->fd) ||
	    rig_map(r, RIG_DIRECT / 2, RIG_DIRECT / 2, FL_DMA_RW, r->fd) ||
	    rig_map(r, RIG_DIRECT, RIG_FAR, FL_DMA_RW, -1) ||
	    rig_map(r, RIG_RO, 0x1000, FL_DMA_READ, r->fd) ||
	    fl_model_region(r->m, FL_VFIO_REGION_CONFIG, 4, &cmd, 2, true))
		return -1;
	rig_far = r;
	r->m->srv = (struct fl_server *)server;
	r->env = (struct secm_env){ r->m, fl_model_iommu(r->m), version, &r->counter };
	r->cache = fl_secm_cache_new();
	r->job = fl_secm_job_new();
	return r->cache && r->job ? 0 : -1;
}

static inline void rig_close(struct rig *r)
{
	fl_secm_job_free(r->job);
	fl_secm_cache_free(r->cache);
	r->m->srv = NULL;
	fl_engine_destroy(r->e);
	munmap(r->mem, RIG_MEM);
	close(r->fd);
}

/* ---- descriptors ------------------------------------------------------------------------- */

/** A request, in the datasheet's terms. */
struct req {
	uint8_t cipher, auth, seq, c_alg, c_mode, c_width, c_key_len, c_icv_len, ctr_mode;
	uint8_t a_alg, ai_gen, a_pad, scene, invalid;
	uint8_t mac_len, a_key_len; /* bytes */
	uint16_t a_off, c_off;
	uint32_t a_len, c_len;
	uint64_t long_len;
	/* the rig's */
	uint8_t de, src_type, dst_type;
	uint64_t src, dst, key, akey, iv, aiv, mac;
};

static inline void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline void rig_bd2(const struct req *q, uint8_t *b)
{
	memset(b, 0, SECM_BD_SIZE);
	b[0] = (uint8_t)(2 | q->cipher << 4 | q->auth << 6);
	b[1] = (uint8_t)(q->seq | q->de << 1 | q->scene << 3 | (q->src_type & 1) << 7);
	b[2] = (uint8_t)(q->src_type >> 1 | q->dst_type << 2);
	b[5] = (uint8_t)(q->ai_gen | q->a_pad << 2);
	b[7] = (uint8_t)(q->invalid << 7);
	put(b + 8, q->mac_len / 4u | q->a_key_len / 4u << 5 | (uint32_t)q->a_alg << 11, 4);
	put(b + 12, q->c_icv_len | q->c_width << 6 | q->c_key_len << 9 | q->c_mode << 12, 2);
	b[14] = q->c_alg;
	put(b + 16, q->a_len, 3);
	put(b + 20, q->c_len, 3);
	put(b + 24, q->a_off, 2);
	put(b + 26, q->c_off, 2);
	put(b + 40, 0x1234, 2);
	put(b + 48, q->long_len, 8);
	put(b + 56, q->aiv, 8);
	put(b + 64, q->akey, 8);
	put(b + 72, q->mac, 8);
	put(b + 80, q->iv, 8);
	put(b + 88, q->key, 8);
	put(b + 96, q->src, 8);
	put(b + 104, q->dst, 8);
}

static inline void rig_bd3(const struct req *q, uint8_t *b)
{
	memset(b, 0, SECM_BD_SIZE);
	put(b,
	    3u | (uint32_t)q->invalid << 4 | (uint32_t)q->scene << 5 | (uint32_t)q->de << 9 |
		    (uint32_t)q->src_type << 11 | (uint32_t)q->dst_type << 14,
	    4);
	put(b + 4, q->cipher | q->c_icv_len << 4 | q->c_width << 10 | q->c_key_len << 13, 2);
	b[6] = (uint8_t)(q->c_mode | q->c_alg << 4);
	b[7] = (uint8_t)(q->seq << 6);
	put(b + 8, 0x123456789abcdef0, 8);
	put(b + 16, q->src, 8);
	put(b + 24, q->akey, 8);
	put(b + 32, q->aiv, 8);
	put(b + 48, q->key, 8);
	put(b + 56,
	    q->auth | (uint32_t)q->ai_gen << 2 | q->mac_len / 4u << 4 | q->a_key_len / 4u << 9 |
		    (uint32_t)q->a_alg << 15 | (uint32_t)q->ctr_mode << 25,
	    4);
	put(b + 64, q->a_off, 2);
	put(b + 66, q->c_off, 2);
	put(b + 68, q->a_len, 3);
	put(b + 72, q->c_len, 3);
	put(b + 76, q->dst, 8);
	put(b + 84, q->mac, 8);
	put(b + 92, q->iv, 8);
	put(b + 100, q->long_len, 8);
	b[108] = q->a_pad;
}

static inline void rig_bd(unsigned type, const struct req *q, uint8_t *b)
{
	if (type == 2)
		rig_bd2(q, b);
	else
		rig_bd3(q, b);
}

/** The addresses of everything, where the rig has it. */
static inline void rig_addresses(struct req *q)
{
	q->src = RIG_IOVA + AT_SRC;
	q->dst = RIG_IOVA + AT_DST;
	q->key = RIG_IOVA + AT_KEY;
	q->akey = RIG_IOVA + AT_AKEY;
	q->iv = RIG_IOVA + AT_IV;
	q->aiv = RIG_IOVA + AT_AIV;
	q->mac = RIG_IOVA + AT_MAC;
}

/* ---- data -------------------------------------------------------------------------------- */

/** How one side lies in memory: flat, or in pieces of `piece` bytes with gaps between. */
struct lie {
	uint32_t piece; /* 0 = flat; else about that, never the same twice */
	uint32_t base;	/* where it starts */
	uint32_t len;
};

static inline uint32_t lie_next(const struct lie *l, unsigned i)
{
	return l->piece ? l->piece + (l->piece > 1 ? i % 3 : 0) : l->len;
}

static inline void lie_copy(struct rig *r, const struct lie *l, uint8_t *data, bool to_memory)
{
	uint32_t at = l->base, done = 0;

	for (unsigned i = 0; done < l->len; i++) {
		uint32_t n = lie_next(l, i);

		n = n < l->len - done ? n : l->len - done;
		if (to_memory)
			memcpy(r->mem + at, data + done, n);
		else
			memcpy(data + done, r->mem + at, n);
		done += n;
		at += n + 3;
	}
}

#define SGL_ENTRIES 25u

/** A chain of SGLs at `at`. */
static inline void lie_sgl(struct rig *r, const struct lie *l, uint32_t at)
{
	uint32_t from = l->base, done = 0, n;
	uint8_t *sgl = NULL, *last = NULL;

	for (unsigned i = 0; done < l->len; i++) {
		if (i % SGL_ENTRIES == 0) {
			last = sgl;
			sgl = r->mem + at;
			memset(sgl, 0, 64);
			put(sgl + 12, SGL_ENTRIES, 2);
			if (last)
				put(last, RIG_IOVA + at, 8);
			at += (uint32_t)fl_align_up(64 + SGL_ENTRIES * 32, 64);
		}
		n = lie_next(l, i);
		n = n < l->len - done ? n : l->len - done;
		put(sgl + 10, i % SGL_ENTRIES + 1, 2);
		put(sgl + 64 + i % SGL_ENTRIES * 32, RIG_IOVA + from, 8);
		put(sgl + 64 + i % SGL_ENTRIES * 32 + 16, n, 4);
		done += n;
		from += n + 3;
	}
}

/** Through begin, run and finish. */
static inline bool rig_do(struct rig *r, uint8_t bd[SECM_BD_SIZE])
{
	enum secm_begin b = fl_secm_job_begin(&r->env, r->job, bd);

	if (b == SECM_BUSY)
		abort();
	if (b == SECM_RUN)
		fl_secm_job_run(r->job, r->cache);
	return fl_secm_job_finish(&r->env, r->job, bd);
}

#endif
