/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers of the kernel that end in a chain of capabilities: of the IOMMU, of a region. Linked with
 * --wrap=ioctl, so that the input is what the kernel says. Input: a byte that picks which is asked,
 * then what is answered; a second question of the same kind gets the same answer, as long as asked.
 */
#include <container_internal.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_FD 100000 /* no file has it: reads of config space fail */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_ioctl(int fd, unsigned long request, ...);

static const uint8_t *answer;
static size_t answer_len;
static unsigned asked;
static volatile uint64_t ranges_read;

static void demand(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vfio_caps: %s\n", what);
	abort();
}

/* Like the kernel it keeps to argsz, and unlike it says anything. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	uint32_t argsz;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	demand(fd == FAKE_FD, "another file");
	demand(++asked < 64, "asks for ever");
	memcpy(&argsz, arg, sizeof(argsz));
	memcpy(arg, answer, answer_len < argsz ? answer_len : argsz);
	return 0;
}

static void quiet(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
}

static const struct fl_log sink = { .write = quiet, .level = FL_LOG_ERR };

static void iommu_info(struct fl_vfio_kernel *k)
{
	struct fl_vk_ctnr c = { .k = k, .fd = FAKE_FD };
	/* twice: the second time there are ranges already */
	for (int i = 0; i < 2; i++) {
		if (fl_vk_type1_info(&c))
			continue;
		for (unsigned n = 0; n < c.nranges; n++)
			ranges_read = c.ranges[n].first ^ c.ranges[n].last;
		demand(c.entries_avail <= c.entries_max, "more entries left than there are");
	}
	free(c.ranges);
}

static void region_info(struct fl_vfio_kernel *k)
{
	struct fl_vk_dev *d = calloc(1, sizeof(*d));

	demand(d != NULL, "out of memory");
	d->k = k;
	d->dev.log = k->log;
	d->dev.nregions = 2;
	d->fd = FAKE_FD;
	if (!fl_vk_regions_init(d)) {
		for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
			const struct fl_vfio_region *r = &d->regions[i].info;

			demand(r->nsparse <= FL_VFIO_MAX_SPARSE, "too many areas");
			demand(r->size <= INT64_MAX - d->regions[i].base, "beyond a file's end");
			for (unsigned n = 0; n < r->nsparse; n++)
				demand(r->sparse[n].offset <= r->size &&
					       r->sparse[n].size <= r->size - r->sparse[n].offset,
				       "an area outside its region");
		}
	}
	free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char sys[] = "/nowhere", dev[] = "/nowhere";
	struct fl_vfio_kernel k = { .log = &sink, .sys = sys, .dev = dev };

	if (!size)
		return 0;
	answer = data + 1;
	answer_len = size - 1;
	asked = 0;
	if (data[0] & 1)
		region_info(&k);
	else
		iommu_info(&k);
	return 0;
}
