/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver leaves out answers -EOPNOTSUPP, so that no caller asks whether it is there. */
#include <string.h>

#include "crypto_internal.h"

static void none_info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out)
{
}

static int none_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
			 struct fl_qp **qp)
{
	return -EOPNOTSUPP;
}

static void none_qp_void(struct fl_qp *qp)
{
}

static int none_dev(struct fl_cryptodev *d)
{
	return -EOPNOTSUPP;
}

static void none_dev_void(struct fl_cryptodev *d)
{
}

static int none_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
			       struct fl_session **s)
{
	return -EOPNOTSUPP;
}

static void none_session_destroy(struct fl_session *s)
{
}

static int none_qp_fd(struct fl_qp *qp)
{
	return -1;
}

static int none_qp(struct fl_qp *qp)
{
	return -EOPNOTSUPP;
}

static int none_stats(struct fl_qp *qp, struct fl_qp_stats *out)
{
	return -EOPNOTSUPP;
}

static const struct fl_crypto_ops none = {
	.info = none_info,
	.qp_setup = none_qp_setup,
	.qp_release = none_qp_void,
	.start = none_dev,
	.stop = none_dev_void,
	.hw_reset = none_dev,
	.close = none_dev_void,
	.session_create = none_session_create,
	.session_destroy = none_session_destroy,
	.qp_wait_fd = none_qp_fd,
	.qp_arm = none_qp,
	.qp_stats = none_stats,
};

void fl_crypto_ops_complete(struct fl_crypto_ops *ops)
{
#define COMPLETE(entry) (ops->entry = ops->entry ? ops->entry : none.entry)
	COMPLETE(info);
	COMPLETE(qp_setup);
	COMPLETE(qp_release);
	COMPLETE(start);
	COMPLETE(stop);
	COMPLETE(hw_reset);
	COMPLETE(close);
	COMPLETE(session_create);
	COMPLETE(session_destroy);
	COMPLETE(qp_wait_fd);
	COMPLETE(qp_arm);
	COMPLETE(qp_stats);
#undef COMPLETE
}
