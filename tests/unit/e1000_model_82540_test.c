/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 82540EM model: what it has otherwise than the 82574L. Config space, registers, reset through the
 * I/O BAR, EEPROM by word and by pin, PHY, interrupts, what drivers probe for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "e1000_rig.h"

#define WORDS 64u

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

static void io_wr(struct rig *r, uint32_t reg, uint32_t v)
{
	assert_int_equal(fl_model_region(r->m, 1, 0, &reg, 4, true), 0);
	assert_int_equal(fl_model_region(r->m, 1, 4, &v, 4, true), 0);
}

static uint32_t io_rd(struct rig *r, uint32_t reg)
{
	uint32_t v = 0;

	assert_int_equal(fl_model_region(r->m, 1, 0, &reg, 4, true), 0);
	assert_int_equal(fl_model_region(r->m, 1, 4, &v, 4, false), 0);
	return v;
}

static void test_config_space(void **state)
{
	static const uint64_t size[6] = { 0x20000, 64 };
	struct rig r;

	up(&r);
	assert_int_equal(cfg(&r, 0, 4), 0x100e8086);
	assert_int_equal(cfg(&r, 8, 4), 0x02000003);
	assert_int_equal(cfg(&r, 0x2c, 4), 0x100e8086);
	assert_int_equal(cfg(&r, 0x3d, 1), 1);
	assert_int_equal(cfg(&r, 0x14, 1), 1); /* I/O space */
	/* no capabilities of either kind */
	assert_int_equal(cfg(&r, 6, 2) & 0x10, 0);
	assert_int_equal(cfg(&r, 0x34, 1), 0);
	assert_int_equal(fl_model_region_size(r.m, FL_VFIO_REGION_CONFIG), 256);
	for (unsigned b = 0; b < 6; b++)
		assert_int_equal(fl_model_region_size(r.m, b), size[b]);
	rig_close(&r);
}

static const uint32_t reset_values[][2] = {
	{ R_CTRL, 0x00140240 },
	{ R_STATUS, 0x00000683 },
	{ R_EECD, 0x108 },
	{ R_EERD, 0 },
	{ R_LEDCTL, 0x00000602 },
	{ R_VET, 0x8100 },
	{ R_PBA, 0x00100030 },
	{ R_MANC, 0x00222300 },
	{ R_TCTL, 0 },
	{ R_RCTL, 0 },
	{ R_RXDCTL, 0 },
	{ R_TXDCTL, 0 },
	{ R_RXCSUM, 0 },
	{ R_TDFH, 0 },
	{ R_IMS, 0 },
	{ R_IMC, 0 },
	{ R_SWSM, 0 },
	{ R_RAL, 0x12005452 },
	{ R_RAL + 4, 0x80005634 },
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

static void test_reset(void **state)
{
	struct rig r;

	up(&r);
	check_reset_values(&r, 0);
	/* every register written with ones and zeros, then a reset either way: all but PBA is back
	 */
	for (unsigned k = 0; k < 4; k++) {
		for (uint32_t off = 0; off < R_END; off += 4)
			if (off != R_CTRL && off != R_CTRL_DUP && off != R_PBA && off != R_MDIC)
				rig_wr(&r, off, k & 1 ? 0xffffffff : 0);
		rig_wr(&r, R_PBA, 40);
		assert_int_equal(rig_rd(&r, R_PBA), 24 << 16 | 40);
		if (k & 2)
			io_wr(&r, R_CTRL, io_rd(&r, R_CTRL) | CTRL_RST);
		else
			rig_set(&r, R_CTRL, CTRL_RST);
		assert_false(rig_rd(&r, R_CTRL) & CTRL_RST);
		check_reset_values(&r, R_PBA);
		assert_int_equal(rig_rd(&r, R_PBA), 24 << 16 | 40);
	}
	rig_wr(&r, R_PBA, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_PBA), 1 << 16 | 63);
	fl_model_reset(r.m);
	check_reset_values(&r, 0);
	rig_close(&r);
}

