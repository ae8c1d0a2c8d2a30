/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user does with ranges of lazy areas: prefault, revoke, discard, pin; and areas that turn.
 */
#include "residency_fake.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define R  FL_DMA_READ
#define W  FL_DMA_WRITE
#define RW FL_DMA_RW

/* ---- allocations that fail: the library's calloc() goes here -------------------------------- */

static int calloc_fails_in; /* 0 = never */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	if (calloc_fails_in && !--calloc_fails_in)
		return NULL;
	return __real_calloc(n, size);
}

static uint64_t resident(const struct fl_mem *m)
{
	uint64_t bytes;

	assert_int_equal(fl_mem_resident(m, &bytes), 0);
	return bytes;
}

static unsigned may(struct rig *r, uint64_t page)
{
	return pager_may(&r->d, r->a, page * PAGE);
}

/* ---- prefault ------------------------------------------------------------------------------- */

static void test_prefault(void **state)
{
	struct rig r;

	needs_madvise();
	rig_up(&r, 8 * MIB);
	/* whole pages, in one go */
	assert_int_equal(fl_mem_prefault(r.a, 100, MIB, FL_PREFAULT_READ), 0);
	assert_int_equal(r.d.grant.calls, 1);
	assert_int_equal(r.d.pages, 257);
	assert_int_equal(may(&r, 256), R);
	assert_int_equal(area_stats(r.a).prefault_pages, 257);
	assert_int_equal(resident(r.mem), 257 * PAGE);
	assert_int_equal(fl_mem_prefault(r.a, 0, 2 * MIB, FL_PREFAULT_WRITE), 0);
	assert_int_equal(may(&r, 0), RW);
	assert_int_equal(area_stats(r.a).upgrades, 257);
	assert_int_equal(area_stats(r.a).prefault_pages, 512);
	/* what is there is not said again, and not made less */
	r.d.grant.calls = 0;
	assert_int_equal(fl_mem_prefault(r.a, 0, 2 * MIB, FL_PREFAULT_READ), 0);
	assert_int_equal(r.d.grant.calls, 0);
	assert_int_equal(fl_mem_prefault(r.a, 0, 3 * MIB, FL_PREFAULT_READ), 0);
	assert_int_equal(may(&r, 511), RW);
	assert_int_equal(may(&r, 512), R);
	assert_int_equal(ask(r.dom, r.a, 600 * PAGE, R), 0);
	assert_int_equal(area_stats(r.a).spurious, 1);
	rig_down(&r);
}

static void test_prefault_what_is_there(void **state)
{
	struct rig r;

	rig_up(&r, 8 * MIB);
	r.a->va[5 * PAGE] = 1;
	r.a->va[6 * PAGE] = 1;
	memset(r.a->va + 510 * PAGE, 1, 4 * PAGE); /* across 2 MiB */
	r.a->va[8 * MIB - 1] = 1;
	assert_int_equal(fl_mem_prefault(r.a, 0, 8 * MIB, FL_PREFAULT_NO_FAULT), 0);
	assert_int_equal(resident(r.mem), 7 * PAGE);
	assert_int_equal(r.d.pages, 7);
	assert_int_equal(may(&r, 5), RW);
	assert_int_equal(may(&r, 513), RW);
	assert_int_equal(may(&r, 2047), RW);
	assert_int_equal(fl_mem_prefault(r.a, 20 * PAGE, PAGE, FL_PREFAULT_NO_FAULT), 0);
	assert_int_equal(r.d.pages, 7);
	rig_down(&r);
}

