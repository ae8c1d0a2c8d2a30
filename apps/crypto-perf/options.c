/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: one table, from which argp's options, the parsing and the bounds come. */
#include "iopf.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cp_test_names[] = { "throughput",	"latency", "verify",
				      "pmd-cyclecount", "iopf",	   NULL };
const char *const cp_optype_names[] = { "cipher-only",	    "auth-only", "cipher-then-auth",
					"auth-then-cipher", "aead",	 NULL };

enum kind { FLAG, NUMBER, TEXT, CALL, REFUSED };

struct opt {
	const char *name;
	int key;
	const char *arg, *doc; /* of REFUSED: what to do instead */
	enum kind kind;
	size_t at; /* in struct cp_conf; unused by CALL */
	uint64_t min, max;
	/** 0, or -EINVAL for rubbish */
	int (*call)(struct cp_conf *c, const char *arg);
};

static int parse_u32(const char **text, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(*text, &end, 0);
	if (errno || end == *text || **text == '-' || v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	*text = end;
	return 0;
}

static int add(struct cp_list *l, uint32_t v, uint32_t min, uint32_t max)
{
	if (l->n == CP_MAX_LIST || v < min || v > max)
		return -EINVAL;
	l->v[l->n++] = v;
	return 0;
}

/** "a", "a,b,c" or "min:inc:max", of at most CP_MAX_LIST numbers. */
static int parse_list(struct cp_list *l, const char *text, uint32_t min, uint32_t max)
{
	uint32_t v, inc, last;
	int ret = parse_u32(&text, &v);

	l->n = 0;
	if (ret || *text != ':') {
		for (; !ret && *text == ','; ret = ret ? ret : parse_u32(&text, &v)) {
			ret = add(l, v, min, max);
			text++;
		}
		return ret || *text ? -EINVAL : add(l, v, min, max);
	}
	text++;
	if (parse_u32(&text, &inc) || *text++ != ':' || parse_u32(&text, &last) || *text || !inc ||
	    last < v || last > max)
		return -EINVAL;
	for (; !ret && v <= last; v += inc)
		ret = add(l, v, min, max);
	return ret;
}

static int one_of(const char *arg, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(arg, names[i]))
			return i;
	return -EINVAL;
}

static int opt_uri(struct cp_conf *c, const char *arg)
{
	if (c->nuris == CP_MAX_DEVS)
		return -EINVAL;
	c->uris[c->nuris++] = arg;
	return 0;
}

static int opt_ptest(struct cp_conf *c, const char *arg)
{
	int i = one_of(arg, cp_test_names);

	if (i >= 0)
		c->test = (enum cp_test)i;
	return i < 0 ? i : 0;
}

static int opt_optype(struct cp_conf *c, const char *arg)
{
	c->optype = arg;
	return one_of(arg, cp_optype_names) < 0 ? -EINVAL : 0;
}

static int opt_crypt(const char **op, const char *arg, const char *yes, const char *no)
{
	*op = arg;
	return strcmp(arg, yes) && strcmp(arg, no) ? -EINVAL : 0;
}

static int opt_cipher_op(struct cp_conf *c, const char *arg)
{
	return opt_crypt(&c->cipher.op, arg, "encrypt", "decrypt");
}

static int opt_auth_op(struct cp_conf *c, const char *arg)
{
	return opt_crypt(&c->auth.op, arg, "generate", "verify");
}

static int opt_aead_op(struct cp_conf *c, const char *arg)
{
	return opt_crypt(&c->aead.op, arg, "encrypt", "decrypt");
}

static int opt_buffer(struct cp_conf *c, const char *arg)
{
	return parse_list(&c->buffer_sz, arg, 0, CP_MAX_SIZE);
}

static int opt_burst(struct cp_conf *c, const char *arg)
{
	return parse_list(&c->burst_sz, arg, 1, 4096);
}

static int opt_times(struct cp_conf *c, const char *arg)
{
	return parse_list(&c->times, arg, 1, 1000000);
}

static int opt_imix(struct cp_conf *c, const char *arg)
{
	return parse_list(&c->imix, arg, 0, 1000000);
}

static int opt_lcores(struct cp_conf *c, const char *arg)
{
	struct cp_list l = { .n = 0 };

	/* more than a list of sizes holds, so one by one */
	for (c->nlcores = 0;; arg++) {
		if (parse_u32(&arg, &l.v[0]) || l.v[0] > 1023 || c->nlcores == CP_MAX_QPS)
			return -EINVAL;
		c->lcores[c->nlcores++] = l.v[0];
		if (!*arg)
			return 0;
		if (*arg != ',')
			return -EINVAL;
	}
}

