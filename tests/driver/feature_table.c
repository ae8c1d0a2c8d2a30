/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The feature table of a port as Markdown, from what its driver reports.
 *   feature_table URI                  prints it
 *   feature_table URI --check FILE     compares it with what stands in FILE between the markers
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fl_model.h>
#include <fl_net.h>

#define BEGIN "<!-- features: begin -->\n"
#define END   "<!-- features: end -->\n"

static void row(FILE *f, const char *what, uint32_t v)
{
	fprintf(f, "| %s | %u |\n", what, v);
}

static void bits(FILE *f, const char *title, uint64_t set, const char *(*name)(unsigned bit))
{
	fprintf(f, "\n| %s | |\n| --- | --- |\n", title);
	for (unsigned i = 0; name(i); i++) {
		if (*name(i))
			fprintf(f, "| %s | %s |\n", name(i), set >> i & 1 ? "yes" : "-");
	}
}

static void print(FILE *f, const struct fl_port_info *i)
{
	static const char *const rss[] = { "IPv4",     "TCP/IPv4", "IPv6",
					   "TCP/IPv6", "UDP/IPv4", "UDP/IPv6" };
	const char *sep = "";

	fprintf(f, "| %s on %s | |\n| --- | --- |\n", i->driver, i->chip);
	row(f, "receive queues", i->rxq_max);
	row(f, "transmit queues", i->txq_max);
	fprintf(f, "| receive ring | %u..%u, a multiple of %u; default %u |\n", i->rxd_min,
		i->rxd_max, i->rxd_align, i->rxd_default);
	fprintf(f, "| transmit ring | %u..%u, a multiple of %u; default %u |\n", i->txd_min,
		i->txd_max, i->txd_align, i->txd_default);
	fprintf(f, "| MTU | %u..%u |\n", i->mtu_min, i->mtu_max);
	row(f, "more unicast addresses", i->mac_max);
	row(f, "segments of a transmitted packet", i->seg_max);
	row(f, "bytes of a TSO packet", i->tso_max);
	row(f, "RSS table entries", i->reta_size);
	row(f, "RSS key bytes", i->rss_key_size);
	fprintf(f, "| RSS types | ");
	for (unsigned k = 0; k < FL_ARRAY_SIZE(rss); k++) {
		if (i->rss_types >> k & 1) {
			fprintf(f, "%s%s", sep, rss[k]);
			sep = ", ";
		}
	}
	fprintf(f, " |\n");
	bits(f, "Offload", i->offloads, fl_offload_name);
	bits(f, "Feature", i->features, fl_feature_name);
}

/* the text between one pair of markers, there is one for each chip, equals `want` */
static int check(const char *path, const char *want)
{
	static char doc[1 << 17];
	FILE *f = fopen(path, "r");
	char *begin, *end;
	size_t head = (size_t)(strchr(want, '\n') - want);

	if (!f) {
		perror(path);
		return 1;
	}
	doc[fread(doc, 1, sizeof(doc) - 1, f)] = 0;
	fclose(f);
	begin = doc;
	do {
		begin = strstr(begin, BEGIN);
		if (!begin) {
			fprintf(stderr, "%s: no features of this chip between markers\n", path);
			return 1;
		}
		begin += strlen(BEGIN);
	} while (strncmp(begin, want, head));
	end = strstr(begin, END);
	if (end)
		*end = 0;
	if (end && !strcmp(begin, want))
		return 0;
	fprintf(stderr, "%s: the table there is not what the driver reports, which is:\n%s", path,
		want);
	return 1;
}

int main(int argc, char **argv)
{
	struct fl_port_info info;
	struct fl_port *port;
	struct fl_ctx *ctx;
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	int rc = 1;

	if (argc != 2 && (argc != 4 || strcmp(argv[2], "--check"))) {
		fprintf(stderr, "usage: %s URI [--check FILE]\n", argv[0]);
		return 2;
	}
	if (fl_ctx_create(NULL, &ctx) || fl_model_enable(ctx, NULL) ||
	    fl_port_open(ctx, argv[1], &port))
		return 1;
	fl_port_info(port, &info);
	fl_port_close(port);
	f = open_memstream(&text, &len);
	if (f) {
		print(f, &info);
		fclose(f);
		rc = argc == 2 ? fputs(text, stdout) < 0 : check(argv[3], text);
		free(text);
	}
	return fl_ctx_destroy(ctx) ? 1 : rc;
}
