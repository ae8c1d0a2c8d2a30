/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An 82574L or 82540EM without a model behind it: a VFIO transport whose registers are plain
 * memory, with just enough life for a driver's probe. The test plays the rest of the device itself:
 * it reads and writes descriptors, and hooks every register access to answer whatever it likes.
 */
#ifndef FAKE_NIC_H
#define FAKE_NIC_H

#include <fl_dev.h>

#include "fake_dma.h"

#define FAKE_BAR_SIZE 0x20000u
#define FAKE_IO_SIZE  64u
#define FAKE_VECTORS  5u

struct fake_nic {
	struct fl_vfio_dev d; /* first */
	bool pci;	      /* an 82540EM */
	uint32_t *regs;	      /* the BAR's memory, FAKE_BAR_SIZE bytes */
	int memfd, efd;
	uint8_t cfg[256];
	uint16_t nvm[64], phy[32];
	bool map_tails; /* the pages with the tails can be mapped, as a model with shared pages has
			   it */
	bool gone;	/* every access answers -ENODEV */
	unsigned msix, msi;
	int irq_fd[5][FAKE_VECTORS];
	unsigned reads, writes, opens, io_resets, resets, releases;
	uint32_t io_addr;
	bool io_dead;  /* writes to the I/O BAR go nowhere */
	bool no_reset; /* CTRL.RST resets nothing and clears itself, as in QEMU's e1000 */
	/** sees what a read would answer, says what it does; NULL = the same */
	uint32_t (*on_read)(struct fake_nic *n, uint32_t off, uint32_t v);
	void (*on_write)(struct fake_nic *n, uint32_t off, uint32_t v);
	void *arg;

	struct fl_dma_domain *domain;
	struct fake_dma dma;
};

/** An 82574L. */
void fake_nic_init(struct fake_nic *n);
/** Makes it an 82540EM, with I/O BAR; before it is opened. */
void fake_nic_pci(struct fake_nic *n);
void fake_nic_fini(struct fake_nic *n);
/** Adds the scheme "fake:" to a context; it opens this NIC. */
int fake_nic_scheme(struct fl_ctx *ctx, struct fake_nic *n);
/** Recomputes the NVM's checksum and loads the MAC from it. */
void fake_nic_nvm_seal(struct fake_nic *n);

/** Fires an interrupt's vector. */
void fake_nic_irq(struct fake_nic *n, unsigned index, unsigned vec);
/** The device vanishes; the driver's side hears of it at the next dispatch. */
void fake_nic_unplug(struct fake_nic *n);
/** The device is there again, with registers as after power-on; a reattach will find it. */
void fake_nic_replug(struct fake_nic *n);

static inline uint32_t *fake_reg(struct fake_nic *n, uint32_t off)
{
	return &n->regs[off / 4];
}

#endif
