/* SPDX-License-Identifier: BSD-3-Clause */
/* The multi-buffer library: loading it, and ops in bursts. */
#include <dlfcn.h>
#include <stdlib.h>
#include <endian.h>

#include <openssl/crypto.h>

#include "soft_mb.h"

#define LIBRARY "libIPSec_MB.so.1"

/* ---- loading ---------------------------------------------------------------------------- */

static void fill_gcm(struct soft_mb *mb)
{
	const IMB_MGR *m = mb->mgr;

	mb->gcm[0] =
		(struct mb_gcm){ m->gcm128_pre,		 m->gcm128_enc,	       m->gcm128_dec,
				 m->gcm128_init_var_iv,	 m->gcm128_enc_update, m->gcm128_dec_update,
				 m->gcm128_enc_finalize, m->gmac128_init,      m->gmac128_update,
				 m->gmac128_finalize };
	mb->gcm[1] =
		(struct mb_gcm){ m->gcm192_pre,		 m->gcm192_enc,	       m->gcm192_dec,
				 m->gcm192_init_var_iv,	 m->gcm192_enc_update, m->gcm192_dec_update,
				 m->gcm192_enc_finalize, m->gmac192_init,      m->gmac192_update,
				 m->gmac192_finalize };
	mb->gcm[2] =
		(struct mb_gcm){ m->gcm256_pre,		 m->gcm256_enc,	       m->gcm256_dec,
				 m->gcm256_init_var_iv,	 m->gcm256_enc_update, m->gcm256_dec_update,
				 m->gcm256_enc_finalize, m->gmac256_init,      m->gmac256_update,
				 m->gmac256_finalize };
}

/* NULL, or why it cannot be used. Jobs are laid out by the header: another minor version may not
 * agree. */
static const char *bind(struct soft_mb *mb)
{
	unsigned (*version)(void);
	const char *(*text)(void);

	mb->lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!mb->lib)
		return "cannot be loaded (Debian: libipsec-mb1)";
	*(void **)&version = dlsym(mb->lib, "imb_get_version");
	*(void **)&text = dlsym(mb->lib, "imb_get_version_str");
	*(void **)&mb->alloc = dlsym(mb->lib, "alloc_mb_mgr");
	*(void **)&mb->free = dlsym(mb->lib, "free_mb_mgr");
	*(void **)&mb->init = dlsym(mb->lib, "init_mb_mgr_auto");
	if (!version || !text || !mb->alloc || !mb->free || !mb->init)
		return "lacks a function that version " IMB_VERSION_STR " has";
	if (version() >> 8 != IMB_VERSION_NUM >> 8)
		return "is of another version than " IMB_VERSION_STR ", which this was built for";
	mb->version = text();
	mb->mgr = mb->alloc(0);
	if (!mb->mgr)
		return "could not allocate";
	mb->init(mb->mgr, &mb->arch);
	return mb->arch < IMB_ARCH_SSE ? "finds no AES instructions in this processor" : NULL;
}

int fl_soft_mb_open(const struct fl_log *log, bool wanted, struct soft_mb **out)
{
	struct soft_mb *mb = calloc(1, sizeof(*mb));
	const char *why;

	if (!mb)
		return -ENOMEM;
	why = bind(mb);
	if (!why) {
		fill_gcm(mb);
		*out = mb;
		return 0;
	}
	if (wanted)
		fl_err(log, "crypto", "soft:ipsec-mb: %s %s; soft:openssl needs it not", LIBRARY,
		       why);
	else
		fl_info(log, "crypto", "soft: %s %s; OpenSSL does all", LIBRARY, why);
	fl_soft_mb_close(mb);
	return -ENOTSUP;
}

void fl_soft_mb_close(struct soft_mb *mb)
{
	if (!mb)
		return;
	if (mb->mgr)
		mb->free(mb->mgr);
	if (mb->lib)
		dlclose(mb->lib);
	free(mb);
}

