/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crypto service with more lazy buffers than memory: it works through all of them again and
 * again, in place, and looks at every byte before and after. pressure.py sets the limit.
 *
 *	pressure [-u URI] [-b MiB] [-p passes] [-f FILE] [-d discards] [-m maps]
 *		[-r MiB that the device may keep]
 *	pressure -s MiB		takes that much memory and gives it back, until it is killed
 *
 * A block's bytes follow from its number and how often the device had it: plain text, or (odd) the
 * same under AES-CTR. Who has claimed a block may look at its bytes.
 */
#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fl_crypto.h>
#include <fl_model.h>
#include <fl_residency.h>
#include <fl_base.h>

#define MIB   (1ull << 20)
#define BLOCK (256u << 10)
#define DEPTH 8
#define PAGE  4096u

#define NEED(what)                                                                   \
	do {                                                                         \
		if (!(what)) {                                                       \
			fprintf(stderr, "pressure: line %d: %s\n", __LINE__, #what); \
			_exit(1); /* what others still do must not hide it */        \
		}                                                                    \
	} while (0)

static const uint8_t key[16] = "0123456789abcdef";

struct block {
	atomic_bool claimed;
	bool filled;
	unsigned times;	   /* that the device had it */
	unsigned given_up; /* times, when some of it last was */
};

/* Memory that is worked through. */
struct ground {
	uint8_t *va;
	struct fl_dma_area *area;
	struct block *blocks;
	unsigned n;
};

/* Who works: a thread with its queue pair. */
struct worker {
	struct service *s;
	struct fl_qp *qp;
	struct fl_op *ops[DEPTH];
	struct fl_seg segs[DEPTH];
	unsigned block[DEPTH];
	struct fl_op *free[DEPTH];
	unsigned nfree;
	EVP_CIPHER_CTX *evp;
	uint8_t *want;
	uint64_t seed, done;
};

struct service {
	struct fl_ctx *ctx;
	struct fl_cryptodev *dev;
	struct fl_session *session;
	struct fl_op_pool *pool;
	struct ground ground;
	unsigned discards, maps;
	atomic_uint helpers; /* that are still at work */
};

static uint64_t rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* ---- what a block must hold ------------------------------------------------------------- */

static void iv_of(uint8_t iv[16], unsigned block)
{
	memset(iv, 0, 16);
	memcpy(iv, &block, sizeof(block));
}

static void expect(struct worker *w, unsigned block, unsigned times)
{
	uint64_t x = (block + 1) * 0x9e3779b97f4a7c15ull, *to = (uint64_t *)w->want;
	uint8_t iv[16];
	int n;

	for (unsigned i = 0; i < BLOCK / sizeof(*to); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		to[i] = x;
	}
	if (!(times & 1))
		return;
	iv_of(iv, block);
	NEED(EVP_EncryptInit_ex(w->evp, NULL, NULL, NULL, iv));
	NEED(EVP_EncryptUpdate(w->evp, w->want, &n, w->want, BLOCK) && n == BLOCK);
}

static void check(struct worker *w, const struct ground *g, unsigned block)
{
	expect(w, block, g->blocks[block].times);
	NEED(!memcmp(g->va + (uint64_t)block * BLOCK, w->want, BLOCK));
}

static void fill(struct worker *w, struct ground *g, unsigned block)
{
	expect(w, block, 0);
	memcpy(g->va + (uint64_t)block * BLOCK, w->want, BLOCK);
	g->blocks[block].filled = true;
}

/* ---- the work --------------------------------------------------------------------------- */

static bool claim(struct ground *g, unsigned block)
{
	return !atomic_exchange_explicit(&g->blocks[block].claimed, true, memory_order_acquire);
}

static void release(struct ground *g, unsigned block)
{
	atomic_store_explicit(&g->blocks[block].claimed, false, memory_order_release);
}

static void worker_open(struct worker *w, struct service *s, uint16_t qp)
{
	*w = (struct worker){ .s = s, .qp = fl_cryptodev_qp(s->dev, qp), .seed = qp + 1 };
	w->evp = EVP_CIPHER_CTX_new();
	w->want = malloc(BLOCK);
	NEED(w->evp && w->want);
	NEED(EVP_EncryptInit_ex(w->evp, EVP_aes_128_ctr(), NULL, key, NULL));
	NEED(fl_op_alloc(s->pool, w->ops, DEPTH) == DEPTH);
	for (unsigned i = 0; i < DEPTH; i++)
		w->free[w->nfree++] = w->ops[i];
}

static void worker_close(struct worker *w)
{
	fl_op_free(w->ops, DEPTH);
	EVP_CIPHER_CTX_free(w->evp);
	free(w->want);
}

static void give(struct worker *w, struct ground *g, unsigned block)
{
	struct fl_op *op = w->free[--w->nfree];
	unsigned i = 0;

	while (w->ops[i] != op)
		i++;
	w->block[i] = block;
	w->segs[i] = (struct fl_seg){ g->va + (uint64_t)block * BLOCK, g->area, BLOCK };
	op->session = w->s->session;
	op->src = &w->segs[i];
	op->nsrc = 1;
	op->dst = NULL;
	op->ndst = 0;
	op->cipher_off = 0;
	op->cipher_len = BLOCK;
	op->user = i;
	iv_of(op->iv, block);
	while (!fl_op_enqueue(w->qp, &op, 1))
		sched_yield();
}

static void take(struct worker *w, struct ground *g)
{
	struct fl_op *done[DEPTH];
	uint64_t begin = fl_now_ns();
	uint16_t n;

	while (!(n = fl_op_dequeue(w->qp, done, DEPTH))) {
		NEED(fl_now_ns() - begin < 60000000000ull);
		sched_yield();
	}
	for (uint16_t i = 0; i < n; i++) {
		unsigned block = w->block[done[i]->user];

		if (done[i]->status != FL_OP_OK)
			fprintf(stderr, "pressure: %s\n", fl_op_status_name(done[i]->status));
		NEED(done[i]->status == FL_OP_OK);
		g->blocks[block].times++;
		check(w, g, block);
		release(g, block);
		w->free[w->nfree++] = done[i];
		w->done++;
	}
}

static void prepare(struct ground *g)
{
	g->n = (unsigned)(g->area->len / BLOCK);
	g->va = g->area->va;
	g->blocks = calloc(g->n, sizeof(*g->blocks));
	NEED(g->blocks);
}

/* Every block once; it gets its bytes when its turn comes. */
static void pass(struct worker *w, struct ground *g)
{
	for (unsigned b = 0; b < g->n; b++) {
		while (!w->nfree)
			take(w, g);
		while (!claim(g, b))
			sched_yield();
		if (g->blocks[b].filled)
			check(w, g, b);
		else
			fill(w, g, b);
		give(w, g, b);
	}
	while (w->nfree < DEPTH)
		take(w, g);
}

/* ---- who disturbs it -------------------------------------------------------------------- */

static bool claim_used(struct ground *g, unsigned block)
{
	if (!claim(g, block))
		return false;
	if (g->blocks[block].times != g->blocks[block].given_up)
		return true;
	release(g, block);
	return false;
}

/*
 * Takes a range from the device wherever it is at work, and gives up another of an idle block that
 * the device had since the last time, so that each costs it a fault.
 */
static void discard_some(struct worker *w, struct ground *g)
{
	unsigned block = (unsigned)(rnd(&w->seed) % g->n), first, n;
	uint64_t at;

	first = (unsigned)(rnd(&w->seed) % (BLOCK / PAGE));
	n = 1 + (unsigned)(rnd(&w->seed) % (BLOCK / PAGE - first));
	at = (uint64_t)block * BLOCK + first * PAGE;
	NEED(!fl_mem_revoke(g->area, at, n * PAGE));
	while (!claim_used(g, block)) {
		block = (block + 1) % g->n;
		sched_yield();
	}
	g->blocks[block].given_up = g->blocks[block].times;
	at = (uint64_t)block * BLOCK + first * PAGE;
	NEED(!fl_mem_discard(g->area, at, n * PAGE));
	for (unsigned i = 0; i < n * PAGE; i++)
		NEED(!g->va[at + i]);
	expect(w, block, g->blocks[block].times);
	memcpy(g->va + at, w->want + first * PAGE, n * PAGE);
	release(g, block);
}

static void *discard(void *arg)
{
	struct service *s = arg;
	struct worker w;

	worker_open(&w, s, 0); /* for its bytes; it gives the queue pair nothing */
	for (unsigned i = 0; i < s->discards; i++)
		discard_some(&w, &s->ground);
	worker_close(&w);
	s->helpers--;
	return NULL;
}

/* An area that comes, is worked on by a queue pair of its own, and goes. */
static void map_some(struct worker *w)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct fl_dma_space *space = fl_ctx_space(w->s->ctx);
	struct ground g = { 0 };
	struct fl_mem *m;

	NEED(!fl_mem_alloc((1 + rnd(&w->seed) % 8) * BLOCK, NULL, &m));
	NEED(!fl_dma_map(space, m, &o, &g.area));
	prepare(&g);
	if (rnd(&w->seed) & 1)
		NEED(!fl_mem_prefault(g.area, 0, g.area->len, FL_PREFAULT_WRITE));
	pass(w, &g);
	pass(w, &g);
	NEED(!fl_dma_unmap(g.area));
	fl_mem_free(m);
	free(g.blocks);
}

