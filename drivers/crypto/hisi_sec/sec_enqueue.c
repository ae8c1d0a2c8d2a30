/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests into the ring: the session's BD is copied and the request's fields are patched. Plain
 * ciphers on one segment a side take the short way; everything else is sorted out apart.
 *
 * What cannot be done, or needs nothing to be done, goes into the ring too, as a BD that the device
 * completes and does nothing for: so it comes back in its turn.
 */
#include <string.h>

#include "sec_internal.h"

static inline void patch(struct fl_sec_bd *bd, const struct fl_sec_req *r, uint16_t tag, bool v3)
{
	if (v3)
		fl_sec_bd3_patch(bd, r, tag);
	else
		fl_sec_bd2_patch(bd, r, tag);
}

/* ---- the short way ---------------------------------------------------------------------- */

/* nsrc and stage of an op in the word that begins at nsrc, as they are for one whole segment */
#define ONE_WHOLE      0x0000000000000001ull
#define ONE_WHOLE_MASK 0x0000ff000000ffffull
_Static_assert(offsetof(struct fl_op, ndst) == offsetof(struct fl_op, nsrc) + 2 &&
		       offsetof(struct fl_op, stage) == offsetof(struct fl_op, nsrc) + 5 &&
		       offsetof(struct fl_op, cipher_off) == offsetof(struct fl_op, nsrc) + 8,
	       "op_word() reads these together");

static inline uint64_t op_word(const struct fl_op *op)
{
	uint64_t w;

	memcpy(&w, &op->nsrc, sizeof(w));
	return w;
}

/* [off, off + len) of a segment in memory that the device may read and write as it stands: pinned,
 * or lazy where it faults */
static inline bool plain_seg(const struct fl_seg *s, const struct fl_sec_qp *q, uint32_t off,
			     uint32_t len, uint64_t *iova)
{
	const struct fl_dma_area *a = s->area;
	uint64_t at = (uint64_t)(s->va - a->va), end;
	unsigned residency = (unsigned)__atomic_load_n(&a->residency, __ATOMIC_RELAXED);

	if ((uint64_t)off + len > s->len || a->space != q->space ||
	    ((residency & q->posted) | (a->prot ^ FL_DMA_RW)) ||
	    __builtin_add_overflow(at, s->len, &end) || end > a->len)
		return false;
	*iova = a->iova.v + at + off;
	return true;
}

/* true = it stands in the ring */
static inline __attribute__((always_inline)) bool put_plain(struct fl_sec_qp *q,
							    const struct fl_sec_session *x,
							    struct fl_op *op, uint16_t number,
							    const bool v3, const bool prefetch)
{
	const uint32_t len = op->cipher_len, off = op->cipher_off;
	const uint64_t iv = op->iova.v + offsetof(struct fl_op, iv);
	const uint16_t at = number & q->mask;
	uint64_t src, dst;
	uint32_t w0 = 0;
	struct fl_sec_bd *bd;

	if (fl_unlikely((op_word(op) & ONE_WHOLE_MASK) != ONE_WHOLE ||
			len - x->len_min > x->len_span || (len & x->len_mask) || !op->src ||
			!op->src->area || !plain_seg(op->src, q, off, len, &src)))
		return false;
	dst = src;
	if (op->dst) {
		if (fl_unlikely(op->ndst != 1 || !op->dst->area ||
				!plain_seg(op->dst, q, off, len, &dst)))
			return false;
		w0 = SEC_W0_OUT;
	}
	bd = fl_sec_bd_at(q, at);
	*bd = x->bd[FL_OP_WHOLE];
	bd->w[0] = x->bd[FL_OP_WHOLE].w[0] | w0;
	if (v3) {
		bd->q[1] = number;
		bd->q[2] = src;
		bd->w[18] = len;
		fl_sec_put64(bd, 19, dst);
		fl_sec_put64(bd, 23, iv);
		if (prefetch && len <= SEC_PREFETCH_MAX)
			bd->w[14] |= SEC3_W14_PREFETCH;
	} else {
		bd->w[5] = len;
		bd->w[10] = number;
		bd->q[10] = iv;
		bd->q[12] = src;
		bd->q[13] = dst;
	}
	q->slots[at] = (struct fl_sec_slot){ op, x->ok_mask, x->ok };
	op->status = FL_OP_PENDING;
	return true;
}

/* ---- all else --------------------------------------------------------------------------- */

/* what a way returns beside 0 and errors: it is done, as there is nothing to do */
#define PUT_NOTHING 1

