/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of lib/model share, and how a test runs a model without a thread or a socket:
 *
 *   fl_engine_new(&opts, false, &e);              an engine that the caller turns by hand
 *   fl_engine_add_ops(e, &ops, "key=value", NULL, -1, 0, &m);        a model with no client
 *   fl_model_map(m, iova, size, prot, fd, off);   what DMA_MAP does (fd -1: no direct access;
 *                                                 prot with FL_IOMMU_LAZY: a lazy area)
 *   fl_pages_open(m, max);                        a client that answers page requests: these are
 *                                                 then in m->pages.out, and answered by
 *   fl_model_grant(m, iova, len, prot), fl_pages_answer(m, group, state)
 *   fl_model_region(m, index, off, buf, len, write);         what REGION_READ/WRITE do
 *   fl_model_irq_set(m, index, start, count, flags, bools, fds, nfds)
 *   fl_engine_round(e, now);                      one round of every poll()
 *   fl_engine_destroy(e);
 */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include <fl_model_host.h>
#include <fl_wire.h>
#include <vfio_user.h>

#include <pthread.h>
#include <string.h>

#define FL_MODEL_PAGE	  4096u
#define FL_MODEL_CFG	  4096u
#define FL_MODEL_REGIONS  9u
#define FL_MODEL_IRQS	  5u
#define FL_MODEL_MAX_MSI  32u
#define FL_MODEL_MAX_MSIX 2048u
#define FL_MODEL_MAX_MAPS 65535u
#define FL_MODEL_MAX_ARGS 32u

/* ---- args.c --------------------------------------------------------------------------- */

struct fl_args {
	const struct fl_log *log;
	char *text;
	unsigned n;
	struct {
		const char *key, *val;
		bool used;
	} kv[FL_MODEL_MAX_ARGS];
};
/** text may be NULL or empty. -EINVAL with a message: a key twice or empty, too many. */
int fl_args_parse(const struct fl_log *log, const char *text, struct fl_args *a);
/** Says which key nobody asked for; -EINVAL then. */
int fl_args_check_used(const struct fl_args *a);
void fl_args_free(struct fl_args *a);
/** One number with suffix k, M, G (powers of 1000); all of `s` must be used up. */
int fl_parse_u64(const char *s, uint64_t *out);

/* ---- iommu.c -------------------------------------------------------------------------- */

struct fl_iommu_map {
	uint64_t first, last;
	uint8_t *base; /* NULL: only by message */
	unsigned prot;
	uint8_t *mem; /* what is mmapped for it */
	uint64_t mem_len;
	/** a lazy area: which pages were granted for reading, for writing, and how many; NULL else
	 */
	uint64_t *granted[2], count[2];
};

struct fl_iommu {
	struct fl_model_iommu pub;
	struct fl_iommu_map *map; /* sorted, disjoint */
	unsigned n, cap;
	uint64_t lazy_bytes;
	/** address space where small maps that are neighbours stand side by side; NULL: none yet,
	 * or (no_arena) none can be had */
	uint8_t *arena;
	uint64_t arena_first; /* the IOVA that stands at its start */
	bool no_arena;
	/* a host's: entries at most, the next that gives its place away, whether one did */
	unsigned most, hand;
	bool evicted;
};

#define FL_IOMMU_LAZY	  0x100u       /* with prot: nothing of it can be reached until granted */
#define FL_IOMMU_LAZY_MAX (1ull << 40) /* bytes of such areas, for their bitmaps' sake */

int fl_iommu_map(struct fl_iommu *u, const struct fl_log *log, uint64_t iova, uint64_t size,
		 unsigned prot, int fd, uint64_t off);
/** Every map inside [iova, iova+size); -ENOENT when there is none, -EINVAL if one sticks out. */
int fl_iommu_unmap(struct fl_iommu *u, uint64_t iova, uint64_t size);
void fl_iommu_clear(struct fl_iommu *u);
/** A host's translation, which replaces those that it overlaps; NULL: it cannot be kept. */
const struct fl_iommu_map *fl_iommu_fill(struct fl_iommu *u, const struct fl_model_run *run);
bool fl_iommu_overlaps(const struct fl_iommu *u, uint64_t first, uint64_t last);
/** Every entry that overlaps, whole: nothing that it was good for is in use any more. */
void fl_iommu_forget(struct fl_iommu *u, uint64_t first, uint64_t last);
const struct fl_iommu_map *fl_iommu_find(const struct fl_iommu *u, uint64_t iova);
/** -EINVAL where it is not inside one lazy area, or prot is more than the area's. */
int fl_iommu_grant(struct fl_iommu *u, uint64_t iova, uint64_t len, unsigned prot);
/** Whether something of it is granted; -EINVAL where it touches what is not lazy. */
int fl_iommu_granted(const struct fl_iommu *u, uint64_t iova, uint64_t len);
void fl_iommu_revoke(struct fl_iommu *u, uint64_t iova, uint64_t len);
/** A whole area, prot as it was mapped with, FL_IOMMU_LAZY or not. */
int fl_iommu_convert(struct fl_iommu *u, const struct fl_log *log, uint64_t iova, uint64_t len,
		     unsigned prot);

