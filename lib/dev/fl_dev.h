/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts and devices: device URIs, PCI config space and capabilities, BARs, interrupts,
 * events, and the table of drivers.
 *
 * URIs        vfio-user:/run/x.sock      any vfio-user server
 *             vfio-user:fd=N             a connected socket
 *             pci:0000:01:00.0           kernel VFIO; options behind commas:
 *                 iommu=auto|iommufd|container|noiommu
 *                 group-fd=N,container-fd=N  or  cdev-fd=N,iommu-fd=N     open ones
 *                 opener=/run/x.sock         ask a privileged opener for them
 *                 faults=on|off              off: lazy memory is posted in any case
 *             model:NAME,key=value,...   a model of our own (fl_model_enable() adds the scheme)
 */
#ifndef FL_DEV_H
#define FL_DEV_H

#include <fl_dma.h>
#include <fl_io.h>
#include <fl_log.h>
#include <fl_vfio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_ctx;
struct fl_dev;

/* ---- context -------------------------------------------------------------------------- */

struct fl_ctx_opts {
	/** copied; NULL = process default */
	const struct fl_log *log;
	/**
	 * The application calls fl_ctx_dispatch() often (when a burst came back empty, say): page
	 * requests and memory by message are answered there, and no thread is made for that.
	 * Without it a thread is, with the first lazy area of a device that faults.
	 */
	bool polls;
};

/**
 * One user of the library: a log sink, a DMA space, open devices. Many may live in a process.
 * opts may be NULL. Creates no thread, installs no signal handler, reads no argv.
 */
FL_API FL_MUST int fl_ctx_create(const struct fl_ctx_opts *opts, struct fl_ctx **out);
/** -EBUSY while devices are open or areas mapped. */
FL_API FL_MUST int fl_ctx_destroy(struct fl_ctx *ctx);

FL_API const struct fl_log *fl_ctx_log(const struct fl_ctx *ctx);
FL_API struct fl_dma_space *fl_ctx_space(struct fl_ctx *ctx);
/** fl_ctx_opts.polls, for transports. */
FL_API bool fl_ctx_polls(const struct fl_ctx *ctx);

/**
 * An epoll fd that is readable when a device of the context has an event or a handled interrupt;
 * then call fl_ctx_dispatch(), which runs the handlers in the calling thread. It never waits
 * longer than timeout_ms (-1 = for ever) and returns the number of events handled.
 */
FL_API int fl_ctx_fd(const struct fl_ctx *ctx);
FL_API int fl_ctx_dispatch(struct fl_ctx *ctx, int timeout_ms);

/**
 * An fd of the caller's that fl_ctx_fd() waits for too: fl_ctx_dispatch() calls fn while it is
 * readable. It stays the caller's; take it out before closing it. -EEXIST, -ENOMEM, what epoll
 * said.
 */
FL_API FL_MUST int fl_ctx_add_fd(struct fl_ctx *ctx, int fd, void (*fn)(void *arg), void *arg);
FL_API void fl_ctx_del_fd(struct fl_ctx *ctx, int fd);

/**
 * What is open in a context, so that it can be listed: devices here, the rooms above list what
 * theirs are. In the order in which they were opened; as for opening, one thread at a time.
 */
enum fl_item_kind { FL_ITEM_DEV, FL_ITEM_PORT, FL_ITEM_CRYPTODEV };
struct fl_item {
	struct fl_item *next;
	void *obj;
	enum fl_item_kind kind;
};
FL_API void fl_ctx_enlist(struct fl_ctx *ctx, struct fl_item *it, enum fl_item_kind kind,
			  void *obj);
FL_API void fl_ctx_delist(struct fl_ctx *ctx, struct fl_item *it);
/** The i-th object of a kind, NULL past the last. */
FL_API void *fl_ctx_item(const struct fl_ctx *ctx, enum fl_item_kind kind, unsigned i);

