/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CCM, of AES and SM4: CBC-MAC and counter mode side by side. The first MAC block is the client's
 * (a_ivin), as it stands; so is the first counter block (c_ivin).
 */
#include "run.h"

#include <string.h>

struct ccm {
	struct secm_cbcmac mac;
	EVP_CIPHER_CTX *ctr;
	bool encrypt;
};

static bool step(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	struct ccm *x = arg;

	if (x->encrypt)
		return fl_secm_cbcmac_step(&x->mac, in, NULL, n) &&
		       fl_secm_step_evp(x->ctr, in, out, n);
	return fl_secm_step_evp(x->ctr, in, out, n) && fl_secm_cbcmac_step(&x->mac, out, NULL, n);
}

static bool aad(struct secm_job *j, struct ccm *x)
{
	const uint8_t len[2] = { (uint8_t)(j->bd.a_len >> 8), (uint8_t)j->bd.a_len };
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.a_off - j->src_at);

	if (!j->bd.a_len)
		return true;
	return fl_secm_cbcmac_step(&x->mac, len, NULL, 2) &&
	       fl_secm_walk(&in, NULL, j->bd.a_len, 1, fl_secm_cbcmac_step, &x->mac) &&
	       fl_secm_cbcmac_pad(&x->mac);
}

static bool payload(struct secm_job *j, struct ccm *x)
{
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.c_off - j->src_at);
	struct secm_cur out = fl_secm_cur(&j->dst, 0);

	return fl_secm_walk(&in, &out, j->bd.c_len, 1, step, x) && fl_secm_cbcmac_pad(&x->mac);
}

bool fl_secm_run_ccm(struct secm_job *j, struct secm_cache *c)
{
	struct ccm x = { .encrypt = j->bd.cipher == SECM_ENCRYPT };
	struct secm_key k = fl_secm_cipher_key(j);
	uint8_t a0[16], mask[16] = { 0 };
	unsigned l = j->c_iv[0] + 1u;

	memcpy(a0, j->c_iv, 16);
	memset(a0 + 16 - l, 0, l);
	x.ctr = fl_secm_ctx_iv(c, PRIM_CTR, &k, true, a0);
	if (!x.ctr || !fl_secm_step_evp(x.ctr, mask, mask, 16) ||
	    !fl_secm_cbcmac_start(&x.mac, c, &k))
		return false;
	x.ctr = fl_secm_ctx_iv(c, PRIM_CTR, &k, true, j->c_iv);
	if (!x.ctr || !fl_secm_cbcmac_step(&x.mac, j->a_iv, NULL, 16) ||
	    !fl_secm_cbcmac_pad(&x.mac) || !aad(j, &x) || !payload(j, &x))
		return false;
	for (unsigned i = 0; i < 16; i++)
		j->mac[i] = x.mac.x[i] ^ mask[i];
	fl_secm_verify(j);
	return true;
}