/* ---- iotlb.c: pages of one lazy area, counted from its start, both ends inclusive --------- */

int fl_iotlb_init(struct fl_iommu_map *e);
void fl_iotlb_free(struct fl_iommu_map *e);
void fl_iotlb_grant(struct fl_iommu_map *e, uint64_t first, uint64_t last, unsigned prot);
bool fl_iotlb_any(const struct fl_iommu_map *e, uint64_t first, uint64_t last);
void fl_iotlb_revoke(struct fl_iommu_map *e, uint64_t first, uint64_t last);
/** The first page that may not be accessed so; last + 1 = all may. */
uint64_t fl_iotlb_missing(const struct fl_iommu_map *e, uint64_t first, uint64_t last,
			  unsigned prot);
/**
 * Widens [*first, *last] to the granted run around it, within bounds, and *prot to what holds for
 * all of it. False: not all of it is granted.
 */
bool fl_iotlb_run(const struct fl_iommu_map *e, uint64_t *first, uint64_t *last, unsigned *prot);

/* ---- page.c: page requests ---------------------------------------------------------------- */

#define FL_MODEL_PAGE_REQS    256u /* under way, at most */
#define FL_MODEL_PAGE_TIMEOUT 3000000000ull

struct fl_page_req {
	uint64_t iova; /* its first page */
	uint64_t deadline;
	uint32_t id;   /* the group's number; 0 = free */
	uint32_t refs; /* pieces of work that wait for it; 0 = given up */
	unsigned prot;
	bool owed; /* the client has yet to answer, though nobody may wait any more */
	enum fl_model_pr_state state;
};

struct fl_page_msg {
	struct fl_vu_hdr hdr;
	struct fl_vu_page_request req;
};

struct fl_pages {
	unsigned max;	  /* 0 = the client answers none */
	unsigned waiting; /* for an answer that may still be in time */
	unsigned lost;	  /* owed an answer that comes too late, if it does */
	uint32_t seq;	  /* goes on from client to client: no number means two requests */
	uint64_t now;	  /* as of this round */
	uint64_t next_look;
	uint64_t overdue; /* nothing is before then */
	uint64_t timeout_ns;
	struct fl_page_req *req;
	uint16_t *free;
	unsigned nfree;
	/* messages that are to be sent, and how much has been */
	struct fl_page_msg *out;
	unsigned nout;
	size_t sent;
	bool fresh;
};

int fl_pages_open(struct fl_model *m, unsigned max);
/** The client is gone: nobody answers any more. */
void fl_pages_close(struct fl_model *m);
/** A reset: no work waits any more, but the client still answers. */
void fl_pages_drop(struct fl_model *m);
/**
 * After a poll() that did some work, while requests are under way: sends them, takes answers in
 * and finds those that are lost. The work with that.
 */
unsigned fl_pages_round(struct fl_model *m, unsigned work);
/** False: nobody waits for that group. */
bool fl_pages_answer(struct fl_model *m, uint32_t group, enum fl_model_pr_state state);

/* ---- host.c ---------------------------------------------------------------------------- */

/** Makes the host the client of a model that has none; removes it when that fails. */
int fl_host_adopt(struct fl_model *m, const struct fl_model_host_ops *ops, void *arg,
		  unsigned asks);
/** The entry of that page, by asking the host if need be; what its translate() says otherwise. */
int fl_host_reach(struct fl_model *m, uint64_t iova, unsigned prot, const struct fl_iommu_map **e);
int fl_host_copy(struct fl_model *m, uint64_t iova, uint8_t *buf, uint32_t len, bool write);
/** The first page of [iova, last] to be asked for; -EFAULT: none is. */
int fl_host_missing(struct fl_model *m, uint64_t iova, uint64_t last, unsigned prot,
		    uint64_t *missing);

/* ---- irq.c ---------------------------------------------------------------------------- */

struct fl_irq_vec {
	int fd; /* eventfd to signal, -1 = none */
	bool masked, pending;
};

struct fl_irq_index {
	unsigned count;
	struct fl_irq_vec *vec;
};

struct fl_irqs {
	struct fl_irq_index index[FL_MODEL_IRQS];
	int unmask_fd;		    /* INTx: unmasks when it is signalled */
	bool level;		    /* INTx: the model's line */
	bool msg_on[FL_MODEL_IRQS]; /* a vector of it has an eventfd */
};

int fl_irqs_init(struct fl_model *m);
/** Forgets every eventfd and mask: the client is gone. */
void fl_irqs_release(struct fl_model *m);
void fl_irqs_free(struct fl_model *m);
void fl_irqs_reset(struct fl_model *m);
/** INTx conditions (level, mask, command register) may have changed. */
void fl_irq_intx_update(struct fl_model *m);
/** The unmask eventfd is readable. */
void fl_irq_unmask_event(struct fl_model *m);
/** flags are VFIO's; takes the fds that it uses (sets them to -1). */
int fl_model_irq_set(struct fl_model *m, unsigned index, unsigned start, unsigned count,
		     uint32_t flags, const uint8_t *bools, int *fds, unsigned nfds);
