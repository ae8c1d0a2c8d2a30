/* SPDX-License-Identifier: BSD-3-Clause */
/* SEC2 model: config space, registers, mailbox, contexts, events, what drivers probe for. */
#include "hisi_sec_qm_rig.h"

#include <cmocka.h>

static struct rig r;
static struct fun pf;

static const struct queue_opts usual = {
	.sq = RIG_SQ, .cq = RIG_CQ, .sq_depth = RIG_DEPTH, .cq_depth = RIG_DEPTH, .dw6 = 1
};

static int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void up(const char *args)
{
	fun_open(&r, &pf, &fl_hisi_sec_model_ops, args);
}

/* ---- config space -------------------------------------------------------------------------- */

static void test_config_v2(void **state)
{
	up("version=2");
	assert_int_equal(cfg(&pf, 0, 4), 0xa25519e5);
	assert_int_equal(cfg(&pf, 8, 4), 0x10000021);
	assert_int_equal(cfg(&pf, 0x3d, 1), 0);
	cfg_wr(&pf, 0x18, 4, UINT32_MAX);
	cfg_wr(&pf, 0x1c, 4, UINT32_MAX);
	assert_int_equal(cfg(&pf, 0x18, 4), 0xffc0000c); /* 4 MiB, 64 bits, prefetchable */
	assert_int_equal(cfg(&pf, 0x1c, 4), UINT32_MAX);
	assert_int_equal(cfg(&pf, 0x20, 4), 0);
	assert_int_equal(cfg(&pf, 0x40, 1), 0x10);
	assert_int_equal(cfg(&pf, 0x44, 4) >> 28 & 1, 1); /* FLR */
	assert_int_equal(cfg(&pf, 0x80, 1), 0x05);
	assert_int_equal(cfg(&pf, 0x82, 2), 0x0184); /* maskable, 64 bits, 4 vectors */
	assert_int_equal(pf.m->irq.index[FL_VFIO_IRQ_MSI].count, 4);
	assert_int_equal(cfg(&pf, 0x200, 2), 0x0010);
	assert_int_equal(cfg(&pf, 0x20e, 2), 63);
	assert_int_equal(cfg(&pf, 0x21a, 2), 0xa256);
	cfg_wr(&pf, 0x208, 2, 0x9);
	assert_int_equal(cfg(&pf, 0x208, 2), 0x9); /* VF memory enable reads back */
	cfg_wr(&pf, 0x22c, 4, UINT32_MAX);
	assert_int_equal(cfg(&pf, 0x22c, 4), 0xffff000c);
	assert_int_equal(pf.m->bar[2].nshared, 0);
}

static void test_config_v3_and_vf(void **state)
{
	struct fun vf;

	up("qps=100");
	assert_int_equal(cfg(&pf, 8, 1), 0x30);
	cfg_wr(&pf, 0x20, 4, UINT32_MAX);
	assert_int_equal(cfg(&pf, 0x20, 4), 0xff80000c); /* 128 pages of 64 KiB */
	assert_int_equal(pf.m->bar[4].nshared, 1);
	assert_int_equal(rd(&pf, Q_ISOLATION), 1);
	assert_int_equal(rd(&pf, P_QPS), 100 << 11 | 100);
	fun_open(&r, &vf, &fl_hisi_sec_vf_model_ops, "version=2,qps=64");
	assert_int_equal(cfg(&vf, 0, 4), 0xa25619e5);
	assert_int_equal(cfg(&vf, 0x82, 2), 0x0182); /* 2 vectors */
	assert_int_equal(vf.m->bar[2].size, 0x10000);
	assert_int_equal(vf.m->bar[4].size, 0);
	fun_close(&vf);
	fun_open(&r, &vf, &fl_hisi_sec_vf_model_ops, "qps=64,isolation=off");
	assert_int_equal(cfg(&vf, 0x82, 2), 0x0184);
	assert_int_equal(vf.m->bar[4].size, 0);
	assert_int_equal(rd(&vf, Q_VF_STATE), 1);
	wr(&vf, Q_VF_STATE, 0);
	assert_int_equal(rd(&vf, Q_VF_STATE), 0);
}

