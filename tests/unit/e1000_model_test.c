/* SPDX-License-Identifier: BSD-3-Clause */
/* 82574L model: config space, registers, EEPROM, PHY, link, interrupts, what drivers probe for;
 * what the 82540EM does alike, of that too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "e1000_rig.h"

static void up(struct rig *r)
{
	assert_int_equal(rig_open(r, "wire=x"), 0);
}

static uint32_t cfg(struct rig *r, unsigned off, unsigned size)
{
	uint32_t v = 0;

	assert_int_equal(fl_model_region(r->m, FL_VFIO_REGION_CONFIG, off, &v, size, false), 0);
	return v;
}

static void test_config_space(void **state)
{
	struct rig r;

	up(&r);
	assert_int_equal(cfg(&r, 0, 4), 0x10d38086);
	assert_int_equal(cfg(&r, 8, 4), 0x02000000);
	assert_int_equal(cfg(&r, 0x3d, 1), 1);
	assert_int_equal(cfg(&r, 0xa0, 1), 0x11);
	assert_int_equal(cfg(&r, 0xa2, 2) & 0x7ff, 4);
	assert_int_equal(cfg(&r, 0xa4, 4), 3);
	assert_int_equal(cfg(&r, 0xa8, 4), 0x2003);
	assert_int_equal(cfg(&r, 0xc8, 1), 0x01);
	assert_int_equal(cfg(&r, 0xd0, 1), 0x05);
	assert_int_equal(cfg(&r, 0xe0, 1), 0x10);
	assert_int_equal(cfg(&r, 0xe0 + 0x12, 2) >> 4 & 0x3f, 1); /* link width */
	assert_int_equal(cfg(&r, 0x100, 2), 0x0001);
	assert_int_equal(cfg(&r, 0x140, 2), 0x0003);
	assert_int_equal(cfg(&r, 0x144, 4), 0xff123456);
	assert_int_equal(cfg(&r, 0x148, 4), 0x525400ff);
	assert_int_equal(fl_model_region_size(r.m, 0), 0x20000);
	assert_int_equal(fl_model_region_size(r.m, 1), 0x20000);
	assert_int_equal(fl_model_region_size(r.m, 2), 32);
	assert_int_equal(fl_model_region_size(r.m, 3), 0x4000);
	rig_close(&r);
}

static const uint32_t reset_values[][2] = {
	{ R_CTRL, 0x00140241 },
	{ R_STATUS, 0x00080283 },
	{ R_EECD, 0x300 },
	{ R_EERD, 2 },
	{ R_EEWR, 2 },
	{ R_LEDCTL, 0x00068302 },
	{ R_VET, 0x8100 },
	{ R_PBA, 0x00140014 },
	{ R_PBS, 0x28 },
	{ R_EXTCNF_CTRL, 8 },
	{ R_EEMNGCTL, 0x80000000 },
	{ R_MANC, 0x10000000 },
	{ R_FACTPS, 0x20000004 },
	{ R_GCR, 0x06800200 },
	{ R_TIPG, 0x00602008 },
	{ R_TCTL, 0 },
	{ R_RCTL, 0 },
	{ R_RXDCTL, 0x00010000 },
	{ R_RXDCTL + 0x100, 0x10000 },
	{ R_TXDCTL, 0 },
	{ R_TARC, 0x403 },
	{ R_TARC + 0x100, 0x403 },
	{ R_RXCSUM, 0x300 },
	{ R_PSRCTL, 0x00040402 },
	{ R_RXCFGL, 0x88f7 },
	{ R_RXUDP, 0x319 },
	{ R_TDFH, 0x600 },
	{ R_POEMB, 0x30d },
	{ R_IMS, 0 },
	{ R_IMC, 0 },
	{ R_RAL, 0x12005452 },
	{ R_RAL + 4, 0x80005634 },
	{ R_FLOL, 1 },
	{ R_FLASHT, 2 },
	{ R_FLSWCTL, 0xc0000000 },
};

