/* SPDX-License-Identifier: BSD-3-Clause */
/* SEC2 model: queues at work, doorbells, faults, VFs, messages, misbehaviour on request. */
#include "hisi_sec_qm_rig.h"

#include <cmocka.h>

#define DEPTH 8u

static struct rig r;
static struct fun pf;

static const struct queue_opts small = {
	.sq = RIG_SQ, .cq = RIG_CQ, .sq_depth = DEPTH, .cq_depth = DEPTH, .dw6 = 1
};

static const uint8_t cipher[64] = {
	0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12,
	0xe9, 0x19, 0x7d, 0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee, 0x95, 0xdb,
	0x11, 0x3a, 0x91, 0x76, 0x78, 0xb2, 0x73, 0xbe, 0xd6, 0xb8, 0xe3, 0xc1, 0x74,
	0x3b, 0x71, 0x16, 0xe6, 0x9e, 0x22, 0x22, 0x95, 0x16, 0x3f, 0xf1, 0xca, 0xa1,
	0x68, 0x1f, 0xac, 0x09, 0x12, 0x0e, 0xca, 0x30, 0x75, 0x86, 0xe1, 0xa7,
};

static int setup(void **state)
{
	rig_open(&r);
	text(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

/* A PF with a small queue 0. */
static void up(const char *args)
{
	fun_open(&r, &pf, &fl_hisi_sec_model_ops, args);
	pf_init(&pf, 16);
	tables(&pf);
	assert_int_equal(queue_up(&pf, 0, &small), 0);
}

static unsigned bd_type(struct fun *f)
{
	return fl_secm_v3(f->s) ? 3 : 2;
}

static uint8_t *slot(uint32_t idx)
{
	return r.mem + RIG_SQ + idx * SECM_BD_SIZE;
}

static uint16_t cqe(uint32_t idx, uint32_t at)
{
	return get16(&r, RIG_CQ + idx * CQE_SIZE + at);
}

static void fill(struct fun *f, uint32_t idx, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		make_bd(slot((idx + i) % DEPTH), bd_type(f), (uint16_t)((idx + i) % DEPTH));
}

static void submit(struct fun *f, uint32_t idx, uint32_t n)
{
	fill(f, idx, n);
	ring(f, 0, DB_SQ, (idx + n) % DEPTH, 0);
	rig_run(f->r);
}

/* ---- the worked sequence, byte by byte ----------------------------------------------------- */

static void worked(const char *args, unsigned type)
{
	static const uint8_t want_cqe[16] = { [14] = 1 };
	struct queue_opts o = {
		.sq = RIG_SQ, .cq = RIG_CQ, .sq_depth = RIG_DEPTH, .cq_depth = RIG_DEPTH, .dw6 = 1
	};
	uint8_t want[SECM_BD_SIZE];

	fun_open(&r, &pf, &fl_hisi_sec_model_ops, args);
	pf_init(&pf, 256);
	tables(&pf);
	assert_int_equal(queue_up(&pf, 0, &o), 0);
	make_bd(slot(0), type, 0x1234);
	memcpy(want, slot(0), sizeof(want));
	assert_int_equal(db_word(0, DB_SQ, 0, 1, 0), 0x0000000100000000);
	ring(&pf, 0, DB_SQ, 1, 0);
	rig_run(&r);
	assert_memory_equal(r.mem + RIG_CQ, want_cqe, 16);
	assert_memory_equal(r.mem + RIG_DST, cipher, 64);
	want[112] = want[113] = 1; /* done, flag 2 */
	assert_memory_equal(slot(0), want, 124);
	assert_int_equal(r.mem[RIG_CQ + 16 + 14], 0);
	ring(&pf, 0, DB_CQ, 1, 0);
	make_bd(slot(1), type, 1);
	ring(&pf, 0, DB_SQ, 2, 0);
	rig_run(&r);
	assert_int_equal(cqe(1, 8), 1);
	assert_int_equal(cqe(1, 14), 1);
	assert_int_equal(rd(&pf, P_ERR_SOURCE) | rd(&pf, S_INT_SOURCE), 0);
}

static void test_worked_v2(void **state)
{
	worked("version=2", 2);
}

static void test_worked_v3(void **state)
{
	worked("version=3,doorbells=trap", 3);
}

static void test_worked_shared_doorbell(void **state)
{
	worked("version=3,isolation=off", 2);
}

static void test_worked_with_workers(void **state)
{
	fun_open(&r, &pf, &fl_hisi_sec_model_ops, "workers=2");
	fun_close(&pf);
	worked("workers=0", 3);
}

/* ---- rings --------------------------------------------------------------------------------- */

static void test_wraps(void **state)
{
	uint32_t at = 0;

	up("version=2");
	for (uint32_t n = 0; n < 60; at += n, n = n % 7 + 1) {
		if (n)
			submit(&pf, at % DEPTH, n);
		for (uint32_t i = at; i < at + n; i++) {
			assert_int_equal(cqe(i % DEPTH, 8), i % DEPTH);
			assert_int_equal(cqe(i % DEPTH, 14), ~(i / DEPTH) & 1);
			assert_int_equal(slot(i % DEPTH)[112], 1);
			assert_int_equal(slot(i % DEPTH)[40], i % DEPTH);
		}
		/* the next slot has the phase of the round before */
		assert_int_equal(cqe((at + n) % DEPTH, 14),
				 at + n < DEPTH ? 0 : (at + n) / DEPTH & 1);
		ring(&pf, 0, DB_CQ, (at + n) % DEPTH, 0);
		assert_int_equal(mb(&pf, MB_SQC | MB_READ, 0, RIG_IOVA + RIG_CTX), 0);
		assert_int_equal(mb(&pf, MB_CQC | MB_READ, 0, RIG_IOVA + 0x5000), 0);
		assert_int_equal(get16(&r, RIG_CTX + 2), (at + n) % DEPTH);
		assert_int_equal(get16(&r, 0x5002), (at + n) % DEPTH);
		assert_int_equal(get16(&r, RIG_CTX + 22) & W11_TAIL_SIG,
				 get16(&r, 0x5000 + 22) & W11_TAIL_SIG);
		assert_int_equal(!!(get16(&r, 0x5000 + 22) & W11_TAIL_SIG), (at + n) / DEPTH & 1);
		if (at > 50)
			break;
	}
	assert_true(at > 50);
}

/* the deepest event queue has as many entries as an index has values */
static void test_deepest_wraps(void **state)
{
	struct secm_pos p = { 65534, false };

	fl_secm_advance(&p, 65536);
	assert_true(p.idx == 65535 && !p.sig);
	fl_secm_advance(&p, 65536);
	assert_true(p.idx == 0 && p.sig);
}

static void test_doorbell_rules(void **state)
{
	struct queue_opts o = small;

	up("version=2");
	/* two before any work: the latest counts, each BD is done once */
	fill(&pf, 0, 5);
	ring(&pf, 0, DB_SQ, 2, 0);
	ring(&pf, 0, DB_SQ, 5, 0);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].nsqe, 5);
	assert_int_equal(cqe(4, 14), 1);
	ring(&pf, 0, DB_SQ, 5, 0);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].nsqe, 5);
	/* wrong random data */
	wr64(&pf, Q_DB, db_word(0, DB_SQ, 0x5a, 6, 0));
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].nsqe, 5);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_RANDOM);
	wr(&pf, P_ERR_SOURCE, E_RANDOM);
	/* an index beyond the ring, a queue beyond the range, a queue without contexts */
	ring(&pf, 0, DB_SQ, DEPTH, 0);
	ring(&pf, 0, DB_CQ, DEPTH, 0);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].nsqe, 5);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 0);
	ring(&pf, 16, DB_SQ, 1, 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ);
	ring(&pf, 7, DB_CQ, 1, 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ | E_BAD_CQ);
	/* only a store of all 64 bits rings */
	wr(&pf, Q_DB, 0);
	wr(&pf, Q_DB + 4, 6);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].nsqe, 5);
	/* random data that match; a new configuration begins at the beginning */
	o.random = 0x5a;
	assert_int_equal(queue_up(&pf, 0, &o), 0);
	fill(&pf, 0, 1);
	wr64(&pf, Q_DB, db_word(0, DB_SQ, 0x5a, 1, 0));
	rig_run(&r);
	assert_int_equal(cqe(0, 8), 0);
	assert_int_equal(cqe(0, 14), 1);
}