static void *map(void *arg)
{
	struct service *s = arg;
	struct worker w;

	worker_open(&w, s, 1);
	for (unsigned i = 0; i < s->maps; i++)
		map_some(&w);
	worker_close(&w);
	s->helpers--;
	return NULL;
}

/* ---- set-up ----------------------------------------------------------------------------- */

static void service_open(struct service *s, const char *uri)
{
	struct fl_session_conf conf = { .type = FL_CRYPTO_CIPHER,
					.encrypt = true,
					.cipher = FL_AES_CTR,
					.key = key,
					.key_len = sizeof(key) };

	NEED(!fl_ctx_create(NULL, &s->ctx));
	NEED(!fl_model_enable(s->ctx, NULL));
	NEED(!fl_cryptodev_open(s->ctx, uri, &s->dev));
	NEED(!fl_cryptodev_configure(s->dev, 2));
	NEED(!fl_qp_setup(s->dev, 0, NULL) && !fl_qp_setup(s->dev, 1, NULL));
	NEED(!fl_cryptodev_start(s->dev));
	NEED(!fl_session_create(s->dev, &conf, &s->session));
	NEED(!fl_op_pool_create(s->ctx, 4 * DEPTH, &s->pool));
}

static void service_close(struct service *s)
{
	NEED(!fl_cryptodev_stop(s->dev));
	fl_session_destroy(s->session);
	NEED(!fl_op_pool_destroy(s->pool));
	fl_cryptodev_close(s->dev);
	NEED(!fl_ctx_destroy(s->ctx));
}

