/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transports: one device seen through VFIO, whoever answers: a vfio-user socket, or the kernel
 * through a group and container or through iommufd.
 *
 * Indexes are VFIO's: region 0..5 BARs, 6 ROM, 7 config space; irq 0 INTx, 1 MSI, 2 MSI-X,
 * 3 error (AER), 4 request.
 */
#ifndef FL_VFIO_H
#define FL_VFIO_H

#include <fl_dma.h>
#include <fl_log.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FL_VFIO_REGION_BAR0 = 0, FL_VFIO_REGION_ROM = 6, FL_VFIO_REGION_CONFIG = 7 };
enum { FL_VFIO_IRQ_INTX, FL_VFIO_IRQ_MSI, FL_VFIO_IRQ_MSIX, FL_VFIO_IRQ_ERR, FL_VFIO_IRQ_REQ };

#define FL_VFIO_REGION_F_READ  1u
#define FL_VFIO_REGION_F_WRITE 2u
#define FL_VFIO_REGION_F_MMAP  4u

#define FL_VFIO_MAX_SPARSE     16u

struct fl_vfio_sparse {
	uint64_t offset, size;
};

struct fl_vfio_region {
	uint64_t size; /* 0: the device has no such region */
	uint32_t flags;
	/** what of it may be mmapped; with F_MMAP and no list from the peer, all of it */
	unsigned nsparse;
	struct fl_vfio_sparse sparse[FL_VFIO_MAX_SPARSE];
};

#define FL_VFIO_IRQ_F_EVENTFD	 1u
#define FL_VFIO_IRQ_F_MASKABLE	 2u
#define FL_VFIO_IRQ_F_AUTOMASKED 4u
#define FL_VFIO_IRQ_F_NORESIZE	 8u

struct fl_vfio_irq {
	uint32_t count; /* 0: the device has no such interrupt */
	uint32_t flags;
};

enum fl_vfio_irq_action {
	FL_VFIO_IRQ_TRIGGER, /* fds[count]: eventfds, -1 = none; count 0 = index off */
	FL_VFIO_IRQ_MASK,
	FL_VFIO_IRQ_UNMASK, /* fds NULL = now; fds = eventfd that unmasks when signalled */
};

struct fl_vfio_dev;

/** Every entry is set; what a transport cannot do answers -EOPNOTSUPP. -ENODEV = peer gone. */
struct fl_vfio_ops {
	const char *name;
	int (*region_info)(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out);
	/** exactly len bytes or a negative errno */
	int (*region_read)(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf,
			   size_t len);
	int (*region_write)(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			    size_t len);
	int (*region_mmap)(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
			   void **out); /* munmap() by the caller */
	int (*irq_info)(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out);
	int (*irq_set)(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		       enum fl_vfio_irq_action action, const int *fds);
	int (*reset)(struct fl_vfio_dev *d);
	/** resets the bus or slot; -EBUSY where that would reset a function that is not ours */
	int (*hot_reset)(struct fl_vfio_dev *d);
	/** fd that becomes readable when dispatch() has something to do, -1 = none */
	int (*event_fd)(struct fl_vfio_dev *d);
	/** handles what has come; -ENODEV when the device or peer is gone */
	int (*dispatch)(struct fl_vfio_dev *d);
	/**
	 * Gives back all that is held of the device, as close() does, but keeps the object: it is
	 * `removed` from then on. The caller has unmapped its regions.
	 */
	void (*release)(struct fl_vfio_dev *d);
	/** removed or released: takes it anew and replays the DMA mappings; -EOPNOTSUPP, ... */
	int (*reattach)(struct fl_vfio_dev *d);
	void (*close)(struct fl_vfio_dev *d);
};

/** What every transport begins with. */
struct fl_vfio_dev {
	const struct fl_vfio_ops *ops;
	struct fl_dma_space *space;
	const struct fl_log *log;
	unsigned nregions, nirqs;
	int node; /* NUMA node, -1 = unknown */
	bool resettable;
	/** takes recoverable faults and somebody answers them; fixed until a reattach */
	bool faults;
	/** set once, by whoever sees it first; read without a lock */
	bool removed;
};

/**
 * Connects to a vfio-user server and adds its DMA domain to the space. Any thread may use the
 * device; its calls follow one another. An answer that does not come within 5 s, or that breaks
 * the protocol, ends the link: the device is removed.
 *
 * Memory that has a file (memfd, hugetlbfs) is handed to the server, which maps it. Memory
 * without one it reads and writes by message, at any time, and pages of lazy areas it asks for: the
 * first such area that is mapped starts a thread that serves this link, and it ends with the link.
 * @path  UNIX stream socket, or NULL to use `fd`
 * @fd    connected socket (taken over, closed on error too), or -1 to use `path`
 * @polls  dispatch() is called often: no thread is made, neither for such memory nor for page
 *         requests
 * Errors: those of connect(2); -EPROTO (the peer breaks the protocol; the message says how),
 * -ETIMEDOUT (no answer within the time-out of 5 s), what the replay said.
 */