static int opt_model_cpu(struct cp_conf *c, const char *arg)
{
	uint32_t cpu;

	if (parse_u32(&arg, &cpu) || *arg || cpu > 1023)
		return -EINVAL;
	c->model_cpu = (int)cpu;
	return 0;
}

static int opt_duration(struct cp_conf *c, const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !(s > 0) || s > 1e6)
		return -EINVAL;
	c->duration_ns = (uint64_t)(s * 1e9);
	return 0;
}

static int opt_log_level(struct cp_conf *c, const char *arg)
{
	for (int l = FL_LOG_ERR; l <= FL_LOG_DEBUG; l++) {
		if (!strcmp(arg, fl_log_level_name((enum fl_log_level)l))) {
			c->log_level = (enum fl_log_level)l;
			return 0;
		}
	}
	return -EINVAL;
}

#define AT(field) offsetof(struct cp_conf, field)

static const struct opt options[] = {
	{ "allow", 'a', "URI",
	  "the device: model:hisi_sec, soft:, soft:openssl, soft:ipsec-mb, vfio-user:PATH or "
	  "pci:ADDRESS; several are compared",
	  CALL, .call = opt_uri },
	{ "compare", 0, NULL,
	  "the URIs that follow, and those of -a, run in turn, round after round; the medians and "
	  "what the first does beside each other one",
	  FLAG, AT(compare) },
	{ "ptest", 0, "TEST", "throughput (default), latency, verify, pmd-cyclecount, iopf", CALL,
	  .call = opt_ptest },
	{ "devtype", 0, "TYPE",
	  "crypto_hisi_sec, crypto_soft, crypto_openssl, crypto_aesni_mb: instead of -a "
	  "model:hisi_sec, soft:, soft:openssl, soft:ipsec-mb; with -a: it must be that driver",
	  TEXT, AT(devtype) },
	{ "optype", 0, "TYPE",
	  "cipher-only, auth-only, cipher-then-auth, auth-then-cipher, aead (what the algorithms "
	  "named say)",
	  CALL, .call = opt_optype },

	{ "cipher-algo", 0, "ALGO", "cipher (aes-cbc)", TEXT, AT(cipher.algo) },
	{ "cipher-op", 0, "encrypt|decrypt", "direction (encrypt)", CALL, .call = opt_cipher_op },
	{ "cipher-key-sz", 0, "BYTES", "cipher key (the device's shortest)", NUMBER, AT(cipher.key),
	  0, CP_MAX_KEY },
	{ "cipher-iv-sz", 0, "BYTES", "IV (the algorithm's)", NUMBER, AT(cipher.iv), 0, FL_IV_MAX },
	{ "auth-algo", 0, "ALGO", "digest or MAC (sha2-256-hmac)", TEXT, AT(auth.algo) },
	{ "auth-op", 0, "generate|verify", "direction (generate)", CALL, .call = opt_auth_op },
	{ "auth-key-sz", 0, "BYTES", "MAC key (as long as the digest)", NUMBER, AT(auth.key), 0,
	  CP_MAX_KEY },
	{ "auth-iv-sz", 0, "BYTES", "IV of a MAC that has one", NUMBER, AT(auth.iv), 0, FL_IV_MAX },
	{ "aead-algo", 0, "ALGO", "AEAD (aes-gcm)", TEXT, AT(aead.algo) },
	{ "aead-op", 0, "encrypt|decrypt", "direction (encrypt)", CALL, .call = opt_aead_op },
	{ "aead-key-sz", 0, "BYTES", "AEAD key (the device's shortest)", NUMBER, AT(aead.key), 0,
	  CP_MAX_KEY },
	{ "aead-iv-sz", 0, "BYTES", "IV (the algorithm's)", NUMBER, AT(aead.iv), 0, FL_IV_MAX },
	{ "aead-aad-sz", 0, "BYTES", "additional data, of aead and both chains (0)", NUMBER,
	  AT(aad_sz), 0, CP_MAX_AAD },
	{ "digest-sz", 0, "BYTES", "digest or tag (full)", NUMBER, AT(digest_sz), 1,
	  FL_DIGEST_MAX },

	{ "buffer-sz", 0, "SIZES",
	  "bytes of payload, to 16 MiB: N, N,N,… or MIN:INC:MAX (64,256,1024,4096,16384)", CALL,
	  .call = opt_buffer },
	{ "imix", 0, "WEIGHTS",
	  "one run of mixed buffers: how often each size of --buffer-sz comes", CALL,
	  .call = opt_imix },
	{ "segment-sz", 0, "BYTES", "payload of a segment (all in one)", NUMBER, AT(segment_sz), 1,
	  CP_MAX_SIZE },
	{ "out-of-place", 0, NULL, "output beside the input", FLAG, AT(out_of_place) },
	{ "burst-sz", 0, "SIZES",
	  "ops a call (32); latency: ops in flight (1,32); a list as for --buffer-sz", CALL,
	  .call = opt_burst },
	{ "total-ops", 0, "N", "ops of a run (10000000; verify 10000)", NUMBER, AT(total_ops), 1,
	  1000000000000ull },
	{ "duration", 0, "SEC", "no run is longer (1)", CALL, .call = opt_duration },
	{ "warmup", 0, "N", "ops before a run that do not count (10000)", NUMBER, AT(warmup), 0,
	  1000000000ull },
	{ "times", 0, "LIST", "iopf: how often a message is sent (1,100,1000)", CALL,
	  .call = opt_times },
	{ "rounds", 0, "N",
	  "runs of each case, the median counts (1; 3 of compared devices; iopf 15)", NUMBER,
	  AT(rounds), 1, 15 },
	{ "desc-nb", 0, "N", "ops that a queue pair holds (256)", NUMBER, AT(desc_nb), 1, 65535 },
	{ "pool-sz", 0, "N", "ops with buffers, a queue pair (what it holds and a burst)", NUMBER,
	  AT(pool_sz), 1, 1u << 20 },
	{ "qps", 0, "N", "queue pairs, a thread each (1)", NUMBER, AT(qps), 1, CP_MAX_QPS },
	{ "lcores", 'l', "LIST", "CPUs of these threads, e.g. 1,3; as many queue pairs", CALL,
	  .call = opt_lcores },
	{ "model-cpu", 0, "N", "CPU of the thread that runs the device model", CALL,
	  .call = opt_model_cpu },
	{ "interrupt", 0, NULL, "wait for completion interrupts instead of polling", FLAG,
	  AT(interrupt) },
	{ "sessionless", 0, NULL,
	  "each op makes its session, runs alone and is waited for: fl_crypto_once()", FLAG,
	  AT(sessionless) },
	{ "pmd-cyclecount-delay-ms", 0, "MS",
	  "between enqueue and dequeue (0; hardware: twice what it took at first)", NUMBER,
	  AT(delay_ms), 0, 10000 },
	{ "timeout", 0, "MS", "a device that says nothing for so long has failed (3000)", NUMBER,
	  AT(timeout_ms), 10, 600000 },

	{ "test-file", 0, "FILE", "verify: vectors, in dpdk-test-crypto-perf's format", TEXT,
	  AT(test_file) },
	{ "test-name", 0, "NAME", "the one vector of that section", TEXT, AT(test_name) },
	{ "reference", 0, "URI", "verify: the device that is right (soft:openssl)", TEXT,
	  AT(reference) },
	{ "silent", 0, NULL, "no list of what is measured, no progress", FLAG, AT(silent) },
	{ "csv", 0, NULL, "rows for programs to read", FLAG, AT(csv) },
	{ "csv-friendly", 0, NULL, "the same", FLAG, AT(csv) },
	{ "json", 0, "FILE", "write the results there", TEXT, AT(json) },
	{ "plot", 0, "FILE.svg", "draw the results over the buffer size", TEXT, AT(plot) },
	{ "log-level", 0, "error|warning|info|debug", "messages of the library (warning)", CALL,
	  .call = opt_log_level },

	/* habits of dpdk-test-crypto-perf's users */
	{ "vdev", 0, "", "-a opens every kind of device, e.g. -a soft:openssl", REFUSED },
	{ "no-huge", 0, "", "hugepages are never needed", REFUSED },
	{ "modex-len", 0, "", "there is no asymmetric crypto here", REFUSED },
	{ "pdcp-sn-sz", 0, "", "there is no PDCP here", REFUSED },
	{ "pdcp-domain", 0, "", "there is no PDCP here", REFUSED },
	{ "docsis-hdr-sz", 0, "", "there is no DOCSIS here", REFUSED },
};

