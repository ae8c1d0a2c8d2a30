/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this room share. */
#ifndef CRYPTO_INTERNAL_H
#define CRYPTO_INTERNAL_H

#include <fl_crypto_driver.h>

static inline const char *fl_crypto_uri(const struct fl_cryptodev *d)
{
	return d->uri;
}

/** Sets every entry that is NULL to one that answers -EOPNOTSUPP. */
void fl_crypto_ops_complete(struct fl_crypto_ops *ops);

/** once.c: frees what requests that were given up have held. The device is stopped. */
void fl_crypto_unpark(struct fl_cryptodev *d);

#endif