static void check_reset_values(struct rig *r, uint32_t except)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(reset_values); i++) {
		uint32_t v = rig_rd(r, reset_values[i][0]);

		if (reset_values[i][0] == except)
			continue;
		if (v != reset_values[i][1])
			print_message("register 0x%05x\n", reset_values[i][0]);
		assert_int_equal(v, reset_values[i][1]);
	}
}

static void test_reset_values(void **state)
{
	struct rig r;

	assert_int_equal(rig_open(&r, "wire=x,mac=52:54:00:12:34:56"), 0);
	check_reset_values(&r, 0);
	/* every register written with ones and zeros, then a software reset: all but PBA is back */
	for (unsigned k = 0; k < 2; k++) {
		for (uint32_t off = 0; off < R_END; off += 4) {
			if (off == R_CTRL || off == R_CTRL_DUP || off == R_PBA || off == R_PBS ||
			    off == R_EEWR || off == R_MDIC)
				continue;
			rig_wr(&r, off, k ? 0xffffffff : 0);
		}
		rig_wr(&r, R_PBA, 32);
		assert_int_equal(rig_rd(&r, R_PBA), 8 << 16 | 32);
		rig_wr(&r, R_CTRL, rig_rd(&r, R_CTRL) | CTRL_RST);
		assert_false(rig_rd(&r, R_CTRL) & CTRL_RST);
		check_reset_values(&r, R_PBA);
		assert_int_equal(rig_rd(&r, R_PBA), 8 << 16 | 32);
	}
	/* an outside reset takes PBA back too */
	fl_model_reset(r.m);
	check_reset_values(&r, 0);
	rig_close(&r);
}

static void test_register_rules(void **state)
{
	struct rig r;
	uint8_t b[8];

	up(&r);
	/* absent registers read 0 and keep nothing */
	rig_wr(&r, 0x0f80, 0xffffffff);
	assert_int_equal(rig_rd(&r, 0x0f80), 0);
	assert_int_equal(rig_rd(&r, 0x1fffc), 0);
	/* legacy places */
	rig_wr(&r, 0x40 + 8, 0x11223344);
	assert_int_equal(rig_rd(&r, R_RAL + 8), 0x11223344);
	rig_wr(&r, 0x600 + 4 * 127, 0x80000001);
	assert_int_equal(rig_rd(&r, R_VFTA + 4 * 127), 0x80000001);
	rig_wr(&r, 0x110, 0x1230);
	assert_int_equal(rig_rd(&r, R_RDBAL), 0x1230);
	rig_wr(&r, 0x428, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_TDLEN), 0xfff80);
	rig_wr(&r, R_CTRL_DUP, 0x00140249);
	assert_int_equal(rig_rd(&r, R_CTRL), 0x00140249);
	/* the semaphore is taken by reading */
	rig_wr(&r, R_SWSM, 0);
	assert_int_equal(rig_rd(&r, R_SWSM), 0);
	assert_int_equal(rig_rd(&r, R_SWSM), 1);
	/* bus master disable shows in STATUS */
	rig_set(&r, R_CTRL, CTRL_GIO_DISABLE);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_GIO_MASTER);
	rig_clear(&r, R_CTRL, CTRL_GIO_DISABLE);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_GIO_MASTER);
	rig_wr(&r, R_EXTCNF_CTRL, rig_rd(&r, R_EXTCNF_CTRL) | 0x20);
	assert_true(rig_rd(&r, R_EXTCNF_CTRL) & 0x20);
	rig_wr(&r, R_GCR, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_GCR), ~0x06800000u | (0x06800200 & 0x06800000));
	rig_wr(&r, R_TSYNCRXCTL, 0xff);
	assert_int_equal(rig_rd(&r, R_TSYNCRXCTL), 0x1e);
	rig_wr(&r, R_TXCW, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_TXCW), 0xc000ffff);
	rig_wr(&r, R_RAL + 12, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_RAL + 12), 0x8003ffff);
	/* access to registers by the I/O BAR, and in other widths */
	memcpy(b, &(uint32_t){ R_FCTTV }, 4);
	assert_int_equal(fl_model_region(r.m, 2, 0, b, 4, true), 0);
	memcpy(b, &(uint32_t){ 0x680 }, 4);
	assert_int_equal(fl_model_region(r.m, 2, 4, b, 4, true), 0);
	assert_int_equal(rig_rd(&r, R_FCTTV), 0x680);
	assert_int_equal(fl_model_region(r.m, 0, R_FCAL, b, 8, false), 0);
	rig_wr(&r, R_FCAL, 0x00c28001);
	rig_wr(&r, R_FCAH, 0xffff0100);
	assert_int_equal(fl_model_region(r.m, 0, R_FCAL, b, 8, false), 0);
	assert_memory_equal(b, "\x01\x80\xc2\x00\x00\x01\x00\x00", 8);
	assert_int_equal(fl_model_region(r.m, 0, R_FCAL + 2, b, 1, false), 0);
	assert_int_equal(b[0], 0xc2);
	/* time goes on once it has an increment */
	rig_wr(&r, R_TIMINCA, 1u << 24 | 16);
	for (uint64_t t0 = fl_now_ns(); !rig_rd(&r, R_SYSTIML);)
		assert_true(fl_now_ns() - t0 < 1000000000);
	/* and can be set */
	rig_wr(&r, R_SYSTIML, 5);
	rig_wr(&r, R_SYSTIMH, 0x1234);
	assert_true(rig_rd(&r, R_SYSTIML) >= 5);
	assert_int_equal(rig_rd(&r, R_SYSTIMH), 0x1234);
	rig_close(&r);
}