/* A request on its way into slot `at`. */
struct put {
	struct fl_sec_qp *q;
	const struct fl_sec_session *x;
	struct fl_op *op;
	uint16_t at, chunks;
	uint8_t bd; /* of the session's */
	bool verify;
	uint32_t ok_mask, ok;
	struct fl_sec_req r;
};

static uint64_t op_iova(const struct fl_op *op, size_t off)
{
	return op->iova.v + off;
}

static uint64_t side_iova(const struct put *p, unsigned off)
{
	return p->q->side_iova.v + ((uint64_t)p->at << SEC_SIDE_SHIFT) + off;
}

static bool segs_ok(const struct fl_op *op)
{
	return op->nsrc <= SEC_SEGS_MAX && (op->src || !op->nsrc) &&
	       (!op->dst || op->ndst <= SEC_SEGS_MAX);
}

static uint32_t sgl_bits(const struct put *p, bool src, bool dst)
{
	if (p->q->v3)
		return (src ? SEC3_W0_SRC_SGL : 0) | (dst ? SEC3_W0_DST_SGL : 0);
	return (src ? SEC2_W0_SRC_SGL : 0) | (dst ? SEC2_W0_DST_SGL : 0);
}

/* source and destination of the payload, and of the AAD before it; where there is neither, an
 * address that the device may have all the same */
static int map_data(struct put *p, const struct fl_seg *aad)
{
	const struct fl_op *op = p->op;
	bool in_place = !op->dst || !op->cipher_len, sgl, out_sgl = false;
	struct fl_sec_span sp = { op->src, op->nsrc, in_place ? FL_DMA_RW : FL_DMA_READ,
				  op->cipher_off, op->cipher_len };
	int rc;

	p->r.src = op_iova(op, offsetof(struct fl_op, digest));
	rc = fl_sec_map(p->q, p->at, 0, &sp, aad, false, &p->chunks, &p->r.src, &sgl);
	if (rc)
		return rc;
	p->r.dst = p->r.src;
	if (!in_place) {
		sp.segs = op->dst;
		sp.nsegs = op->ndst;
		sp.prot = FL_DMA_WRITE;
		rc = fl_sec_map(p->q, p->at, 1, &sp, aad, !sgl, &p->chunks, &p->r.dst, &out_sgl);
		if (rc)
			return rc;
		p->r.w0 |= SEC_W0_OUT;
	} else {
		out_sgl = sgl;
	}
	p->r.w0 |= sgl_bits(p, sgl, out_sgl);
	return 0;
}

/* The IV alone, and zeros where a counter would stand: the chip makes that, and drivers which are
 * known to work leave zeros. */
static uint64_t iv_block(const struct put *p)
{
	uint8_t *iv = p->q->side + ((size_t)p->at << SEC_SIDE_SHIFT) + SEC_SIDE_IV;

	memset(iv, 0, FL_IV_MAX);
	memcpy(iv, p->op->iv, p->x->iv_len);
	return side_iova(p, SEC_SIDE_IV);
}

static int put_cipher(struct put *p)
{
	const struct fl_op *op = p->op;
	int rc;

	if (op->stage != FL_OP_WHOLE)
		return -EINVAL;
	p->r.c_len = op->cipher_len;
	p->r.c_iv = op_iova(op, offsetof(struct fl_op, iv));
	rc = map_data(p, NULL);
	return !rc && !op->cipher_len ? PUT_NOTHING : rc;
}

/* lengths of the parts of a stream, and what came before */
static int stream(struct put *p)
{
	const struct fl_op *op = p->op;
	bool last = op->stage == FL_OP_LAST, first = op->stage == FL_OP_FIRST;

	if (!p->x->stream || op->stage > FL_OP_LAST || (!first && !op->total) ||
	    (!last && (!op->auth_len || op->auth_len % p->x->hash_block)) ||
	    op->auth_len > SEC_LEN_MAX)
		return -EINVAL;
	if (!first)
		p->r.a_iv = p->r.mac;
	if (last)
		p->r.bits = (op->total + op->auth_len) * 8;
	return 0;
}

static int put_auth(struct put *p)
{
	const struct fl_sec_session *x = p->x;
	struct fl_op *op = p->op;
	struct fl_sec_span sp = { op->src, op->nsrc, FL_DMA_READ, op->auth_off, op->auth_len };
	bool sgl = false;
	int rc = 0;

	p->r.mac = x->verify ? side_iova(p, SEC_SIDE_MAC)
			     : op_iova(op, offsetof(struct fl_op, digest));
	p->r.a_len = op->auth_len;
	if (op->stage != FL_OP_WHOLE)
		rc = stream(p);
	else if (op->auth_len - x->len_min > x->len_span)
		rc = -EINVAL;
	if (rc)
		return rc;
	if (x->iv_len)
		p->r.a_iv = iv_block(p);
	/* an address that it may read, though there be nothing to read */
	p->r.src = p->r.mac;
	rc = fl_sec_map(p->q, p->at, 0, &sp, NULL, false, &p->chunks, &p->r.src, &sgl);
	if (rc)
		return rc;
	p->r.w0 |= sgl_bits(p, sgl, false);
	op->total = op->stage == FL_OP_WHOLE || op->stage == FL_OP_FIRST ? op->auth_len
									 : op->total + op->auth_len;
	return 0;
}

