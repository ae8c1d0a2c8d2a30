/* SPDX-License-Identifier: BSD-3-Clause */
/* Reset, NVM, register access, memory for rings. Every wait is bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/pci_regs.h>

#include "e1000_internal.h"

#define QUIET_US      10000u /* transfers under way end */
#define RESET_POLLS   20u    /* 1 ms each */
#define RESET_POLL_US 1000u
#define EERD_POLLS    2000u
#define EERD_POLL_US  5u
#define NVM_TRIES     2u

void fl_e1000_sleep_us(unsigned us)
{
	struct timespec t = { .tv_sec = us / 1000000u, .tv_nsec = (long)(us % 1000000u) * 1000 };

	nanosleep(&t, NULL);
}

/* ---- reset ---------------------------------------------------------------------------- */

int fl_e1000_wait(struct fl_e1000 *e, uint32_t reg, uint32_t mask, uint32_t want, unsigned polls,
		  unsigned us)
{
	for (unsigned i = 0; i < polls; i++) {
		uint32_t v = fl_e1000_rd(e, reg);

		/* a device that is gone, or about to be, reads as all ones */
		if (v == UINT32_MAX && fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
			return -ENODEV;
		if ((v & mask) == want)
			return 0;
		fl_e1000_sleep_us(us);
	}
	return -ETIMEDOUT;
}

int fl_e1000_gone(struct fl_e1000 *e)
{
	e1000_err(e,
		  "%s: registers read as all ones: the device is gone or does not decode its BAR",
		  fl_dev_uri(e->port.dev));
	return -ENODEV;
}

void fl_e1000_silence(struct fl_e1000 *e)
{
	bool busy = fl_e1000_rd(e, E1000_RCTL) & RCTL_EN || fl_e1000_rd(e, E1000_TCTL) & TCTL_EN;

	fl_e1000_wr(e, E1000_RCTL, 0);
	fl_e1000_wr(e, E1000_TCTL, TCTL_PSP);
	(void)fl_e1000_rd(e, E1000_STATUS);
	if (busy)
		fl_e1000_sleep_us(QUIET_US);
}

int fl_e1000_reset_done(struct fl_e1000 *e)
{
	int rc = fl_e1000_wait(e, E1000_CTRL, CTRL_RST, 0, RESET_POLLS, RESET_POLL_US);

	if (rc == -ENODEV)
		return fl_e1000_gone(e);
	if (rc)
		e1000_err(
			e,
			"%s: CTRL.RST still set after %u ms (CTRL 0x%08x): power-cycle the device",
			fl_dev_uri(e->port.dev), RESET_POLLS, fl_e1000_rd(e, E1000_CTRL));
	return rc;
}

int fl_e1000_reset(struct fl_e1000 *e)
{
	struct fl_dev *dev = e->port.dev;
	int rc;

	/*
	 * No bus mastering before: a chip whose driver was killed may still run, on rings whose
	 * addresses are gone or somebody else's by now. Not every function reset stops it.
	 */
	rc = fl_dev_cfg_write(dev, PCI_COMMAND, 2,
			      fl_dev_cfg_read(dev, PCI_COMMAND, 2) | PCI_COMMAND_MEMORY);
	if (!rc)
		rc = e->v->reset(e);
	if (!rc)
		rc = fl_dev_enable(dev, true);
	e->clean = rc == 0;
	/* once: where a reset resets nothing, a LED that was turned on is on */
	if (!rc && !e->ledctl)
		e->ledctl = fl_e1000_rd(e, E1000_LEDCTL);
	return rc;
}

/* ---- NVM ------------------------------------------------------------------------------ */

int fl_e1000_nvm_read(struct fl_e1000 *e, uint16_t word, uint16_t *out)
{
	uint32_t done = 1u << e->v->eerd_done_bit;

	fl_e1000_wr(e, E1000_EERD, (uint32_t)word << e->v->eerd_addr_shift | EERD_START);
	for (unsigned i = 0; i < EERD_POLLS; i++) {
		uint32_t v = fl_e1000_rd(e, E1000_EERD);

		if (v == UINT32_MAX && fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
			return -ENODEV;
		if (v & done) {
			*out = (uint16_t)(v >> 16);
			return 0;
		}
		fl_e1000_sleep_us(EERD_POLL_US);
	}
	e1000_err(e, "%s: NVM word 0x%x: no answer", fl_dev_uri(e->port.dev), word);
	return -EIO;
}

int fl_e1000_nvm_check(struct fl_e1000 *e)
{
	uint32_t eecd = fl_e1000_rd(e, E1000_EECD);
	uint16_t sum = 0, w;

	if (!(eecd & EECD_PRES)) {
		e1000_err(e, "%s: no NVM (EECD 0x%08x)", fl_dev_uri(e->port.dev), eecd);
		return -EIO;
	}
	e->nvm_words = e->v->nvm_words(eecd);
	for (unsigned try = 0; try < NVM_TRIES; try++) {
		sum = 0;
		for (uint16_t i = 0; i < NVM_SUM_WORDS; i++) {
			int rc = fl_e1000_nvm_read(e, i, &w);

			if (rc)
				return rc;
			sum = (uint16_t)(sum + w);
		}
		if (sum == NVM_SUM)
			return 0;
	}
	e1000_err(e, "%s: the NVM's words sum to 0x%04x, not 0x%04x: its contents are damaged",
		  fl_dev_uri(e->port.dev), sum, NVM_SUM);
	return -EIO;
}

int fl_e1000_eeprom(struct fl_port *p, void *buf, size_t len)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint8_t *out = buf;

	for (uint16_t i = 0; i < e->nvm_words && 2u * i < len; i++) {
		uint16_t w;
		int rc = fl_e1000_nvm_read(e, i, &w);

		if (rc)
			return rc;
		out[2 * i] = (uint8_t)w;
		if (2u * i + 1 < len)
			out[2 * i + 1] = (uint8_t)(w >> 8);
	}
	return e->nvm_words * 2;
}

int fl_e1000_fw_version(struct fl_port *p, char *buf, size_t len)
{
	uint16_t w;
	int rc = fl_e1000_nvm_read(fl_e1000_of(p), NVM_VERSION, &w);

	if (rc)
		return rc;
	if (snprintf(buf, len, "NVM %u.%u.%u", w >> 12, (w >> 4) & 0xffu, w & 15u) >= (int)len)
		return -ENOSPC;
	return 0;
}

/* where a reset does not put it there again, the first filter may hold another user's address */
int fl_e1000_mac_read(struct fl_e1000 *e, struct fl_mac *out)
{
	uint32_t lo = fl_e1000_rd(e, E1000_RAL(0)), hi = fl_e1000_rd(e, E1000_RAH(0));
	uint16_t w[3] = { (uint16_t)lo, (uint16_t)(lo >> 16), (uint16_t)hi };
	uint8_t *b = out->b;

	for (uint16_t i = 0; i < 3; i++) {
		int rc = e->v->pcie ? 0 : fl_e1000_nvm_read(e, i, &w[i]);

		if (rc)
			return rc;
		b[2 * i] = (uint8_t)w[i];
		b[2 * i + 1] = (uint8_t)(w[i] >> 8);
	}
	if ((w[0] | w[1] | w[2]) && !(b[0] & 1))
		return 0;
	e1000_err(e, "%s: the NVM holds %02x:%02x:%02x:%02x:%02x:%02x, which is no unicast address",
		  fl_dev_uri(e->port.dev), b[0], b[1], b[2], b[3], b[4], b[5]);
	return -EIO;
}

/* ---- registers ------------------------------------------------------------------------ */

/* none of these does anything when it is read */
static const struct {
	const char *name;
	uint32_t off;
	bool pcie; /* on those chips only */
} reg_table[] = {
	{ "CTRL", E1000_CTRL },
	{ "STATUS", E1000_STATUS },
	{ "EECD", E1000_EECD },
	{ "CTRL_EXT", E1000_CTRL_EXT },
	{ "MDIC", E1000_MDIC },
	{ "FCAL", E1000_FCAL },
	{ "FCAH", E1000_FCAH },
	{ "FCT", E1000_FCT },
	{ "VET", E1000_VET },
	{ "FCTTV", E1000_FCTTV },
	{ "LEDCTL", E1000_LEDCTL },
	{ "EXTCNF_CTRL", E1000_EXTCNF, true },
	{ "PBA", E1000_PBA },
	{ "FCRTL", E1000_FCRTL },
	{ "FCRTH", E1000_FCRTH },
	{ "WUC", E1000_WUC },
	{ "MANC", E1000_MANC },
	{ "GCR", E1000_GCR, true },
	{ "GCR2", E1000_GCR2, true },
	{ "FACTPS", E1000_FACTPS, true },
	{ "ITR", E1000_ITR },
	{ "IMS", E1000_IMS },
	{ "EIAC", E1000_EIAC, true },
	{ "IAM", E1000_IAM, true },
	{ "IVAR", E1000_IVAR, true },
	{ "EITR0", E1000_EITR(0), true },
	{ "EITR1", E1000_EITR(1), true },
	{ "EITR2", E1000_EITR(2), true },
	{ "RCTL", E1000_RCTL },
	{ "RDBAL0", E1000_RDBAL(0) },
	{ "RDBAH0", E1000_RDBAH(0) },
	{ "RDLEN0", E1000_RDLEN(0) },
	{ "RDH0", E1000_RDH(0) },
	{ "RDT0", E1000_RDT(0) },
	{ "RDTR", E1000_RDTR },
	{ "RADV", E1000_RADV },
	{ "RXDCTL0", E1000_RXDCTL(0) },
	{ "RDBAL1", E1000_RDBAL(1), true },
	{ "RDBAH1", E1000_RDBAH(1), true },
	{ "RDLEN1", E1000_RDLEN(1), true },
	{ "RDH1", E1000_RDH(1), true },
	{ "RDT1", E1000_RDT(1), true },
	{ "RXDCTL1", E1000_RXDCTL(1), true },
	{ "RXCSUM", E1000_RXCSUM },
	{ "RFCTL", E1000_RFCTL, true },
	{ "RAL0", E1000_RAL(0) },
	{ "RAH0", E1000_RAH(0) },
	{ "MRQC", E1000_MRQC, true },
	{ "TCTL", E1000_TCTL },
	{ "TIPG", E1000_TIPG },
	{ "TDBAL0", E1000_TDBAL(0) },
	{ "TDBAH0", E1000_TDBAH(0) },
	{ "TDLEN0", E1000_TDLEN(0) },
	{ "TDH0", E1000_TDH(0) },
	{ "TDT0", E1000_TDT(0) },
	{ "TIDV", E1000_TIDV },
	{ "TADV", E1000_TADV },
	{ "TXDCTL0", E1000_TXDCTL(0) },
	{ "TARC0", E1000_TARC(0), true },
	{ "TDBAL1", E1000_TDBAL(1), true },
	{ "TDBAH1", E1000_TDBAH(1), true },
	{ "TDLEN1", E1000_TDLEN(1), true },
	{ "TDH1", E1000_TDH(1), true },
	{ "TDT1", E1000_TDT(1), true },
	{ "TXDCTL1", E1000_TXDCTL(1), true },
	{ "TARC1", E1000_TARC(1), true },
};

int fl_e1000_regs(struct fl_port *p, struct fl_reg *out, unsigned max)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	unsigned n = 0;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(reg_table); i++) {
		if (reg_table[i].pcie && !e->v->pcie)
			continue;
		if (n < max) {
			snprintf(out[n].name, sizeof(out[n].name), "%s", reg_table[i].name);
			out[n].off = reg_table[i].off;
			out[n].value = fl_e1000_rd(e, reg_table[i].off);
		}
		n++;
	}
	return (int)n;
}

