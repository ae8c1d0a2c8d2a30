/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model inside another program, an emulator: that host is its client, without a socket, and
 * turns its engine by hand. Everything here is called in one thread at a time.
 *
 *   fl_engine_new(&opts, false, &e);
 *   fl_model_host_add(e, "hisi_sec,workers=0", &ops, arg, 256, &m);
 *   fl_model_region(m, bar, off, buf, len, write);      an access of a driver
 *   fl_engine_round(e, now);                            until it returns 0; again after an
 *                                                       access, an answer, fl_model_host_timer()
 *   fl_engine_remove(e, m); fl_engine_destroy(e);
 *
 * The model's IOMMU is then the cache of a device (PCIe: ATC): it is filled by translate(), and
 * the host empties it before what is in there ceases to be true.
 */
#ifndef FL_MODEL_HOST_H
#define FL_MODEL_HOST_H

#include <fl_model.h>

/** Memory of the host: IOVAs [first, last], whole pages. */
struct fl_model_run {
	uint64_t first, last;
	void *base; /* of first */
	unsigned prot;
};

struct fl_model_host_ops {
	/**
	 * What the device may access so at iova: 0 and a run around it, to be kept until it is
	 * invalidated or there are too many; -EAGAIN: nothing now, a page request may bring it;
	 * -ENOTSUP: it is there, and to be copied each time; -EFAULT: none.
	 */
	int (*translate)(void *arg, uint64_t iova, unsigned prot, struct fl_model_run *run);
	/** What translate() said is to be copied; 0 or -EFAULT. */
	int (*copy)(void *arg, uint64_t iova, void *buf, uint32_t len, bool write);
	/**
	 * Asks for a page; the answer comes by fl_model_host_answered(id), never from within.
	 * -EAGAIN: not now, the model tries it again at a later poll; -EFAULT: never.
	 */
	int (*page_request)(void *arg, uint32_t id, uint64_t iova, unsigned prot);
	/** An MSI or MSI-X vector (FL_VFIO_IRQ_MSI, FL_VFIO_IRQ_MSIX). */
	void (*interrupt)(void *arg, unsigned index, unsigned vec);
};

/** An engine whose models run in a thread of its own, or (thread = false) by the call below. */
int fl_engine_new(const struct fl_engine_opts *o, bool thread, struct fl_engine **out);
/** One poll() of every model; the work done. */
unsigned fl_engine_round(struct fl_engine *e, uint64_t now_ns);
/** Region access in naturally aligned pieces. -EINVAL outside of it. */
int fl_model_region(struct fl_model *m, unsigned index, uint64_t off, void *buf, uint32_t len,
		    bool write);
uint64_t fl_model_region_size(const struct fl_model *m, unsigned index);

#define FL_MODEL_HOST_ASKS 256u

/**
 * A model for this host. At most `asks` page requests at a time, up to FL_MODEL_HOST_ASKS; 0 =
 * none. -ENOTSUP: the model needs an interrupt line, which a host has not.
 */
int fl_model_host_add(struct fl_engine *e, const char *spec, const struct fl_model_host_ops *ops,
		      void *arg, unsigned asks, struct fl_model **out);
/** How many translations it keeps, at least 1 (1024). */
void fl_model_host_keep(struct fl_model *m, unsigned entries);
/** False: nobody waits for that answer (unknown, twice, given up, from before a reset). */
bool fl_model_host_answered(struct fl_model *m, uint32_t id, enum fl_model_pr_state state);
/** When this returns, nothing uses what was translated for [first, last]. */
void fl_model_host_invalidate(struct fl_model *m, uint64_t first, uint64_t last);
/** Bus master state, which fl_model_host_reset() ends as well. */
void fl_model_host_master(struct fl_model *m, bool on);
/** Function reset: translations and page requests under way are forgotten. */
void fl_model_host_reset(struct fl_model *m);
/** When a round has something to do by itself, UINT64_MAX = never. */
uint64_t fl_model_host_timer(const struct fl_model *m);

#endif