const char *fl_soft_mb_version(const struct soft_mb *mb)
{
	return mb->version;
}

struct soft_mb_qp *fl_soft_mb_qp(const struct soft_mb *mb)
{
	struct soft_mb_qp *q = aligned_alloc(64, (sizeof(*q) + 63) & ~63ul);
	IMB_ARCH arch;

	if (!q)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->mgr = mb->alloc(0);
	if (!q->mgr) {
		free(q);
		return NULL;
	}
	mb->init(q->mgr, &arch);
	return q;
}

void fl_soft_mb_qp_free(const struct soft_mb *mb, struct soft_mb_qp *q)
{
	if (!q)
		return;
	mb->free(q->mgr);
	OPENSSL_cleanse(q, sizeof(*q));
	free(q);
}

/* ---- what a job can take ---------------------------------------------------------------- */

/* Where [off, +len) stands in one piece, or NULL. */
static uint8_t *flat(const struct fl_seg *segs, uint32_t off, uint32_t len)
{
	struct soft_cursor c;
	uint32_t run;
	uint8_t *at;

	if (fl_likely((uint64_t)off + len <= segs->len))
		return segs->va + off;
	c = fl_cursor(segs, off);
	at = fl_cursor_at(&c, &run);
	return run >= len ? at : NULL;
}

/* The library counts blocks in the last word of the IV alone. */
static bool counter_wraps(const struct fl_op *op)
{
	uint32_t count;

	memcpy(&count, op->iv + 12, sizeof(count));
	return (op->cipher_len + 15u) / 16 > UINT32_MAX - be32toh(count);
}

struct place {
	uint8_t *src, *dst, *mac; /* mac: where the MAC begins, of a chain */
	uint32_t mac_len;
};

/* A chain's AAD and payload have to stand in a row where the MAC reads them. */
static bool place_mac(const struct fl_op *op, const IMB_JOB *job, struct place *p)
{
	p->mac = job->chain_order == IMB_ORDER_HASH_CIPHER ? p->src : p->dst;
	p->mac_len = op->cipher_len;
	if (!op->aad.len)
		return true;
	if (op->aad.va + op->aad.len != p->mac)
		return false;
	p->mac = op->aad.va;
	p->mac_len += op->aad.len;
	return true;
}

static bool place(const struct soft_mb_keys *k, const struct fl_op *op, struct place *p)
{
	enum fl_crypto_type type = op->session->conf.type;

	if (type == FL_CRYPTO_AUTH) {
		if (!op->auth_len || op->auth_len > k->len_max || op->stage != FL_OP_WHOLE)
			return false;
		p->src = p->dst = p->mac = flat(op->src, op->auth_off, op->auth_len);
		p->mac_len = op->auth_len;
		return p->src;
	}
	if (!op->cipher_len || op->cipher_len > k->len_max)
		return false;
	p->src = flat(op->src, op->cipher_off, op->cipher_len);
	p->dst = op->dst ? flat(op->dst, op->cipher_off, op->cipher_len) : p->src;
	p->mac = p->src;
	p->mac_len = type == FL_CRYPTO_AEAD ? op->cipher_len : 0;
	if (!p->src || !p->dst || (k->job.cipher_mode == IMB_CIPHER_CNTR && counter_wraps(op)))
		return false;
	if (type == FL_CRYPTO_AEAD)
		return op->aad.len <= MB_CCM_AAD;
	return type == FL_CRYPTO_CIPHER || (place_mac(op, &k->job, p) && p->mac_len <= k->len_max);
}

static void fill(struct soft_mb_qp *q, unsigned i, IMB_JOB *job, const struct soft_mb_keys *k,
		 struct fl_op *op, const struct place *p)
{
	const struct fl_session_conf *c = &op->session->conf;
	bool direct = c->encrypt && c->digest_len == k->tag;