static void test_bad_arguments(void **state)
{
	static const char *const bad[] = {
		"version=4",	 "qps=0",	   "qps=1025", "version=2,isolation=on",
		"doorbells=x",	 "workers=1000",   "inject=x", "doorbells=poll,isolation=off",
		"inject=lost:0", "inject=lost@3x", "inject=",  "inject=lost+",
		"fn=1",
	};
	struct fun f;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fun_try(&r, &f, &fl_hisi_sec_model_ops, bad[i]), -EINVAL);
	assert_int_equal(fun_try(&r, &f, &fl_hisi_sec_vf_model_ops, "pf=0"), -EINVAL);
	assert_int_equal(fun_try(&r, &f, &fl_hisi_sec_vf_model_ops, "fn=64"), -EINVAL);
	up("version=2");
	fun_open(&r, &f, &fl_hisi_sec_vf_model_ops, "pf=0,fn=3");
	assert_int_equal(f.s->env.version, 0x21);
	assert_int_equal(fun_try(&r, &f, &fl_hisi_sec_vf_model_ops, "pf=0,fn=3"), -EINVAL);
	/* a VF is nobody's PF */
	assert_int_equal(fun_try(&r, &f, &fl_hisi_sec_vf_model_ops, "pf=1,fn=4"), -EINVAL);
}

/* ---- registers ----------------------------------------------------------------------------- */

static void test_reset_values(void **state)
{
	up("version=2");
	assert_int_equal(rd(&pf, P_VFT_RDY), 1);
	assert_int_equal(rd(&pf, Q_MB), 0);
	assert_int_equal(rd(&pf, P_MEM_DONE), 0);
	assert_int_equal(rd(&pf, S_MEM_DONE), 0);
	assert_int_equal(rd(&pf, P_ERR_MASK), 0x7fff);
	assert_int_equal(rd(&pf, Q_AEQ_MASK), 1);
	assert_int_equal(rd(&pf, Q_EQ_MASK), 1);
	assert_int_equal(rd(&pf, P_ERR_STATUS), 0);
	assert_int_equal(rd(&pf, S_INT_STATUS), 0);
	assert_int_equal(rd(&pf, A_RETURNED), 3);
	assert_int_equal(rd(&pf, P_IDLE), 1);
	assert_int_equal(rd(&pf, P_REVISION) & 0xff, 0x21);
	assert_int_equal(rd(&pf, P_VENDOR), 0x19e5);
	assert_int_equal(rd(&pf, P_QPS), 0x00200400);
	assert_int_equal(rd(&pf, Q_ISOLATION), 0);
	assert_int_equal(rd(&pf, Q_CAPS), 0);
	fun_close(&pf);
	up("");
	assert_int_equal(rd(&pf, Q_CAPS), 0x6f00);
	assert_int_equal(rd(&pf, 0x3104), 0x04000800);
	assert_int_equal(rd(&pf, 0x3108), 0x04000400);
	assert_int_equal(rd(&pf, 0x313c), 0x00110404);
	assert_int_equal(rd(&pf, 0x3170), 0x3fff);
	fun_close(&pf);
	up("caps=on");
	assert_int_equal(rd(&pf, Q_CAPS) & 0xff, 1);
}

static void test_access_rules(void **state)
{
	uint16_t half = 0;

	up("version=2");
	wr(&pf, P_VENDOR, 0x5a5a);
	assert_int_equal(rd(&pf, P_VENDOR), 0x5a5a);
	wr(&pf, 0x100074, 0x1fffff);
	assert_int_equal(rd(&pf, 0x100074), 0x1fffff);
	wr(&pf, 0x302224, 0x80808080);
	assert_int_equal(rd(&pf, 0x302224), 0x80808080);
	wr(&pf, P_REVISION, 1);
	assert_int_equal(rd(&pf, P_REVISION), 0x21);
	wr(&pf, A_RETURNED, 0);
	assert_int_equal(rd(&pf, A_RETURNED), 3);
	wr64(&pf, 0x100064, 0x1122334455667788);
	assert_int_equal(rd(&pf, 0x100068), 0x11223344);
	assert_int_equal(rd64(&pf, 0x100064), 0x1122334455667788);
	fun_access(&pf, 2, 0x10006a, &half, 2, false);
	assert_int_equal(half, 0x1122);
	half = 0xabcd;
	fun_access(&pf, 2, 0x100066, &half, 2, true);
	assert_int_equal(rd(&pf, 0x100064), 0xabcd7788);
	/* nothing there */
	wr(&pf, 0x200000, 1);
	assert_int_equal(rd(&pf, 0x200000), 0);
	assert_int_equal(rd(&pf, 0x3ffffc), 0);
}

