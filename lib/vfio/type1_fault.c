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

static int prefault(const struct fl_vk_ctnr *c, const struct fl_dma_mapping *m, unsigned flags)
{
	return tell(c, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_PREFAULT,
					      .flags = flags,
					      .iova = m->iova.v,
					      .size = m->len });
}

int fl_vk_type1_prefault(void *arg, const struct fl_dma_mapping *m, bool resident)
{
	const unsigned flags = resident ? FL_VFIO_FAULT_NO_FAULT : 0;
	int rc = 0;

	if (m->prot & FL_DMA_WRITE)
		rc = prefault(arg, m, flags | FL_VFIO_FAULT_WRITE);
	/* what is in memory, but not to be written to without a fault, is there to be read */
	if (!rc && (resident ? m->prot & FL_DMA_READ : !(m->prot & FL_DMA_WRITE)))
		rc = prefault(arg, m, flags | FL_VFIO_FAULT_READ);
	return rc;
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

/* The kernel's are pages of its own size, in aligned blocks. */
int fl_vk_type1_around(void *arg, uint32_t pages)
{
	const uint32_t n = pages / ((uint32_t)sysconf(_SC_PAGESIZE) / 4096u);
	uint32_t block = pages != 0;

	while (block && 2 * block <= n)
		block *= 2;
	return tell(arg, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_AROUND, .value = block });
}

int fl_vk_type1_counts(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out)
{
	struct fl_abi_fault_stats st = { .argsz = sizeof(st) };
	uint64_t refused;
	int rc = tell(arg, (struct fl_abi_fault){ .op = FL_VFIO_FAULT_STATS,
						  .iova = iova.v,
						  .size = len,
						  .data = (uintptr_t)&st });

	_Static_assert(sizeof(st.latency) == sizeof(out->latency), "one histogram");
	if (rc)
		return rc;
	if (st.argsz < sizeof(st))
		return -EPROTO;
	refused = st.invalid + st.denied + st.failed;
	*out = (struct fl_residency_stats){
		.mapped_bytes = st.mapped_bytes + st.pinned_bytes,
		.locked_bytes = st.pinned_bytes,
		.faults = st.faults > refused ? st.faults - refused : 0,
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
