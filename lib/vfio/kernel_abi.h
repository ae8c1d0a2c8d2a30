/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface that came after Linux 6.1, whose headers this builds with: device cdevs
 * of VFIO (6.6) and iommufd (6.2 on; page tables of one's own, dirty log and device information
 * 6.6 to 6.8, fault queues 6.11); and mappings of a container that fault, by the patches in
 * kernel-patches. The names are ours, so that newer headers do not collide.
 */
#ifndef FL_KERNEL_ABI_H
#define FL_KERNEL_ABI_H

#include <assert.h>
#include <linux/vfio.h>
#include <stdint.h>

/* ---- VFIO device cdevs ----------------------------------------------------------------- */

struct fl_abi_bind_iommufd {
	uint32_t argsz, flags;
	int32_t iommufd;
	uint32_t out_devid;
};
#define FL_VFIO_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

/** pt_id: an IOAS or a hardware page table; out: the page table that was taken */
struct fl_abi_attach_pt {
	uint32_t argsz, flags, pt_id;
};
#define FL_VFIO_ATTACH_PT _IO(VFIO_TYPE, VFIO_BASE + 19)

struct fl_abi_detach_pt {
	uint32_t argsz, flags;
};
#define FL_VFIO_DETACH_PT _IO(VFIO_TYPE, VFIO_BASE + 20)

/* of struct vfio_pci_hot_reset_info: group_id is an id on the iommufd, or this: held by others */
#define FL_VFIO_HOT_RESET_DEV_ID   1u
#define FL_VFIO_HOT_RESET_NOT_OURS UINT32_MAX

/* ---- containers whose mappings may fault (kernel-patches) -------------------------------- */

/** VFIO_CHECK_EXTENSION and VFIO_SET_IOMMU: type1 v2, and then mappings may fault */
#define FL_VFIO_TYPE1_FAULT_IOMMU 64
/** VFIO_IOMMU_MAP_DMA: nothing is pinned, pages are mapped as devices ask for them */
#define FL_VFIO_DMA_MAP_FLAG_FAULT (1u << 8)

#define FL_VFIO_INFO_CAP_FAULT	   64u
/** every device of the container takes recoverable faults, and there is one */
#define FL_VFIO_FAULT_READY 1u

struct fl_abi_info_cap_fault {
	struct vfio_info_cap_header header;
	uint32_t flags;
	uint32_t around, around_max; /* pages by one fault: 0 = adaptive, 1 = off */
	uint32_t reserved;
	uint64_t ops; /* bit n: operation n is known */
};

enum {
	FL_VFIO_FAULT_PREFAULT = 1,
	FL_VFIO_FAULT_PIN,
	FL_VFIO_FAULT_UNPIN,
	FL_VFIO_FAULT_REVOKE,
	FL_VFIO_FAULT_AROUND, /* of the container, to `value`; no range */
	FL_VFIO_FAULT_STATS,  /* a mapping, or (size 0) the container with what is gone */
};

/* how PREFAULT brings pages in */
#define FL_VFIO_FAULT_READ     1u
#define FL_VFIO_FAULT_WRITE    2u
#define FL_VFIO_FAULT_NO_FAULT 4u

/** what an operation has no use for is 0 */
struct fl_abi_fault {
	uint32_t argsz, flags, op, value;
	uint64_t iova, size;
	uint64_t data; /* STATS: where to; PREFAULT: pages that can be reached newly */
};
#define FL_VFIO_IOMMU_FAULT _IO(VFIO_TYPE, VFIO_BASE + 27)

struct fl_abi_fault_stats {
	uint32_t argsz, flags;
	uint64_t mapped_bytes, pinned_bytes;
	uint64_t faults, pages, spurious, upgrades, invalid, denied, failed, invalidations;
	uint64_t prefaulted, latency_ns, latency[16];
};

/* ---- iommufd: every structure begins with its size -------------------------------------- */

#define FL_IOMMU_TYPE ';'

struct fl_abi_destroy {
	uint32_t size, id;
};
#define FL_IOMMU_DESTROY _IO(FL_IOMMU_TYPE, 0x80)

struct fl_abi_ioas_alloc {
	uint32_t size, flags, out_ioas_id;
};
#define FL_IOMMU_IOAS_ALLOC _IO(FL_IOMMU_TYPE, 0x81)

/** allowed_iovas: an array of struct fl_iova_range, which is laid out as the kernel's */
struct fl_abi_allow_iovas {
	uint32_t size, ioas_id, num_iovas, reserved;
	uint64_t allowed_iovas;
};
#define FL_IOMMU_ALLOW_IOVAS _IO(FL_IOMMU_TYPE, 0x82)

struct fl_abi_iova_ranges {
	uint32_t size, ioas_id, num_iovas, reserved;
	uint64_t allowed_iovas, out_iova_alignment;
};
#define FL_IOMMU_IOVA_RANGES _IO(FL_IOMMU_TYPE, 0x84)

#define FL_IOMMU_MAP_FIXED   1u
#define FL_IOMMU_MAP_WRITE   2u
#define FL_IOMMU_MAP_READ    4u

