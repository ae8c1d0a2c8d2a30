/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The residency engine against a naive model: random operations on areas, domains of both kinds and
 * a queue that holds buffers, and after each what the made-up IOMMUs have must be what the contract
 * says.
 *
 * The naive model knows of a page whether it stands in an area, with which permission, how often it
 * is pinned, and what byte is in it. FL_OPS and FL_SEED in the environment choose length and
 * sequence.
 */
#include "dma_fake.h"

#include <inttypes.h>

#define PAGE  4096u
#define SLOTS 4u
#define SLOT_PAGE                                                                      \
	1024u /* windows of 2 MiB lie anyhow in a slot, so areas begin where they like \
	       */
#define PAGES	(SLOTS * SLOT_PAGE)
#define DOMAINS 5u /* two that are posted to, two that fault, a kernel that resolves */
#define HELD	12u
#define PINS	24u

/* an IOMMU that knows each page */
struct iommu {
	struct fl_dma_domain *d; /* NULL = not in the space */
	bool faults, resolves;
	uint8_t perm[PAGES];
	uint16_t starts[PAGES]; /* pages of the mapping that begins here */
	bool announced[SLOTS];
	/* of a kernel that resolves: areas that stand, pages that it keeps, what it counted */
	bool stands[SLOTS];
	bool keeps[PAGES];
	uint64_t faults_in[SLOTS];
};

struct slot {
	struct fl_mem *mem;
	struct fl_dma_area *a; /* NULL = not mapped */
	unsigned first, n;     /* pages of the arena */
	unsigned prot;
	bool lazy;
	uint8_t pins[SLOT_PAGE];
};

struct held {
	unsigned page, n; /* n = 0: none */
};

struct pin {
	unsigned slot, page, n;
};

static struct {
	struct fl_dma_space *s;
	uint8_t *arena;
	struct slot slot[SLOTS];
	struct iommu mmu[DOMAINS];
	struct fl_dma_queue q;
	struct held held[HELD];
	struct pin pin[PINS];
	unsigned npins;
	uint8_t byte[PAGES];
	bool refuse; /* posted-to domains take no map now */
	uint64_t budget;
	uint32_t around;
	uint64_t resolved; /* requests, by whom ever, that no domain took with it when it died */
	uint64_t rnd, seed, op;
} t;

static const struct fl_log quiet = { .write = keep_msg, .level = FL_LOG_ERR };

#define CHECK(cond)                                                                     \
	do {                                                                            \
		if (!(cond))                                                            \
			fail_msg("%s:%d: %s; operation %" PRIu64 " of FL_SEED=%" PRIu64 \
				 "; last message: %s",                                  \
				 __func__, __LINE__, #cond, t.op, t.seed, last_msg);    \
	} while (0)

static uint32_t rnd(uint32_t below)
{
	t.rnd ^= t.rnd << 13;
	t.rnd ^= t.rnd >> 7;
	t.rnd ^= t.rnd << 17;
	return (uint32_t)((t.rnd >> 16) % below);
}

/* ---- the IOMMUs ---------------------------------------------------------------------------- */

static unsigned page_of_iova(fl_iova_t iova)
{
	uint64_t at = iova.v - (uintptr_t)t.arena;

	CHECK(at < (uint64_t)PAGES * PAGE && at % PAGE == 0);
	return (unsigned)(at / PAGE);
}

static fl_iova_t iova_of(unsigned page)
{
	return fl_iova((uintptr_t)t.arena + (uint64_t)page * PAGE);
}

static bool is_held(unsigned page, unsigned n)
{
	for (unsigned i = 0; i < HELD; i++)
		if (t.held[i].n && t.held[i].page < page + n && page < t.held[i].page + t.held[i].n)
			return true;
	return false;
}

static int mmu_limits(void *arg, struct fl_dma_limits *out)
{
	static const struct fl_iova_range all = { 0, (1ull << 48) - 1 };
	struct iommu *u = arg;

	*out = (struct fl_dma_limits){
		.ranges = &all,
		.nranges = 1,
		.page_sizes = PAGE,
		.faults = u->faults,
		.resolves = u->resolves,
	};
	return 0;
}

static int mmu_map(void *arg, const struct fl_dma_mapping *m)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(m->iova), n = (unsigned)(m->len / PAGE);
	struct slot *s = &t.slot[page / SLOT_PAGE];

	CHECK(m->len && m->len % PAGE == 0 && m->va == t.arena + (size_t)page * PAGE);
	CHECK(page >= s->first && page + n <= s->first + s->n);
	for (unsigned i = page; i < page + n; i++)
		CHECK(!u->perm[i] && !u->announced[page / SLOT_PAGE]);
	if (u->resolves) {
		CHECK(!u->stands[page / SLOT_PAGE] && page == s->first && n == s->n);
		u->stands[page / SLOT_PAGE] = true;
		memset(u->perm + page, m->lazy ? 0 : (int)m->prot, n);
		memset(u->keeps + page, !m->lazy, n);
		return 0;
	}
	if (m->lazy) {
		CHECK(u->faults && page == s->first && n == s->n);
		u->announced[page / SLOT_PAGE] = true;
		return 0;
	}
	if (t.refuse)
		return -ENOMEM;
	memset(u->perm + page, (int)m->prot, n);
	u->starts[page] = (uint16_t)n;
	return 0;
}

