/* SPDX-License-Identifier: BSD-3-Clause */
/* What a SEC2 that errs, lies, stops or goes away can do to its driver: nothing but its worst. */
#include <pthread.h>
#include <stdlib.h>

#include <fl_residency.h>

#include "sec_rig.h"

#define DESC 16u

static bool v3 = true;

static int setup(void **state)
{
	struct sec_rig *r = calloc(1, sizeof(*r));

	rig_open(r, v3, false, DESC);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

static void service_goes_on(struct sec_rig *r)
{
	for (unsigned i = 0; i < 3 * DESC; i++) {
		rig_give(r, 5, 3);
		assert_int_equal(fake_sec_run(&r->dev, 0, 3), 3);
		rig_take(r, 5, 3);
		for (unsigned k = 5; k < 8; k++)
			assert_int_equal(r->ops[k]->status, FL_OP_OK);
	}
}

/* a fake that was configured anew counts from 0 */
static void reset_goes_well(struct sec_rig *r)
{
	assert_int_equal(fl_cryptodev_reset(r->cdev), 0);
}

static uint32_t *bd(struct sec_rig *r, uint16_t slot)
{
	return fake_sec_bd(&r->dev, 0, slot);
}

static void statuses(struct sec_rig *r, unsigned n, const uint8_t *want)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(r->ops[i]->status, want[i]);
}

/* ---- nothing is wrong --------------------------------------------------------------------- */

static void rings_wrap(void **state)
{
	struct sec_rig *r = *state;
	struct fl_qp_stats s;

	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint16_t n = (uint16_t)(1 + i % (DESC - 1));

		rig_give(r, i % 8, n);
		assert_int_equal(r->ops[i % 8]->status, FL_OP_PENDING);
		assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
		assert_int_equal(fake_sec_run(&r->dev, 0, n), n);
		rig_take(r, i % 8, n);
	}
	s = rig_stats(r);
	assert_int_equal(s.enqueued, s.dequeued);
	assert_int_equal(s.errors + s.bad_completions, 0);
	/* one a burst, and CQ doorbells only now and then */
	assert_in_range(s.doorbells, 1000, 3000);
}

static void full_is_a_prefix(void **state)
{
	struct sec_rig *r = *state;

	assert_int_equal(fl_op_enqueue(r->qp, r->ops, RIG_OPS), DESC - 1);
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + DESC, 1), 0);
	assert_int_equal(rig_stats(r).full, RIG_OPS - DESC + 1 + 1);
	assert_int_equal(fake_sec_run(&r->dev, 0, 4), 4);
	rig_take(r, 0, 4);
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + DESC, RIG_OPS - DESC), 4);
	/* the device never has more completions out than its queue has room for */
	fake_sec_run(&r->dev, 0, DESC);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, 64), DESC - 1);
}

/* ---- completions -------------------------------------------------------------------------- */

static void lost_completion(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 4);
	rig_done(r, 0);
	bd(r, 1)[28] = fake_sec_good(&r->dev, bd(r, 1));
	rig_done(r, 2);
	rig_take(r, 0, 3);
	statuses(r, 3, (const uint8_t[]){ FL_OP_OK, FL_OP_OK, FL_OP_OK });
	rig_done(r, 3);
	rig_take(r, 3, 1);
	assert_int_equal(rig_stats(r).bad_completions, 1);
	r->dev.q[0].taken = 4;
	service_goes_on(r);
}

/* the device went past a request that it never wrote back */
static void skipped_request(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 4);
	rig_done(r, 2);
	/* told at once, handed out as there is room */
	assert_int_equal(fl_op_dequeue(r->qp, r->back, 1), 1);
	assert_ptr_equal(r->back[0], r->ops[0]);
	rig_take(r, 1, 2);
	rig_done(r, 3);
	rig_take(r, 3, 1);
	statuses(r, 4, (const uint8_t[]){ FL_OP_ERROR, FL_OP_ERROR, FL_OP_OK, FL_OP_OK });
	r->dev.q[0].taken = 4;
	service_goes_on(r);
}