#define NOPTIONS    FL_ARRAY_SIZE(options)
#define KEY_NO_CHAR 0x1000

static void check_iopf(const struct cp_conf *c, struct argp_state *state)
{
	if (c->nuris > 1)
		argp_error(state, "--ptest=iopf: one device; its residencies are compared");
	if (c->burst_sz.n || c->imix.n || c->nlcores > 1 || c->segment_sz != CP_UNSET ||
	    (c->qps != CP_UNSET && c->qps > 1) || c->interrupt || c->sessionless)
		argp_error(state, "--ptest=iopf: one op at a time, in one piece, from one thread "
				  "that polls");
	if (c->plot)
		argp_error(state, "--plot does not go with iopf: tests/bench/iopf_plot.py draws "
				  "its --json");
	for (unsigned i = 0; i < c->buffer_sz.n; i++)
		if (!c->buffer_sz.v[i])
			argp_error(state, "--ptest=iopf: --buffer-sz of no bytes");
}

/** What each option allows alone, but not together. */
static void check(struct cp_conf *c, struct argp_state *state)
{
	static const char *const types[][2] = { { "crypto_hisi_sec", "model:hisi_sec" },
						{ "crypto_soft", "soft:" },
						{ "crypto_openssl", "soft:openssl" },
						{ "crypto_aesni_mb", "soft:ipsec-mb" } };
	unsigned type = 0;
	uint64_t weights = 0;

	while (c->devtype && type < FL_ARRAY_SIZE(types) && strcmp(c->devtype, types[type][0]))
		type++;
	if (type == FL_ARRAY_SIZE(types))
		argp_error(state,
			   "--devtype=%s: want crypto_hisi_sec, crypto_soft, crypto_openssl or "
			   "crypto_aesni_mb",
			   c->devtype);
	if (c->devtype && !c->nuris)
		c->uris[c->nuris++] = types[type][1];
	if (!c->nuris)
		argp_error(state, "no device: -a names one, e.g. -a model:hisi_sec or -a soft:");
	if (c->compare && c->nuris < 2)
		argp_error(state, "--compare: want two devices or more");
	if (c->nlcores && c->qps != CP_UNSET && c->qps != c->nlcores)
		argp_error(state, "--qps=%u: --lcores names %u CPUs", (unsigned)c->qps, c->nlcores);
	if (c->imix.n && c->imix.n != c->buffer_sz.n)
		argp_error(state, "--imix: %u weights, but --buffer-sz has %u sizes", c->imix.n,
			   c->buffer_sz.n);
	for (unsigned i = 0; i < c->imix.n; i++)
		weights += c->imix.v[i];
	if (c->imix.n && !weights)
		argp_error(state, "--imix: all weights are 0");
	if (c->sessionless && (c->test == CP_VERIFY || c->test == CP_CYCLECOUNT))
		argp_error(state, "--sessionless goes with throughput and latency only");
	if (c->sessionless &&
	    (c->imix.n || c->segment_sz != CP_UNSET || c->interrupt || c->out_of_place ||
	     c->nlcores > 1 || (c->qps != CP_UNSET && c->qps > 1)))
		argp_error(state, "--sessionless: one op at a time, in one piece, from one thread");
	if (c->imix.n && c->test == CP_VERIFY)
		argp_error(state, "--imix does not go with verify: list the sizes");
	if ((c->test_file || c->reference) && c->test != CP_VERIFY)
		argp_error(state, "--test-file and --reference go with --ptest=verify");
	if (c->times.n && c->test != CP_IOPF)
		argp_error(state, "--times goes with --ptest=iopf");
	if (c->test == CP_IOPF)
		check_iopf(c, state);
	if (c->test_name && !c->test_file)
		argp_error(state, "--test-name: of which --test-file?");
}

