/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device models: C behind struct fl_model_ops, served over vfio-user.
 *
 * lib/model gives a model its PCI config space, BARs, DMA through a modelled IOMMU, interrupts,
 * and (for network models) wires. A model runs in one thread, its engine's, and needs no locks:
 * every op below is called there. An engine serves any number of models, one vfio-user client each.
 */
#ifndef FL_MODEL_H
#define FL_MODEL_H

#include <fl_dev.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_engine;
struct fl_model;

/* ---- arguments: "key=value,key=value" ------------------------------------------------- */

struct fl_args;
/** Value of a key (marks it used), or NULL. */
FL_API const char *fl_args_get(struct fl_args *a, const char *key);
/** Integer with suffix k, M, G; def when absent; -EINVAL with a message on rubbish. */
FL_API int fl_args_u64(struct fl_args *a, const char *key, uint64_t def, uint64_t *out);
/** on/off/yes/no/1/0 */
FL_API int fl_args_bool(struct fl_args *a, const char *key, bool def, bool *out);

/* ---- what a model is ------------------------------------------------------------------ */

#define FL_MODEL_BARS 6u

struct fl_model_bar {
	uint64_t size; /* 0 = none; power of two */
	bool io, mem64, prefetch;
	/** [off, off+len) page-aligned: plain memory that the client may map and the model polls */
	unsigned nshared;
	struct fl_vfio_sparse shared[4];
	/** accesses by message reach bar_read() and bar_write() in shared ranges too */
	bool trap_messages;
};

struct fl_model_ops {
	const char *name; /* "e1000e" */
	const char *help; /* one line an argument, for fl-model --help */
	/**
	 * Makes an instance; it sets up config space and BARs with the calls below.
	 * *state is handed to every other op.
	 */
	int (*create)(struct fl_model *m, struct fl_args *args, void **state);
	void (*destroy)(void *state);
	/** power-on, VFIO device reset, FLR, client gone: everything back to reset values */
	void (*reset)(void *state);
	/** trapped BAR access, size 1, 2, 4 or 8, inside the BAR; never fails (absent reads 0) */
	uint64_t (*bar_read)(void *state, unsigned bar, uint64_t off, unsigned size);
	void (*bar_write)(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v);
	/** config space was written (already merged by the write mask); may be NULL */
	void (*cfg_written)(void *state, unsigned off, unsigned size);
	/**
	 * Looks at doorbells, moves work, runs timers; called over and over. now_ns = monotonic.
	 * Returns how much work was done (0 = idle).
	 */
	unsigned (*poll)(void *state, uint64_t now_ns);
	/** When poll() next has something to do by itself, UINT64_MAX = never; may be NULL */
	uint64_t (*next_timer)(void *state);
	/** the client went (false) or came (true); may be NULL */
	void (*client)(void *state, bool present);
	/**
	 * The client's memory, or the right to it, is about to go (unmap, bus master off, reset,
	 * client gone): when this returns no thread of the model uses it any more; may be NULL
	 */
	void (*quiesce)(void *state);
	/** the device takes recoverable faults: it makes page requests where the client answers
	 * them */
	bool page_requests;
};

/* ---- calls for a model: set-up, from create() only ------------------------------------ */

FL_API void fl_model_set_bar(struct fl_model *m, unsigned bar, const struct fl_model_bar *b);
/** Writes config bytes, and which bits the client may write / clear by writing 1. */
FL_API void fl_model_cfg_set(struct fl_model *m, unsigned off, unsigned size, uint32_t v);
FL_API void fl_model_cfg_mask(struct fl_model *m, unsigned off, unsigned size, uint32_t write_mask,
			      uint32_t w1c_mask);
FL_API uint32_t fl_model_cfg_get(const struct fl_model *m, unsigned off, unsigned size);
/** Identity: vendor, device, class, revision, subsystem, interrupt pin. */
FL_API void fl_model_set_id(struct fl_model *m, const struct fl_pci_id *id, uint8_t pin);
/** Adds a capability of len bytes (header included) at off and links it; extended: off >= 0x100. */
FL_API void fl_model_add_cap(struct fl_model *m, uint8_t id, unsigned off, unsigned len);
FL_API void fl_model_add_ext_cap(struct fl_model *m, uint16_t id, uint8_t version, unsigned off,
				 unsigned len);