	job->src = p->src;
	job->dst = p->dst;
	job->msg_len_to_cipher_in_bytes = c->type == FL_CRYPTO_AUTH ? 0 : op->cipher_len;
	job->iv = op->iv;
	if (k->how == MB_CIPHER)
		return;
	/* from the source, wherever it is: the sum wraps */
	job->hash_start_src_offset_in_bytes = (uint64_t)((uintptr_t)p->mac - (uintptr_t)p->src);
	job->msg_len_to_hash_in_bytes = p->mac_len;
	job->auth_tag_output = direct ? op->digest : q->tags[i];
	if (c->type != FL_CRYPTO_AEAD)
		return;
	job->u.CCM.aad = op->aad.va;
	job->u.CCM.aad_len_in_bytes = op->aad.len;
}

/* ---- bursts ---------------------------------------------------------------------------- */

/* Jobs of any kind go through the library's queue, which is empty before and after. */
static void run_jobs(struct soft_mb_qp *q)
{
	IMB_JOB *jobs[MB_BATCH], *back[MB_BATCH];
	unsigned n = IMB_GET_NEXT_BURST(q->mgr, q->n, jobs), done;

	for (unsigned i = 0; i < n; i++) {
		*jobs[i] = q->jobs[i];
		jobs[i]->user_data = &q->jobs[i];
		back[i] = jobs[i];
	}
	done = n ? IMB_SUBMIT_BURST_NOCHECK(q->mgr, n, back) : 0;
	for (;;) {
		for (unsigned i = 0; i < done; i++)
			((IMB_JOB *)back[i]->user_data)->status = back[i]->status;
		done = IMB_FLUSH_BURST(q->mgr, MB_BATCH, back);
		if (!done)
			return;
	}
}

static enum fl_op_status verdict(const struct soft_mb_qp *q, unsigned i)
{
	const struct fl_session_conf *c = &q->ops[i]->session->conf;
	struct fl_op *op = q->ops[i];

	if (q->jobs[i].status != IMB_STATUS_COMPLETED)
		return FL_OP_ERROR;
	if (!c->digest_len)
		return FL_OP_OK;
	if (c->encrypt) {
		if (q->jobs[i].auth_tag_output != op->digest)
			memcpy(op->digest, q->tags[i], c->digest_len);
		return FL_OP_OK;
	}
	if (!CRYPTO_memcmp(op->digest, q->tags[i], c->digest_len))
		return FL_OP_OK;
	if (c->type != FL_CRYPTO_AUTH)
		fl_soft_wipe(op);
	return FL_OP_AUTH_FAILED;
}

/* Does what was gathered. */
static void flush(struct soft_mb_qp *q)
{
	const struct soft_mb_keys *k = q->first;

	if (!q->n)
		return;
	if (k->how == MB_CIPHER)
		IMB_SUBMIT_CIPHER_BURST_NOCHECK(q->mgr, q->jobs, q->n, k->job.cipher_mode,
						k->job.cipher_direction,
						(IMB_KEY_SIZE_BYTES)k->job.key_len_in_bytes);
	else if (k->how == MB_HASH)
		IMB_SUBMIT_HASH_BURST_NOCHECK(q->mgr, q->jobs, q->n, k->job.hash_alg);
	else
		run_jobs(q);
	for (unsigned i = 0; i < q->n; i++)
		q->ops[i]->status = verdict(q, i);
	q->n = 0;
}

static void gather(struct soft_mb_qp *q, const struct soft_mb_keys *k, struct fl_op *op,
		   const struct place *p)
{
	unsigned i;

	if (q->n && (q->first->kind != k->kind || q->n == MB_BATCH))
		flush(q);
	i = q->n++;
	if (!i)
		q->first = k;
	q->ops[i] = op;
	if (q->filled[i] != k->serial) {
		q->jobs[i] = k->job;
		q->filled[i] = k->serial;
	}
	q->jobs[i].status = IMB_STATUS_BEING_PROCESSED;
	fill(q, i, &q->jobs[i], k, op, p);
}

