/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"
#include "membar.h"

enum {
	CTRL = 0x0000,
	STATUS = 0x0008,
	EECD = 0x0010,
	EERD = 0x0014,
	MDIC = 0x0020,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	RDT = 0x2818,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	RFCTL = 0x5008,
	RAL0 = 0x5400,
	RAH0 = 0x5404,
};

#define CTRL_GIO_MASTER_DISABLE (1u << 2)
#define CTRL_RST		(1u << 26)
#define STATUS_LINK_1000_FULL	0x83u
#define STATUS_GIO_MASTER	(1u << 19)
#define EECD_READY		0x00000300u /* present, loaded */
#define RFCTL_EXTEN		(1u << 15)
#define TX_RS			(1u << 27)
#define LEAVE			(~0u)

static const uint8_t mac[6] = { 0x02, 0x46, 0x4c, 0x00, 0x00, 0x01 };

static uint32_t reg(const struct membar *m, unsigned off)
{
	return __atomic_load_n(&m->regs[off / 4], __ATOMIC_ACQUIRE);
}

static void set_reg(struct membar *m, unsigned off, uint32_t v)
{
	__atomic_store_n(&m->regs[off / 4], v, __ATOMIC_RELEASE);
}

/** Clears bits of a register that the driver may be writing at this moment. */
static void clear_bits(struct membar *m, unsigned off, uint32_t bits)
{
	__atomic_fetch_and(&m->regs[off / 4], ~bits, __ATOMIC_ACQ_REL);
}

static void fill_eeprom(struct membar *m)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < 3; i++)
		m->nvm[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
	for (unsigned i = 0; i < 63; i++)
		sum += m->nvm[i];
	m->nvm[63] = (uint16_t)(0xbaba - sum);
}

static void fill_phy(struct membar *m)
{
	static const struct {
		uint8_t at;
		uint16_t v;
	} init[] = { { 0, 0x1140 },  { 1, 0x796d },  { 2, 0x0141 },  { 3, 0x0cb1 },
		     { 4, 0x0de1 },  { 5, 0x45e1 },  { 6, 0x0005 },  { 9, 0x0f00 },
		     { 10, 0x3c00 }, { 15, 0x3000 }, { 16, 0x3360 }, { 17, 0xac08 } };

	for (unsigned i = 0; i < sizeof(init) / sizeof(init[0]); i++)
		m->phy[init[i].at] = init[i].v;
}

static void reset_regs(struct membar *m)
{
	set_reg(m, STATUS, STATUS_LINK_1000_FULL | STATUS_GIO_MASTER);
	set_reg(m, EECD, EECD_READY);
	set_reg(m, RAL0, mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24);
	set_reg(m, RAH0, mac[4] | mac[5] << 8 | 1u << 31);
}

static void answer_phy(struct membar *m, uint32_t v)
{
	unsigned at = v >> 16 & 31;

	if (v & 1u << 26) { /* reset and restart of negotiation end at once */
		m->phy[at] = (uint16_t)(at == 0 ? v & ~0x8200u : v);
		set_reg(m, MDIC, v | 1u << 28);
	} else {
		set_reg(m, MDIC, (v & 0xffff0000u) | m->phy[at] | 1u << 28);
	}
}

static void answer_once(struct membar *m)
{
	uint32_t v = reg(m, EERD);

	if (v & 1)
		set_reg(m, EERD, (uint32_t)m->nvm[v >> 2 & 63] << 16 | (v & 0xfffc) | 2);
	v = reg(m, MDIC);
	if (v & 3u << 26 && !(v & 1u << 28))
		answer_phy(m, v);
	v = reg(m, CTRL);
	if (v & CTRL_RST) {
		reset_regs(m);
		clear_bits(m, CTRL, CTRL_RST);
	} else if (v & CTRL_GIO_MASTER_DISABLE) {
		set_reg(m, STATUS, STATUS_LINK_1000_FULL);
	} else {
		set_reg(m, STATUS, STATUS_LINK_1000_FULL | STATUS_GIO_MASTER);
	}
}

static void *answerer(void *arg)
{
	struct membar *m = arg;

	prctl(PR_SET_TIMERSLACK, 1000);
	while (__atomic_load_n(&m->answering, __ATOMIC_RELAXED)) {
		answer_once(m);
		usleep(5);
	}
	return NULL;
}

