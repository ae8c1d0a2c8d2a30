/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_toy.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void frame(struct fl_frame *f, const uint8_t *p, uint32_t len)
{
	*f = (struct fl_frame){ .seg = { { p, len } }, .nsegs = 1, .len = len };
}

/* ---- port to port, loop, none ---------------------------------------------------------- */

static void test_port_to_port(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct toy *a = toy_add(e, "wire=x"), *b;
	struct fl_frame f[3];
	uint8_t data[100];
	struct fl_model *m;

	memset(data, 0x5a, sizeof(data));
	for (unsigned i = 0; i < 3; i++)
		frame(&f[i], data, 60 + i);
	f[2].seg[0].len = 40;
	f[2].seg[1].p = data;
	f[2].seg[1].len = 22;
	f[2].nsegs = 2;
	assert_false(fl_wire_carrier(a->w));
	assert_int_equal(fl_wire_send(a->w, f, 3, false), 3);
	b = toy_add(e, "wire=x");
	assert_true(fl_wire_carrier(a->w));
	assert_true(fl_wire_carrier(b->w));
	assert_int_equal(a->carriers, 1);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops, "wire=x", NULL, -1, 0, &m), -EBUSY);
	assert_int_equal(fl_wire_send(a->w, f, 3, false), 3);
	assert_int_equal(b->n, 3);
	assert_int_equal(b->len[2], 62);
	assert_int_equal(a->n, 0);
	/* no room: with hold the prefix, without it all are gone */
	b->room = 1;
	assert_int_equal(fl_wire_send(a->w, f, 3, true), 1);
	assert_int_equal(fl_wire_send(a->w, f, 3, true), 0);
	assert_int_equal(fl_wire_send(a->w, f, 3, false), 3);
	assert_int_equal(b->n, 4);
	assert_int_equal(fl_wire_send(b->w, f, 0, false), 0);
	/* link and carrier */
	fl_wire_set_link(b->w, false);
	assert_false(fl_wire_carrier(a->w));
	b->room = 100;
	assert_int_equal(fl_wire_send(a->w, f, 3, true), 3);
	assert_int_equal(b->n, 4);
	fl_wire_set_link(b->w, true);
	assert_true(fl_wire_carrier(a->w));
	fl_engine_remove(e, b->m);
	assert_false(fl_wire_carrier(a->w));
	assert_int_equal(fl_wire_send(a->w, f, 3, true), 3);
	b = toy_add(e, "wire=x");
	assert_true(fl_wire_carrier(a->w));
	fl_engine_destroy(e);
}

static void test_loop_and_none(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct toy *l = toy_add(e, "wire=loop"), *n = toy_add(e, NULL);
	uint8_t data[64] = { 0 };
	struct fl_frame f[2];
	struct fl_model *m;

	frame(&f[0], data, 64);
	frame(&f[1], data, 60);
	assert_int_equal(fl_wire_send(l->w, f, 2, false), 2);
	assert_int_equal(l->n, 2);
	l->room = 1;
	assert_int_equal(fl_wire_send(l->w, f, 2, true), 1);
	assert_true(fl_wire_carrier(l->w));
	assert_false(fl_wire_carrier(n->w));
	assert_int_equal(fl_wire_send(n->w, f, 2, true), 2);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops, "wire=", NULL, -1, 0, &m), -EINVAL);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops,
					   "wire=a-name-that-is-longer-than-any-wire-has", NULL, -1,
					   0, &m),
			 -EINVAL);
	fl_engine_destroy(e);
}

/* ---- generator ------------------------------------------------------------------------- */

