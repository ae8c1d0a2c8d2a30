/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files: one that is played in, one that what is sent goes to. */
#include "wire_internal.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OUT_BUFFER (1u << 20)
#define SNAPLEN	   65535

struct in {
	pcap_t *p;
	char *path_copy;
	uint64_t loops, played; /* loops 0 = for ever */
	bool over;
	uint64_t frames, cut, too_long, this_loop;
	struct fl_wire_rate rate;
	/* by the capture's own clock */
	bool orig, started;
	uint64_t base_ts, base_now; /* first frame of this loop, and when it was due */
	uint64_t due[FL_WIRE_BATCH];
	struct fl_wire_queue q;
	uint8_t buf[FL_WIRE_BATCH][FL_WIRE_MAX];
};

struct pcap_wire {
	struct in *in;
	pcap_t *dead;
	pcap_dumper_t *out;
	char *out_path, *out_buf;
	uint8_t flat[FL_WIRE_MAX];
};

/* ---- in ------------------------------------------------------------------------------- */

static int in_start(struct in *in, const struct fl_log *log)
{
	char err[PCAP_ERRBUF_SIZE];

	in->p = pcap_open_offline_with_tstamp_precision(in->path_copy, PCAP_TSTAMP_PRECISION_NANO,
							err);
	if (!in->p) {
		fl_err(log, "wire", "pcap: %s", err);
		return -ENOENT;
	}
	if (pcap_datalink(in->p) != DLT_EN10MB) {
		fl_err(log, "wire", "pcap: %s: link type %s; only Ethernet can be played",
		       in->path_copy, pcap_datalink_val_to_name(pcap_datalink(in->p)));
		pcap_close(in->p);
		in->p = NULL;
		return -EINVAL;
	}
	in->this_loop = 0;
	in->started = false;
	return 0;
}

static void in_end_of_file(struct fl_wire *w, struct in *in, int r)
{
	if (r != PCAP_ERROR_BREAK)
		fl_err(w->log, "wire", "pcap: %s: %s", in->path_copy, pcap_geterr(in->p));
	pcap_close(in->p);
	in->p = NULL;
	in->played++;
	/* a file without a frame to play would be read for ever */
	in->over = r != PCAP_ERROR_BREAK || !in->this_loop ||
		   (in->loops && in->played >= in->loops) || in_start(in, w->log);
}

/* The next frame that can be played, or false. */
static bool in_next(struct fl_wire *w, struct in *in, struct pcap_pkthdr **h, const uint8_t **data)
{
	while (!in->over) {
		int r = pcap_next_ex(in->p, h, data);

		if (r != 1) {
			in_end_of_file(w, in, r);
			continue;
		}
		if ((*h)->caplen < (*h)->len)
			in->cut++;
		else if ((*h)->caplen >= FL_WIRE_MAX || (*h)->caplen < 14)
			in->too_long++;
		else
			return true;
	}
	return false;
}

static uint64_t stamp(const struct pcap_pkthdr *h)
{
	return (uint64_t)h->ts.tv_sec * 1000000000u +
	       (uint64_t)h->ts.tv_usec; /* ns: as asked for */
}

/* When a frame is due by its own time; a file that is played again follows at once. */
static uint64_t orig_due(struct in *in, uint64_t ts, uint64_t now)
{
	if (!in->started) {
		in->started = true;
		in->base_ts = ts;
		in->base_now = now;
	}
	return in->base_now + (ts > in->base_ts ? ts - in->base_ts : 0);
}

static void in_fill(struct fl_wire *w, struct in *in, uint64_t now, unsigned n)
{
	struct pcap_pkthdr *h;
	const uint8_t *data;

	while (in->q.n < n && in_next(w, in, &h, &data)) {
		unsigned i = in->q.n++;

		memcpy(in->buf[i], data, h->caplen);
		fl_frame_set(&in->q.f[i], in->buf[i], h->caplen);
		in->due[i] = in->orig ? orig_due(in, stamp(h), now) : 0;
		in->this_loop++;
		in->frames++;
		in->rate.sent++;
		/* one frame at a time: the next loop's start is known when it is there */
		if (in->orig)
			break;
	}
}

static unsigned pcap_wire_poll(struct fl_wire *w, uint64_t now_ns, unsigned budget)
{
	struct in *in = ((struct pcap_wire *)w->priv)->in;
	unsigned total = 0, n;

	if (!in)
		return 0;
	do {
		if (!in->q.n)
			in_fill(w, in, now_ns,
				fl_wire_due(&in->rate, now_ns,
					    budget < FL_WIRE_BATCH ? budget : FL_WIRE_BATCH));
		if (!in->q.n || in->due[in->q.head] > now_ns)
			break;
		n = fl_wire_offer(w, &in->q, budget - total);
		total += n;
	} while (in->orig && n && total < budget);
	return total;
}

