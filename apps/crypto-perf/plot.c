/* SPDX-License-Identifier: BSD-3-Clause */
/* --plot: the results over the buffer size, a line a device and burst size, as an SVG. */
#include "perf.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH	 860.0
#define LEFT	 76.0
#define RIGHT	 28.0
#define PLOT	 380.0 /* height of what the axes frame */
#define HEAD	 82.0  /* of the titles; the legend follows */
#define LOG_FROM 20.0  /* most over least, from which a linear axis hides the least */
#define FOOT	 56.0
#define LINE	 19.0 /* of the legend */

/** Where figures are drawn. */
struct plot {
	FILE *f;
	const struct cp *cp;
	double top, bottom;  /* of the frame */
	double x_min, x_max; /* log2 of bytes */
	double y_min, y_max; /* log10 of them where `log` */
	double step;
	bool latency, log;
	const char *unit;
};

/* told apart by colour-blind eyes too */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
				       "#e69f00", "#56b4e9", "#222222", "#8c6d31" };

static double value(const struct plot *p, const struct cp_result *r)
{
	switch (p->cp->conf.test) {
	case CP_LATENCY:
		return r->p50_us;
	case CP_CYCLECOUNT:
		return r->cycles_per_op;
	case CP_THROUGHPUT:
	case CP_VERIFY:
	case CP_IOPF:
		break;
	}
	return r->gbit_per_s;
}

/** 0 bytes stand where 1 does. */
static double log_size(const struct cp_result *r)
{
	return log2(r->c.size ? r->c.size : 1);
}

static double px(const struct plot *p, double x)
{
	return LEFT + (x - p->x_min) / (p->x_max - p->x_min) * (WIDTH - LEFT - RIGHT);
}

static double py(const struct plot *p, double v)
{
	double y = p->log ? log10(v > 1e-3 ? v : 1e-3) : v;

	return p->bottom - (y - p->y_min) / (p->y_max - p->y_min) * PLOT;
}