static void test_prefault_refused(void **state)
{
	struct rig r;

	rig_up_with(&r, MIB, R, FL_MEM_MEMFD);
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_WRITE), -EACCES);
	assert_said("may not write");
	r.a->va[0] = 1;
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_NO_FAULT), 0);
	assert_int_equal(may(&r, 0), R);
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, (enum fl_prefault)3), -EINVAL);
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB + 1, FL_PREFAULT_READ), -EINVAL);
	assert_said("not in the area");
	assert_int_equal(fl_mem_prefault(r.a, UINT64_MAX, 2, FL_PREFAULT_READ), -EINVAL);
	assert_int_equal(fl_mem_prefault(r.a, 0, 0, FL_PREFAULT_READ), -EINVAL);
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_READ), -EIO);
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_READ),
			 0); /* it needs it no more */
	free(r.d.areas[0].may);
	r.d.areas[0].may = NULL;
	r.d.pages = 0;
	assert_int_equal(fl_dma_domain_replay(r.dom), 0);
	rig_down(&r);

	rig_up_with(&r, MIB, W, FL_MEM_MEMFD);
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_READ), -EACCES);
	assert_said("may not read");
	rig_down(&r);
}

static void test_prefault_and_budget(void **state)
{
	struct fl_residency_opts o = { .budget = 4 * MIB };
	struct rig r;

	rig_up(&r, 16 * MIB);
	assert_int_equal(fl_dma_residency_set(r.s, &o), 0);
	assert_int_equal(fl_mem_prefault(r.a, 0, 16 * MIB, FL_PREFAULT_WRITE), -ENOMEM);
	assert_int_equal(r.d.pages, 0);
	assert_int_equal(fl_mem_prefault(r.a, 0, 4 * MIB, FL_PREFAULT_WRITE), 0);
	assert_int_equal(fl_mem_prefault(r.a, 8 * MIB, 4 * MIB, FL_PREFAULT_WRITE), 0);
	assert_int_equal(r.d.pages_max, 4 * MIB / PAGE);
	assert_int_equal(may(&r, 0), 0);
	assert_int_equal(may(&r, 2048), RW);
	/* nothing can go to make room: said, and nothing lost */
	r.d.revoke = (struct fault){ .at = 1, .times = 1000, .rc = -EIO };
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_WRITE), -ENOMEM);
	assert_int_equal(may(&r, 2048), RW);
	rig_down(&r);
}

/* ---- revoke --------------------------------------------------------------------------------- */

static void test_revoke(void **state)
{
	struct rig r;

	rig_up(&r, 8 * MIB);
	memset(r.a->va, 7, 10 * PAGE);
	assert_int_equal(fl_mem_revoke(r.a, 0, 8 * MIB), 0);
	assert_int_equal(r.d.revoke.calls, 0); /* there is nothing to be said */
	assert_int_equal(fl_mem_prefault(r.a, 0, 10 * PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(fl_mem_revoke(r.a, 2 * PAGE, 3 * PAGE), 0);
	assert_int_equal(may(&r, 1), RW);
	assert_int_equal(may(&r, 2), 0);
	assert_int_equal(may(&r, 4), 0);
	assert_int_equal(may(&r, 5), RW);
	assert_int_equal(r.a->va[3 * PAGE], 7);
	assert_int_equal(area_stats(r.a).mapped_bytes, 7 * PAGE);
	assert_int_equal(area_stats(r.a).invalidations, 2);
	assert_int_equal(area_stats(r.a).discards, 0);

	r.d.revoke = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_revoke(r.a, 0, 8 * MIB), -EIO);
	assert_int_equal(area_stats(r.a).mapped_bytes, 7 * PAGE); /* as far as is known */
	assert_int_equal(fl_mem_revoke(r.a, 0, 8 * MIB), 0);
	assert_int_equal(r.d.pages, 0);
	assert_int_equal(ask(r.dom, r.a, 3 * PAGE, R), 0);
	assert_int_equal(area_stats(r.a).spurious, 0);

	assert_int_equal(fl_mem_revoke(r.a, 1, PAGE), -EINVAL);
	assert_int_equal(fl_mem_revoke(r.a, 0, PAGE + 1), -EINVAL);
	assert_int_equal(fl_mem_revoke(r.a, 8 * MIB, PAGE), -EINVAL);
	/* its side is gone: it has lost it */
	r.d.revoke = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_mem_revoke(r.a, 0, 8 * MIB), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	free(r.d.areas[0].may);
	r.d.areas[0].may = NULL;
	r.d.pages = 0;
	rig_down(&r);
}

/* One domain of two refuses: the other loses it all the same. */
static void test_revoke_goes_on(void **state)
{
	struct pager other = pager_new();
	struct fl_dma_domain *dom;
	struct rig r;

	rig_up(&r, MIB);
	dom = pager_add(r.s, &other);
	for (int i = 0; i < 2; i++) {
		struct pager *bad = i ? &other : &r.d;

		assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_READ), 0);
		bad->revoke = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
		assert_int_equal(fl_mem_revoke(r.a, 0, MIB), -EIO);
		assert_int_equal(r.d.pages + other.pages, 256);
		assert_int_equal(fl_mem_revoke(r.a, 0, MIB), 0);
	}
	fl_dma_domain_remove(dom, false);
	rig_down(&r);
}

