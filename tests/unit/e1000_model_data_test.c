/* SPDX-License-Identifier: BSD-3-Clause */
/* 82574L and 82540EM models: frames through descriptors of every kind, filters, offloads,
 * starvation. The 82540EM drops RFCTL.EXTEN: its descriptors are the legacy ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "e1000_rig.h"

#define N	   64u
#define RX_RING(q) (RIG_IOVA + 0x1000 * (q))
#define TX_RING(q) (RIG_IOVA + 0x4000 + 0x1000 * (q))
#define RX_BUF(i)  (RIG_IOVA + 0x100000 + 0x4000ull * (i))
#define TX_BUF	   (RIG_IOVA + 0x300000)
#define BUF	   0x4000u

enum {
	EOP = 1 << 24,
	IFCS = 1 << 25,
	IC = 1 << 26,
	TSE = 1 << 26,
	RS = 1 << 27,
	DEXT = 1 << 29,
	VLE = 1 << 30
};
#define IDE  (1u << 31)
#define DATA (DEXT | 1u << 20)

static const uint8_t station[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static uint64_t *rxd(struct rig *r, unsigned q, unsigned i)
{
	return (uint64_t *)rig_at(r, RX_RING(q)) + 2 * i;
}

static uint64_t *txd(struct rig *r, unsigned q, unsigned i)
{
	return (uint64_t *)rig_at(r, TX_RING(q)) + 2 * i;
}

/* both rings of both queues; RFCTL, RXCSUM and RCTL as given, n descriptors handed over */
static void start(struct rig *r, const char *args, uint32_t rfctl, uint32_t rxcsum, uint32_t rctl,
		  uint32_t rdt)
{
	assert_int_equal(rig_open(r, args), 0);
	for (unsigned q = 0; q < 2; q++) {
		for (unsigned i = 0; i < N; i++) {
			rxd(r, q, i)[0] = RX_BUF(i + 32 * q);
			rxd(r, q, i)[1] = 0;
		}
		rig_wr(r, R_RDBAL + 0x100 * q, (uint32_t)RX_RING(q));
		rig_wr(r, R_RDLEN + 0x100 * q, N * 16);
		rig_wr(r, R_TDBAL + 0x100 * q, (uint32_t)TX_RING(q));
		rig_wr(r, R_TDLEN + 0x100 * q, N * 16);
	}
	rig_wr(r, R_RFCTL, rfctl | RFCTL_ACK_DIS);
	rig_wr(r, R_RXCSUM, rxcsum);
	rig_wr(r, R_TCTL, 0x0103f0fa);
	rig_wr(r, R_RCTL, rctl | RCTL_EN);
	rig_wr(r, R_RDT, rdt);
	rig_wr(r, R_RDT + 0x100, rdt);
	rig_run(r, 1000);
}

/* status and errors of a receive descriptor, in the places of the extended one */
static uint32_t rx_status(struct rig *r, unsigned q, unsigned i)
{
	uint64_t d = rxd(r, q, i)[1];

	return rig_rd(r, R_RFCTL) & RFCTL_EXTEN ? (uint32_t)d
						: (d >> 32 & 0xff) | (uint32_t)(d >> 40) << 24;
}

static uint32_t rx_len(struct rig *r, unsigned q, unsigned i)
{
	uint64_t d = rxd(r, q, i)[1];

	return (rig_rd(r, R_RFCTL) & RFCTL_EXTEN ? d >> 32 : d) & 0xffff;
}

static void stop(struct rig *r)
{
	rig_close(r);
}