static void test_register_rules(void **state)
{
	/* what the other chip has and this one has not, then the places of the first ones */
	static const uint32_t absent[] = {
		R_EIAC,	 R_IAM,	    R_IVAR,   R_EITR,	    R_EXTCNF_CTRL, R_EEWR,  R_EEMNGCTL,
		R_GCR,	 R_FACTPS,  R_GCR2,   R_MRQC,	    R_RETA,	   R_RSSRK, R_STATS + S_IAC,
		R_FCRTV, R_TIMINCA, R_RXUDP,  R_TSYNCRXCTL, 0x40,	   0x600,   0x110,
		R_PBS,	 R_POEMB,   R_PBACLR, 0x1fffc,
	};
	/* mask of each */
	static const uint32_t held[][2] = {
		{ R_RCTL, 0x06dfb3fe },	  { R_TIPG, 0x3fffffff }, { R_VET, 0xffff },
		{ R_CTRL_EXT, 0xffcfff }, { R_RXCSUM, 0x7ff },	  { R_FCRTL, 0x8000fff8 },
		{ R_FCAL, 0xffffffff },	  { R_FCAH, 0xffff },	  { R_FCTTV, 0xffff },
		{ R_MTA, 0xffffffff },	  { R_VFTA, 0xffffffff }, { R_RAL + 12, 0x8003ffff },
		{ R_FFLT, 0xffffffff },	  { R_FFMT, 0xffffffff }, { R_FFVT + 0x3fc, 0xffffffff },
		{ R_SWSM, 0xffffffff },	  { R_WUPM, 0xffffffff }, { R_MANC, 0xffffffff },
		{ R_STATUS, 0x683 },
	};
	struct rig r;

	/* no page is memory that holds everything */
	assert_int_equal(rig_open(&r, "wire=x,shared=off"), 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(absent); i++) {
		rig_wr(&r, absent[i], 0xffffffff);
		assert_int_equal(rig_rd(&r, absent[i]), 0);
	}
	for (unsigned i = 0; i < FL_ARRAY_SIZE(held); i++) {
		rig_wr(&r, held[i][0], 0xffffffff);
		assert_int_equal(rig_rd(&r, held[i][0]), held[i][1]);
	}
	/* extended descriptors cannot be had */
	rig_wr(&r, R_RFCTL, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_RFCTL) & RFCTL_EXTEN, 0);
	/* neither bus master nor clock shows in CTRL bit 2 and STATUS bit 10 */
	rig_set(&r, R_CTRL, CTRL_GIO_DISABLE | CTRL_PHY_RST);
	rig_wr(&r, R_STATUS, 0);
	assert_int_equal(rig_rd(&r, R_STATUS) & ~STATUS_LU, 0x681);
	/* the I/O BAR reaches what lies in BAR0, and no further */
	io_wr(&r, R_FCT, 0x8808);
	assert_int_equal(rig_rd(&r, R_FCT), 0x8808);
	assert_int_equal(io_rd(&r, R_FCT), 0x8808);
	io_wr(&r, 0x20000 + R_FCT, 1);
	io_wr(&r, 0xfffffffc, 1);
	assert_int_equal(io_rd(&r, 0x20000 + R_FCT), 0);
	assert_int_equal(rig_rd(&r, R_FCT), 0x8808);
	rig_close(&r);
}

/* ---- EEPROM ---------------------------------------------------------------------------- */

static uint32_t eerd(struct rig *r, uint32_t word)
{
	rig_wr(r, R_EERD, word << 8 | 1);
	return rig_rd(r, R_EERD);
}

