/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-crypto compare ROUNDS SEED ALGORITHM...
 * vm-crypto load THREADS ALGORITHM...
 *
 * The kernel's crypto through AF_ALG, in a guest. compare: random keys, lengths, IVs and cuts; what
 * Linux's driver of the SEC2 answers has to be what the kernel's generic code answers, and a
 * message that was touched has to be refused. load: messages out and back until a signal ends it,
 * with counts on the way; a refusal is counted, a wrong answer too, and that alone is a failure.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define DATA_MAX    49152u
#define AAD_MAX	    256u
#define TAG_MAX	    64u
#define MESSAGE_MAX (AAD_MAX + DATA_MAX + TAG_MAX)
#define KEY_MAX	    256u
#define CUTS	    4u
#define REKEY	    4u /* rounds with one key */
#define THREADS_MAX 32u
#define AUTHENC_KEY 8u /* bytes before the keys: rtattr and the cipher key's length */
#define SEC	    "hisi_sec_"

enum kind { CIPHER, GCM, CCM, AUTHENC_KIND };

struct algo {
	const char *name, *generic;
	enum kind kind;
	unsigned iv, unit, least; /* unit: what lengths are multiples of */
	unsigned keys[3];
	unsigned tags[3];
};

/* clang-format off */
static const struct algo algos[] = {
	{ "ecb(aes)", "ecb(aes-generic)", CIPHER, 0, 16, 16, { 16, 24, 32 }, { 0 } },
	{ "cbc(aes)", "cbc(aes-generic)", CIPHER, 16, 16, 16, { 16, 24, 32 }, { 0 } },
	{ "ctr(aes)", "ctr(aes-generic)", CIPHER, 16, 1, 1, { 16, 24, 32 }, { 0 } },
	{ "xts(aes)", "xts(ecb(aes-generic))", CIPHER, 16, 1, 16, { 32, 48, 64 }, { 0 } },
	{ "cbc(sm4)", "cbc(sm4-generic)", CIPHER, 16, 16, 16, { 16, 16, 16 }, { 0 } },
	{ "ctr(sm4)", "ctr(sm4-generic)", CIPHER, 16, 1, 1, { 16, 16, 16 }, { 0 } },
	{ "xts(sm4)", "xts(ecb(sm4-generic))", CIPHER, 16, 1, 16, { 32, 32, 32 }, { 0 } },
	{ "ecb(des3_ede)", "ecb(des3_ede-generic)", CIPHER, 0, 8, 8, { 24, 24, 24 }, { 0 } },
	{ "cbc(des3_ede)", "cbc(des3_ede-generic)", CIPHER, 8, 8, 8, { 24, 24, 24 }, { 0 } },
	{ "gcm(aes)", "gcm_base(ctr(aes-generic),ghash-generic)",
	  GCM, 12, 1, 1, { 16, 24, 32 }, { 16, 12, 8 } },
	{ "ccm(aes)", "ccm_base(ctr(aes-generic),cbcmac(aes-generic))",
	  CCM, 16, 1, 1, { 16, 24, 32 }, { 16, 10, 4 } },
	{ "gcm(sm4)", "gcm_base(ctr(sm4-generic),ghash-generic)",
	  GCM, 12, 1, 1, { 16, 16, 16 }, { 16, 13, 4 } },
	{ "ccm(sm4)", "ccm_base(ctr(sm4-generic),cbcmac(sm4-generic))",
	  CCM, 16, 1, 1, { 16, 16, 16 }, { 16, 14, 6 } },
	{ "authenc(hmac(sha1),cbc(aes))", "authenc(hmac(sha1-generic),cbc(aes-generic))",
	  AUTHENC_KIND, 16, 16, 16, { 16, 24, 32 }, { 20, 12, 8 } },
	{ "authenc(hmac(sha256),cbc(aes))", "authenc(hmac(sha256-generic),cbc(aes-generic))",
	  AUTHENC_KIND, 16, 16, 16, { 16, 24, 32 }, { 32, 16, 12 } },
	{ "authenc(hmac(sha512),cbc(aes))", "authenc(hmac(sha512-generic),cbc(aes-generic))",
	  AUTHENC_KIND, 16, 16, 16, { 16, 24, 32 }, { 64, 32, 20 } },
};
/* clang-format on */

