/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drivers that are built in: one plain array, no constructors, so that a static link finds
 * them. A driver adds a declaration and a line.
 */
#include <fl_dev.h>

extern const struct fl_driver *const fl_builtin_drivers[];
extern const struct fl_driver fl_e1000_driver;
extern const struct fl_driver fl_sec_driver;
extern const struct fl_driver fl_soft_driver;

const struct fl_driver *const fl_builtin_drivers[] = {
	&fl_e1000_driver,
	&fl_sec_driver,
	&fl_soft_driver,
	NULL,
};