static void text(const struct plot *p, double x, double y, const char *style, const char *content)
{
	fprintf(p->f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
	for (; *content; content++) {
		switch (*content) {
		case '<':
			fputs("&lt;", p->f);
			break;
		case '&':
			fputs("&amp;", p->f);
			break;
		default:
			/* what is no printable ASCII in a URI has no place in a label */
			fputc(*content >= ' ' && *content < 127 ? *content : '?', p->f);
		}
	}
	fputs("</text>\n", p->f);
}

/* ---- axes ----------------------------------------------------------------------------- */

/** 1, 2 or 5 times a power of ten, for about six steps. */
static double nice(double most)
{
	double base = pow(10, floor(log10(most / 6))), k = most / 6 / base;

	return base * (k <= 1 ? 1 : k <= 2 ? 2 : k <= 5 ? 5 : 10);
}

static void scale(struct plot *p)
{
	const struct cp *cp = p->cp;
	double least = INFINITY, most = 0;

	p->x_min = INFINITY;
	p->x_max = -INFINITY;
	for (unsigned i = 0; i < cp->nresults; i++) {
		const struct cp_result *r = &cp->results[i];
		double v = value(p, r), top = p->latency ? r->p99_us : v;

		p->x_min = fmin(p->x_min, log_size(r));
		p->x_max = fmax(p->x_max, log_size(r));
		most = fmax(most, top);
		least = v > 0 ? fmin(least, v) : least;
	}
	p->x_min -= p->x_min == p->x_max ? 1 : 0.15;
	p->x_max += 0.15;
	most = most > 0 ? most : 1;
	p->log = p->latency || most > LOG_FROM * least;
	p->step = nice(most);
	p->y_max = p->log ? ceil(log10(most)) : ceil(most / p->step) * p->step;
	p->y_min = p->log ? floor(log10(isfinite(least) ? least : most)) : 0;
	if (p->log && p->y_max <= p->y_min)
		p->y_max = p->y_min + 1;
}

static void y_line(const struct plot *p, double v, bool label)
{
	char s[32];

	fprintf(p->f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
		LEFT, py(p, v), WIDTH - RIGHT, py(p, v), label ? "#cccccc" : "#eeeeee");
	snprintf(s, sizeof(s), "%.6g", v);
	if (label)
		text(p, LEFT - 8, py(p, v) + 4, "text-anchor=\"end\"", s);
}

static void y_axis(const struct plot *p)
{
	char style[96], unit[64];

	if (p->log) {
		for (double e = p->y_min; e < p->y_max; e++)
			for (int k = 1; k < 10; k++)
				y_line(p, k * pow(10, e), k == 1);
		y_line(p, pow(10, p->y_max), true);
	} else {
		for (int i = 0; i * p->step <= p->y_max * 1.001; i++)
			y_line(p, i * p->step, true);
	}
	snprintf(style, sizeof(style), "text-anchor=\"middle\" transform=\"rotate(-90 20 %.0f)\"",
		 (p->top + p->bottom) / 2);
	snprintf(unit, sizeof(unit), "%s%s", p->unit, p->log ? " (log scale)" : "");
	text(p, 20, (p->top + p->bottom) / 2, style, unit);
}

static void size_label(char *s, size_t len, unsigned exponent)
{
	static const char *const units[] = { "", " Ki", " Mi", " Gi" };

	snprintf(s, len, "%u%s", 1u << exponent % 10, units[exponent / 10 % 4]);
}

static void x_axis(const struct plot *p)
{
	unsigned last = (unsigned)floor(p->x_max);

	for (unsigned e = (unsigned)ceil(fmax(p->x_min, 0)); e <= last; e++) {
		char s[16];

		size_label(s, sizeof(s), e);
		fprintf(p->f,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#eeeeee\"/>\n",
			px(p, e), p->top, px(p, e), p->bottom);
		text(p, px(p, e), p->bottom + 18, "text-anchor=\"middle\"", s);
	}
	text(p, (LEFT + WIDTH - RIGHT) / 2, p->bottom + 40, "text-anchor=\"middle\"",
	     "buffer, bytes (log scale)");
}

/* ---- lines ---------------------------------------------------------------------------- */

static bool of_series(const struct cp_result *r, const struct cp_dev *d, uint32_t burst)
{
	return r->dev == d && r->c.burst == burst;
}

static void curve(const struct plot *p, const struct cp_dev *d, uint32_t burst, bool p99,
		  const char *style)
{
	bool first = true;

	fputs("<path fill=\"none\" d=\"", p->f);
	for (unsigned i = 0; i < p->cp->nresults; i++) {
		const struct cp_result *r = &p->cp->results[i];

		if (!of_series(r, d, burst))
			continue;
		fprintf(p->f, "%s%.1f %.1f", first ? "M" : " L", px(p, log_size(r)),
			py(p, p99 ? r->p99_us : value(p, r)));
		first = false;
	}
	fprintf(p->f, "\" %s/>\n", style);
}

static void points(const struct plot *p, const struct cp_dev *d, uint32_t burst, const char *colour)
{
	for (unsigned i = 0; i < p->cp->nresults; i++) {
		const struct cp_result *r = &p->cp->results[i];

		if (of_series(r, d, burst))
			fprintf(p->f,
				"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"><title>"
				"%u bytes: %.4g</title></circle>\n",
				px(p, log_size(r)), py(p, value(p, r)), colour, r->c.size,
				value(p, r));
	}
}

static void series(const struct plot *p, unsigned dev, unsigned b, unsigned row)
{
	static const char *const dashes[] = { "none", "7 4", "2 4", "10 3 2 3" };
	const struct cp *cp = p->cp;
	uint32_t burst = cp->conf.burst_sz.v[b];
	const struct cp_dev *d = &cp->devs[dev];
	const char *colour = colours[dev % FL_ARRAY_SIZE(colours)];
	double y = HEAD + row * LINE;
	char style[128], label[160];

	snprintf(style, sizeof(style), "stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"",
		 colour, dashes[b % FL_ARRAY_SIZE(dashes)]);
	curve(p, d, burst, false, style);
	points(p, d, burst, colour);
	fprintf(p->f, "<path d=\"M%.1f %.1f h28\" %s/>\n", LEFT, y - 4, style);
	snprintf(label, sizeof(label), "%s (%s), %s %u", d->uri, d->info.chip,
		 p->latency ? "p50, depth" : "burst", burst);
	text(p, LEFT + 38, y, "", label);
	if (!p->latency)
		return;
	snprintf(style, sizeof(style), "stroke=\"%s\" stroke-width=\"1\" stroke-opacity=\"0.5\"",
		 colour);
	curve(p, d, burst, true, style);
}

static void all_series(const struct plot *p)
{
	unsigned row = 0;

	for (unsigned k = 0; k < p->cp->ndevs; k++)
		for (unsigned b = 0; b < p->cp->conf.burst_sz.n; b++)
			series(p, k, b, row++);
}

static void frame(struct plot *p)
{
	const struct cp *cp = p->cp;
	char s[160];

	p->top = HEAD + cp->ndevs * cp->conf.burst_sz.n * LINE;
	p->bottom = p->top + PLOT;
	fprintf(p->f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\" "
		"fill=\"#222222\">\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
		WIDTH, p->bottom + FOOT, WIDTH, p->bottom + FOOT, WIDTH, p->bottom + FOOT);
	snprintf(s, sizeof(s), "%s %s: %s", cp->job.name,
		 cp->job.conf.encrypt ? cp->job.cipher ? "encrypt" : "generate"
		 : cp->job.cipher     ? "decrypt"
				      : "verify",
		 cp_test_names[cp->conf.test]);
	text(p, LEFT, 32, "font-size=\"17\" font-weight=\"bold\"", s);
	snprintf(s, sizeof(s), "key %u bytes; %u queue pair%s%s%s",
		 cp->job.cipher ? cp->job.conf.key_len : cp->job.conf.auth_key_len,
		 (unsigned)cp->conf.qps, cp->conf.qps > 1 ? "s" : "",
		 cp->conf.rounds > 1 ? "; medians" : "", p->latency ? "; thin lines: p99" : "");
	text(p, LEFT, 54, "fill=\"#555555\"", s);
}

static void draw(struct plot *p)
{
	static const char *const units[] = { [CP_THROUGHPUT] = "Gbit/s of payload",
					     [CP_LATENCY] = "microseconds",
					     [CP_VERIFY] = "Gbit/s of payload",
					     [CP_CYCLECOUNT] = "cycles of the calls, an op" };

	p->latency = p->cp->conf.test == CP_LATENCY;
	p->unit = units[p->cp->conf.test];
	scale(p);
	frame(p);
	y_axis(p);
	x_axis(p);
	all_series(p);
	fputs("</svg>\n", p->f);
}

int cp_plot_write(const struct cp *cp)
{
	struct plot p = { .f = fopen(cp->conf.plot, "we"), .cp = cp };
	bool bad;

	if (p.f)
		draw(&p);
	bad = !p.f || ferror(p.f);
	if ((p.f && fclose(p.f)) || bad) {
		fprintf(stderr, "Cannot write %s: %s\n", cp->conf.plot, strerror(errno));
		return -EIO;
	}
	return 0;
}