/* sums by bytes, big-endian: not how the model does it */
static uint32_t sum_be(const uint8_t *p, uint32_t len, uint32_t s)
{
	for (uint32_t i = 0; i < len; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t crc_bits(const uint8_t *p, uint32_t len)
{
	uint32_t c = ~0u;

	for (uint32_t i = 0; i < len; i++)
		for (unsigned b = 0; b < 8; b++)
			c = (c >> 1) ^ (((c ^ p[i] >> b) & 1) ? 0xedb88320 : 0);
	return ~c;
}

/* an IPv4 frame: proto 6 or 17, n bytes of payload, right checksums; its length */
static uint32_t ip4(uint8_t *f, uint8_t proto, uint32_t n, unsigned tag)
{
	uint32_t l3 = tag ? 18 : 14, hl = proto == 6 ? 20 : 8, l4 = l3 + 20, s;

	memset(f, 0, l4 + hl);
	memcpy(f, station, 6);
	memcpy(f + 6, "\x02\x00\x00\x00\x00\x09", 6);
	if (tag) {
		put16(f + 12, 0x8100);
		put16(f + 14, tag);
	}
	put16(f + l3 - 2, 0x0800);
	f[l3] = 0x45;
	put16(f + l3 + 2, 20 + hl + n);
	put16(f + l3 + 4, 0x1234);
	f[l3 + 8] = 64;
	f[l3 + 9] = proto;
	memcpy(f + l3 + 12, "\x42\x09\x95\xbb\xa1\x8e\x64\x50",
	       8); /* 66.9.149.187 161.142.100.80 */
	put16(f + l3 + 10, ~sum_be(f + l3, 20, 0));
	put16(f + l4, 2794);
	put16(f + l4 + 2, 1766);
	if (proto == 6) {
		put16(f + l4 + 4, 0xfffe);
		put16(f + l4 + 6, 0xff00);
		f[l4 + 12] = 0x50;
		f[l4 + 13] = 0x19; /* FIN PSH ACK */
		put16(f + l4 + 14, 8192);
	} else {
		put16(f + l4 + 4, 8 + n);
	}
	for (uint32_t i = 0; i < n; i++)
		f[l4 + hl + i] = (uint8_t)(i * 7 + 3);
	s = sum_be(f + l3 + 12, 8, proto + hl + n);
	s = ~sum_be(f + l4, hl + n, s) & 0xffff;
	put16(f + l4 + (proto == 6 ? 16 : 6), s || proto == 6 ? s : 0xffff);
	return l4 + hl + n;
}

static bool l4_good(const uint8_t *f, uint32_t l3, uint32_t ihl)
{
	uint32_t len = get16(f + l3 + 2) - ihl;

	return sum_be(f + l3, ihl, 0) == 0xffff &&
	       sum_be(f + l3 + ihl, len, sum_be(f + l3 + 12, 8, f[l3 + 9] + len)) == 0xffff;
}

#define SECRC RCTL_SECRC

/* ---- receive -------------------------------------------------------------------------- */

static void test_rx_legacy(void **state)
{
	struct rig r;
	uint8_t f[2000];
	uint32_t len = ip4(f, 17, 100, 0);
	uint64_t d;

	start(&r, "wire=x", 0, 0x300 | 14, SECRC, N - 1);
	rig_send(&r, f, len);
	d = rxd(&r, 0, 0)[1];
	assert_int_equal(rxd(&r, 0, 0)[0], RX_BUF(0)); /* the address survives */
	assert_int_equal(d & 0xffff, len);
	assert_int_equal(d >> 16 & 0xffff, ~sum_be(f + 14, len - 14, 0) & 0xffff);
	assert_int_equal(d >> 32 & 0xff, RXD_DD | RXD_EOP | RXD_IPCS | RXD_TCPCS | RXD_UDPCS);
	assert_int_equal(d >> 40, 0);
	assert_memory_equal(rig_at(&r, RX_BUF(0)), f, len);
	assert_int_equal(rig_rd(&r, R_RDH), 1);
	assert_int_equal(rig_rd(&r, 0x120), !rig_is_82540());
	/* bad sums are told apart */
	f[50] ^= 1;
	rig_send(&r, f, len);
	assert_int_equal(rxd(&r, 0, 1)[1] >> 40 & 0xff, 1 << 5);
	f[50] ^= 1;
	f[22]--;
	rig_send(&r, f, len);
	assert_int_equal(rxd(&r, 0, 2)[1] >> 40 & 0xff, 1 << 6);
	stop(&r);
}

static void test_rx_extended(void **state)
{
	struct rig r;
	uint8_t f[2000];
	uint32_t len = ip4(f, 6, 6, 0), st;

	start(&r, "wire=x", RFCTL_EXTEN, 0x300, SECRC | RCTL_BAM, N - 1);
	rig_send(&r, f, len);
	st = (uint32_t)rxd(&r, 0, 0)[1];
	assert_int_equal(st, RXD_DD | RXD_EOP | RXD_IPCS | RXD_TCPCS | RXD_IPIDV | 2 << 16);
	assert_int_equal(rxd(&r, 0, 0)[1] >> 32, 60);
	assert_int_equal(rxd(&r, 0, 0)[0] >> 32 & 0xffff, 0x1234);
	assert_int_equal(rxd(&r, 0, 0)[0] >> 48, ~sum_be(f, len, 0) & 0xffff);
	/* the same through the way for everything: TCP ACKs are told when asked for */
	rig_wr(&r, R_RFCTL, RFCTL_EXTEN);
	rig_send(&r, f, len);
	assert_int_equal((uint32_t)rxd(&r, 0, 1)[1], st | RXD_ACK);
	assert_int_equal(rxd(&r, 0, 1)[0], rxd(&r, 0, 0)[0]);
	rig_wr(&r, R_RFCTL, RFCTL_EXTEN | RFCTL_ACKD_DIS); /* it carries data */
	rig_send(&r, f, len);
	assert_int_equal((uint32_t)rxd(&r, 0, 2)[1], st);
	/* not IP, broadcast, short: padded, counted */
	memset(f, 0xff, 6);
	put16(f + 12, 0x0806);
	rig_send(&r, f, 42);
	assert_int_equal(rxd(&r, 0, 3)[1], RXD_DD | RXD_EOP | 60ull << 32);
	assert_memory_equal((uint8_t *)rig_at(&r, RX_BUF(3)) + 42,
			    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
	assert_int_equal(rig_rd(&r, R_STATS + S_RUC), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_RUC), 0);
	/* IPv6 */
	memcpy(f, station, 6);
	put16(f + 12, 0x86dd);
	memset(f + 14, 0, 60);
	f[14] = 0x60;
	put16(f + 18, 8);
	f[20] = 17;
	f[22] = 1;
	put16(f + 54 + 4, 8);
	put16(f + 60, ~sum_be(f + 22, 32, sum_be(f + 54, 8, 17 + 8)));
	rig_send(&r, f, 62);
	assert_int_equal((uint32_t)rxd(&r, 0, 4)[1],
			 RXD_DD | RXD_EOP | RXD_TCPCS | RXD_UDPCS | 6 << 16);
	/* a fragment has no L4 verdict */
	len = ip4(f, 17, 30, 0);
	f[20] = 0x20;
	put16(f + 24, 0);
	put16(f + 24, ~sum_be(f + 14, 20, 0));
	rig_send(&r, f, len);
	assert_int_equal((uint32_t)rxd(&r, 0, 5)[1],
			 RXD_DD | RXD_EOP | RXD_IPCS | RXD_IPIDV | 1 << 16);
	/* checksums off: ignore them */
	rig_wr(&r, R_RXCSUM, RXCSUM_PCSD);
	len = ip4(f, 17, 30, 0);
	rig_send(&r, f, len);
	assert_int_equal((uint32_t)rxd(&r, 0, 6)[1], RXD_DD | RXD_EOP | RXD_IXSM | 2 << 16);
	assert_int_equal(rxd(&r, 0, 6)[0], 0);
	stop(&r);
}

static void test_rx_many_descriptors(void **state)
{
	static const struct {
		uint32_t rctl, size;
	} size[] = { { 0, 2048 },
		     { 1 << 16, 1024 },
		     { 2 << 16, 512 },
		     { 3 << 16, 256 },
		     { RCTL_BSEX | 1 << 16, 16384 },
		     { RCTL_BSEX | 2 << 16, 8192 },
		     { RCTL_BSEX | 3 << 16, 4096 },
		     { 3 << 27, 3072 } };
	uint8_t f[9234];

	memcpy(f, station, 6);
	for (unsigned i = 6; i < sizeof(f); i++)
		f[i] = (uint8_t)(i * 11);
	/* the 82540EM has no sizes in KiB */
	for (unsigned k = 0; k < FL_ARRAY_SIZE(size) - rig_is_82540(); k++) {
		uint32_t left = sizeof(f) + 4, i = 0, fcs = crc_bits(f, sizeof(f));
		uint8_t got[sizeof(f) + 4];
		struct rig r;

		start(&r, "wire=x", RFCTL_EXTEN, 0, RCTL_LPE | size[k].rctl, N - 1);
		rig_send(&r, f, sizeof(f)); /* FCS kept */
		for (; left; i++) {
			uint32_t n = left < size[k].size ? left : size[k].size;

			assert_int_equal(rx_len(&r, 0, i), n);
			assert_int_equal(rx_status(&r, 0, i) & 3, n == left ? 3 : 1);
			memcpy(got + sizeof(got) - left, rig_at(&r, RX_BUF(i)), n);
			left -= n;
		}
		assert_int_equal(rig_rd(&r, R_RDH), i);
		assert_memory_equal(got, f, sizeof(f));
		assert_memory_equal(got + sizeof(f), &fcs, 4);
		stop(&r);
	}
}

static void test_rx_split(void **state)
{
	struct rig r;
	uint8_t f[4000];
	uint32_t len = ip4(f, 6, 2000, 0);
	uint64_t *d;

	start(&r, "wire=x", RFCTL_EXTEN, RXCSUM_PCSD | 0x300, SECRC | RCTL_LPE | RCTL_DTYP_PS, 62);
	rig_wr(&r, R_PSRCTL, 1 << 24 | 1 << 16 | 1 << 8 | 2);
	rig_wr(&r, R_RCTL, SECRC | RCTL_LPE | RCTL_DTYP_PS | RCTL_EN);
	for (unsigned i = 0; i < 8; i++)
		rxd(&r, 0, i)[0] = RX_BUF(2 * i), rxd(&r, 0, i)[1] = RX_BUF(2 * i + 1);
	rig_send(&r, f, len);
	d = rxd(&r, 0, 0);
	assert_int_equal(d[1] >> 32, 54);
	assert_int_equal(d[1] & 3, 3);
	assert_int_equal(d[2], 54 | 0x8000 | 1024ull << 16 | 976ull << 32);
	assert_memory_equal(rig_at(&r, RX_BUF(0)), f, 54);
	assert_memory_equal(rig_at(&r, RX_BUF(1)), f + 54, 1024);
	assert_memory_equal(rig_at(&r, RX_BUF(2)), f + 54 + 1024, 976);
	assert_int_equal(rig_rd(&r, R_RDH), 2);
	/* no header to split at: all buffers take data; two descriptors are needed */
	put16(f + 12, 0x88b5);
	rig_send(&r, f, 3500);
	assert_int_equal(rxd(&r, 0, 2)[1], RXD_DD | 256ull << 32);
	assert_int_equal(rxd(&r, 0, 3)[0], 1024ull << 16 | 1024ull << 32 | 1024ull << 48);
	assert_int_equal(rxd(&r, 0, 4)[1], RXD_DD | RXD_EOP);
	assert_int_equal(rxd(&r, 0, 5)[0], 172ull << 16);
	assert_int_equal(rig_rd(&r, R_RDH), 6);
	stop(&r);
}

static void test_filters(void **state)
{
	struct rig r;
	uint8_t f[64] = { 0 };
	unsigned at = 0;
#define SENT(yes)                                        \
	do {                                             \
		rig_send(&r, f, 60);                     \
		at += yes;                               \
		assert_int_equal(rig_rd(&r, R_RDH), at); \
	} while (0)
#define PIF() (rx_status(&r, 0, at - 1) & RXD_PIF)

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC, N - 1);
	put16(f + 12, 0x88b5);
	memcpy(f, station, 6);
	SENT(1);
	assert_false(PIF());
	f[5]++;
	SENT(0);
	rig_set(&r, R_RCTL, RCTL_UPE);
	SENT(1);
	assert_true(PIF());
	rig_clear(&r, R_RCTL, RCTL_UPE);
	/* a second address */
	rig_wr(&r, R_RAL + 8 * 15, 0x12005452);
	rig_wr(&r, R_RAL + 8 * 15 + 4, 0x80005734);
	SENT(1);
	assert_false(PIF());
	rig_wr(&r, R_RAL + 8 * 15 + 4, 0x5734); /* not valid */
	SENT(0);
	memset(f, 0xff, 6);
	SENT(0);
	rig_set(&r, R_RCTL, RCTL_BAM);
	SENT(1);
	/* multicast hash: word 125, bit 16 for this one at MO 0 */
	memcpy(f, "\x01\x00\x5e\x00\x00\xfb", 6);
	SENT(0);
	rig_wr(&r, R_MTA + 4 * 125, 1 << 16);
	SENT(1);
	assert_true(PIF());
	rig_set(&r, R_RCTL, 3 << 12); /* MO 3 looks at h = 0xb00 */
	SENT(0);
	rig_wr(&r, R_MTA + 4 * (0xb00 >> 5), 1);
	SENT(1);
	rig_wr(&r, R_MTA + 4 * (0xb00 >> 5), 0);
	rig_set(&r, R_RCTL, RCTL_MPE);
	SENT(1);
	/* VLAN table */
	memcpy(f, station, 6);
	put16(f + 12, 0x8100);
	put16(f + 14, 0x2065);
	SENT(1);
	rig_set(&r, R_RCTL, RCTL_VFE);
	SENT(0);
	rig_wr(&r, R_VFTA + 4 * (0x65 >> 5), 1 << (0x65 & 31));
	SENT(1);
	rig_set(&r, R_RCTL, RCTL_CFIEN);
	SENT(1);
	f[14] |= 0x10;
	SENT(0);
	rig_set(&r, R_RCTL, RCTL_CFI);
	SENT(1);
	put16(f + 12, 0x88b5);
	SENT(1); /* untagged ones pass */
	/* length */
	rig_clear(&r, R_RCTL, RCTL_VFE);
	uint8_t big[1600] = { 0 };

	memcpy(big, station, 6);
	rig_send(&r, big, 1519);
	assert_int_equal(rig_rd(&r, R_RDH), at);
	assert_int_equal(rig_rd(&r, R_STATS + S_ROC), 1);
	rig_send(&r, big, 1518);
	assert_int_equal(rig_rd(&r, R_RDH), ++at);
	rig_set(&r, R_RCTL, RCTL_LPE);
	rig_send(&r, big, 1519);
	assert_int_equal(rig_rd(&r, R_RDH), ++at);
	/* receiver off, bus master off */
	rig_clear(&r, R_RCTL, RCTL_EN);
	SENT(0);
	rig_set(&r, R_RCTL, RCTL_EN);
	fl_model_region(r.m, FL_VFIO_REGION_CONFIG, 4, &(uint16_t){ 2 }, 2, true);
	SENT(0);
	stop(&r);
}

static void test_vlan_strip(void **state)
{
	uint32_t st = RXD_DD | RXD_EOP | RXD_VP | RXD_IPCS | RXD_TCPCS;
	struct rig r;
	uint8_t f[200];
	uint32_t len = ip4(f, 6, 40, 0xa123);

	start(&r, "wire=x", RFCTL_EXTEN, 0x300, SECRC, N - 1);
	rig_set(&r, R_CTRL, CTRL_VME);
	rig_send(&r, f, len);
	assert_int_equal(rxd(&r, 0, 0)[1] >> 48, 0xa123);
	assert_int_equal(rx_len(&r, 0, 0), len - 4);
	if (!rig_is_82540())
		st |= RXD_IPIDV | 2 << RXD_PTYPE_SHIFT;
	assert_int_equal(rx_status(&r, 0, 0), st);
	assert_memory_equal(rig_at(&r, RX_BUF(0)), f, 12);
	assert_memory_equal((uint8_t *)rig_at(&r, RX_BUF(0)) + 12, f + 16, len - 16);
	rig_clear(&r, R_CTRL, CTRL_VME);
	rig_send(&r, f, len);
	assert_int_equal(rx_len(&r, 0, 1), len);
	stop(&r);
}

static void rss_key(struct rig *r)
{
	static const uint8_t key[40] = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
		0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
		0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa
	};
	uint32_t w;

	for (unsigned i = 0; i < 10; i++) {
		memcpy(&w, key + 4 * i, 4);
		rig_wr(r, R_RSSRK + 4 * i, w);
	}
}