/* one implementation of an algorithm, and a request being made to it */
struct side {
	const char *name;
	int tfm, op;
};

/* what is asked for */
struct job {
	uint8_t key[KEY_MAX], iv[16];
	unsigned key_len, tag, aad, len; /* len: of the plain text */
};

static volatile sig_atomic_t stop;

static _Noreturn void die(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static uint32_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 16);
}

static void fill(uint8_t *p, size_t n, uint64_t *state)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(state);
}

static const struct algo *find(const char *name)
{
	for (size_t i = 0; i < sizeof(algos) / sizeof(*algos); i++)
		if (!strcmp(algos[i].name, name))
			return &algos[i];
	fprintf(stderr, "%s: not known here\n", name);
	exit(2);
}

/* ---- AF_ALG ------------------------------------------------------------------------------ */

static void side_open(struct side *s, const struct algo *a, const char *driver)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG };

	s->name = driver;
	s->op = -1;
	snprintf((char *)sa.salg_type, sizeof(sa.salg_type), "%s", a->kind ? "aead" : "skcipher");
	snprintf((char *)sa.salg_name, sizeof(sa.salg_name), "%s", driver);
	s->tfm = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->tfm < 0 || bind(s->tfm, (struct sockaddr *)&sa, sizeof(sa)))
		die("bind", driver);
}

static void side_idle(struct side *s)
{
	if (s->op >= 0)
		close(s->op);
	s->op = -1;
}

static void side_close(struct side *s)
{
	side_idle(s);
	close(s->tfm);
}

/* a request that failed may have left something in the socket */
static void side_fresh(struct side *s)
{
	side_idle(s);
	s->op = accept4(s->tfm, NULL, 0, SOCK_CLOEXEC);
	if (s->op < 0)
		die("accept", s->name);
}

static void side_key(struct side *s, const struct algo *a, const struct job *j)
{
	side_idle(s); /* the kernel refuses a key while there are requests' sockets */
	if (setsockopt(s->tfm, SOL_ALG, ALG_SET_KEY, j->key, j->key_len))
		die("key", s->name);
	if (a->kind && setsockopt(s->tfm, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, j->tag))
		die("tag size", s->name);
	side_fresh(s);
}

static void control_add(struct msghdr *m, struct cmsghdr **c, int type, const void *p, size_t n)
{
	*c = *c ? CMSG_NXTHDR(m, *c) : CMSG_FIRSTHDR(m);
	(*c)->cmsg_level = SOL_ALG;
	(*c)->cmsg_type = type;
	(*c)->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(*c), p, n);
}

/* the first piece says what is to be done */
static ssize_t send_first(struct side *s, const struct algo *a, const struct job *j, uint32_t what,
			  struct iovec *v, int flags)
{
	_Alignas(struct cmsghdr) uint8_t room[128] = { 0 };
	uint8_t iv[sizeof(struct af_alg_iv) + 16];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 1, .msg_control = room };
	struct cmsghdr *c = NULL;
	uint32_t len = a->iv, aad = j->aad;

	m.msg_controllen = CMSG_SPACE(sizeof(what)) +
			   (a->iv ? CMSG_SPACE(sizeof(len) + a->iv) : 0) +
			   (a->kind ? CMSG_SPACE(sizeof(aad)) : 0);
	control_add(&m, &c, ALG_SET_OP, &what, sizeof(what));
	memcpy(iv, &len, sizeof(len));
	memcpy(iv + sizeof(len), j->iv, a->iv);
	if (a->iv)
		control_add(&m, &c, ALG_SET_IV, iv, sizeof(len) + a->iv);
	if (a->kind)
		control_add(&m, &c, ALG_SET_AEAD_ASSOCLEN, &aad, sizeof(aad));
	return sendmsg(s->op, &m, flags);
}

/* cuts a buffer in at most CUTS pieces; how many */
static unsigned cut(struct iovec v[CUTS], uint8_t *p, size_t n, uint64_t *state)
{
	unsigned pieces = 0;

	while (n) {
		size_t len = pieces == CUTS - 1 ? n : 1 + rnd(state) % n;

		v[pieces++] = (struct iovec){ p, len };
		p += len;
		n -= len;
	}
	return pieces;
}