static void test_full_cq_holds_the_queue(void **state)
{
	const uint32_t aeqc[8] = { 0, RIG_AEQ, 1, 0, 0, 0, 0x103ff };
	struct queue_opts o = small;

	o.cq_depth = 4;
	up("version=2");
	fun_irqs(&pf);
	memcpy(r.mem + RIG_CTX, aeqc, sizeof(aeqc));
	assert_int_equal(mb(&pf, MB_AEQC, 0, RIG_IOVA + RIG_CTX), 0);
	wr(&pf, Q_AEQ_MASK, 0);
	assert_int_equal(queue_up(&pf, 0, &o), 0);
	submit(&pf, 0, 7);
	assert_int_equal(pf.s->qp[0].ncqe, 4);
	assert_int_equal(cqe(0, 8), 0); /* nothing is overwritten */
	assert_int_equal(slot(4)[112], 0);
	assert_int_equal(fun_fired(&pf, VEC_AEQ), 1);
	assert_int_equal(get32(&r, RIG_AEQ), 1u << 16 | AEQE_CQ_OVERFLOW << 17);
	rig_run(&r);
	assert_int_equal(get32(&r, RIG_AEQ + 4), 0); /* said once */
	ring(&pf, 0, DB_CQ, 2, 0);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].ncqe, 6);
	assert_int_equal(cqe(1, 8), 5);
	assert_int_equal(cqe(1, 14), 0);
	/* a head beyond what was written consumes nothing */
	ring(&pf, 0, DB_CQ, 1, 0);
	ring(&pf, 0, DB_CQ, 2, 0);
	ring(&pf, 0, DB_CQ, 3, 0);
	rig_run(&r);
	assert_int_equal(pf.s->qp[0].ncqe, 7);
}

