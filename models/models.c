/* SPDX-License-Identifier: BSD-3-Clause */
/* The built models. */
#include <model_internal.h>

const struct fl_model_ops *const fl_builtin_models[] = {
	NULL,
};