/* one request, in pieces either way; 0 or -errno */
static int request(struct side *s, const struct algo *a, const struct job *j, uint32_t what,
		   uint8_t *in, size_t in_len, uint8_t *out, size_t out_len, uint64_t *state)
{
	struct iovec v[CUTS];
	unsigned n = cut(v, in, in_len, state);
	ssize_t got;

	for (unsigned i = 0; i < n; i++) {
		int flags = i + 1 < n ? MSG_MORE : 0;

		got = i ? send(s->op, v[i].iov_base, v[i].iov_len, flags)
			: send_first(s, a, j, what, v, flags);
		if (got < 0)
			return -errno;
	}
	n = cut(v, out, out_len, state);
	got = recvmsg(s->op, &(struct msghdr){ .msg_iov = v, .msg_iovlen = n }, 0);
	if (got < 0)
		return -errno;
	return got == (ssize_t)out_len ? 0 : -EMSGSIZE;
}

/* ---- what is asked for ------------------------------------------------------------------- */

static void job_key(struct job *j, const struct algo *a, uint64_t *state)
{
	unsigned cipher = a->keys[rnd(state) % 3];
	/* the chip counts keys in words; what is longer than a block is hashed first */
	unsigned mac = a->kind == AUTHENC_KIND ? 4 + rnd(state) % 40 * 4 : 0;
	const uint8_t head[AUTHENC_KEY] = { 8, 0, 1, 0, 0, 0, 0, (uint8_t)cipher };
	unsigned at = a->kind == AUTHENC_KIND ? AUTHENC_KEY : 0;

	memcpy(j->key, head, at);
	fill(j->key + at, mac + cipher, state);
	j->key_len = at + mac + cipher;
	j->tag = a->tags[rnd(state) % 3];
}

static void job_message(struct job *j, const struct algo *a, uint64_t *state)
{
	static const unsigned most[] = { 64, 512, 600, 4096, 16384, DATA_MAX };
	unsigned n = rnd(state) % most[rnd(state) % 6];

	j->len = a->least + (n > a->least ? (n - a->least) / a->unit * a->unit : 0);
	j->aad = a->kind ? rnd(state) % (AAD_MAX + 1) : 0;
	fill(j->iv, sizeof(j->iv), state);
	if (a->kind ==
	    CCM) { /* the length of its length field, less one; 16 bits of length at least */
		j->iv[0] = (uint8_t)(1 + rnd(state) % 7);
		memset(j->iv + 15 - j->iv[0], 0, j->iv[0] + 1u);
	}
}

/* ---- compare ------------------------------------------------------------------------------ */

struct buffers {
	uint8_t plain[MESSAGE_MAX], sec[MESSAGE_MAX], generic[MESSAGE_MAX], back[MESSAGE_MAX];
};

static _Noreturn void differ(const struct algo *a, const struct job *j, const char *what, int err)
{
	fprintf(stderr, "%s: key %u, data %u, AAD %u, tag %u: %s", a->name, j->key_len, j->len,
		j->aad, j->tag, what);
	fprintf(stderr, err ? ": %s\n" : "\n", strerror(-err));
	exit(1);
}

static void must(const struct algo *a, const struct job *j, const char *what, int got, int want)
{
	if (got != want)
		differ(a, j, what, got);
}

static void refuses(struct side *s, const struct algo *a, const struct job *j, struct buffers *b,
		    uint64_t *state)
{
	size_t plain = j->aad + j->len;
	uint32_t bit = rnd(state) % (uint32_t)((plain + j->tag) * 8);

	b->sec[bit / 8] ^= (uint8_t)(1u << bit % 8);
	must(a, j, "a message that was touched",
	     request(s, a, j, ALG_OP_DECRYPT, b->sec, plain + j->tag, b->back, plain, state),
	     -EBADMSG);
	side_fresh(s);
}

static void once(struct side s[2], const struct algo *a, const struct job *j, struct buffers *b,
		 uint64_t *state)
{
	size_t plain = j->aad + j->len, sealed = plain + (a->kind ? j->tag : 0);

	fill(b->plain, plain, state);
	must(a, j, "encryption",
	     request(&s[0], a, j, ALG_OP_ENCRYPT, b->plain, plain, b->sec, sealed, state), 0);
	must(a, j, "generic encryption",
	     request(&s[1], a, j, ALG_OP_ENCRYPT, b->plain, plain, b->generic, sealed, state), 0);
	if (memcmp(b->sec, b->generic, sealed))
		differ(a, j, "encrypts to something else", 0);
	must(a, j, "decryption",
	     request(&s[0], a, j, ALG_OP_DECRYPT, b->sec, sealed, b->back, plain, state), 0);
	if (memcmp(b->back, b->plain, plain))
		differ(a, j, "does not decrypt to what it was", 0);
	if (a->kind)
		refuses(&s[0], a, j, b, state);
}

