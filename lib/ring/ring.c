/* SPDX-License-Identifier: BSD-3-Clause */
#include <fl_ring.h>

#include <numaif.h>
#include <sched.h>
#include <sys/mman.h>

#define RING_MAX_SIZE (1u << 30)
#define MAX_NODES     1024
#define BITS_PER_LONG (8 * sizeof(unsigned long))
/* long enough for a copy of any sane burst on another core, short against a time slice */
#define SPINS_BEFORE_YIELD 2000

/* the real symbols of the inline functions */
extern void fl_ptrs_copy8_(void **, void *const *);
extern void fl_ptrs_copy_(void **, void *const *, uint32_t);
extern void fl_ring_fill_(struct fl_ring *, uint64_t, void *const *, uint32_t);
extern void fl_ring_drain_(struct fl_ring *, uint64_t, void **, uint32_t);
extern uint32_t fl_ring_claim_one_(struct fl_ring_side *, const struct fl_ring_side *, uint32_t,
				   uint32_t, bool, uint64_t *);
extern uint32_t fl_ring_claim_many_(struct fl_ring_side *, const struct fl_ring_side *, uint32_t,
				    uint32_t, bool, uint64_t *);
extern void fl_ring_publish_many_(struct fl_ring_side *, uint64_t, uint32_t);
extern uint32_t fl_ring_sp_enqueue_(struct fl_ring *, void *const *, uint32_t, bool);
extern uint32_t fl_ring_mp_enqueue_(struct fl_ring *, void *const *, uint32_t, bool);
extern uint32_t fl_ring_sc_dequeue_(struct fl_ring *, void **, uint32_t, bool);
extern uint32_t fl_ring_mc_dequeue_(struct fl_ring *, void **, uint32_t, bool);
extern uint32_t fl_ring_sp_enqueue_bulk(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_sp_enqueue_burst(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_mp_enqueue_bulk(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_mp_enqueue_burst(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_sc_dequeue_bulk(struct fl_ring *, void **, uint32_t);
extern uint32_t fl_ring_sc_dequeue_burst(struct fl_ring *, void **, uint32_t);
extern uint32_t fl_ring_mc_dequeue_bulk(struct fl_ring *, void **, uint32_t);
extern uint32_t fl_ring_mc_dequeue_burst(struct fl_ring *, void **, uint32_t);
extern uint32_t fl_ring_enqueue_bulk(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_enqueue_burst(struct fl_ring *, void *const *, uint32_t);
extern uint32_t fl_ring_dequeue_bulk(struct fl_ring *, void **, uint32_t);
extern uint32_t fl_ring_dequeue_burst(struct fl_ring *, void **, uint32_t);

/*
 * Whoever claimed before us has not published. It is copying on another core, or was preempted
 * in mid-copy: then it may need this core, so give it up rather than burn a time slice. This is
 * the one place of the data plane that may enter the kernel.
 */
void fl_ring_wait_turn_(const uint64_t *tail, uint64_t turn)
{
	unsigned spins = 0;

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) != turn) {
		if (++spins < SPINS_BEFORE_YIELD) {
			fl_pause();
		} else {
			spins = 0;
			sched_yield();
		}
	}
}

/* A preference, so only a node that cannot be is an error: seccomp filters often refuse mbind. */
static int place(void *va, size_t len, int node)
{
	unsigned long mask[MAX_NODES / BITS_PER_LONG] = { 0 };

	mask[(size_t)node / BITS_PER_LONG] = 1ul << ((size_t)node % BITS_PER_LONG);
	if (mbind(va, len, MPOL_PREFERRED, mask, MAX_NODES + 1, 0) && errno == EINVAL)
		return -EINVAL;
	return 0;
}

int fl_ring_create(uint32_t size, unsigned flags, int node, struct fl_ring **out)
{
	struct fl_ring *r;
	size_t slots, len;

	if (size == 0 || size > RING_MAX_SIZE || flags & ~(FL_RING_SP | FL_RING_SC) || node < -1 ||
	    node >= MAX_NODES)
		return -EINVAL;
	slots = fl_pow2_up(size);
	len = sizeof(*r) + slots * sizeof(r->slots[0]);
	/* not touched before use: a large ring costs no more than a small one */
	r = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0);
	if (r == MAP_FAILED)
		return -ENOMEM;
	if (node >= 0 && place(r, len, node)) {
		munmap(r, len);
		return -EINVAL;
	}
	r->mask = (uint32_t)slots - 1;
	r->capacity = size;
	r->flags = flags;
	r->map_len = len;
	*out = r;
	return 0;
}

void fl_ring_free(struct fl_ring *r)
{
	if (r)
		munmap(r, r->map_len);
}

uint32_t fl_ring_count(const struct fl_ring *r)
{
	uint64_t out = __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);
	uint64_t n = __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE) - out;

	/* consumers may have gone on between the two loads */
	return n < r->capacity ? (uint32_t)n : r->capacity;
}

uint32_t fl_ring_capacity(const struct fl_ring *r)
{
	return r->capacity;
}
