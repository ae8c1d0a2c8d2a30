/* SPDX-License-Identifier: BSD-3-Clause */
/* IEEE 1588 on an 82574L: the clock, and what is stamped. */
#include "e1000_pair.h"
#include "frames.h"

#include <string.h>

#define SECOND	1000000000ull
#define L4_PTP	42u /* where PTP begins in a UDP frame */
#define PTP_LEN 44u

enum { SYNC, DELAY_REQ, FOLLOW_UP = 8 };

static uint64_t now(struct fl_port *p)
{
	uint64_t ns;

	assert_int_equal(fl_port_time(p, &ns), 0);
	return ns;
}

static void ptp_header(uint8_t *d, uint8_t type, uint8_t version)
{
	memset(d, 0, PTP_LEN);
	d[0] = type;
	d[1] = version;
	d[30] = 0x12;
	d[31] = 0x34;
	for (uint8_t i = 0; i < 10; i++)
		d[20 + i] = 0xa0 + i;
}

static struct fl_pkt *ptp_l2(uint8_t type, uint8_t version)
{
	struct fl_pkt *p = pair_frame(&pr, 1, 14 + PTP_LEN + 2);
	uint8_t *d = fl_pkt_data(p);

	d[12] = 0x88;
	d[13] = 0xf7;
	ptp_header(d + 14, type, version);
	return p;
}

static struct fl_pkt *ptp_udp(uint16_t port)
{
	struct fl_pkt *p = frame_flow(pr.pool, true, 1, 2, port, port);
	uint8_t *d;

	if (p->data_len < L4_PTP + PTP_LEN)
		assert_non_null(fl_pkt_append(p, (uint16_t)(L4_PTP + PTP_LEN - p->data_len)));
	d = fl_pkt_data(p);
	d[17] = L4_PTP + PTP_LEN - 14;
	d[16] = 0;
	d[38] = 0;
	d[39] = 8 + PTP_LEN;
	ptp_header(d + L4_PTP, SYNC, 2);
	return p;
}

/* sends it from a to b; was it stamped on arrival? */
static bool stamped(struct fl_pkt *p)
{
	struct fl_pkt *got = e1000_send_one(p);
	bool flag = got->flags & FL_RX_TIMESTAMP;

	fl_pkt_free(got);
	return flag;
}

static uint64_t take(int (*read)(struct fl_port *, uint64_t *), struct fl_port *p)
{
	uint64_t ns;

	assert_int_equal(read(p, &ns), 0);
	return ns;
}

static void nothing(int (*read)(struct fl_port *, uint64_t *), struct fl_port *p)
{
	uint64_t ns;

	assert_int_equal(read(p, &ns), -EAGAIN);
}

static void both(bool on)
{
	assert_int_equal(fl_port_timesync(pr.a, on), 0);
	assert_int_equal(fl_port_timesync(pr.b, on), 0);
}

static int down(void **state)
{
	both(false);
	return e1000_down(state);
}

static void test_clock(void **state)
{
	uint64_t host, after, end, t0, t1;

	e1000_up(0, 1);
	both(true);
	host = fl_now_ns();
	t0 = now(pr.a);
	after = fl_now_ns();
	assert_in_range(t0, 0, 10 * SECOND);
	while (fl_now_ns() - host < 20000000)
		assert_true(now(pr.a) >= t0);
	end = fl_now_ns();
	t1 = now(pr.a);
	/* as fast as the host's, but for whole ticks */
	assert_in_range(t1 - t0, end - after - 100, fl_now_ns() - host + 100);
	assert_int_equal(fl_port_time_set(pr.a, 1700000000 * SECOND), 0);
	assert_in_range(now(pr.a), 1700000000 * SECOND, 1700000010 * SECOND);
	assert_int_equal(fl_port_time_adjust(pr.a, -(int64_t)(100 * SECOND)), 0);
	assert_in_range(now(pr.a), 1699999900 * SECOND, 1699999910 * SECOND);
	assert_int_equal(fl_port_time_adjust(pr.a, (int64_t)(200 * SECOND)), 0);
	assert_in_range(now(pr.a), 1700000100 * SECOND, 1700000110 * SECOND);
}

