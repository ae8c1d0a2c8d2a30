/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transports: one device seen through VFIO, whoever answers. user.c speaks to a vfio-user
 * socket; the kernel's group containers and iommufd stand behind the same operations.
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
	/** fd that becomes readable when dispatch() has something to do, -1 = none */
	int (*event_fd)(struct fl_vfio_dev *d);
	/** handles what has come; -ENODEV when the device or peer is gone */
	int (*dispatch)(struct fl_vfio_dev *d);
	/** peer gone: connect again and replay the DMA mappings; -EOPNOTSUPP, -ECONNREFUSED, ... */
	int (*reattach)(struct fl_vfio_dev *d);
	void (*close)(struct fl_vfio_dev *d);
};

/** What every transport begins with. */
struct fl_vfio_dev {
	const struct fl_vfio_ops *ops;
	struct fl_dma_space *space;
	const struct fl_log *log;
	unsigned nregions, nirqs;
	bool resettable;
	/** set once, by whoever sees it first; read without a lock */
	bool removed;
};

/**
 * Connects to a vfio-user server and adds its DMA domain to the space. Any thread may use the
 * device; its calls follow one another. An answer that does not come within 5 s, or that breaks
 * the protocol, ends the link: the device is removed.
 *
 * Memory that has a file (memfd, hugetlbfs) is handed to the server, which maps it. Memory
 * without one it reads and writes by message, at any time: the first such area that is mapped
 * starts a thread that serves this link, and it ends with the link.
 * @path  UNIX stream socket, or NULL to use `fd`
 * @fd    connected socket (taken over, closed on error too), or -1 to use `path`
 * Errors: those of connect(2); -EPROTO (the peer breaks the protocol; the message says how),
 * -ETIMEDOUT (no answer within the time-out of 5 s), what the replay said.
 */
FL_API FL_MUST int fl_vfio_user_open(struct fl_dma_space *space, const char *path, int fd,
				     const struct fl_log *log, struct fl_vfio_dev **out);

#ifdef __cplusplus
}
#endif
#endif
