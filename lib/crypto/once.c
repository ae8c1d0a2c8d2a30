/* SPDX-License-Identifier: BSD-3-Clause */
/* One request for a tool that has no session, queue pair or memory of its own. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_internal.h"

#define NAP_NS 20000l

/** All that one request holds; what never came back stays until the device is closed. */
struct fl_crypto_parked {
	struct fl_crypto_parked *next;
	struct fl_session *session;
	struct fl_op_pool *pool;
	struct fl_op *op;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_seg seg;
};

static void free_request(struct fl_crypto_parked *r)
{
	fl_session_destroy(r->session);
	if (r->op)
		fl_op_free(&r->op, 1);
	if (fl_op_pool_destroy(r->pool))
		return;
	if (r->area && fl_dma_unmap(r->area))
		return;
	fl_mem_free(r->mem);
	free(r);
}

void fl_crypto_unpark(struct fl_cryptodev *d)
{
	struct fl_crypto_parked *r;

	while ((r = d->parked)) {
		d->parked = r->next;
		free_request(r);
	}
}

/* The answer to a request that was given up is dropped; an op of the caller's should not be here.
 */
static void drop_late(struct fl_cryptodev *d, const struct fl_op *op)
{
	for (struct fl_crypto_parked **p = &d->parked, *r; (r = *p); p = &r->next) {
		if (r->op != op)
			continue;
		*p = r->next;
		free_request(r);
		return;
	}
	fl_warn(d->log, "crypto",
		"%s: a single request met an op of somebody's own on its queue pair: that one is dropped",
		fl_crypto_uri(d));
}

static int make_memory(struct fl_cryptodev *d, struct fl_crypto_parked *r, uint64_t len)
{
	struct fl_mem_opts mo = { .node = -1, .log = d->log };
	int rc;

	fl_dma_mem_opts(fl_ctx_space(d->ctx), len, &mo);
	rc = fl_mem_alloc(len, &mo, &r->mem);
	if (!rc)
		rc = fl_dma_map(fl_ctx_space(d->ctx), r->mem, NULL, &r->area);
	if (!rc)
		rc = fl_op_pool_create(d->ctx, 1, &r->pool);
	if (!rc && !fl_op_alloc(r->pool, &r->op, 1))
		rc = -ENOMEM;
	return rc;
}

/* AAD, then the payload, in place. */
static void fill(struct fl_crypto_parked *r, const uint8_t *iv, const void *aad, uint32_t aad_len,
		 const void *in, uint32_t len, const uint8_t *digest)
{
	const struct fl_session_conf *c = fl_session_conf(r->session);
	struct fl_op *op = r->op;

	r->seg = (struct fl_seg){ r->area->va, r->area, aad_len + len };
	if (aad_len)
		memcpy(r->seg.va, aad, aad_len);
	if (len)
		memcpy(r->seg.va + aad_len, in, len);
	op->session = r->session;
	op->src = &r->seg;
	op->nsrc = 1;
	op->dst = NULL;
	op->ndst = 0;
	op->cipher_off = op->auth_off = aad_len;
	op->cipher_len = op->auth_len = len;
	op->aad = (struct fl_seg){ r->seg.va, r->area, aad_len };
	if (c->iv_len)
		memcpy(op->iv, iv, c->iv_len);
	if (!c->encrypt && c->digest_len)
		memcpy(op->digest, digest, c->digest_len);
}

static int run(struct fl_qp *qp, struct fl_op *op, int timeout_ms)
{
	uint64_t end = fl_now_ns() + (uint64_t)timeout_ms * 1000000u;
	struct timespec nap = { .tv_nsec = NAP_NS };
	struct fl_op *back;
	bool given = false;

	for (;;) {
		given = given || fl_op_enqueue(qp, &op, 1) == 1;
		if (fl_op_dequeue(qp, &back, 1) == 1) {
			if (back == op)
				return 0;
			drop_late(qp->dev, back);
			continue;
		}
		if (fl_now_ns() >= end)
			return given ? -EINPROGRESS : -EAGAIN;
		nanosleep(&nap, NULL);
	}
}

static int result(const struct fl_op *op)
{
	switch ((enum fl_op_status)op->status) {
	case FL_OP_OK:
		return 0;
	case FL_OP_AUTH_FAILED:
		return -EBADMSG;
	case FL_OP_INVALID:
		return -EINVAL;
	case FL_OP_FAULT:
		return -EFAULT;
	case FL_OP_ABORTED:
		return -ECANCELED;
	case FL_OP_ERROR:
	case FL_OP_PENDING:
		break;
	}
	return -EIO;
}

static int check_args(const struct fl_session *s, const uint8_t *iv, const void *aad,
		      uint32_t aad_len, const void *in, uint32_t len, const uint8_t *digest)
{
	const struct fl_session_conf *c = fl_session_conf(s);
	const char *what = NULL;

	if (c->iv_len && !iv)
		what = "wants an IV";
	else if (c->digest_len && !digest)
		what = "wants a digest, or a place for it";
	else if ((aad_len && !aad) || (len && !in))
		what = "has a length without data";
	else if (aad_len && (c->type == FL_CRYPTO_CIPHER || c->type == FL_CRYPTO_AUTH))
		what = "has AAD, which is for AEAD and chains";
	if (!what)
		return 0;
	fl_err(s->dev->log, "crypto", "%s: this single request %s", fl_crypto_uri(s->dev), what);
	return -EINVAL;
}

int fl_crypto_once(struct fl_cryptodev *d, uint16_t id, const struct fl_session_conf *conf,
		   const uint8_t *iv, const void *aad, uint32_t aad_len, const void *in,
		   uint32_t len, void *out, uint8_t *digest, int timeout_ms)
{
	struct fl_qp *qp = fl_cryptodev_qp(d, id);
	uint64_t bytes = (uint64_t)aad_len + len;
	struct fl_crypto_parked *r;
	int rc;

	if (!qp || !d->started || timeout_ms < 0 || bytes > UINT32_MAX) {
		fl_err(d->log, "crypto",
		       "%s: a single request takes a started device, a queue pair of it and less than 4 GiB",
		       fl_crypto_uri(d));
		return -EINVAL;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	rc = fl_session_create(d, conf, &r->session);
	if (!rc)
		rc = check_args(r->session, iv, aad, aad_len, in, len, digest);
	if (!rc)
		rc = make_memory(d, r, bytes ? bytes : 1);
	if (!rc) {
		fill(r, iv, aad, aad_len, in, len, digest);
		rc = run(qp, r->op, timeout_ms);
	}
	if (rc == -EINPROGRESS) {
		fl_err(d->log, "crypto",
		       "%s: no answer within %d ms; its memory is kept until the device is closed",
		       fl_crypto_uri(d), timeout_ms);
		r->next = d->parked;
		d->parked = r;
		return -ETIMEDOUT;
	}
	if (!rc)
		rc = result(r->op);
	if (!rc && out && len)
		memcpy(out, r->seg.va + aad_len, len);
	if (!rc && digest && conf->encrypt)
		memcpy(digest, r->op->digest, fl_session_conf(r->session)->digest_len);
	free_request(r);
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}
