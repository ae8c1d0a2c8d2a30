/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel VFIO. A device is an fd that answers VFIO_DEVICE_* (kdev.c), whichever way it was come
 * by: through a group in a container (container.c) or as a cdev on an iommufd (iommufd.c). Each
 * way is a struct fl_vk_backend and keeps its own state, which stands in the DMA space as a
 * domain: one a container, one an IOAS. kernel.c chooses the way and ties a device together.
 */
#ifndef FL_KERNEL_INTERNAL_H
#define FL_KERNEL_INTERNAL_H

#include <fl_vfio.h>

#include <linux/vfio.h>
#include <pthread.h>

struct fl_vk_dev;

struct fl_vk_backend {
	const char *name;
	const char *resolver; /* who resolves the faults of its devices */
	/**
	 * Takes the device that d->pci describes: sets d->fd (VFIO_DEVICE_* works on it), joins
	 * its domain to the space and says whether it faults (dev.faults, posted_because). `how` is
	 * d->how; descriptors used up are set to -1 in it.
	 */
	int (*attach)(struct fl_vk_dev *d);
	/** Undoes attach, closes d->fd; the last device of a container or iommufd ends it. */
	void (*detach)(struct fl_vk_dev *d);
};

extern const struct fl_vk_backend fl_vk_container; /* and without IOMMU */
extern const struct fl_vk_backend fl_vk_iommufd;

struct fl_vfio_kernel {
	struct fl_dma_space *space;
	const struct fl_log *log;
	bool polls;
	char *sys, *dev;
	struct fl_vk_dev *devs;
	/* state of container.c and iommufd.c */
	struct fl_vk_ctnr *containers;
	struct fl_vk_iommu *iommu;
};

struct fl_vk_dev {
	struct fl_vfio_dev dev; /* first */
	struct fl_vfio_kernel *k;
	struct fl_vk_dev *next;
	const struct fl_vk_backend *backend;
	struct fl_vfio_pci pci;
	struct fl_vfio_open how; /* opener is a copy of ours */
	/** set by attach where dev.faults is not: why lazy memory is posted to it */
	const char *posted_because;
	/** who uses fd holds it; kdev.c takes it for writing around release and reattach */
	pthread_rwlock_t lock;
	int fd; /* the device; -1 = released */
	/* the backend's own: the group; the device on the iommufd, hwpt NULL = one of the kernel's
	 */
	struct fl_vk_group *group;
	uint32_t devid;
	struct fl_vk_ioas *ioas;
	struct fl_vk_hwpt *hwpt;
	int event_fd; /* readable when there are page requests, for who polls; -1 = none */
	/* what the kernel said when the device was taken, checked */
	struct fl_vk_region {
		struct fl_vfio_region info;
		uint64_t base; /* of the region in fd */
	} regions[VFIO_PCI_NUM_REGIONS];
	struct fl_vfio_irq irqs[VFIO_PCI_NUM_IRQS];
};

/*
 * kernel.c: the ends of a device's life, for the tables of operations. d->lock is held for writing
 * during the first two.
 */
void fl_vk_release(struct fl_vfio_dev *d);
int fl_vk_reattach(struct fl_vfio_dev *d);
void fl_vk_close(struct fl_vfio_dev *d);

/** Logs what failed with rc (NULL: nothing more to say), and what fl_vfio_pci_obstacle() finds. */
void fl_vk_refused(const struct fl_vk_dev *d, const char *what, int rc);

/**
 * pci_sysfs.c: vfio-pci and its variants for some devices (mlx5_vfio_pci), VFIO's other buses.
 */
bool fl_vk_is_vfio(const char *driver);

/** pci_sysfs.c: whether an open file is the cdev of the device. */
bool fl_vk_is_cdev(const struct fl_vfio_kernel *k, const struct fl_vfio_pci *p, int fd);

/* group.c: of a group whose devices are open through a container, else -1 */
int fl_vk_group_fd(const struct fl_vfio_kernel *k, int group);
/** group.c: whether its group can be had and, in a container, lazy memory would come by faults. */
bool fl_vk_container_would_fault(struct fl_vk_dev *d);

/* kdev.c: the operations of a device that has its fd, whatever the backend */
extern const struct fl_vfio_ops fl_vk_container_ops, fl_vk_iommufd_ops; /* differ in name */
/**
 * After attach: reads what regions and interrupts there are and whether the device can be reset.
 * Logs what is wrong. Takes no lock.
 */
int fl_vk_dev_init(struct fl_vk_dev *d);
/** Takes d->lock for an operation; false (and not taken) when the device was released. */
bool fl_vk_hold(struct fl_vk_dev *d);
void fl_vk_let(struct fl_vk_dev *d);

/* kdev_region.c */
int fl_vk_regions_init(struct fl_vk_dev *d);
/** Exactly len bytes of a region; the caller has checked the range and holds the lock. */
int fl_vk_pread(struct fl_vk_dev *d, unsigned index, uint64_t off, void *buf, size_t len);
int fl_vk_region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out);
int fl_vk_region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len);
int fl_vk_region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
		       size_t len);
int fl_vk_region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
		      void **out);

/* kdev_irq.c */
int fl_vk_irqs_init(struct fl_vk_dev *d);
int fl_vk_irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out);
int fl_vk_irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		  enum fl_vfio_irq_action action, const int *fds);

/* kdev_reset.c */
int fl_vk_reset(struct fl_vfio_dev *d);
int fl_vk_hot_reset(struct fl_vfio_dev *d);

/**
 * Walks a chain of struct vfio_info_cap_header in an answer of the kernel: the capability `id`
 * of at least `min` bytes, or NULL. Offsets out of the answer or not a multiple of 4, and loops,
 * end the walk. Copy what has 64-bit fields: kernels before 6.6 do not align them to 8.
 * @info, @size  the whole answer; @first  offset of the first capability, 0 = none
 * @len          out, may be NULL: bytes from the capability to the end of the answer
 */
const void *fl_vk_cap(const void *info, size_t size, uint32_t first, uint16_t id, size_t min,
		      size_t *len);

/** An ioctl that returns a negative errno. */
int fl_vk_ioctl(int fd, unsigned long request, void *arg);
/**
 * Asks for a structure that begins with argsz and may be longer than `head` (of `size` bytes, the
 * question). The answer is the caller's to free.
 */
int fl_vk_ask(int fd, unsigned long request, const void *head, size_t size, void **answer,
	      size_t *len);

/**
 * Asks an opener (apps/opener) for what the backend needs: fills the descriptors of d->how that
 * are -1. opener.c.
 */
int fl_vk_ask_opener(struct fl_vk_dev *d, enum fl_vfio_backend backend);

#endif
