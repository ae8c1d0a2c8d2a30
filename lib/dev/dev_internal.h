/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_DEV_INTERNAL_H
#define FL_DEV_INTERNAL_H

#include <fl_dev.h>

enum fl_watch_kind {
	FL_WATCH_TRANSPORT, /* the transport's own fd */
	FL_WATCH_ERR,
	FL_WATCH_REQ,
	FL_WATCH_WAKE,	 /* we saw by ourselves that the device is gone */
	FL_WATCH_VECTOR, /* an interrupt with a handler */
	FL_WATCH_FD,	 /* an fd of the application's */
};

/** What epoll hands back. */
struct fl_watch {
	enum fl_watch_kind kind;
	struct fl_dev *dev;
	int fd; /* -1 = none */
};

struct fl_ctx {
	struct fl_log log;
	bool has_log, polls;
	struct fl_dma_space *space;
	struct fl_vfio_kernel *kernel; /* NULL until a pci: device is opened */
	struct fl_scheme_node *schemes;
	struct fl_item *items; /* in the order of opening */
	struct fl_fd_node *fds;
	int epfd;
	unsigned ndevs;
	/** the device whose handler runs; NULL again once it was closed or its vectors changed */
	struct fl_dev *current;
};

struct fl_bar_map {
	uint64_t off, len;
	uint8_t *va;
};

struct fl_bar {
	struct fl_vfio_region info;
	unsigned nmaps;
	struct fl_bar_map maps[FL_VFIO_MAX_SPARSE];
};

#define FL_BARS 6u

struct fl_vec {
	struct fl_watch watch; /* first: epoll's pointer is the vector's */
	void (*fn)(struct fl_dev *dev, unsigned vec, void *arg);
	void *arg;
};

struct fl_dev {
	struct fl_ctx *ctx;
	struct fl_item item;
	struct fl_vfio_dev *vd;
	char *uri;
	struct fl_pci_id id;
	uint32_t cfg_size;
	/** removal was noticed and not yet mended by a reattach; read without a lock */
	bool gone;
	/** all is given back; the BARs are memory of ours */
	bool released;
	/** told once each, until it is reattached (error: or a reset is tried) */
	bool requested, failed;
	/** when a register last read all ones and the device was there; read without a lock */
	uint64_t looked_ns;
	struct fl_bar bars[FL_BARS];

	struct fl_watch transport, err, req, wake;
	enum fl_irq_kind irq_kind;
	/** the array has room for all that the device has, so that none moves when more are set up
	 */
	unsigned nvecs, vecs_room;
	struct fl_vec *vecs;
	bool irq_automasked;
	int unmask_fd; /* the caller's, -1 = none */

	void (*event)(struct fl_dev *dev, enum fl_dev_event ev, void *arg);
	void *event_arg;
};

static inline const struct fl_log *fl_dev_log(const struct fl_dev *dev)
{
	return fl_ctx_log(dev->ctx);
}

/* ctx.c */
int fl_ctx_open(struct fl_ctx *ctx, const char *uri, struct fl_vfio_dev **out);
int fl_ctx_watch(struct fl_ctx *ctx, struct fl_watch *w);
void fl_ctx_unwatch(struct fl_ctx *ctx, struct fl_watch *w);

/** A handler of the device that runs must not touch it after it returns. */
static inline void fl_ctx_forget(const struct fl_dev *dev)
{
	if (dev->ctx->current == dev)
		dev->ctx->current = NULL;
}

/* uri.c: each says in a message what is wrong, and what is known */
#define FL_BDF_SIZE 14u

struct fl_pci_uri {
	char address[FL_BDF_SIZE]; /* "0000:01:00.0" */
	struct fl_vfio_open how;   /* .opener is the one below, or NULL */
	char opener[108];	   /* what fits into a sockaddr_un */
};

/** A file descriptor's number, or -EINVAL; digits only. */
int fl_uri_fd(const char *text);
/** Takes "[SSSS:]BB:DD.F" and writes it whole; returns its length in `text`, 0 = none there. */
size_t fl_uri_bdf(const char *text, char out[FL_BDF_SIZE]);
/** @text  what stands behind "pci:" */
int fl_uri_pci(const struct fl_log *log, const char *text, struct fl_pci_uri *out);

/* dev.c */
/** From a transport that answers: identity, bus master off, BARs, events. Undoes what it did. */
int fl_dev_bring_up(struct fl_dev *dev, struct fl_bar bars[FL_BARS]);
/** No more events of the device. */
void fl_dev_unwatch(struct fl_dev *dev);

/* removal.c */
void fl_dev_event(struct fl_dev *dev, const struct fl_watch *w);
/** A register read all ones: looks whether the device is gone, not more than once a ms. */
void fl_dev_look(struct fl_dev *dev);

/* pci.c: also while fl_dev_removed(), and with the transport's error */
int fl_pci_read(struct fl_dev *dev, unsigned off, unsigned size, uint32_t *v);
int fl_pci_write(struct fl_dev *dev, unsigned off, unsigned size, uint32_t v);
int fl_pci_identify(struct fl_dev *dev, struct fl_pci_id *id);
/** Sets the bits of the command register or clears them, and looks whether that took. */
int fl_pci_command(struct fl_dev *dev, uint16_t bits, bool on);

/* bar.c */
int fl_bars_map(struct fl_dev *dev, struct fl_bar bars[FL_BARS]);
void fl_bars_unmap(struct fl_bar bars[FL_BARS]);
/** Memory of all ones takes the place of what is mapped. */
void fl_bars_replace(struct fl_dev *dev);

/* irq.c */
void fl_irq_teardown(struct fl_dev *dev);
/** The device fires no more; vectors, eventfds and handlers stay. */
void fl_irq_quiet(struct fl_dev *dev);
/** Tells the device anew of the eventfds that stand. */
int fl_irq_replay(struct fl_dev *dev);
void fl_irq_event(struct fl_dev *dev, struct fl_vec *vec);
/** The error or request interrupt onto an eventfd of its own, where the device has it. */
void fl_irq_watch(struct fl_dev *dev, unsigned index, struct fl_watch *w);
void fl_irq_unwatch(struct fl_dev *dev, struct fl_watch *w);
void fl_irq_drain(int fd);

/* drivers/drivers.c */
extern const struct fl_driver *const fl_builtin_drivers[];

#endif
