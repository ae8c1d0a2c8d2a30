/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-density pinned|lazy SECONDS URI...
 *
 * Processes, with a SEC of its own each, that own 64 MiB of DMA buffers and use 4 MiB of them in
 * turn: write half of that, have the device encipher it into the other half, and look at every
 * byte. Who has lazy buffers gives back what it leaves. They are started one by one, and sit on
 * their first 4 MiB, until one cannot start or run, or there are no more devices. As many as ran
 * before that are then started anew, and work for so many seconds. Prints JSON; fails when a byte
 * was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <fl_base.h>
#include <fl_crypto.h>
#include <fl_residency.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB	  (1u << 20)
#define OWNED	  (64u * MIB)
#define TURN	  (4u * MIB)
#define HALF	  (TURN / 2)
#define CHUNK	  (64u << 10)
#define DEPTH	  8u
#define START_MS  60000u
#define SILENT_NS 30000000000ull

/* who failed says so in what it exits with; all else is the system's verdict */
enum { WELL, REFUSED, WRONG };
enum { STARTING, READY };

/* between the parent and its processes */
struct shared {
	_Atomic unsigned phase; /* 0: sit, 1: work, 2: end */
	struct slot {
		_Atomic unsigned state;
		_Atomic uint64_t turns;
		uint64_t start_ns;
		pid_t pid; /* 0: gone */
	} slot[];
};

struct work {
	bool lazy;
	unsigned id;
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;
	struct fl_qp *qp;
	struct fl_session *s;
	struct fl_op_pool *pool;
	struct fl_op *ops[DEPTH];
	struct fl_seg seg[DEPTH][2];
	struct fl_mem *mem;
	struct fl_dma_area *area;
	uint64_t stream[CHUNK / 8];
};

static const uint8_t key[16] = "sixteen bytes it", iv[FL_IV_MAX];

static _Noreturn void give_up(int how, const char *what, int rc)
{
	fprintf(stderr, "%d: %s: %s\n", getpid(), what, rc ? strerror(-rc) : "failed");
	_exit(how);
}

/* ---- a process ---------------------------------------------------------------------------- */

static void need(const char *what, int rc)
{
	if (rc)
		give_up(REFUSED, what, rc);
}

/* what the device makes of zeros, by another's reckoning */
static void make_stream(uint64_t stream[CHUNK / 8])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	memset(stream, 0, CHUNK);
	if (!c || EVP_EncryptInit_ex(c, EVP_aes_128_ctr(), NULL, key, iv) != 1 ||
	    EVP_EncryptUpdate(c, (uint8_t *)stream, &n, (uint8_t *)stream, CHUNK) != 1)
		give_up(REFUSED, "key stream", 0);
	EVP_CIPHER_CTX_free(c);
}

static void start(struct work *w, const char *uri)
{
	const struct fl_session_conf c = { .type = FL_CRYPTO_CIPHER,
					   .encrypt = true,
					   .cipher = FL_AES_CTR,
					   .key = key,
					   .key_len = sizeof(key) };
	const struct fl_qp_conf q = { .desc = 64, .node = -1 };
	const struct fl_dma_opts o = { .residency = w->lazy ? FL_LAZY : FL_PINNED };
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1 };

	need("context", fl_ctx_create(NULL, &w->ctx));
	need("open", fl_cryptodev_open(w->ctx, uri, &w->d));
	need("configure", fl_cryptodev_configure(w->d, 1));
	need("queue pair", fl_qp_setup(w->d, 0, &q));
	need("start", fl_cryptodev_start(w->d));
	need("session", fl_session_create(w->d, &c, &w->s));
	need("ops", fl_op_pool_create(w->ctx, DEPTH, &w->pool));
	if (fl_op_alloc(w->pool, w->ops, DEPTH) != DEPTH)
		give_up(REFUSED, "ops", -ENOMEM);
	w->qp = fl_cryptodev_qp(w->d, 0);
	need("memory", fl_mem_alloc(OWNED, &mo, &w->mem));
	need("map", fl_dma_map(fl_ctx_space(w->ctx), w->mem, &o, &w->area));
}

static void end(struct work *w)
{
	fl_session_destroy(w->s);
	fl_cryptodev_close(w->d);
	fl_op_free(w->ops, DEPTH);
	need("end of the ops", fl_op_pool_destroy(w->pool));
	need("unmap", fl_dma_unmap(w->area));
	fl_mem_free(w->mem);
	need("end of the context", fl_ctx_destroy(w->ctx));
}