/* ---- discard -------------------------------------------------------------------------------- */

static uint8_t *watched;

/* The device loses it while the pages are there still. */
static int look_and_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	assert_int_equal(*watched, 7);
	return pager_revoke(arg, iova, len);
}

static void test_discard(void **state)
{
	static const enum fl_mem_kind kinds[] = { FL_MEM_MEMFD, FL_MEM_ANON };
	struct fl_dma_domain_ops ops = pager_ops;
	struct pager other = pager_new();
	struct fl_dma_domain *dom;

	needs_madvise();
	ops.revoke = look_and_revoke;
	for (size_t i = 0; i < FL_ARRAY_SIZE(kinds); i++) {
		struct rig r;

		rig_up_with(&r, MIB, 0, kinds[i]);
		assert_int_equal(fl_dma_domain_add(r.s, &ops, &other, &dom), 0);
		memset(r.a->va, 7, MIB);
		watched = r.a->va + 4 * PAGE;
		assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_WRITE), 0);
		assert_int_equal(fl_mem_discard(r.a, 4 * PAGE, 8 * PAGE), 0);
		assert_int_equal(other.revoke.calls, i + 1);
		assert_int_equal(r.a->va[4 * PAGE], 0);
		assert_int_equal(r.a->va[12 * PAGE - 1], 0);
		assert_int_equal(r.a->va[4 * PAGE - 1], 7);
		assert_int_equal(r.a->va[12 * PAGE], 7);
		assert_int_equal(r.d.pages, 248);
		assert_int_equal(area_stats(r.a).discards, 1);
		assert_int_equal(area_stats(r.a).invalidations, 1);
		assert_int_equal(ask(r.dom, r.a, 4 * PAGE, W), 0);
		fl_dma_domain_remove(dom, false);
		rig_down(&r);
	}
}

static void test_discard_refused(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	memset(r.a->va, 7, MIB);
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_WRITE), 0);
	assert_int_equal(fl_mem_discard(r.a, 0, PAGE / 2), -EINVAL);
	assert_int_equal(fl_mem_discard(r.a, 0, 2 * MIB), -EINVAL);
	assert_int_equal(fl_mem_pin(r.a, 3 * PAGE, PAGE), 0);
	assert_int_equal(fl_mem_discard(r.a, 0, MIB), -EBUSY);
	assert_int_equal(fl_mem_revoke(r.a, 3 * PAGE, PAGE), -EBUSY);
	assert_int_equal(r.d.pages, 256);
	assert_int_equal(r.a->va[0], 7);
	assert_int_equal(fl_mem_unpin(r.a, 3 * PAGE, PAGE), 0);
	r.d.revoke = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_discard(r.a, 0, MIB), -EIO);
	assert_int_equal(r.a->va[0], 7); /* it may reach them still */
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_int_equal(fl_mem_discard(r.a, 0, MIB), -EOPNOTSUPP);
	assert_said("make it lazy first");
	assert_int_equal(area_stats(r.a).discards, 0);
	rig_down(&r);
}

