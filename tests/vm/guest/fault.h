/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vm-fault's cases share: a SEC, buffers, requests whose every byte is checked.
 *
 * A buffer's word at an offset tells the buffer, the offset and the generation it was written in.
 * Requests are AES-CTR with the counter at zero where each CHUNK of the buffers begins, from one
 * buffer to the same place of another: so a byte of the result depends on where it stands and on
 * what was read, not on how the requests were cut.
 */
#ifndef VM_FAULT_H
#define VM_FAULT_H

#include <fl_crypto.h>
#include <fl_residency.h>
#include <pthread.h>

#define PAGE   4096ul
#define HUGE   (2ul << 20)
#define CHUNK  (64ul << 10)
#define DEPTH  16u
#define BUDGET (4ul << 20) /* where what a device may reach is pinned */

enum kind {
	OWN,   /* private anonymous memory of the program's */
	FILED, /* a shared mapping of a file that the program can cut */
	HUGETLB,
	SHARED, /* the library's memfd */
};

struct buf {
	struct fl_mem *mem;
	struct fl_dma_area *area;
	uint8_t *va;
	uint64_t len;
	uint8_t *gen; /* of each page */
	unsigned id;
	int fd;
};

/* a queue pair, for one thread */
struct lane {
	struct rig *r;
	struct fl_qp *qp;
	struct fl_op *ops[DEPTH];
	struct fl_seg seg[DEPTH][2];
	uint64_t good, refused; /* refused: FL_OP_FAULT */
};

/* what is locked and pinned, looked at all the time */
struct sampler {
	pthread_t thread;
	bool stop;
	uint64_t most, looks;
};

struct rig {
	const char *uri;
	const char *folder; /* of FILED */
	struct fl_ctx *ctx;
	struct fl_dma_space *space;
	struct fl_cryptodev *d;
	struct fl_session *s;
	struct fl_op_pool *pool;
	struct lane lane[2];
	struct sampler sampler;
	uint64_t base;	 /* locked before there were buffers */
	uint64_t budget; /* where what a device may reach is pinned; 0 = BUDGET */
	uint64_t allows; /* bytes that a case pins itself */
	bool kernel;	 /* it resolves, else the library does */
	bool pins;	 /* what can be reached is pinned */
	bool polls;	 /* the library resolves when the case dispatches */
	unsigned errors, removed, requests, bufs;
};

/* ---- the end of all hope */

_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void must(const char *what, int64_t got, int64_t want);
void between(const char *what, uint64_t got, uint64_t least, uint64_t most);

/* ---- life */

void rig_open(struct rig *r);
/** Nothing may be left: locked, open or mapped. */
void rig_close(struct rig *r);
/** Without the device, as after its removal. */
void dev_open(struct rig *r);
void dev_close(struct rig *r);
uint64_t locked(void);
/** A number of /proc/vmstat, -1 = it has none of that name. */
int64_t vmstat(const char *name);

void buf_open(struct rig *r, struct buf *b, uint64_t len, enum kind kind);
void buf_close(struct buf *b);
struct fl_residency_stats stats(const struct buf *b);
/** Pages that one fault brings: 1, or 0 = adaptive. */
void around(struct rig *r, uint32_t pages);
/** Memory back to the system, as an application does it there. */
void drop(struct rig *r, struct buf *b, uint64_t off, uint64_t len);

/* ---- data */

void fill(struct buf *b, uint64_t off, uint64_t len, uint8_t gen);
/** dst is what becomes of src there, which is as it was filled, or of nothing but zeros. */
void check(const struct buf *src, const struct buf *dst, uint64_t off, uint64_t len);
void check_zeros(const struct buf *dst, uint64_t off, uint64_t len);
/** The same where others were at work: each word is that of some generation, or zeros were read, or
 * it was lost itself. */
void check_loosely(const struct buf *src, const struct buf *dst, uint64_t off, uint64_t len);
/** src holds what it was filled with. */
bool is_filled(const struct buf *src, const uint8_t *at, uint64_t off, uint64_t len);
/** A word of the key stream of a chunk. */
uint64_t stream_word(uint64_t off);

/* ---- requests */

/** Request i of a lane, not longer than to the end of the chunk that it begins in. */
struct fl_op *lane_op(struct lane *l, unsigned i, const struct buf *src, const struct buf *dst,
		      uint64_t off, uint64_t len);
void lane_give(struct lane *l, struct fl_op *op);
/** The next one, in the order in which they were given. */
struct fl_op *lane_take(struct lane *l);
/** Requests over a range, cut where chunks end; how many came back as FL_OP_FAULT. */
unsigned lane_run(struct lane *l, const struct buf *src, const struct buf *dst, uint64_t off,
		  uint64_t len);
/** A range that is not refused anywhere, and every byte of it. */
void works(struct lane *l, const struct buf *src, const struct buf *dst, uint64_t off,
	   uint64_t len);

/* ---- requests meanwhile, on the second lane */

struct traffic {
	struct lane *l;
	const struct buf *src, *dst;
	pthread_t thread;
	bool stop, exact; /* exact: nobody touches the data */
	unsigned seed;
};
void traffic_start(struct traffic *t, struct lane *l, const struct buf *src, const struct buf *dst,
		   bool exact);
/** There was some; refused ones only where that is meant to be. */
void traffic_stop(struct traffic *t, bool may_be_refused);

/* ---- cases */

struct args {
	uint64_t size; /* bytes, 0 = the case's own */
	const char *extra;
};
struct named_case {
	const char *name;
	void (*fn)(struct rig *r, const struct args *a);
};
/* each ends with a NULL name */
extern const struct named_case memory_cases[], range_cases[], life_cases[], group_cases[],
	our_cases[], wrong_cases[];

#endif
