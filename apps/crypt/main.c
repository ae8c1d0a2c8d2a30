/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line, and the bytes in and out. */
#include "crypt.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options -------------------------------------------------------------------------- */

static const struct argp_option options[] = {
	{ "device", 'a', "URI", 0, "model:hisi_sec, soft:, pci:ADDRESS, ... (soft:)" },
	{ "algo", 'c', "NAME", 0,
	  "aes-cbc, sm4-ctr, ...; of digest: sha2-256, sha2-256-hmac, aes-cmac, ..." },
	{ "key", 'K', "HEX", 0, "the key" },
	{ "iv", 'I', "HEX", 0, "the IV, where the algorithm has one" },
	{ "in", 'i', "FILE", 0, "input (standard input)" },
	{ "out", 'o', "FILE", 0, "output (standard output)" },
	{ "nopad", 'n', NULL, 0, "the input is whole blocks; add and take off no padding" },
	{ "timeout", 't', "MS", 0, "a device that says nothing for so long has failed (3000)" },
	{ 0 }
};

static const char doc[] =
	"Enciphers, deciphers or digests a file on a crypto device.\v"
	"DESCRIPTION\n"
	"  enc and dec do what `openssl enc -NAME -K HEX -iv HEX` does, byte for byte: the key and "
	"the IV are used as they are, and block modes (ecb, cbc) pad the end by PKCS#7. They know "
	"the ecb, cbc, ctr, cfb and ofb modes. digest prints what sha256sum and its kin print; "
	"with --key, a MAC.\n\n"
	"  The file passes through the device in chunks of 256 KiB, several at a time where no "
	"chunk needs the output of the one before it: all but enciphering in cbc and cfb, and "
	"ofb. Nothing limits its length.\n\n"
	"  Other users of the machine can see a command line, and so the key.\n\n"
	"EXIT STATUS\n"
	"  0, or 1 after a message; then the output is not whole. 2: the command line.\n\n"
	"EXAMPLES\n"
	"  fl-crypt enc -a model:hisi_sec -c aes-cbc -K 000102030405060708090a0b0c0d0e0f "
	"-I 0f0e0d0c0b0a09080706050403020100 -i plain -o secret\n"
	"  openssl enc -d -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f "
	"-iv 0f0e0d0c0b0a09080706050403020100 -in secret -out plain\n"
	"  fl-crypt digest -a model:hisi_sec -c sha2-256 -i plain | sha256sum -c\n";

