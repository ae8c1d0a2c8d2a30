/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups and containers. A container is one domain of the space. A group joins a container that
 * the space has already where the kernel lets it, else it gets a new one; it leaves with the last
 * of its devices, and the container goes with the last of its groups.
 */
#ifndef FL_CONTAINER_INTERNAL_H
#define FL_CONTAINER_INTERNAL_H

#include "kernel_internal.h"

struct fl_vk_group {
	struct fl_vk_group *next;
	struct fl_vk_ctnr *c;
	int id, fd;
	unsigned ndevs;
};

struct fl_vk_ctnr {
	struct fl_vk_ctnr *next;
	struct fl_vfio_kernel *k;
	struct fl_vk_group *groups;
	struct fl_dma_domain *domain;
	int fd;
	bool noiommu;
	bool faults; /* it was READY at first, and no group that ends that is let in */
	bool told;   /* what was assumed, because the kernel does not say */

	/* the rest is the domain's, held by the space's lock: what GET_INFO said last */
	struct fl_iova_range *ranges;
	unsigned nranges, ranges_cap;
	uint64_t page_sizes, dirty_bitmap_max;
	bool dirty_logs;
	uint64_t entries_max, entries_avail, entries;
};

/* container.c */
/**
 * A new container, with `group_fd` in it and a domain in the space; says what is wrong.
 * @fd  an open /dev/vfio/vfio, taken over, closed on error too
 */
FL_MUST int fl_vk_ctnr_create(struct fl_vk_dev *d, int fd, int group_fd, struct fl_vk_ctnr **out);
/** Whether the kernel of this container has mappings that fault, and the device wants them. */
bool fl_vk_ctnr_knows_faults(const struct fl_vk_dev *d, int fd);
/**
 * Whether mappings of a new container with the group would fault, which the kernel tells only once
 * it is in one. @fd  an open /dev/vfio/vfio that no group is in, and is in none afterwards
 */
bool fl_vk_ctnr_would_fault(const struct fl_vk_dev *d, int fd, int group_fd);
/** Takes the domain out of the space. The group is in the container still, its devices closed. */
void fl_vk_ctnr_leave_space(struct fl_vk_ctnr *c);
/** Closes the container, which has no group any more. */
void fl_vk_ctnr_destroy(struct fl_vk_ctnr *c);
/** Says why the kernel does not let a group in (SET_CONTAINER or SET_IOMMU answered rc). */
void fl_vk_ctnr_refused(const struct fl_vk_dev *d, const char *what, int rc);

/* type1.c, noiommu.c */
extern const struct fl_dma_domain_ops fl_vk_type1_ops, fl_vk_noiommu_ops;
/** Reads VFIO_IOMMU_GET_INFO. -EPROTO where the answer makes no sense. */
FL_MUST int fl_vk_type1_info(struct fl_vk_ctnr *c);
/** Whether every device of the container at `fd` takes recoverable faults now; no lock. */
bool fl_vk_type1_ready(int fd);

/* type1_fault.c: of a container whose mappings fault */
int fl_vk_type1_revoke(void *arg, fl_iova_t iova, uint64_t len);
int fl_vk_type1_prefault(void *arg, const struct fl_dma_mapping *m, bool resident);
int fl_vk_type1_hold(void *arg, fl_iova_t iova, uint64_t len, bool on);
int fl_vk_type1_around(void *arg, uint32_t pages);
int fl_vk_type1_counts(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out);

#endif
