/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEC2 models, PF of either version or a VF of a PF as the first byte says: the rest is a program
 * of register accesses, mailboxes, doorbells, memory contents, mappings that come and go, faults
 * on request. Whatever it says, the model stays inside its memory and comes back.
 */
#include "../unit/hisi_sec_qm_rig.h"

#define MEM (512u << 10) /* what is mapped of the rig's memory */

struct in {
	const uint8_t *p;
	size_t n;
};

static struct rig rig;
static struct fun funs[3]; /* V2 PF, V3 PF, VF of the latter */

static uint32_t take(struct in *in, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++) {
		v |= (in->n ? (uint32_t)*in->p : 0u) << 8 * i;
		if (in->n) {
			in->p++;
			in->n--;
		}
	}
	return v;
}

/* registers that matter, so that few bytes name them */
static const uint32_t regs[] = {
	Q_AEQ_MASK,   Q_EQ_MASK,     Q_IFC_SOURCE_V, Q_IFC_MASK,    Q_IFC_SET_V,  Q_WB_START,
	Q_MB,	      Q_MB + 4,	     Q_MB + 8,	     Q_MB + 12,	    Q_EQC,	  Q_EQC + 4,
	Q_EQC + 8,    Q_EQC + 24,    Q_AEQC,	     Q_AEQC + 24,   P_ERR_SOURCE, P_ERR_MASK,
	P_ERR_SET,    P_MEM_START,   P_VFT_GO,	     P_VFT_WR,	    P_VFT_TYPE,	  P_VFT_ADDR,
	P_VFT_DATA_L, P_VFT_DATA_H,  P_VFT_RDY,	     P_CNT_CLR,	    P_IFC_SET,	  P_IFC_CFG,
	P_IFC_SOURCE, P_STAT_MB_SEL, P_STAT_MB,	     P_STAT_SQ_SEL, P_STAT_SQE,	  P_STAT_SENT,
	P_STAT_CQES,  P_IDLE,	     A_GLOBAL,	     A_ROB_ECC,	    A_RETURNED,	  S_INT_ENABLE,
	S_INT_SOURCE, S_INT_STATUS,  S_MEM_START,    S_CONTROL,	    Q_IFC_STATUS, Q_EQ_SOURCE,
};

/* inside the BAR of that function */
static uint32_t which(struct fun *f, struct in *in)
{
	uint32_t b = take(in, 1);
	uint32_t off = b == 0xff ? take(in, 3) & ~3u : regs[b % FL_ARRAY_SIZE(regs)];

	return off % (uint32_t)f->m->bar[2].size;
}

/* a queue that works, so that descriptors are looked at */
static void set_up(struct fun *f, uint32_t flags)
{
	struct queue_opts o = { .sq = RIG_SQ,
				.cq = RIG_CQ,
				.sq_depth = flags & 1 ? 8 : 32,
				.cq_depth = flags & 2 ? 4 : 32,
				.dw6 = flags & 4 ? 3 : 1 };
	const uint32_t eqc[7] = { 0, RIG_EQ, 1, 0, 0, 0, flags & 8 ? 0x10003 : 0x107ff };

	if (f == &funs[2]) {
		pf_init(&funs[1], 16);
		give_queues(&funs[1], 1, 16, 4);
	} else {
		pf_init(f, 8);
	}
	memcpy(rig.mem + RIG_CTX, eqc, sizeof(eqc));
	mb_write(f, MB_EQC, 0, RIG_IOVA + RIG_CTX);
	mb_write(f, MB_AEQC, 0, RIG_IOVA + RIG_CTX);
	wr(f, Q_EQ_MASK, 0);
	mb_write(f, MB_SQC_BT, 0, RIG_IOVA + RIG_SQT);
	mb_write(f, MB_CQC_BT, 0, RIG_IOVA + RIG_CQT);
	make_sqc(&rig, &o, flags >> 4 & 3);
	mb_write(f, MB_SQC, flags >> 4 & 3, RIG_IOVA + RIG_CTX);
	make_cqc(&rig, &o);
	mb_write(f, MB_CQC, flags >> 4 & 3, RIG_IOVA + RIG_CTX);
}

static void context(struct in *in)
{
	uint32_t at = take(in, 1) & 1 ? RIG_CTX : RIG_SQT + (take(in, 1) & 3) * CTX_SIZE;
	uint32_t n = take(in, 1) & 7;

	for (uint32_t i = 0; i <= n; i++)
		put32(&rig, at + 4 * i, take(in, 4));
}

/* one that works, some bytes of which are changed */
static void descriptor(struct in *in)
{
	uint32_t kind = take(in, 1), n = take(in, 1) & 15;
	uint8_t *p = rig.mem + RIG_SQ + (kind >> 2 & 31) * SECM_BD_SIZE;

	make_bd(p, kind & 1 ? 2 : 3, 1);
	if (kind & 2)
		p[1] |= kind & 1 ? 0x80 : 0x08; /* the source is an SGL */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = take(in, 1) % SECM_BD_SIZE;

		p[at] = (uint8_t)take(in, 1);
	}
}