static uint32_t sum(const uint8_t *p, uint32_t len, uint32_t s)
{
	for (uint32_t i = 0; i < len; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void check_udp(const uint8_t *p, uint32_t len)
{
	uint32_t ip_len = (uint32_t)p[16] << 8 | p[17], udp_len = (uint32_t)p[38] << 8 | p[39];

	assert_int_equal(p[12] << 8 | p[13], 0x0800);
	assert_int_equal(p[14], 0x45);
	assert_int_equal(p[23], 17);
	assert_int_equal(ip_len, len - 14);
	assert_int_equal(udp_len, ip_len - 20);
	assert_int_equal(sum(p + 14, 20, 0), 0xffff);
	assert_int_not_equal(p[40] << 8 | p[41], 0);
	assert_int_equal(sum(p + 34, udp_len, sum(p + 26, 8, 17 + udp_len)), 0xffff);
}

static struct toy *play(struct fl_engine *e, const char *args)
{
	struct toy *t = toy_add(e, args);

	for (unsigned i = 0; i < 1000; i++)
		fl_engine_round(e, fl_now_ns());
	return t;
}

static void test_gen_sizes(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct toy *t = play(e, "wire=gen,size=64,count=100,flows=3");
	unsigned flows = 0;

	assert_int_equal(t->n, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(t->len[i], 60);
		check_udp(t->frame[i], t->len[i]);
		flows |= 1u << (t->frame[i][29]);
	}
	assert_int_equal(flows, 7);
	assert_memory_equal(t->frame[0], t->frame[3], 60);
	assert_int_equal(fl_wire_next(t->w), UINT64_MAX);
	fl_engine_remove(e, t->m);
	t = play(e, "wire=gen,size=64-1518,count=1455");
	assert_int_equal(t->n, 1455);
	for (unsigned i = 0; i < t->n; i++) {
		assert_int_equal(t->len[i], 60 + i);
		check_udp(t->frame[i], t->len[i]);
	}
	fl_engine_remove(e, t->m);
	t = play(e, "wire=gen,size=imix,count=1200");
	assert_int_equal(t->bytes, 100 * (7 * 60 + 4 * 590 + 1514));
	fl_engine_destroy(e);
}

static void test_gen_rate_and_hold(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct toy *t = toy_add(e, "wire=gen,rate=1M");
	uint64_t now = 5000000000ull;

	for (unsigned i = 0; i <= 1000; i++, now += 1000)
		fl_engine_round(e, now);
	assert_in_range(t->n, 999, 1002);
	assert_in_range(fl_wire_next(t->w), now - 1000, now + 1000);
	/* after a long pause there is no burst of all that was missed */
	t->n = 0;
	fl_engine_round(e, now + 3600000000000ull);
	assert_true(t->n <= 32);
	fl_engine_remove(e, t->m);
	t = toy_add(e, "wire=gen,count=40");
	t->room = 5;
	assert_int_equal(fl_engine_round(e, now), 5);
	assert_int_equal(fl_engine_round(e, now), 0);
	t->room = 1000;
	while (fl_engine_round(e, now))
		;
	assert_int_equal(t->n, 40);
	fl_engine_destroy(e);
}

static void test_gen_rubbish(void **state)
{
	static const char *const bad[] = { "size=63",  "size=9217",  "size=100-64", "size=64-",
					   "size=x",   "flows=0",    "flows=65537", "rate=-1",
					   "size=64x", "count=many", "colour=red" };
	struct fl_engine *e = toy_engine(false);
	struct fl_model *m;
	char args[64];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		snprintf(args, sizeof(args), "wire=gen,%s", bad[i]);
		assert_int_equal(fl_engine_add_ops(e, &toy_ops, args, NULL, -1, 0, &m), -EINVAL);
	}
	fl_engine_destroy(e);
}

/* ---- pcap ------------------------------------------------------------------------------ */

#define FRAMES 257u

static char dir[] = "/tmp/fl-wire-XXXXXX";
static char in_path[64], out_path[64];

static void make_frame(uint8_t *p, uint32_t *len, unsigned i)
{
	*len = 14 + i * 5 % 1500;
	for (unsigned k = 0; k < *len; k++)
		p[k] = (uint8_t)(i * 31 + k * 7);
}

/* every 50th frame is cut short by the capture */
static void make_capture(int link, unsigned n, uint64_t step_ns)
{
	pcap_t *p = pcap_open_dead_with_tstamp_precision(link, 65535, PCAP_TSTAMP_PRECISION_NANO);
	pcap_dumper_t *d = pcap_dump_open(p, in_path);
	uint8_t buf[2048];

	assert_non_null(d);
	for (unsigned i = 0; i < n; i++) {
		struct pcap_pkthdr h = { .ts = { .tv_sec = 1000, .tv_usec = (long)(i * step_ns) } };
		uint32_t len;

		make_frame(buf, &len, i);
		h.len = h.caplen = len;
		if (i % 50 == 49)
			h.len += 100;
		pcap_dump((uint8_t *)d, &h, buf);
	}
	pcap_dump_close(d);
	pcap_close(p);
}

static void send_back(struct toy *t)
{
	struct fl_frame f;

	for (unsigned i = 0; i < t->n; i++) {
		frame(&f, t->frame[i], t->len[i]);
		if (t->len[i] > 100) {
			f.nsegs = 2;
			f.seg[0].len = 33;
			f.seg[1].p = t->frame[i] + 33;
			f.seg[1].len = t->len[i] - 33;
		}
		assert_int_equal(fl_wire_send(t->w, &f, 1, false), 1);
	}
}

static void check_output(unsigned loops)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p =
		pcap_open_offline_with_tstamp_precision(out_path, PCAP_TSTAMP_PRECISION_NANO, err);
	struct pcap_pkthdr *h;
	const uint8_t *data;
	uint8_t buf[2048];
	uint32_t len;

	assert_non_null(p);
	assert_int_equal(pcap_datalink(p), DLT_EN10MB);
	for (unsigned l = 0; l < loops; l++) {
		for (unsigned i = 0; i < FRAMES; i++) {
			if (i % 50 == 49)
				continue;
			assert_int_equal(pcap_next_ex(p, &h, &data), 1);
			make_frame(buf, &len, i);
			assert_int_equal(h->caplen, len);
			assert_int_equal(h->len, len);
			assert_memory_equal(data, buf, len);
			assert_true(h->ts.tv_sec > 1600000000);
		}
	}
	assert_int_equal(pcap_next_ex(p, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(p);
}

static void test_pcap_in_and_out(void **state)
{
	struct fl_engine *e = toy_engine(false);
	char args[200];
	struct toy *t;

	make_capture(DLT_EN10MB, FRAMES, 1000);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s,tx=%s,loop=3", in_path, out_path);
	t = play(e, args);
	assert_int_equal(t->n, 3 * (FRAMES - FRAMES / 50));
	assert_int_equal(fl_wire_next(t->w), UINT64_MAX);
	send_back(t);
	fl_engine_destroy(e);
	check_output(3);
}

static void test_pcap_for_ever_and_rates(void **state)
{
	struct fl_engine *e = toy_engine(false);
	uint64_t now = 7000000000ull;
	char args[200];
	struct toy *t;

	/* 10 frames, 100 us apart */
	make_capture(DLT_EN10MB, 10, 100000);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s,loop=0", in_path);
	t = play(e, args);
	assert_true(t->n >= 1000);
	fl_engine_remove(e, t->m);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s,loop=0,rate=1000", in_path);
	t = toy_add(e, args);
	for (unsigned i = 0; i < 1000; i++, now += 100000)
		fl_engine_round(e, now);
	assert_in_range(t->n, 98, 102);
	fl_engine_remove(e, t->m);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s,rate=orig", in_path);
	t = toy_add(e, args);
	fl_engine_round(e, now);
	assert_int_equal(t->n, 1);
	assert_int_equal(fl_wire_next(t->w), now + 100000);
	fl_engine_round(e, now + 99999);
	assert_int_equal(t->n, 1);
	fl_engine_round(e, now + 350000);
	assert_int_equal(t->n, 4);
	fl_engine_round(e, now + 2000000);
	assert_int_equal(t->n, 10);
	fl_engine_destroy(e);
}

static void test_pcap_refuses(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct fl_model *m;
	char args[200];
	FILE *f;

	make_capture(DLT_RAW, 1, 0);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s", in_path);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops, args, NULL, -1, 0, &m), -EINVAL);
	f = fopen(in_path, "w");
	fputs("this is no capture of any kind", f);
	fclose(f);
	assert_true(fl_engine_add_ops(e, &toy_ops, args, NULL, -1, 0, &m) < 0);
	assert_true(fl_engine_add_ops(e, &toy_ops, "wire=pcap,rx=/nowhere/x", NULL, -1, 0, &m) < 0);
	assert_true(fl_engine_add_ops(e, &toy_ops, "wire=pcap,tx=/nowhere/x", NULL, -1, 0, &m) < 0);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops, "wire=pcap", NULL, -1, 0, &m), -EINVAL);
	/* nothing to play, for ever: ends all the same */
	make_capture(DLT_EN10MB, 0, 0);
	snprintf(args, sizeof(args), "wire=pcap,rx=%s,loop=0", in_path);
	assert_int_equal(play(e, args)->n, 0);
	fl_engine_destroy(e);
}

