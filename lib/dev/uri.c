/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind "vfio-user:" and "pci:" in a device URI. Nothing is opened here. */
#include "dev_internal.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS "iommu=, group-fd=, container-fd=, cdev-fd=, iommu-fd=, opener= and faults="

enum option { IOMMU, GROUP_FD, CONTAINER_FD, CDEV_FD, IOMMU_FD, OPENER, FAULTS };

#define CONTAINER_FDS (1u << GROUP_FD | 1u << CONTAINER_FD)
#define IOMMUFD_FDS   (1u << CDEV_FD | 1u << IOMMU_FD)

static const struct {
	const char *name;
	size_t at; /* in struct fl_vfio_open, of file descriptors */
} options[] = {
	[IOMMU] = { "iommu" },
	[GROUP_FD] = { "group-fd", offsetof(struct fl_vfio_open, group_fd) },
	[CONTAINER_FD] = { "container-fd", offsetof(struct fl_vfio_open, container_fd) },
	[CDEV_FD] = { "cdev-fd", offsetof(struct fl_vfio_open, cdev_fd) },
	[IOMMU_FD] = { "iommu-fd", offsetof(struct fl_vfio_open, iommu_fd) },
	[OPENER] = { "opener" },
	[FAULTS] = { "faults" },
};

static const char *const backends[] = { [FL_VFIO_AUTO] = "auto",
					[FL_VFIO_CONTAINER] = "container",
					[FL_VFIO_IOMMUFD] = "iommufd",
					[FL_VFIO_NOIOMMU] = "noiommu" };

int fl_uri_fd(const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && !errno && fd <= INT_MAX ? (int)fd
										 : -EINVAL;
}

/* `digits` hexadecimal ones at most, `least` at least; NULL where they do not stand there. */
static const char *hex(const char *p, unsigned least, unsigned digits, unsigned *out)
{
	unsigned n = 0;

	for (*out = 0; n < digits && isxdigit((unsigned char)*p); n++, p++)
		*out = *out * 16 + (isdigit((unsigned char)*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
	return n < least ? NULL : p;
}

static const char *after(const char *p, char c)
{
	return p && *p == c ? p + 1 : NULL;
}

size_t fl_uri_bdf(const char *text, char out[FL_BDF_SIZE])
{
	unsigned seg, bus, slot = 0, fn = 0;
	const char *p = after(hex(text, 4, 5, &seg), ':');

	if (!p) {
		seg = 0;
		p = text;
	}
	p = after(hex(p, 2, 2, &bus), ':');
	p = p ? after(hex(p, 2, 2, &slot), '.') : NULL;
	p = p ? hex(p, 1, 1, &fn) : NULL;
	if (!p || slot > 31 || fn > 7)
		return 0;
	snprintf(out, FL_BDF_SIZE, "%04x:%02x:%02x.%x", seg, bus, slot, fn);
	return (size_t)(p - text);
}

static int set_option(struct fl_pci_uri *u, enum option o, const char *value)
{
	size_t len = strlen(value);
	int fd;

	if (o == IOMMU) {
		for (size_t i = 0; i < FL_ARRAY_SIZE(backends); i++) {
			if (!strcmp(value, backends[i])) {
				u->how.backend = (enum fl_vfio_backend)i;
				return 0;
			}
		}
		return -EINVAL;
	}
	if (o == OPENER) {
		if (!len || len >= sizeof(u->opener))
			return -EINVAL;
		memcpy(u->opener, value, len + 1);
		u->how.opener = u->opener;
		return 0;
	}
	if (o == FAULTS) {
		u->how.no_faults = !strcmp(value, "off");
		return u->how.no_faults || !strcmp(value, "on") ? 0 : -EINVAL;
	}
	fd = fl_uri_fd(value);
	if (fd < 0)
		return -EINVAL;
	*(int *)((char *)&u->how + options[o].at) = fd;
	return 0;
}

/* One "key=value"; what is wrong with it, or NULL. */
static const char *parse_option(struct fl_pci_uri *u, const char *text, unsigned *seen)
{
	size_t len = strcspn(text, "=");
	unsigned o = 0;

	while (o < FL_ARRAY_SIZE(options) &&
	       (strlen(options[o].name) != len || memcmp(options[o].name, text, len)))
		o++;
	if (o == FL_ARRAY_SIZE(options) || !text[len])
		return "no option of a PCI device; known are " OPTIONS;
	if (*seen & 1u << o)
		return "given twice";
	*seen |= 1u << o;
	if (!set_option(u, o, text + len + 1))
		return NULL;
	if (o == IOMMU)
		return "want auto, iommufd, container or noiommu";
	if (o == FAULTS)
		return "want on or off";
	return o == OPENER ? "want a socket's path of 1 to 107 bytes"
			   : "want the number of an open file descriptor";
}

/* What each allows alone, but not together. */
static const char *conflict(const struct fl_pci_uri *u, unsigned seen)
{
	unsigned fds = seen & (CONTAINER_FDS | IOMMUFD_FDS);
	int v[4], n = 0;

	if (fds && seen & 1u << OPENER)
		return "opener= fetches the file descriptors: leave out those given";
	if (fds & CONTAINER_FDS && fds & IOMMUFD_FDS)
		return "group-fd= and container-fd= are of another way than cdev-fd= and iommu-fd=";
	if (fds & CONTAINER_FDS && u->how.backend == FL_VFIO_IOMMUFD)
		return "iommu=iommufd takes cdev-fd= and iommu-fd=, not those of a container";
	if (fds & IOMMUFD_FDS && u->how.backend != FL_VFIO_AUTO &&
	    u->how.backend != FL_VFIO_IOMMUFD)
		return "iommu=container and noiommu take group-fd= and container-fd=, not those of "
		       "an iommufd";
	for (unsigned o = GROUP_FD; o <= IOMMU_FD; o++)
		if (seen & 1u << o)
			v[n++] = *(const int *)((const char *)&u->how + options[o].at);
	return n == 2 && v[0] == v[1] ? "one file descriptor given for two files" : NULL;
}

int fl_uri_pci(const struct fl_log *log, const char *text, struct fl_pci_uri *out)
{
	size_t len = fl_uri_bdf(text, out->address);
	unsigned seen = 0;
	const char *wrong;
	char *copy, *rest, *opt;

	out->how = FL_VFIO_OPEN_DEFAULT;
	if (!len || (text[len] && text[len] != ',')) {
		fl_err(log, "dev",
		       "pci:%s: want an address like 0000:01:00.0 (lspci -D lists them), then "
		       "options behind commas: " OPTIONS,
		       text);
		return -EINVAL;
	}
	if (!text[len])
		return 0;
	copy = strdup(text + len + 1);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	for (wrong = NULL; !wrong && (opt = strsep(&rest, ","));) {
		wrong = parse_option(out, opt, &seen);
		if (wrong)
			fl_err(log, "dev", "pci:%s: \"%s\": %s", text, opt, wrong);
	}
	free(copy);
	if (!wrong && (wrong = conflict(out, seen)))
		fl_err(log, "dev", "pci:%s: %s", text, wrong);
	return wrong ? -EINVAL : 0;
}