/** Standard capabilities, with their write masks and the interrupts they bring. */
FL_API void fl_model_add_msi(struct fl_model *m, unsigned off, unsigned vectors, bool addr64,
			     bool maskable);
FL_API void fl_model_add_msix(struct fl_model *m, unsigned off, unsigned vectors, unsigned bar,
			      uint64_t table, uint64_t pba);
FL_API void fl_model_add_pm(struct fl_model *m, unsigned off);
FL_API void fl_model_add_pcie(struct fl_model *m, unsigned off, unsigned version, bool flr);
/** This instance makes no page requests, though its kind could. */
FL_API void fl_model_no_page_requests(struct fl_model *m);

/* ---- calls for a model: at work ------------------------------------------------------- */

FL_API const struct fl_log *fl_model_log(const struct fl_model *m);
FL_API const char *fl_model_name(const struct fl_model *m);
/** Number of the model in its engine, from 0: two of a kind need not look alike. */
FL_API unsigned fl_model_ordinal(const struct fl_model *m);
/** State of the model of that kind and number in the same engine, NULL = there is none. */
FL_API void *fl_model_peer(const struct fl_model *m, const struct fl_model_ops *ops,
			   unsigned ordinal);
/** Memory of a shared range of a BAR (offset inside the BAR); the client may write it any time. */
FL_API void *fl_model_bar_mem(struct fl_model *m, unsigned bar, uint64_t off);
/** PCI command register bits as they stand: bus master (bit 2), INTx disable (bit 10). */
FL_API bool fl_model_bus_master(const struct fl_model *m);

/**
 * Memory behind [iova, iova+len) if it lies in one mapping that can be reached directly with that
 * permission, else NULL. Valid until poll(), bar_*() return: never keep it. One-entry
 * cache per `tlb`, which the model keeps (zeroed at first; the IOMMU voids it by generation).
 */
struct fl_model_tlb {
	uint64_t gen, first, last;
	uint8_t *base;
	unsigned prot;
};
FL_API void *fl_model_dma_slow(struct fl_model *m, struct fl_model_tlb *t, fl_iova_t iova,
			       uint64_t len, unsigned prot);
/** Generation of the modelled IOMMU: changes with each map and unmap. */
struct fl_model_iommu {
	uint64_t gen;
};
FL_API const struct fl_model_iommu *fl_model_iommu(const struct fl_model *m);

static inline void *fl_model_dma(struct fl_model *m, const struct fl_model_iommu *mmu,
				 struct fl_model_tlb *t, fl_iova_t iova, uint64_t len,
				 unsigned prot)
{
	if (fl_likely(t->gen == mmu->gen && iova.v >= t->first && len &&
		      iova.v + (len - 1) <= t->last && iova.v + (len - 1) >= iova.v &&
		      (t->prot & prot) == prot))
		return t->base + (iova.v - t->first);
	return fl_model_dma_slow(m, t, iova, len, prot);
}

/* ---- page requests: what a device does that takes recoverable faults ------------------- */

/** A request under way; 0 = none. Models keep it with the work that waits. */
typedef uint32_t fl_model_pr_t;

enum fl_model_pr_state {
	FL_PR_WAITING,
	FL_PR_SUCCESS, /* try the access again */
	FL_PR_INVALID, /* the client refused: the access is wrong */
	FL_PR_FAILURE, /* the client could not, or did not answer in time, or is gone */
};

/**
 * After fl_model_dma() gave NULL or a copy -EAGAIN: asks the client for the first page of [iova,
 * iova + len) that is not granted; what follows it there (in one area) goes along as a hint of what
 * the device is going to need. The work is parked, others go on. 0 and *pr; -EFAULT: there is
 * nothing to ask for: a copy does it, or refuses it as an ordinary error (and counts it); -EAGAIN:
 * as many requests as the client takes are under way, or the page has just come: try again at the
 * next poll.
 */
FL_API FL_MUST int fl_model_page_request(struct fl_model *m, fl_iova_t iova, uint64_t len,
					 unsigned prot, fl_model_pr_t *pr);