static void test_debug_windows(void **state)
{
	static const struct {
		uint32_t at, n;
	} win[] = {
		{ 0, 0xc3 },	    { 0x100000, 0x5a }, { 0x104000, 0x2e }, { 0x1040c8, 0x11 },
		{ 0x301000, 0x9d }, { 0x301600, 0x45 }, { 0x301c00, 0xba }, { 0x302100, 0x32b }
	};
	static uint32_t first[0x400];

	up("version=2");
	pf_init(&pf, 16);
	tables(&pf);
	assert_int_equal(queue_up(&pf, 0, &usual), 0);
	wr(&pf, P_ERR_SET, 0x8);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(win); i++) {
		for (uint32_t k = 0; k < win[i].n; k++)
			first[k] = rd(&pf, win[i].at + 4 * k);
		for (uint32_t k = 0; k < win[i].n; k++)
			assert_int_equal(rd(&pf, win[i].at + 4 * k), first[k]);
	}
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 8);
	assert_int_equal(mb(&pf, MB_SQC_VFT | MB_READ, 0, 0), 0);
}

static void test_errors_and_their_interrupt(void **state)
{
	up("version=2");
	fun_irqs(&pf);
	wr(&pf, P_ERR_SET, 1u << 3);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 8);
	assert_int_equal(rd(&pf, P_ERR_STATUS), 0); /* masked */
	assert_int_equal(fun_fired(&pf, VEC_ABNORMAL), 0);
	wr(&pf, P_ERR_MASK, 0x7fff & ~0x1c7f);
	assert_int_equal(rd(&pf, P_ERR_STATUS), 8);
	assert_int_equal(fun_fired(&pf, VEC_ABNORMAL), 1);
	wr(&pf, P_ERR_SET, 1u << 3);
	assert_int_equal(fun_fired(&pf, VEC_ABNORMAL), 0); /* it stands already */
	wr(&pf, P_ERR_SET, 1u << 0);
	assert_int_equal(fun_fired(&pf, VEC_ABNORMAL), 1);
	wr(&pf, P_ERR_SOURCE, 8);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 1);
	wr(&pf, P_ERR_SOURCE, 1);
	assert_int_equal(rd(&pf, P_ERR_STATUS), 0);
	/* the engine's enable has the other polarity */
	fl_secm_sec_error(pf.s, SE_BD);
	assert_int_equal(rd(&pf, S_INT_SOURCE), 0x80);
	assert_int_equal(rd(&pf, S_INT_STATUS), 0);
	wr(&pf, S_INT_ENABLE, 0x1ff);
	assert_int_equal(rd(&pf, S_INT_STATUS), 0x80);
	assert_int_equal(fun_fired(&pf, VEC_ABNORMAL), 1);
	wr(&pf, S_INT_SOURCE, 0x80);
	assert_int_equal(rd(&pf, S_INT_STATUS), 0);
}

/* ---- what Linux does at probe (7.2) -------------------------------------------------------- */

static void linux_registers(bool v3)
{
	uint32_t user = v3 ? 0x302220 : 0x301220;

	wr(&pf, 0x100074, 0x1fffff);
	if (v3)
		wr(&pf, 0x100148, rd(&pf, 0x100148) | 1u << 9);
	wr(&pf, P_MEM_START, 1);
	assert_int_equal(rd(&pf, P_MEM_DONE) & 1, 1);
	if (v3) {
		wr64(&pf, P_IFC_SOURCE, UINT64_MAX);
		wr(&pf, Q_IFC_SOURCE_V, rd(&pf, Q_IFC_SOURCE_V) | 1);
		wr(&pf, Q_IFC_MASK, rd(&pf, Q_IFC_MASK) & ~1u);
		assert_int_equal(rd(&pf, Q_IFC_STATUS), 0);
	}
	for (uint32_t off = 0x100088; off <= 0x1000d0; off += 8)
		wr(&pf, off, 0x40001070);
	wr(&pf, 0x100050, 0x1833);
	wr(&pf, S_CONTROL, rd(&pf, S_CONTROL) & ~CONTROL_GATE);
	wr(&pf, S_MEM_START, 1);
	assert_int_equal(rd(&pf, S_MEM_DONE) & 1, 1);
	wr(&pf, user, rd(&pf, user) | 0x808000);
	assert_int_equal(rd(&pf, user), 0x808000);
	if (v3) {
		wr(&pf, S_PREFETCH, rd(&pf, S_PREFETCH) & ~0x803u);
		assert_int_equal(rd(&pf, S_PREFETCH) & 2, 0);
		assert_int_equal(rd(&pf, 0x301ec4), 0);
	}
	wr(&pf, 0x300014, 0x2060);
	wr(&pf, S_CORES, 0x17f);
	wr(&pf, P_ERR_SOURCE, 0x1c7f);
	wr(&pf, P_ERR_MASK, rd(&pf, P_ERR_MASK) & ~0x1c7fu);
	assert_int_equal(rd(&pf, P_ERR_MASK), 0x7fff & ~0x1c7f);
	wr(&pf, S_INT_ENABLE, 0x1ff);
	wr(&pf, 0x301120, 1);
	wr(&pf, 0x301120, 0);
}