static void test_many_queues_take_turns(void **state)
{
	enum { N = 16 };

	fun_open(&r, &pf, &fl_hisi_sec_model_ops, "version=2,workers=0");
	pf_init(&pf, N);
	tables(&pf);
	for (uint32_t q = 0; q < N; q++) {
		struct queue_opts o = { .sq = RIG_SQ + q * 0x20000,
					.cq = RIG_CQ + q * 0x20000,
					.sq_depth = 512,
					.cq_depth = 512,
					.dw6 = 1 };

		o.sq += 0x100000;
		o.cq += 0x100000;
		assert_int_equal(queue_up(&pf, q, &o), 0);
		for (uint32_t i = 0; i < 500; i++)
			make_bd(r.mem + o.sq + i * SECM_BD_SIZE, 2, (uint16_t)i);
		ring(&pf, q, DB_SQ, 500, 0);
	}
	for (unsigned i = 0; i < 200; i++)
		fl_engine_round(r.e, 0);
	for (uint32_t q = 0; q < N; q++) {
		assert_true(pf.s->qp[q].nsqe > 0);
		assert_true(pf.s->qp[q].nsqe < 500);
	}
	rig_run(&r);
	for (uint32_t q = 0; q < N; q++)
		assert_int_equal(pf.s->qp[q].ncqe, 500);
}

/* ---- faults
 * -------------------------------------------------------------------------------------- */

static void test_unreachable(void **state)
{
	struct queue_opts o = small;

	up("version=2");
	o.sq = 0x80000000;
	make_sqc(&r, &o, 1);
	assert_int_equal(mb(&pf, MB_SQC, 1, RIG_IOVA + RIG_CTX), 0);
	make_cqc(&r, &small);
	assert_int_equal(mb(&pf, MB_CQC, 1, RIG_IOVA + RIG_CTX), 0);
	ring(&pf, 1, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_AXI_READ | E_DB_TIMEOUT);
	assert_int_equal(rd(&pf, P_ERR_INF01), 1u << 16);
	wr(&pf, P_ERR_SOURCE, UINT32_MAX);
	/* the other queue does not care */
	submit(&pf, 0, 1);
	assert_int_equal(cqe(0, 14), 1);
	/* a CQ that is not there */
	make_cqc(&r, &(struct queue_opts){ .cq = 0x80000000, .cq_depth = 8, .dw6 = 1 });
	assert_int_equal(mb(&pf, MB_CQC, 0, RIG_IOVA + RIG_CTX), 0);
	submit(&pf, 1, 1);
	assert_int_equal(slot(1)[112], 1);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_AXI_WRITE);
	/* memory that goes in between */
	assert_int_equal(queue_up(&pf, 0, &small), 0);
	fill(&pf, 0, 3);
	ring(&pf, 0, DB_SQ, 3, 0);
	fl_engine_round(r.e, 0);
	assert_true(pf.s->running);
	assert_int_equal(fl_model_unmap(pf.m, RIG_IOVA, RIG_MEM), 0);
	rig_run(&r);
	assert_int_equal(pf.s->running, 0);
	assert_int_equal(cqe(0, 14), 0);
	/* and comes back: a queue that failed waits to be configured again */
	assert_int_equal(fl_model_map(pf.m, RIG_IOVA, RIG_MEM, FL_DMA_RW, r.fd, 0), 0);
	assert_int_equal(queue_up(&pf, 0, &small), 0);
	submit(&pf, 0, 2);
	assert_int_equal(cqe(1, 14), 1);
}