static void test_rss(void **state)
{
	struct rig r;
	uint8_t f[200];
	uint32_t len = ip4(f, 6, 10, 0);

	start(&r, "wire=x", RFCTL_EXTEN, 0x300 | RXCSUM_PCSD, SECRC, N - 1);
	rss_key(&r);
	rig_wr(&r, R_MRQC, 0x00370001);
	/* 0x51ccc178: entry 0x78, byte 0 of word 30 */
	rig_wr(&r, R_RETA + 4 * 30, 0x00000080);
	rig_send(&r, f, len);
	assert_int_equal(rig_rd(&r, R_RDH), 0);
	assert_int_equal(rig_rd(&r, R_RDH + 0x100), 1);
	assert_int_equal(rxd(&r, 1, 0)[0], 0x51ccc178ull << 32 | 1 << 8 | 1);
	/* addresses alone: 0x323e8fc2, entry 0x42 */
	rig_wr(&r, R_MRQC, 0x00020001);
	rig_send(&r, f, len);
	assert_int_equal(rig_rd(&r, R_RDH), 1);
	assert_int_equal(rxd(&r, 0, 0)[0], 0x323e8fc2ull << 32 | 2);
	/* nothing hashed, queue 0 */
	rig_wr(&r, R_MRQC, 1);
	rig_send(&r, f, len);
	assert_int_equal(rxd(&r, 0, 1)[0], 0);
	stop(&r);
}