static int take(struct cp_conf *c, const struct opt *o, const char *arg)
{
	char *at = (char *)c + o->at, *end;

	switch (o->kind) {
	case FLAG:
		*(bool *)at = true;
		return 0;
	case TEXT:
		*(const char **)at = arg;
		return 0;
	case CALL:
		return o->call(c, arg);
	case NUMBER:
		errno = 0;
		*(uint64_t *)at = strtoull(arg, &end, 0);
		return errno || end == arg || *end || *arg == '-' || *(uint64_t *)at < o->min ||
				       *(uint64_t *)at > o->max
			       ? -EINVAL
			       : 0;
	case REFUSED:
		break;
	}
	return -EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cp_conf *c = state->input;

	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = &c->residency;
		state->child_inputs[1] = &c->telemetry;
	}
	if (key == ARGP_KEY_END)
		check(c, state);
	if (key == ARGP_KEY_ARG) {
		if (!c->compare)
			argp_error(state, "%s: what is it? -a names a device, --compare several",
				   arg);
		if (opt_uri(c, arg))
			argp_error(state, "%s: at most %u devices", arg, CP_MAX_DEVS);
		return 0;
	}
	for (size_t i = 0; i < NOPTIONS; i++) {
		const struct opt *o = &options[i];

		if (key != (o->key ? o->key : KEY_NO_CHAR + (int)i))
			continue;
		if (o->kind == REFUSED)
			argp_error(state, "--%s: leave it out: %s", o->name, o->doc);
		if (!take(c, o, arg))
			return 0;
		if (o->kind == NUMBER)
			argp_error(state, "--%s=%s: want a number from %llu to %llu", o->name, arg,
				   (unsigned long long)o->min, (unsigned long long)o->max);
		else
			argp_error(state, "--%s=%s: want %s: %s", o->name, arg, o->arg, o->doc);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void defaults(struct cp_conf *c)
{
	static const struct cp_part unset = { .key = CP_UNSET, .iv = CP_UNSET };

	*c = (struct cp_conf){ .cipher = unset,
			       .auth = unset,
			       .aead = unset,
			       .aad_sz = CP_UNSET,
			       .digest_sz = CP_UNSET,
			       .segment_sz = CP_UNSET,
			       .pool_sz = CP_UNSET,
			       .desc_nb = CP_UNSET,
			       .total_ops = CP_UNSET,
			       .warmup = CP_UNSET,
			       .delay_ms = CP_UNSET,
			       .qps = CP_UNSET,
			       .rounds = CP_UNSET,
			       .timeout_ms = 3000,
			       .duration_ns = 1000000000ull,
			       .model_cpu = -1,
			       .residency = APP_RESIDENCY_DEFAULT,
			       .log_level = FL_LOG_WARN };
}

/** What is left open when all options are known. */
static void settle(struct cp_conf *c)
{
	static const struct cp_list sizes = { { 64, 256, 1024, 4096, 16384 }, 5 };
	static const struct cp_list messages = { { 1 << 20, 10 << 20 }, 2 };

	if (!c->buffer_sz.n)
		c->buffer_sz = c->test == CP_IOPF ? messages : sizes;
	if (c->test == CP_IOPF) {
		c->burst_sz = (struct cp_list){ { 1 }, 1 };
		c->out_of_place = true;
	}
	if (!c->times.n)
		c->times = (struct cp_list){ { 1, 100, 1000 }, 3 };
	if (!c->burst_sz.n)
		c->burst_sz = c->test == CP_LATENCY ? (struct cp_list){ { 1, 32 }, 2 }
						    : (struct cp_list){ { 32 }, 1 };
	if (c->sessionless)
		c->burst_sz = (struct cp_list){ { 1 }, 1 };
	if (c->qps == CP_UNSET)
		c->qps = c->nlcores ? c->nlcores : 1;
	if (c->rounds == CP_UNSET && c->test == CP_IOPF)
		c->rounds = CP_IOPF_ROUNDS;
	if (c->rounds == CP_UNSET)
		c->rounds = c->nuris > 1 && c->test != CP_VERIFY ? 3 : 1;
	if (c->total_ops == CP_UNSET)
		c->total_ops = c->test == CP_VERIFY ? 10000 : 10000000;
	if (c->warmup == CP_UNSET)
		c->warmup = c->sessionless ? 10 : 10000;
	if (c->aad_sz == CP_UNSET)
		c->aad_sz = 0;
	if (c->segment_sz == CP_UNSET)
		c->segment_sz = 0;
}

int cp_options(struct cp_conf *c, int argc, char **argv)
{
	static const struct argp_child children[] = { { &app_residency_argp, 0, NULL, 0 },
						      { &app_telemetry_argp, 0, NULL, 0 },
						      { 0 } };
	struct argp_option table[NOPTIONS + 1] = { 0 };
	struct argp argp = {
		.options = table,
		.children = children,
		.parser = parse,
		.args_doc = "-a URI\n--compare URI URI...",
		.doc = "Measures crypto devices: ops a second, latency, right answers, cycles of the "
		       "driver.\v"
		       "Example: fl-crypto-perf -a model:hisi_sec --ptest throughput --optype "
		       "cipher-only --cipher-algo aes-cbc --cipher-key-sz 16 --buffer-sz "
		       "64,1024,16384 --json out.json\n\n"
		       "An algorithm that a device does not have: the message lists those it has.",
	};

	defaults(c);
	for (size_t i = 0; i < NOPTIONS; i++) {
		table[i].name = options[i].name;
		table[i].key = options[i].key ? options[i].key : KEY_NO_CHAR + (int)i;
		table[i].arg = options[i].arg;
		table[i].doc = options[i].doc;
		if (options[i].kind == REFUSED)
			table[i].flags = OPTION_ARG_OPTIONAL | OPTION_HIDDEN;
	}
	argp_program_version = "fl-crypto-perf " FL_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, c))
		return -EINVAL;
	settle(c);
	return 0;
}