/* ---- GCM ------------------------------------------------------------------------------- */

struct gcm_walk {
	const struct soft_mb_keys *k;
	struct gcm_context_data *ctx;
	bool encrypt;
};

static bool gcm_piece(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	const struct gcm_walk *w = arg;

	(w->encrypt ? w->k->gcm->enc_update : w->k->gcm->dec_update)(&w->k->gcm_key, w->ctx, out,
								     in, n);
	return true;
}

static bool gmac_piece(void *arg, const uint8_t *in, uint32_t n)
{
	const struct gcm_walk *w = arg;

	w->k->gcm->gmac_update(&w->k->gcm_key, w->ctx, in, n);
	return true;
}

static void gcm_segments(struct gcm_walk *w, const struct fl_op *op, uint8_t tag[16])
{
	const struct fl_session_conf *c = &op->session->conf;
	struct soft_span sp = fl_span(op, op->cipher_off);
	const struct mb_gcm *f = w->k->gcm;

	f->init(&w->k->gcm_key, w->ctx, op->iv, c->iv_len, op->aad.va, op->aad.len);
	fl_span_walk(&sp, op->cipher_len, 1, gcm_piece, w);
	f->end(&w->k->gcm_key, w->ctx, tag, 16);
}

static void gmac(struct gcm_walk *w, const struct fl_op *op, uint8_t tag[16])
{
	struct soft_cursor c = fl_cursor(op->src, op->auth_off);
	const struct mb_gcm *f = w->k->gcm;

	f->gmac_init(&w->k->gcm_key, w->ctx, op->iv, op->session->conf.iv_len);
	fl_cursor_feed(&c, op->auth_len, gmac_piece, w);
	f->gmac_end(&w->k->gcm_key, w->ctx, tag, 16);
}

static enum fl_op_status gcm(struct soft_mb_qp *q, const struct soft_mb_keys *k, struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	struct gcm_walk w = { k, &q->gcm, c->encrypt };
	const uint8_t *src = NULL;
	uint8_t *dst, tag[16];

	if (k->how == MB_GMAC) {
		gmac(&w, op, tag);
	} else {
		if (op->cipher_len && c->iv_len == 12)
			src = flat(op->src, op->cipher_off, op->cipher_len);
		dst = src && op->dst ? flat(op->dst, op->cipher_off, op->cipher_len)
				     : (uint8_t *)src;
		if (dst)
			(c->encrypt ? k->gcm->enc : k->gcm->dec)(&k->gcm_key, &q->gcm, dst, src,
								 op->cipher_len, op->iv, op->aad.va,
								 op->aad.len, tag, 16);
		else
			gcm_segments(&w, op, tag);
	}
	if (c->encrypt) {
		memcpy(op->digest, tag, c->digest_len);
		return FL_OP_OK;
	}
	if (!CRYPTO_memcmp(op->digest, tag, c->digest_len))
		return FL_OP_OK;
	if (c->type == FL_CRYPTO_AEAD)
		fl_soft_wipe(op);
	return FL_OP_AUTH_FAILED;
}

/* ---- work ------------------------------------------------------------------------------ */

static void take(struct soft_qp *qp, struct fl_op *op)
{
	const struct soft_mb_keys *k;
	struct place p;

	op->status = fl_soft_op_check(qp, op);
	if (op->status != FL_OP_OK)
		return;
	k = fl_soft_session(op)->mb;
	if (k && k->how >= MB_GCM)
		op->status = gcm(qp->mb, k, op);
	else if (k && place(k, op, &p))
		gather(qp->mb, k, op, &p);
	else
		op->status = fl_soft_run(qp, op);
}

void fl_soft_mb_work(struct soft_qp *qp)
{
	uint32_t end = qp->done + fl_soft_min(qp->tail - qp->done, MB_BATCH);

	for (; qp->done != end; qp->done++)
		take(qp, qp->ops[qp->done & qp->mask]);
	flush(qp->mb);
}