struct fl_abi_ioas_map {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t user_va, length, iova;
};
#define FL_IOMMU_IOAS_MAP _IO(FL_IOMMU_TYPE, 0x85)

struct fl_abi_ioas_unmap {
	uint32_t size, ioas_id;
	uint64_t iova, length;
};
#define FL_IOMMU_IOAS_UNMAP    _IO(FL_IOMMU_TYPE, 0x86)

#define FL_IOMMU_OPTION_RLIMIT 0u /* of the iommufd: 0 = by user, 1 = by process */
#define FL_IOMMU_OPTION_GET    1u

struct fl_abi_option {
	uint32_t size, option_id;
	uint16_t op, reserved;
	uint32_t object_id;
	uint64_t val64;
};
#define FL_IOMMU_OPTION	       _IO(FL_IOMMU_TYPE, 0x87)

#define FL_IOMMU_HWPT_DIRTY    2u
#define FL_IOMMU_HWPT_FAULT_ID 4u

struct fl_abi_hwpt_alloc {
	uint32_t size, flags, dev_id, pt_id, out_hwpt_id, reserved, data_type, data_len;
	uint64_t data_uptr;
	uint32_t fault_id, reserved2;
};
#define FL_IOMMU_HWPT_ALLOC   _IO(FL_IOMMU_TYPE, 0x89)

#define FL_IOMMU_HW_CAP_DIRTY 1u

struct fl_abi_hw_info {
	uint32_t size, flags, dev_id, data_len;
	uint64_t data_uptr;
	uint32_t out_data_type, reserved;
	uint64_t out_capabilities;
};
#define FL_IOMMU_GET_HW_INFO _IO(FL_IOMMU_TYPE, 0x8a)

struct fl_abi_set_dirty {
	uint32_t size, flags, hwpt_id, reserved; /* flags 1 = on */
};
#define FL_IOMMU_SET_DIRTY _IO(FL_IOMMU_TYPE, 0x8b)

struct fl_abi_get_dirty {
	uint32_t size, hwpt_id, flags, reserved;
	uint64_t iova, length, page_size, data;
};
#define FL_IOMMU_GET_DIRTY _IO(FL_IOMMU_TYPE, 0x8c)

struct fl_abi_fault_alloc {
	uint32_t size, flags, out_fault_id, out_fault_fd;
};
#define FL_IOMMU_FAULT_QUEUE_ALLOC _IO(FL_IOMMU_TYPE, 0x8e)

/* what is read from a fault queue: the records of a group follow one another, with one cookie */

#define FL_IOMMU_PERM_READ  1u
#define FL_IOMMU_PERM_WRITE 2u
#define FL_IOMMU_PERM_EXEC  4u

struct fl_abi_pgfault {
	uint32_t flags, dev_id, pasid, grpid, perm, reserved;
	uint64_t addr;
	uint32_t length, cookie;
};

/* what is written to it, one a group */

#define FL_IOMMU_PAGE_SUCCESS 0u
#define FL_IOMMU_PAGE_INVALID 1u

struct fl_abi_page_response {
	uint32_t cookie, code;
};

static_assert(sizeof(struct fl_abi_fault_alloc) == 16, "kernel ABI");
static_assert(sizeof(struct fl_abi_pgfault) == 40, "kernel ABI");
static_assert(sizeof(struct fl_abi_page_response) == 8, "kernel ABI");
static_assert(sizeof(struct fl_abi_bind_iommufd) == 16, "kernel ABI");
static_assert(sizeof(struct fl_abi_attach_pt) == 12, "kernel ABI");
static_assert(sizeof(struct fl_abi_detach_pt) == 8, "kernel ABI");
static_assert(sizeof(struct fl_abi_info_cap_fault) == 32, "kernel ABI");
static_assert(sizeof(struct fl_abi_fault) == 40, "kernel ABI");
static_assert(sizeof(struct fl_abi_fault_stats) == 232, "kernel ABI");
static_assert(sizeof(struct fl_abi_destroy) == 8, "kernel ABI");
static_assert(sizeof(struct fl_abi_ioas_alloc) == 12, "kernel ABI");
static_assert(sizeof(struct fl_abi_allow_iovas) == 24, "kernel ABI");
static_assert(sizeof(struct fl_abi_iova_ranges) == 32, "kernel ABI");
static_assert(sizeof(struct fl_abi_ioas_map) == 40, "kernel ABI");
static_assert(sizeof(struct fl_abi_ioas_unmap) == 24, "kernel ABI");
static_assert(sizeof(struct fl_abi_option) == 24, "kernel ABI");
static_assert(sizeof(struct fl_abi_hwpt_alloc) == 48, "kernel ABI");
static_assert(sizeof(struct fl_abi_hw_info) == 40, "kernel ABI");
static_assert(sizeof(struct fl_abi_set_dirty) == 16, "kernel ABI");
static_assert(sizeof(struct fl_abi_get_dirty) == 48, "kernel ABI");

#endif
