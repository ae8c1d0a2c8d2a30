/* SPDX-License-Identifier: BSD-3-Clause */
/* The built models. */
#include <fl_model.h>

extern const struct fl_model_ops fl_e1000_model_ops, fl_e1000e_model_ops;
extern const struct fl_model_ops fl_hisi_sec_model_ops, fl_hisi_sec_vf_model_ops;

const struct fl_model_ops *const fl_builtin_models[] = {
	&fl_e1000_model_ops,
	&fl_e1000e_model_ops,
	&fl_hisi_sec_model_ops,
	&fl_hisi_sec_vf_model_ops,
	NULL,
};
