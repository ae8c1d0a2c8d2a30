/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modelled IOMMU: what the client mapped, as a sorted table. Each map and unmap, and what
 * takes granted pages away, makes a new generation, which voids every TLB entry of the model.
 */
#include "model_internal.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* index of the first map that ends at or after iova */
static unsigned lower(const struct fl_iommu *u, uint64_t iova)
{
	unsigned lo = 0, hi = u->n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (u->map[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct fl_iommu_map *fl_iommu_find(const struct fl_iommu *u, uint64_t iova)
{
	unsigned i = lower(u, iova);

	return i < u->n && u->map[i].first <= iova ? &u->map[i] : NULL;
}

/* The file must reach as far as the map does: a touch beyond its end would be a SIGBUS here. */
static int check_file(int fd, uint64_t off, uint64_t size, uint64_t *page)
{
	struct statfs fs;
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (__builtin_add_overflow(off, size, &end) || end > (uint64_t)st.st_size)
		return -EINVAL;
	*page = fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : FL_MODEL_PAGE;
	return 0;
}

/* ---- neighbours side by side ---------------------------------------------------------- */

/*
 * A client that posts windows of its memory maps it in many small pieces. Those get addresses as
 * far apart as their IOVAs are, in an arena that is reserved for this, so that one TLB entry can
 * hold a run of them, and an access may cross from one to the next.
 */
#define ARENA_LEN (64ull << 30)
#define SMALL_MAX (2ull << 20)
#define RUN_MAX	  256u

static void *reserve(void *at, uint64_t len)
{
	void *p = mmap(at, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Where a small map stands; NULL: anywhere. */
static void *place(struct fl_iommu *u, uint64_t iova, uint64_t size)
{
	if (size > SMALL_MAX || u->no_arena)
		return NULL;
	if (!u->arena) {
		u->arena = reserve(NULL, ARENA_LEN);
		u->no_arena = !u->arena;
		u->arena_first = iova > ARENA_LEN / 2 ? iova - ARENA_LEN / 2 : 0;
	}
	if (!u->arena || iova < u->arena_first || iova - u->arena_first > ARENA_LEN - size)
		return NULL;
	return u->arena + (iova - u->arena_first);
}

static bool in_arena(const struct fl_iommu *u, const uint8_t *mem)
{
	return u->arena && mem >= u->arena && mem < u->arena + ARENA_LEN;
}

static bool follows(const struct fl_iommu_map *a, const struct fl_iommu_map *b)
{
	return a->last + 1 == b->first && a->base && b->base == a->base + (b->first - a->first) &&
	       a->prot == b->prot && !a->granted[0] && !b->granted[0];
}

/* Widens the entry to the neighbours of the map that stand beside it. */
static void widen(const struct fl_iommu *u, const struct fl_iommu_map *e, struct fl_model_tlb *t)
{
	const struct fl_iommu_map *a = e, *b = e, *end = u->map + u->n;

	for (unsigned i = 0; i < RUN_MAX && a > u->map && follows(a - 1, a); i++)
		a--;
	for (unsigned i = 0; i < RUN_MAX && b + 1 < end && follows(b, b + 1); i++)
		b++;
	t->first = a->first;
	t->last = b->last;
	t->base = a->base;
}

/* ---- maps ----------------------------------------------------------------------------- */

/* What failed may have left a hole, which others could get: so nothing more is put there. */
static void mend(struct fl_iommu *u, void *at, uint64_t len)
{
	if (at && !reserve(at, len))
		u->no_arena = true;
}

static int map_file(struct fl_iommu *u, struct fl_iommu_map *e, const struct fl_log *log,
		    uint64_t size, int fd, uint64_t off)
{
	void *at = NULL;
	int prot =
		(e->prot & FL_DMA_READ ? PROT_READ : 0) | (e->prot & FL_DMA_WRITE ? PROT_WRITE : 0);
	uint64_t page = FL_MODEL_PAGE, lead;
	int r = check_file(fd, off, size, &page);
	void *p;

	if (r) {
		fl_warn(log, "model",
			"DMA map refused: no file that reaches from offset %#llx for %#llx bytes",
			(unsigned long long)off, (unsigned long long)size);
		return r;
	}
	/* a client may map a part of a huge page */
	lead = off & (page - 1);
	e->mem_len = fl_align_up(lead + size, page);
	if (page == FL_MODEL_PAGE)
		at = place(u, e->first, size);
	p = mmap(at, e->mem_len, prot, MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED : 0), fd,
		 (off_t)(off - lead));
	if (p == MAP_FAILED) {
		r = -errno;
		mend(u, at, e->mem_len);
		fl_warn(log, "model", "DMA map of %#llx bytes: mmap: %s%s",
			(unsigned long long)size, strerror(-r),
			r == -ENOMEM ? " (raise vm.max_map_count?)" : "");
		return r;
	}
	e->mem = p;
	e->base = e->mem + lead;
	return 0;
}

static int make_room(struct fl_iommu *u)
{
	unsigned cap = u->cap ? u->cap * 2 : 64;
	struct fl_iommu_map *t;

	if (u->n < u->cap)
		return 0;
	if (u->n >= FL_MODEL_MAX_MAPS)
		return -ENOSPC;
	t = realloc(u->map, cap * sizeof(*t));
	if (!t)
		return -ENOMEM;
	u->map = t;
	u->cap = cap;
	return 0;
}

static uint64_t map_size(const struct fl_iommu_map *e)
{
	return e->last - e->first + 1;
}

static int make_lazy(struct fl_iommu *u, struct fl_iommu_map *e, const struct fl_log *log)
{
	int r;

	/* a map of all there is has a size of 0 */
	if (map_size(e) - 1 >= FL_IOMMU_LAZY_MAX - u->lazy_bytes) {
		fl_warn(log, "model", "lazy areas of more than %llu GiB refused: map some pinned",
			(unsigned long long)(FL_IOMMU_LAZY_MAX >> 30));
		return -ENOSPC;
	}
	r = fl_iotlb_init(e);
	if (!r)
		u->lazy_bytes += map_size(e);
	return r;
}

static void end_lazy(struct fl_iommu *u, struct fl_iommu_map *e)
{
	if (!e->granted[0])
		return;
	u->lazy_bytes -= map_size(e);
	fl_iotlb_free(e);
}

int fl_iommu_map(struct fl_iommu *u, const struct fl_log *log, uint64_t iova, uint64_t size,
		 unsigned prot, int fd, uint64_t off)
{
	struct fl_iommu_map e = { .first = iova, .last = iova + (size - 1) };
	bool lazy = prot & FL_IOMMU_LAZY;
	unsigned i;
	int r;

	e.prot = prot &= ~FL_IOMMU_LAZY;

	/* a file's offset too: what a model writes whole must not be misaligned here */
	if (!size || (iova | size | (fd < 0 ? 0 : off)) % FL_MODEL_PAGE || e.last < iova || !prot ||
	    prot & ~FL_DMA_RW)
		return -EINVAL;
	i = lower(u, iova);
	if (i < u->n && u->map[i].first <= e.last)
		return -EEXIST;
	r = make_room(u);
	if (r)
		return r;
	if (lazy) {
		r = make_lazy(u, &e, log);
		if (r)
			return r;
	}
	if (fd >= 0) {
		r = map_file(u, &e, log, size, fd, off);
		if (r) {
			end_lazy(u, &e);
			return r;
		}
	}
	memmove(&u->map[i + 1], &u->map[i], (u->n - i) * sizeof(e));
	u->map[i] = e;
	u->n++;
	u->pub.gen++;
	return 0;
}

static void drop(struct fl_iommu *u, struct fl_iommu_map *e)
{
	end_lazy(u, e);
	/* in the arena the place is kept; where that fails what was there stays, out of reach */
	if (e->mem && in_arena(u, e->mem))
		(void)reserve(e->mem, e->mem_len);
	else if (e->mem)
		munmap(e->mem, e->mem_len);
}

int fl_iommu_unmap(struct fl_iommu *u, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);
	unsigned i, end;

	if (!size || last < iova)
		return -EINVAL;
	i = lower(u, iova);
	for (end = i; end < u->n && u->map[end].first <= last; end++) {
		if (u->map[end].first < iova || u->map[end].last > last)
			return -EINVAL;
	}
	if (end == i)
		return -ENOENT;
	for (unsigned k = i; k < end; k++)
		drop(u, &u->map[k]);
	memmove(&u->map[i], &u->map[end], (u->n - end) * sizeof(*u->map));
	u->n -= end - i;
	u->pub.gen++;
	return 0;
}

void fl_iommu_clear(struct fl_iommu *u)
{
	for (unsigned i = 0; i < u->n; i++)
		drop(u, &u->map[i]);
	if (u->arena)
		munmap(u->arena, ARENA_LEN);
	u->arena = NULL;
	u->no_arena = false;
	free(u->map);
	u->map = NULL;
	u->n = u->cap = 0;
	u->pub.gen++;
}

/* ---- a host's translations ------------------------------------------------------------ */

static void remove_at(struct fl_iommu *u, unsigned i, unsigned n)
{
	if (!n)
		return;
	memmove(&u->map[i], &u->map[i + n], (u->n - i - n) * sizeof(*u->map));
	u->n -= n;
}

/* the entries that overlap are the n from i on */
static unsigned overlapping(const struct fl_iommu *u, uint64_t first, uint64_t last, unsigned *n)
{
	unsigned i = lower(u, first), end = i;

	while (end < u->n && u->map[end].first <= last)
		end++;
	*n = end - i;
	return i;
}

bool fl_iommu_overlaps(const struct fl_iommu *u, uint64_t first, uint64_t last)
{
	unsigned n;

	(void)overlapping(u, first, last, &n);
	return n;
}

/* In turn: the next to go is any, since the table is sorted. */
static void make_place(struct fl_iommu *u)
{
	while (u->n >= u->most) {
		remove_at(u, u->hand++ % u->n, 1);
		u->evicted = true;
		u->pub.gen++;
	}
}

const struct fl_iommu_map *fl_iommu_fill(struct fl_iommu *u, const struct fl_model_run *run)
{
	unsigned i, n;

	i = overlapping(u, run->first, run->last, &n);
	/* the memory of those may be in use as well */
	if (n) {
		remove_at(u, i, n);
		u->evicted = true;
		u->pub.gen++;
	}
	make_place(u);
	if (make_room(u))
		return NULL;
	i = lower(u, run->first);
	memmove(&u->map[i + 1], &u->map[i], (u->n - i) * sizeof(*u->map));
	u->map[i] = (struct fl_iommu_map){
		.first = run->first, .last = run->last, .base = run->base, .prot = run->prot
	};
	u->n++;
	return &u->map[i];
}

void fl_iommu_forget(struct fl_iommu *u, uint64_t first, uint64_t last)
{
	unsigned i, n;

	i = overlapping(u, first, last, &n);
	remove_at(u, i, n);
	u->evicted = false;
	u->pub.gen++;
}

/* ---- lazy areas ----------------------------------------------------------------------- */

static uint64_t page_of(const struct fl_iommu_map *e, uint64_t iova)
{
	return (iova - e->first) / FL_MODEL_PAGE;
}

static bool bad_range(uint64_t iova, uint64_t len)
{
	return !len || (iova | len) % FL_MODEL_PAGE || iova + (len - 1) < iova;
}

int fl_iommu_grant(struct fl_iommu *u, uint64_t iova, uint64_t len, unsigned prot)
{
	struct fl_iommu_map *e = (struct fl_iommu_map *)fl_iommu_find(u, iova);

	if (bad_range(iova, len) || !e || !e->granted[0] || len - 1 > e->last - iova || !prot ||
	    prot & ~e->prot)
		return -EINVAL;
	fl_iotlb_grant(e, page_of(e, iova), page_of(e, iova + (len - 1)), prot);
	return 0;
}

/* The pages of the i-th map that are in [iova, iova + len); false: it has none. */
static bool next_piece(const struct fl_iommu *u, unsigned i, uint64_t iova, uint64_t len,
		       uint64_t *first, uint64_t *last)
{
	uint64_t end = iova + (len - 1);
	const struct fl_iommu_map *e;

	if (i >= u->n || u->map[i].first > end)
		return false;
	e = &u->map[i];
	*first = page_of(e, iova > e->first ? iova : e->first);
	*last = page_of(e, end < e->last ? end : e->last);
	return true;
}

int fl_iommu_granted(const struct fl_iommu *u, uint64_t iova, uint64_t len)
{
	uint64_t first, last;
	int any = 0;

	if (bad_range(iova, len))
		return -EINVAL;
	for (unsigned i = lower(u, iova); next_piece(u, i, iova, len, &first, &last); i++) {
		if (!u->map[i].granted[0])
			return -EINVAL;
		any |= fl_iotlb_any(&u->map[i], first, last);
	}
	return any;
}

void fl_iommu_revoke(struct fl_iommu *u, uint64_t iova, uint64_t len)
{
	uint64_t first, last;

	for (unsigned i = lower(u, iova); next_piece(u, i, iova, len, &first, &last); i++)
		fl_iotlb_revoke(&u->map[i], first, last);
	u->pub.gen++;
}

int fl_iommu_convert(struct fl_iommu *u, const struct fl_log *log, uint64_t iova, uint64_t len,
		     unsigned prot)
{
	struct fl_iommu_map *e = (struct fl_iommu_map *)fl_iommu_find(u, iova);
	bool lazy = prot & FL_IOMMU_LAZY;
	int r = 0;

	if (!e || e->first != iova || map_size(e) != len || e->prot != (prot & ~FL_IOMMU_LAZY))
		return -EINVAL;
	if (lazy == !!e->granted[0])
		return 0;
	if (lazy)
		r = make_lazy(u, e, log);
	else
		end_lazy(u, e);
	u->pub.gen++;
	return r;
}

/* ---- what a model does ---------------------------------------------------------------- */

const struct fl_model_iommu *fl_model_iommu(const struct fl_model *m)
{
	return &m->mmu.pub;
}

/* Narrows the entry to what is granted; false: the access itself is not. */
static bool granted_run(const struct fl_iommu_map *e, struct fl_model_tlb *t, uint64_t iova,
			uint64_t len, unsigned prot)
{
	uint64_t first = page_of(e, iova), last = page_of(e, iova + (len - 1));

	t->prot = prot;
	if (!fl_iotlb_run(e, &first, &last, &t->prot)) {
		t->gen = 0;
		return false;
	}
	t->first = e->first + first * FL_MODEL_PAGE;
	t->last = e->first + last * FL_MODEL_PAGE + (FL_MODEL_PAGE - 1);
	t->base = e->base + first * FL_MODEL_PAGE;
	return true;
}

void *fl_model_dma_slow(struct fl_model *m, struct fl_model_tlb *t, fl_iova_t iova, uint64_t len,
			unsigned prot)
{
	const struct fl_iommu_map *e = fl_iommu_find(&m->mmu, iova.v);

	if (m->host && fl_model_bus_master(m) && fl_host_reach(m, iova.v, prot, &e))
		return NULL;
	if (!e || !len || (e->prot & prot) != prot || !e->base || !fl_model_bus_master(m))
		return NULL;
	*t = (struct fl_model_tlb){ .gen = m->mmu.pub.gen,
				    .first = e->first,
				    .last = e->last,
				    .base = e->base,
				    .prot = e->prot };
	if (!e->granted[0])
		widen(&m->mmu, e, t);
	if (len - 1 > t->last - iova.v || (e->granted[0] && !granted_run(e, t, iova.v, len, prot)))
		return NULL;
	return t->base + (iova.v - t->first);
}
