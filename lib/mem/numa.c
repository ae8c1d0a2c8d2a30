/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_internal.h"

#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <string.h>

int fl_numa_nodes(void)
{
	int n = numa_available() < 0 ? 1 : numa_num_configured_nodes();

	return n < 1 ? 1 : n;
}

int fl_numa_here(void)
{
	unsigned node;

	if (numa_available() < 0 || getcpu(NULL, &node))
		return 0;
	return (int)node;
}

int fl_numa_check(int node, const struct fl_log *log)
{
	if (node == -1)
		return 0;
	if (numa_available() < 0) {
		if (node == 0)
			return 0;
		fl_err(log, "mem", "NUMA node %d asked, but this kernel has no NUMA: use 0 or -1",
		       node);
		return -EINVAL;
	}
	if (node < 0 || node > numa_max_node() ||
	    !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node)) {
		fl_err(log, "mem",
		       "no memory may come from NUMA node %d (%d nodes here; see Mems_allowed_list in /proc/self/status)",
		       node, fl_numa_nodes());
		return -EINVAL;
	}
	return 0;
}

int fl_numa_prefer(void *va, uint64_t len, int node, const struct fl_log *log)
{
	struct bitmask *mask;
	int rc = 0;

	if (numa_available() < 0)
		return 0;
	mask = numa_allocate_nodemask();
	if (!mask)
		return -ENOMEM;
	numa_bitmask_setbit(mask, (unsigned)node);
	/* the kernel reads one bit less than it is told */
	if (mbind(va, len, MPOL_PREFERRED, mask->maskp, mask->size + 1, 0)) {
		rc = -errno;
		fl_err(log, "mem", "mbind to NUMA node %d: %s", node, strerror(-rc));
	}
	numa_bitmask_free(mask);
	return rc;
}