static void duplicate_completion(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 3);
	rig_done(r, 0);
	rig_done(r, 0);
	rig_done(r, 1);
	rig_take(r, 0, 2);
	assert_int_equal(rig_stats(r).bad_completions, 1);
	/* one for what is long over, while its slot is in use again */
	fake_sec_cqe(&r->dev, 0, 1);
	rig_done(r, 2);
	rig_take(r, 2, 1);
	r->dev.q[0].taken = 3;
	rig_give(r, 0, DESC - 1);
	fake_sec_cqe(&r->dev, 0, 1);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	assert_int_equal(rig_stats(r).bad_completions, 3);
	assert_int_equal(fake_sec_run(&r->dev, 0, DESC), DESC - 1);
	rig_take(r, 0, DESC - 1);
	service_goes_on(r);
}

static void wrong_tag_or_type(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 4);
	bd(r, 0)[v3 ? 2 : 10] ^= 0x100;
	bd(r, 1)[0] ^= 1;
	if (v3)
		bd(r, 2)[3] = 1; /* upper half of the tag */
	fake_sec_run(&r->dev, 0, 4);
	rig_take(r, 0, 4);
	statuses(r, 4,
		 (const uint8_t[]){ FL_OP_ERROR, FL_OP_ERROR, v3 ? FL_OP_ERROR : FL_OP_OK, 0 });
	service_goes_on(r);
}

static void nonsense_slots(void **state)
{
	static const uint16_t slots[] = { DESC, DESC + 1, 0x7fff, 0xffff, 0x8000, 3, DESC - 1 };
	struct sec_rig *r = *state;

	rig_give(r, 0, 3);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(slots); i++)
		fake_sec_cqe(&r->dev, 0, slots[i]);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	assert_int_equal(rig_stats(r).bad_completions, FL_ARRAY_SIZE(slots));
	fake_sec_run(&r->dev, 0, 3);
	rig_take(r, 0, 3);
	statuses(r, 3, (const uint8_t[]){ FL_OP_OK, FL_OP_OK, FL_OP_OK });
	service_goes_on(r);
}

/* the order of the device's writes is broken: the BD is not there yet */
static void early_completion(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 1);
	fake_sec_cqe(&r->dev, 0, 0);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	rig_done(r, 0);
	rig_take(r, 0, 1);
	assert_int_equal(r->ops[0]->status, FL_OP_OK);
}

/* completions as fast as they are read end a burst all the same */
static void flood(void **state)
{
	struct sec_rig *r = *state;
	uint16_t *e = fake_dma_at(&r->dev.dma, r->dev.q[0].cq, DESC * 16);

	rig_give(r, 0, 2);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < DESC; i++) {
			e[8 * i + 4] = (uint16_t)(0x40 + i);
			e[8 * i + 7] = (uint16_t)(round & 1 ? 0 : 1);
		}
		assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	}
	reset_goes_well(r);
	rig_take(r, 0, 2);
	service_goes_on(r);
}

/* ---- status words ------------------------------------------------------------------------- */

static void error_bds(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 6);
	bd(r, 0)[28] = 2 << 7 | 1 | 5u << 16; /* error_type */
	bd(r, 1)[28] = 1;		      /* not as a cipher says it */
	bd(r, 2)[28] = 2 << 7;		      /* not done */
	bd(r, 3)[28] = 1 << 16;		      /* an address was bad */
	bd(r, 3)[30] = 0x0300;
	bd(r, 4)[28] = 2 << 7 | 1 | 0xff000000u | 7u << 11; /* warnings and checks of others */
	bd(r, 5)[28] = 0xffffffff;
	for (uint16_t i = 0; i < 6; i++)
		fake_sec_cqe(&r->dev, 0, i);
	rig_take(r, 0, 6);
	statuses(r, 6,
		 (const uint8_t[]){ FL_OP_ERROR, FL_OP_ERROR, FL_OP_ERROR,
				    v3 ? FL_OP_FAULT : FL_OP_ERROR, FL_OP_OK, FL_OP_ERROR });
	assert_int_equal(rig_stats(r).errors, 5);
	r->dev.q[0].taken = 6;
	service_goes_on(r);
}