static void linux_start(bool v3)
{
	const uint32_t eqc[8] = { 0, RIG_EQ, 1, 0, 0, 0, 0x107ff };
	const uint32_t aeqc[8] = { 0, RIG_AEQ, 1, 0, 0, 0, 0x103ff };

	assert_int_equal(rd(&pf, P_VFT_RDY) & 1, 1);
	give_queues(&pf, 0, 0, 256);
	assert_int_equal(rd(&pf, P_VFT_RDY) & 1, 1);
	for (uint32_t alg = 0; v3 && alg < 2; alg++) {
		wr(&pf, 0x100164, 0x40000190);
		vft(&pf, alg << 6, 2, 0x988696);
		assert_int_equal(rd(&pf, P_VFT_RDY) & 1, 1);
	}
	assert_int_equal(rd(&pf, P_ERR_STATUS) | rd(&pf, S_INT_STATUS), 0);
	memcpy(r.mem + RIG_CTX, eqc, sizeof(eqc));
	assert_int_equal(mb(&pf, MB_EQC, 0, RIG_IOVA + RIG_CTX), 0);
	memcpy(r.mem + RIG_CTX, aeqc, sizeof(aeqc));
	assert_int_equal(mb(&pf, MB_AEQC, 0, RIG_IOVA + RIG_CTX), 0);
	tables(&pf);
	if (v3)
		wr(&pf, Q_PAGE_SIZE, 0);
	ring(&pf, 0, DB_AEQ, 0, 0);
	ring(&pf, 0, DB_EQ, 0, 0);
	wr(&pf, Q_EQ_MASK, 0);
	wr(&pf, Q_AEQ_MASK, 0);
}

/* One request through a queue that raises an event, as Linux works it. */
static void linux_request(uint32_t qn, uint32_t idx, unsigned type)
{
	make_bd(r.mem + RIG_SQ + idx * SECM_BD_SIZE, type, (uint16_t)idx);
	ring(&pf, qn, DB_SQ, (idx + 1) % RIG_DEPTH, 0);
	rig_run(&r);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 1);
	assert_int_equal(rd(&pf, Q_EQ_SOURCE), 1);
	assert_int_equal(get32(&r, RIG_EQ + 4 * idx), 1u << 16 | qn);
	ring(&pf, 0, DB_EQ, idx + 1, 0);
	assert_int_equal(rd(&pf, Q_EQ_SOURCE), 0);
	assert_int_equal(get16(&r, RIG_CQ + idx * CQE_SIZE + 14), 1);
	ring(&pf, qn, DB_CQ, idx + 1, 0);
	ring(&pf, qn, DB_CQ, idx + 1, 1);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
}

static void linux_probe(bool v3)
{
	struct queue_opts o = usual;

	text(&r);
	up(v3 ? "doorbells=trap" : "version=2");
	fun_irqs(&pf);
	linux_registers(v3);
	linux_start(v3);
	o.dw6 = 3;
	assert_int_equal(queue_up(&pf, 255, &o), 0);
	for (uint32_t i = 0; i < 3; i++)
		linux_request(255, i, v3 ? 3 : 2);
	assert_int_equal(fun_fired(&pf, VEC_AEQ) + fun_fired(&pf, VEC_ABNORMAL), 0);
}