/* whole mappings alone, and nothing that a queue holds */
static int mmu_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(iova), end = page + (unsigned)(len / PAGE);
	unsigned slot = page / SLOT_PAGE;

	*unmapped = 0;
	if (u->resolves) {
		CHECK(u->stands[slot] && page == t.slot[slot].first &&
		      end == page + t.slot[slot].n);
		u->stands[slot] = false;
		u->faults_in[slot] = 0;
		memset(u->perm + page, 0, end - page);
		memset(u->keeps + page, 0, end - page);
		*unmapped = len;
		return 0;
	}
	if (u->announced[slot]) {
		CHECK(page == t.slot[slot].first && end == page + t.slot[slot].n);
		u->announced[slot] = false;
		memset(u->perm + page, 0, end - page);
		*unmapped = len;
		return 0;
	}
	CHECK(u->faults || !is_held(page, end - page));
	while (page < end) {
		unsigned n = u->starts[page];

		if (!n) {
			CHECK(!u->perm[page]);
			page++;
			continue;
		}
		CHECK(page + n <= end);
		memset(u->perm + page, 0, n);
		u->starts[page] = 0;
		*unmapped += (uint64_t)n * PAGE;
		page += n;
	}
	CHECK(*unmapped);
	return 0;
}

static int mmu_grant(void *arg, const struct fl_dma_mapping *m)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(m->iova), n = (unsigned)(m->len / PAGE);
	struct slot *s = &t.slot[page / SLOT_PAGE];

	CHECK(u->announced[page / SLOT_PAGE] && m->len && m->len % PAGE == 0);
	CHECK(page >= s->first && page + n <= s->first + s->n && !(m->prot & ~s->prot));
	CHECK(m->va == t.arena + (size_t)page * PAGE);
	for (unsigned i = page; i < page + n; i++)
		u->perm[i] |= (uint8_t)m->prot;
	return 0;
}

static int mmu_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(iova), n = (unsigned)(len / PAGE);

	CHECK(u->announced[page / SLOT_PAGE] || u->stands[page / SLOT_PAGE]);
	CHECK(n && page % SLOT_PAGE + n <= SLOT_PAGE);
	for (unsigned i = page; i < page + n; i++)
		u->perm[i] = u->keeps[i] ? u->perm[i] : 0;
	return 0;
}

static int mmu_convert(void *arg, const struct fl_dma_mapping *m)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(m->iova), slot = page / SLOT_PAGE;
	unsigned n = t.slot[slot].n;

	CHECK(u->faults && page == t.slot[slot].first && m->len == (uint64_t)n * PAGE);
	CHECK(u->announced[slot] != m->lazy);
	u->announced[slot] = m->lazy;
	memset(u->perm + page, m->lazy ? 0 : (int)m->prot, n);
	u->starts[page] = m->lazy ? 0 : (uint16_t)n;
	return 0;
}

/* ---- the kernel that resolves ---------------------------------------------------------------- */

static void check_range(const struct iommu *u, unsigned page, unsigned n)
{
	const struct slot *s = &t.slot[page / SLOT_PAGE];

	CHECK(u->resolves && u->stands[page / SLOT_PAGE] && n);
	CHECK(page >= s->first && page + n <= s->first + s->n);
}