static void test_bad_bd(void **state)
{
	up("version=2");
	memset(slot(0), 0, SECM_BD_SIZE);
	slot(0)[0] = 0xf;
	ring(&pf, 0, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(cqe(0, 14), 1);
	assert_int_equal(slot(0)[112] & 1, 1);
	assert_int_not_equal(slot(0)[114], 0);
	assert_int_equal(rd(&pf, S_INT_SOURCE), SE_BD);
	submit(&pf, 1, 1); /* the queue goes on */
	assert_int_equal(slot(1)[114], 0);
}

/* ---- write-back, stop
 * ------------------------------------------------------------------------------ */

static void test_write_back(void **state)
{
	up("version=2");
	submit(&pf, 0, 3);
	ring(&pf, 0, DB_CQ, 2, 0);
	assert_int_equal(get32(&r, RIG_SQT), 0);
	wr(&pf, Q_WB_START, 1);
	assert_int_equal(rd(&pf, Q_WB_DONE) & 1, 1);
	assert_int_equal(get32(&r, RIG_SQT), 3u << 16 | 3);
	assert_int_equal(get32(&r, RIG_CQT), 3u << 16 | 2);
	/* goes on from the tables; the VFT may have gone and come meanwhile */
	give_queues(&pf, 0, 0, 0);
	put32(&r, RIG_SQT, 0);
	wr(&pf, Q_WB_START, 1); /* nothing is cached any more */
	assert_int_equal(get32(&r, RIG_SQT), 0);
	put32(&r, RIG_SQT, 3u << 16 | 3);
	give_queues(&pf, 0, 0, 16);
	submit(&pf, 3, 2);
	assert_int_equal(cqe(4, 8), 4);
	assert_int_equal(cqe(4, 14), 1);
	give_queues(&pf, 0, 0, 0);
	wr(&pf, Q_WB_START, 1);
	assert_int_equal(get32(&r, RIG_SQT), 5u << 16 | 5);
	give_queues(&pf, 0, 0, 16);
	/* invalidated in memory: later doorbells are discarded */
	put32(&r, RIG_SQT + 16, 0xaaaa);
	put32(&r, RIG_SQT + 24, 0x00400000);
	submit(&pf, 5, 1);
	assert_int_equal(cqe(5, 14), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_RANDOM);
	/* tables that are not there */
	wr(&pf, P_ERR_SOURCE, E_RANDOM);
	assert_int_equal(mb(&pf, MB_SQC_BT, 0, 0x80000000), 0);
	wr(&pf, Q_WB_START, 1);
	ring(&pf, 3, DB_SQ, 1, 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE) & E_AXI_READ, E_AXI_READ);
}

static void test_stop_and_flush(void **state)
{
	up("doorbells=trap,inject=stall@3");
	/* waits for what was rung for, which does not come */
	fill(&pf, 0, 5);
	ring(&pf, 0, DB_SQ, 5, 0);
	assert_int_equal(mb(&pf, MB_STOP_QP, 0, 0), 0x10);
	assert_int_equal(fl_secm_inject(pf.s, "none"), 0);
	rig_run(&r);
	assert_int_equal(rd(&pf, Q_MB) & MB_BUSY, 0);
	assert_int_equal(cqe(4, 14), 1);
	submit(&pf, 5, 1);
	assert_int_equal(cqe(5, 14), 0); /* stopped */
	assert_int_equal(queue_up(&pf, 0, &small), 0);
	submit(&pf, 0, 6);
	assert_int_equal(cqe(5, 14), 1);
	assert_int_equal(mb(&pf, MB_FLUSH_QM, 0, 0), 0);
	ring(&pf, 0, DB_CQ, 6, 0);
	assert_int_equal(mb(&pf, MB_PAUSE_QM, 0, 0), 0);
	submit(&pf, 6, 1);
	assert_int_equal(cqe(6, 14), 0);
	ring(&pf, 0, DB_SQ, 0, 1); /* after a migration */
	rig_run(&r);
	assert_int_equal(cqe(6, 14), 1);
	assert_int_equal(mb(&pf, MB_STOP_QP, 16, 0), ST_QUEUE);
	assert_int_equal(mb(&pf, MB_CLOSE_QM, 0, 0), 0);
	assert_int_equal(pf.s->nactive, 0);
}