static uint32_t eerd(struct rig *r, uint32_t word)
{
	rig_wr(r, R_EERD, word << 2 | 1);
	return rig_rd(r, R_EERD);
}

static void test_eeprom(void **state)
{
	struct rig r;
	uint16_t sum = 0;

	up(&r);
	for (uint32_t w = 0; w < 64; w++) {
		uint32_t v = eerd(&r, w);

		assert_int_equal(v & 3, 2);
		assert_int_equal(v >> 2 & 0x3fff, w);
		sum += v >> 16;
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(eerd(&r, 0) >> 16, 0x5452);
	assert_int_equal(eerd(&r, 0x3f) >> 16, 0x1ce3); /* as the datasheet's image has it */
	assert_int_equal(eerd(&r, 64) & 2, 0);
	rig_wr(&r, R_EEWR, 0xabcd0000 | 0x37 << 2 | 1);
	assert_true(rig_rd(&r, R_EEWR) & 2);
	assert_int_equal(eerd(&r, 0x37) >> 16, 0xabcd);
	rig_wr(&r, R_EECD, 0x40);
	assert_true(rig_rd(&r, R_EECD) & EECD_GNT);
	assert_true(rig_rd(&r, R_EECD) & EECD_AUTO_RD);
	rig_close(&r);
}

static uint32_t phy_ok(struct rig *r, uint32_t reg)
{
	uint32_t v = rig_phy_rd(r, reg);

	assert_true(v & 1u << 28);
	assert_false(v & 1u << 30);
	assert_int_equal(v >> 16 & 31, reg);
	return v & 0xffff;
}

static void test_phy(void **state)
{
	static const uint16_t first[11] = { 0x1140, 0x794d, 0x0141, 0x0cb1, 0x0de1, 0x07e0,
					    0x0005, 0x2001, 0x0000, 0x0f00, 0x3c00 };
	struct rig r;
	uint32_t before;

	up(&r);
	for (uint32_t i = 0; i < 11; i++)
		assert_int_equal(phy_ok(&r, i), first[i]);
	assert_int_equal(phy_ok(&r, 15), 0x3000);
	assert_int_equal(phy_ok(&r, 16), 0x3360);
	assert_int_equal(phy_ok(&r, 17), 0xac08);
	for (uint32_t i = 18; i < 22; i++)
		assert_int_equal(phy_ok(&r, i), 0);
	assert_true(rig_phy_rd(&r, 11) & 1u << 30);
	assert_true(rig_phy_wr(&r, 2, 0) & 1u << 30);
	/* pages */
	assert_false(rig_phy_wr(&r, 22, 2) & 1u << 30);
	assert_int_equal(phy_ok(&r, 16), 0x0088);
	assert_int_equal(phy_ok(&r, 21), 0x1046);
	assert_int_equal(phy_ok(&r, 2), 0x0141); /* low ones ignore the page */
	rig_phy_wr(&r, 22, 3);
	assert_int_equal(phy_ok(&r, 18), 0x4005);
	rig_phy_wr(&r, 22, 7);
	assert_true(rig_phy_rd(&r, 17) & 1u << 30);
	rig_phy_wr(&r, 22, 0);
	/* another address: error over the answer before */
	before = rig_phy_rd(&r, 2);
	rig_wr(&r, R_MDIC, 1u << 27 | 2u << 21 | 3u << 16);
	assert_int_equal(rig_rd(&r, R_MDIC), before | 1u << 30);
	/* interrupt when done */
	rig_wr(&r, R_MDIC, 1u << 29 | 1u << 27 | 1u << 21 | 2u << 16);
	assert_true(rig_rd(&r, R_ICR) & ICR_MDAC);
	rig_close(&r);
}

static void test_autonegotiation(void **state)
{
	struct rig r;

	assert_int_equal(rig_open(&r, "wire=x,an=500"), 0);
	rig_wr(&r, R_IMS, ICR_LSC);
	rig_rd(&r, R_ICR);
	rig_phy_wr(&r, 9, 0x0200);
	rig_phy_wr(&r, 0, 0x1340);
	assert_int_equal(phy_ok(&r, 0), 0x1140);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	assert_true(rig_rd(&r, R_ICR) & ICR_LSC);
	assert_false(phy_ok(&r, 1) & 0x24);
	rig_run(&r, 499 * RIG_MS);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	rig_run(&r, 2 * RIG_MS);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_LU);
	assert_true(rig_rd(&r, R_ICR) & ICR_LSC);
	/* the loss stays latched for one read */
	assert_int_equal(phy_ok(&r, 1) & 0x24, 0x20);
	assert_int_equal(phy_ok(&r, 1) & 0x24, 0x24);
	assert_true(phy_ok(&r, 5) & 0x4000);
	/* without 1000: 100 full */
	rig_phy_wr(&r, 9, 0);
	rig_phy_wr(&r, 0, 0x1200);
	rig_run(&r, 501 * RIG_MS);
	assert_int_equal(rig_rd(&r, R_STATUS) & 0xc3, 0x43);
	assert_int_equal(phy_ok(&r, 17) >> 14, 1);
	/* what is advertised counts from the next negotiation on; nothing in common is no link */
	rig_phy_wr(&r, 4, 0x0001);
	assert_int_equal(rig_rd(&r, R_STATUS) & 0xc3, 0x43);
	rig_phy_wr(&r, 0, 0x1200);
	rig_run(&r, 1001 * RIG_MS);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	assert_false(phy_ok(&r, 1) & 0x24);
	rig_phy_wr(&r, 4, 0x0de1);
	rig_phy_wr(&r, 0, 0x1200);
	rig_run(&r, 501 * RIG_MS);
	/* forced to 10 half, kept through a reset by BMCR: no autonegotiation, no partner's word */
	rig_phy_wr(&r, 0, 0x0000);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	rig_phy_wr(&r, 0, 0x8000);
	rig_run(&r, 501 * RIG_MS);
	assert_int_equal(phy_ok(&r, 0), 0);
	assert_int_equal(rig_rd(&r, R_STATUS) & 0xc3, 0x02);
	assert_int_equal(phy_ok(&r, 1) & 0x20, 0);
	assert_int_equal(phy_ok(&r, 5), 0);
	rig_phy_wr(&r, 0, 0x1200);
	rig_run(&r, 501 * RIG_MS);
	/* power-down takes the far end's carrier */
	rig_phy_wr(&r, 0, 0x1940);
	assert_false(r.far->carrier);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	rig_phy_wr(&r, 0, 0x1140);
	assert_true(r.far->carrier);
	rig_run(&r, 501 * RIG_MS);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_LU);
	/* a cable that is pulled, and one that comes back */
	fl_wire_set_link(r.far->w, false);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	fl_wire_set_link(r.far->w, true);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_LU);
	rig_run(&r, 501 * RIG_MS);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_LU);
	/* forced speed shows */
	rig_wr(&r, R_CTRL, CTRL_SLU | CTRL_FRCSPD | CTRL_FRCDPX);
	assert_int_equal(rig_rd(&r, R_STATUS) & 0xc3, 0x02);
	rig_close(&r);
}

