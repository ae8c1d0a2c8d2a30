/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which windows go, and when they may: CLOCK, where the bit that says "used" is set by nobody on a
 * hit. Some windows are demoted together: they stay mapped, but who hands over a buffer in one
 * comes by fl_dma_post() once, which warms it again. One that is still cold later was not used,
 * and goes when no queue may have a buffer in it:
 *
 *  - fl_dma_resident() fails there in every section that begins after the membarrier that follows
 *    the demotion;
 *  - a section that had begun earlier may have hit, so nothing goes while one such is open;
 *  - what sections that are over have handed over is what the queues are asked for, holds().
 *
 * Nobody is waited for, but shortly by who takes a range away. Under the space's lock.
 */
#include "post_internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VAIN_MAX 64u	  /* windows that one miss looks at in vain */
#define AHEAD	 8u	  /* the last 1/8 of the budget: time to look for what may go */
#define KEPT_MAX 512u	  /* posts before one section: segments of a frame or a request */
#define WAIT_NS	 2000000u /* for open sections and marks, by who takes a range away */
#define PATIENT	 16u	  /* after a wait in vain none for so many times as long */

struct fl_dma_kept {
	uint32_t seq; /* of the queue, as they were posted */
	unsigned n;
	struct fl_unit v[KEPT_MAX];
};

/* ---- the budget ------------------------------------------------------------------------- */

/* Bytes of windows that the user keeps some of, if they are mapped. */
static uint64_t kept_bytes(const struct fl_posted *p)
{
	const struct fl_pins *pins = &p->area->pins;
	unsigned shift = p->area->pub.window_shift;
	uint64_t sum = 0, next = 0;

	if (!p->area->pub.windows || !pins->n)
		return 0;
	for (size_t i = 0; i < pins->n && !p->whole; i++) {
		uint64_t first = pins->v[i].first >> shift, end = (pins->v[i].last >> shift) + 1;

		first = first > next ? first : next;
		sum += end > first ? (end - first) << shift : 0;
		next = end > next ? end : next;
	}
	return p->whole || sum > p->mapped ? p->mapped : sum;
}

uint64_t fl_over_budget(const struct fl_dma_space *s, uint64_t len)
{
	uint64_t budget = s->residency.budget, kept = 0;
	uint64_t used = s->poster->charged + fl_granted_bytes(s);

	if (used <= budget && len <= budget - used)
		return 0;
	for (const struct fl_posted *p = s->poster->areas; p; p = p->next)
		kept += kept_bytes(p);
	used += len - kept;
	return used > budget ? used - budget : 0;
}

/* ---- queues ----------------------------------------------------------------------------- */

