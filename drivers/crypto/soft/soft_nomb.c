/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without the header of ipsec-mb: OpenSSL does all. */
#include "soft.h"

int fl_soft_mb_open(const struct fl_log *log, bool wanted, struct soft_mb **out)
{
	if (wanted)
		fl_err(log, "crypto",
		       "soft:ipsec-mb: built without it; install libipsec-mb-dev and build again");
	return -ENOTSUP;
}

void fl_soft_mb_close(struct soft_mb *mb)
{
}

const char *fl_soft_mb_version(const struct soft_mb *mb)
{
	return "";
}

struct soft_mb_qp *fl_soft_mb_qp(const struct soft_mb *mb)
{
	return NULL;
}

void fl_soft_mb_qp_free(const struct soft_mb *mb, struct soft_mb_qp *q)
{
}

int fl_soft_mb_keys(struct soft_mb *mb, struct soft_session *s)
{
	return 0;
}

void fl_soft_mb_forget(struct soft_session *s)
{
}

void fl_soft_mb_work(struct soft_qp *qp)
{
}
