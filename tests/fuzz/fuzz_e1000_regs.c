/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 82574L and 82540EM models, as the first byte says: the rest is a program of register accesses,
 * memory contents, frames, time and mappings that come and go. Whatever it says, the model stays
 * inside its memory and comes back.
 */
#include "../unit/e1000_rig.h"

#define MEM (64u << 10) /* what is mapped of the rig's memory */

struct in {
	const uint8_t *p;
	size_t n;
};

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
	R_CTRL, R_STATUS, R_EECD,  R_EERD,    R_CTRL_EXT, R_MDIC,  R_VET,   R_ICR,     R_ITR,
	R_ICS,	R_IMS,	  R_IMC,   R_EIAC,    R_IAM,	  R_IVAR,  R_EITR,  R_RCTL,    R_TCTL,
	R_PBA,	R_EEWR,	  R_FCRTL, R_FCRTH,   R_PSRCTL,	  R_RDBAL, R_RDBAH, R_RDLEN,   R_RDH,
	R_RDT,	R_RDTR,	  R_RADV,  R_RSRPD,   R_RAID,	  R_TDBAL, R_TDBAH, R_TDLEN,   R_TDH,
	R_TDT,	R_TIDV,	  R_TADV,  R_TARC,    R_RXCSUM,	  R_RFCTL, R_RAL,   R_RAL + 4, R_MRQC,
	R_RETA, R_RSSRK,  R_FCT,   R_TXDCTL,  0x2900,	  0x2908,  0x2910,  0x2918,    0x3900,
	0x3908, 0x3910,	  0x3918,  R_SYSTIML, R_MTA,	  R_VFTA,  R_FCAL,  R_FCAH,    R_TIMINCA,
};

static uint32_t which(struct in *in)
{
	uint32_t b = take(in, 1);

	return b == 0xff ? take(in, 2) * 4 & 0x1fffc : regs[b % FL_ARRAY_SIZE(regs)];
}

/* a working port, so that descriptors are looked at */
static void set_up(struct rig *r, uint32_t flags)
{
	rig_wr(r, R_RFCTL, flags & 1 ? RFCTL_EXTEN : 0);
	rig_wr(r, R_RXCSUM, flags & 2 ? 0x300 : 0x2300);
	rig_wr(r, R_MRQC, flags & 4 ? 0x00370001 : 0);
	for (unsigned q = 0; q < 2; q++) {
		rig_wr(r, R_RDBAL + 0x100 * q, (uint32_t)RIG_IOVA + 0x1000 * q);
		rig_wr(r, R_TDBAL + 0x100 * q, (uint32_t)RIG_IOVA + 0x2000 + 0x1000 * q);
		rig_wr(r, R_RDLEN + 0x100 * q, 512);
		rig_wr(r, R_TDLEN + 0x100 * q, 512);
		for (unsigned i = 0; i < 32; i++)
			((uint64_t *)r->mem)[0x200 * q + 2 * i] = RIG_IOVA + 0x4000 + 0x400 * i;
		rig_wr(r, R_RDT + 0x100 * q, 31);
	}
	rig_wr(r, R_CTRL,
	       0x241 | (flags & 8 ? CTRL_VME : 0) | (flags & 16 ? CTRL_RFCE | CTRL_TFCE : 0));
	rig_wr(r, R_FCRTH, 0x1000);
	rig_wr(r, R_TCTL, 0x0103f0fa);
	rig_wr(r, R_RCTL,
	       RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_LPE | (flags & 32 ? RCTL_SECRC : 0) |
		       (flags & 64 ? RCTL_DTYP_PS : 0) | (flags & 128 ? 3 << 16 : 0));
}

static void descriptor(struct rig *r, struct in *in)
{
	uint32_t where = take(in, 1), kind = take(in, 1);
	uint64_t *d = (uint64_t *)r->mem + 0x400 + 2 * (where & 31) + (where & 32 ? 0x200 : 0);

	if (kind & 1) {
		d[0] = take(in, 4) | (uint64_t)take(in, 4) << 32;
		d[1] = take(in, 4) | (uint64_t)take(in, 4) << 32;
	} else {
		d[0] = RIG_IOVA + take(in, 2);
		d[1] = take(in, 2) | (uint64_t)kind << 24 | (kind & 0x20 ? 1u << 20 : 0) |
		       (uint64_t)take(in, 4) << 32;
	}
}