static void test_eerd(void **state)
{
	struct rig r;
	uint16_t sum = 0;

	up(&r);
	for (uint32_t w = 0; w < WORDS; w++) {
		uint32_t v = eerd(&r, w);

		assert_int_equal(v & 0xffff, w << 8 | 1 << 4);
		sum += v >> 16;
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(eerd(&r, 0) >> 16, 0x5452);
	assert_int_equal(eerd(&r, 0x3f) >> 16, 0x79ad); /* as the datasheet's image has it */
	assert_int_equal(eerd(&r, WORDS), WORDS << 8 | 1 << 4);
	rig_wr(&r, R_EERD, 0x1200);
	assert_int_equal(rig_rd(&r, R_EERD), 0x1200);
	rig_close(&r);
}

/* one clock with `in`; what comes out while it is high */
static unsigned clock_bit(struct rig *r, unsigned in)
{
	uint32_t v = EECD_REQ | EECD_CS | (in ? EECD_DI : 0);
	unsigned out;

	rig_wr(r, R_EECD, v);
	rig_wr(r, R_EECD, v | EECD_SK);
	out = !!(rig_rd(r, R_EECD) & EECD_DO);
	rig_wr(r, R_EECD, v);
	return out;
}

static uint32_t shift(struct rig *r, uint32_t v, unsigned bits)
{
	uint32_t out = 0;

	while (bits--)
		out = out << 1 | clock_bit(r, v >> bits & 1);
	return out;
}

static void deselect(struct rig *r)
{
	rig_wr(r, R_EECD, EECD_REQ);
}

static void pin_write(struct rig *r, uint32_t word, uint32_t data)
{
	shift(r, 5, 3);
	shift(r, word, 6);
	shift(r, data, 16);
	deselect(r);
	rig_wr(r, R_EECD, EECD_REQ | EECD_CS);
	assert_true(rig_rd(r, R_EECD) & EECD_DO); /* ready */
	deselect(r);
}

static uint32_t pin_read(struct rig *r, uint32_t word)
{
	uint32_t v;

	shift(r, 6, 3);
	shift(r, word, 6);
	assert_false(rig_rd(r, R_EECD) & EECD_DO); /* one 0 before the data */
	v = shift(r, 0, 16);
	deselect(r);
	return v;
}

static void test_microwire(void **state)
{
	struct rig r;
	uint16_t sum = 0;

	up(&r);
	/* granted when asked for */
	assert_false(rig_rd(&r, R_EECD) & EECD_GNT);
	rig_wr(&r, R_EECD, EECD_REQ);
	assert_int_equal(rig_rd(&r, R_EECD), EECD_PRES | EECD_GNT | EECD_REQ | EECD_DO);
	for (uint32_t w = 0; w < WORDS; w++) {
		uint32_t v = pin_read(&r, w);

		assert_int_equal(v, eerd(&r, w) >> 16);
		sum += v;
	}
	assert_int_equal(sum, 0xbaba);
	/* leading zeros are no start; a read goes on with the next word, past the end with the
	 * first */
	shift(&r, 0, 5);
	shift(&r, 6, 3);
	shift(&r, 63, 6);
	for (uint32_t i = 0; i < 3 * WORDS; i++)
		assert_int_equal(shift(&r, 0, 16), eerd(&r, (63 + i) % WORDS) >> 16);
	deselect(&r);
	/* writing wants to be enabled, and wants all its bits */
	pin_write(&r, 0x21, 0xa55a);
	assert_int_equal(eerd(&r, 0x21) >> 16, 0);
	shift(&r, 0x13, 5);
	shift(&r, 0, 4);
	deselect(&r);
	pin_write(&r, 0x21, 0xa55a);
	assert_int_equal(eerd(&r, 0x21) >> 16, 0xa55a);
	shift(&r, 5, 3);
	shift(&r, 0x21, 6);
	shift(&r, 0, 15);
	deselect(&r);
	assert_int_equal(pin_read(&r, 0x21), 0xa55a);
	/* reset in the middle of a command: the next one starts at its beginning */
	shift(&r, 6, 3);
	rig_set(&r, R_CTRL, CTRL_RST);
	assert_int_equal(pin_read(&r, 0), 0x5452);
	shift(&r, 0x10, 5);
	shift(&r, 0, 4);
	deselect(&r);
	pin_write(&r, 0x21, 0);
	assert_int_equal(eerd(&r, 0x21) >> 16, 0xa55a);
	/* pins that nobody asked for are not connected */
	rig_wr(&r, R_EECD, EECD_CS | EECD_DI);
	rig_wr(&r, R_EECD, EECD_CS | EECD_DI | EECD_SK);
	rig_wr(&r, R_EECD, 0);
	assert_int_equal(pin_read(&r, 1), 0x1200);
	rig_close(&r);
}

/* ---- PHY ------------------------------------------------------------------------------- */

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
	static const uint16_t want[][2] = {
		{ 0, 0x1140 },	{ 1, 0x794d },	{ 2, 0x0141 },	{ 3, 0x0c20 },
		{ 4, 0x0de1 },	{ 9, 0x0e00 },	{ 10, 0x3c00 }, { 16, 0x0360 },
		{ 17, 0xac00 }, { 20, 0x0d60 }, { 21, 0 },
	};
	struct rig r;

	up(&r);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(want); i++)
		assert_int_equal(phy_ok(&r, want[i][0]), want[i][1]);
	/* no pages, and nothing above the last register */
	for (uint32_t reg = 22; reg < 32; reg++) {
		assert_true(rig_phy_wr(&r, reg, 2) & 1u << 30);
		assert_true(rig_phy_rd(&r, reg) & 1u << 30);
	}
	assert_int_equal(phy_ok(&r, 16), 0x0360);
	assert_false(rig_phy_wr(&r, 20, 0x0d70) & 1u << 30);
	assert_int_equal(phy_ok(&r, 20), 0x0d70);
	assert_true(rig_phy_wr(&r, 2, 0) & 1u << 30);
	rig_close(&r);
}