FL_API FL_MUST int fl_vfio_user_open(struct fl_dma_space *space, const char *path, int fd,
				     bool polls, const struct fl_log *log,
				     struct fl_vfio_dev **out);

/* ---- kernel VFIO ---------------------------------------------------------------------- */

enum fl_vfio_backend {
	/* container where the kernel resolves the device's faults there, else iommufd where kernel
	 * and user can, else container */
	FL_VFIO_AUTO,
	FL_VFIO_CONTAINER, /* group, container, type1 v2 */
	FL_VFIO_IOMMUFD,   /* device cdev and /dev/iommu (Linux 6.6 on) */
	FL_VFIO_NOIOMMU,   /* a group without IOMMU: the device reaches all memory */
};

/** Where the kernel shows itself; tests show another tree. */
struct fl_vfio_roots {
	const char *sys, *dev; /* "/sys", "/dev" */
};

/**
 * Kernel VFIO of one space: the containers and the iommufd that its devices share. Opens nothing
 * until a device needs it. One thread at a time opens, closes, releases and reattaches devices of
 * one; their other operations are for any thread.
 */
struct fl_vfio_kernel;

/**
 * @polls  dispatch() is called often: page requests that this process resolves (iommufd) are
 *         served there; else the first lazy area of a device that makes them starts a thread
 * @roots  NULL = the machine's
 */
FL_API FL_MUST int fl_vfio_kernel_create(struct fl_dma_space *space, bool polls,
					 const struct fl_log *log,
					 const struct fl_vfio_roots *roots,
					 struct fl_vfio_kernel **out);
/** All its devices are closed. */
FL_API void fl_vfio_kernel_destroy(struct fl_vfio_kernel *k);

/**
 * How to open. File descriptors are already open ones, -1 = open by path; they are taken over,
 * and closed on error too. A container or iommufd that the kernel object has already is used on,
 * and one given then is closed.
 */
struct fl_vfio_open {
	enum fl_vfio_backend backend;
	int container_fd, group_fd; /* /dev/vfio/vfio, /dev/vfio/N */
	int iommu_fd, cdev_fd;	    /* /dev/iommu, /dev/vfio/devices/vfioN */
	/** UNIX socket of an opener (apps/opener) that opens them for us; NULL = none */
	const char *opener;
	/** lazy memory is posted, though the device and the kernel may be able to fault */
	bool no_faults;
};
#define FL_VFIO_OPEN_DEFAULT ((struct fl_vfio_open){ FL_VFIO_AUTO, -1, -1, -1, -1, NULL, false })

/**
 * Takes a PCI device that is bound to vfio-pci ("0000:01:00.0") and joins it to the space.
 * Errors, each with a message that says the remedy: -ENODEV (no such device; bound to another
 * driver or none), -ENOENT (no /dev/vfio, no iommufd), -EACCES, -EPERM (interrupts cannot be
 * isolated: no interrupt remapping), -EBUSY (the group or device is in use; the group is not
 * viable: its members and their drivers are listed), -EOPNOTSUPP (what the kernel lacks), what
 * the replay said.
 */
FL_API FL_MUST int fl_vfio_kernel_open(struct fl_vfio_kernel *k, const char *address,
				       const struct fl_vfio_open *how, struct fl_vfio_dev **out);

/* ---- what sysfs says of a device ------------------------------------------------------ */

struct fl_vfio_pci {
	char address[16];
	char driver[64];   /* "" = none */
	char cdev[32];	   /* "vfio3", "" = no device cdev */
	char iommu[64];	   /* sysfs name of the IOMMU it stands behind ("dmar0"), "" = none */
	int group;	   /* -1 = none */
	int node;	   /* -1 = unknown */
	bool noiommu;	   /* the group is one of VFIO's no-IOMMU mode */
	bool viable;	   /* nothing else in the group is held by a driver of the host */
	char members[512]; /* the group's other members: "0000:00:1f.0 (ahci), ..." */
};

/**
 * Reads what is known of a device without opening it; roots NULL = the machine's.
 * -ENODEV: no such device; -EINVAL: no PCI address.
 */
FL_API FL_MUST int fl_vfio_pci_look(const struct fl_vfio_roots *roots, const char *address,
				    struct fl_vfio_pci *out);
/** Why the device cannot be taken now and what mends it, in one line; false = nothing stands
 *  in the way that sysfs and the nodes' permissions show. */
FL_API bool fl_vfio_pci_obstacle(const struct fl_vfio_roots *roots, const struct fl_vfio_pci *p,
				 enum fl_vfio_backend backend, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
