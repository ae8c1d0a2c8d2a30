/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SEC driver against whatever the device may write into its rings: descriptors and completions,
 * in any order and at any time. Requests of all kinds come back once each, in their turn.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fl_crypto.h>

#include "../driver/fake_sec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DESC 16u
#define OPS  32u
#define LEN  65536u

static struct rig {
	struct fake_sec dev; /* first */
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;
	struct fl_qp *qp;
	struct fl_session *s[5];
	struct fl_op_pool *pool;
	struct fl_dma_area *area;
	struct fl_op *ops[OPS];
	struct fl_seg one, many[40];
	unsigned given, taken;
} r;

static void must(int ok)
{
	if (!ok)
		abort();
}

static void make_sessions(void)
{
	static const uint8_t key[64] = { 1 };
	const struct fl_session_conf c[] = {
		{ .type = FL_CRYPTO_CIPHER, .encrypt = true, .cipher = FL_AES_CBC },
		{ .type = FL_CRYPTO_AEAD, .cipher = FL_AES_GCM },
		{ .type = FL_CRYPTO_AUTH, .auth = FL_HMAC_SHA256 },
		{ .type = FL_CRYPTO_AUTH, .encrypt = true, .auth = FL_HMAC_SHA256 },
		{ .type = FL_CRYPTO_CIPHER_AUTH, .cipher = FL_AES_CBC, .auth = FL_HMAC_SHA1 },
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(c); i++) {
		struct fl_session_conf k = c[i];

		k.key = k.auth_key = key;
		k.key_len = 16;
		k.auth_key_len = 32;
		must(!fl_session_create(r.d, &k, &r.s[i]));
	}
}

static void open_once(void)
{
	const struct fl_qp_conf conf = { .desc = DESC, .node = -1 };
	struct fl_mem *mem;

	must(!fake_sec_init(&r.dev, true, false));
	must(!fl_ctx_create(NULL, &r.ctx));
	must(!fake_sec_scheme(r.ctx, &r.dev));
	must(!fl_cryptodev_open(r.ctx, "fake:", &r.d));
	must(!fl_cryptodev_configure(r.d, 1));
	must(!fl_qp_setup(r.d, 0, &conf));
	must(!fl_cryptodev_start(r.d));
	must(!fl_op_pool_create(r.ctx, OPS, &r.pool));
	must(!fl_mem_alloc(LEN, NULL, &mem));
	must(!fl_dma_map(fl_ctx_space(r.ctx), mem, NULL, &r.area));
	must(fl_op_alloc(r.pool, r.ops, OPS) == OPS);
	make_sessions();
	r.qp = fl_cryptodev_qp(r.d, 0);
	r.one = (struct fl_seg){ r.area->va, r.area, LEN };
	for (unsigned i = 0; i < FL_ARRAY_SIZE(r.many); i++)
		r.many[i] = (struct fl_seg){ r.area->va + i * 1024, r.area, 16 };
}

/* ---- one step ------------------------------------------------------------------------------ */

static void give(uint8_t kind, uint8_t how)
{
	struct fl_op *op = r.ops[r.given % OPS];
	bool split = how & 1;

	if (r.given - r.taken == OPS)
		return;
	op->session = r.s[kind % FL_ARRAY_SIZE(r.s)];
	op->src = split ? r.many : &r.one;
	op->nsrc = split ? 1 + how % 40 : 1;
	op->dst = NULL;
	op->cipher_off = op->auth_off = how & 2 ? 32 : 0;
	op->cipher_len = op->auth_len = how & 4 ? 64 : how;
	op->aad = (struct fl_seg){ r.area->va + (how & 8 ? 0 : 4096), r.area, how & 16 ? 32 : 0 };
	op->stage = how & 32 ? how & 3 : FL_OP_WHOLE;
	r.given += fl_op_enqueue(r.qp, &op, 1);
}

static void take(uint8_t n)
{
	struct fl_op *back[OPS];
	uint16_t got = fl_op_dequeue(r.qp, back, n % OPS + 1);

	for (uint16_t i = 0; i < got; i++, r.taken++) {
		must(back[i] == r.ops[r.taken % OPS]);
		must(back[i]->status < FL_OP_PENDING);
	}
	must(r.given - r.taken < DESC);
}

static size_t step(const uint8_t *p, size_t left)
{
	uint8_t *cq = fake_dma_at(&r.dev.dma, r.dev.q[0].cq, DESC * 16);
	uint32_t v;

	switch (p[0] % 8) {
	case 0:
	case 1:
		give(p[1], p[2]);
		return 3;
	case 2:
		take(p[1]);
		return 2;
	case 3:
		fake_sec_run(&r.dev, 0, p[1] % 8);
		return 2;
	case 4:
		cq[p[1] % DESC * 16 + p[2] % 16] = p[3];
		return 4;
	case 5:
		if (left < 7)
			return left;
		memcpy(&v, p + 3, sizeof(v));
		fake_sec_bd(&r.dev, 0, p[1] % DESC)[p[2] % 32] = v;
		return 7;
	case 6:
		fake_sec_cqe(&r.dev, 0, p[1] & 0x80 ? (uint16_t)(p[1] << 8 | p[2]) : p[1] % DESC);
		return 3;
	default:
		if (!(p[1] & 15))
			must(!fl_cryptodev_reset(r.d));
		return 2;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!r.ctx)
		open_once();
	for (size_t i = 0; i + 4 <= size;)
		i += step(data + i, size - i);
	/* every one of them is there */
	must(!fl_cryptodev_stop(r.d));
	while (r.taken != r.given) {
		unsigned before = r.taken;

		take(OPS - 1);
		must(r.taken > before);
	}
	must(!fl_cryptodev_start(r.d));
	r.given = r.taken = 0;
	return 0;
}
