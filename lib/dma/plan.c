/* SPDX-License-Identifier: BSD-3-Clause */
/* Says beforehand what will be locked, mapped and opened, and whether today's limits allow it. */
#include "dma_internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Exact or rounded up: never "needs 8 MiB, limit 8 MiB". */
static void bytes_text(char *buf, size_t size, uint64_t bytes)
{
	if (bytes == UINT64_MAX)
		snprintf(buf, size, "none");
	else if (bytes && !(bytes & ((1u << 20) - 1)))
		snprintf(buf, size, "%" PRIu64 " MiB", bytes >> 20);
	else
		snprintf(buf, size, "%" PRIu64 " KiB", (bytes >> 10) + ((bytes & 1023) != 0));
}

void fl_lock_text(char *buf, size_t size, uint64_t need, uint64_t used, uint64_t limit)
{
	char n[32], u[32], l[32];

	bytes_text(n, sizeof(n), need);
	bytes_text(u, sizeof(u), used);
	bytes_text(l, sizeof(l), limit);
	snprintf(buf, size,
		 "needs %s locked, limit %s (%s used): raise with `ulimit -l`, its ceiling with "
		 "LimitMEMLOCK= or /etc/security/limits.conf",
		 n, l, u);
}

static uint64_t page_of(const struct fl_dma_want *w)
{
	return w->page_size ? w->page_size : (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_huge(const struct fl_dma_want *w)
{
	return page_of(w) > (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A verdict is the first one: later shortages do not replace it. */
static FL_PRINTF(3, 4) void fail(struct fl_dma_plan *p, int verdict, const char *fmt, ...)
{
	va_list ap;

	if (p->verdict)
		return;
	p->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}

#define WINDOW (2ull << 20) /* what an entry of a lazy area maps where it is posted to */

/* Every domain that pins charges for itself. Without a domain: what a kernel device would do. */
static uint64_t pinning_domains(const struct fl_dma_space *s, bool lazy)
{
	uint64_t n = 0;

	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		n += d->pins && !d->gone && !(lazy && d->resolves);
	return s->domains ? n : 1;
}

/* Whether a lazy area is mapped bit by bit somewhere (as without a domain it would), or whole. */
static bool stands(const struct fl_dma_space *s, bool whole)
{
	const struct fl_dma_domain *d = s->domains;

	while (d && (d->gone || d->resolves != whole))
		d = d->next;
	return d || (!s->domains && !whole);
}

struct lazy {
	uint64_t bytes, areas;
};

/* @lazy  the lazy wants so far */
static int add_want(const struct fl_dma_space *s, const struct fl_dma_want *w,
		    struct fl_dma_plan *p, struct lazy *lazy)
{
	uint64_t page = page_of(w), all, lock;
	const bool pinned =
		w->residency == FL_PINNED || (w->residency == FL_AUTO && fl_domains_page(s));

	if (!w->len || !fl_is_pow2(page) || w->len > INT64_MAX - page ||
	    __builtin_mul_overflow(fl_align_up(w->len, page), (uint64_t)w->count, &all) ||
	    __builtin_mul_overflow(all, pinning_domains(s, false), &lock))
		return -EINVAL;
	p->fds += w->count;
	if (!pinned) {
		lazy->areas += w->count;
		return __builtin_add_overflow(lazy->bytes, all, &lazy->bytes) ? -EINVAL : 0;
	}
	p->entries += w->count;
	return __builtin_add_overflow(p->map_bytes, all, &p->map_bytes) ||
			       __builtin_add_overflow(p->lock_bytes, lock, &p->lock_bytes)
		       ? -EINVAL
		       : 0;
}

/* Of lazy wants what the budget lets stay; what is in flight beyond it nobody can say. */
static int add_lazy(const struct fl_dma_space *s, const struct lazy *lazy, struct fl_dma_plan *p)
{
	const uint64_t budget = s->residency.budget, held = s->lazy_bytes;
	const uint64_t left = held < budget ? budget - held : 0;
	const uint64_t more = lazy->bytes < left ? lazy->bytes : left;
	const uint64_t windows = stands(s, false) ? (more + (WINDOW - 1)) / WINDOW : 0;
	const uint64_t areas = stands(s, true) ? lazy->areas : 0;
	uint64_t lock;

	if (__builtin_mul_overflow(more, pinning_domains(s, true), &lock) ||
	    __builtin_add_overflow(p->lock_bytes, lock, &p->lock_bytes))
		return -EINVAL;
	p->entries += areas > windows ? areas : windows;
	return 0;
}

/* The fullest account of those that are charged. */
static uint64_t lock_used(const struct fl_dma_space *s, const struct fl_mem_usage *u)
{
	uint64_t most = s->domains ? 0 : u->vm_lck;

	for (const struct fl_dma_domain *d = s->domains; d; d = d->next) {
		uint64_t used = d->pins ? fl_lock_used(u, d->pins_apart) : 0;

		most = used > most ? used : most;
	}
	return most;
}

static void check_lock(const struct fl_mem_usage *u, struct fl_dma_plan *p)
{
	char why[192];

	if (u->memlock_exempt || p->memlock_limit == UINT64_MAX || !p->lock_bytes ||
	    (p->memlock_used <= p->memlock_limit &&
	     p->lock_bytes <= p->memlock_limit - p->memlock_used))
		return;
	fl_lock_text(why, sizeof(why), p->lock_bytes, p->memlock_used, p->memlock_limit);
	fail(p, -ENOMEM, "%s", why);
}

static void check_huge(const struct fl_dma_want *want, unsigned n, unsigned at,
		       struct fl_dma_plan *p)
{
	uint64_t page = page_of(&want[at]), need = 0, total = 0, avail = 0;

	for (unsigned i = 0; i < n; i++) {
		if (page_of(&want[i]) != page)
			continue;
		if (i < at)
			return; /* this size was counted at its first want */
		need += fl_align_up(want[i].len, page) / page * want[i].count;
	}
	if (fl_mem_hugepages(page, &total, &avail))
		avail = 0;
	p->huge_pages_needed += need;
	p->huge_pages_free += avail;
	if (need > avail)
		fail(p, -ENOMEM,
		     "needs %" PRIu64 " hugepages of %" PRIu64 " KiB, %" PRIu64
		     " free: echo %" PRIu64 " > /sys/kernel/mm/hugepages/hugepages-%" PRIu64
		     "kB/nr_hugepages",
		     need, page >> 10, avail, total + need - avail, page >> 10);
}

static void check_entries(const struct fl_dma_space *s, struct fl_dma_plan *p)
{
	p->entries_avail = UINT64_MAX;
	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		if (!d->gone && d->entries_max && d->entries_avail < p->entries_avail)
			p->entries_avail = d->entries_avail;
	if (p->entries > p->entries_avail)
		fail(p, -ENOSPC,
		     "needs %" PRIu64 " mappings, %" PRIu64
		     " left: use fewer and larger areas, or FL_DMA_JOIN",
		     p->entries, p->entries_avail);
}

static uint64_t free_iova_bytes(const struct fl_dma_space *s)
{
	uint64_t n = 0;

	/* a window of all 64 bits would count as 0 with its last byte */
	for (unsigned i = 0; i < s->windows.n; i++)
		n += s->windows.v[i].last - s->windows.v[i].first;
	return n > s->owned_bytes ? n - s->owned_bytes : 0;
}

static void check_iova(const struct fl_dma_space *s, const struct fl_dma_want *want, unsigned n,
		       uint64_t lazy, struct fl_dma_plan *p)
{
	uint64_t need = p->map_bytes + lazy, at;
	bool fits = need <= free_iova_bytes(s);
	char windows[128];

	for (unsigned i = 0; i < n && fits; i++) {
		uint64_t len = fl_align_up(want[i].len, page_of(&want[i]));

		fits = !want[i].count ||
		       !fl_iova_lowest(&s->windows, &s->by_iova, len, s->granule, &at);
		need = fits ? need : len;
	}
	if (fits)
		return;
	fl_windows_text(&s->windows, windows, sizeof(windows));
	fail(p, -ENOSPC, "needs 0x%" PRIx64 " bytes of IOVA; valid windows: %s", need, windows);
}

static int check_files(struct fl_dma_plan *p)
{
	struct rlimit r;
	DIR *dir;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return -errno;
	dir = opendir("/proc/self/fd");
	if (!dir)
		return -errno;
	while (readdir(dir))
		p->nofile_used++;
	closedir(dir);
	p->nofile_used -= 3; /* ".", "..", and the folder itself */
	p->nofile_limit = r.rlim_cur;
	if (p->nofile_used + p->fds > p->nofile_limit)
		fail(p, -EMFILE,
		     "needs %" PRIu64 " files, limit %" PRIu64 " (%" PRIu64
		     " used): raise with `ulimit -n` or LimitNOFILE=",
		     p->fds, p->nofile_limit, p->nofile_used);
	return 0;
}

static int make_plan(struct fl_dma_space *s, const struct fl_dma_want *want, unsigned n,
		     struct fl_dma_plan *p)
{
	struct fl_mem_usage u;
	struct lazy lazy = { 0 };
	int rc;

	rc = fl_domains_refresh(s);
	for (unsigned i = 0; !rc && i < n; i++)
		rc = add_want(s, &want[i], p, &lazy);
	if (!rc && lazy.bytes > UINT64_MAX - p->map_bytes)
		rc = -EINVAL;
	if (!rc)
		rc = add_lazy(s, &lazy, p);
	if (!rc)
		rc = fl_mem_usage(&u);
	if (rc)
		return rc;
	p->memlock_limit = u.memlock_limit;
	p->memlock_used = lock_used(s, &u);
	check_lock(&u, p);
	for (unsigned i = 0; i < n; i++)
		if (is_huge(&want[i]))
			check_huge(want, n, i, p);
	check_entries(s, p);
	check_iova(s, want, n, lazy.bytes, p);
	return check_files(p);
}

int fl_dma_plan(struct fl_dma_space *s, const struct fl_dma_want *want, unsigned n,
		struct fl_dma_plan *out)
{
	int rc;

	*out = (struct fl_dma_plan){ 0 };
	pthread_mutex_lock(&s->lock);
	rc = make_plan(s, want, n, out);
	pthread_mutex_unlock(&s->lock);
	if (rc)
		fl_err(s->log, "dma", "plan: %s",
		       rc == -EINVAL ? "a want without bytes, or too many" : strerror(-rc));
	return rc;
}