static void test_linux_v2(void **state)
{
	linux_probe(false);
	/* stop of a queue: tails alike */
	assert_int_equal(mb(&pf, MB_SQC | MB_READ, 255, RIG_IOVA + RIG_CTX), 0);
	assert_int_equal(mb(&pf, MB_CQC | MB_READ, 255, RIG_IOVA + RIG_CTX + 32), 0);
	assert_int_equal(get16(&r, RIG_CTX + 2), 3);
	assert_int_equal(get16(&r, RIG_CTX + 32 + 2), 3);
	assert_int_equal((get16(&r, RIG_CTX + 22) ^ get16(&r, RIG_CTX + 32 + 22)) & W11_TAIL_SIG,
			 0);
	assert_int_not_equal(mb(&pf, MB_STOP_QP, 255, 0), 0); /* V3 */
	assert_int_not_equal(mb(&pf, MB_SRC, 1, 0), 0);
}

static void test_linux_v3(void **state)
{
	linux_probe(true);
	assert_int_equal(mb(&pf, MB_STOP_QP, 255, 0), 0);
	make_bd(r.mem + RIG_SQ + 3 * SECM_BD_SIZE, 3, 3);
	ring(&pf, 255, DB_SQ, 4, 0);
	rig_run(&r);
	assert_int_equal(get16(&r, RIG_CQ + 3 * CQE_SIZE + 14), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 0);
	assert_int_equal(mb(&pf, MB_FLUSH_QM, 0, 0), 0);
	/* FLR: Linux does not initialise the memory again */
	cfg_wr(&pf, CAP_DEVCTL, 2, 0x8000);
	cfg_wr(&pf, 4, 2, 6);
	assert_int_equal(rd(&pf, P_MEM_DONE), 0);
	assert_int_equal(rd(&pf, Q_EQ_MASK), 1);
	assert_int_not_equal(mb(&pf, MB_SQC, 255, RIG_IOVA + RIG_CTX), 0);
	memset(r.mem + RIG_EQ, 0, 0x4000);
	linux_start(true);
	assert_int_equal(queue_up(&pf, 255,
				  &(struct queue_opts){ .sq = RIG_SQ,
							.cq = RIG_CQ,
							.sq_depth = RIG_DEPTH,
							.cq_depth = RIG_DEPTH,
							.dw6 = 3 }),
			 0);
	linux_request(255, 0, 3);
}

/* ---- mailbox ------------------------------------------------------------------------------- */

static void test_mailbox_widths(void **state)
{
	const uint32_t w[4] = { MB_BUSY | MB_SQC_BT, RIG_SQT, 1, 0 };
	uint64_t q;

	up("version=2");
	pf_init(&pf, 16);
	for (unsigned i = 0; i < 3; i++) {
		wr(&pf, Q_MB + 4 * i, w[i]);
		assert_int_equal(rd(&pf, Q_MB), w[0]); /* not yet */
	}
	wr(&pf, Q_MB + 12, 0);
	assert_int_equal(rd(&pf, Q_MB), MB_SQC_BT);
	assert_int_equal(pf.s->sqc_bt, RIG_IOVA + RIG_SQT);
	memcpy(&q, w, 8);
	wr64(&pf, Q_MB, q + MB_CQC_BT - MB_SQC_BT);
	assert_int_equal(rd(&pf, Q_MB), MB_BUSY | MB_CQC_BT);
	memcpy(&q, w + 2, 8);
	wr64(&pf, Q_MB + 8, q);
	assert_int_equal(rd(&pf, Q_MB), MB_CQC_BT);
	assert_int_equal(mb(&pf, MB_CQC_BT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&pf), RIG_IOVA + RIG_SQT);
	/* without the busy bit it asks for nothing */
	wr(&pf, Q_MB, MB_SQC_BT);
	wr(&pf, Q_MB + 4, 0x5000);
	wr(&pf, Q_MB + 12, 0);
	assert_int_equal(pf.s->sqc_bt, RIG_IOVA + RIG_SQT);
}

