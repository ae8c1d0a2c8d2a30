/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine of a physical function: what its registers want before and beside the queues. */
#include "sec_internal.h"
#include "sec_regs.h"

static uint32_t rd(struct fl_qm *qm, uint32_t off)
{
	return fl_bar_read32(fl_qm_dev(qm), FL_QM_BAR, off);
}

static void wr(struct fl_qm *qm, uint32_t off, uint32_t v)
{
	fl_bar_write32(fl_qm_dev(qm), FL_QM_BAR, off, v);
}

static void change(struct fl_qm *qm, uint32_t off, uint32_t clear, uint32_t set)
{
	wr(qm, off, (rd(qm, off) & ~clear) | set);
}

static void user_domain(struct fl_qm *qm, bool v3)
{
	if (v3) {
		change(qm, SEC3_USER_CTRL0, 0, 0x00808000);
		change(qm, SEC3_USER_CTRL1, ~0xff79e79eu, 0x00820820);
	} else {
		change(qm, SEC2_USER_CTRL0, 0, 0x00808000);
		change(qm, SEC2_USER_CTRL1, ~0xfefefefeu, 0x80808080);
	}
}

bool fl_sec_can_prefetch(struct fl_qm *qm)
{
	uint32_t caps;

	if (fl_qm_caps(qm)->version < FL_QM_V3)
		return false;
	caps = rd(qm, SEC_CAP_VERSION);
	/* version 0: what the generation can */
	return !(caps & 0xff) || caps & SEC_CAP_PREFETCH;
}

static void open_prefetch(struct fl_sec *s, struct fl_qm *qm)
{
	if (!fl_sec_can_prefetch(qm))
		return;
	change(qm, SEC_PREFETCH_CFG, SEC_PREFETCH_OPEN, 0);
	s->prefetch = !fl_qm_wait(qm, SEC_PREFETCH_CFG, SEC_PREFETCH_OFF, 0);
}

static uint32_t cores(struct fl_qm *qm, bool v3)
{
	if (v3 && rd(qm, SEC_CAP_VERSION) & 0xff)
		return rd(qm, SEC_CAP_CORES);
	return v3 ? 0xf : 0x17f;
}

static int init(struct fl_qm *qm, void *arg)
{
	bool v3 = fl_qm_caps(qm)->version >= FL_QM_V3;
	struct fl_sec *s = arg;
	int rc;

	/* V2's memory init wants the clocks on */
	change(qm, SEC_CONTROL, SEC_CONTROL_GATE, 0);
	wr(qm, SEC_MEM_START, 1);
	rc = fl_qm_wait(qm, SEC_MEM_DONE, 1, 1);
	if (rc)
		return rc;
	change(qm, SEC_CONTROL, 0, SEC_CONTROL_TRNG);
	user_domain(qm, v3);
	open_prefetch(s, qm);
	wr(qm, SEC_AM_MAX_TRANS, 0x2060);
	wr(qm, SEC_CORES, cores(qm, v3));
	if (!v3) {
		wr(qm, SEC2_BD_CHECK0, 0xefffffff); /* SM4-ECB is no error */
		wr(qm, SEC2_BD_CHECK1, 0x7ffff7fd); /* nor is SM4-XTS */
		wr(qm, SEC2_BD_CHECK3, 0xffffbfff);
	}
	change(qm, SEC_CONTROL, SEC_CONTROL_ENDIAN, 0);
	if (v3) {
		change(qm, SEC_CONTROL, 0, SEC_CONTROL_GATE);
		change(qm, SEC_DYNAMIC_GATE, 0, 0x7fff);
		change(qm, SEC_CORE_GATE, 0, 0xf);
	}
	return 0;
}

static const struct {
	uint32_t ce, nfe, shutdown;
} masks[2] = {
	{ .ce = 0x88, .nfe = 0x177, .shutdown = 0x4 },
	{ .ce = 0xc088, .nfe = 0x60177, .shutdown = 0x177 },
};
#define RESET_BITS 0x177u

static void errors(struct fl_qm *qm, void *arg, bool on)
{
	bool v3 = fl_qm_caps(qm)->version >= FL_QM_V3;
	uint32_t ce = on ? masks[v3].ce : 0, nfe = on ? masks[v3].nfe : 0;

	if (on)
		wr(qm, SEC_INT_SOURCE, ce | nfe);
	else
		wr(qm, SEC_INT_ENABLE, 0);
	wr(qm, SEC_RAS_CE, ce);
	wr(qm, SEC_RAS_FE, 0);
	wr(qm, SEC_RAS_NFE, nfe);
	if (v3)
		wr(qm, SEC_SHUTDOWN_SEL, on ? masks[v3].shutdown : 0);
	change(qm, SEC_CONTROL, on ? 0 : SEC_CONTROL_SHUTDOWN, on ? SEC_CONTROL_SHUTDOWN : 0);
	if (on)
		wr(qm, SEC_INT_ENABLE, ce | nfe);
}

static uint32_t status(struct fl_qm *qm, void *arg, uint32_t *fatal)
{
	uint32_t bits = rd(qm, SEC_INT_STATUS);

	if (fl_dev_removed(fl_qm_dev(qm)))
		bits = 0;
	*fatal = bits & RESET_BITS;
	if (bits & ~RESET_BITS)
		wr(qm, SEC_INT_SOURCE, bits & ~RESET_BITS);
	return bits;
}

const struct fl_qm_engine fl_sec_engine = {
	.name = "SEC2",
	.shaper_types = 2,
	.err = { { .nfe = 0x1c77, .ce = 0x8, .reset = 0xc77 },
		 { .nfe = 0x7c77, .ce = 0x8, .reset = 0x6c77 } },
	.init = init,
	.errors = errors,
	.status = status,
};
