/* SPDX-License-Identifier: BSD-3-Clause */
/* The SEC driver on a device that the test plays: one queue pair, some memory, some ops. */
#ifndef SEC_RIG_H
#define SEC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fl_crypto.h>

#include "../../drivers/crypto/hisi_sec/sec_internal.h"
#include "fake_sec.h"

#define RIG_OPS 64u
#define RIG_MEM (1u << 20)

struct sec_rig {
	struct fake_sec dev; /* first */
	struct fl_ctx *ctx;
	struct fl_cryptodev *cdev;
	struct fl_qp *qp;
	struct fl_op_pool *pool;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_session *cbc;
	struct fl_op *ops[RIG_OPS], *back[RIG_OPS];
	struct fl_seg seg; /* all of the area */
	unsigned events[FL_CRYPTO_ERROR + 1];
};

static inline void rig_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	((struct sec_rig *)arg)->events[ev]++;
}

static inline struct fl_session *rig_session(struct sec_rig *r, const struct fl_session_conf *c)
{
	struct fl_session *s;

	assert_int_equal(fl_session_create(r->cdev, c, &s), 0);
	return s;
}

static inline struct fl_session *rig_cbc(struct sec_rig *r)
{
	static const uint8_t key[16] = "0123456789abcdef";

	return rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_CIPHER,
							 .encrypt = true,
							 .cipher = FL_AES_CBC,
							 .key = key,
							 .key_len = sizeof(key) });
}

/* an op over 64 bytes of the area, in place */
static inline void rig_plain(struct sec_rig *r, struct fl_op *op)
{
	op->session = r->cbc;
	op->src = &r->seg;
	op->nsrc = 1;
	op->dst = NULL;
	op->cipher_off = 0;
	op->cipher_len = 64;
	op->status = FL_OP_OK;
	op->stage = FL_OP_WHOLE;
	op->aad = (struct fl_seg){ 0 };
}

static inline void rig_queue(struct sec_rig *r, uint16_t desc)
{
	const struct fl_qp_conf conf = { .desc = desc, .node = -1 };

	assert_int_equal(fl_cryptodev_configure(r->cdev, 1), 0);
	assert_int_equal(fl_qp_setup(r->cdev, 0, &conf), 0);
	assert_int_equal(fl_cryptodev_start(r->cdev), 0);
	r->qp = fl_cryptodev_qp(r->cdev, 0);
}

/* lazy: the device faults, and the area with the data is lazy */
static inline void rig_open_as(struct sec_rig *r, bool v3, bool vf, uint16_t desc, bool lazy)
{
	const struct fl_dma_opts how = { .residency = lazy ? FL_LAZY : FL_PINNED };

	memset(r, 0, sizeof(*r));
	assert_int_equal(fake_sec_init(&r->dev, v3, vf), 0);
	r->dev.dma.faults = lazy;
	assert_int_equal(fl_ctx_create(NULL, &r->ctx), 0);
	assert_int_equal(fake_sec_scheme(r->ctx, &r->dev), 0);
	assert_int_equal(fl_cryptodev_open(r->ctx, "fake:", &r->cdev), 0);
	fl_cryptodev_on_event(r->cdev, rig_event, r);
	rig_queue(r, desc);
	assert_int_equal(fl_op_pool_create(r->ctx, RIG_OPS, &r->pool), 0);
	assert_int_equal(fl_mem_alloc(RIG_MEM, NULL, &r->mem), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(r->ctx), r->mem, &how, &r->area), 0);
	r->seg = (struct fl_seg){ r->area->va, r->area, RIG_MEM };
	assert_int_equal(fl_op_alloc(r->pool, r->ops, RIG_OPS), RIG_OPS);
	r->cbc = rig_cbc(r);
	for (unsigned i = 0; i < RIG_OPS; i++)
		rig_plain(r, r->ops[i]);
}

static inline void rig_open(struct sec_rig *r, bool v3, bool vf, uint16_t desc)
{
	rig_open_as(r, v3, vf, desc, false);
}

/* everything is given back: nothing is lost */
static inline void rig_close(struct sec_rig *r)
{
	fl_session_destroy(r->cbc);
	fl_cryptodev_close(r->cdev);
	fl_op_free(r->ops, RIG_OPS);
	assert_int_equal(fl_op_pool_destroy(r->pool), 0);
	assert_int_equal(fl_dma_unmap(r->area), 0);
	fl_mem_free(r->mem);
	assert_int_equal(fl_ctx_destroy(r->ctx), 0);
	fake_sec_fini(&r->dev);
}

static inline void rig_give(struct sec_rig *r, unsigned first, uint16_t n)
{
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + first, n), n);
}

/* n ops come back, the oldest being ops[first] */
static inline void rig_take(struct sec_rig *r, unsigned first, uint16_t n)
{
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), n);
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(r->back[i], r->ops[first + i]);
}

static inline void rig_done(struct sec_rig *r, uint16_t slot)
{
	uint32_t *bd = fake_sec_bd(&r->dev, 0, slot);

	bd[28] = fake_sec_good(&r->dev, bd);
	fake_sec_cqe(&r->dev, 0, slot);
}

static inline struct fl_qp_stats rig_stats(struct sec_rig *r)
{
	struct fl_qp_stats s;

	assert_int_equal(fl_qp_stats(r->qp, &s), 0);
	return s;
}

#endif