static int mmu_prefault(void *arg, const struct fl_dma_mapping *m, bool resident)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(m->iova), n = (unsigned)(m->len / PAGE);

	check_range(u, page, n);
	CHECK(m->prot && !(m->prot & ~t.slot[page / SLOT_PAGE].prot));
	for (unsigned i = page; i < page + n; i++)
		u->perm[i] |= resident && rnd(2) ? 0 : (uint8_t)m->prot;
	return 0;
}

static int mmu_hold(void *arg, fl_iova_t iova, uint64_t len, bool on)
{
	struct iommu *u = arg;
	unsigned page = page_of_iova(iova), n = (unsigned)(len / PAGE);

	check_range(u, page, n);
	for (unsigned i = page; on && t.refuse && i < page + n; i++)
		if (!u->keeps[i])
			return -ENOMEM;
	for (unsigned i = page; i < page + n; i++) {
		u->keeps[i] = on;
		/* what is let go may be there or not */
		u->perm[i] = on ? (uint8_t)t.slot[page / SLOT_PAGE].prot : rnd(2) * u->perm[i];
	}
	return 0;
}

static int mmu_around(void *arg, uint32_t pages)
{
	return pages <= 512 ? 0 : -EINVAL;
}

static int mmu_counts(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out)
{
	struct iommu *u = arg;
	unsigned page, n = (unsigned)(len / PAGE);

	if (!n)
		return 0;
	page = page_of_iova(iova);
	CHECK(page == t.slot[page / SLOT_PAGE].first && n == t.slot[page / SLOT_PAGE].n);
	if (!u->stands[page / SLOT_PAGE])
		return -ENOENT;
	out->faults = u->faults_in[page / SLOT_PAGE];
	for (unsigned i = page; i < page + n; i++) {
		out->mapped_bytes += u->perm[i] ? PAGE : 0;
		out->locked_bytes += u->keeps[i] ? PAGE : 0;
	}
	return 0;
}

static void kernel_faults(struct iommu *u, struct slot *s, unsigned page, unsigned prot)
{
	if (!u->stands[page / SLOT_PAGE] || page < s->first || page >= s->first + s->n ||
	    prot & ~s->prot || u->keeps[page])
		return;
	u->perm[page] |= (uint8_t)prot;
	u->faults_in[page / SLOT_PAGE]++;
	t.resolved++;
}

/* The process gave up pages: a notifier says so before they are freed. */
static void kernel_notified(unsigned page, unsigned n)
{
	for (unsigned k = 0; k < DOMAINS; k++)
		for (unsigned i = page; t.mmu[k].resolves && i < page + n; i++)
			t.mmu[k].perm[i] = t.mmu[k].keeps[i] ? t.mmu[k].perm[i] : 0;
}

static const struct fl_dma_domain_ops mmu_ops = {
	.name = "iommu",
	.limits = mmu_limits,
	.map = mmu_map,
	.unmap = mmu_unmap,
	.grant = mmu_grant,
	.revoke = mmu_revoke,
	.convert = mmu_convert,
	.prefault = mmu_prefault,
	.hold = mmu_hold,
	.around = mmu_around,
	.counts = mmu_counts,
};

/* ---- what must hold ------------------------------------------------------------------------ */

static bool inside(const struct slot *s, unsigned page)
{
	return s->a && page >= s->first && page < s->first + s->n;
}

static unsigned perm_wanted(const struct slot *s, unsigned page)
{
	return inside(s, page) && (!s->lazy || s->pins[page % SLOT_PAGE]) ? s->prot : 0;
}

static void check_page(struct slot *s, unsigned page)
{
	unsigned must = perm_wanted(s, page), posted = 0;
	bool any = false, resident;

	for (unsigned k = 0; k < DOMAINS; k++) {
		struct iommu *u = &t.mmu[k];

		if (!u->d) {
			CHECK(!u->perm[page]);
			continue;
		}
		CHECK(!(u->perm[page] & ~(inside(s, page) ? s->prot : 0)));
		CHECK((u->perm[page] & must) == must);
		CHECK(u->announced[page / SLOT_PAGE] ==
		      (u->faults && !u->resolves && s->a && s->lazy));
		CHECK(u->stands[page / SLOT_PAGE] == (u->resolves && s->a));
		CHECK(u->keeps[page] == (u->resolves && must));
		if (u->faults)
			continue;
		/* all of these have it or none */
		CHECK(!any || posted == u->perm[page]);
		posted = u->perm[page];
		any = true;
	}
	if (!inside(s, page))
		return;
	resident = fl_dma_resident(s->a, iova_of(page), PAGE);
	CHECK(!any || !resident || posted == s->prot);
	CHECK(s->lazy || resident);
}