/**
 * Adds a URI scheme. open() gets what stands behind "scheme:", adds its domain to the space and
 * returns a transport. done() is called when the context is destroyed, may be NULL.
 * -EEXIST when the scheme is known.
 */
struct fl_scheme {
	const char *name;
	int (*open)(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out);
	void (*done)(void *arg);
	void *arg;
};
FL_API FL_MUST int fl_ctx_add_scheme(struct fl_ctx *ctx, const struct fl_scheme *s);

/* ---- devices -------------------------------------------------------------------------- */

struct fl_pci_id {
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t revision;
	uint32_t class_code; /* 24 bits */
};

/**
 * Opens a device by URI: memory space and bus master are off until fl_dev_enable().
 * Errors: -EINVAL (URI), -EOPNOTSUPP (scheme unknown or not built), what the transport said.
 */
FL_API FL_MUST int fl_dev_open(struct fl_ctx *ctx, const char *uri, struct fl_dev **out);
/** Stops bus mastering, takes interrupts down, unmaps the BARs, leaves the space. */
FL_API void fl_dev_close(struct fl_dev *dev);

/** The i-th open device of a context, NULL past the last. */
static inline struct fl_dev *fl_dev_at(const struct fl_ctx *ctx, unsigned i)
{
	return (struct fl_dev *)fl_ctx_item(ctx, FL_ITEM_DEV, i);
}
FL_API const char *fl_dev_uri(const struct fl_dev *dev);
/** "vfio-user", "container", "iommufd": the transport behind it. */
FL_API const char *fl_dev_transport(const struct fl_dev *dev);
FL_API struct fl_ctx *fl_dev_ctx(const struct fl_dev *dev);
FL_API const struct fl_pci_id *fl_dev_id(const struct fl_dev *dev);
/** NUMA node, -1 = unknown. */
FL_API int fl_dev_node(const struct fl_dev *dev);
/**
 * The device takes recoverable faults and somebody answers them: its driver may give it any byte of
 * a lazy area and need not post it. Fixed until a reattach. Rings and contexts are pinned all the
 * same.
 */
FL_API bool fl_dev_faults(const struct fl_dev *dev);

/**
 * For a driver that waits for its device in a control call: the device may wait for memory, and an
 * application that polls does not dispatch meanwhile. Serves its page requests then.
 */
FL_API void fl_dev_serve(struct fl_dev *dev);

/**
 * On: memory space and bus master, before the first access to a BAR (through the kernel it would be
 * SIGBUS). Off: bus master alone, so that threads which poll a mapped BAR are not hurt.
 */
FL_API FL_MUST int fl_dev_enable(struct fl_dev *dev, bool on);
/**
 * Function reset through the transport, or where the function has none, fl_dev_hot_reset(). Enable
 * the device and set interrupts up again after either: whether they stand is the transport's
 * business. After FL_DEV_ERROR it first lets the kernel's own recovery pass, for some 100 ms.
 */
FL_API FL_MUST int fl_dev_reset(struct fl_dev *dev);
/**
 * Reset of the bus or slot that the device is on, with all functions there; those that are open are
 * not told, so initialise them anew. -EBUSY where that would reset functions which others may have,
 * as they are in no group that is open in this context (the message lists them), -EOPNOTSUPP where
 * there is none. No other thread opens, closes or releases a device of the context meanwhile.
 */
FL_API FL_MUST int fl_dev_hot_reset(struct fl_dev *dev);
/**
 * Gives the device back, to the kernel or whoever serves it, and keeps the handle: bus master and
 * interrupts off, everything closed. fl_dev_removed() from then on, until fl_dev_reattach() takes
 * the device anew. Threads that poll may go on meanwhile: under mapped BARs there is now memory
 * that reads all ones, so no pointer or doorbell dangles.
 */
FL_API void fl_dev_release(struct fl_dev *dev);

/** True once the device or its server is gone (hang-up, removal). Data plane. */
FL_API bool fl_dev_removed(const struct fl_dev *dev);
/**
 * The device came back: connects again, replays DMA mappings, maps the BARs anew (pointers and
 * doorbells from before are void), sets interrupts up again. The driver then initialises it.
 */