/* ---- interrupts ----------------------------------------------------------------------- */

static void test_intx(void **state)
{
	struct rig r;

	up(&r);
	rig_irqs(&r, FL_VFIO_IRQ_INTX, 1);
	rig_wr(&r, R_ICS, ICR_LSC);
	assert_int_equal(rig_fired(&r, 0), 0); /* masked, but kept */
	assert_int_equal(rig_rd(&r, R_ICS), ICR_ASSERT | ICR_LSC);
	rig_wr(&r, R_IMS, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_IMS), 0x01f783ff);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_rd(&r, R_ICR), ICR_ASSERT | ICR_LSC);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	/* RXSEQ can be asked for: a driver tests MSI by it */
	rig_wr(&r, R_ICS, 1u << 3);
	assert_int_equal(rig_rd(&r, R_ICR), ICR_ASSERT | 1u << 3);
	/* IMC takes the line down, ICR writes clear single causes */
	rig_wr(&r, R_ICS, ICR_TXDW | ICR_RXT0);
	rig_wr(&r, R_ICR, ICR_TXDW);
	assert_int_equal(rig_rd(&r, R_ICS), ICR_ASSERT | ICR_RXT0);
	rig_wr(&r, R_IMC, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_IMS), 0);
	assert_int_equal(rig_rd(&r, R_ICR), ICR_ASSERT | ICR_RXT0);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	/* reading ICR masks by IAM when IAME is on */
	rig_wr(&r, R_CTRL_EXT, CTRL_EXT_IAME);
	rig_wr(&r, R_IAM, 0xffffffff);
	rig_wr(&r, R_IMS, ICR_LSC);
	rig_wr(&r, R_ICS, ICR_LSC);
	rig_rd(&r, R_ICR);
	assert_int_equal(rig_rd(&r, R_IMS), 0);
	rig_close(&r);
}