/* ---- doorbells that are memory
 * ------------------------------------------------------------------------ */

static void test_polled_doorbells(void **state)
{
	const uint32_t eqc[7] = { 0, RIG_EQ, 1, 0, 0, 0, 0x107ff };
	uint32_t at = 0;

	up("");
	assert_non_null(pf.s->db_mem);
	for (unsigned i = 0; i < 40; i++, at++) {
		fill(&pf, at % DEPTH, 1);
		/* the CQ's is overwritten before anybody looks */
		ring_mem(&pf, 0, DB_CQ, at % DEPTH);
		ring_mem(&pf, 0, DB_SQ, (at + 1) % DEPTH);
		rig_run(&r);
		assert_int_equal(cqe(at % DEPTH, 8), at % DEPTH);
		assert_int_equal(cqe(at % DEPTH, 14), ~(at / DEPTH) & 1);
	}
	assert_true(pf.s->qp[0].cq_used < DEPTH);
	/* arming is a message, and works on the mapped page */
	memcpy(r.mem + RIG_CTX, eqc, 28);
	fun_irqs(&pf);
	assert_int_equal(mb(&pf, MB_EQC, 0, RIG_IOVA + RIG_CTX), 0);
	wr(&pf, Q_EQ_MASK, 0);
	ring(&pf, 0, DB_CQ, at % DEPTH, 1);
	assert_int_equal(pf.s->qp[0].cq_used, 0);
	rig_run(&r);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
	fill(&pf, at % DEPTH, 1);
	ring_mem(&pf, 0, DB_SQ, (at + 1) % DEPTH);
	rig_run(&r);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 1);
	assert_int_equal(get32(&r, RIG_EQ), 1u << 16);
}

static void test_polled_doorbell_of_old(void **state)
{
	up("");
	fill(&pf, 0, 1);
	ring_mem(&pf, 0, DB_SQ, 1);
	rig_run(&r);
	assert_int_equal(cqe(0, 14), 1);
	/* a new life: what was rung in the last one is void, and the same may be rung again */
	assert_int_equal(queue_up(&pf, 0, &small), 0);
	rig_run(&r);
	assert_int_equal(cqe(0, 14), 0);
	ring_mem(&pf, 0, DB_SQ, 1);
	rig_run(&r);
	assert_int_equal(cqe(0, 14), 1);
	/* another queue's page */
	ring_mem(&pf, 1, DB_SQ, 1);
	wr(&pf, P_ERR_SOURCE, UINT32_MAX);
	*(uint64_t *)fl_model_bar_mem(pf.m, 4, Q_DB) = db_word(1, DB_SQ, 0, 2, 0);
	rig_run(&r);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ);
	/* a stop sees what was rung before it */
	ring_mem(&pf, 0, DB_CQ, 1);
	fill(&pf, 1, 2);
	ring_mem(&pf, 0, DB_SQ, 3);
	assert_int_equal(mb(&pf, MB_STOP_QP, 0, 0), 0);
	assert_int_equal(cqe(2, 14), 1);
}

/* ---- VFs
 * ---------------------------------------------------------------------------------------------- */