static void compare(const struct algo *a, unsigned rounds, uint64_t *state)
{
	char driver[64];
	struct side s[2];
	struct job j = { 0 };
	struct buffers *b = malloc(sizeof(*b));
	uint64_t bytes = 0;

	if (!b)
		die("memory", a->name);
	snprintf(driver, sizeof(driver), SEC "%s", a->name);
	side_open(&s[0], a, driver);
	side_open(&s[1], a, a->generic);
	for (unsigned i = 0; i < rounds; i++) {
		if (i % REKEY == 0) {
			job_key(&j, a, state);
			side_key(&s[0], a, &j);
			side_key(&s[1], a, &j);
		}
		job_message(&j, a, state);
		once(s, a, &j, b, state);
		bytes += j.len;
	}
	printf("%s: %u messages, %llu bytes, the same\n", a->name, rounds,
	       (unsigned long long)bytes);
	side_close(&s[0]);
	side_close(&s[1]);
	free(b);
}

/* ---- load --------------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	const struct algo *a;
	unsigned number;
	uint64_t good, refused, wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t state = w->number + 1;
	struct job j = { 0 };
	struct buffers *b = malloc(sizeof(*b));
	struct side s;
	char driver[64];

	if (!b)
		die("memory", w->a->name);
	snprintf(driver, sizeof(driver), SEC "%s", w->a->name);
	side_open(&s, w->a, driver);
	job_key(&j, w->a, &state);
	side_key(&s, w->a, &j);
	while (!stop) {
		size_t plain, sealed;

		job_message(&j, w->a, &state);
		plain = j.aad + j.len;
		sealed = plain + (w->a->kind ? j.tag : 0);
		fill(b->plain, plain, &state);
		if (request(&s, w->a, &j, ALG_OP_ENCRYPT, b->plain, plain, b->sec, sealed,
			    &state) ||
		    request(&s, w->a, &j, ALG_OP_DECRYPT, b->sec, sealed, b->back, plain, &state)) {
			__atomic_add_fetch(&w->refused, 1, __ATOMIC_RELAXED);
			side_fresh(&s);
			usleep(1000);
		} else {
			__atomic_add_fetch(memcmp(b->plain, b->back, plain) ? &w->wrong : &w->good,
					   1, __ATOMIC_RELAXED);
		}
	}
	side_close(&s);
	free(b);
	return NULL;
}

static int report(struct worker *w, unsigned n)
{
	uint64_t sum[3] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		sum[0] += __atomic_load_n(&w[i].good, __ATOMIC_RELAXED);
		sum[1] += __atomic_load_n(&w[i].refused, __ATOMIC_RELAXED);
		sum[2] += __atomic_load_n(&w[i].wrong, __ATOMIC_RELAXED);
	}
	printf("good %llu refused %llu wrong %llu\n", (unsigned long long)sum[0],
	       (unsigned long long)sum[1], (unsigned long long)sum[2]);
	return sum[2] != 0;
}

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int load(unsigned n, char **names, unsigned count)
{
	static struct worker w[THREADS_MAX];
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	for (unsigned i = 0; i < n; i++) {
		w[i].a = find(names[i % count]);
		w[i].number = i;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			die("thread", w[i].a->name);
	}
	while (!stop) {
		usleep(200000);
		report(w, n);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
	return report(w, n);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 4 && n && !strcmp(argv[1], "compare")) {
		uint64_t state = strtoull(argv[3], NULL, 0) | 1;

		for (int i = 4; i < argc; i++)
			compare(find(argv[i]), n, &state);
		return 0;
	}
	if (argc > 3 && n && n <= THREADS_MAX && !strcmp(argv[1], "load"))
		return load(n, argv + 3, (unsigned)argc - 3);
	fprintf(stderr, "vm-crypto compare ROUNDS SEED ALGORITHM... | load THREADS ALGORITHM...\n");
	return 2;
}