static void test_mailbox_refuses(void **state)
{
	struct queue_opts odd = usual;

	up("version=2");
	/* before memory initialisation there is nowhere to keep a context */
	assert_int_not_equal(mb(&pf, MB_SQC_BT, 0, RIG_IOVA), 0);
	pf_init(&pf, 16);
	assert_int_not_equal(mb(&pf, 0xb, 0, 0), 0);
	assert_int_not_equal(mb(&pf, 0xff, 0, 0), 0);
	assert_int_not_equal(mb(&pf, MB_SQC_VFT, 0, 0), 0);
	assert_int_equal(queue_up(&pf, 15, &usual), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), 0);
	assert_int_not_equal(queue_up(&pf, 16, &usual), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ);
	assert_int_not_equal(mb(&pf, MB_CQC | MB_READ, 0xffff, RIG_IOVA), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_BAD_SQ | E_BAD_CQ);
	wr(&pf, P_ERR_SOURCE, UINT32_MAX);
	/* an address that nobody mapped: an error, and no crash */
	assert_int_not_equal(mb(&pf, MB_SQC, 1, 0xdead0000), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_AXI_READ | E_DB_TIMEOUT);
	assert_int_equal(rd(&pf, P_ERR_INF01), 1u << 16);
	assert_int_not_equal(mb(&pf, MB_CQC | MB_READ, 1, UINT64_MAX - 8), 0);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_AXI_READ | E_AXI_WRITE | E_DB_TIMEOUT);
	assert_int_not_equal(mb(&pf, MB_EQC, 0, 0xdead0000), 0);
	odd.sq += 64;
	assert_int_not_equal(queue_up(&pf, 1, &odd), 0);
	cfg_wr(&pf, 4, 2, 2);
	assert_int_not_equal(queue_up(&pf, 1, &usual), 0);
	/* which needs no bus master */
	assert_int_equal(mb(&pf, MB_SQC_VFT | MB_READ, 0, 0), 0);
	assert_int_equal(mb_data(&pf), 15ull << 45 | VFT_SQC_VALID);
}

static void test_vft(void **state)
{
	up("version=2");
	wr(&pf, P_MEM_START, 1);
	vft(&pf, 5, 0, 0x0001701000000000);
	vft(&pf, 5, 1, 0x10000000);
	assert_int_equal(rd(&pf, P_VFT_RDY), 1);
	wr(&pf, P_VFT_DATA_L, 0);
	wr(&pf, P_VFT_DATA_H, 0);
	wr(&pf, P_VFT_WR, 1);
	wr(&pf, P_VFT_TYPE, 0);
	wr(&pf, P_VFT_ADDR, 5);
	wr(&pf, P_VFT_RDY, 0);
	assert_int_equal(rd(&pf, P_VFT_RDY), 0);
	wr(&pf, P_VFT_GO, 1);
	assert_int_equal(rd(&pf, P_VFT_RDY), 1);
	assert_int_equal(rd(&pf, P_VFT_DATA_H), 0x00017010);
	assert_int_equal(rd(&pf, P_VFT_DATA_L), 0);
	/* rubbish has no effect */
	vft(&pf, 64, 0, UINT64_MAX);
	vft(&pf, 0, 7, UINT64_MAX);
	vft(&pf, 0xffffffff, 2, UINT64_MAX);
	assert_int_equal(pf.s->nq, 0);
	/* beyond the pool */
	give_queues(&pf, 0, 1000, 25);
	assert_int_equal(pf.s->nq, 0);
	give_queues(&pf, 0, 1000, 24);
	assert_int_equal(pf.s->nq, 24);
	wr(&pf, P_MEM_START, 1);
	assert_int_equal(pf.s->nq, 0);
}

