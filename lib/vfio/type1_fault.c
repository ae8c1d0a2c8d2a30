/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said to a container whose mappings fault, which the kernel resolves (kernel-patches). All
 * under the space's lock, which no fault needs.
 */
#include "container_internal.h"
#include "kernel_abi.h"

#include <fl_residency.h>
#include <string.h>
#include <unistd.h>

/* To lib/dma -ENODEV means that all of the container is gone, which the kernel never says. */
static int tell(const struct fl_vk_ctnr *c, struct fl_abi_fault f)
{
	int rc;

	f.argsz = sizeof(f);
	rc = fl_vk_ioctl(c->fd, FL_VFIO_IOMMU_FAULT, &f);
	return rc == -ENODEV ? -EIO : rc < 0 ? rc : 0;
}

int fl_vk_type1_prefault(void *arg, const struct fl_dma_mapping *m, bool resident)
{
	unsigned flags = resident ? FL_VFIO_FAULT_NO_FAULT : 0;

	if (m->prot & FL_DMA_READ)
		flags |= FL_VFIO_FAULT_READ;
	if (m->prot & FL_DMA_WRITE)
		flags |= FL_VFIO_FAULT_WRITE;
	return tell(arg, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_PREFAULT,
						.flags = flags,
						.iova = m->iova.v,
						.size = m->len });
}

int fl_vk_type1_hold(void *arg, fl_iova_t iova, uint64_t len, bool on)
{
	return tell(arg, (struct fl_abi_fault){ .op = on ? FL_VFIO_FAULT_PIN : FL_VFIO_FAULT_UNPIN,
						.iova = iova.v,
						.size = len });
}

int fl_vk_type1_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	return tell(arg, (struct fl_abi_fault){
				 .op = FL_VFIO_FAULT_REVOKE, .iova = iova.v, .size = len });
}

int fl_vk_type1_around(void *arg, uint32_t pages)
{
	const uint32_t unit = (uint32_t)sysconf(_SC_PAGESIZE) / 4096;

	return tell(arg, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_AROUND,
						.value = (pages + (unit - 1)) / unit });
}

int fl_vk_type1_counts(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out)
{
	struct fl_abi_fault_stats st = { .argsz = sizeof(st) };
	int rc = tell(arg, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_STATS,
						  .iova = iova.v,
						  .size = len,
						  .data = (uintptr_t)&st });

	_Static_assert(sizeof(st.latency) == sizeof(out->latency), "one histogram");
	if (rc)
		return rc;
	*out = (struct fl_residency_stats){
		.mapped_bytes = st.mapped_bytes + st.pinned_bytes,
		.locked_bytes = st.pinned_bytes,
		.faults = st.faults,
		.fault_pages = st.pages,
		.spurious = st.spurious,
		.upgrades = st.upgrades,
		.invalid = st.invalid,
		.denied = st.denied,
		.failed = st.failed,
		.invalidations = st.invalidations,
		.prefault_pages = st.prefaulted,
		.latency_ns = st.latency_ns,
	};
	memcpy(out->latency, st.latency, sizeof(out->latency));
	return 0;
}