uint32_t fl_irq_flags(unsigned index);
/** Pending bits of MSI-X vectors 64 * qword and up. */
uint64_t fl_irq_pba(const struct fl_model *m, unsigned qword);

/* ---- pci.c ---------------------------------------------------------------------------- */

struct fl_pci_cfg {
	uint8_t now[FL_MODEL_CFG], reset[FL_MODEL_CFG];
	uint8_t wmask[FL_MODEL_CFG], w1c[FL_MODEL_CFG];
	uint8_t owned[FL_MODEL_CFG]; /* bytes that belong to a capability */
	unsigned msi, msix, pcie;    /* offsets of capabilities, 0 = none */
	unsigned last_cap, last_ext;
	unsigned msi_vectors, msix_vectors, msix_bar;
	uint64_t msix_table, msix_pba;
	uint32_t msix_mem[FL_MODEL_MAX_MSIX * 4];
};

/** Aligned, size 1, 2 or 4, inside the space. */
void fl_mpci_write(struct fl_model *m, unsigned off, unsigned size, uint32_t v);
/** Access to the MSI-X table or pending bits, which the library keeps; false: elsewhere. */
bool fl_pci_msix_access(struct fl_model *m, unsigned bar, uint64_t off, unsigned size, uint64_t *v,
			bool write);
void fl_pci_init(struct fl_model *m);
void fl_pci_reset(struct fl_model *m);
unsigned fl_pci_cfg_size(const struct fl_model *m);

/* ---- model.c -------------------------------------------------------------------------- */

struct fl_server;

struct fl_model {
	const struct fl_model_ops *ops;
	void *state;
	struct fl_engine *engine;
	const struct fl_log *log;
	struct fl_model *next;
	unsigned ordinal;
	struct fl_iommu mmu;
	struct fl_pages pages;
	bool no_page_requests;
	struct fl_irqs irq;
	struct fl_pci_cfg pci;
	struct fl_model_bar bar[FL_MODEL_BARS];
	uint8_t *bar_mem[FL_MODEL_BARS]; /* whole BAR, where it has shared ranges */
	int bar_fd[FL_MODEL_BARS];
	struct fl_model_stats stats;
	struct fl_server *srv; /* NULL: no client ever, or a host */
	const struct fl_model_host_ops *host;
	void *host_arg;
	bool ready;	  /* create() is over: no more set-up */
	int set_up_error; /* what a set-up call said */
	bool auto_remove; /* goes with its client */
};

#define FL_ADD_AUTO_REMOVE 1u

/** The model with that number, NULL = none. */
struct fl_model *fl_engine_find(const struct fl_engine *e, unsigned ordinal);
/** Lowest number that no model of the engine has. */
unsigned fl_engine_free_ordinal(const struct fl_engine *e);
int fl_model_new(struct fl_engine *e, const struct fl_model_ops *ops, const char *args,
		 struct fl_model **out);
void fl_model_free(struct fl_model *m);
/** What the client mapped is about to go, or the right to it: the model lets go of it first. */
void fl_model_quiesce(struct fl_model *m);
/** Function reset: the client's mappings and eventfds stay. */
void fl_model_reset(struct fl_model *m);
/** The client is gone: mappings, eventfds, shared memory go too, then a reset. */
void fl_model_release(struct fl_model *m);
int fl_model_map(struct fl_model *m, uint64_t iova, uint64_t size, unsigned prot, int fd,
		 uint64_t off);
int fl_model_unmap(struct fl_model *m, uint64_t iova, uint64_t size);
void fl_model_unmap_all(struct fl_model *m);
/** What PAGE_GRANT, PAGE_INVALIDATE and AREA_CONVERT do, the ranges in whole pages. */
int fl_model_grant(struct fl_model *m, uint64_t iova, uint64_t len, unsigned prot);
int fl_model_invalidate(struct fl_model *m, uint64_t iova, uint64_t len);
int fl_model_convert(struct fl_model *m, uint64_t iova, uint64_t len, unsigned prot);
/* ---- engine.c ------------------------------------------------------------------------- */

int fl_engine_add_ops(struct fl_engine *e, const struct fl_model_ops *ops, const char *args,
		      const char *path, int fd, unsigned flags, struct fl_model **out);
/** fl_engine_add() with flags. */
int fl_engine_add_spec(struct fl_engine *e, const char *spec, const char *path, int fd,
		       unsigned flags, struct fl_model **out);
/** Looks at every socket once, waiting up to timeout_ns; whether one had something. */
bool fl_engine_sockets(struct fl_engine *e, uint64_t timeout_ns);
const struct fl_log *fl_engine_log(const struct fl_engine *e);
/** Wires of this engine, for names and for the fds that a sleep waits on. */
struct fl_wire **fl_engine_wires(struct fl_engine *e);

#endif