static void check_stats(void)
{
	struct fl_residency_stats r;
	uint64_t owned = 0, most = 0, sum = 0, pins = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t slot_most = 0, slot_sum = 0, there = 0;
		struct slot *s = &t.slot[i];

		if (!s->a || !s->lazy)
			continue;
		owned += (uint64_t)s->n * PAGE;
		for (unsigned p = s->first; p < s->first + s->n; p++) {
			bool posted = false, faulted = false;

			for (unsigned k = 0; k < DOMAINS; k++) {
				posted |= !t.mmu[k].faults && t.mmu[k].perm[p];
				faulted |=
					t.mmu[k].faults && !t.mmu[k].resolves && t.mmu[k].perm[p];
				there += t.mmu[k].resolves && t.mmu[k].perm[p] ? PAGE : 0;
			}
			slot_most += posted || faulted ? PAGE : 0;
			slot_sum += (posted + faulted) * PAGE;
			pins += s->pins[p % SLOT_PAGE] ? PAGE : 0;
		}
		most += there > slot_most ? there : slot_most;
		sum += there > slot_sum ? there : slot_sum;
	}
	fl_dma_residency_stats(t.s, &r);
	CHECK(r.owned_bytes == owned);
	CHECK(r.pinned_bytes >= pins);
	CHECK(r.faults == t.resolved);
	/* a window counts though no domain is there to have it */
	for (unsigned k = 0; k < DOMAINS; k++)
		if (t.mmu[k].d && !t.mmu[k].faults)
			CHECK(r.mapped_bytes >= most && r.mapped_bytes <= sum);
}

static void check_all(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		for (unsigned p = i * SLOT_PAGE; p < (i + 1) * SLOT_PAGE; p++)
			check_page(&t.slot[i], p);
	for (unsigned i = 0; i < HELD; i++)
		for (unsigned p = 0; p < t.held[i].n; p++)
			for (unsigned k = 0; k < DOMAINS; k++)
				CHECK(!t.mmu[k].d || t.mmu[k].faults ||
				      t.mmu[k].perm[t.held[i].page + p]);
	check_stats();
}

/* ---- operations ---------------------------------------------------------------------------- */

static void op_map(struct slot *s)
{
	unsigned i = (unsigned)(s - t.slot);
	struct fl_dma_opts o = { .residency = rnd(4) ? FL_LAZY : FL_PINNED,
				 .prot = rnd(4) ? FL_DMA_RW : 1 + rnd(2) };

	if (s->a)
		return;
	s->n = 1 + (rnd(2) ? rnd(SLOT_PAGE) : rnd(20));
	s->first = i * SLOT_PAGE + rnd(SLOT_PAGE - s->n + 1);
	s->prot = o.prot;
	s->lazy = o.residency == FL_LAZY;
	memset(s->pins, 0, sizeof(s->pins));
	o.iova = iova_of(s->first);
	assert_int_equal(fl_mem_wrap(t.arena + (size_t)s->first * PAGE, (uint64_t)s->n * PAGE, -1,
				     0, &quiet, &s->mem),
			 0);
	if (!fl_dma_map(t.s, s->mem, &o, &s->a))
		return;
	CHECK(t.refuse && !s->lazy);
	s->a = NULL;
	fl_mem_free(s->mem);
}

static void drop_holds(const struct slot *s)
{
	for (unsigned i = 0; i < HELD; i++)
		if (t.held[i].n && t.held[i].page / SLOT_PAGE == s->first / SLOT_PAGE)
			t.held[i].n = 0;
}

static void op_unmap(struct slot *s)
{
	if (!s->a)
		return;
	drop_holds(s);
	CHECK(!fl_dma_unmap(s->a));
	s->a = NULL;
	fl_mem_free(s->mem);
	for (unsigned i = 0; i < t.npins;)
		if (t.pin[i].slot == (unsigned)(s - t.slot))
			t.pin[i] = t.pin[--t.npins];
		else
			i++;
}