/* What the self-test of Linux's driver does: each of ten causes, masked and not, by ICS. */
static void test_causes_by_ics(void **state)
{
	struct rig r;

	up(&r);
	rig_irqs(&r, FL_VFIO_IRQ_INTX, 1);
	for (unsigned bit = 0; bit < 10; bit++) {
		uint32_t mask = 1u << bit;

		rig_wr(&r, R_IMC, mask);
		rig_wr(&r, R_ICS, mask);
		assert_int_equal(rig_fired(&r, 0), 0);
		rig_wr(&r, R_IMS, mask);
		rig_wr(&r, R_ICS, mask);
		assert_int_equal(rig_fired(&r, 0), 1);
		assert_int_equal(rig_rd(&r, R_ICR), rig_icr(mask));
		/* VFIO: no data, unmask */
		assert_int_equal(fl_model_irq_set(r.m, FL_VFIO_IRQ_INTX, 0, 1, 1u << 0 | 1u << 4,
						  NULL, NULL, 0),
				 0);
		rig_wr(&r, R_IMC, ~mask & 0x7fff);
		rig_wr(&r, R_ICS, ~mask & 0x7fff);
		assert_int_equal(rig_fired(&r, 0), 0);
		rig_rd(&r, R_ICR);
	}
	rig_close(&r);
}