/* Discards the second page of memory that is wrapped; the rest of what can be said of it. */
static int discard_wrapped(struct rig *r, void *va, uint64_t len, int fd)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	int rc;

	*r = (struct rig){ .s = new_space(), .d = pager_new() };
	r->dom = pager_add(r->s, &r->d);
	assert_int_equal(fl_mem_wrap(va, len, fd, 0, &sink, &r->mem), 0);
	r->a = map(r->s, r->mem, &o);
	assert_int_equal(fl_mem_prefault(r->a, 0, len, FL_PREFAULT_WRITE), 0);
	rc = fl_mem_discard(r->a, PAGE, PAGE);
	assert_int_equal(r->d.pages, rc ? 4 : 3); /* what cannot be freed is not taken */
	rig_down(r);
	return rc;
}

static void *map_file(int fd, int flags)
{
	void *va = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_ptr_not_equal(va, MAP_FAILED);
	memset(va, 7, 4 * PAGE);
	return va;
}

/* A file where files are not memory. */
static int disk_file(void)
{
	char path[] = "residency-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pwrite(fd, &(char){ 5 }, 1, i * (off_t)PAGE), 1);
	return fd;
}

static void test_discard_wrapped(void **state)
{
	int mem = memfd_create("residency", MFD_CLOEXEC), disk = disk_file();
	struct rig r;
	uint8_t *va;

	needs_madvise();
	assert_int_equal(ftruncate(mem, 4 * PAGE), 0);
	va = map_file(mem, MAP_SHARED);
	assert_int_equal(discard_wrapped(&r, va, 4 * PAGE, mem), 0);
	assert_int_equal(va[PAGE], 0);
	assert_int_equal(va[2 * PAGE], 7);
	/* shared, and whose it is was not said */
	assert_int_equal(discard_wrapped(&r, va, 4 * PAGE, -1), -EOPNOTSUPP);
	assert_said("wrap it with that");
	munmap(va, 4 * PAGE);

	va = map_file(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_int_equal(discard_wrapped(&r, va, 4 * PAGE, -1), 0);
	assert_int_equal(va[PAGE], 0);
	/* sanitizers make nothing of mlock() */
	assert_int_equal(syscall(SYS_mlock, va, PAGE * 4), 0);
	memset(va, 7, 4 * PAGE);
	r = (struct rig){ .s = new_space(), .d = pager_new() };
	assert_int_equal(fl_mem_wrap(va, 4 * PAGE, -1, 0, &sink, &r.mem), 0);
	r.dom = pager_add(r.s, &r.d);
	r.a = map(r.s, r.mem, &(struct fl_dma_opts){ .residency = FL_LAZY });
	assert_int_equal(fl_mem_discard(r.a, 0, PAGE), -EINVAL);
	assert_said("mlock()ed?");
	assert_int_equal(area_stats(r.a).discards, 0);
	rig_down(&r);
	munmap(va, 4 * PAGE);

	/* a file: what is private is freed and reads as the file, what is shared is the file */
	va = map_file(disk, MAP_PRIVATE);
	assert_int_equal(discard_wrapped(&r, va, 4 * PAGE, -1), 0);
	assert_int_equal(va[PAGE], 5);
	munmap(va, 4 * PAGE);
	if (fcntl(disk, F_GET_SEALS) < 0) { /* else the folder is in memory itself */
		va = map_file(disk, MAP_SHARED);
		assert_int_equal(discard_wrapped(&r, va, 4 * PAGE, disk), -EOPNOTSUPP);
		assert_int_equal(va[PAGE], 7);
		munmap(va, 4 * PAGE);
	}
	close(mem);
	close(disk);
}

/* ---- pins -------------------------------------------------------------------------------------
 */

static void test_pins_count(void **state)
{
	struct fl_pins p = { 0 };

	assert_int_equal(fl_pins_change(&p, 10, 10, true), -EINVAL);
	assert_int_equal(fl_pins_change(&p, 10, 10, false), 0);
	assert_int_equal(fl_pins_change(&p, 30, 10, false), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(fl_pins_change(&p, 0, 50, false), 0); /* over both, and the gaps */
	assert_int_equal(p.n, 5);
	assert_int_equal(fl_pins_bytes(&p), 50);
	assert_int_equal(fl_pins_change(&p, 15, 20, true), 0); /* the gap is open again */
	assert_true(fl_pins_any(&p, 0, 20));
	assert_false(fl_pins_any(&p, 20, 10));
	assert_true(fl_pins_any(&p, 19, 2));
	assert_true(fl_pins_all(&p, 30, 20));
	assert_false(fl_pins_all(&p, 15, 20));
	assert_int_equal(fl_pins_change(&p, 0, 50, true), -EINVAL);
	assert_int_equal(fl_pins_change(&p, 20, 10, false), 0);
	assert_true(fl_pins_all(&p, 0, 50));
	assert_int_equal(fl_pins_change(&p, 0, 50, true), 0);
	assert_int_equal(fl_pins_bytes(&p), 10); /* [10, 15) and [35, 40) */
	assert_int_equal(fl_pins_change(&p, 10, 5, true), 0);
	assert_int_equal(fl_pins_change(&p, 35, 5, true), 0);
	assert_int_equal(p.n, 0);
	calloc_fails_in = 1;
	assert_int_equal(fl_pins_change(&p, 0, 1, false), -ENOMEM);
	assert_int_equal(p.n, 0);
	free(p.v);
}

/* Against a count for each byte. */
static void test_pins_at_random(void **state)
{
	unsigned count[64] = { 0 };
	struct fl_pins p = { 0 };
	uint32_t x = 12345;

	for (int i = 0; i < 20000; i++) {
		uint64_t off, len, bytes = 0;
		bool down, all = true, any = false;

		x = x * 1103515245 + 12345;
		off = x >> 16 & 63;
		len = 1 + (x >> 22 & 63) % (64 - off);
		down = x >> 30 & 1;
		for (uint64_t b = off; b < off + len; b++) {
			all &= count[b] > 0;
			any |= count[b] > 0;
		}
		assert_int_equal(fl_pins_any(&p, off, len), any);
		assert_int_equal(fl_pins_all(&p, off, len), all);
		assert_int_equal(fl_pins_change(&p, off, len, down), down && !all ? -EINVAL : 0);
		for (uint64_t b = off; (!down || all) && b < off + len; b++)
			count[b] += down ? -1u : 1;
		for (int b = 0; b < 64; b++)
			bytes += count[b] != 0;
		assert_int_equal(fl_pins_bytes(&p), bytes);
		for (size_t n = 0; n < p.n; n++)
			assert_int_equal(p.v[n].count, count[p.v[n].first]);
	}
	free(p.v);
}

static void test_pin(void **state)
{
	struct pager late = pager_new();
	struct fl_dma_domain *dom;
	struct rig r;

	needs_madvise();
	rig_up(&r, 8 * MIB);
	assert_int_equal(fl_mem_pin(r.a, PAGE + 5, 2 * PAGE), 0); /* touches three pages */
	assert_int_equal(r.d.pages, 3);
	assert_int_equal(area_stats(r.a).pinned_bytes, 3 * PAGE);
	assert_int_equal(resident(r.mem), 3 * PAGE);
	assert_int_equal(fl_mem_pin(r.a, 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(area_stats(r.a).pinned_bytes, 3 * PAGE);
	assert_int_equal(fl_mem_unpin(r.a, PAGE, 3 * PAGE), 0);
	assert_int_equal(area_stats(r.a).pinned_bytes, 2 * PAGE); /* the second pin's */
	assert_int_equal(fl_mem_unpin(r.a, PAGE, PAGE), -EINVAL);
	assert_said("is not pinned");
	assert_int_equal(fl_mem_unpin(r.a, 2 * PAGE + 1, PAGE), -EINVAL);
	assert_int_equal(fl_mem_unpin(r.a, 8 * MIB, PAGE), -EINVAL);
	assert_int_equal(fl_mem_pin(r.a, 8 * MIB, PAGE), -EINVAL);
	assert_int_equal(fl_mem_revoke(r.a, 0, 2 * PAGE), 0);
	assert_int_equal(fl_mem_revoke(r.a, 0, 3 * PAGE), -EBUSY);

	/* who joins late has what is kept, and who comes back */
	dom = pager_add(r.s, &late);
	assert_int_equal(late.pages, 2);
	assert_int_equal(pager_may(&late, r.a, 3 * PAGE), RW);
	fl_dma_domain_remove(dom, false);
	late.grant = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_dma_domain_add(r.s, &pager_ops, &late, &dom), -ENOMEM);
	assert_null(late.areas[0].may);
	rig_down(&r);
}

static void test_pin_fails(void **state)
{
	struct rig r;

	rig_up_with(&r, MIB, R, FL_MEM_MEMFD);
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), -ENOMEM);
	assert_int_equal(area_stats(r.a).pinned_bytes, 0);
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), -EINVAL);
	calloc_fails_in = 1;
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), -ENOMEM);
	calloc_fails_in = 0;
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	assert_int_equal(may(&r, 0), R);
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), 0);
	rig_down(&r);
}

