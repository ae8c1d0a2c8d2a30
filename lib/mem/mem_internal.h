/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_MEM_INTERNAL_H
#define FL_MEM_INTERNAL_H

#include <fl_mem.h>
#include <unistd.h>

struct fl_mem {
	struct fl_mem_info info;
};

static inline uint64_t fl_small_page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/** Whether pages can be asked from `node`; -EINVAL with a message where not. */
int fl_numa_check(int node, const struct fl_log *log);
/** Makes later first touches of the range prefer a checked node. */
int fl_numa_prefer(void *va, uint64_t len, int node, const struct fl_log *log);

#endif