/* what one fault brought: one range, with holes at most */
static void check_around(const struct iommu *u, unsigned page, const uint8_t before[SLOT_PAGE])
{
	unsigned i = page / SLOT_PAGE * SLOT_PAGE, lo = PAGES, hi = 0;
	const unsigned most = t.around ? t.around : 512;

	for (unsigned p = 0; p < SLOT_PAGE; p++) {
		/* what is over the budget goes */
		CHECK(t.budget != FL_BUDGET_NONE || !(before[p] & ~u->perm[i + p]));
		if (u->perm[i + p] & ~before[p]) {
			lo = lo < p ? lo : p;
			hi = p;
		}
	}
	CHECK(lo == PAGES || hi - lo < most);
}

static void op_fault(struct slot *s)
{
	struct iommu *u = &t.mmu[rnd(DOMAINS)];
	unsigned page = (unsigned)(s - t.slot) * SLOT_PAGE + rnd(SLOT_PAGE), prot = 1 + rnd(3);
	uint8_t before[SLOT_PAGE];
	struct fl_dma_fault f = { .len = 1 + rnd(4 * PAGE), .prot = prot };
	int rc;

	if (!u->d || !u->faults)
		return;
	if (s->a && rnd(8))
		page = s->first + rnd(s->n);
	if (u->resolves)
		kernel_faults(u, s, page, prot);
	f.iova = fl_iova_add(iova_of(page), rnd(PAGE));
	memcpy(before, u->perm + page / SLOT_PAGE * SLOT_PAGE, sizeof(before));
	rc = fl_dma_fault(u->d, &f);
	t.resolved += !rc;
	if (u->resolves) {
		CHECK(rc == -ENODEV);
		return;
	}
	if (!inside(s, page)) {
		CHECK(rc == -EFAULT);
	} else if (prot & ~s->prot) {
		CHECK(rc == -EACCES || (!s->lazy && rc == -EFAULT));
	} else if (s->lazy) {
		CHECK(!rc);
		CHECK((u->perm[page] & prot) == prot);
		check_around(u, page, before);
	}
}

static void some_range(const struct slot *s, unsigned *off, unsigned *n)
{
	*off = rnd(s->n);
	*n = 1 + rnd(rnd(3) ? (s->n - *off < 8 ? s->n - *off : 8) : s->n - *off);
}

static bool has_pin(const struct slot *s, unsigned page, unsigned n)
{
	for (unsigned p = page; p < page + n; p++)
		if (s->pins[p % SLOT_PAGE])
			return true;
	return false;
}

static void op_take(struct slot *s, bool discard)
{
	unsigned off, n, page;
	int rc;

	if (!s->a)
		return;
	some_range(s, &off, &n);
	page = s->first + off;
	rc = discard ? fl_mem_discard(s->a, (uint64_t)off * PAGE, (uint64_t)n * PAGE)
		     : fl_mem_revoke(s->a, (uint64_t)off * PAGE, (uint64_t)n * PAGE);
	if (!s->lazy) {
		CHECK(rc == -EOPNOTSUPP);
	} else if (has_pin(s, page, n) || is_held(page, n)) {
		CHECK(rc == -EBUSY);
	} else if (rc == -EBUSY) {
		/* a window goes as a whole: something else of it may be in use */
		CHECK(has_pin(s, s->first, s->n) || is_held(s->first, s->n));
	} else {
		CHECK(!rc);
		if (discard)
			kernel_notified(page, n);
		for (unsigned k = 0; k < DOMAINS; k++)
			for (unsigned p = page; p < page + n; p++)
				CHECK(!t.mmu[k].perm[p]);
		if (discard)
			memset(t.byte + page, 0, n);
	}
}

static void op_prefault(struct slot *s)
{
	enum fl_prefault how = (enum fl_prefault)rnd(3);
	unsigned off, n, need;
	int rc;

	if (!s->a)
		return;
	some_range(s, &off, &n);
	rc = fl_mem_prefault(s->a, (uint64_t)off * PAGE, (uint64_t)n * PAGE, how);
	if (!s->lazy) {
		CHECK(!rc);
		return;
	}
	if (how == FL_PREFAULT_WRITE && !(s->prot & FL_DMA_WRITE)) {
		CHECK(rc == -EACCES);
		return;
	}
	if (t.refuse && rc)
		return;
	if (how == FL_PREFAULT_READ && !(s->prot & FL_DMA_READ)) {
		CHECK(!rc || rc == -EACCES);
		return;
	}
	CHECK(!rc || (rc == -ENOMEM && t.budget != FL_BUDGET_NONE));
	need = how == FL_PREFAULT_READ ? FL_DMA_READ : s->prot;
	for (unsigned k = 0; !rc && how != FL_PREFAULT_NO_FAULT && k < DOMAINS; k++)
		for (unsigned p = s->first + off; t.mmu[k].d && p < s->first + off + n; p++)
			CHECK(t.budget != FL_BUDGET_NONE || (t.mmu[k].perm[p] & need) == need);
}