static void tags_that_do_not_match(void **state)
{
	static const uint8_t key[16];
	struct sec_rig *r = *state;
	struct fl_session *gcm =
		rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_AEAD,
							  .cipher = FL_AES_GCM,
							  .key = key,
							  .key_len = sizeof(key) });

	for (unsigned i = 0; i < 4; i++)
		r->ops[i]->session = gcm;
	rig_give(r, 0, 4);
	bd(r, 0)[28] = 3 << 7 | 2 << 1 | 1;
	bd(r, 1)[28] = 3 << 7 | 1;
	bd(r, 2)[28] = 3 << 7 | 1 << 1 | 1; /* what success says is not known for sure */
	bd(r, 3)[28] = 3 << 7 | 2 << 1 | 1 | 1 << 16;
	for (uint16_t i = 0; i < 4; i++)
		fake_sec_cqe(&r->dev, 0, i);
	rig_take(r, 0, 4);
	statuses(r, 4, (const uint8_t[]){ FL_OP_AUTH_FAILED, FL_OP_OK, FL_OP_OK, FL_OP_ERROR });
	rig_plain(r, r->ops[0]);
	fl_session_destroy(gcm);
}

/* ---- silence, resets, removal ------------------------------------------------------------- */

static void silence_is_told(void **state)
{
	struct sec_rig *r = *state;
	uint64_t end;

	fl_sec_of(r->cdev)->watch_ticks = fl_cycles_hz() / 50;
	rig_give(r, 0, 4);
	rig_done(r, 0);
	/* of the wrong phase: nobody sees it, nor what follows */
	r->dev.q[0].phase ^= 1;
	rig_done(r, 1);
	r->dev.q[0].phase ^= 1;
	rig_done(r, 2);
	rig_take(r, 0, 1);
	for (end = fl_now_ns() + 5000000000ull; !r->events[FL_CRYPTO_ERROR];) {
		assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
		assert_true(fl_now_ns() < end);
	}
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + 4, 1), 0);
	for (end = fl_now_ns() + 100000000ull; fl_now_ns() < end;)
		assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	assert_int_equal(r->events[FL_CRYPTO_ERROR], 1);
	/* two were done, as their descriptors say; one was not */
	reset_goes_well(r);
	rig_take(r, 1, 3);
	statuses(r, 4, (const uint8_t[]){ FL_OP_OK, FL_OP_OK, FL_OP_OK, FL_OP_ABORTED });
	service_goes_on(r);
	assert_int_equal(r->events[FL_CRYPTO_ERROR], 1);
}

/* a slow one is not a silent one */
static void slowness_is_not_told(void **state)
{
	struct sec_rig *r = *state;
	uint64_t tick = fl_cycles_hz() / 100;

	fl_sec_of(r->cdev)->watch_ticks = 10 * tick;
	rig_give(r, 0, DESC - 1);
	for (uint16_t i = 0; i < DESC - 1; i++) {
		uint64_t end = fl_cycles() + tick;

		while (fl_cycles() < end)
			assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
		rig_done(r, i);
		rig_take(r, i, 1);
	}
	assert_int_equal(r->events[FL_CRYPTO_ERROR], 0);
}

static void stop_hands_all_back(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 5);
	rig_done(r, 0);
	bd(r, 1)[28] = fake_sec_good(&r->dev, bd(r, 1));
	assert_int_equal(fl_cryptodev_stop(r->cdev), 0);
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + 8, 1), 0);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, 2), 2);
	/* the rest comes first after a start, and counts as long as it is out */
	assert_int_equal(fl_cryptodev_start(r->cdev), 0);
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + 8, RIG_OPS - 8), DESC - 1 - 3);
	assert_int_equal(fl_cryptodev_stop(r->cdev), 0);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, 2), 2);
	assert_ptr_equal(r->back[0], r->ops[2]);
	assert_int_equal(fl_cryptodev_start(r->cdev), 0);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 1 + DESC - 1 - 3);
	assert_ptr_equal(r->back[0], r->ops[4]);
	assert_ptr_equal(r->back[1], r->ops[8]);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), 0);
	statuses(r, 5,
		 (const uint8_t[]){ FL_OP_OK, FL_OP_OK, FL_OP_ABORTED, FL_OP_ABORTED,
				    FL_OP_ABORTED });
	service_goes_on(r);
}

static void removal(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 3);
	rig_done(r, 0);
	fake_sec_unplug(&r->dev);
	fl_ctx_dispatch(r->ctx, 0);
	assert_int_equal(r->events[FL_CRYPTO_REMOVED], 1);
	assert_int_equal(fl_op_enqueue(r->qp, r->ops + 3, 1), 0);
	rig_take(r, 0, 1);
	assert_int_equal(fl_cryptodev_reset(r->cdev), -ENODEV);
	rig_take(r, 1, 2);
	statuses(r, 3, (const uint8_t[]){ FL_OP_OK, FL_OP_ABORTED, FL_OP_ABORTED });
	fake_sec_replug(&r->dev);
	reset_goes_well(r);
	service_goes_on(r);
}