FL_API FL_MUST int fl_dev_reattach(struct fl_dev *dev);

/* Config space; size 1, 2 or 4. Reads answer all ones when the device is gone. */
FL_API uint32_t fl_dev_cfg_read(struct fl_dev *dev, unsigned off, unsigned size);
FL_API int fl_dev_cfg_write(struct fl_dev *dev, unsigned off, unsigned size, uint32_t v);
/** Offset of a PCI (or extended) capability, 0 = absent. Walked with bounds: loops end. */
FL_API unsigned fl_dev_find_cap(struct fl_dev *dev, uint8_t id);
FL_API unsigned fl_dev_find_ext_cap(struct fl_dev *dev, uint16_t id);

/* ---- BARs ----------------------------------------------------------------------------- */

/** Bytes of a BAR, 0 = the device has none there. */
FL_API uint64_t fl_bar_size(const struct fl_dev *dev, unsigned bar);
/**
 * Register access: through the mapping where the BAR can be mapped there, else through the
 * transport. Out of the BAR, or device gone: reads give all ones, writes do nothing.
 * In order against each other; a write is also ordered after earlier stores to memory.
 * A read that gives all ones makes us look, at most once a millisecond, whether config space does
 * too: then the device is removed.
 */
FL_API uint32_t fl_bar_read32(struct fl_dev *dev, unsigned bar, uint64_t off);
FL_API void fl_bar_write32(struct fl_dev *dev, unsigned bar, uint64_t off, uint32_t v);
/**
 * The same for 8 and 16 bytes (v[0] the lower half), at multiples of their size: one access where
 * the BAR is mapped, and one message of that size to a vfio-user server. Through the kernel without
 * a mapping it is the kernel that splits 16 bytes, and 8 bytes before Linux 6.11.
 */
FL_API uint64_t fl_bar_read64(struct fl_dev *dev, unsigned bar, uint64_t off);
FL_API void fl_bar_write64(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v);
FL_API void fl_bar_read128(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v[2]);
FL_API void fl_bar_write128(struct fl_dev *dev, unsigned bar, uint64_t off, const uint64_t v[2]);
/**
 * As fl_bar_write64(), but a vfio-user server gets a message though the BAR be mapped: who polls
 * the mapping may miss a value that the next one overwrites, and misses no message.
 */
FL_API void fl_bar_send64(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v);
/** Mapped address of [off, off+len) or NULL where it has to be trapped. */
FL_API void *fl_bar_ptr(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t len);

/** A queue tail: a plain store where it can be mapped, else a message. */
struct fl_doorbell {
	volatile uint32_t *ptr;
	struct fl_dev *dev;
	uint32_t off;
	uint8_t bar;
};
FL_API void fl_doorbell_init(struct fl_doorbell *db, struct fl_dev *dev, unsigned bar,
			     uint32_t off);

/** Rings it: everything stored before is seen by the device first. Data plane. */
static inline void fl_doorbell_ring(const struct fl_doorbell *db, uint32_t v)
{
	if (fl_likely(db->ptr != NULL))
		fl_mmio_write32(db->ptr, v);
	else
		fl_bar_write32(db->dev, db->bar, db->off, v);
}

/* ---- interrupts and events ------------------------------------------------------------ */

enum fl_irq_kind { FL_IRQ_NONE, FL_IRQ_INTX, FL_IRQ_MSI, FL_IRQ_MSIX };

/**
 * Sets up `n` vectors of a kind, with an eventfd each (at most what the device has, else
 * -ENOSPC). Replaces an earlier set-up. FL_IRQ_NONE takes all down.
 */