/** The page that a request is for, which tells whether one that is made again has got further. */
FL_API fl_iova_t fl_model_page_iova(struct fl_model *m, fl_model_pr_t pr);
/** Looks at a request; any answer but FL_PR_WAITING is given once and frees it. */
FL_API enum fl_model_pr_state fl_model_page_state(struct fl_model *m, fl_model_pr_t pr);
/** The work is given up; an answer that still comes is dropped. */
FL_API void fl_model_page_forget(struct fl_model *m, fl_model_pr_t pr);
/**
 * How long a request waits for its answer, 3 s if nothing is said; then it is a failure. A client
 * that answers nothing at all fails at once what is asked beyond its number. A reset ends the
 * waiting of all that a model has under way.
 */
FL_API void fl_model_page_timeout(struct fl_model *m, uint64_t ns);

/**
 * Copies, for memory that cannot be reached directly too (then by message to the client, which
 * takes its time). 0; -EFAULT outside every mapping or against its permission (counted); -EAGAIN
 * where a page of it must be asked for first: then a part may have been copied; -ENODEV.
 */
FL_API int fl_model_dma_read(struct fl_model *m, fl_iova_t iova, void *buf, uint32_t len);
FL_API int fl_model_dma_write(struct fl_model *m, fl_iova_t iova, const void *buf, uint32_t len);

/** Fires an MSI or MSI-X vector; nothing when that kind is not enabled by the client. */
FL_API void fl_model_msi(struct fl_model *m, unsigned vec);
FL_API void fl_model_msix(struct fl_model *m, unsigned vec);
FL_API bool fl_model_msix_enabled(const struct fl_model *m);
FL_API bool fl_model_msi_enabled(const struct fl_model *m);
/** INTx line level; the server signals on the rising edge, again after an unmask while high. */
FL_API void fl_model_intx(struct fl_model *m, bool level);

struct fl_model_stats {
	uint64_t dma_faults, dma_messages, region_reads, region_writes, irqs, clients;
	/** requests made; answered in time, by what; answers that nobody waited for (late, twice);
	 *  requests that nobody answered; put off as too many were under way; ranges invalidated */
	uint64_t pr_sent, pr_success, pr_invalid, pr_failure, pr_stray, pr_lost, pr_full,
		pr_invalidated;
};
FL_API void fl_model_stats(const struct fl_model *m, struct fl_model_stats *out);

/* ---- engines: where models run -------------------------------------------------------- */

struct fl_engine_opts {
	const struct fl_log *log;
	/** CPU to run on, -1 = any */
	int cpu;
	/** poll that long without work before sleeping between looks, ns; 0 = default (2 ms) */
	uint64_t spin_ns;
};
/** Makes an engine with a thread of its own. */
FL_API FL_MUST int fl_engine_create(const struct fl_engine_opts *o, struct fl_engine **out);
/** Stops the thread, destroys all its models. */
FL_API void fl_engine_destroy(struct fl_engine *e);

/**
 * Makes a model from "NAME,key=value,…" (see fl_model_at()) and listens on `path` (UNIX socket,
 * made with mode 0600, removed on destroy), or serves the connected socket `fd` when path is NULL
 * (taken over). With a path a client that leaves may come back, after a reset.
 */
FL_API FL_MUST int fl_engine_add(struct fl_engine *e, const char *spec, const char *path, int fd,
				 struct fl_model **out);
/** Takes a model out and destroys it; a connected client sees a hang-up. */
FL_API void fl_engine_remove(struct fl_engine *e, struct fl_model *m);
/** Runs fn in the engine's thread, between polls, and waits for it. */
FL_API void fl_engine_call(struct fl_engine *e, void (*fn)(void *arg), void *arg);

/** The built models, defined in models/models.c; ends with NULL. */
extern const struct fl_model_ops *const fl_builtin_models[];
/** i-th built model, NULL past the end. */
FL_API const struct fl_model_ops *fl_model_at(unsigned i);

/**
 * Gives a context the scheme "model:NAME,…": each such device starts a model of its own in one
 * engine of the context, whose thread starts with the first and ends with the context.
 */
FL_API FL_MUST int fl_model_enable(struct fl_ctx *ctx, const struct fl_engine_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