static void test_rx(void **state)
{
	uint64_t before, first, second;
	uint32_t v;

	e1000_up(0, 1);
	both(true);
	nothing(fl_port_timesync_rx, pr.b);
	before = now(pr.b);
	assert_true(stamped(ptp_l2(SYNC, 2)));
	/* source and sequence number of the one that was */
	assert_int_equal(fl_port_reg_read(pr.b, 0xb62c, &v), 0);
	assert_int_equal(v, 0xa5a4a3a2);
	assert_int_equal(fl_port_reg_read(pr.b, 0xb630, &v), 0);
	assert_int_equal(v, 0x1234a7a6);
	/* no second one until the first was read */
	assert_false(stamped(ptp_l2(DELAY_REQ, 2)));
	first = take(fl_port_timesync_rx, pr.b);
	assert_in_range(first, before, now(pr.b));
	nothing(fl_port_timesync_rx, pr.b);
	assert_true(stamped(ptp_l2(DELAY_REQ, 2)));
	second = take(fl_port_timesync_rx, pr.b);
	assert_true(second > first);
	assert_true(stamped(ptp_udp(319)));
	assert_true(take(fl_port_timesync_rx, pr.b) > second);
	/* no event, not version 2, another port, no PTP at all */
	assert_false(stamped(ptp_l2(FOLLOW_UP, 2)));
	assert_false(stamped(ptp_l2(SYNC, 1)));
	assert_false(stamped(ptp_udp(320)));
	assert_false(stamped(pair_frame(&pr, 1, 64)));
	nothing(fl_port_timesync_rx, pr.b);
}

/* among others in one burst, with offloads on */
static void test_rx_burst(void **state)
{
	struct fl_pkt *pkts[16];

	e1000_up(FL_OFF_RX_IP_CSUM | FL_OFF_RX_PTYPE, 1);
	both(true);
	for (unsigned i = 0; i < 16; i++)
		pkts[i] = i == 6 || i == 9 ? ptp_l2(SYNC, 2) : pair_frame(&pr, i, 100);
	pair_send(fl_port_txq(pr.a, 0), pkts, 16);
	pair_recv(fl_port_rxq(pr.b, 0), pkts, 16);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(!!(pkts[i]->flags & FL_RX_TIMESTAMP), i == 6);
		if (i != 6 && i != 9)
			assert_int_equal(pair_frame_seq(pkts[i]), i);
		fl_pkt_free(pkts[i]);
	}
	take(fl_port_timesync_rx, pr.b);
}

static void test_tx(void **state)
{
	uint64_t before, first;
	struct fl_pkt *p;

	e1000_up(0, 1);
	both(true);
	fl_pkt_free(e1000_send_one(pair_frame(&pr, 1, 64)));
	nothing(fl_port_timesync_tx, pr.a);
	before = now(pr.a);
	/* two at once: the first is stamped */
	for (unsigned i = 0; i < 2; i++) {
		p = pair_frame(&pr, i, 64);
		p->flags |= FL_TX_TIMESTAMP;
		p = e1000_send_one(p);
		assert_int_equal(pair_frame_seq(p), i);
		assert_false(p->flags & FL_RX_TIMESTAMP);
		fl_pkt_free(p);
		if (i == 0)
			first = now(pr.a);
	}
	assert_in_range(take(fl_port_timesync_tx, pr.a), before, first);
	nothing(fl_port_timesync_tx, pr.a);
	p = ptp_l2(DELAY_REQ, 2);
	p->flags |= FL_TX_TIMESTAMP;
	assert_true(stamped(p));
	assert_true(take(fl_port_timesync_tx, pr.a) > first);
	take(fl_port_timesync_rx, pr.b);
}

static void test_off(void **state)
{
	struct fl_pkt *p;
	uint64_t ns;

	e1000_up(0, 1);
	p = ptp_l2(SYNC, 2);
	p->flags |= FL_TX_TIMESTAMP;
	assert_false(stamped(p));
	assert_int_equal(fl_port_timesync_tx(pr.a, &ns), -EINVAL);
	assert_int_equal(fl_port_time_set(pr.a, 1), -EINVAL);
	/* what was latched before it went off does not come up afterwards */
	both(true);
	assert_true(stamped(ptp_l2(SYNC, 2)));
	both(false);
	assert_false(stamped(ptp_l2(SYNC, 2)));
	both(true);
	nothing(fl_port_timesync_rx, pr.b);
	nothing(fl_port_timesync_tx, pr.a);
}

static void test_reset(void **state)
{
	uint64_t t;

	e1000_up(0, 1);
	both(true);
	assert_int_equal(fl_port_time_set(pr.b, 5000 * SECOND), 0);
	for (unsigned i = 0; i < 2; i++) {
		t = now(pr.b);
		if (i) {
			assert_int_equal(fl_port_stop(pr.b), 0);
			assert_int_equal(fl_port_start(pr.b), 0);
		} else {
			assert_int_equal(fl_port_reset(pr.b), 0);
		}
		assert_in_range(now(pr.b), t, t + 30 * SECOND);
		assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
		assert_int_equal(fl_port_link_wait(pr.b, 3000), 0);
		assert_true(stamped(ptp_l2(SYNC, 2)));
		assert_in_range(take(fl_port_timesync_rx, pr.b), t, now(pr.b));
	}
}

#define T(f) cmocka_unit_test_teardown(f, down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_clock), T(test_rx), T(test_rx_burst), T(test_tx), T(test_off), T(test_reset),
	};

	return cmocka_run_group_tests(tests, e1000_group_setup, e1000_group_teardown);
}