FL_API FL_MUST int fl_dev_irq_setup(struct fl_dev *dev, enum fl_irq_kind kind, unsigned n);
FL_API enum fl_irq_kind fl_dev_irq_kind(const struct fl_dev *dev);
/** Vectors the device has of a kind. */
FL_API unsigned fl_dev_irq_count(struct fl_dev *dev, enum fl_irq_kind kind);
/**
 * More vectors of the kind that is set up; those that stand keep their eventfds and handlers, and
 * lose no interrupt where the device can grow (MSI-X, Linux 6.5 on); else all are set up anew.
 * -EINVAL: none is set up, or n is less than there are; -ENOSPC; what the device said.
 */
FL_API FL_MUST int fl_dev_irq_grow(struct fl_dev *dev, unsigned n);
/**
 * INTx: signalling this eventfd unmasks the line, with no call of ours (for another process or
 * thread). fd stays the caller's; -1 = no longer. -EINVAL: INTx is not set up.
 */
FL_API FL_MUST int fl_dev_irq_unmask_fd(struct fl_dev *dev, int fd);
/** The eventfd of a vector (owned by the device), -1 = none: poll it, then fl_dev_irq_ack(). */
FL_API int fl_dev_irq_fd(const struct fl_dev *dev, unsigned vec);
/** Drains the eventfd; for INTx also unmasks the line, so silence the device first. */
FL_API void fl_dev_irq_ack(struct fl_dev *dev, unsigned vec);
/** fl_ctx_dispatch() then calls fn (after draining, before an INTx unmask). fn NULL = stop. */
FL_API FL_MUST int fl_dev_irq_handler(struct fl_dev *dev, unsigned vec,
				      void (*fn)(struct fl_dev *dev, unsigned vec, void *arg),
				      void *arg);

enum fl_dev_event {
	FL_DEV_REMOVED, /* the device or its server is gone; it was released */
	/**
	 * The kernel wants it back: an unbind or removal waits for us. Close or release it now; if
	 * the kernel has to ask again (after some 10 s), it is released by fl_ctx_dispatch() and
	 * FL_DEV_REMOVED follows.
	 */
	FL_DEV_REQUEST,
	/**
	 * An uncorrectable error was reported (AER): reset it; told once until that is tried. After
	 * a fatal one the kernel resets the link, and the BARs read all ones until it is enabled
	 * again.
	 */
	FL_DEV_ERROR,
};
/** One handler a device, run by fl_ctx_dispatch(). The driver's port layer takes it. */
FL_API void fl_dev_on_event(struct fl_dev *dev,
			    void (*fn)(struct fl_dev *dev, enum fl_dev_event ev, void *arg),
			    void *arg);

/* ---- drivers -------------------------------------------------------------------------- */

enum fl_driver_class { FL_CLASS_NET, FL_CLASS_CRYPTO };

struct fl_driver_id {
	uint16_t vendor, device;
	/** what the driver wants to know about this variant */
	const void *data;
};

struct fl_driver {
	const char *name; /* "net_e1000" */
	enum fl_driver_class cls;
	const struct fl_driver_id *ids; /* ends with vendor 0 */
	/** binds to an open device; *priv is the class's object (struct fl_port for net) */
	int (*probe)(struct fl_dev *dev, const struct fl_driver_id *id, void **priv);
	/** undoes probe; the device is closed by the caller */
	void (*remove)(void *priv);
	/**
	 * Of a driver without a PCI device, in place of ids and probe: "NAME:REST" opens it, with
	 * the REST. The others leave both NULL.
	 */
	const char *scheme;
	int (*open)(struct fl_ctx *ctx, const char *rest, void **priv);
};

/** Adds an out-of-tree driver; it is asked before the built ones. Not thread-safe. -EEXIST. */
FL_API FL_MUST int fl_driver_register(const struct fl_driver *drv);
/** i-th driver, registered first, then built; NULL past the end. */
FL_API const struct fl_driver *fl_driver_at(unsigned i);
/** The driver of a class for an id, or NULL. */
FL_API const struct fl_driver *fl_driver_match(enum fl_driver_class cls, const struct fl_pci_id *id,
					       const struct fl_driver_id **match);

#ifdef __cplusplus
}
#endif
#endif