static void doorbell(struct fun *f, struct in *in)
{
	uint32_t kind = take(in, 1), idx = take(in, 1);
	uint64_t v = db_word(kind & 3, kind >> 2 & 3, 0, idx, kind >> 4 & 1);

	if (kind & 0x80)
		v ^= (uint64_t)take(in, 4) << (kind & 0x40 ? 32 : 0);
	if (kind & 0x20 && f->s->db_mem)
		*(uint64_t *)(f->s->db_mem + (uint64_t)(kind & 3) * SECM_DB_PAGE + Q_DB) = v;
	else if (f->db4 && !(kind & 0x40))
		fun_access(f, 4, (uint64_t)(kind & 3) * SECM_DB_PAGE + Q_DB, &v, 8, true);
	else
		wr64(f, (kind >> 2 & 3) >= DB_EQ ? Q_DB_EVENT : Q_DB, v);
}

static void mapping(struct fun *f, uint32_t how)
{
	static uint32_t as_it_is[3] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	uint32_t *is = &as_it_is[f - funs];

	if (how == *is)
		return;
	*is = how;
	fl_model_unmap_all(f->m);
	if (how & 1)
		(void)fl_model_map(f->m, RIG_IOVA, MEM, how & 2 ? FL_DMA_READ : FL_DMA_RW,
				   how & 4 ? -1 : rig.fd, 0);
}

static void run(void)
{
	for (unsigned i = 0; i < 4; i++)
		fl_engine_round(rig.e, 0);
}

static void step(struct fun *f, struct in *in)
{
	static const char *const faults[] = { "none",	"lost:2", "dup",	   "phase:3+tag:2",
					      "sqhead", "bd+icv", "qstop@2",	   "stall@3",
					      "mbbusy", "mbfail", "noreset+ones@9" };
	uint32_t off;
	uint64_t v;

	switch (take(in, 1) % 13) {
	case 0:
		off = which(f, in);
		wr(f, off, take(in, 4));
		break;
	case 1:
		rd(f, which(f, in));
		break;
	case 2: /* a mailbox */
		off = take(in, 1);
		v = take(in, 1);
		mb_write(f, (off & 0xf) | (off & 0x10 ? MB_READ : 0), v & 0x7f,
			 v & 0x80 ? take(in, 4) | (uint64_t)take(in, 1) << 32
				  : RIG_IOVA + (off & 0x20 ? RIG_SQT : RIG_CTX));
		break;
	case 3:
		doorbell(f, in);
		break;
	case 4:
		off = take(in, 3);
		for (unsigned n = take(in, 1); n && in->n; n--)
			rig.mem[off++ % MEM] = (uint8_t)take(in, 1);
		break;
	case 5:
		context(in);
		break;
	case 6:
		descriptor(in);
		break;
	case 7:
		run();
		break;
	case 8:
		set_up(f, take(in, 1));
		break;
	case 9:
		mapping(f, take(in, 1));
		break;
	case 10: /* other widths, other BARs */
		off = take(in, 3) % 0x10000;
		v = take(in, 4);
		(void)fl_model_region(f->m, off & 1 ? 4 : 2, off & ~7u, &v, 1u << (v & 3), v & 4);
		break;
	case 11:
		off = take(in, 1);
		cfg_wr(f, off & 1 ? CAP_DEVCTL : 4, 2, off & 1 ? 0x8000 : off);
		break;
	case 12:
		(void)fl_secm_inject(f->s, faults[take(in, 1) % FL_ARRAY_SIZE(faults)]);
		break;
	}
}

static void open_all(void)
{
	rig_open(&rig);
	fun_open(&rig, &funs[0], &fl_hisi_sec_model_ops, "version=2,qps=64,workers=0");
	fun_open(&rig, &funs[1], &fl_hisi_sec_model_ops, "qps=64,workers=0");
	fun_open(&rig, &funs[2], &fl_hisi_sec_vf_model_ops, "pf=1,qps=64,workers=0");
	for (unsigned i = 0; i < 3; i++)
		fun_irqs(&funs[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = { data, size };
	struct fun *f;

	if (!rig.e)
		open_all(); /* once: a reset gives each input fresh functions */
	f = &funs[take(&in, 1) % 3];
	memset(rig.mem, 0, MEM);
	text(&rig);
	/* the VF goes with its PF; the other PF has nothing to do with them */
	for (unsigned i = f == funs ? 0 : 1; i < (f == funs ? 1 : 3); i++) {
		mapping(&funs[i], 1);
		(void)fl_secm_inject(funs[i].s, "none");
		fl_model_reset(funs[i].m);
		cfg_wr(&funs[i], 4, 2, 6);
	}
	set_up(f, take(&in, 1));
	/* the most that one program may do */
	for (unsigned n = 0; n < 128 && in.n; n++)
		step(f, &in);
	run();
	return 0;
}
