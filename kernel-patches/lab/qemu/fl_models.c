/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The models that are built into QEMU. */
#include <fl_model.h>

extern const struct fl_model_ops fl_hisi_sec_model_ops, fl_hisi_sec_vf_model_ops;

const struct fl_model_ops *const fl_builtin_models[] = {
	&fl_hisi_sec_model_ops,
	&fl_hisi_sec_vf_model_ops,
	NULL,
};
