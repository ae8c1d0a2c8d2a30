/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crypto driver fills in. Applications include fl_crypto.h only.
 *
 * The core checks sessions against the driver's capabilities, once, and keeps what the user asked
 * for; a driver checks of each op what only the op says: segments, offsets, lengths.
 */
#ifndef FL_CRYPTO_DRIVER_H
#define FL_CRYPTO_DRIVER_H

#include <fl_crypto.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A driver's own struct begins with it. */
struct fl_session {
	struct fl_cryptodev *dev;
	struct fl_session *next, **at; /* of the device's; at: what points here */
	struct fl_session_conf conf;   /* sizes filled in, keys NULL */
	uint16_t hash_block;	       /* of conf.auth */
	uint8_t block;		       /* of conf.cipher */
};

/**
 * Every entry is set: fl_crypto_dev_init() points what a driver left NULL to one that answers
 * -EOPNOTSUPP.
 */
struct fl_crypto_ops {
	void (*info)(const struct fl_cryptodev *d, struct fl_cryptodev_info *out);

	/**
	 * Stopped devices; *qp is the driver's queue pair and begins with struct fl_qp. An older
	 * one of the same id is released after, so that it stays where this fails.
	 */
	int (*qp_setup)(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
			struct fl_qp **qp);
	/** ops that it holds still are dropped */
	void (*qp_release)(struct fl_qp *qp);

	/**
	 * All queue pairs are set up; sets their enqueue and dequeue as the last step. Ops that are
	 * ready since a stop stay: dequeue hands them out first.
	 */
	int (*start)(struct fl_cryptodev *d);
	/**
	 * Ends DMA, works on a removed device too. Ops in flight become ready: done, or
	 * FL_OP_ABORTED. Dequeue goes on handing them out; enqueue takes nothing.
	 */
	void (*stop)(struct fl_cryptodev *d);
	/** brings the device to the state that probe left it in; after a reattach as well */
	int (*hw_reset)(struct fl_cryptodev *d);
	/** undoes probe and frees the device; stopped, no queue pairs, no sessions */
	void (*close)(struct fl_cryptodev *d);

	/**
	 * conf is checked, its sizes are filled in, what its type does not use is 0; the keys are
	 * the caller's: copy them. At any time: before a start, during bursts, of a removed device.
	 */
	int (*session_create)(struct fl_cryptodev *d, const struct fl_session_conf *conf,
			      struct fl_session **s);
	/** wipes the keys */
	void (*session_destroy)(struct fl_session *s);

	int (*qp_wait_fd)(struct fl_qp *qp);
	int (*qp_arm)(struct fl_qp *qp);
	int (*qp_stats)(struct fl_qp *qp, struct fl_qp_stats *out);
};

/** A driver's own struct begins with it. Fields are the core's. */
struct fl_cryptodev {
	struct fl_crypto_ops ops;
	struct fl_dev *dev; /* NULL: no PCI device */
	struct fl_ctx *ctx;
	struct fl_item item;
	const struct fl_log *log;
	const char *uri;
	bool started, resume, failed;
	uint16_t nb_qps;
	struct fl_qp **qps;
	struct fl_session *sessions;
	struct fl_crypto_parked *parked; /* once.c: requests that never came back */
	void (*event)(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg);
	void *event_arg;
};

/** For a driver's probe. dev may be NULL; uri stays the caller's. */
FL_API void fl_crypto_dev_init(struct fl_cryptodev *d, struct fl_ctx *ctx, struct fl_dev *dev,
			       const struct fl_crypto_ops *ops);
FL_API void fl_crypto_dev_event(struct fl_cryptodev *d, enum fl_crypto_event ev);

/** Bursts of queue pairs that do not run: they take nothing. */
FL_API uint16_t fl_crypto_none(struct fl_qp *qp, struct fl_op **ops, uint16_t n);

#ifdef __cplusplus
}
#endif
#endif