int fl_e1000_reg_read(struct fl_port *p, uint32_t off, uint32_t *v)
{
	*v = fl_e1000_rd(fl_e1000_of(p), off);
	return 0;
}

int fl_e1000_reg_write(struct fl_port *p, uint32_t off, uint32_t v)
{
	fl_e1000_wr(fl_e1000_of(p), off, v);
	return 0;
}

/* ---- ring memory ---------------------------------------------------------------------- */

int fl_e1000_ring_alloc(struct fl_e1000 *e, size_t len, struct fl_e1000_ring *r)
{
	struct fl_mem_opts mo = { .node = fl_dev_node(e->port.dev), .log = e->port.log };
	struct fl_mem_info info;
	int rc;

	fl_dma_mem_opts(fl_ctx_space(e->port.ctx), len, &mo);
	rc = fl_mem_alloc(len, &mo, &r->mem);
	if (rc)
		return rc;
	rc = fl_dma_map(fl_ctx_space(e->port.ctx), r->mem, NULL, &r->area);
	if (rc) {
		fl_mem_free(r->mem);
		return rc;
	}
	fl_mem_info(r->mem, &info);
	r->desc = info.va;
	r->iova = r->area->iova;
	return 0;
}

void fl_e1000_ring_free(struct fl_e1000 *e, struct fl_e1000_ring *r)
{
	if (fl_dma_unmap(r->area))
		e1000_warn(e, "%s: a ring's memory was not unmapped cleanly",
			   fl_dev_uri(e->port.dev));
	fl_mem_free(r->mem);
}