static void test_no_memory_for_bitmaps(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	calloc_fails_in = 1;
	assert_int_equal(ask(r.dom, r.a, 0, W), -ENOMEM);
	assert_int_equal(area_stats(r.a).failed, 1);
	calloc_fails_in = 1;
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_READ), -ENOMEM);
	calloc_fails_in = 0;
	assert_int_equal(r.d.pages, 0);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	rig_down(&r);
}

/* ---- turning ----------------------------------------------------------------------------------
 */

static void test_convert(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	assert_int_equal(r.d.convert.calls, 0); /* it is */
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_int_equal(r.a->residency, FL_PINNED);
	assert_int_equal(may(&r, 200), RW);
	assert_int_equal(stats(r.s).mapped_bytes, MIB);
	assert_int_equal(area_stats(r.a).mapped_bytes, MIB);
	assert_int_equal(space_stats(r.s).owned_bytes, 0);
	/* requests that were on their way */
	assert_int_equal(ask(r.dom, r.a, 100 * PAGE, W), 0);
	assert_int_equal(ask(r.dom, r.a, 100 * PAGE, 4), -EACCES);
	assert_int_equal(area_stats(r.a).spurious, 1);
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_WRITE), 0);
	assert_int_equal(fl_mem_pin(r.a, 10 * PAGE, PAGE), 0);
	assert_int_equal(r.d.grant.calls, 1);

	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	assert_int_equal(may(&r, 0), 0);
	assert_int_equal(may(&r, 10), RW); /* pinned meanwhile */
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(fl_mem_unpin(r.a, 10 * PAGE, PAGE), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_AUTO), -EINVAL);
	assert_said("pinned or lazy");
	rig_down(&r);
}

