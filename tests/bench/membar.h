/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An 82574L whose registers are plain shared memory. A thread answers what a driver waits for
 * while it starts (EEPROM, PHY, reset); after that the bench plays the device by hand, between
 * the sections that it times: no register access costs anything, and no device competes.
 */
#ifndef MEMBAR_H
#define MEMBAR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MEMBAR_SIZE 0x20000u

struct membar {
	int fd;
	volatile uint32_t *regs;
	/** address of a ring as the driver wrote it -> our pointer; NULL = unknown */
	void *(*resolve)(void *arg, uint64_t iova, uint64_t len);
	void *resolve_arg;

	uint16_t nvm[64], phy[32];
	pthread_t answerer;
	bool answering;

	/* the device's view of queue 0, read by membar_attach() */
	volatile uint32_t *rx, *tx; /* four words a descriptor */
	uint32_t rx_n, tx_n, rx_head, tx_head;
	bool extended;

	/* the thread that completes descriptors from another core */
	pthread_t completer;
	bool remote;
	unsigned want; /* packets to receive; also transmits; 0 = idle, ~0 = leave */
};

/** @path  file to make the registers in, NULL = a memfd. 0 or -errno. */
int membar_create(struct membar *m, const char *path);
void membar_destroy(struct membar *m);

/** The answering thread, needed whenever a driver is not in its data path. */
int membar_answer(struct membar *m, bool on);
/** Reads where the started driver put its rings. */
int membar_attach(struct membar *m);
/** Completes descriptors on CPU `cpu` instead of in the caller; -1 = in the caller. */
int membar_remote(struct membar *m, int cpu);
/** Receives n packets of 60 bytes (fewer if descriptors run out), and sends all that waits. */
void membar_step(struct membar *m, unsigned n);

#endif
