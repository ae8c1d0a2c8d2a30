/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of drivers: those registered, then those built. */
#include "dev_internal.h"

#include <string.h>

#define REGISTERED_MAX 32u

/* one of the library's two writable globals; the other is the log default */
static struct {
	unsigned n;
	const struct fl_driver *drv[REGISTERED_MAX];
} registered;

int fl_driver_register(const struct fl_driver *drv)
{
	const struct fl_driver *d;

	if (!drv->name || !drv->remove ||
	    !(drv->scheme ? drv->open != NULL : drv->ids && drv->probe))
		return -EINVAL;
	for (unsigned i = 0; (d = fl_driver_at(i)); i++)
		if (!strcmp(d->name, drv->name))
			return -EEXIST;
	if (registered.n == REGISTERED_MAX)
		return -ENOSPC;
	registered.drv[registered.n++] = drv;
	return 0;
}

const struct fl_driver *fl_driver_at(unsigned i)
{
	unsigned built = 0;

	if (i < registered.n)
		return registered.drv[i];
	i -= registered.n;
	while (built < i && fl_builtin_drivers[built])
		built++;
	return fl_builtin_drivers[built];
}

const struct fl_driver *fl_driver_match(enum fl_driver_class cls, const struct fl_pci_id *id,
					const struct fl_driver_id **match)
{
	const struct fl_driver *d;

	for (unsigned i = 0; (d = fl_driver_at(i)); i++) {
		if (d->cls != cls || !d->ids)
			continue;
		for (const struct fl_driver_id *e = d->ids; e->vendor; e++) {
			if (e->vendor != id->vendor || e->device != id->device)
				continue;
			*match = e;
			return d;
		}
	}
	return NULL;
}