/* Pinned first, of a kind that could be joined: it stands alone from then on. */
static void test_convert_from_pinned(void **state)
{
	struct fl_dma_opts o = { .flags = FL_DMA_JOIN };
	struct fl_dma_space *s = new_space();
	struct pager d = pager_new();
	struct fl_dma_domain *dom = pager_add(s, &d);
	struct fl_mem m[2] = { mem_at(1ull << 40, MIB), mem_at((1ull << 40) + MIB, MIB) };
	struct fl_dma_area *a = map(s, &m[0], &o), *b;

	assert_int_equal(fl_mem_convert(a, FL_LAZY), 0);
	assert_int_equal(ask(dom, a, 0, R), 0);
	assert_int_equal(fl_mem_convert(a, FL_PINNED), 0);
	b = map(s, &m[1], &o);
	assert_int_equal(stats(s).entries, 2);
	unmap(b);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* One that could not turn shares no entry with a neighbour that comes later. */
static void test_convert_refused_and_joined(void **state)
{
	const struct fl_dma_opts o = { .flags = FL_DMA_JOIN };
	struct fake posted = fake_with(0, UINT64_MAX);
	struct fl_mem left = mem_at(16 * GIB, MIB), right = mem_at(16 * GIB + MIB, MIB);
	struct fl_dma_area *a, *b;
	struct fl_dma_domain *dom;
	struct rig r;

	rig_up(&r, MIB);
	dom = add(r.s, &posted);
	a = map(r.s, &left, &o);
	r.d.convert = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_convert(a, FL_LAZY), -EIO);
	assert_int_equal(a->residency, FL_PINNED);
	b = map(r.s, &right, &o);
	assert_maps(&posted, 16 * GIB, MIB);
	assert_maps(&posted, 16 * GIB + MIB, MIB);
	unmap(a);
	unmap(b);
	assert_int_equal(posted.n, 0);
	fl_dma_domain_remove(dom, false);
	rig_down(&r);
}