static void test_dumps(void **state)
{
	static const uint8_t sqc[32] = { 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0xff, 0x73,
					 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10 };
	static const uint8_t cqc[32] = { 0,    0, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 0xff,
					 0x43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	const uint32_t eqc[7] = { 0x00050003, RIG_EQ, 1, 0, 0, 0, 0x107ff };
	uint32_t out[7] = { 0 };

	up("version=2");
	pf_init(&pf, 16);
	/* counts that software leaves in a context do not count */
	memcpy(r.mem + RIG_CTX, sqc, 32);
	put32(&r, RIG_CTX, 0x00070007);
	assert_int_equal(mb(&pf, MB_SQC, 0, RIG_IOVA + RIG_CTX), 0);
	memcpy(r.mem + RIG_CTX, cqc, 32);
	assert_int_equal(mb(&pf, MB_CQC, 0, RIG_IOVA + RIG_CTX), 0);
	assert_int_equal(mb(&pf, MB_SQC | MB_READ, 0, RIG_IOVA + 0x5000), 0);
	assert_memory_equal(r.mem + 0x5000, sqc, 32);
	assert_int_equal(mb(&pf, MB_CQC | MB_READ, 0, RIG_IOVA + 0x5000), 0);
	assert_memory_equal(r.mem + 0x5000, cqc, 32);
	memcpy(r.mem + RIG_CTX, eqc, 28);
	assert_int_equal(mb(&pf, MB_EQC, 0, RIG_IOVA + RIG_CTX), 0);
	assert_int_equal(mb(&pf, MB_EQC | MB_READ, 0, RIG_IOVA + 0x5000), 0);
	memcpy(out, r.mem + 0x5000, 28);
	assert_int_equal(out[0], 0);
	assert_memory_equal(out + 1, eqc + 1, 24);
	/* images are a VF's */
	assert_int_equal(rd(&pf, Q_EQC + 4), 0);
}

/* ---- events
 * --------------------------------------------------------------------------------------- */

static void submit(uint32_t idx, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		make_bd(r.mem + RIG_SQ + (idx + i) % RIG_DEPTH * SECM_BD_SIZE, 2, 0);
	ring(&pf, 0, DB_SQ, (idx + n) % RIG_DEPTH, 0);
	rig_run(&r);
}

static void test_events(void **state)
{
	struct queue_opts o = usual;

	text(&r);
	up("version=2");
	fun_irqs(&pf);
	linux_registers(false);
	linux_start(false);
	o.dw6 = 3;
	assert_int_equal(queue_up(&pf, 0, &o), 0);
	/* one event for many completions: the flag is consumed */
	submit(0, 3);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 1);
	assert_int_equal(get32(&r, RIG_EQ), 1u << 16);
	assert_int_equal(get32(&r, RIG_EQ + 4), 0);
	/* armed with completions left: at once; but the interrupt waits for its doorbell */
	ring(&pf, 0, DB_CQ, 1, 1);
	assert_int_equal(get32(&r, RIG_EQ + 4), 1u << 16);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
	ring(&pf, 0, DB_EQ, 1, 0); /* one is left */
	assert_int_equal(fun_fired(&pf, VEC_EQ), 1);
	ring(&pf, 0, DB_EQ, 2, 0);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
	/* armed with none left: the next completion, masked until it is unmasked */
	ring(&pf, 0, DB_CQ, 3, 1);
	assert_int_equal(get32(&r, RIG_EQ + 8), 0);
	wr(&pf, Q_EQ_MASK, 1);
	submit(3, 1);
	assert_int_equal(get32(&r, RIG_EQ + 8), 1u << 16);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
	wr(&pf, Q_EQ_MASK, 0);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 1);
	/* a doorbell that consumes nothing is harmless */
	ring(&pf, 0, DB_EQ, 3, 0);
	ring(&pf, 0, DB_EQ, 3, 0);
	ring(&pf, 0, DB_EQ, 0xffff, 0);
	assert_int_equal(fun_fired(&pf, VEC_EQ), 0);
}

static void test_event_ring_wraps(void **state)
{
	const uint32_t eqc[7] = { 0, RIG_EQ, 1, 0, 0, 0, 0x10003 }; /* 4 deep */
	struct queue_opts o = usual;

	text(&r);
	up("version=2");
	fun_irqs(&pf);
	linux_registers(false);
	linux_start(false);
	memcpy(r.mem + RIG_CTX, eqc, 28);
	assert_int_equal(mb(&pf, MB_EQC, 0, RIG_IOVA + RIG_CTX), 0);
	o.dw6 = 3;
	assert_int_equal(queue_up(&pf, 0, &o), 0);
	for (uint32_t i = 0; i < 10; i++) {
		submit(i, 1);
		assert_int_equal(get32(&r, RIG_EQ + 4 * (i % 4)), (~i / 4 & 1) << 16);
		ring(&pf, 0, DB_EQ, (i + 1) % 4, 0);
		ring(&pf, 0, DB_CQ, i + 1, 1);
	}
	assert_int_equal(fun_fired(&pf, VEC_EQ), 10);
	/* full: overflow, AEQ type 1, error bit 11 */
	for (uint32_t i = 10; i < 14; i++) {
		submit(i, 1);
		ring(&pf, 0, DB_CQ, i + 1, 1);
	}
	assert_int_equal(fun_fired(&pf, VEC_AEQ), 1);
	assert_int_equal(get32(&r, RIG_AEQ), 1u << 16 | AEQE_EQ_OVERFLOW << 17);
	assert_int_equal(rd(&pf, P_ERR_SOURCE), E_OVERFLOW);
	assert_int_equal(rd(&pf, P_ERR_INF00), 1u << 6);
}

