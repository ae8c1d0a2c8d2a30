/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommufd. One iommufd a space and, as far as the kernel lets devices share it, one IOAS, which is
 * the space's domain. Below an IOAS stand hardware page tables: of the kernel's own making, or
 * (HWPT) of ours where something is asked of them: a dirty log now, fault queues later. What is
 * mapped in an IOAS is in all of its page tables.
 *
 * Objects come and go under the rule of struct fl_vfio_kernel, one thread at a time. The domain's
 * operations come from any thread, so the list of page tables has a lock; it is taken inside the
 * space's, never around a call into the space.
 */
#ifndef FL_IOMMUFD_INTERNAL_H
#define FL_IOMMUFD_INTERNAL_H

#include "kernel_abi.h"
#include "kernel_internal.h"

struct fl_vk_hwpt {
	struct fl_vk_hwpt *next;
	struct fl_vk_ioas *ioas;
	uint32_t id, flags, fault_id;
	unsigned users; /* devices attached to it */
};

struct fl_vk_ioas {
	struct fl_vk_ioas *next;
	struct fl_vk_iommu *iommu;
	struct fl_dma_domain *domain;
	uint32_t id;
	unsigned ndevs;
	/* held for what follows */
	pthread_mutex_t lock;
	struct fl_vk_hwpt *hwpts;
	unsigned nplain; /* devices on a page table of the kernel's making */
	bool logging;
	/* the domain's, held by the space's lock: what the kernel said last */
	struct fl_iova_range *ranges;
	uint32_t nranges;
};

struct fl_vk_iommu {
	struct fl_vfio_kernel *k;
	struct fl_vk_ioas *ioases;
	int fd;
};

/* ---- iommufd.c ------------------------------------------------------------------------- */

/**
 * Promises that these ranges stay usable: the kernel then refuses a device whose reserved windows
 * stand in them. Not called by itself: the space chooses every IOVA, and mapped ones the kernel
 * guards anyhow, so a promise of more only keeps devices out. NULL, 0 = takes it back.
 */
FL_MUST int fl_vk_ioas_allow(struct fl_vk_ioas *a, const struct fl_iova_range *v, uint32_t n);

/* ---- iommufd_domain.c ------------------------------------------------------------------ */

extern const struct fl_dma_domain_ops fl_vk_ioas_ops;

/* ---- iommufd_hwpt.c -------------------------------------------------------------------- */

/**
 * Makes a page table over the IOAS for devices like d, which is bound. It holds all that is
 * mapped, and no device yet.
 * @flags     FL_IOMMU_HWPT_*
 * @fault_id  fault queue, with FL_IOMMU_HWPT_FAULT_ID
 * Errors: -EOPNOTSUPP (IOMMU or kernel cannot), what the kernel said. Not logged.
 */
FL_MUST int fl_vk_hwpt_alloc(struct fl_vk_dev *d, struct fl_vk_ioas *a, uint32_t flags,
			     uint32_t fault_id, struct fl_vk_hwpt **out);
/** Attaches d, or moves it over if it is attached; -EINVAL: the table does not suit d. */
FL_MUST int fl_vk_hwpt_attach(struct fl_vk_dev *d, struct fl_vk_hwpt *h);
/** For one that no device was ever attached to; others go with their last device. */
void fl_vk_hwpt_free(struct fl_vk_hwpt *h);
/** Its dirty log, with the IOAS's lock held. */
int fl_vk_hwpt_log(const struct fl_vk_hwpt *h, bool on);

/**
 * Attaches d to a page table of the IOAS that can log, where the IOMMU has that, else to any.
 * -EOPNOTSUPP: a log runs and the IOMMU has none; -EADDRINUSE, -EINVAL: d does not suit the IOAS.
 */
FL_MUST int fl_vk_pt_attach(struct fl_vk_dev *d, struct fl_vk_ioas *a);
/** Takes d out of its page table; no DMA from then on. */
void fl_vk_pt_detach(struct fl_vk_dev *d);

/** An object of the iommufd. */
void fl_vk_destroy_object(const struct fl_vk_iommu *i, uint32_t id);

#endif