static void test_vf_alone(void **state)
{
	struct fun vf;

	fun_open(&r, &vf, &fl_hisi_sec_vf_model_ops, "version=2,qps=12,base=256");
	cfg_wr(&vf, 4, 2, 2);
	assert_int_equal(mb(&vf, MB_SQC_VFT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&vf), 0x0001701000000000);
	cfg_wr(&vf, 4, 2, 6);
	tables(&vf);
	assert_int_equal(queue_up(&vf, 11, &small), 0);
	assert_int_not_equal(queue_up(&vf, 12, &small), 0);
	fill(&vf, 0, 1);
	ring(&vf, 11, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(cqe(0, 14), 1);
	assert_int_equal(cqe(0, 10), 11);
	assert_memory_equal(r.mem + RIG_DST, cipher, 64);
	/* a function reset leaves what its PF gave it */
	fl_model_reset(vf.m);
	assert_int_equal(mb(&vf, MB_SQC_VFT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&vf), 0x0001701000000000);
	assert_int_equal(vf.s->nq, 12);
}

static void test_vf_of_a_pf(void **state)
{
	struct fun vf, other;

	up("version=2");
	fun_open(&r, &vf, &fl_hisi_sec_vf_model_ops, "pf=0,fn=1");
	fun_open(&r, &other, &fl_hisi_sec_vf_model_ops, "pf=0,fn=7");
	assert_int_equal(mb(&vf, MB_SQC_VFT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&vf), 0);
	assert_int_not_equal(queue_up(&vf, 0, &small), 0); /* no queues yet */
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ); /* the PF sees it */
	give_queues(&pf, 1, 256, 12);
	assert_int_equal(mb(&vf, MB_SQC_VFT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&vf), 0x0001701000000000);
	tables(&vf);
	assert_int_equal(queue_up(&vf, 0, &small), 0);
	submit(&vf, 0, 1);
	assert_int_equal(cqe(0, 14), 1);
	/* a mailbox of one does not disturb another */
	wr(&vf, Q_MB, 0x1234);
	assert_int_equal(rd(&other, Q_MB), 0);
	/* taken away */
	give_queues(&pf, 1, 0, 0);
	submit(&vf, 1, 1);
	assert_int_equal(cqe(1, 14), 0);
	give_queues(&pf, 7, 300, 4);
	assert_int_equal(other.s->nq, 4);
	/* no PF, no queues; what is left can go in any order */
	fun_close(&pf);
	assert_int_equal(other.s->nq, 0);
	assert_int_not_equal(queue_up(&other, 0, &small), 0);
	fun_close(&vf);
}

static void test_messages(void **state)
{
	struct fun vf[2];

	up("");
	fun_open(&r, &vf[0], &fl_hisi_sec_vf_model_ops, "pf=0,fn=1");
	fun_open(&r, &vf[1], &fl_hisi_sec_vf_model_ops, "pf=0,fn=40");
	fun_irqs(&pf);
	fun_irqs(&vf[0]);
	fun_irqs(&vf[1]);
	wr(&vf[1], Q_IFC_MASK, 1);
	/* to all */
	assert_int_equal(mb(&pf, MB_SRC, 0xffff, 2), 0);
	wr(&pf, P_IFC_CFG, 0x7f);
	wr(&pf, P_IFC_SET, 1);
	assert_int_equal(rd64(&pf, P_IFC_READY), 1ull << 1 | 1ull << 40);
	assert_int_equal(fun_fired(&vf[0], VEC_IFC), 1);
	assert_int_equal(fun_fired(&vf[1], VEC_IFC), 0);
	assert_int_equal(rd(&vf[0], Q_IFC_STATUS), 1);
	assert_int_equal(rd(&vf[1], Q_IFC_STATUS), 0); /* masked */
	assert_int_equal(rd(&vf[1], Q_IFC_SOURCE_V), 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mb(&vf[i], MB_DST, 0, 0), 0);
		assert_int_equal(mb_data(&vf[i]), 2);
		wr(&vf[i], Q_IFC_SOURCE_V, 1);
		assert_int_equal(rd(&vf[i], Q_IFC_SOURCE_V), 0);
	}
	assert_int_equal(rd64(&pf, P_IFC_READY), 0);
	/* to one */
	assert_int_equal(mb(&pf, MB_SRC, 40, 8 | 500ull << 32), 0);
	wr(&pf, P_IFC_CFG, 40);
	wr(&pf, P_IFC_SET, 1);
	assert_int_equal(rd64(&pf, P_IFC_READY), 1ull << 40);
	assert_int_equal(rd(&vf[0], Q_IFC_SOURCE_V), 0);
	/* and back */
	assert_int_equal(mb(&vf[1], MB_SRC, 0, 6), 0);
	wr(&vf[1], Q_IFC_SET_V, 1);
	assert_int_equal(rd(&vf[1], Q_IFC_SET_V), 1);
	assert_int_equal(fun_fired(&pf, VEC_IFC), 1);
	assert_int_equal(rd(&pf, Q_IFC_STATUS), 1);
	assert_int_equal(rd64(&pf, P_IFC_SOURCE), 1ull << 40);
	assert_int_equal(mb(&pf, MB_DST, 40, 0), 0);
	assert_int_equal(mb_data(&pf), 6);
	wr64(&pf, P_IFC_SOURCE, 1ull << 40);
	assert_int_equal(rd(&pf, Q_IFC_STATUS), 0);
	assert_int_equal(rd(&vf[1], Q_IFC_SET_V), 0);
	assert_int_not_equal(mb(&vf[1], MB_SRC, 1, 6), 0);
	assert_int_not_equal(mb(&vf[1], MB_DST, 1, 0), 0);
	assert_int_not_equal(mb(&pf, MB_SRC, 0, 6), 0);
	assert_int_not_equal(mb(&pf, MB_DST, 64, 0), 0);
}