/* CCM's first counter block, and B0 */
static void ccm_blocks(struct put *p)
{
	uint8_t *ctr = p->q->side + ((size_t)p->at << SEC_SIDE_SHIFT) + SEC_SIDE_IV;
	unsigned nonce = p->x->iv_len, l = 15 - nonce;
	uint32_t len = p->op->cipher_len;
	uint8_t *b0 = ctr + SEC_SIDE_B0;

	memset(ctr, 0, 32);
	ctr[0] = (uint8_t)(l - 1);
	memcpy(ctr + 1, p->op->iv, nonce);
	ctr[15] = 1;
	b0[0] = (uint8_t)((p->op->aad.len ? 0x40u : 0) | (p->x->digest_len - 2u) / 2 << 3 |
			  (l - 1));
	memcpy(b0 + 1, p->op->iv, nonce);
	for (unsigned i = 15; len && i > nonce; i--, len >>= 8)
		b0[i] = (uint8_t)len;
	p->r.c_iv = side_iova(p, SEC_SIDE_IV);
	p->r.a_iv = side_iova(p, SEC_SIDE_B0);
}

/* A chain's MAC where there is no payload: that of the AAD alone, by a BD without a cipher. */
static int put_aad_mac(struct put *p)
{
	const struct fl_sec_session *x = p->x;
	const struct fl_op *op = p->op;
	bool sgl;
	struct fl_sec_span sp = { op->src, op->nsrc, FL_DMA_READ, op->cipher_off, 0 };

	if (!op->aad.len && !p->q->v3)
		return -EINVAL;
	p->bd = SEC_BD_AAD_MAC;
	p->ok_mask = SEC_OK_DIGEST_MASK;
	p->ok = SEC_ST_DONE;
	p->verify = !x->s.conf.encrypt;
	p->r.a_len = op->aad.len;
	p->r.src = p->r.mac = p->verify ? side_iova(p, SEC_SIDE_MAC)
					: op_iova(op, offsetof(struct fl_op, digest));
	return fl_sec_map(p->q, p->at, 0, &sp, &op->aad, false, &p->chunks, &p->r.src, &sgl);
}

static int put_aead(struct put *p)
{
	const struct fl_sec_session *x = p->x;
	struct fl_op *op = p->op;
	uint32_t aad = op->aad.len;

	if (op->stage != FL_OP_WHOLE || aad > x->aad_max ||
	    (uint64_t)op->cipher_len + aad > SEC_LEN_MAX)
		return -EINVAL;
	if (x->path == SEC_PATH_CHAIN && !op->cipher_len)
		return put_aad_mac(p);
	p->r.c_len = op->cipher_len;
	p->r.c_off = aad;
	p->r.a_len = x->path == SEC_PATH_CHAIN ? aad + op->cipher_len : aad;
	p->r.mac = op_iova(op, offsetof(struct fl_op, digest));
	if (x->path == SEC_PATH_CCM)
		ccm_blocks(p);
	else if (x->path == SEC_PATH_GCM)
		p->r.c_iv = p->r.a_iv = iv_block(p);
	else
		p->r.c_iv = op_iova(op, offsetof(struct fl_op, iv));
	return map_data(p, &op->aad);
}

static int put_by_path(struct put *p)
{
	const struct fl_op *op = p->op;
	const struct fl_sec_session *x = p->x;

	if (!segs_ok(op))
		return -EINVAL;
	p->bd = op->stage;
	if (x->path == SEC_PATH_AUTH)
		return put_auth(p);
	if (x->one_block && op->cipher_len == 16)
		p->bd = SEC_BD_ONE_BLOCK;
	else if (!(x->empty && !op->cipher_len) &&
		 (op->cipher_len - x->len_min > x->len_span || (op->cipher_len & x->len_mask)))
		return -EINVAL;
	return x->path == SEC_PATH_CIPHER ? put_cipher(p) : put_aead(p);
}