static void test_msi_moderated(void **state)
{
	struct rig r;

	up(&r);
	rig_irqs(&r, FL_VFIO_IRQ_MSI, 1);
	rig_wr(&r, R_ITR, 1000); /* 256 us */
	rig_wr(&r, R_IMS, ICR_LSC | ICR_RXT0);
	rig_wr(&r, R_ICS, ICR_LSC);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_wr(&r, R_ICS, ICR_LSC); /* not new */
	rig_run(&r, 300000);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_rd(&r, R_ICR);
	rig_wr(&r, R_ICS, ICR_RXT0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_rd(&r, R_ICR);
	rig_wr(&r, R_ICS, ICR_RXT0);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_run(&r, 255000);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_run(&r, 2000);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* what was read away before the time is up does not fire */
	rig_rd(&r, R_ICR);
	rig_wr(&r, R_ICS, ICR_RXT0);
	rig_rd(&r, R_ICR);
	rig_run(&r, 300000);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_close(&r);
}

static void test_msix(void **state)
{
	struct rig r;

	up(&r);
	rig_irqs(&r, FL_VFIO_IRQ_MSIX, 5);
	/* as Linux sets it: vectors 0 RX, 1 TX, 2 other */
	rig_wr(&r, R_IVAR, 0x800a0908);
	rig_wr(&r, R_EIAC, 0x00500000);
	rig_wr(&r, R_CTRL_EXT, CTRL_EXT_EIAME | 1u << 31);
	rig_wr(&r, R_IMS, 0x01570244);
	rig_wr(&r, R_ICS, ICR_RXQ0);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* the chip cleared the cause and, IAME being off, its mask */
	assert_int_equal(rig_rd(&r, R_ICS) & ICR_RXQ0, 0);
	assert_int_equal(rig_rd(&r, R_IMS) & ICR_RXQ0, 0);
	rig_wr(&r, R_ICS, ICR_RXQ0);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_wr(&r, R_IMS, ICR_RXQ0); /* unmasking what is pending fires */
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_wr(&r, R_ICS, ICR_TXQ0);
	assert_int_equal(rig_fired(&r, 1), 1);
	/* LSC brings OTHER */
	rig_wr(&r, R_ICS, ICR_LSC);
	assert_int_equal(rig_fired(&r, 2), 1);
	assert_int_equal(rig_rd(&r, R_ICR), ICR_ASSERT | ICR_OTHER | ICR_LSC);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	/* writing OTHER to ICR covers what it stands for */
	rig_wr(&r, R_ICS, ICR_LSC);
	rig_wr(&r, R_ICR, ICR_OTHER);
	assert_int_equal(rig_rd(&r, R_ICS), 0);
	rig_fired(&r, 2);
	/* EITR of one vector holds that one back, no other */
	rig_wr(&r, R_EITR, 400); /* 102.4 us */
	rig_wr(&r, R_IMS, ICR_RXQ0 | ICR_TXQ0);
	rig_wr(&r, R_ICS, ICR_RXQ0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_wr(&r, R_IMS, ICR_RXQ0);
	rig_wr(&r, R_ICS, ICR_RXQ0 | ICR_TXQ0);
	assert_int_equal(rig_fired(&r, 0), 0);
	assert_int_equal(rig_fired(&r, 1), 1);
	rig_run(&r, 102300);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_run(&r, 200);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* a nibble that is not valid sends nothing */
	rig_wr(&r, R_IVAR, 0x00000700);
	rig_wr(&r, R_IMS, ICR_RXQ0 | ICR_TXQ0);
	rig_wr(&r, R_ICS, ICR_RXQ0 | ICR_TXQ0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(rig_fired(&r, i), 0);
	rig_close(&r);
}

/* ---- probes, register by register ------------------------------------------------------ */

/* reset of section 4.2 as both drivers do it */
static void driver_reset(struct rig *r)
{
	rig_set(r, R_CTRL, CTRL_GIO_DISABLE);
	assert_false(rig_rd(r, R_STATUS) & STATUS_GIO_MASTER);
	rig_wr(r, R_IMC, 0xffffffff);
	rig_wr(r, R_RCTL, 0);
	rig_wr(r, R_TCTL, rig_rd(r, R_TCTL) & ~TCTL_EN);
	rig_rd(r, R_STATUS);
	rig_run(r, 10 * RIG_MS);
	rig_set(r, R_EXTCNF_CTRL, 0x20);
	assert_true(rig_rd(r, R_EXTCNF_CTRL) & 0x20);
	rig_set(r, R_CTRL, CTRL_RST);
	rig_clear(r, R_EXTCNF_CTRL, 0x20);
	assert_true(rig_rd(r, R_EECD) & EECD_AUTO_RD);
	assert_false(rig_rd(r, R_CTRL) & (CTRL_RST | CTRL_GIO_DISABLE));
	rig_wr(r, R_IMC, 0xffffffff);
	rig_rd(r, R_ICR);
	assert_int_equal(rig_rd(r, R_ICR), 0);
}

static void phy_id(struct rig *r)
{
	rig_set(r, R_EXTCNF_CTRL, 0x20);
	assert_true(rig_rd(r, R_EXTCNF_CTRL) & 0x20);
	assert_int_equal(phy_ok(r, 2) << 16 | phy_ok(r, 3), 0x01410cb1);
	rig_clear(r, R_EXTCNF_CTRL, 0x20);
}

/* init of section 4.4 */
static void driver_init(struct rig *r)
{
	static const uint32_t holds[][2] = {
		{ R_TXDCTL, 0x0141011f }, { R_TXDCTL + 0x100, 0x0141011f },
		{ R_TARC, 0x04000403 },	  { R_CTRL_EXT, 0x00400000 },
		{ R_GCR, 0x0ec00200 },	  { R_GCR2, 1 },
		{ R_FCT, 0x8808 },	  { R_FCAH, 0x100 },
		{ R_FCAL, 0x00c28001 },	  { R_FCTTV, 0x680 },
		{ R_FCRTL, 0x80005570 },  { R_FCRTH, 0x5f00 },
		{ R_VET, 0x8100 },	  { R_TIMINCA, 0x02000000 | 5000 },
		{ R_TSYNCTXCTL, 0x10 },	  { R_TSYNCRXCTL, 0x18 },
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(holds); i++) {
		rig_wr(r, holds[i][0], holds[i][1]);
		assert_int_equal(rig_rd(r, holds[i][0]), holds[i][1]);
	}
	for (uint32_t i = 0; i < 128; i++) {
		rig_wr(r, R_VFTA + 4 * i, 0);
		rig_wr(r, R_MTA + 4 * i, 0);
	}
	for (uint32_t i = 1; i < 15; i++) {
		rig_wr(r, R_RAL + 8 * i, 0);
		rig_wr(r, R_RAL + 8 * i + 4, 0);
	}
	rig_wr(r, R_CTRL, (rig_rd(r, R_CTRL) | CTRL_SLU) & ~(CTRL_FRCSPD | CTRL_FRCDPX));
	rig_phy_wr(r, 22, 0);
	assert_int_equal(phy_ok(r, 16), 0x3360);
	assert_false(rig_phy_wr(r, 16, 0x3b60) & 1u << 30);
	rig_phy_wr(r, 0, 0x9140);
	assert_int_equal(phy_ok(r, 0) & 0x8000, 0);
	assert_false(rig_phy_wr(r, 29, 3) & 1u << 30);
	assert_false(rig_phy_wr(r, 30, 0) & 1u << 30);
	rig_phy_wr(r, 4, 0x0de1);
	rig_phy_wr(r, 9, 0x0200);
	rig_phy_wr(r, 0, 0x1340);
	rig_run(r, 20 * RIG_MS);
	phy_ok(r, 1);
	assert_int_equal(phy_ok(r, 1) & 0x2c, 0x2c);
	assert_false(rig_phy_wr(r, 25, phy_ok(r, 25) & ~1u) & 1u << 30);
	assert_int_equal(phy_ok(r, 17) >> 10 & 0x3b, 0x2b);
	for (uint32_t off = R_STATS; off < R_STATS_END; off += 4)
		rig_rd(r, off);
}

static void test_linux_probe(void **state)
{
	struct rig r;

	up(&r);
	rig_irqs(&r, FL_VFIO_IRQ_MSIX, 3);
	rig_wr(&r, R_SWSM, rig_rd(&r, R_SWSM) & ~1u);
	assert_int_not_equal(rig_rd(&r, R_EECD) >> 15 & 3, 3);
	phy_id(&r);
	assert_false(rig_rd(&r, R_MANC) & (1u << 18 | 1u << 17));
	driver_reset(&r);
	test_eeprom(NULL);
	assert_int_equal(rig_rd(&r, R_RAL) & 1, 0);
	driver_reset(&r);
	rig_wr(&r, R_PBA, 32);
	assert_int_equal(rig_rd(&r, R_PBA) & 0xffff, 32);
	assert_int_equal(rig_rd(&r, R_PBA) >> 16, 8);
	driver_init(&r);
	assert_int_not_equal(eerd(&r, 8) >> 16, 0xfafa);
	/* open: the link interrupt that the driver asks for must come by "other" */
	rig_wr(&r, R_IVAR, 0x800a0908);
	rig_wr(&r, R_EIAC, 0x00500000);
	rig_wr(&r, R_CTRL_EXT, rig_rd(&r, R_CTRL_EXT) | CTRL_EXT_EIAME);
	rig_wr(&r, R_IAM, 0xffffffff);
	rig_wr(&r, R_IMS, 0x01570244);
	/* negotiation left one pending; its handler reads ICR and arms the vector again */
	assert_int_equal(rig_fired(&r, 2), 1);
	assert_true(rig_rd(&r, R_ICR) & ICR_OTHER);
	assert_false(rig_rd(&r, R_IMS) & ICR_OTHER);
	rig_wr(&r, R_IMS, 0x01000244);
	rig_wr(&r, R_ICS, ICR_LSC | ICR_OTHER);
	assert_int_equal(rig_fired(&r, 2), 1);
	assert_true(rig_rd(&r, R_ICR) & ICR_LSC);
	rig_wr(&r, R_ICS, ICR_RXQ0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_close(&r);
}

static void test_dpdk_probe(void **state)
{
	struct rig r;

	up(&r);
	rig_wr(&r, R_SWSM, rig_rd(&r, R_SWSM) & ~1u);
	assert_int_equal(rig_rd(&r, R_SWSM) & 1, 0);
	phy_id(&r);
	driver_reset(&r);
	rig_wr(&r, R_PBA, 20);
	driver_reset(&r);
	rig_set(&r, R_CTRL_EXT, 1u << 28);
	driver_init(&r);
	rig_wr(&r, R_IVAR, 0x00080000);
	rig_wr(&r, R_ITR, 0xffff);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_LU);
	rig_close(&r);
}

static void test_arguments(void **state)
{
	static const char *const bad[] = { "wire=x,mac=1:2:3",
					   "wire=x,mac=01:00:00:00:00:01",
					   "wire=x,mac=00:00:00:00:00:00",
					   "wire=x,shared=maybe",
					   "wire=x,an=99999999",
					   "wire=x,nonsense=1" };
	struct fl_log quiet = { .level = FL_LOG_ERR };
	const struct fl_engine_opts o = { .cpu = -1, .log = &quiet };
	struct fl_engine *e;
	struct fl_model *m;

	assert_int_equal(fl_engine_new(&o, false, &e), 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fl_engine_add_ops(e, rig_chip, bad[i], NULL, -1, 0, &m), -EINVAL);
	fl_engine_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_space),
		cmocka_unit_test(test_reset_values),
		cmocka_unit_test(test_register_rules),
		cmocka_unit_test(test_eeprom),
		cmocka_unit_test(test_phy),
		cmocka_unit_test(test_autonegotiation),
		cmocka_unit_test(test_intx),
		cmocka_unit_test(test_causes_by_ics),
		cmocka_unit_test(test_msi_moderated),
		cmocka_unit_test(test_msix),
		cmocka_unit_test(test_linux_probe),
		cmocka_unit_test(test_dpdk_probe),
		cmocka_unit_test(test_arguments),
	};

	const struct CMUnitTest of_both[] = {
		cmocka_unit_test(test_autonegotiation),
		cmocka_unit_test(test_causes_by_ics),
		cmocka_unit_test(test_arguments),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	rig_chip = &fl_e1000_model_ops;
	return rc | cmocka_run_group_tests(of_both, NULL, NULL);
}
