/* SPDX-License-Identifier: BSD-3-Clause */
/* vm-fault: device, buffers, and what is counted of the process. */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <fl_model.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint8_t key[16] = "sixteen bytes it";

void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("WRONG: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

void must(const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return;
	if (got < 0 && got > -4096)
		fail("%s: %s, expected %" PRId64, what, strerror((int)-got), want);
	fail("%s: %" PRId64 ", expected %" PRId64, what, got, want);
}

void between(const char *what, uint64_t got, uint64_t least, uint64_t most)
{
	if (got < least || got > most)
		fail("%s: %" PRIu64 ", expected %" PRIu64 " to %" PRIu64, what, got, least, most);
}

/* ---- what is counted ------------------------------------------------------------------------ */

uint64_t locked(void)
{
	struct fl_mem_usage u;

	must("usage", fl_mem_usage(&u), 0);
	return u.vm_lck + u.vm_pin;
}

int64_t vmstat(const char *name)
{
	char line[128], found[64];
	FILE *f = fopen("/proc/vmstat", "r");
	long long n = -1, v;

	if (!f)
		fail("/proc/vmstat: %s", strerror(errno));
	while (n < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lld", found, &v) == 2 && !strcmp(found, name))
			n = v;
	fclose(f);
	return n;
}

static void *sample(void *arg)
{
	struct sampler *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t now = locked();

		if (now > s->most)
			__atomic_store_n(&s->most, now, __ATOMIC_RELAXED);
		s->looks++;
		usleep(3000);
	}
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	struct rig *r = arg;

	r->errors += ev == FL_CRYPTO_ERROR;
	r->removed += ev == FL_CRYPTO_REMOVED;
	r->requests += ev == FL_CRYPTO_REQUEST;
}

void dev_open(struct rig *r)
{
	const struct fl_session_conf c = { .type = FL_CRYPTO_CIPHER,
					   .encrypt = true,
					   .cipher = FL_AES_CTR,
					   .key = key,
					   .key_len = sizeof(key) };
	const struct fl_qp_conf q = { .desc = 64, .node = -1 };
	struct fl_op *ops[2 * DEPTH];

	must("open", fl_cryptodev_open(r->ctx, r->uri, &r->d), 0);
	fl_cryptodev_on_event(r->d, on_event, r);
	must("configure", fl_cryptodev_configure(r->d, 2), 0);
	for (uint16_t i = 0; i < 2; i++)
		must("queue pair", fl_qp_setup(r->d, i, &q), 0);
	must("start", fl_cryptodev_start(r->d), 0);
	must("session", fl_session_create(r->d, &c, &r->s), 0);
	must("pool", fl_op_pool_create(r->ctx, 2 * DEPTH, &r->pool), 0);
	must("ops", fl_op_alloc(r->pool, ops, 2 * DEPTH), 2 * DEPTH);
	for (uint16_t i = 0; i < 2; i++) {
		struct lane *l = &r->lane[i];

		*l = (struct lane){ .r = r, .qp = fl_cryptodev_qp(r->d, i) };
		memcpy(l->ops, ops + i * DEPTH, sizeof(l->ops));
	}
}

void dev_close(struct rig *r)
{
	fl_session_destroy(r->s);
	fl_cryptodev_close(r->d);
	for (unsigned i = 0; i < 2; i++)
		fl_op_free(r->lane[i].ops, DEPTH);
	must("end of the pool", fl_op_pool_destroy(r->pool), 0);
}

void rig_open(struct rig *r)
{
	const struct fl_ctx_opts o = { .polls = r->polls };
	const char *by;

	must("context", fl_ctx_create(&o, &r->ctx), 0);
	must("models", fl_model_enable(r->ctx, NULL), 0);
	r->space = fl_ctx_space(r->ctx);
	dev_open(r);
	if (!fl_dev_faults(fl_cryptodev_dev(r->d)))
		fail("%s takes no faults", r->uri);
	by = fl_dev_transport(fl_cryptodev_dev(r->d));
	r->kernel = !strcmp(by, "container");
	r->pins = !strcmp(by, "iommufd");
	r->budget = r->budget ? r->budget : BUDGET;
	if (r->pins)
		must("budget",
		     fl_dma_residency_set(r->space,
					  &(struct fl_residency_opts){ .budget = r->budget }),
		     0);
	r->base = locked();
	must("sampler", pthread_create(&r->sampler.thread, NULL, sample, &r->sampler), 0);
}

static void check_locked(struct rig *r)
{
	struct sampler *s = &r->sampler;

	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	between("looks at VmLck and VmPin", s->looks, 1, UINT64_MAX);
	printf("locked %" PRIu64 " KiB at most, beside %" PRIu64 " KiB before, in %" PRIu64
	       " looks\n",
	       (s->most > r->base ? s->most - r->base : 0) >> 10, r->base >> 10, s->looks);
	if (s->most > r->base)
		between("locked for the buffers", s->most - r->base, 0,
			(r->pins ? r->budget : 0) + r->allows);
}

void rig_close(struct rig *r)
{
	if (r->sampler.thread)
		check_locked(r);
	dev_close(r);
	must("end of the context", fl_ctx_destroy(r->ctx), 0);
	must("locked in the end", (int64_t)locked(), 0);
	must("errors of the device", r->errors, 0);
}

/* ---- buffers --------------------------------------------------------------------------------- */

static uint8_t *take_own(uint64_t len)
{
	uint8_t *all = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *va = (uint8_t *)fl_align_up((uintptr_t)all, HUGE);

	if (all == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	munmap(all, (size_t)(va - all));
	munmap(va + len, (size_t)(all + HUGE - va));
	return va;
}

static uint8_t *take_file(const struct rig *r, struct buf *b, uint64_t len)
{
	char path[256];
	uint8_t *va;

	snprintf(path, sizeof(path), "%s/vm-fault.XXXXXX", r->folder);
	b->fd = mkstemp(path);
	if (b->fd < 0 || unlink(path) || ftruncate(b->fd, (off_t)len))
		fail("%s: %s", path, strerror(errno));
	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
	if (va == MAP_FAILED)
		fail("mmap of a file: %s", strerror(errno));
	return va;
}

void buf_open(struct rig *r, struct buf *b, uint64_t len, enum kind kind)
{
	const struct fl_mem_opts m = { .kind = kind == HUGETLB ? FL_MEM_HUGETLB : FL_MEM_MEMFD,
				       .node = -1 };
	const struct fl_dma_opts o = { .residency = FL_LAZY };

	*b = (struct buf){ .fd = -1, .len = len, .id = ++r->bufs };
	b->gen = calloc(len / PAGE, 1);
	if (!b->gen)
		fail("no memory");
	if (kind == OWN || kind == FILED) {
		b->va = kind == OWN ? take_own(len) : take_file(r, b, len);
		/* where the library may copy: not told of the file, so that it cannot be shared */
		must("wrap", fl_mem_wrap(b->va, len, b->fd, 0, NULL, &b->mem), 0);
	} else {
		must("memory", fl_mem_alloc(len, &m, &b->mem), 0);
	}
	must("map", fl_dma_map(r->space, b->mem, &o, &b->area), 0);
	b->va = b->area->va;
}

void buf_close(struct buf *b)
{
	struct fl_mem_info i;

	if (!b->mem)
		return;
	fl_mem_info(b->mem, &i);
	if (b->area)
		must("unmap", fl_dma_unmap(b->area), 0);
	fl_mem_free(b->mem);
	if (i.kind == FL_MEM_EXTERNAL)
		munmap(b->va, b->len);
	if (b->fd >= 0)
		close(b->fd);
	free(b->gen);
	*b = (struct buf){ 0 };
}

struct fl_residency_stats stats(const struct buf *b)
{
	struct fl_residency_stats s;

	fl_mem_residency_stats(b->area, &s);
	return s;
}

void around(struct rig *r, uint32_t pages)
{
	struct fl_residency_opts o;

	fl_dma_residency_get(r->space, &o);
	o.fault_around = pages;
	must("fault-around", fl_dma_residency_set(r->space, &o), 0);
}

void drop(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	struct fl_mem_info i;
	int rc;

	fl_mem_info(b->mem, &i);
	if (!r->kernel)
		rc = fl_mem_discard(b->area, off, len);
	else if (i.fd < 0)
		rc = madvise(b->va + off, len, MADV_DONTNEED) ? -errno : 0;
	else
		rc = fallocate(i.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
			       (off_t)len)
			     ? -errno
			     : 0;
	must("memory given back", rc, 0);
}