/* ---- interrupts ------------------------------------------------------------------------ */

static void unmask_line(struct rig *r)
{
	/* VFIO: no data, unmask */
	assert_int_equal(
		fl_model_irq_set(r->m, FL_VFIO_IRQ_INTX, 0, 1, 1u << 0 | 1u << 4, NULL, NULL, 0),
		0);
}

static void test_interrupts(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct rig r;

	up(&r);
	/* INTx it is, or nothing */
	for (unsigned kind = FL_VFIO_IRQ_MSI; kind <= FL_VFIO_IRQ_MSIX; kind++)
		assert_true(fl_model_irq_set(r.m, kind, 0, 1, 1u << 2 | 1u << 5, NULL, &fd, 1) < 0);
	close(fd);
	rig_irqs(&r, FL_VFIO_IRQ_INTX, 1);
	rig_wr(&r, R_ICS, 0xffffffff);
	assert_int_equal(rig_fired(&r, 0), 0);
	assert_int_equal(rig_rd(&r, R_ICS), 0x1ffff);
	rig_wr(&r, R_ICR, ~(uint32_t)ICR_LSC); /* there is no bit that stands for LSC */
	assert_int_equal(rig_rd(&r, R_ICS), ICR_LSC);
	rig_wr(&r, R_IMS, 0xffffffff);
	assert_int_equal(rig_rd(&r, R_IMS), 0x1ffff);
	assert_int_equal(rig_fired(&r, 0), 1);
	assert_int_equal(rig_rd(&r, R_ICR), ICR_LSC);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	unmask_line(&r);
	/* nothing masks by itself */
	rig_wr(&r, R_CTRL_EXT, CTRL_EXT_IAME);
	rig_wr(&r, R_ICS, ICR_RXT0);
	rig_rd(&r, R_ICR);
	assert_int_equal(rig_rd(&r, R_IMS), 0x1ffff);
	rig_fired(&r, 0);
	unmask_line(&r);
	/* at most one each 256 us */
	rig_wr(&r, R_ITR, 1000);
	rig_wr(&r, R_ICS, ICR_RXT0);
	assert_int_equal(rig_fired(&r, 0), 1);
	rig_rd(&r, R_ICR);
	unmask_line(&r);
	rig_wr(&r, R_ICS, ICR_RXT0);
	rig_run(&r, 255000);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_run(&r, 2000);
	assert_int_equal(rig_fired(&r, 0), 1);
	/* the mask takes the line down: unmasked there is nothing left of it */
	rig_wr(&r, R_IMC, 0xffffffff);
	unmask_line(&r);
	assert_int_equal(rig_fired(&r, 0), 0);
	rig_close(&r);
}