static void op_pin(struct slot *s)
{
	unsigned off, n;
	int rc;

	if (!s->a || t.npins == PINS)
		return;
	some_range(s, &off, &n);
	rc = fl_mem_pin(s->a, (uint64_t)off * PAGE, (uint64_t)n * PAGE);
	if (t.refuse && rc)
		return;
	CHECK(!rc);
	t.pin[t.npins++] = (struct pin){ (unsigned)(s - t.slot), off, n };
	for (unsigned p = s->first + off; p < s->first + off + n; p++)
		s->pins[p % SLOT_PAGE]++;
}

static void op_unpin(void)
{
	struct pin *x;
	struct slot *s;

	if (!t.npins)
		return;
	x = &t.pin[rnd(t.npins)];
	s = &t.slot[x->slot];
	CHECK(!fl_mem_unpin(s->a, (uint64_t)x->page * PAGE, (uint64_t)x->n * PAGE));
	for (unsigned p = s->first + x->page; p < s->first + x->page + x->n; p++)
		s->pins[p % SLOT_PAGE]--;
	*x = t.pin[--t.npins];
}

static void op_convert(struct slot *s)
{
	enum fl_residency to = rnd(2) ? FL_LAZY : FL_PINNED;
	int rc;

	if (!s->a)
		return;
	rc = fl_mem_convert(s->a, to);
	if (t.refuse && rc)
		return;
	CHECK(!rc);
	s->lazy = to == FL_LAZY;
	CHECK(s->a->residency == to);
}

static bool hold(struct slot *s, struct held *h, fl_iova_t iova, uint32_t len)
{
	bool ok;

	fl_dma_enter(&t.q);
	ok = fl_dma_resident(s->a, iova, len);
	if (ok) {
		h->page = (unsigned)((iova.v - (uintptr_t)t.arena) / PAGE);
		h->n = (unsigned)((iova.v + len - 1 - (uintptr_t)t.arena) / PAGE) - h->page + 1;
	}
	fl_dma_leave(&t.q);
	return ok;
}

static bool some_posted(void)
{
	for (unsigned k = 0; k < DOMAINS; k++)
		if (t.mmu[k].d && !t.mmu[k].faults)
			return true;
	return false;
}

/* who posts has a device, and that a domain */
static void op_post(struct slot *s)
{
	struct held *h = &t.held[rnd(HELD)];
	uint64_t off;
	uint32_t len;
	fl_iova_t iova;
	int rc;

	if (!s->a || !some_posted())
		return;
	h->n = 0; /* this one is taken back */
	off = rnd(s->n * PAGE);
	len = 1 + rnd(2 * PAGE);
	if (len > (uint64_t)s->n * PAGE - off)
		len = (uint32_t)((uint64_t)s->n * PAGE - off);
	iova = fl_iova_add(s->a->iova, off);
	if (hold(s, h, iova, len))
		return;
	rc = fl_dma_post(&t.q, s->a, iova, len);
	if (t.refuse && rc) {
		CHECK(rc == -EAGAIN);
		/* until its next burst the queue keeps what it did get */
		fl_dma_enter(&t.q);
		fl_dma_leave(&t.q);
		return;
	}
	CHECK(!rc);
	CHECK(hold(s, h, iova, len)); /* nobody else posts here */
}

static void op_settings(void)
{
	static const uint64_t budgets[] = { FL_BUDGET_NONE, 64 * PAGE, 1, 512 * PAGE };
	static const uint32_t arounds[] = { 0, 0, 1, 7, 512 };
	struct fl_residency_opts o = { .budget = budgets[rnd(4)], .fault_around = arounds[rnd(5)] };

	CHECK(!fl_dma_residency_set(t.s, &o));
	t.budget = o.budget;
	t.around = o.fault_around;
}