/* ---- tap: in a network namespace of its own --------------------------------------------- */

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(0x88b5),
				 .sll_ifindex = (int)if_nametoindex(ifname) };
	struct timeval tv = { .tv_sec = 2 };
	int s = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) ||
	    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		return -1;
	return s;
}

static void fill(uint8_t *p, unsigned len, uint8_t v)
{
	memset(p, v, len);
	memset(p, 0xff, 6);
	memset(p + 6, 2, 6);
	p[12] = 0x88;
	p[13] = 0xb5;
}

static bool wait_frame(struct fl_engine *e, struct toy *t, const uint8_t *want, uint32_t len)
{
	for (unsigned i = 0; i < 2000; i++) {
		fl_engine_round(e, fl_now_ns());
		for (unsigned k = 0; k < t->n; k++) {
			if (t->len[k] == len && !memcmp(t->frame[k], want, len))
				return true;
		}
		usleep(1000);
	}
	return false;
}

static int tap_child(void)
{
	struct fl_engine *e;
	struct toy *t;
	struct fl_model *m = NULL;
	uint8_t data[200], got[2048];
	struct fl_frame f;
	int s;

	if (unshare(CLONE_NEWNET))
		return 77;
	e = toy_engine(false);
	if (fl_engine_add_ops(e, &toy_ops, "wire=tap:fltest0", NULL, -1, 0, &m))
		return access("/dev/net/tun", R_OK | W_OK) ? 77 : 1;
	t = m->state;
	s = packet_socket("fltest0");
	if (s < 0)
		return 2;
	/* host to port: a short one is padded */
	fill(data, sizeof(data), 0x11);
	if (send(s, data, 150, 0) != 150 || !wait_frame(e, t, data, 150))
		return 3;
	memset(data + 20, 0, 40);
	if (send(s, data, 20, 0) != 20 || !wait_frame(e, t, data, 60))
		return 4;
	/* port to host, in two pieces */
	fill(data, sizeof(data), 0x22);
	f = (struct fl_frame){ .seg = { { data, 50 }, { data + 50, 110 } },
			       .nsegs = 2,
			       .len = 160 };
	if (fl_wire_send(t->w, &f, 1, false) != 1)
		return 5;
	for (unsigned i = 0; i < 20; i++) {
		ssize_t n = recv(s, got, sizeof(got), 0);

		if (n == 160 && !memcmp(got, data, 160)) {
			fl_engine_destroy(e);
			close(s);
			return if_nametoindex("fltest0") ? 6 : 0;
		}
	}
	return 7;
}

