/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device has to answer, worked out anew: by OpenSSL's EVP where it has the algorithm, else
 * by the standard's text over EVP's single blocks. Shares no code with drivers or models.
 */
#ifndef CRYPTO_REF_H
#define CRYPTO_REF_H

#include <fl_crypto.h>

struct ref_in {
	const struct fl_session_conf *conf; /* with keys; iv_len and digest_len filled in */
	const uint8_t *iv, *aad, *in;
	size_t aad_len, len;
};

/** Encrypts, or digests. out: len bytes; digest: digest_len. 0, or -1: the reference cannot. */
int ref_encrypt(const struct ref_in *r, uint8_t *out, uint8_t *digest);

/** The modes that are ours against EVP's own, where both have the cipher; 0 = they agree. */
int ref_self_test(void);

#endif