#define MIXED 48u

/* Frames of many kinds, in one piece or (cut true) in two, which never go the quick way. */
static void receive_mixed(struct rig *r, bool cut)
{
	static uint8_t f[MIXED][200];
	struct fl_frame v[MIXED];

	start(r, "wire=x", RFCTL_EXTEN, 0x300 | RXCSUM_PCSD, SECRC | RCTL_VFE | RCTL_UPE, N - 1);
	rss_key(r);
	for (unsigned i = 0; i < 32; i++)
		rig_wr(r, R_RETA + 4 * i, 0x80008000);
	rig_wr(r, R_MRQC, 0x00370001);
	rig_set(r, R_CTRL, CTRL_VME);
	rig_wr(r, R_VFTA, 1 << 5);
	for (unsigned i = 0; i < MIXED; i++) {
		/* VLAN 5 is let in, 6 is not */
		uint32_t len = ip4(f[i], i & 1 ? 6 : 17, 18 + i, i % 5 == 1 ? 5 + i % 2 : 0);

		f[i][5] ^= (uint8_t)(i % 7 == 3);
		f[i][29] ^= (uint8_t)(i * 11); /* the sums are wrong then */
		if (i % 5 == 2)
			put16(f[i] + 12, 0x0806);
		v[i] = (struct fl_frame){ .seg = { { f[i], cut ? 20 : len },
						   { f[i] + 20, len - 20 } },
					  .nsegs = cut ? 2 : 1,
					  .len = len };
	}
	assert_int_equal(fl_wire_send(r->far->w, v, MIXED, true), MIXED);
}

static void test_quick_way_tells_the_same(void **state)
{
	struct rig a, b;

	receive_mixed(&a, false);
	receive_mixed(&b, true);
	for (unsigned q = 0; q < 2; q++) {
		unsigned n = rig_rd(&a, R_RDH + 0x100 * q);

		assert_in_range(n, 10, 32);
		assert_int_equal(n, rig_rd(&b, R_RDH + 0x100 * q));
		assert_memory_equal(rxd(&a, q, 0), rxd(&b, q, 0), 16 * n);
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(rig_at(&a, RX_BUF(i + 32 * q)),
					    rig_at(&b, RX_BUF(i + 32 * q)),
					    rxd(&a, q, i)[1] >> 32 & 0xffff);
	}
	for (uint32_t off = R_STATS; off < R_STATS_END; off += 4)
		assert_int_equal(rig_rd(&a, off), rig_rd(&b, off));
	stop(&a);
	stop(&b);
}

/* the published IPv6 vector: 3ffe:2501:200:1fff::7 port 2794 to 3ffe:2501:200:3::1 port 1766 */
static void test_rss_ip6(void **state)
{
	static const uint8_t addr[32] = { 0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff,
					  0,	0,    0,    0,	  0,	0,    0,    7,
					  0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03,
					  0,	0,    0,    0,	  0,	0,    0,    1 };
	struct rig r;
	uint8_t f[100] = { 0 };

	start(&r, "wire=x", RFCTL_EXTEN, RXCSUM_PCSD, SECRC, N - 1);
	rss_key(&r);
	memcpy(f, station, 6);
	put16(f + 12, 0x86dd);
	f[14] = 0x60;
	put16(f + 18, 20);
	f[20] = 6;
	memcpy(f + 22, addr, 32);
	put16(f + 54, 2794);
	put16(f + 56, 1766);
	f[54 + 12] = 0x50;
	rig_wr(&r, R_MRQC, 1 | 1 << 18);
	rig_send(&r, f, 74);
	assert_int_equal(rxd(&r, 0, 0)[0], 0x40207d3dull << 32 | 3);
	rig_wr(&r, R_MRQC, 1 | 1 << 20);
	rig_send(&r, f, 74);
	assert_int_equal(rxd(&r, 0, 1)[0], 0x2cc18cd5ull << 32 | 5);
	stop(&r);
}

static void test_starved(void **state)
{
	struct rig r;
	uint8_t f[1000] = { 0 };
	/* what the buffer holds of frames that take 1008 bytes of it */
	unsigned kept, most = (rig_is_82540() ? 48 : 20) * 1024 / 1008;

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC, 2);
	rig_rd(&r, R_ICR);
	memcpy(f, station, 6);
	for (unsigned i = 0; i < 100; i++) {
		put16(f + 14, i);
		rig_send(&r, f, sizeof(f));
	}
	/* two in memory, the buffer full, the rest missed */
	assert_int_equal(rig_rd(&r, R_RDH), 2);
	assert_true(rig_rd(&r, R_ICR) & ICR_RXO);
	kept = 98 - rig_rd(&r, R_STATS + S_MPC);
	assert_in_range(kept, most - 2, most);
	assert_true(rig_rd(&r, R_STATS + S_RNBC) == 98);
	rig_wr(&r, R_RDT, N - 1);
	rig_run(&r, 1000);
	assert_int_equal(rig_rd(&r, R_RDH), 2 + kept);
	for (unsigned i = 0; i < 2 + kept; i++)
		assert_int_equal(get16((uint8_t *)rig_at(&r, RX_BUF(i)) + 14), i);
	assert_int_equal(rig_rd(&r, R_STATS + S_GPRC), 2 + kept);
	assert_int_equal(rig_rd(&r, R_STATS + S_TPR), 100);
	stop(&r);
}

static void test_low_descriptors(void **state)
{
	struct rig r;
	uint8_t f[60] = { 0 };

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC | 1 << 8, 18); /* quarter of 64 */
	memcpy(f, station, 6);
	rig_rd(&r, R_ICR);
	rig_send(&r, f, 60);
	assert_int_equal(rig_rd(&r, R_ICR), rig_icr(ICR_RXT0));
	rig_send(&r, f, 60);
	assert_int_equal(rig_rd(&r, R_ICR), rig_icr(ICR_RXT0 | ICR_RXDMT0));
	rig_send(&r, f, 60);
	assert_int_equal(rig_rd(&r, R_ICR), rig_icr(ICR_RXT0));
	/* delays: 10 us after the last frame, 25 at most */
	rig_wr(&r, R_RDTR, 10);
	rig_wr(&r, R_RADV, 25);
	rig_run(&r, 1000);
	for (unsigned i = 0; i < 4; i++) {
		rig_send(&r, f, 60);
		assert_int_equal(rig_rd(&r, R_ICR), 0);
		rig_run(&r, 8000);
	}
	assert_int_equal(rig_rd(&r, R_ICR), rig_icr(ICR_RXT0));
	rig_send(&r, f, 60);
	rig_wr(&r, R_RDTR, 10 | DELAY_FPD);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_ICR), rig_icr(ICR_RXT0));
	assert_int_equal(rig_rd(&r, R_RDTR), 10);
	stop(&r);
}