static uint64_t pcap_wire_next(const struct fl_wire *w)
{
	const struct in *in = ((const struct pcap_wire *)w->priv)->in;

	if (!in || (in->over && !in->q.n))
		return UINT64_MAX;
	if (in->q.n)
		return in->due[in->q.head];
	return fl_wire_due_at(&in->rate);
}

static void in_free(struct in *in, const struct fl_log *log)
{
	if (!in)
		return;
	if (in->p)
		pcap_close(in->p);
	if (in->frames)
		fl_info(log, "wire", "pcap: %s: %llu frames played", in->path_copy,
			(unsigned long long)in->frames);
	if (in->cut || in->too_long)
		fl_warn(log, "wire",
			"pcap: %s: skipped %llu frames that the capture cut short and %llu of a length "
			"no port takes",
			in->path_copy, (unsigned long long)in->cut,
			(unsigned long long)in->too_long);
	free(in->path_copy);
	free(in);
}

static int in_open(struct fl_wire *w, struct fl_args *args, const char *path, struct in **out)
{
	const char *rate = fl_args_get(args, "rate");
	struct in *in = calloc(1, sizeof(*in));
	int r = 0;

	if (!in)
		return -ENOMEM;
	in->path_copy = strdup(path);
	in->orig = rate && !strcmp(rate, "orig");
	if (!in->path_copy)
		r = -ENOMEM;
	if (!r && !in->orig)
		r = fl_args_u64(args, "rate", 0, &in->rate.pps);
	if (!r)
		r = fl_args_u64(args, "loop", 1, &in->loops);
	if (!r)
		r = in_start(in, w->log);
	if (r) {
		in_free(in, w->log);
		return r;
	}
	*out = in;
	return 0;
}

/* ---- out ------------------------------------------------------------------------------ */

static int out_open(struct fl_wire *w, struct pcap_wire *pw, const char *path)
{
	pw->out_path = strdup(path);
	pw->dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN,
							PCAP_TSTAMP_PRECISION_NANO);
	pw->out_buf = malloc(OUT_BUFFER);
	if (!pw->out_path || !pw->dead || !pw->out_buf)
		return -ENOMEM;
	pw->out = pcap_dump_open(pw->dead, path);
	if (!pw->out) {
		fl_err(w->log, "wire", "pcap: %s", pcap_geterr(pw->dead));
		return -EACCES;
	}
	/* the file header is written already: a buffer may only follow a flush */
	if (!pcap_dump_flush(pw->out))
		setvbuf(pcap_dump_file(pw->out), pw->out_buf, _IOFBF, OUT_BUFFER);
	return 0;
}

static unsigned pcap_wire_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	struct pcap_wire *pw = w->priv;
	struct pcap_pkthdr h = { 0 };
	struct timespec ts;

	if (!pw->out)
		return n;
	clock_gettime(CLOCK_REALTIME, &ts);
	h.ts.tv_sec = ts.tv_sec;
	h.ts.tv_usec = (suseconds_t)ts.tv_nsec;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = fl_frame_flat(&f[i], pw->flat);

		if (!p) {
			w->dropped++;
			continue;
		}
		h.caplen = h.len = f[i].len;
		pcap_dump((uint8_t *)pw->out, &h, p);
	}
	return n;
}

static void out_close(struct pcap_wire *pw, const struct fl_log *log)
{
	if (pw->out) {
		bool bad = pcap_dump_flush(pw->out) || ferror(pcap_dump_file(pw->out));

		if (bad)
			fl_err(log, "wire", "pcap: %s is not complete: %m", pw->out_path);
		pcap_dump_close(pw->out);
	}
	if (pw->dead)
		pcap_close(pw->dead);
	free(pw->out_buf);
	free(pw->out_path);
}

static void pcap_wire_close(struct fl_wire *w)
{
	struct pcap_wire *pw = w->priv;

	in_free(pw->in, w->log);
	out_close(pw, w->log);
	free(pw);
}

static const struct fl_wire_ops pcap_ops = { .patient = true,
					     .send = pcap_wire_send,
					     .poll = pcap_wire_poll,
					     .next = pcap_wire_next,
					     .close = pcap_wire_close };

int fl_wire_pcap_open(struct fl_wire *w, struct fl_args *args)
{
	const char *rx = fl_args_get(args, "rx"), *tx = fl_args_get(args, "tx");
	struct pcap_wire *pw;
	int r = 0;

	if (!rx && !tx) {
		fl_err(w->log, "wire",
		       "wire=pcap needs rx=FILE (played in), tx=FILE (written), or both");
		return -EINVAL;
	}
	pw = calloc(1, sizeof(*pw));
	if (!pw)
		return -ENOMEM;
	w->priv = pw;
	if (rx)
		r = in_open(w, args, rx, &pw->in);
	if (!r && tx)
		r = out_open(w, pw, tx);
	if (r) {
		pcap_wire_close(w);
		return r;
	}
	w->ops = &pcap_ops;
	return 0;
}