int membar_create(struct membar *m, const char *path)
{
	void *p;

	memset(m, 0, sizeof(*m));
	m->fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
		     : memfd_create("membar", MFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	p = ftruncate(m->fd, MEMBAR_SIZE)
		    ? MAP_FAILED
		    : mmap(NULL, MEMBAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (p == MAP_FAILED) {
		int err = -errno;

		close(m->fd);
		return err;
	}
	m->regs = p;
	fill_eeprom(m);
	fill_phy(m);
	reset_regs(m);
	return 0;
}

void membar_destroy(struct membar *m)
{
	membar_remote(m, -1);
	membar_answer(m, false);
	munmap((void *)m->regs, MEMBAR_SIZE);
	close(m->fd);
}

int membar_answer(struct membar *m, bool on)
{
	int err;

	if (m->answering == on)
		return 0;
	__atomic_store_n(&m->answering, on, __ATOMIC_RELAXED);
	if (!on)
		return -pthread_join(m->answerer, NULL);
	err = pthread_create(&m->answerer, NULL, answerer, m);
	if (err)
		m->answering = false;
	return -err;
}

int membar_attach(struct membar *m)
{
	uint64_t rx = (uint64_t)reg(m, RDBAH) << 32 | reg(m, RDBAL);
	uint64_t tx = (uint64_t)reg(m, TDBAH) << 32 | reg(m, TDBAL);

	m->rx = m->resolve(m->resolve_arg, rx, reg(m, RDLEN));
	m->tx = m->resolve(m->resolve_arg, tx, reg(m, TDLEN));
	m->rx_n = reg(m, RDLEN) / 16;
	m->tx_n = reg(m, TDLEN) / 16;
	m->rx_head = m->tx_head = 0;
	m->extended = reg(m, RFCTL) & RFCTL_EXTEN;
	if (!m->rx || !m->tx || m->rx_n != NB_DESC || m->tx_n != NB_DESC) {
		bench_note("rings not where the registers say: rx %#lx x %u, tx %#lx x %u", rx,
			   m->rx_n, tx, m->tx_n);
		return -EFAULT;
	}
	return 0;
}

static void receive(struct membar *m, unsigned n)
{
	uint32_t tail = reg(m, RDT), i = m->rx_head;

	for (; n && i != tail; n--) {
		volatile uint32_t *d = m->rx + 4 * i;

		if (m->extended) {
			d[0] = d[1] = 0;
			d[3] = FRAME_LEN;
			__atomic_store_n(&d[2], 3, __ATOMIC_RELEASE);
		} else {
			d[2] = FRAME_LEN;
			__atomic_store_n(&d[3], 3, __ATOMIC_RELEASE);
		}
		i = i + 1 == m->rx_n ? 0 : i + 1;
	}
	m->rx_head = i;
}

static void transmit(struct membar *m)
{
	uint32_t tail = reg(m, TDT), i = m->tx_head;

	while (i != tail && tail < m->tx_n) {
		volatile uint32_t *d = m->tx + 4 * i;

		if (d[2] & TX_RS)
			__atomic_store_n(&d[3], d[3] | 1, __ATOMIC_RELEASE);
		i = i + 1 == m->tx_n ? 0 : i + 1;
	}
	m->tx_head = i;
	set_reg(m, TDH, i);
}

static void *completer(void *arg)
{
	struct membar *m = arg;
	unsigned n;

	while ((n = __atomic_load_n(&m->want, __ATOMIC_ACQUIRE)) != LEAVE) {
		if (!n)
			continue;
		receive(m, n - 1);
		transmit(m);
		__atomic_store_n(&m->want, 0, __ATOMIC_RELEASE);
	}
	return NULL;
}

int membar_remote(struct membar *m, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	if (m->remote) {
		__atomic_store_n(&m->want, LEAVE, __ATOMIC_RELEASE);
		pthread_join(m->completer, NULL);
		m->remote = false;
	}
	if (cpu < 0)
		return 0;
	m->want = 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	err = pthread_create(&m->completer, &attr, completer, m);
	pthread_attr_destroy(&attr);
	m->remote = !err;
	return -err;
}

void membar_step(struct membar *m, unsigned n)
{
	if (!m->remote) {
		receive(m, n);
		transmit(m);
		return;
	}
	__atomic_store_n(&m->want, n + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&m->want, __ATOMIC_ACQUIRE))
		;
}