static void test_convert_refused(void **state)
{
	struct fl_dma_opts o = { .flags = FL_DMA_JOIN };
	struct fl_mem m[2] = { mem_at(1ull << 40, MIB), mem_at((1ull << 40) + MIB, MIB) };
	struct fl_dma_domain_ops lame = pager_ops;
	struct pager other = pager_new();
	struct fl_dma_domain *dom;
	struct fl_dma_area *a, *b;
	struct rig r;

	rig_up(&r, MIB);
	a = map(r.s, &m[0], &o);
	b = map(r.s, &m[1], &o);
	assert_int_equal(fl_mem_convert(a, FL_LAZY), -EOPNOTSUPP);
	assert_said("without FL_DMA_JOIN");
	unmap(a);
	unmap(b);

	/* one of two says no: the other is put back */
	dom = pager_add(r.s, &other);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(fl_mem_pin(r.a, 3 * PAGE, PAGE), 0);
	other.convert = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), -ENOMEM);
	assert_said("cannot turn pinned");
	assert_int_equal(r.a->residency, FL_LAZY);
	assert_int_equal(r.d.convert.calls, 2);
	assert_true(r.d.areas[0].m.lazy);
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	assert_int_equal(may(&r, 3), RW); /* pinned */
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(may(&r, 0), RW);
	/* gone is no refusal */
	other.convert = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	fl_dma_domain_remove(dom, true);
	free(other.areas[0].may);

	lame.convert = NULL;
	other = pager_new();
	assert_int_equal(fl_dma_domain_add(r.s, &lame, &other, &dom), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), -EOPNOTSUPP);
	assert_int_equal(r.a->residency, FL_PINNED);
	fl_dma_domain_remove(dom, false);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefault),
		cmocka_unit_test(test_prefault_what_is_there),
		cmocka_unit_test(test_prefault_refused),
		cmocka_unit_test(test_prefault_and_budget),
		cmocka_unit_test(test_revoke),
		cmocka_unit_test(test_revoke_goes_on),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_refused),
		cmocka_unit_test(test_discard_wrapped),
		cmocka_unit_test(test_pins_count),
		cmocka_unit_test(test_pins_at_random),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_pin_fails),
		cmocka_unit_test(test_no_memory_for_bitmaps),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_convert_from_pinned),
		cmocka_unit_test(test_convert_refused),
		cmocka_unit_test(test_convert_refused_and_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
