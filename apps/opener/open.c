/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be opened, and opening it. */
#include "opener.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool refuse(struct op_refusal *why, int err, const char *fmt, ...) FL_PRINTF(3, 4);

/* Always false, for `return refuse(...)`. */
static bool refuse(struct op_refusal *why, int err, const char *fmt, ...)
{
	va_list ap;

	why->err = err;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return false;
}

bool op_listed(const struct op_conf *c, const char *address)
{
	for (unsigned i = 0; i < c->ndevices; i++)
		if (!strcmp(c->devices[i], address))
			return true;
	return false;
}

/* Bridges, to PCI or CardBus, are the kernel's own: vfio-pci takes none, whatever has them now. */
static bool is_bridge(const struct op_conf *c, int group, const char *member)
{
	char *path, cls[6] = "";
	int fd;

	if (asprintf(&path, "%s/kernel/iommu_groups/%d/devices/%s/class", c->roots.sys, group,
		     member) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return false;
	if (read(fd, cls, sizeof(cls)) != sizeof(cls))
		*cls = 0;
	close(fd);
	return !memcmp(cls, "0x0604", 6) || !memcmp(cls, "0x0607", 6);
}

/* Who has a group's file can open each member that is bound to VFIO, now or later. */
static bool whole_group_listed(const struct op_conf *c, const struct fl_vfio_pci *p,
			       struct op_refusal *why)
{
	struct dirent **names;
	bool ok = true;
	char *path;
	int n;

	if (asprintf(&path, "%s/kernel/iommu_groups/%d/devices", c->roots.sys, p->group) < 0)
		return refuse(why, ENOMEM, "out of memory");
	n = scandir(path, &names, NULL, alphasort);
	free(path);
	if (n < 0)
		return refuse(why, errno, "group %d cannot be looked at: %s", p->group,
			      strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (ok && *name != '.' && !op_listed(c, name) && !is_bridge(c, p->group, name))
			ok = refuse(why, EACCES,
				    "group %d also holds %s, which the opener was not given: add "
				    "it to its list, or use iommu=iommufd",
				    p->group, name);
		free(names[i]);
	}
	free(names);
	return ok;
}

static int open_node(const struct op_conf *c, const char *name)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/%s", c->roots.dev, name) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		fd = -errno;
	free(path);
	return fd;
}

static bool open_both(const struct op_conf *c, const struct fl_vfio_pci *p,
		      enum fl_vfio_backend backend, const char *const names[FL_OPENER_FDS],
		      int fds[FL_OPENER_FDS], struct op_refusal *why)
{
	char remedy[400];

	for (unsigned i = 0; i < FL_OPENER_FDS; i++) {
		int fd = open_node(c, names[i]);

		fds[i] = fd;
		if (fd >= 0)
			continue;
		for (unsigned k = 0; k < i; k++)
			close(fds[k]);
		if (!fl_vfio_pci_obstacle(&c->roots, p, backend, remedy, sizeof(remedy)))
			*remedy = 0;
		return refuse(why, -fd, "%s/%s: %s%s%s", c->roots.dev, names[i], strerror(-fd),
			      *remedy ? "; " : "", remedy);
	}
	return true;
}

bool op_open(const struct op_conf *c, const char *address, const char *way, int fds[FL_OPENER_FDS],
	     struct op_refusal *why)
{
	bool cdev = !strcmp(way, FL_OPENER_IOMMUFD);
	enum fl_vfio_backend backend = cdev ? FL_VFIO_IOMMUFD : FL_VFIO_CONTAINER;
	struct fl_vfio_pci p;
	char node[64], remedy[400];
	int rc;

	if (!cdev && strcmp(way, FL_OPENER_CONTAINER) != 0)
		return refuse(why, EINVAL, "no such way to a device");
	rc = fl_vfio_pci_look(&c->roots, address, &p);
	if (rc == -EINVAL)
		return refuse(why, EINVAL, "no PCI address");
	if (!op_listed(c, rc ? address : p.address))
		return refuse(why, EACCES, "%s is not on the opener's list", address);
	if (rc)
		return refuse(why, -rc, "%s: %s", address, strerror(-rc));
	if (!cdev && !c->groups)
		return refuse(why, EACCES,
			      "the opener hands out no groups: start it with --group, or use "
			      "iommu=iommufd");
	if (p.noiommu)
		return refuse(why, EACCES, "%s has no IOMMU before it", p.address);
	if (cdev ? !*p.cdev : p.group < 0) {
		if (!fl_vfio_pci_obstacle(&c->roots, &p, backend, remedy, sizeof(remedy)))
			snprintf(remedy, sizeof(remedy), "%s has no %s", p.address,
				 cdev ? "cdev" : "group");
		return refuse(why, EOPNOTSUPP, "%s", remedy);
	}
	if (!cdev && !whole_group_listed(c, &p, why))
		return false;
	if (cdev)
		snprintf(node, sizeof(node), "vfio/devices/%s", p.cdev);
	else
		snprintf(node, sizeof(node), "vfio/%d", p.group);
	return open_both(c, &p, backend, (const char *[]){ node, cdev ? "iommu" : "vfio/vfio" },
			 fds, why);
}