static void test_tap(void **state)
{
	struct fl_engine *e = toy_engine(false);
	struct fl_model *m;
	int status;
	pid_t pid;

	assert_int_equal(fl_engine_add_ops(e, &toy_ops, "wire=tap:", NULL, -1, 0, &m), -EINVAL);
	assert_int_equal(fl_engine_add_ops(e, &toy_ops, "wire=tap:a/b", NULL, -1, 0, &m), -EINVAL);
	assert_int_equal(
		fl_engine_add_ops(e, &toy_ops, "wire=tap:much-too-long-name", NULL, -1, 0, &m),
		-EINVAL);
	fl_engine_destroy(e);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(tap_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no network namespace or no /dev/net/tun here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(in_path, sizeof(in_path), "%s/in.pcap", dir);
	snprintf(out_path, sizeof(out_path), "%s/out.pcap", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(in_path);
	unlink(out_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port_to_port),
		cmocka_unit_test(test_loop_and_none),
		cmocka_unit_test(test_gen_sizes),
		cmocka_unit_test(test_gen_rate_and_hold),
		cmocka_unit_test(test_gen_rubbish),
		cmocka_unit_test(test_pcap_in_and_out),
		cmocka_unit_test(test_pcap_for_ever_and_rates),
		cmocka_unit_test(test_pcap_refuses),
		cmocka_unit_test(test_tap),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