static void test_flow_control(void **state)
{
	struct rig r;
	uint8_t f[1000] = { 0 };
	struct fl_frame v[40];
	unsigned sent;

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC, 2);
	rig_set(&r, R_CTRL, CTRL_TFCE | CTRL_RFCE);
	rig_wr(&r, R_FCRTH, 10240);
	rig_wr(&r, R_FCRTL, FCRTL_XONE | 4096);
	memcpy(f, station, 6);
	for (unsigned i = 0; i < 40; i++)
		v[i] = (struct fl_frame){ .seg = { { f, 1000 } }, .nsegs = 1, .len = 1000 };
	sent = fl_wire_send(r.far->w, v, 40, true);
	assert_int_equal(sent, 2 + 11);
	assert_int_equal(fl_wire_send(r.far->w, v, 1, true), 0);
	assert_int_equal(rig_rd(&r, R_STATS + S_XOFFTXC), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_MPC), 0);
	rig_wr(&r, R_RDT, N - 1);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_XONTXC), 1);
	assert_int_equal(fl_wire_send(r.far->w, v, 40 - sent, true), 40 - sent);
	assert_int_equal(rig_rd(&r, R_RDH), 40);
	/* the other way: the far end holds us back */
	r.far->room = 1;
	for (unsigned i = 0; i < 3; i++) {
		txd(&r, 0, i)[0] = TX_BUF;
		txd(&r, 0, i)[1] = 60 | EOP | IFCS | RS;
	}
	rig_wr(&r, R_TDT, 3);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_TDH), 1);
	assert_true(rig_rd(&r, R_STATUS) & STATUS_TXOFF);
	assert_int_equal(rig_rd(&r, R_STATS + S_XOFFRXC), 1);
	r.far->room = 100;
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_TDH), 3);
	assert_false(rig_rd(&r, R_STATUS) & STATUS_TXOFF);
	assert_int_equal(rig_rd(&r, R_STATS + S_XONRXC), 1);
	/* a real PAUSE frame: 100 quanta of 512 ns */
	rig_wr(&r, R_FCT, 0x8808);
	rig_wr(&r, R_FCAL, 0x00c28001);
	rig_wr(&r, R_FCAH, 0x100);
	memset(f, 0, 60);
	memcpy(f, "\x01\x80\xc2\x00\x00\x01", 6);
	put16(f + 12, 0x8808);
	put16(f + 14, 1);
	put16(f + 16, 100);
	rig_send(&r, f, 60);
	assert_int_equal(rig_rd(&r, R_STATS + S_XOFFRXC), 1);
	txd(&r, 0, 3)[0] = TX_BUF;
	txd(&r, 0, 3)[1] = 60 | EOP | IFCS | RS;
	rig_wr(&r, R_TDT, 4);
	rig_run(&r, 51000);
	assert_int_equal(rig_rd(&r, R_TDH), 3);
	rig_run(&r, 300);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_TDH), 4);
	assert_int_equal(rig_rd(&r, R_RDH), 40); /* it was not passed on */
	stop(&r);
}

/* ---- transmit ------------------------------------------------------------------------- */

static void tx(struct rig *r, unsigned q, unsigned i, uint64_t addr, uint64_t q1)
{
	txd(r, q, i)[0] = addr;
	txd(r, q, i)[1] = q1;
}

static void go(struct rig *r, unsigned q, unsigned tail)
{
	rig_wr(r, R_TDT + 0x100 * q, tail);
	rig_run(r, 1000);
}

static void test_tx_plain(void **state)
{
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	for (unsigned i = 0; i < 4096; i++)
		f[i] = (uint8_t)(i * 5);
	tx(&r, 0, 0, TX_BUF, 100 | EOP | IFCS | RS);
	tx(&r, 0, 1, TX_BUF + 1, 1500u | DATA | EOP | IFCS);
	tx(&r, 0, 2, TX_BUF, 14u | IFCS);     /* three pieces */
	tx(&r, 0, 3, TX_BUF + 14, 0u | IFCS); /* one of them empty */
	tx(&r, 0, 4, TX_BUF + 14, 986u | EOP | IFCS | RS);
	tx(&r, 0, 5, TX_BUF, 20u | EOP | IFCS | RS); /* padded */
	go(&r, 0, 6);
	assert_int_equal(r.far->n, 4);
	assert_int_equal(r.far->f[0].len, 100);
	assert_memory_equal(r.far->f[0].p, f, 100);
	assert_int_equal(r.far->f[1].len, 1500);
	assert_memory_equal(r.far->f[1].p, f + 1, 1500);
	assert_int_equal(r.far->f[2].len, 1000);
	assert_memory_equal(r.far->f[2].p, f, 1000);
	assert_int_equal(r.far->f[3].len, 60);
	assert_int_equal(r.far->f[3].p[20], 0);
	assert_int_equal(rig_rd(&r, R_TDH), 6);
	/* DD where RS was, nowhere else */
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(txd(&r, 0, i)[1] >> 32 & 1, i == 0 || i > 3);
	assert_true(rig_rd(&r, R_ICR) & ICR_TXDW);
	assert_int_equal(rig_rd(&r, R_STATS + S_GPTC), 4);
	assert_int_equal(rig_rd(&r, R_STATS + S_GOTC), 100 + 1500 + 1000 + 60 + 16);
	assert_int_equal(rig_rd(&r, R_STATS + S_GOTC + 4), 0);
	assert_int_equal(rig_rd(&r, R_STATS + S_GOTC), 0);
	assert_int_equal(rig_rd(&r, R_STATS + S_PTC64), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_PTC64 + 4), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_PTC64 + 16), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_PTC64 + 20), 1);
	/* what asks for every write-back: IVAR bit 31, or RPS */
	rig_wr(&r, R_IVAR, 1u << 31);
	tx(&r, 0, 6, TX_BUF, 60 | EOP | IFCS | (rig_is_82540() ? TXD_RPS : 0));
	go(&r, 0, 7);
	assert_int_equal(txd(&r, 0, 6)[1] >> 32, 1);
	/* no padding, own FCS: right and wrong */
	rig_clear(&r, R_TCTL, TCTL_PSP);
	uint32_t fcs = crc_bits(f, 50);

	memcpy(f + 50, &fcs, 4);
	tx(&r, 0, 7, TX_BUF, 54 | EOP | RS);
	tx(&r, 0, 8, TX_BUF + 1, 53 | EOP | RS);
	go(&r, 0, 9);
	assert_int_equal(r.far->n, 6);
	assert_int_equal(r.far->f[5].len, 50);
	/* the other queue, and one that TARC stops; where there is one only, neither is heeded */
	rig_wr(&r, R_TARC, rig_is_82540() ? 0 : 0x403);
	rig_wr(&r, R_TARC + 0x100, 3);
	tx(&r, 1, 0, TX_BUF, 60 | EOP | IFCS | RS);
	go(&r, 1, 1);
	assert_int_equal(rig_rd(&r, R_TDH + 0x100), 0);
	rig_wr(&r, R_TARC + 0x100, 0x403);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_TDH + 0x100), !rig_is_82540());
	tx(&r, 0, 9, TX_BUF, 60 | EOP | IFCS | RS);
	go(&r, 0, 10);
	assert_int_equal(rig_rd(&r, R_TDH), 10);
	stop(&r);
}

