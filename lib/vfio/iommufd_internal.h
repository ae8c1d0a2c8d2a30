/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommufd. One iommufd a space and, as far as the kernel lets devices share it, one IOAS, which is
 * the space's domain. Below an IOAS stand hardware page tables: of the kernel's own making, or
 * (HWPT) of ours where something is asked of them: a dirty log, page requests. What is mapped in
 * an IOAS is in all of its page tables.
 *
 * Devices that take recoverable faults have an IOAS of their own, with a fault queue, as in there
 * lazy memory is mapped when a device asks for it; the others share a plain one.
 *
 * Objects come and go under the rule of struct fl_vfio_kernel, one thread at a time. The domain's
 * operations come from any thread, so the list of page tables has a lock; it is taken inside the
 * space's, never around a call into the space.
 */
#ifndef FL_IOMMUFD_INTERNAL_H
#define FL_IOMMUFD_INTERNAL_H

#include "kernel_abi.h"
#include "kernel_internal.h"
#include "pageq.h"

struct fl_vk_faults;
struct fl_vk_lazy;

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
	struct fl_vk_faults *faults; /* its fault queue, NULL = a plain one; fixed */
	/* held for what follows */
	pthread_mutex_t lock;
	struct fl_vk_hwpt *hwpts;
	unsigned nplain; /* devices on a page table of the kernel's making */
	bool logging;
	/* the domain's, held by the space's lock: what the kernel said last */
	struct fl_iova_range *ranges;
	uint32_t nranges;
	struct fl_vk_lazy *lazy;
};

struct fl_vk_iommu {
	struct fl_vfio_kernel *k;
	struct fl_vk_ioas *ioases;
	int fd;
	bool no_queues; /* this kernel has no fault queues */
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

FL_MUST int fl_vk_ioas_map(struct fl_vk_ioas *a, const struct fl_dma_mapping *m);
FL_MUST int fl_vk_ioas_unmap(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len,
			     uint64_t *unmapped);
/** What devices wrote to in a range that is mapped without a hole, in all page tables. */
FL_MUST int fl_vk_ioas_read_log(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len, uint64_t page,
				uint64_t *bitmap);

/* ---- iommufd_lazy.c: under the space's lock -------------------------------------------- */

/** A lazy area, of which nothing is mapped; somebody serves page requests from now on. */
FL_MUST int fl_vk_lazy_add(struct fl_vk_ioas *a, const struct fl_dma_mapping *m);
/** Whether a lazy area stands there. */
bool fl_vk_lazy_is(struct fl_vk_ioas *a, fl_iova_t iova);
/** Unmaps and forgets the one there. */
int fl_vk_lazy_unmap(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len, uint64_t *unmapped);
/** Forgets all; nothing is unmapped. */
void fl_vk_lazy_free(struct fl_vk_ioas *a);
/* operations of the domain */
int fl_vk_lazy_grant(void *arg, const struct fl_dma_mapping *m);
int fl_vk_lazy_revoke(void *arg, fl_iova_t iova, uint64_t len);
int fl_vk_lazy_convert(void *arg, const struct fl_dma_mapping *m);
/** The dirty log begins; and what it has of the area there, which is cleared. */
void fl_vk_lazy_clean(struct fl_vk_ioas *a);
int fl_vk_lazy_dirty(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t page, uint64_t *bitmap);

/* ---- iommufd_fault.c ------------------------------------------------------------------- */

/** A fault queue for an IOAS; not logged. -ENOTTY, -EOPNOTSUPP: the kernel has none. */
FL_MUST int fl_vk_faults_open(struct fl_vk_iommu *i, struct fl_vk_faults **out);
/** The domain is in the space: what devices ask for is resolved, until the stop. */
void fl_vk_faults_start(struct fl_vk_faults *f, struct fl_dma_domain *d);
/** The domain leaves the space. */
void fl_vk_faults_stop(struct fl_vk_faults *f);
/** No page table has it any more. */
void fl_vk_faults_close(struct fl_vk_faults *f);
uint32_t fl_vk_faults_id(const struct fl_vk_faults *f);
/** Serves what has come, if anything has. */
bool fl_vk_faults_serve(struct fl_vk_faults *f);
/** Makes the thread that serves, unless the application polls or it runs. */
FL_MUST int fl_vk_faults_thread(struct fl_vk_faults *f);
/** Has an epoll fd tell when there is something to serve. */
FL_MUST int fl_vk_faults_watch(const struct fl_vk_faults *f, int epfd);
/** Memory was mapped: who serves wants to know. */
void fl_vk_faults_granted(struct fl_vk_faults *f);

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
 * Attaches d to a page table of the IOAS: one that takes faults, where the IOAS has a queue; one
 * that can log, where the IOMMU has that; else to any. -EOPNOTSUPP: a log runs and the IOMMU has
 * none, or it or the kernel takes no faults for it; -ENODEV: d takes no faults; -EADDRINUSE,
 * -EINVAL: d does not suit the IOAS.
 */
FL_MUST int fl_vk_pt_attach(struct fl_vk_dev *d, struct fl_vk_ioas *a);
/** Takes d out of its page table; no DMA from then on. */
void fl_vk_pt_detach(struct fl_vk_dev *d);

/** An object of the iommufd. */
void fl_vk_destroy_object(const struct fl_vk_iommu *i, uint32_t id);

#endif