/* it does not even stop: then it loses the bus, and the reset gives it back */
static void no_end_to_it(void **state)
{
	struct sec_rig *r = *state;

	rig_give(r, 0, 3);
	r->dev.mb_hang = true;
	assert_int_equal(fl_cryptodev_stop(r->cdev), 0);
	assert_int_equal(r->dev.cfg[4] & 4, 0);
	rig_take(r, 0, 3);
	r->dev.mb_hang = false;
	assert_int_equal(fl_cryptodev_start(r->cdev), 0);
	assert_int_equal(r->dev.cfg[4] & 4, 4);
	service_goes_on(r);
}

/* ---- anything at all ---------------------------------------------------------------------- */

static uint32_t rnd(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* what the device may write: any completion, in the queue's order or not, and any descriptor */
static void scribble(struct sec_rig *r, uint32_t *seed)
{
	uint16_t *e = fake_dma_at(&r->dev.dma, r->dev.q[0].cq, DESC * 16);
	uint16_t slot = (uint16_t)(rnd(seed) % DESC);

	switch (rnd(seed) % 6) {
	case 0:
		bd(r, slot)[rnd(seed) % 32] = rnd(seed);
		break;
	case 1:
		e[rnd(seed) % (DESC * 8)] = (uint16_t)rnd(seed);
		break;
	case 2:
		e[8 * slot + 4] = (uint16_t)(rnd(seed) % DESC);
		e[8 * slot + 7] ^= 1;
		break;
	case 3:
		fake_sec_cqe(&r->dev, 0, slot);
		break;
	default:
		fake_sec_run(&r->dev, 0, rnd(seed) % 4);
	}
}

static void anything(void **state)
{
	struct sec_rig *r = *state;
	uint64_t end = fl_now_ns() + 2000000000ull;
	unsigned given = 0, taken = 0, resets = 0;
	uint32_t seed = 20261121;

	for (unsigned i = 0; i < 400000 && fl_now_ns() < end; i++) {
		struct fl_op *op = r->ops[given % RIG_OPS];

		if (op->status != FL_OP_PENDING)
			given += fl_op_enqueue(r->qp, &op, 1);
		scribble(r, &seed);
		if (i % 1000 == 999) {
			reset_goes_well(r);
			resets++;
		}
		for (uint16_t k = 0, n = fl_op_dequeue(r->qp, r->back, 1 + rnd(&seed) % 8); k < n;
		     k++, taken++) {
			/* each once, in its turn */
			assert_ptr_equal(r->back[k], r->ops[taken % RIG_OPS]);
			assert_int_not_equal(r->back[k]->status, FL_OP_PENDING);
		}
		assert_in_range(given - taken, 0, DESC - 1);
	}
	reset_goes_well(r);
	assert_int_equal(fl_op_dequeue(r->qp, r->back, RIG_OPS), given - taken);
	assert_in_range(taken, 1000, given);
	assert_in_range(resets, 10, 1000);
	service_goes_on(r);
}

/* The device has vectors, and the machine none: who polls is served. */
static void no_vectors_left(void **state)
{
	const struct fl_qp_conf waits = { .node = -1, .intr = true }, polls = { .node = -1 };
	static struct fake_sec dev;
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;
	struct fl_ctx *ctx;

	assert_int_equal(fake_sec_init(&dev, v3, false), 0);
	dev.msi = 4;
	assert_int_equal(fl_ctx_create(NULL, &ctx), 0);
	assert_int_equal(fake_sec_scheme(ctx, &dev), 0);
	assert_int_equal(fl_cryptodev_open(ctx, "fake:", &d), 0);
	assert_int_equal(fl_cryptodev_configure(d, 2), 0);
	assert_int_equal(fl_qp_setup(d, 0, &polls), 0);
	assert_int_equal(fl_qp_setup(d, 1, &waits), 0);
	assert_int_equal(fl_cryptodev_start(d), -ENOSPC);
	assert_int_equal(fl_qp_setup(d, 1, &polls), 0);
	assert_int_equal(fl_cryptodev_start(d), 0);
	assert_int_equal(fl_cryptodev_stop(d), 0);
	fl_cryptodev_info(d, &info);
	assert_false(info.features & FL_CRYPTO_INTERRUPT);
	assert_int_equal(fl_qp_setup(d, 1, &waits), -EOPNOTSUPP);
	fl_cryptodev_close(d);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
	fake_sec_fini(&dev);
}

/* ---- a device that faults ----------------------------------------------------------------- */

#define STORM 20000u

struct storm {
	struct sec_rig *r;
	unsigned good, refused, wrong;
};

static uint64_t some_address(const struct sec_rig *r, uint32_t *seed)
{
	uint64_t n = *seed = *seed * 1664525u + 1013904223u;

	switch (n >> 30) {
	case 0:
		return n << 20;
	case 1: /* pinned: rings, keys, ops */
		return r->dev.dma.maps[n % r->dev.dma.n].iova.v;
	default:
		return r->area->iova.v + n % (2 * RIG_MEM);
	}
}

/* page requests for anything, as fast as it goes */
static void *storm(void *arg)
{
	struct storm *s = arg;
	struct sec_rig *r = s->r;
	uint32_t seed = 5;

	for (unsigned i = 0; i < STORM; i++) {
		const struct fl_dma_fault f = { .iova = { some_address(r, &seed) },
						.len = (seed & 0xffff) + 1ull,
						.prot = 1 + seed % 3 };
		bool ours = f.iova.v - r->area->iova.v < RIG_MEM;
		int rc = fl_dma_fault(r->dev.domain, &f);

		s->good += !rc;
		s->refused += rc == -EFAULT;
		s->wrong += ours ? rc != 0 : rc != -EFAULT;
	}
	return NULL;
}

static void storm_of_faults(void **state)
{
	struct sec_rig *r = calloc(1, sizeof(*r));
	struct storm s = { .r = r };
	struct fl_residency_stats st;
	pthread_t thread;

	rig_open_as(r, v3, false, DESC, true);
	assert_int_equal(pthread_create(&thread, NULL, storm, &s), 0);
	for (unsigned i = 0; i < 20; i++)
		service_goes_on(r);
	pthread_join(thread, NULL);
	service_goes_on(r);
	fl_dma_residency_stats(fl_ctx_space(r->ctx), &st);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(s.good + s.refused, STORM);
	assert_int_equal(st.invalid, s.refused);
	assert_in_range(r->dev.dma.granted, 1, RIG_MEM / 4096 * 2);
	assert_int_equal(r->dev.dma.bad_grants, 0);
	assert_int_equal(r->events[FL_CRYPTO_ERROR], 0);
	rig_close(r);
	free(r);
}

/* it may wait for pages, so silence is told later than that of others */
static void faults_take_their_time(void **state)
{
	struct sec_rig *r = calloc(1, sizeof(*r));
	uint64_t begin, end;

	rig_open_as(r, v3, false, DESC, true);
	fl_sec_of(r->cdev)->watch_ticks = fl_cycles_hz() / 50;
	rig_give(r, 0, 1);
	begin = fl_now_ns();
	for (end = begin; end - begin < 60000000; end = fl_now_ns()) {
		rig_take(r, 0, 0);
		if (fl_now_ns() - begin < 80000000)
			assert_int_equal(r->events[FL_CRYPTO_ERROR], 0);
	}
	while (!r->events[FL_CRYPTO_ERROR]) {
		rig_take(r, 0, 0);
		assert_true(fl_now_ns() - begin < 20000000000);
	}
	reset_goes_well(r);
	rig_take(r, 0, 1);
	service_goes_on(r);
	rig_close(r);
	free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(rings_wrap),
		T(full_is_a_prefix),
		T(lost_completion),
		T(skipped_request),
		T(duplicate_completion),
		T(wrong_tag_or_type),
		T(nonsense_slots),
		T(early_completion),
		T(flood),
		T(error_bds),
		T(tags_that_do_not_match),
		T(silence_is_told),
		T(slowness_is_not_told),
		T(stop_hands_all_back),
		T(removal),
		T(no_end_to_it),
		T(anything),
		cmocka_unit_test(no_vectors_left),
		cmocka_unit_test(storm_of_faults),
		cmocka_unit_test(faults_take_their_time),
	};

	v3 = argc < 2 || strcmp(argv[1], "v2") != 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