static void op_domain(void)
{
	struct iommu *u = &t.mmu[rnd(DOMAINS)];
	int rc;

	if (u->d) {
		bool dead = !rnd(3);

		/* a device that leaves holds nothing */
		for (unsigned i = 0; !u->faults && i < HELD; i++)
			t.held[i].n = 0;
		fl_dma_domain_remove(u->d, dead);
		u->d = NULL;
		for (unsigned i = 0; dead && i < SLOTS; i++) {
			t.resolved -= u->faults_in[i];
			u->faults_in[i] = 0;
			u->stands[i] = false;
		}
		if (dead) {
			memset(u->keeps, 0, sizeof(u->keeps));
			memset(u->perm, 0, sizeof(u->perm));
			memset(u->starts, 0, sizeof(u->starts));
			memset(u->announced, 0, sizeof(u->announced));
		}
		return;
	}
	rc = fl_dma_domain_add(t.s, &mmu_ops, u, &u->d);
	CHECK(!rc || t.refuse);
	if (rc)
		u->d = NULL;
}

static void op_write(struct slot *s)
{
	unsigned page;

	if (!s->a)
		return;
	page = s->first + rnd(s->n);
	CHECK(t.arena[(size_t)page * PAGE + 17] == t.byte[page]);
	t.byte[page] = (uint8_t)t.op;
	t.arena[(size_t)page * PAGE + 17] = t.byte[page];
}

static void one_op(void)
{
	struct slot *s = &t.slot[rnd(SLOTS)];
	uint32_t k = rnd(1000);

	if (k < 400)
		op_fault(s);
	else if (k < 700)
		op_post(s);
	else if (k < 750)
		t.held[rnd(HELD)].n = 0;
	else if (k < 800)
		op_write(s);
	else if (k < 850)
		op_take(s, false);
	else if (k < 865)
		op_take(s, true);
	else if (k < 890)
		op_prefault(s);
	else if (k < 910)
		op_pin(s);
	else if (k < 935)
		op_unpin();
	else if (k < 945)
		op_convert(s);
	else if (k < 960)
		op_map(s);
	else if (k < 970)
		op_unmap(s);
	else if (k < 975)
		op_domain();
	else if (k < 985)
		op_settings();
	else if (k < 997)
		t.refuse = !rnd(3);
	else
		check_all();
}

/* ---- the run ------------------------------------------------------------------------------- */

static bool holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	uint64_t base = (uintptr_t)t.arena;

	return is_held((unsigned)((first.v - base) / PAGE),
		       (unsigned)((last.v - base) / PAGE - (first.v - base) / PAGE + 1));
}

static const struct fl_dma_queue_ops queue_ops = { .holds = holds };

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 0) : otherwise;
}

static void test_against_naive(void **state)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1, .align = 2 * MIB };
	struct fl_mem_info info;
	struct fl_mem *mem;
	uint64_t ops = from_env("FL_OPS", 1000000);

	t.seed = from_env("FL_SEED", 20250731);
	t.rnd = t.seed * 0x9e3779b97f4a7c15ull | 1;
	t.budget = FL_BUDGET_NONE;
	assert_int_equal(fl_mem_alloc((uint64_t)PAGES * PAGE, &mo, &mem), 0);
	fl_mem_info(mem, &info);
	t.arena = info.va;
	assert_int_equal(fl_dma_space_create(&quiet, &t.s), 0);
	CHECK(!fl_dma_residency_set(t.s, &(struct fl_residency_opts){ .budget = t.budget }));
	assert_int_equal(fl_dma_queue_add(t.s, &t.q, &queue_ops, NULL, 0), 0);
	for (unsigned k = 0; k < DOMAINS; k++) {
		t.mmu[k].faults = k & 1 || k == 4;
		t.mmu[k].resolves = k == 4;
		CHECK(!fl_dma_domain_add(t.s, &mmu_ops, &t.mmu[k], &t.mmu[k].d));
	}
	for (t.op = 0; t.op < ops; t.op++)
		one_op();
	check_all();
	for (unsigned i = 0; i < SLOTS; i++)
		op_unmap(&t.slot[i]);
	check_all();
	fl_dma_queue_del(&t.q);
	for (unsigned k = 0; k < DOMAINS; k++)
		fl_dma_domain_remove(t.mmu[k].d, false);
	end(t.s);
	fl_mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_naive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