/* ---- resets
 * ------------------------------------------------------------------------------------------ */

static void test_order_of_initialisation(void **state)
{
	text(&r);
	up("version=2");
	wr(&pf, S_MEM_START, 1);
	assert_int_equal(rd(&pf, S_MEM_DONE), 0); /* the clock gate is on */
	wr(&pf, P_MEM_START, 1);
	give_queues(&pf, 0, 0, 8);
	tables(&pf);
	assert_int_equal(queue_up(&pf, 0, &usual), 0);
	submit(0, 1);
	assert_int_equal(get16(&r, RIG_CQ + 14), 0); /* no engine yet */
	wr(&pf, S_CONTROL, 0);
	wr(&pf, S_MEM_START, 1);
	rig_run(&r);
	assert_int_equal(get16(&r, RIG_CQ + 14), 1);
	/* a shut master fetches nothing; the way out is the AXI shutdown enable */
	wr(&pf, A_GLOBAL, 1);
	assert_int_equal(rd(&pf, A_RETURNED), 3);
	submit(1, 1);
	assert_int_equal(get16(&r, RIG_CQ + 16 + 14), 0);
	wr(&pf, S_CONTROL, CONTROL_AXI);
	rig_run(&r);
	assert_int_equal(get16(&r, RIG_CQ + 16 + 14), 1);
	/* the client's end takes the power */
	fl_model_release(pf.m);
	fl_hisi_sec_model_ops.client(pf.s, false);
	cfg_wr(&pf, 4, 2, 6);
	assert_int_not_equal(mb(&pf, MB_SQC_BT, 0, 0), 0);
}

static void test_counters(void **state)
{
	text(&r);
	up("version=2");
	pf_init(&pf, 8);
	tables(&pf);
	assert_int_equal(queue_up(&pf, 3, &usual), 0);
	make_bd(r.mem + RIG_SQ, 2, 0);
	ring(&pf, 3, DB_SQ, 1, 0);
	rig_run(&r);
	assert_int_equal(rd(&pf, P_STAT_MB), 4);
	assert_int_equal(rd(&pf, P_STAT_DB), 1);
	wr(&pf, P_STAT_SQ_SEL, 3u << 16);
	wr(&pf, P_STAT_CQ_SEL, 3u << 16);
	assert_int_equal(rd(&pf, P_STAT_SQE), 1);
	assert_int_equal(rd(&pf, P_STAT_CQE), 1);
	assert_int_equal(rd(&pf, P_STAT_SENT), 1);
	assert_int_equal(rd(&pf, P_STAT_WB), 1);
	assert_int_equal(rd(&pf, P_STAT_TASKS), 1);
	assert_int_equal(rd(&pf, P_STAT_CQES), 1);
	assert_int_equal(rd(&pf, P_STAT_EQES), 0);
	wr(&pf, P_CNT_CLR, 1);
	assert_int_equal(rd(&pf, P_STAT_MB), 4);
	assert_int_equal(rd(&pf, P_STAT_MB), 0);
	assert_int_equal(rd(&pf, P_STAT_CQES), 1);
	assert_int_equal(rd(&pf, P_STAT_CQES), 0);
	/* of a function or queue that is not */
	wr(&pf, P_STAT_MB_SEL, 9);
	wr(&pf, P_STAT_SQ_SEL, UINT32_MAX << 16);
	assert_int_equal(rd(&pf, P_STAT_MB) | rd(&pf, P_STAT_SQE), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_config_v2),
		T(test_config_v3_and_vf),
		T(test_bad_arguments),
		T(test_reset_values),
		T(test_access_rules),
		T(test_debug_windows),
		T(test_linux_v2),
		T(test_linux_v3),
		T(test_mailbox_widths),
		T(test_mailbox_refuses),
		T(test_vft),
		T(test_dumps),
		T(test_events),
		T(test_event_ring_wraps),
		T(test_counters),
		T(test_order_of_initialisation),
		T(test_errors_and_their_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