static void give(struct work *w, unsigned i, uint8_t *src, uint8_t *dst)
{
	struct fl_op *op = w->ops[i % DEPTH];
	struct fl_seg *seg = w->seg[i % DEPTH];

	seg[0] = (struct fl_seg){ src + (size_t)i * CHUNK, w->area, CHUNK };
	seg[1] = (struct fl_seg){ dst + (size_t)i * CHUNK, w->area, CHUNK };
	op->session = w->s;
	op->src = &seg[0];
	op->dst = &seg[1];
	op->nsrc = op->ndst = 1;
	op->cipher_off = 0;
	op->cipher_len = CHUNK;
	memcpy(op->iv, iv, sizeof(iv));
	if (fl_op_enqueue(w->qp, &op, 1) != 1)
		give_up(WRONG, "a request is not taken", 0);
}

static void encipher(struct work *w, uint8_t *src, uint8_t *dst)
{
	unsigned given = 0, taken = 0;
	uint64_t last = fl_now_ns();

	while (taken < HALF / CHUNK) {
		struct fl_op *op;

		for (; given < HALF / CHUNK && given - taken < DEPTH; given++)
			give(w, given, src, dst);
		if (fl_op_dequeue(w->qp, &op, 1)) {
			if (op->status != FL_OP_OK)
				give_up(WRONG, fl_op_status_name((enum fl_op_status)op->status), 0);
			taken++;
			last = fl_now_ns();
			continue;
		}
		if (fl_now_ns() - last > SILENT_NS)
			give_up(WRONG, "no answer", -ETIMEDOUT);
		fl_ctx_dispatch(w->ctx, 0);
		usleep(500); /* there are many more of us than CPUs, and who resolves needs one */
	}
}

/* the n-th 4 MiB that it uses */
static void turn(struct work *w, uint64_t n)
{
	uint8_t *base = (uint8_t *)w->area->va + n % (OWNED / TURN) * TURN;
	uint64_t *src = (uint64_t *)base, *dst = (uint64_t *)(base + HALF);

	for (uint64_t i = 0; i < HALF / 8; i++)
		src[i] = (uint64_t)w->id << 48 | n << 24 | i;
	encipher(w, base, base + HALF);
	for (uint64_t i = 0; i < HALF / 8; i++) {
		const uint64_t want =
			((uint64_t)w->id << 48 | n << 24 | i) ^ w->stream[i % (CHUNK / 8)];

		if (dst[i] != want)
			give_up(WRONG, "a byte", 0);
	}
}

static void leave(struct work *w, uint64_t n)
{
	if (w->lazy)
		need("discard", fl_mem_discard(w->area, n % (OWNED / TURN) * TURN, TURN));
}

static void process(struct shared *sh, struct slot *me, const char *uri, bool lazy, unsigned id)
{
	static struct work w;
	uint64_t n = 0;

	w.lazy = lazy;
	w.id = id;
	make_stream(w.stream);
	start(&w, uri);
	me->start_ns = fl_now_ns() - me->start_ns;
	turn(&w, n);
	atomic_store(&me->state, READY);
	while (!atomic_load(&sh->phase))
		usleep(20000);
	while (atomic_load(&sh->phase) == 1) {
		leave(&w, n);
		turn(&w, ++n);
		atomic_store(&me->turns, n);
	}
	end(&w);
	_exit(WELL);
}

/* ---- all of them -------------------------------------------------------------------------- */

static void oom_score(int score)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);
	int n = snprintf(text, sizeof(text), "%d", score);

	if (fd < 0 || write(fd, text, (size_t)n) != n)
		perror("oom_score_adj");
	close(fd);
}

/* those that have ended: how many; a wrong byte is the end of all */
static unsigned buried(struct shared *sh, unsigned n)
{
	unsigned dead = 0;

	for (unsigned i = 0; i < n; i++) {
		struct slot *s = &sh->slot[i];
		int status;

		if (!s->pid || waitpid(s->pid, &status, WNOHANG) != s->pid)
			continue;
		s->pid = 0;
		dead++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == WRONG) {
			fprintf(stderr, "process %u of %u was wrong\n", i, n);
			exit(1); /* the others end with us */
		}
	}
	return dead;
}

static unsigned alive(const struct shared *sh, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += sh->slot[i].pid && atomic_load(&sh->slot[i].state) == READY;
	return sum;
}