static struct fl_mem *memory(uint64_t len, const char *file)
{
	struct fl_mem *m;
	void *va;
	int fd;

	if (!file) {
		NEED(!fl_mem_alloc(len, NULL, &m));
		return m;
	}
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	NEED(fd >= 0 && !unlink(file) && !ftruncate(fd, (off_t)len));
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(va != MAP_FAILED);
	NEED(!fl_mem_wrap(va, len, fd, 0, NULL, &m));
	close(fd);
	return m;
}

static void tell(const struct service *s, const struct worker *w, unsigned passes)
{
	struct fl_residency_stats st;
	struct rusage u;

	fl_mem_residency_stats(s->ground.area, &st);
	NEED(st.discards == s->discards && st.faults >= s->discards);
	getrusage(RUSAGE_SELF, &u);
	printf("{\"bytes\": %llu, \"passes\": %u, \"ops\": %llu, \"faults\": %llu, "
	       "\"fault_pages\": %llu, \"discards\": %llu, \"major_faults\": %ld, "
	       "\"max_rss\": %llu}\n",
	       (unsigned long long)s->ground.area->len, passes, (unsigned long long)w->done,
	       (unsigned long long)st.faults, (unsigned long long)st.fault_pages,
	       (unsigned long long)st.discards, u.ru_majflt, u.ru_maxrss * 1024ull);
}

static void steal(uint64_t len)
{
	for (;;) {
		uint8_t *va =
			mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		NEED(va != MAP_FAILED);
		for (uint64_t i = 0; i < len; i += PAGE)
			va[i] = 1;
		usleep(20000);
		munmap(va, len);
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	const char *uri = "model:hisi_sec", *file = NULL;
	uint64_t len = 64 * MIB;
	unsigned passes = 2, done = 1;
	struct fl_residency_opts r = { 0 };
	struct service s = { 0 };
	struct fl_mem *m;
	struct worker w;
	pthread_t t[2];
	int c;

	while ((c = getopt(argc, argv, "u:b:p:f:d:m:r:s:")) > 0) {
		if (c == 'u')
			uri = optarg;
		else if (c == 'b')
			len = strtoull(optarg, NULL, 0) * MIB;
		else if (c == 'p')
			passes = (unsigned)atoi(optarg);
		else if (c == 'f')
			file = optarg;
		else if (c == 'd')
			s.discards = (unsigned)atoi(optarg);
		else if (c == 'm')
			s.maps = (unsigned)atoi(optarg);
		else if (c == 'r')
			r.budget = strtoull(optarg, NULL, 0) * MIB;
		else if (c == 's')
			steal(strtoull(optarg, NULL, 0) * MIB);
		else
			return 2;
	}
	service_open(&s, uri);
	NEED(!fl_dma_residency_set(fl_ctx_space(s.ctx), &r));
	m = memory(len, file);
	NEED(!fl_dma_map(fl_ctx_space(s.ctx), m, &o, &s.ground.area));
	worker_open(&w, &s, 0);
	prepare(&s.ground);
	s.helpers = (s.discards > 0) + (s.maps > 0);
	NEED(!s.discards || !pthread_create(&t[0], NULL, discard, &s));
	NEED(!s.maps || !pthread_create(&t[1], NULL, map, &s));
	while (done < passes || s.helpers) {
		pass(&w, &s.ground);
		done++;
	}
	NEED(!s.discards || !pthread_join(t[0], NULL));
	NEED(!s.maps || !pthread_join(t[1], NULL));
	pass(&w, &s.ground);
	tell(&s, &w, done);
	worker_close(&w);
	NEED(!fl_dma_unmap(s.ground.area));
	fl_mem_free(m);
	free(s.ground.blocks);
	service_close(&s);
	return 0;
}
