/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands behind "pci:" and "vfio-user:fd=". Whatever is taken is written anew from what was
 * understood, and must be understood the same.
 */
#include <dev_internal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
}

static void demand(bool ok, const char *what, const char *text)
{
	if (ok)
		return;
	fprintf(stderr, "uri: %s: %s\n", what, text);
	abort();
}

static void add_fd(char *buf, size_t size, const char *key, int fd)
{
	size_t n = strlen(buf);

	if (fd >= 0)
		snprintf(buf + n, size - n, ",%s=%d", key, fd);
}

static void write_anew(const struct fl_pci_uri *u, char *buf, size_t size)
{
	static const char *const names[] = { "auto", "container", "iommufd", "noiommu" };
	size_t n = (size_t)snprintf(buf, size, "%s,iommu=%s", u->address, names[u->how.backend]);

	if (u->how.opener)
		snprintf(buf + n, size - n, ",opener=%s", u->how.opener);
	add_fd(buf, size, "group-fd", u->how.group_fd);
	add_fd(buf, size, "container-fd", u->how.container_fd);
	add_fd(buf, size, "cdev-fd", u->how.cdev_fd);
	add_fd(buf, size, "iommu-fd", u->how.iommu_fd);
}

static bool same(const struct fl_pci_uri *a, const struct fl_pci_uri *b)
{
	return !strcmp(a->address, b->address) && a->how.backend == b->how.backend &&
	       a->how.group_fd == b->how.group_fd && a->how.container_fd == b->how.container_fd &&
	       a->how.cdev_fd == b->how.cdev_fd && a->how.iommu_fd == b->how.iommu_fd &&
	       !a->how.opener == !b->how.opener &&
	       (!a->how.opener || !strcmp(a->how.opener, b->how.opener));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fl_log log = { .level = FL_LOG_DEBUG, .write = quiet };
	struct fl_pci_uri u, again;
	char *text = malloc(size + 1), buf[512];
	int fd;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	fd = fl_uri_fd(text);
	if (fd >= 0) {
		demand(strspn(text, "0123456789") == strlen(text), "no number", text);
		demand((unsigned long)fd == strtoul(text, NULL, 10), "another number", text);
	}
	if (!fl_uri_pci(&log, text, &u)) {
		write_anew(&u, buf, sizeof(buf));
		demand(!fl_uri_pci(&log, buf, &again), "refused when written anew", buf);
		demand(same(&u, &again), "understood otherwise", buf);
	}
	free(text);
	return 0;
}