static void test_vf_alone_has_a_pf_to_talk_to(void **state)
{
	struct fun vf;

	fun_open(&r, &vf, &fl_hisi_sec_vf_model_ops, "");
	fun_irqs(&vf);
	assert_int_equal(mb(&vf, MB_SRC, 0, 9), 0);
	wr(&vf, Q_IFC_SET_V, 1);
	assert_int_equal(rd(&vf, Q_IFC_SET_V), 0);
	assert_int_equal(fun_fired(&vf, VEC_IFC), 1);
	assert_int_equal(mb(&vf, MB_DST, 0, 0), 0);
	assert_int_equal(mb_data(&vf), 8 | 1000ull << 32);
	wr(&vf, Q_IFC_SOURCE_V, 1);
	assert_int_equal(rd(&vf, Q_IFC_STATUS), 0);
	/* images of EQC and AEQC, for migration */
	wr(&vf, Q_EQC + 4, RIG_EQ);
	wr(&vf, Q_EQC + 8, 1);
	wr(&vf, Q_EQC + 24, 0x107ff);
	wr(&vf, Q_EQC, 0x00030003);
	assert_int_equal(rd(&vf, Q_EQC), 0x00030003);
	assert_int_equal(vf.s->eq.base, RIG_IOVA + RIG_EQ);
	assert_true(vf.s->eq.on);
	wr(&vf, Q_AEQC + 24, 0x103ff);
	assert_int_equal(vf.s->aeq.depth, 1024);
}

/* ---- threads
 * ------------------------------------------------------------------------------------------- */

static void test_workers_keep_order(void **state)
{
	uint32_t at = 0;

	up("workers=2");
	while (at < 400) {
		uint32_t n = at % 6 + 1;

		fill(&pf, at % DEPTH, n);
		ring_mem(&pf, 0, DB_CQ, at % DEPTH);
		ring_mem(&pf, 0, DB_SQ, (at + n) % DEPTH);
		for (unsigned i = 0; i < 1000000 && pf.s->qp[0].ncqe < at + n; i++)
			fl_engine_round(r.e, 0);
		assert_int_equal(pf.s->qp[0].ncqe, at + n);
		for (uint32_t i = at; i < at + n; i++)
			assert_int_equal(cqe(i % DEPTH, 8), i % DEPTH);
		at += n;
	}
	/* what they hold ends before the memory goes */
	fill(&pf, at % DEPTH, 6);
	ring_mem(&pf, 0, DB_SQ, (at + 6) % DEPTH);
	fl_engine_round(r.e, 0);
	assert_int_equal(fl_model_unmap(pf.m, RIG_IOVA, RIG_MEM), 0);
	for (struct secm_slot *s = pf.s->qp[0].first; s; s = s->next)
		assert_true(s->completed || fl_secm_job_ran(s->job));
	fl_model_reset(pf.m);
	assert_int_equal(pf.s->running, 0);
}

/* ---- misbehaviour
 * ---------------------------------------------------------------------------------------- */

static void inject(const char *list)
{
	assert_int_equal(fl_secm_inject(pf.s, "none"), 0);
	assert_int_equal(fl_secm_inject(pf.s, list), 0);
	assert_int_equal(queue_up(&pf, 0, &small), 0);
	memset(r.mem + RIG_CQ, 0, DEPTH * CQE_SIZE);
}