static bool has_membarrier(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

int fl_dma_queue_add(struct fl_dma_space *s, struct fl_dma_queue *q,
		     const struct fl_dma_queue_ops *ops, void *arg, uint64_t floor)
{
	struct fl_dma_kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	*q = (struct fl_dma_queue){
		.fence = !has_membarrier(),
		.registered = true,
		.space = s,
		.ops = ops,
		.arg = arg,
		.floor = floor,
		.kept = kept,
	};
	pthread_mutex_lock(&s->lock);
	q->next = s->poster->queues;
	s->poster->queues = q;
	s->poster->floors += floor;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void fl_dma_queue_del(struct fl_dma_queue *q)
{
	struct fl_dma_queue **at;

	if (!q->registered)
		return;
	pthread_mutex_lock(&q->space->lock);
	for (at = &q->space->poster->queues; *at != q; at = &(*at)->next)
		;
	*at = q->next;
	q->space->poster->floors -= q->floor;
	pthread_mutex_unlock(&q->space->lock);
	free(q->kept);
	*q = (struct fl_dma_queue){ 0 };
}

static uint32_t seq_of(const struct fl_dma_queue *q)
{
	return __atomic_load_n(&q->seq, __ATOMIC_ACQUIRE);
}

static uint64_t mark_of(const struct fl_dma_queue *q)
{
	return q->ops->mark ? q->ops->mark(q->arg) : 0;
}

/*
 * Makes sure that sections which begin from now on find what was demoted before cold, and notes
 * where each queue stands.
 */
static bool take_marks(struct fl_dma_space *s)
{
	bool fenced = true;

	for (struct fl_dma_queue *q = s->poster->queues; q; q = q->next)
		fenced &= q->fence;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!fenced && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		return false;
	for (struct fl_dma_queue *q = s->poster->queues; q; q = q->next) {
		q->mark_seq = seq_of(q);
		q->mark = mark_of(q);
	}
	return true;
}

/* No section is open that was when the marks were taken. */
static bool sections_over(struct fl_dma_space *s)
{
	for (struct fl_dma_queue *q = s->poster->queues; q; q = q->next) {
		if (!(q->mark_seq & 1))
			continue;
		if (seq_of(q) == q->mark_seq)
			return false;
		/* what it handed over was not all there yet */
		q->mark = mark_of(q);
		q->mark_seq = 0;
	}
	return true;
}

enum answer {
	NO,
	LATER, /* a queue that only knows what came after what */
	YES,
};

/* Whether a queue may have a buffer there; all sections that may have hit are over. */
static enum answer is_held(const struct fl_dma_space *s, struct fl_unit u)
{
	struct fl_dma_mapping m = fl_unit_mapping(u);
	fl_iova_t last = fl_iova_add(m.iova, m.len - 1);
	enum answer a = NO;

	for (const struct fl_dma_queue *q = s->poster->queues; q && a != YES; q = q->next)
		if (q->ops->holds(q->arg, m.iova, last, q->mark))
			a = q->ops->mark ? LATER : YES;
	return a;
}

/* ---- what was posted for a section to come ------------------------------------------------ */

void fl_evict_keep(struct fl_dma_queue *q, struct fl_unit u)
{
	struct fl_dma_kept *k = q->kept;

	if (k->seq != q->seq)
		k->n = 0;
	k->seq = q->seq;
	if (k->n < KEPT_MAX)
		k->v[k->n++] = u;
}

static bool is_kept(const struct fl_dma_space *s, struct fl_unit u)
{
	for (const struct fl_dma_queue *q = s->poster->queues; q; q = q->next) {
		if (!q->kept->n || seq_of(q) - q->kept->seq > 1)
			continue;
		for (unsigned i = 0; i < q->kept->n; i++)
			if (fl_units_meet(u, q->kept->v[i]))
				return true;
	}
	return false;
}

void fl_evict_forget(struct fl_posted *p)
{
	struct fl_poster *ps = p->area->pub.space->poster;
	unsigned n = 0;

	for (unsigned i = 0; i < ps->ncold; i++)
		if (ps->cold[i].p != p)
			ps->cold[n++] = ps->cold[i];
	ps->ncold = n;
	if (ps->hand == p)
		ps->hand = NULL;
	for (struct fl_dma_queue *q = ps->queues; q; q = q->next)
		for (unsigned i = 0; i < q->kept->n; i++)
			if (q->kept->v[i].p == p)
				q->kept->v[i] = (struct fl_unit){ 0 };
}

/* ---- the clock ---------------------------------------------------------------------------- */

static bool may_demote(const struct fl_dma_space *s, struct fl_unit u, struct fl_unit guard)
{
	return fl_unit_state(u) & FL_WINDOW_HOT && !fl_unit_pinned(u) && !fl_units_meet(u, guard) &&
	       !is_kept(s, u);
}

/* Looks at the windows of the hand's area from there up to `end`, until the batch is full. */
static void turn(struct fl_dma_space *s, uint64_t end, unsigned most, struct fl_unit guard)
{
	struct fl_poster *ps = s->poster;
	struct fl_posted *p = ps->hand;

	/* pinned ones are looked at by nobody */
	if (!p->mapped || !p->area->pub.windows)
		ps->hand_at = end;
	while (ps->hand_at < end && ps->ncold < most) {
		struct fl_unit u = fl_unit_of(p, ps->hand_at);

		ps->hand_at = u.first + u.n;
		if (may_demote(s, u, guard)) {
			fl_unit_heat(u, false);
			ps->cold[ps->ncold++] = u;
		}
	}
}

/* Demotes the next ones, once the last batch is done with; whether there are any. */
static bool demote(struct fl_dma_space *s, struct fl_unit guard)
{
	struct fl_poster *ps = s->poster;
	uint64_t most = ps->units / AHEAD, begin;
	struct fl_posted *first;

	if (!ps->areas)
		return false;
	if (!ps->hand) {
		ps->hand = ps->areas;
		ps->hand_at = 0;
	}
	most = most < 1 ? 1 : most < FL_COLD_MAX ? most : FL_COLD_MAX;
	first = ps->hand;
	begin = ps->hand_at;
	do {
		turn(s, ps->hand->n, (unsigned)most, guard);
		if (ps->hand_at >= ps->hand->n) {
			ps->hand = ps->hand->next ? ps->hand->next : ps->areas;
			ps->hand_at = 0;
		}
	} while (ps->ncold < most && ps->hand != first);
	if (ps->ncold < most)
		turn(s, begin, (unsigned)most, guard);
	if (ps->ncold && !take_marks(s)) {
		while (ps->ncold)
			fl_unit_heat(ps->cold[--ps->ncold], true);
	}
	return ps->ncold;
}

/* Unmaps what is cold still and in no queue, until no more than `target` bytes are charged. */
static void sweep(struct fl_dma_space *s, uint64_t target)
{
	struct fl_poster *ps = s->poster;
	unsigned left = 0, i;

	if (!ps->ncold || !sections_over(s))
		return;
	for (i = 0; i < ps->ncold && ps->charged > target; i++) {
		struct fl_unit u = ps->cold[i];
		struct fl_residency_stats *counts = &u.p->area->counts;
		enum answer a;

		/* used since, or gone */
		if ((fl_unit_state(u) & (FL_WINDOW_MAPPED | FL_WINDOW_HOT)) != FL_WINDOW_MAPPED)
			continue;
		a = fl_unit_pinned(u) ? YES : is_held(s, u);
		if (a == NO && !fl_unit_unmap(u)) {
			counts->evictions++;
			continue;
		}
		counts->evict_busy++;
		if (a == LATER)
			ps->cold[left++] = u;
		else
			fl_unit_heat(u, true);
	}
	while (i < ps->ncold)
		ps->cold[left++] = ps->cold[i++];
	ps->ncold = left;
}

bool fl_evict(struct fl_dma_space *s, uint64_t bytes, struct fl_unit guard)
{
	struct fl_poster *ps = s->poster;
	uint64_t target = bytes < ps->charged ? ps->charged - bytes : 0;

	bool enough = bytes <= ps->charged;

	sweep(s, target);
	for (unsigned vain = 0; ps->charged > target && vain < VAIN_MAX && !ps->ncold;) {
		uint64_t before = ps->charged;

		if (!demote(s, guard))
			break;
		vain += ps->ncold;
		sweep(s, target);
		vain = ps->charged < before ? 0 : vain;
	}
	return enough && ps->charged <= target;
}

/* Who holds more gives first, so that neither starves the other. */
bool fl_make_room(struct fl_dma_space *s, uint64_t bytes, struct fl_unit guard)
{
	uint64_t over = fl_over_budget(s, bytes);
	bool posted = over && s->poster->charged > fl_granted_bytes(s);

	for (unsigned i = 0; over && i < 2; i++, posted = !posted) {
		if (posted)
			(void)fl_evict(s, over, guard);
		else
			(void)fl_granted_evict(s, over);
		over = fl_over_budget(s, bytes);
	}
	return !over;
}

int fl_budget_room(struct fl_dma_space *s, uint64_t bytes)
{
	return fl_make_room(s, bytes, (struct fl_unit){ 0 }) ? 0 : -ENOMEM;
}

void fl_evict_ahead(struct fl_dma_space *s, struct fl_unit guard)
{
	if (!s->poster->ncold && fl_over_budget(s, s->residency.budget / AHEAD))
		(void)demote(s, guard);
}

/* ---- taking a range away ------------------------------------------------------------------ */

static uint64_t since(uint64_t ns)
{
	return fl_now_ns() - ns;
}

int fl_evict_quiesce(struct fl_dma_space *s, struct fl_unit range)
{
	uint64_t begin = fl_now_ns();
	enum answer a;

	if (is_kept(s, range))
		return -EBUSY;
	fl_unit_heat(range, false);
	if (!take_marks(s))
		return -EBUSY;
	while (!sections_over(s)) {
		if (since(begin) > WAIT_NS)
			return -EBUSY;
		sched_yield();
	}
	/* a queue that is never empty says yes of every range, until it is past the mark */
	while ((a = is_held(s, range)) == LATER && begin >= s->poster->patient_ns &&
	       since(begin) <= WAIT_NS)
		sched_yield();
	/* one that stands still would say it of each window of an area */
	if (a == LATER && begin >= s->poster->patient_ns)
		s->poster->patient_ns = fl_now_ns() + PATIENT * WAIT_NS;
	return a == NO ? 0 : -EBUSY;
}