/* every frame of a full ring, through its end, in order */
static void test_tx_ring_wraps(void **state)
{
	struct rig r;
	unsigned tail = 0;

	start(&r, "wire=x", 0, 0, 0, 0);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 50; i++) {
			uint64_t at = TX_BUF + 64 * ((tail + i) % N);

			memset(rig_at(&r, at), (int)(round * 50 + i), 60);
			tx(&r, 0, (tail + i) % N, at, 60u | DATA | EOP | IFCS);
		}
		tail = (tail + 50) % N;
		r.far->n = 0;
		go(&r, 0, tail);
		assert_int_equal(r.far->n, 50);
		for (unsigned i = 0; i < 50; i++)
			assert_int_equal(r.far->f[i].p[30], (uint8_t)(round * 50 + i));
		assert_int_equal(rig_rd(&r, R_TDH), tail);
	}
	stop(&r);
}

static uint64_t ctx0(unsigned ipcss, unsigned ipcso, unsigned ipcse, unsigned tucss, unsigned tucso)
{
	return ipcss | ipcso << 8 | (uint64_t)ipcse << 16 | (uint64_t)tucss << 32 |
	       (uint64_t)tucso << 40;
}

static uint64_t ctx1(uint32_t paylen, uint32_t tucmd, unsigned hdrlen, unsigned mss)
{
	return paylen | (uint64_t)tucmd << 24 | DEXT | (uint64_t)hdrlen << 40 | (uint64_t)mss << 48;
}

static void test_tx_checksums(void **state)
{
	static const uint8_t protos[2] = { 17, 6 };
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	for (unsigned k = 0; k < 2; k++) {
		unsigned cso = k ? 16 : 6, base = 2 * k;
		uint32_t len = ip4(f, protos[k], 333, 0);
		uint8_t want[512];

		memcpy(want, f, len);
		put16(f + 24, 0);
		put16(f + 34 + cso, sum_be(f + 26, 8, protos[k] + len - 34));
		tx(&r, 0, base, ctx0(14, 24, 33, 34, 34 + cso), ctx1(0, 2 | k, 0, 0));
		tx(&r, 0, base + 1, TX_BUF,
		   len | DATA | EOP | IFCS | RS | (uint64_t)(TXD_IXSM | TXD_TXSM) << 32);
		r.far->n = 0;
		go(&r, 0, base + 2);
		assert_int_equal(r.far->n, 1);
		assert_int_equal(r.far->f[0].len, len);
		assert_memory_equal(r.far->f[0].p, want, len);
		/* legacy insertion of the same L4 checksum */
		memcpy(f, want, len);
		put16(f + 34 + cso, sum_be(f + 26, 8, protos[k] + len - 34));
		tx(&r, 0, base + 2, TX_BUF,
		   len | (34u + cso) << 16 | EOP | IFCS | IC | 34ull << 40);
		go(&r, 0, base + 3);
		assert_memory_equal(r.far->f[1].p, want, len);
		rig_wr(&r, R_TDH, base + 2);
		rig_wr(&r, R_TDT, base + 2);
	}
	stop(&r);
}

static void test_tx_vlan(void **state)
{
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	for (unsigned i = 0; i < 100; i++)
		f[i] = (uint8_t)i;
	tx(&r, 0, 0, TX_BUF, 80u | EOP | IFCS | VLE | 0x2064ull << 48);
	go(&r, 0, 1);
	assert_int_equal(r.far->f[0].len, 80); /* VME is off */
	rig_set(&r, R_CTRL, CTRL_VME);
	tx(&r, 0, 1, TX_BUF, 80u | EOP | IFCS | VLE | 0x2064ull << 48);
	tx(&r, 0, 2, TX_BUF, 80u | DATA | EOP | IFCS | VLE | 0x2064ull << 48);
	go(&r, 0, 3);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(r.far->f[i].len, 84);
		assert_memory_equal(r.far->f[i].p, f, 12);
		assert_memory_equal(r.far->f[i].p + 12, "\x81\x00\x20\x64", 4);
		assert_memory_equal(r.far->f[i].p + 16, f + 12, 68);
	}
	stop(&r);
}

static void test_tso(void **state)
{
	struct rig r;
	uint8_t *f, whole[8000];
	uint32_t len, seen = 0;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	len = ip4(f, 6, 5001, 0);
	memcpy(whole, f, len);
	put16(f + 16, 0);
	put16(f + 24, 0);
	put16(f + 50, sum_be(f + 26, 8, 6)); /* pseudo header without a length */
	rig_set(&r, R_CTRL, CTRL_VME);
	tx(&r, 0, 0, ctx0(14, 24, 33, 34, 50), ctx1(5001, 7, 54, 999));
	tx(&r, 0, 1, TX_BUF, 54u | DATA | TSE | VLE | IFCS | (uint64_t)(TXD_IXSM | TXD_TXSM) << 32);
	tx(&r, 0, 2, TX_BUF + 54, 3000u | DATA | TSE | VLE | IFCS);
	tx(&r, 0, 3, TX_BUF + 3054, 2001u | DATA | TSE | VLE | IFCS | EOP | RS | 0x0123ull << 48);
	go(&r, 0, 4);
	assert_int_equal(r.far->n, 6);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t g[1100];
		uint32_t n = r.far->f[i].len - 4;

		memcpy(g, r.far->f[i].p, 12);
		assert_memory_equal(r.far->f[i].p + 12, "\x81\x00\x01\x23", 4);
		memcpy(g + 12, r.far->f[i].p + 16, n - 12);
		assert_int_equal(n, i < 5 ? 54 + 999 : 54 + 6);
		assert_int_equal(get16(g + 16), n - 14);
		assert_int_equal(get16(g + 18), 0x1234 + i);
		assert_int_equal(get16(g + 38) << 16 | get16(g + 40), 0xfffeff00u + 999 * i);
		assert_int_equal(g[47], i < 5 ? 0x10 : 0x19);
		assert_true(l4_good(g, 14, 20));
		assert_memory_equal(g + 54, whole + 54 + seen, n - 54);
		seen += n - 54;
	}
	assert_int_equal(seen, 5001);
	assert_int_equal(txd(&r, 0, 3)[1] >> 32 & 1, 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_TSCTC), 1);
	assert_int_equal(rig_rd(&r, R_STATS + S_GPTC), 6);
	/* held back in the middle: goes on where it was */
	rig_set(&r, R_CTRL, CTRL_RFCE);
	r.far->n = 0;
	r.far->room = 2;
	rig_wr(&r, R_TDH, 0);
	rig_wr(&r, R_TDT, 0);
	go(&r, 0, 4);
	assert_int_equal(r.far->n, 2);
	r.far->room = 100;
	rig_run(&r, 1);
	assert_int_equal(r.far->n, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(get16(r.far->f[i].p + 22), 0x1234 + i);
	/* no MSS: refused, counted, the ring goes on */
	tx(&r, 0, 4, ctx0(14, 24, 33, 34, 50), ctx1(5001, 7, 54, 0));
	tx(&r, 0, 5, TX_BUF, 1000u | DATA | TSE | IFCS | EOP);
	tx(&r, 0, 6, TX_BUF, 60 | EOP | IFCS);
	go(&r, 0, 7);
	assert_int_equal(r.far->n, 7);
	assert_int_equal(rig_rd(&r, R_STATS + S_TSCTFC), 1);
	stop(&r);
}