static void test_inject_completions(void **state)
{
	up("doorbells=trap");
	inject("lost@2");
	submit(&pf, 0, 3);
	assert_int_equal(cqe(1, 8), 2);
	assert_int_equal(cqe(2, 14), 0);
	assert_int_equal(slot(1)[112] & 1, 1);
	inject("dup:2");
	submit(&pf, 0, 4);
	assert_int_equal(cqe(1, 8), 1);
	assert_int_equal(cqe(2, 8), 1);
	assert_int_equal(cqe(5, 8), 3);
	assert_int_equal(cqe(5, 14), 1);
	inject("phase@1+sqhead@2");
	submit(&pf, 0, 3);
	assert_int_equal(cqe(0, 14), 0);
	assert_int_equal(cqe(1, 8), DEPTH + 1);
	assert_int_equal(cqe(2, 8), 2);
	inject("tag@1+bd@2+icv@3");
	submit(&pf, 0, 4);
	assert_int_equal(slot(0)[8], 0x5a);
	assert_int_equal(slot(1)[114], 1);
	assert_int_equal(rd(&pf, S_INT_SOURCE), SE_BD);
	assert_int_equal(slot(2)[112] >> 1 & 7, 2);
	assert_int_equal(slot(3)[8], 3);
	assert_int_equal(slot(3)[112], 1);
	assert_int_equal(slot(3)[114], 0);
}

static void test_inject_stops(void **state)
{
	up("doorbells=trap");
	assert_int_equal(queue_up(&pf, 1,
				  &(struct queue_opts){ .sq = 0x50000,
							.cq = 0x60000,
							.sq_depth = 8,
							.cq_depth = 8,
							.dw6 = 1 }),
			 0);
	inject("qstop@2");
	submit(&pf, 0, 3);
	assert_int_equal(pf.s->qp[0].nsqe, 1);
	make_bd(r.mem + 0x50000, 3, 0);
	ring(&pf, 1, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(get16(&r, 0x60000 + 14), 1); /* the other one moves */
	inject("stall@2");
	submit(&pf, 0, 3);
	ring(&pf, 1, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(cqe(1, 14), 0);
	assert_int_equal(fl_secm_inject(pf.s, "none"), 0);
	rig_run(&r);
	assert_int_equal(cqe(2, 14), 1);
}

static void test_inject_control(void **state)
{
	up("");
	assert_int_equal(fl_secm_inject(pf.s, "mbfail@2+mbbusy@3"), 0);
	assert_int_equal(mb(&pf, MB_SQC_BT, 0, RIG_IOVA), 0);
	assert_int_equal(mb(&pf, MB_SQC_BT, 0, RIG_IOVA), 0xf);
	assert_int_equal(mb(&pf, MB_SQC_BT, 0, RIG_IOVA), 0x10);
	assert_int_equal(fl_secm_inject(pf.s, "none+lost"), -EINVAL);
	assert_int_equal(fl_secm_inject(pf.s, "none"), 0);
	assert_int_equal(fl_secm_inject(pf.s, "noreset"), 0);
	wr(&pf, P_MEM_START, 1);
	wr(&pf, S_MEM_START, 1);
	assert_int_equal(rd(&pf, P_MEM_DONE), 0);
	assert_int_equal(fl_secm_inject(pf.s, "ones@3"), 0);
	assert_int_equal(rd(&pf, P_REVISION), 0x30);
	assert_int_equal(rd(&pf, P_REVISION), 0x30);
	assert_int_equal(rd(&pf, P_REVISION), UINT32_MAX);
	assert_int_equal(rd64(&pf, P_REVISION), UINT64_MAX);
	fl_model_reset(pf.m);
	assert_int_equal(rd(&pf, P_REVISION), 0x30);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_worked_v2),
		T(test_worked_v3),
		T(test_worked_shared_doorbell),
		T(test_worked_with_workers),
		T(test_wraps),
		T(test_deepest_wraps),
		T(test_doorbell_rules),
		T(test_full_cq_holds_the_queue),
		T(test_many_queues_take_turns),
		T(test_unreachable),
		T(test_bad_bd),
		T(test_write_back),
		T(test_stop_and_flush),
		T(test_polled_doorbells),
		T(test_polled_doorbell_of_old),
		T(test_vf_alone),
		T(test_vf_of_a_pf),
		T(test_messages),
		T(test_vf_alone_has_a_pf_to_talk_to),
		T(test_workers_keep_order),
		T(test_inject_completions),
		T(test_inject_stops),
		T(test_inject_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
