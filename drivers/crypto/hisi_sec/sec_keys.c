/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys in pinned memory, in slabs of slots; and HMAC keys as the device takes them. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "sec_internal.h"

#define SLOT	   256u /* SEC_KEY_C and SEC_KEY_A, and lines of its own */
#define SLAB_BYTES 16384u
_Static_assert(SEC_KEY_C + SEC_KEY_A <= SLOT, "both keys");

struct fl_sec_keys {
	struct fl_sec_keys *next;
	struct fl_sec_mem mem;
	uint64_t used; /* a bit a slot */
};
_Static_assert(SLAB_BYTES / SLOT == 64, "bits of used");

static struct fl_sec_keys *slab_new(struct fl_sec *s)
{
	struct fl_sec_keys *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	if (fl_sec_mem_alloc(s, SLAB_BYTES, -1, &k->mem)) {
		free(k);
		return NULL;
	}
	k->next = s->keys;
	s->keys = k;
	return k;
}

int fl_sec_key_get(struct fl_sec *s, struct fl_sec_key *key)
{
	struct fl_sec_keys *k = s->keys;
	unsigned slot;

	while (k && !~k->used)
		k = k->next;
	if (!k)
		k = slab_new(s);
	if (!k)
		return -ENOMEM;
	slot = (unsigned)__builtin_ctzll(~k->used);
	k->used |= 1ull << slot;
	key->slab = k;
	key->va = k->mem.area->va + slot * SLOT;
	key->iova = fl_dma_iova(k->mem.area, key->va);
	return 0;
}

void fl_sec_key_put(struct fl_sec_key *key)
{
	struct fl_sec_keys *k = key->slab;

	explicit_bzero(key->va, SLOT);
	k->used &= ~(1ull << ((unsigned)(key->va - k->mem.area->va) / SLOT));
}

void fl_sec_keys_free(struct fl_sec *s)
{
	struct fl_sec_keys *k;

	while ((k = s->keys)) {
		s->keys = k->next;
		fl_sec_mem_free(s, &k->mem);
		free(k);
	}
}

/* ---- HMAC keys ------------------------------------------------------------------------ */

static const EVP_MD *hash_of(enum fl_algo hmac)
{
	switch (hmac) {
	case FL_HMAC_MD5:
		return EVP_md5();
	case FL_HMAC_SHA1:
		return EVP_sha1();
	case FL_HMAC_SHA224:
		return EVP_sha224();
	case FL_HMAC_SHA256:
		return EVP_sha256();
	case FL_HMAC_SHA384:
		return EVP_sha384();
	case FL_HMAC_SHA512:
		return EVP_sha512();
	case FL_HMAC_SHA512_224:
		return EVP_sha512_224();
	case FL_HMAC_SHA512_256:
		return EVP_sha512_256();
	default:
		return EVP_sm3();
	}
}

int fl_sec_hmac_key(enum fl_algo hmac, unsigned block, const uint8_t *key, unsigned *len,
		    uint8_t out[SEC_KEY_A])
{
	/* zeros behind a key do not change an HMAC, and the chip counts in words, one at least */
	memset(out, 0, SEC_KEY_A);
	if (*len > block) {
		if (EVP_Digest(key, *len, out, len, hash_of(hmac), NULL) != 1)
			return -EOPNOTSUPP;
	} else if (*len) {
		memcpy(out, key, *len);
	}
	*len = *len ? (unsigned)fl_align_up(*len, 4) : 4;
	return 0;
}