/* a context for plain frames, given between, does not disturb the one of segmentation */
static void test_tso_context(void **state)
{
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	ip4(f, 6, 100, 0);
	tx(&r, 0, 0, ctx0(14, 24, 33, 34, 50), ctx1(100, 7, 54, 60));
	tx(&r, 0, 1, ctx0(14, 24, 33, 34, 50), ctx1(0, 3, 0, 0));
	tx(&r, 0, 2, TX_BUF, 154u | DATA | TSE | IFCS | EOP | RS);
	tx(&r, 0, 3, TX_BUF, 154u | DATA | IFCS | EOP | RS | (uint64_t)TXD_IXSM << 32);
	go(&r, 0, 4);
	assert_int_equal(r.far->n, 3);
	assert_int_equal(r.far->f[0].len, 54 + 60);
	assert_int_equal(r.far->f[1].len, 54 + 40);
	assert_int_equal(r.far->f[2].len, 154);
	stop(&r);
}

/* 64 KiB in segments of one byte: many polls, nothing lost */
static void test_tso_small(void **state)
{
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", 0, 0, 0, 0);
	f = rig_at(&r, TX_BUF);
	ip4(f, 6, 3000, 0);
	tx(&r, 0, 0, ctx0(14, 24, 33, 34, 50), ctx1(3000, 7, 54, 1));
	tx(&r, 0, 1, TX_BUF, 3054u | DATA | TSE | IFCS | EOP | RS);
	go(&r, 0, 2);
	for (unsigned i = 0; i < 100; i++)
		rig_run(&r, 1);
	assert_int_equal(r.far->n, 3000);
	assert_int_equal(rig_rd(&r, R_TDH), 2);
	stop(&r);
}

static void test_tx_interrupt_delay(void **state)
{
	struct rig r;

	start(&r, "wire=x", 0, 0, 0, 0);
	rig_wr(&r, R_TIDV, 10);
	rig_wr(&r, R_TADV, 30);
	tx(&r, 0, 0, TX_BUF, 60u | EOP | IFCS | RS | IDE);
	rig_rd(&r, R_ICR);
	rig_wr(&r, R_TDT, 1);
	rig_run(&r, 100);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	rig_run(&r, 10000);
	assert_int_equal(rig_rd(&r, R_ICR), 0);
	rig_run(&r, 300);
	assert_true(rig_rd(&r, R_ICR) & ICR_TXDW);
	/* without IDE at once, delayed ones along with it */
	tx(&r, 0, 1, TX_BUF, 60u | EOP | IFCS | RS);
	go(&r, 0, 2);
	assert_true(rig_rd(&r, R_ICR) & ICR_TXDW);
	stop(&r);
}

static void test_loopback(void **state)
{
	struct rig r;
	uint8_t *f;

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC | 1 << 6, N - 1);
	f = rig_at(&r, TX_BUF);
	memcpy(f, station, 6);
	put16(f + 12, 0x88b5);
	tx(&r, 0, 0, TX_BUF, 60u | EOP | IFCS | RS);
	go(&r, 0, 1);
	assert_int_equal(r.far->n, 0);
	assert_int_equal(rig_rd(&r, R_RDH), 1);
	assert_memory_equal(rig_at(&r, RX_BUF(0)), f, 60);
	stop(&r);
}

/* ---- nonsense ------------------------------------------------------------------------- */

static void test_nonsense(void **state)
{
	struct rig r;
	uint8_t f[1500] = { 0 };
	struct fl_model_stats st;

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC, N - 1);
	memcpy(f, station, 6);
	/* tails, heads and lengths outside the ring: it counts as empty */
	rig_wr(&r, R_TDT, N);
	rig_run(&r, 1);
	assert_int_equal(r.far->n, 0);
	rig_wr(&r, R_TDT, 0xffff);
	rig_run(&r, 1);
	rig_wr(&r, R_TDT, 5);
	rig_wr(&r, R_TDH, 0xffff);
	rig_run(&r, 1);
	assert_int_equal(r.far->n, 0);
	rig_wr(&r, R_TDH, 0);
	rig_wr(&r, R_TDLEN, 0);
	rig_run(&r, 1);
	assert_int_equal(r.far->n, 0);
	rig_wr(&r, R_TDLEN, N * 16 + 5); /* low bits do not count, and do not stay */
	rig_wr(&r, R_TDT, N - 1);
	rig_run(&r, 1);
	assert_int_equal(rig_rd(&r, R_TDLEN), N * 16);
	assert_int_equal(rig_rd(&r, R_TDH), N - 1);
	/* a buffer nobody mapped: void frame, DD all the same, a fault counted */
	r.far->n = 0;
	tx(&r, 0, N - 1, 0x10, 60u | EOP | IFCS | RS);
	go(&r, 0, 0);
	assert_int_equal(r.far->n, 0);
	assert_int_equal(txd(&r, 0, N - 1)[1] >> 32 & 1, 1);
	fl_model_stats(r.m, &st);
	assert_true(st.dma_faults > 0);
	/* receive: no address, an unmapped one, a good one */
	rxd(&r, 0, 0)[0] = 0;
	rxd(&r, 0, 1)[0] = RIG_IOVA + RIG_MEM - 10;
	rig_send(&r, f, 60);
	assert_int_equal(rx_status(&r, 0, 0), RXD_DD);
	assert_int_equal(rx_status(&r, 0, 1) & 3, 3);
	rig_send(&r, f, 60);
	assert_int_equal(rx_len(&r, 0, 2), 60);
	/* an unmapped ring */
	rig_wr(&r, R_RDBAH, 1);
	rig_send(&r, f, 60);
	rig_run(&r, 1);
	/* a frame that no ring of this size can hold */
	rig_wr(&r, R_RDBAH, 0);
	rig_wr(&r, R_RDLEN, 128);
	rig_wr(&r, R_RDH, 0);
	rig_wr(&r, R_RDT, 7);
	rig_wr(&r, R_RCTL, rig_rd(&r, R_RCTL) | RCTL_LPE | 3 << 16);
	uint8_t *big = calloc(1, 9000);

	memcpy(big, station, 6);
	rig_run(&r, 1);
	rig_send(&r, big, 9000);
	free(big);
	assert_int_equal(rig_rd(&r, R_STATS + S_MPC), 1);
	/* data after the client's mapping is gone */
	fl_iommu_clear(&r.m->mmu);
	rig_send(&r, f, 60);
	rig_wr(&r, R_TDT, 3);
	rig_run(&r, 1);
	stop(&r);
}