static int parse_hex(const char *text, uint8_t *out, uint16_t max, uint16_t *len)
{
	size_t n = strlen(text);

	if (!n || n % 2 || n / 2 > max || strspn(text, "0123456789abcdefABCDEF") != n)
		return -EINVAL;
	for (size_t i = 0; i < n / 2; i++) {
		const char pair[] = { text[2 * i], text[2 * i + 1], 0 };

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	*len = (uint16_t)(n / 2);
	return 0;
}

static bool can(enum fl_algo a, enum cr_verb verb)
{
	enum fl_algo_kind kind = fl_algo_info(a)->kind;

	/* not those that cannot be cut into chunks: XTS and ciphertext stealing */
	if (verb != CR_DIGEST)
		return kind == FL_KIND_CIPHER && a != FL_AES_XTS && a != FL_SM4_XTS &&
		       a != FL_SM4_XTS_GB && !strstr(fl_algo_info(a)->name, "-cs");
	return (kind == FL_KIND_DIGEST || kind == FL_KIND_MAC) && !fl_algo_info(a)->iv;
}

static void refuse_algo(struct argp_state *state, const char *name, enum cr_verb verb)
{
	char list[1024] = "";

	for (unsigned a = 1; a < FL_ALGO_MAX; a++)
		if (can((enum fl_algo)a, verb))
			snprintf(list + strlen(list), sizeof(list) - strlen(list), " %s",
				 fl_algo_info((enum fl_algo)a)->name);
	argp_error(state, "--algo=%s: want one of:%s", name, list);
}

static int take_verb(struct cr_conf *k, const char *arg)
{
	static const char *const verbs[] = {
		[CR_ENC] = "enc", [CR_DEC] = "dec", [CR_DIGEST] = "digest"
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(verbs); i++) {
		if (!strcmp(arg, verbs[i])) {
			k->verb = (enum cr_verb)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void check(struct cr_conf *k, struct argp_state *state)
{
	const char *name = k->algo_name;

	if (state->arg_num != 1)
		argp_error(state, "want enc, dec or digest");
	if (!name)
		argp_error(state, "no --algo");
	k->algo = fl_algo_find(name);
	if (!k->algo || !can(k->algo, k->verb))
		refuse_algo(state, name, k->verb);
	k->info = fl_algo_info(k->algo);
	if (k->info->kind != FL_KIND_DIGEST && !k->key_len)
		argp_error(state, "%s needs a --key", name);
	if (k->info->kind == FL_KIND_DIGEST && k->key_len)
		argp_error(state, "%s has no key: %s-hmac has one", name, name);
	if (k->iv_len != k->info->iv)
		argp_error(state, "%s needs an --iv of %u bytes, not %u", name, k->info->iv,
			   k->iv_len);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cr_conf *k = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &k->residency;
		return 0;
	case 'a':
		k->uri = arg;
		return 0;
	case 'c':
		k->algo_name = arg;
		return 0;
	case 'K':
		if (parse_hex(arg, k->key, sizeof(k->key), &k->key_len))
			argp_error(state, "--key: want up to %u bytes in hex", CR_KEY_MAX);
		return 0;
	case 'I':
		if (parse_hex(arg, k->iv, sizeof(k->iv), &k->iv_len))
			argp_error(state, "--iv: want up to %u bytes in hex", FL_IV_MAX);
		return 0;
	case 'i':
		k->in = strcmp(arg, "-") ? arg : NULL;
		return 0;
	case 'o':
		k->out = strcmp(arg, "-") ? arg : NULL;
		return 0;
	case 'n':
		k->nopad = true;
		return 0;
	case 't':
		k->timeout_ms = (unsigned)strtoul(arg, NULL, 10);
		if (!k->timeout_ms || k->timeout_ms > 600000)
			argp_error(state, "--timeout=%s: want 1 to 600000", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num || take_verb(k, arg))
			argp_error(state, "%s: want enc, dec or digest, once", arg);
		return 0;
	case ARGP_KEY_END:
		check(k, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- bytes ---------------------------------------------------------------------------- */

int cr_read(struct cr *c, struct cr_slot *s, bool *last)
{
	size_t have = 0, want = c->chunk + 1u;

	if (c->carry >= 0)
		s->seg.va[have++] = (uint8_t)c->carry;
	while (have < want) {
		ssize_t n = read(c->in, s->seg.va + have, want - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "Cannot read %s: %s\n", c->conf.in ? c->conf.in : "input",
				strerror(errno));
			return -EIO;
		}
		if (!n)
			break;
		have += (size_t)n;
	}
	*last = have < want;
	c->carry = *last ? -1 : s->seg.va[c->chunk];
	s->len = *last ? (uint32_t)have : c->chunk;
	return 0;
}

int cr_write(struct cr *c, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(c->out, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "Cannot write %s: %s\n",
				c->conf.out ? c->conf.out : "output", strerror(errno));
			return -EIO;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int open_files(struct cr *c)
{
	const struct cr_conf *k = &c->conf;

	c->in = k->in ? open(k->in, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (c->in < 0) {
		fprintf(stderr, "Cannot read %s: %s\n", k->in, strerror(errno));
		return -EIO;
	}
	c->out = k->out ? open(k->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
			: STDOUT_FILENO;
	if (c->out < 0) {
		fprintf(stderr, "Cannot write %s: %s\n", k->out, strerror(errno));
		return -EIO;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct argp_child children[] = { { &app_residency_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { .options = options,
				   .parser = parse,
				   .args_doc = "enc|dec|digest",
				   .doc = doc,
				   .children = children };
	struct cr c = {
		.carry = -1,
		.conf = { .uri = "soft:", .timeout_ms = 3000, .residency = APP_RESIDENCY_DEFAULT }
	};
	int ret;

	argp_program_version = "fl-crypt " FL_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &c.conf))
		return EXIT_FAILURE;
	ret = cr_open(&c);
	if (!ret)
		ret = open_files(&c);
	if (!ret)
		ret = c.conf.verb == CR_DIGEST ? cr_digest(&c) : cr_cipher(&c);
	cr_close(&c);
	if (!ret && c.conf.out && close(c.out)) {
		fprintf(stderr, "Cannot write %s: %s\n", c.conf.out, strerror(errno));
		ret = -EIO;
	}
	explicit_bzero(c.conf.key, sizeof(c.conf.key));
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