/* ---- probes, register by register ------------------------------------------------------- */

static void driver_reset(struct rig *r, bool io)
{
	rig_wr(r, R_IMC, 0xffffffff);
	rig_wr(r, R_RCTL, 0);
	rig_wr(r, R_TCTL, TCTL_PSP);
	rig_rd(r, R_STATUS);
	rig_wr(r, R_TDLEN, 128);
	if (io)
		io_wr(r, R_CTRL, rig_rd(r, R_CTRL) | CTRL_RST);
	else
		rig_set(r, R_CTRL, CTRL_RST);
	assert_false(rig_rd(r, R_CTRL) & CTRL_RST);
	assert_int_equal(rig_rd(r, R_TDLEN), 0);
	rig_clear(r, R_MANC, 0x2000);
	assert_int_equal(rig_rd(r, R_MANC), 0x00220300);
	rig_wr(r, R_IMC, 0xffffffff);
	rig_rd(r, R_ICR);
}

static void test_probe(void **state)
{
	struct rig r;

	for (unsigned io = 0; io < 2; io++) {
		up(&r);
		/* copper, conventional PCI of 32 bits, EEPROM of 64 words */
		assert_int_equal(rig_rd(&r, R_STATUS) & 0xf820, 0);
		assert_int_equal(rig_rd(&r, R_EECD) & 0x600, 0);
		driver_reset(&r, io);
		rig_wr(&r, R_PBA, 0x30);
		driver_reset(&r, io);
		assert_int_equal(rig_rd(&r, R_PBA), 0x00100030);
		rig_wr(&r, R_CTRL, (rig_rd(&r, R_CTRL) | CTRL_SLU) & ~(CTRL_FRCSPD | CTRL_FRCDPX));
		assert_int_equal((phy_ok(&r, 2) << 16 | phy_ok(&r, 3)) & ~15u, 0x01410c20);
		rig_phy_wr(&r, 16, 0x0368);
		rig_phy_wr(&r, 20, phy_ok(&r, 20) | 0x0c70);
		rig_phy_wr(&r, 0, 0x9140);
		rig_phy_wr(&r, 4, 0x0de1);
		rig_phy_wr(&r, 9, 0x0200);
		rig_phy_wr(&r, 0, 0x1340);
		rig_run(&r, 20 * RIG_MS);
		phy_ok(&r, 1);
		assert_int_equal(phy_ok(&r, 1) & 0x24, 0x24);
		assert_int_equal(phy_ok(&r, 17) >> 10, 0x2b);
		assert_int_equal(rig_rd(&r, R_STATUS), 0x683);
		/* open: the link interrupt that the driver asks for */
		rig_irqs(&r, FL_VFIO_IRQ_INTX, 1);
		rig_wr(&r, R_IMS, 0x9d);
		assert_int_equal(rig_fired(&r, 0), 1);
		assert_int_equal(rig_rd(&r, R_ICR), ICR_LSC);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_space),   cmocka_unit_test(test_reset),
		cmocka_unit_test(test_register_rules), cmocka_unit_test(test_eerd),
		cmocka_unit_test(test_microwire),      cmocka_unit_test(test_phy),
		cmocka_unit_test(test_interrupts),     cmocka_unit_test(test_probe),
	};

	rig_chip = &fl_e1000_model_ops;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