static void frame(struct rig *r, struct in *in)
{
	static uint8_t buf[20000];
	uint32_t len = take(in, 2) % sizeof(buf), n = take(in, 1);
	struct fl_frame f = { .seg = { { buf, len } }, .nsegs = 1, .len = len };

	memset(buf, 0, 64);
	for (uint32_t i = 0; i < n && in->n; i++)
		buf[i] = (uint8_t)take(in, 1);
	if (n & 1 && len > 20) {
		f.nsegs = 2;
		f.seg[0].len = 20;
		f.seg[1].p = buf + 20;
		f.seg[1].len = len - 20;
	}
	(void)fl_wire_send(r->far->w, &f, 1, n & 2);
}

static void interrupts(struct rig *r, uint32_t kind)
{
	int fd[1];

	for (unsigned x = FL_VFIO_IRQ_INTX; x <= FL_VFIO_IRQ_MSIX; x++)
		(void)fl_model_irq_set(r->m, x, 0, 0, 1u | 1u << 5, NULL, NULL, 0);
	if (kind > FL_VFIO_IRQ_MSIX)
		return;
	fd[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	(void)fl_model_irq_set(r->m, kind, 0, 1, 1u << 2 | 1u << 5, NULL, fd, 1);
	if (fd[0] >= 0)
		close(fd[0]);
}

static void mapping(struct rig *r, uint32_t how)
{
	static uint32_t as_it_is[2] = { UINT32_MAX, UINT32_MAX };
	uint32_t *is = &as_it_is[rig_is_82540()];

	if (how == *is)
		return;
	*is = how;
	fl_iommu_clear(&r->m->mmu);
	if (how & 1)
		(void)fl_model_map(r->m, RIG_IOVA, MEM, how & 2 ? FL_DMA_READ : FL_DMA_RW,
				   how & 4 ? -1 : r->fd, 0);
}

/* a command for the EEPROM's pins, of up to 32 bits */
static void pins(struct rig *r, struct in *in)
{
	uint32_t n = take(in, 1) & 31, bits = take(in, 4), v;

	for (uint32_t i = 0; i <= n; i++) {
		v = EECD_REQ | EECD_CS | (bits >> i & 1 ? EECD_DI : 0);
		rig_wr(r, R_EECD, v);
		rig_wr(r, R_EECD, v | EECD_SK);
	}
	if (bits & 1u << 31)
		rig_wr(r, R_EECD, EECD_REQ);
}

static void step(struct rig *r, struct in *in)
{
	uint32_t off;
	uint64_t v = 0;

	switch (take(in, 1) % 13) {
	case 0:
		off = which(in);
		rig_wr(r, off, take(in, 4));
		break;
	case 1:
		rig_rd(r, which(in));
		break;
	case 2: /* a doorbell */
		off = take(in, 1);
		rig_wr(r, (off & 2 ? R_TDT : R_RDT) + (off & 1 ? 0x100 : 0),
		       off & 0x80 ? take(in, 2) : off >> 2);
		fl_engine_round(r->e, r->now);
		break;
	case 3:
		off = take(in, 2);
		for (unsigned n = take(in, 1); n && in->n; n--)
			r->mem[off++ % MEM] = (uint8_t)take(in, 1);
		break;
	case 4:
		descriptor(r, in);
		break;
	case 5:
		frame(r, in);
		break;
	case 6:
		r->now += (uint64_t)take(in, 3) * 64;
		fl_engine_round(r->e, r->now);
		break;
	case 7:
		set_up(r, take(in, 1));
		break;
	case 8:
		off = take(in, 1);
		r->far->room = off & 0x80 ? UINT32_MAX : off;
		break;
	case 9:
		interrupts(r, take(in, 1) & 3);
		break;
	case 10:
		mapping(r, take(in, 1));
		break;
	case 11: /* other BARs, other widths */
		off = take(in, 2) % 0x4000;
		v = take(in, 4);
		(void)fl_model_region(r->m, off & 3, off & ~7u, &v, 1u << (v & 3), v & 4);
		break;
	case 12:
		pins(r, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig rigs[2]; /* made once: a reset gives each input a fresh chip */
	struct in in = { data, size };
	uint16_t cmd = 6;
	struct rig *r;

	rig_chip = take(&in, 1) & 1 ? &fl_e1000_model_ops : &fl_e1000e_model_ops;
	r = &rigs[rig_is_82540()];
	if (!r->e && rig_open(r, "wire=x,an=1"))
		abort();
	mapping(r, 1);
	interrupts(r, 3);
	fl_model_reset(r->m);
	memset(r->mem, 0, MEM);
	r->far->room = UINT32_MAX;
	if (fl_model_region(r->m, FL_VFIO_REGION_CONFIG, 4, &cmd, 2, true))
		abort();
	/* the most that one program may do */
	for (unsigned n = 0; n < 256 && in.n; n++)
		step(r, &in);
	fl_engine_round(r->e, r->now += 1000000);
	return 0;
}
