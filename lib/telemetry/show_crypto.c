/* SPDX-License-Identifier: BSD-3-Clause */
/* Crypto devices; in the thread that dispatches the context. */
#include "telemetry_internal.h"

#include <fl_crypto.h>

/* The next one from *i on that is asked for; moves on behind it. */
static struct fl_cryptodev *next_dev(struct fl_ctx *ctx, struct fl_tele_req *q, unsigned *i,
				     unsigned *number)
{
	struct fl_cryptodev *d;

	while ((d = fl_cryptodev_at(ctx, (*i)++)))
		if (fl_tele_wants(q, number))
			break;
	return d;
}

static void head(struct fl_cryptodev *d, unsigned number, struct fl_json *j)
{
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "cryptodev", number);
	fl_json_text(j, "uri", fl_cryptodev_uri(d));
}

void fl_tele_cryptodevs(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;
	unsigned number, qps;

	for (unsigned i = 0; (d = next_dev(ctx, q, &i, &number));) {
		struct fl_dev *dev = fl_cryptodev_dev(d);

		fl_cryptodev_info(d, &info);
		for (qps = 0; qps < info.qp_max && fl_cryptodev_qp(d, (uint16_t)qps);)
			qps++;
		head(d, number, j);
		fl_json_u64(j, "space", q->ctx);
		fl_json_text(j, "driver", info.driver);
		fl_json_text(j, "chip", info.chip);
		fl_json_bool(j, "started", fl_cryptodev_started(d));
		fl_json_bool(j, "removed", dev && fl_dev_removed(dev));
		fl_json_u64(j, "queue_pairs", qps);
		fl_json_close(j, '}');
	}
}

static void one_qp(struct fl_qp *qp, struct fl_json *j)
{
	struct fl_qp_stats s;

	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "queue_pair", qp->id);
	if (!fl_qp_stats(qp, &s)) {
		fl_json_u64(j, "enqueued", s.enqueued);
		fl_json_u64(j, "dequeued", s.dequeued);
		fl_json_u64(j, "errors", s.errors);
		fl_json_u64(j, "full", s.full);
		fl_json_u64(j, "bad_completions", s.bad_completions);
		fl_json_u64(j, "doorbells", s.doorbells);
	}
	fl_json_close(j, '}');
}

void fl_tele_cryptodev_stats(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;
	unsigned number;

	for (unsigned i = 0; (d = next_dev(ctx, q, &i, &number));) {
		fl_cryptodev_info(d, &info);
		head(d, number, j);
		fl_json_open(j, "queue_pairs", '[');
		for (uint16_t k = 0; k < info.qp_max && fl_cryptodev_qp(d, k); k++)
			one_qp(fl_cryptodev_qp(d, k), j);
		fl_json_close(j, ']');
		fl_json_close(j, '}');
	}
}

void fl_tele_cryptodev_info(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;
	unsigned number;

	for (unsigned i = 0; (d = next_dev(ctx, q, &i, &number));) {
		fl_cryptodev_info(d, &info);
		head(d, number, j);
		fl_json_u64(j, "queue_pairs_max", info.qp_max);
		fl_json_u64(j, "descriptors_min", info.desc_min);
		fl_json_u64(j, "descriptors_max", info.desc_max);
		fl_json_u64(j, "segments_max", info.segs_max);
		fl_json_open(j, "features", '[');
		for (unsigned bit = 0; bit < 64 && fl_crypto_feature_name(bit); bit++)
			if (info.features >> bit & 1)
				fl_json_text(j, NULL, fl_crypto_feature_name(bit));
		fl_json_close(j, ']');
		fl_json_open(j, "algorithms", '[');
		for (const struct fl_crypto_cap *c = info.caps; c->algo != FL_ALGO_NONE; c++)
			fl_json_text(j, NULL, fl_algo_info(c->algo)->name);
		fl_json_close(j, ']');
		fl_json_close(j, '}');
	}
}