/* pages not shared: same registers, but acted upon at once */
static void test_trapped(void **state)
{
	struct rig r;

	start(&r, "wire=x,shared=off", 0, 0, 0, 0);
	assert_null(fl_model_bar_mem(r.m, 0, 0x2000));
	tx(&r, 0, 0, TX_BUF, 60u | EOP | IFCS | RS);
	rig_wr(&r, R_TDT, 1); /* no turn of the engine */
	assert_int_equal(rig_rd(&r, R_TDH), 1);
	assert_int_equal(r.far->n, 1);
	rig_wr(&r, R_RXDCTL, 0x01040420);
	assert_int_equal(rig_rd(&r, R_RXDCTL + 0x100), rig_is_82540() ? 0 : 0x01040420);
	stop(&r);
}

/* memory that only messages reach: without a client there is nobody to answer */
static void test_indirect_memory(void **state)
{
	struct rig r;
	uint8_t f[60] = { 0 };

	start(&r, "wire=x", RFCTL_EXTEN, 0, SECRC, N - 1);
	memcpy(f, station, 6);
	fl_iommu_clear(&r.m->mmu);
	assert_int_equal(fl_model_map(r.m, RIG_IOVA, RIG_MEM, FL_DMA_RW, -1, 0), 0);
	rig_send(&r, f, 60);
	rig_wr(&r, R_TDT, 1);
	rig_run(&r, 1);
	assert_int_equal(r.far->n, 0);
	stop(&r);
}

/* ---- the client's thread beside the engine's ------------------------------------------- */

struct setup {
	struct fl_model *m;
	uint32_t *tail_pages;
	uint8_t *mem; /* as the model has it mapped, so that a race detector sees one address */
};

static void set_up_loop(void *arg)
{
	struct setup *s = arg;
	static const uint32_t regs[][2] = {
		{ R_RDBAL, (uint32_t)RX_RING(0) },
		{ R_RDLEN, N * 16 },
		{ R_TDBAL, (uint32_t)TX_RING(0) },
		{ R_TDLEN, N * 16 },
		{ R_RFCTL, RFCTL_EXTEN | RFCTL_ACK_DIS },
		{ R_TCTL, 0x0103f0fa },
		{ R_RCTL, RCTL_EN | SECRC },
	};
	uint16_t cmd = 6;

	assert_int_equal(fl_model_region(s->m, FL_VFIO_REGION_CONFIG, 4, &cmd, 2, true), 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(regs); i++) {
		uint32_t v = regs[i][1];

		assert_int_equal(fl_model_region(s->m, 0, regs[i][0], &v, 4, true), 0);
	}
	s->tail_pages = fl_model_bar_mem(s->m, 0, 0x2000);
	s->mem = s->m->mmu.map[0].base;
}

static void test_threads(void **state)
{
	const struct fl_engine_opts o = { .cpu = -1 };
	struct fl_engine *e;
	struct setup s = { 0 };
	int fd = memfd_create("threads", MFD_CLOEXEC);
	uint64_t *rx, *tx_ring, give_up;
	unsigned sent = 0, got = 0;

	assert_int_equal(ftruncate(fd, RIG_MEM), 0);
	assert_int_equal(fl_engine_new(&o, true, &e), 0);
	assert_int_equal(fl_engine_add_ops(e, &fl_e1000e_model_ops, "wire=loop", NULL, -1, 0, &s.m),
			 0);
	assert_int_equal(fl_model_map(s.m, RIG_IOVA, RIG_MEM, FL_DMA_RW, fd, 0), 0);
	fl_engine_call(e, set_up_loop, &s);
	rx = (uint64_t *)(s.mem + (RX_RING(0) - RIG_IOVA));
	tx_ring = (uint64_t *)(s.mem + (TX_RING(0) - RIG_IOVA));
	for (unsigned i = 0; i < N; i++)
		rx[2 * i] = RX_BUF(i);
	__atomic_store_n(&s.tail_pages[(R_RDT - 0x2000) / 4], N - 1, __ATOMIC_RELEASE);
	give_up = fl_now_ns() + 20000 * RIG_MS;
	while (got < 5000 && fl_now_ns() < give_up) {
		/* at most 16 under way */
		while (sent < 5000 && sent - got < 16) {
			unsigned i = sent % N;
			uint8_t *f = s.mem + (TX_BUF - RIG_IOVA) + 64 * i;

			memset(f, (int)(sent & 0x7f), 60);
			memcpy(f, station, 6);
			put16(f + 12, 0x88b5);
			__atomic_store_n(&tx_ring[2 * i], TX_BUF + 64 * i, __ATOMIC_RELAXED);
			__atomic_store_n(&tx_ring[2 * i + 1], 60u | DATA | EOP | IFCS | RS,
					 __ATOMIC_RELAXED);
			sent++;
			__atomic_store_n(&s.tail_pages[(R_TDT - 0x2000) / 4], sent % N,
					 __ATOMIC_RELEASE);
		}
		while (__atomic_load_n(&rx[2 * (got % N) + 1], __ATOMIC_ACQUIRE) & 1) {
			unsigned i = got % N;
			const uint8_t *f = s.mem + (RX_BUF(i) - RIG_IOVA);

			assert_int_equal(f[20], got & 0x7f);
			assert_int_equal(f[59], got & 0x7f);
			__atomic_store_n(&rx[2 * i], RX_BUF(i), __ATOMIC_RELAXED);
			__atomic_store_n(&rx[2 * i + 1], 0, __ATOMIC_RELAXED);
			__atomic_store_n(&s.tail_pages[(R_RDT - 0x2000) / 4], i, __ATOMIC_RELEASE);
			got++;
		}
	}
	assert_int_equal(got, 5000);
	fl_engine_destroy(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rx_legacy),
		cmocka_unit_test(test_rx_extended),
		cmocka_unit_test(test_rx_many_descriptors),
		cmocka_unit_test(test_rx_split),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_vlan_strip),
		cmocka_unit_test(test_rss),
		cmocka_unit_test(test_quick_way_tells_the_same),
		cmocka_unit_test(test_rss_ip6),
		cmocka_unit_test(test_starved),
		cmocka_unit_test(test_low_descriptors),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_tx_plain),
		cmocka_unit_test(test_tx_ring_wraps),
		cmocka_unit_test(test_tx_checksums),
		cmocka_unit_test(test_tx_vlan),
		cmocka_unit_test(test_tso),
		cmocka_unit_test(test_tso_small),
		cmocka_unit_test(test_tx_interrupt_delay),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_trapped),
		cmocka_unit_test(test_indirect_memory),
		cmocka_unit_test(test_threads),
	};

	const struct CMUnitTest of_82540[] = {
		cmocka_unit_test(test_rx_legacy),
		cmocka_unit_test(test_rx_many_descriptors),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_vlan_strip),
		cmocka_unit_test(test_starved),
		cmocka_unit_test(test_low_descriptors),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_tx_plain),
		cmocka_unit_test(test_tx_ring_wraps),
		cmocka_unit_test(test_tx_checksums),
		cmocka_unit_test(test_tx_vlan),
		cmocka_unit_test(test_tso),
		cmocka_unit_test(test_tso_context),
		cmocka_unit_test(test_tso_small),
		cmocka_unit_test(test_tx_interrupt_delay),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_trapped),
		cmocka_unit_test(test_indirect_memory),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	rig_chip = &fl_e1000_model_ops;
	return rc | cmocka_run_group_tests(of_82540, NULL, NULL);
}
