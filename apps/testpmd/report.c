/* SPDX-License-Identifier: BSD-3-Clause */
/* --json: the results of the last run, for programs to read. */
#include "testpmd.h"
#include "../common/common.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/**
 * When this program was started, on CLOCK_MONOTONIC. The kernel says it in ticks of 10 ms since
 * boot, rounded down, and means the fork before the exec: so times counted from here are a little
 * too long, never too short. 0 where /proc does not say.
 */
uint64_t tp_born_ns(void)
{
	unsigned long long ticks = 0;
	uint64_t age, now = fl_now_ns();
	struct timespec boot;
	char text[1024], *p;
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	p = strrchr(text, ')'); /* the name before it may hold anything; field 22 follows */
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p += p != NULL;
	}
	if (!p || sscanf(p, "%llu", &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &boot))
		return 0;
	age = (uint64_t)boot.tv_sec * 1000000000ull + (uint64_t)boot.tv_nsec -
	      ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
	return now > age ? now - age : 0;
}

static struct json_object *port_json(struct tp *tp, unsigned id)
{
	struct json_object *o = json_object_new_object();
	const struct tp_port *p = &tp->ports[id];
	struct tp_totals t;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac.b[0], p->mac.b[1],
		 p->mac.b[2], p->mac.b[3], p->mac.b[4], p->mac.b[5]);
	tp_stats_fwd(tp, id, &t);
	app_json_u64(o, "port", id);
	app_json_text(o, "uri", p->uri);
	app_json_text(o, "driver", p->info.driver);
	app_json_text(o, "chip", p->info.chip);
	app_json_text(o, "transport", fl_dev_transport(fl_port_dev(p->port)));
	app_json_text(o, "mac", mac);
	app_json_u64(o, "rx_packets", t.rx);
	app_json_u64(o, "tx_packets", t.tx);
	app_json_u64(o, "rx_bytes", p->last.rx_bytes - p->begun.rx_bytes);
	app_json_u64(o, "tx_bytes", p->last.tx_bytes - p->begun.tx_bytes);
	app_json_u64(o, "rx_dropped", t.rx_missed);
	app_json_u64(o, "tx_dropped", t.tx_dropped);
	app_json_u64(o, "rx_errors", t.rx_errors);
	app_json_u64(o, "tx_errors", t.tx_errors);
	app_json_u64(o, "rx_nombuf", t.rx_nombuf);
	json_object_object_add(o, "removed", json_object_new_boolean(p->removed));
	return o;
}

static struct json_object *total_json(struct tp *tp)
{
	struct json_object *o = json_object_new_object();
	struct tp_totals t;

	tp_stats_sum(tp, &t);
	app_json_u64(o, "rx_packets", t.rx);
	app_json_u64(o, "tx_packets", t.tx);
	app_json_u64(o, "rx_dropped", t.rx_missed);
	app_json_u64(o, "tx_dropped", t.tx_dropped);
	app_json_double(o, "mpps", tp_stats_mpps(tp, &t));
	app_json_double(o, "cycles_per_packet", tp_stats_cycles(tp));
	return o;
}

static struct json_object *lazy_json(const struct tp_residency *r)
{
	struct json_object *o = json_object_new_object();
	const struct fl_residency_stats *s = &r->lazy;

	app_json_text(o, "by", r->by);
	app_json_u64(o, "owned_bytes", s->owned_bytes);
	app_json_u64(o, "mapped_bytes", s->mapped_bytes);
	app_json_u64(o, "locked_bytes", s->locked_bytes);
	json_object_object_add(
		o, "budget_bytes",
		r->opts.budget == FL_BUDGET_NONE ? NULL : json_object_new_uint64(r->opts.budget));
	app_json_u64(o, "misses", s->misses);
	app_json_u64(o, "refused", s->refused);
	app_json_u64(o, "rewarmed", s->rewarmed);
	app_json_u64(o, "evictions", s->evictions);
	app_json_u64(o, "evict_busy", s->evict_busy);
	app_json_u64(o, "faults", s->faults);
	app_json_u64(o, "fault_pages", s->fault_pages);
	return o;
}

static struct json_object *memory_json(struct tp *tp)
{
	struct json_object *o = json_object_new_object();
	struct rusage peak = { 0 };
	struct tp_residency r;

	if (tp_residency_read(tp, &r))
		return o;
	getrusage(RUSAGE_SELF, &peak);
	app_json_u64(o, "rss_bytes", r.mem.rss);
	app_json_u64(o, "rss_peak_bytes", (uint64_t)peak.ru_maxrss << 10);
	app_json_u64(o, "locked_bytes", r.mem.vm_lck + r.mem.vm_pin);
	app_json_u64(o, "pinned_bytes", r.dma.pinned_bytes);
	app_json_u64(o, "owned_bytes", r.dma.owned_bytes);
	app_json_u64(o, "mapped_bytes", r.dma.mapped_bytes);
	json_object_object_add(o, "lazy", lazy_json(&r));
	return o;
}

static struct json_object *first_packet_json(const struct tp *tp)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < tp->nworkers; i++) {
		uint64_t ns = tp->workers[i].first_ns;

		if (ns && (!first || ns < first))
			first = ns;
	}
	if (!first || !tp->born_ns)
		return NULL; /* null: none was forwarded */
	return app_json_new_double((double)(first - tp->born_ns) / 1e6);
}

int tp_report(struct tp *tp)
{
	struct json_object *o = json_object_new_object(), *ports = json_object_new_array();
	const struct fl_dma_area *area = tp->pool ? fl_pool_area(tp->pool) : NULL;

	tp_for_each_port(tp, i)
		json_object_array_add(ports, port_json(tp, i));
	app_json_text(o, "mode", tp->mode ? tp->mode->name : tp->conf.mode);
	app_json_text(o, "residency", area && area->residency == FL_LAZY ? "lazy" : "pinned");
	app_json_double(o, "duration_s",
			tp->ran ? (double)(tp->ended_ns - tp->begun_ns) / 1e9 : 0.0);
	json_object_object_add(o, "ports", ports);
	json_object_object_add(o, "total", total_json(tp));
	json_object_object_add(o, "memory", memory_json(tp));
	json_object_object_add(o, "first_packet_ms", first_packet_json(tp));
	return app_json_write(o, tp->conf.json);
}
