/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page requests, whatever they come by: what is outstanding, resolved and answered.
 *
 * A transport puts what its devices ask for into a queue, with a lock of its own held; whoever
 * serves the transport resolves it, with the lock let go, as resolving takes the space's lock,
 * which comes before it. One thread at a time resolves. Requests of a group are answered together.
 *
 * Requests that lead nowhere are answered later and later once they come faster than any fault
 * would, so that a device which makes nothing else soon has all its groups waiting and no more to
 * ask with.
 */
#ifndef FL_PAGEQ_H
#define FL_PAGEQ_H

#include <fl_dma.h>

#include <pthread.h>

/** Who asks, as far as storms go. */
struct fl_page_source {
	uint64_t busy_until; /* when what it asked for in vain is paid for */
	unsigned held;	     /* answers of its that are put off */
};

struct fl_page_request {
	uint64_t iova, len, arrived_ns;
	uint32_t group;
	unsigned prot, tries;
	uint64_t not_before; /* 0 = at once */
};

/** Page requests that are answered together. */
struct fl_page_group {
	uint32_t number;
	unsigned requests, waiting;   /* all, and not resolved yet */
	bool closed;		      /* no more belong to it */
	bool refused, spurious, lead; /* one was refused, or granted before, or led somewhere */
	int err;		      /* the worst so far: -EFAULT is final */
	uint64_t due;		      /* answered then, 0 = at once */
	struct fl_page_source *source;
};

struct fl_pageq;

struct fl_pageq_ops {
	/** A group is over, and the lock held; it is forgotten when this returns. */
	void (*answer)(struct fl_pageq *p, const struct fl_page_group *g);
	/** Answers may wait for more of them; `last`: no more come soon. */
	void (*flush)(struct fl_pageq *p, bool last);
};

struct fl_pageq {
	const struct fl_pageq_ops *ops;
	pthread_mutex_t *lock; /* held by who calls; for all that follows */
	/** requests that failed and might not later are tried so often again */
	unsigned retries;
	/** answers to one source that are put off, at most */
	unsigned held_max;

	struct fl_dma_domain *domain; /* NULL: nothing is resolved now */
	unsigned session;	      /* what was asked before another began is forgotten */
	/* outstanding, in no order */
	struct fl_page_group *groups;
	unsigned ngroups, groups_cap;
	/* not resolved yet: [head, head + n), of which `delayed` wait for their time */
	struct fl_page_request *queue;
	unsigned head, n, queue_cap, delayed;
	bool resolving, granted;
	pthread_t resolver;
	bool ahead; /* fl_dma_fault_ahead() has more to do */
	unsigned nlate;
};

/** Room for so many groups and requests; -ENOMEM. */
FL_MUST int fl_pageq_reserve(struct fl_pageq *p, unsigned groups, unsigned requests);
void fl_pageq_free(struct fl_pageq *p);
/** Forgets what was asked. */
void fl_pageq_reset(struct fl_pageq *p);

struct fl_page_group *fl_pageq_find(struct fl_pageq *p, uint32_t number);
/** There is room; the number is not in use. */
struct fl_page_group *fl_pages_open_group(struct fl_pageq *p, uint32_t number,
					  struct fl_page_source *source);
/** Of a group that is outstanding; there is room. */
void fl_pageq_push(struct fl_pageq *p, struct fl_page_group *g, const struct fl_page_request *r);
/** Nobody waits for the group any more. */
void fl_pageq_drop(struct fl_pageq *p, struct fl_page_group *g);

/** The transport has granted something: was it for a request? Then an answer follows soon. */
bool fl_pageq_granted(struct fl_pageq *p);
/** Resolves what is queued, with the lock let go meanwhile, unless another thread does. */
void fl_pageq_resolve(struct fl_pageq *p);

#define FL_PAGEQ_NOW 1u
/** When there is something to do, in time of CLOCK_MONOTONIC; 0 = nothing. */
uint64_t fl_pageq_alarm(const struct fl_pageq *p);
/** Sets a timerfd to that; *set is what it is set to. */
void fl_pageq_arm(int timer_fd, uint64_t *set, uint64_t at);

#endif
