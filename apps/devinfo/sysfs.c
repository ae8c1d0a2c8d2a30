/* SPDX-License-Identifier: BSD-3-Clause */
/* What sysfs shows of a device beyond what libfaultline asks it for. */
#include "devinfo.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_SIZE    4096u /* of PCI Express; a conventional device has 256 bytes */
#define CONFIG_EXT     0x100u
#define EXT_ID_ATS     0x0fu
#define EXT_ID_PRI     0x13u
#define EXT_ID_PASID   0x1bu
#define CONFIG_VISIBLE 64u /* what the kernel shows to users other than root */

static void clean(char *s)
{
	for (; *s; s++)
		if (!isprint((unsigned char)*s))
			*s = '?';
}

static bool format(char path[PATH_MAX], const char *fmt, va_list ap)
{
	return vsnprintf(path, PATH_MAX, fmt, ap) < PATH_MAX;
}

bool di_line(char *out, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	ssize_t n = -1;
	va_list ap;
	int fd = -1;

	va_start(ap, fmt);
	if (format(path, fmt, ap))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	va_end(ap);
	if (fd >= 0) {
		n = read(fd, out, size - 1);
		close(fd);
	}
	out[n < 0 ? 0 : n] = 0;
	out[strcspn(out, "\n")] = 0;
	clean(out);
	return n >= 0;
}

bool di_exists(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = format(path, fmt, ap) && !access(path, F_OK);
	va_end(ap);
	return ok;
}

const char *di_iommu_kind(const char *name)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = {
		{ "dmar", "Intel VT-d" },	 { "ivhd", "AMD-Vi" },
		{ "smmu3.", "Arm SMMUv3" },	 { "smmu.", "Arm SMMU" },
		{ "s390-iommu.", "s390 IOMMU" },
	};

	for (size_t i = 0; i < FL_ARRAY_SIZE(kinds); i++)
		if (!strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return name;
}

/** Whether the extended capability is in what could be read of the config space. */
static enum di_cap find_cap(const uint8_t *config, size_t n, unsigned id)
{
	size_t at = CONFIG_EXT;

	/* a list that loops has more steps than there is room for capabilities */
	for (unsigned step = 0; step < CONFIG_SIZE / 4 && at >= CONFIG_EXT && at + 4 <= n; step++) {
		uint32_t head = (uint32_t)config[at] | (uint32_t)config[at + 1] << 8 |
				(uint32_t)config[at + 2] << 16 | (uint32_t)config[at + 3] << 24;

		if (!head || head == UINT32_MAX)
			break;
		if ((head & 0xffff) == id)
			return DI_CAP_YES;
		at = head >> 20 & ~3u;
	}
	return DI_CAP_NO;
}

static void read_caps(const struct fl_vfio_roots *r, struct di_dev *d)
{
	uint8_t config[CONFIG_SIZE];
	char path[PATH_MAX];
	struct stat st = { 0 };
	ssize_t n = -1;
	int fd;

	d->ats = d->pri = d->pasid = DI_CAP_UNSEEN;
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/config", r->sys, d->vfio.address);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!fstat(fd, &st))
		n = pread(fd, config, sizeof(config), 0);
	close(fd);
	if (n < 0 || (n <= (ssize_t)CONFIG_VISIBLE && st.st_size > (off_t)CONFIG_EXT))
		return;
	d->ats = find_cap(config, (size_t)n, EXT_ID_ATS);
	d->pri = find_cap(config, (size_t)n, EXT_ID_PRI);
	d->pasid = find_cap(config, (size_t)n, EXT_ID_PASID);
}

static void read_reserved(const struct fl_vfio_roots *r, struct di_dev *d)
{
	char path[PATH_MAX], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/reserved_regions", r->sys,
		 d->vfio.group);
	f = d->vfio.group < 0 || !di_exists("%s", path) ? NULL : fopen(path, "re");
	while (f && d->nreserved < DI_MAX_RESERVED && fgets(line, sizeof(line), f)) {
		struct di_reserved *v = &d->reserved[d->nreserved];

		if (sscanf(line, "0x%" SCNx64 " 0x%" SCNx64 " %23s", &v->first, &v->last,
			   v->type) != 3)
			continue;
		clean(v->type);
		d->nreserved++;
	}
	if (f)
		fclose(f);
}

void di_details(const struct fl_vfio_roots *r, struct di_dev *d)
{
	const char *address = d->vfio.address;

	/* before Linux 5.15 there is only a file that resets */
	if (!di_line(d->reset, sizeof(d->reset), "%s/bus/pci/devices/%s/reset_method", r->sys,
		     address) &&
	    di_exists("%s/bus/pci/devices/%s/reset", r->sys, address))
		snprintf(d->reset, sizeof(d->reset), "yes");
	read_caps(r, d);
	read_reserved(r, d);
}