/* false: it could not, or another had to go for it */
static bool one_more(struct shared *sh, unsigned i, const char *uri, bool lazy)
{
	struct slot *s = &sh->slot[i];
	pid_t pid;

	s->start_ns = fl_now_ns();
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		oom_score(1000);
		process(sh, s, uri, lazy, i);
	}
	s->pid = pid;
	for (unsigned ms = 0; ms < START_MS; ms += 10) {
		if (buried(sh, i + 1))
			return false;
		if (atomic_load(&s->state) == READY)
			return true;
		usleep(10000);
	}
	kill(s->pid, SIGKILL);
	return false;
}

static uint64_t turns(const struct shared *sh, unsigned n, uint64_t *least)
{
	uint64_t sum = 0;

	*least = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		uint64_t t = atomic_load(&sh->slot[i].turns);

		if (!sh->slot[i].pid)
			continue;
		sum += t;
		*least = t < *least ? t : *least;
	}
	return sum;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median_start(const struct shared *sh, unsigned n)
{
	uint64_t *v = calloc(n + 1, sizeof(*v)), m;
	unsigned k = 0;

	for (unsigned i = 0; v && i < n; i++)
		if (atomic_load(&sh->slot[i].state) == READY)
			v[k++] = sh->slot[i].start_ns;
	if (v)
		qsort(v, k, sizeof(*v), by_size);
	m = v ? v[k / 2] : 0;
	free(v);
	return m;
}

/* what could be given out now, MiB */
static unsigned long available(void)
{
	char line[128];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f) && !sscanf(line, "MemAvailable: %lu", &kib))
		;
	if (f)
		fclose(f);
	return kib >> 10;
}

/* the first n; how many there were until one could not */
static unsigned start_all(struct shared *sh, char **uri, unsigned n, bool lazy)
{
	for (unsigned i = 0; i < n; i++)
		if (!one_more(sh, i, uri[i], lazy))
			return i;
	return n;
}

static unsigned left(const struct shared *sh, unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += sh->slot[i].pid != 0;
	return sum;
}

static void end_all(struct shared *sh, unsigned n)
{
	atomic_store(&sh->phase, 2);
	for (unsigned ms = 0; left(sh, n) && ms < START_MS; ms += 10) {
		buried(sh, n);
		usleep(10000);
	}
	if (left(sh, n)) {
		fprintf(stderr, "%u processes do not end\n", left(sh, n));
		exit(1);
	}
	memset(sh, 0, sizeof(*sh) + n * sizeof(sh->slot[0]));
}

int main(int argc, char **argv)
{
	const bool lazy = argc > 3 && !strcmp(argv[1], "lazy");
	const unsigned devices = (unsigned)(argc - 3),
		       seconds = argc > 3 ? (unsigned)atoi(argv[2]) : 0;
	const unsigned long free_before = available();
	unsigned long free_after;
	struct shared *sh;
	unsigned n = devices, sat, ran;
	uint64_t sum, least, ns, start_ns;

	if (argc < 4 || !seconds || (!lazy && strcmp(argv[1], "pinned"))) {
		fprintf(stderr, "usage: vm-density pinned|lazy SECONDS URI...\n");
		return 2;
	}
	sh = mmap(NULL, sizeof(*sh) + devices * sizeof(sh->slot[0]), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	oom_score(-1000);
	while ((sat = start_all(sh, argv + 3, n, lazy)) < n) {
		end_all(sh, n);
		n = sat;
	}
	free_after = available();
	ns = fl_now_ns();
	atomic_store(&sh->phase, 1);
	for (unsigned s = 0; s < seconds * 10; s++) {
		usleep(100000);
		buried(sh, n);
	}
	ran = alive(sh, n);
	sum = turns(sh, n, &least);
	ns = fl_now_ns() - ns;
	start_ns = median_start(sh, n);
	end_all(sh, n);
	printf("{\"residency\": \"%s\", \"processes\": %u, \"devices\": %u, \"owned_mib\": %u, "
	       "\"used_mib\": %u, \"start_ms\": %.1f, \"mib_per_s\": %.2f, \"turns\": %llu, "
	       "\"least_turns\": %llu, \"available_mib\": [%lu, %lu]}\n",
	       argv[1], ran, devices, OWNED / MIB, TURN / MIB, (double)start_ns / 1e6,
	       (double)(sum * HALF) / MIB / ((double)ns / 1e9), (unsigned long long)sum,
	       (unsigned long long)(ran ? least : 0), free_before, free_after);
	return 0;
}