static void put_no_work(struct fl_sec_qp *q, struct fl_op *op, uint16_t number, int rc)
{
	uint16_t at = number & q->mask;

	fl_sec_bd_make_invalid(fl_sec_bd_at(q, at), q->v3, number);
	q->odd[at] = (struct fl_sec_odd){ .chunks = SEC_CHUNK_NONE,
					  .status = rc == PUT_NOTHING ? FL_OP_OK
						    : rc == -EFAULT   ? FL_OP_FAULT
								      : FL_OP_INVALID };
	q->slots[at] = (struct fl_sec_slot){ op, 0, SEC_ST_DONE };
}

/* false = no room for it now, or lazy memory that is not there */
static SEC_APART bool put_any(struct fl_sec_qp *q, struct fl_op *op, uint16_t number)
{
	const struct fl_sec_session *x = (const struct fl_sec_session *)op->session;
	struct put p = {
		.q = q, .x = x, .op = op, .at = number & q->mask, .chunks = SEC_CHUNK_NONE
	};
	struct fl_sec_bd *bd = fl_sec_bd_at(q, p.at);
	int rc = -EINVAL;

	if (x && x->s.dev == q->qp.dev) {
		p.verify = x->verify;
		p.ok_mask = x->ok_mask;
		p.ok = x->ok;
		rc = put_by_path(&p);
		if (rc == -EAGAIN && q->posted) {
			fl_sec_chunks_free(q, &p.chunks);
			p.r = (struct fl_sec_req){ 0 };
			rc = fl_sec_post(q, op, number);
			rc = rc ? rc : put_by_path(&p);
		}
	}
	if (rc)
		fl_sec_chunks_free(q, &p.chunks);
	if (rc == -EAGAIN)
		return false;
	op->status = FL_OP_PENDING;
	if (rc) {
		put_no_work(q, op, number, rc);
		return true;
	}
	*bd = x->bd[p.bd];
	patch(bd, &p.r, number, q->v3);
	q->slots[p.at] = (struct fl_sec_slot){ op, p.ok_mask, p.ok };
	if (p.verify || p.chunks != SEC_CHUNK_NONE) {
		q->odd[p.at] = (struct fl_sec_odd){ .mask = p.ok_mask,
						    .ok = p.ok,
						    .chunks = p.chunks,
						    .status = FL_OP_PENDING,
						    .verify = p.verify ? x->digest_len : 0 };
		q->slots[p.at] = (struct fl_sec_slot){ op, 0, SEC_ST_DONE };
	}
	return true;
}

/* ---- burst ---------------------------------------------------------------------------- */

/* Completions that the device believes to be there still have no room for others. There may be more
 * of them than requests: it may have written some twice. */
static inline uint16_t room_of(const struct fl_sec_qp *q)
{
	int room = q->cap - (uint16_t)(q->tail - q->head) - q->unrung;

	return room > 0 ? (uint16_t)room : 0;
}

static inline __attribute__((always_inline)) uint16_t enqueue(struct fl_qp *qp, struct fl_op **ops,
							      uint16_t n, const bool v3,
							      const bool prefetch)
{
	struct fl_sec_qp *q = fl_sec_qp_of(qp);
	uint16_t room = room_of(q), most, i;

	if (fl_unlikely(room < n && q->unrung)) {
		fl_sec_ring_cq(q);
		room = room_of(q);
	}
	most = n < room ? n : room;
	fl_dma_enter(&q->posting);
	for (i = 0; i < most; i++) {
		struct fl_op *op = ops[i];
		const struct fl_sec_session *x = (const struct fl_sec_session *)op->session;
		uint16_t number = (uint16_t)(q->tail + i);

		if (fl_likely(x && x->s.dev == qp->dev && x->path == SEC_PATH_CIPHER &&
			      put_plain(q, x, op, number, v3, prefetch)))
			continue;
		if (!put_any(q, op, number))
			break;
	}
	q->put = (uint16_t)(q->tail + i);
	fl_dma_leave(&q->posting);
	if (fl_unlikely(i < n))
		fl_stat_add(&q->stats.full, (uint64_t)(n - i));
	if (!i)
		return 0;
	q->tail = q->put;
	q->hw->sq_tail = q->tail & q->mask;
	fl_qm_ring_sq(q->hw);
	fl_stat_add(&q->stats.enqueued, i);
	fl_stat_add(&q->stats.doorbells, 1);
	return i;
}

uint16_t fl_sec_enqueue_v2(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return enqueue(qp, ops, n, false, false);
}

uint16_t fl_sec_enqueue_v3(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return enqueue(qp, ops, n, true, false);
}

uint16_t fl_sec_enqueue_v3_prefetch(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return enqueue(qp, ops, n, true, true);
}
