/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_internal.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

int fl_mem_usage(struct fl_mem_usage *u)
{
	struct rlimit lock;
	uint64_t caps = 0;
	char line[256];
	int found = 0;
	FILE *f;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		found += sscanf(line, "VmRSS: %" SCNu64, &u->rss) == 1;
		found += sscanf(line, "VmLck: %" SCNu64, &u->vm_lck) == 1;
		found += sscanf(line, "VmPin: %" SCNu64, &u->vm_pin) == 1;
		found += sscanf(line, "CapEff: %" SCNx64, &caps) == 1;
	}
	fclose(f);
	if (found != 4)
		return -EIO;
	u->rss <<= 10;
	u->vm_lck <<= 10;
	u->vm_pin <<= 10;
	if (getrlimit(RLIMIT_MEMLOCK, &lock))
		return -errno;
	u->memlock_limit = lock.rlim_cur == RLIM_INFINITY ? UINT64_MAX : lock.rlim_cur;
	u->memlock_exempt = caps >> CAP_IPC_LOCK & 1;
	return 0;
}

static int read_count(uint64_t page_size, const char *name, uint64_t *v)
{
	char path[128];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s",
		 page_size >> 10, name);
	f = fopen(path, "re");
	if (!f)
		return -EOPNOTSUPP;
	n = fscanf(f, "%" SCNu64, v);
	fclose(f);
	return n == 1 ? 0 : -EIO;
}

int fl_mem_hugepages(uint64_t page_size, uint64_t *total, uint64_t *avail)
{
	uint64_t free_pages, promised;
	int rc;

	rc = read_count(page_size, "nr_hugepages", total);
	if (!rc)
		rc = read_count(page_size, "free_hugepages", &free_pages);
	if (!rc)
		rc = read_count(page_size, "resv_hugepages", &promised);
	if (rc)
		return rc;
	*avail = free_pages > promised ? free_pages - promised : 0;
	return 0;
}
