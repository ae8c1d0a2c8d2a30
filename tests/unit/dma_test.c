/* SPDX-License-Identifier: BSD-3-Clause */
/* Spaces: where areas are placed, what is refused, what is counted and foreseen. */
#include "dma_fake.h"

#include <fl_dma_post.h>

#include <dirent.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define VA 0x7f1234560000ull

static void test_without_domains(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fl_mem m = mem_at(VA, 64 * KIB), high = mem_at(1ull << 55, 4096);
	struct fl_iova_range w[2];
	struct fl_dma_area *a, *b;

	a = map(s, &m, NULL);
	assert_int_equal(a->iova.v, VA);
	assert_int_equal(a->len, 64 * KIB);
	assert_int_equal(a->prot, FL_DMA_RW);
	assert_ptr_equal(a->space, s);
	assert_ptr_equal(a->mem, &m);
	assert_int_equal(fl_dma_iova(a, a->va + 5).v, VA + 5);
	assert_int_equal(fl_dma_windows(s, w, 2), 1);
	assert_int_equal(w[0].last, (1ull << 48) - 1);
	b = map(s, &high, NULL); /* of a 5-level page table: not where a device could reach it */
	assert_int_equal(b->iova.v, 4096);
	assert_int_equal(stats(s).owned_bytes, 68 * KIB);
	assert_int_equal(stats(s).mapped_bytes, 0);
	assert_int_equal(fl_dma_space_destroy(s), -EBUSY);
	assert_said("2 areas");
	unmap(b);
	unmap(a);
	end(s);
	assert_int_equal(fl_dma_space_destroy(NULL), 0);
	assert_int_equal(fl_dma_unmap(NULL), 0);
}

static void test_every_domain_gets_it(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake one = fake_x86((1ull << 48) - 1), two = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *d1 = add(s, &one), *d2 = add(s, &two);
	struct fl_dma_opts ro = { .prot = FL_DMA_READ };
	struct fl_dma_area *a;
	struct fl_mem *m;
	struct fl_mem_info i;

	assert_int_equal(fl_mem_alloc(8192, NULL, &m), 0);
	fl_mem_info(m, &i);
	a = map(s, m, &ro);
	assert_int_equal(a->iova.v, (uintptr_t)i.va);
	assert_int_equal(two.n, 1);
	assert_maps(&one, a->iova.v, 8192);
	assert_ptr_equal(one.maps[0].va, i.va);
	assert_int_equal(one.maps[0].fd, i.fd);
	assert_int_equal(one.maps[0].fd_offset, 0);
	assert_int_equal(one.maps[0].prot, FL_DMA_READ);
	assert_int_equal(stats(s).maps, 2);
	assert_int_equal(stats(s).entries, 1);
	assert_int_equal(stats(s).domains, 2);
	assert_int_equal(stats(s).mapped_bytes, 8192);
	assert_int_equal(stats(s).pinned_bytes, 0);
	assert_int_equal(fl_dma_space_destroy(s), -EBUSY);
	unmap(a);
	assert_int_equal(one.n + two.n, 0);
	assert_int_equal(stats(s).unmaps, 2);
	assert_int_equal(stats(s).mapped_bytes, 0);
	fl_dma_domain_remove(d1, false);
	assert_int_equal(fl_dma_space_destroy(s), -EBUSY);
	assert_said("devices open");
	fl_dma_domain_remove(d2, false);
	fl_dma_domain_remove(NULL, false);
	end(s);
	fl_mem_free(m);
}

static void test_windows_and_holes(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake x86 = fake_x86((1ull << 48) - 1), narrow = fake_with(0, (1ull << 39) - 1);
	struct fake dma32 = fake_with(0xf0000000, 0xffffffff);
	struct fl_dma_domain *d[3] = { add(s, &x86), add(s, &narrow), add(s, &dma32) };
	struct fl_mem small = mem_at(VA, 64 * KIB), huge = mem_at(1ull << 40, 2 * MIB);
	struct fl_mem low = mem_at(0xfee00000, 4096), fits = mem_at(0xf8000000, 4096);
	struct fl_mem big = mem_at(1ull << 41, 0xee00000);
	struct fl_dma_area *a[4];
	struct fl_iova_range w[4];

	huge.info.page_size = 2 * MIB;
	assert_int_equal(fl_dma_windows(s, w, 4), 2);
	assert_int_equal(w[0].first, 0xf0000000);
	assert_int_equal(w[0].last, 0xfedfffff);
	assert_int_equal(w[1].first, 0xfef00000);
	assert_int_equal(w[1].last, 0xffffffff);
	assert_int_equal(fl_dma_windows(s, w, 0), 2);

	a[0] = map(s, &small, NULL); /* the lowest */
	assert_int_equal(a[0]->iova.v, 0xf0000000);
	a[1] = map(s, &huge, NULL); /* the lowest of 2 MiB */
	assert_int_equal(a[1]->iova.v, 0xf0200000);
	a[2] = map(s, &low, NULL); /* its VA lies in the hole */
	assert_int_equal(a[2]->iova.v, 0xf0010000);
	a[3] = map(s, &fits, NULL);
	assert_int_equal(a[3]->iova.v, 0xf8000000);
	assert_int_equal(fl_dma_map(s, &big, NULL, &a[0]), -ENOSPC);
	assert_said("[0xf0000000-0xfedfffff] [0xfef00000-0xffffffff]");
	assert_int_equal(stats(s).entries, 4);
	assert_int_equal(x86.n + narrow.n + dma32.n, 12);

	fl_dma_domain_remove(d[2], false);
	assert_int_equal(fl_dma_windows(s, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
	a[0] = fl_dma_find(s, (void *)VA, 1);
	for (int i = 0; i < 4; i++)
		unmap(a[i]);
	fl_dma_domain_remove(d[0], false);
	fl_dma_domain_remove(d[1], false);
	end(s);
}

static void test_zero_is_not_given_out(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, 3 * MIB - 1);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m = mem_at(VA, 4096), huge = mem_at(1ull << 40, 2 * MIB);
	struct fl_mem half = mem_at(1ull << 41, MIB / 2);
	struct fl_dma_area *a, *b, *c;

	huge.info.page_size = 2 * MIB;
	half.info.page_size = MIB / 2;
	a = map(s, &m, NULL);
	assert_int_equal(a->iova.v, 4096);
	/* no aligned place for it: one with less alignment is better than none */
	b = map(s, &huge, NULL);
	assert_int_equal(b->iova.v, 8192);
	c = map(s, &half, NULL);
	assert_int_equal(c->iova.v, 5 * MIB / 2);
	unmap(a);
	unmap(b);
	unmap(c);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static void test_limit(void **state)
{
	const uint64_t last = (1ull << 32) - 1;
	struct fl_dma_space *s = new_space();
	struct fake all = fake_with(0, UINT64_MAX), high = fake_with(1ull << 40, 1ull << 41);
	struct fl_dma_domain *d = add(s, &all), *never;
	struct fl_mem m = mem_at(VA, 64 * KIB), low = mem_at(0xffff0000, 64 * KIB);
	struct fl_dma_opts o = { .iova = fl_iova(1ull << 32) };
	struct fl_dma_area *a, *b;
	struct fl_iova_range w[2];

	/* what stands above is not moved: it is said what to do */
	a = map(s, &m, NULL);
	assert_int_equal(fl_dma_space_limit(s, last), -EBUSY);
	assert_said("open this device before");
	assert_int_equal(fl_dma_windows(s, w, 2), 1);
	assert_int_equal(w[0].last, UINT64_MAX);
	unmap(a);
	assert_int_equal(fl_dma_space_limit(s, last), 0);
	assert_int_equal(fl_dma_windows(s, w, 2), 1);
	assert_int_equal(w[0].last, last);
	a = map(s, &m, NULL);
	assert_int_equal(a->iova.v, 4096);
	b = map(s, &low, NULL); /* ends at the last byte */
	assert_int_equal(b->iova.v, 0xffff0000);
	assert_int_equal(fl_dma_space_limit(s, last), 0);
	assert_int_equal(fl_dma_space_limit(s, last - 1), -EBUSY);
	unmap(b);
	assert_int_equal(fl_dma_map(s, &low, &o, &b), -EINVAL);
	assert_said("valid windows: [0x0-0xffffffff]");
	/* it is not raised, and holds for who comes later */
	assert_int_equal(fl_dma_space_limit(s, UINT64_MAX), 0);
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &high, &never), -ENOSPC);
	unmap(a);
	fl_dma_domain_remove(d, false);
	assert_int_equal(fl_dma_windows(s, w, 2), 1);
	assert_int_equal(w[0].last, last);
	end(s);
}

static void test_limit_below_every_window(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake high = fake_with(1ull << 40, 1ull << 41);
	struct fl_dma_domain *d = add(s, &high);
	struct fl_iova_range w[2];

	assert_int_equal(fl_dma_space_limit(s, UINT32_MAX), -ENOSPC);
	assert_said("a context of its own");
	assert_int_equal(fl_dma_windows(s, w, 2), 1);
	assert_int_equal(w[0].first, 1ull << 40);
	fl_dma_domain_remove(d, false);
	end(s);
}

static void test_own_iova(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_x86(0xffffffff);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m = mem_at(VA, 8192), n = mem_at(0x400000, 4096);
	struct fl_dma_opts o = { .iova = { 0x400000 } };
	struct fl_dma_area *a, *b;

	a = map(s, &m, &o);
	assert_int_equal(a->iova.v, 0x400000);
	o.iova = fl_iova(0x401000);
	assert_int_equal(fl_dma_map(s, &n, &o, &b), -EEXIST);
	assert_said("overlaps");
	o.iova = fl_iova(0x500800);
	assert_int_equal(fl_dma_map(s, &n, &o, &b), -EINVAL);
	assert_said("not a multiple of 4096");
	o.iova = fl_iova(0xfee00000);
	assert_int_equal(fl_dma_map(s, &n, &o, &b), -EINVAL);
	assert_said("[0x0-0xfedfffff] [0xfef00000-0xffffffff]");
	o.iova = fl_iova(FL_IOVA_BAD_V - 0xfff);
	assert_int_equal(fl_dma_map(s, &n, &o, &b), -EINVAL);
	o.iova = fl_iova(FL_IOVA_BAD_V);
	b = map(s, &n, &o); /* its VA is taken as an IOVA */
	assert_int_equal(b->iova.v, 4096);
	assert_int_equal(stats(s).map_errors, 0); /* nobody was asked */
	assert_int_equal(d.map.calls, 2);
	unmap(a);
	unmap(b);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static void test_top_of_the_space(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(UINT64_MAX - 0xffff, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m = mem_at(VA, 0x10000), n = mem_at(VA + 0x10000, 4096);
	struct fl_dma_area *a, *b;

	a = map(s, &m, &(struct fl_dma_opts){ .flags = FL_DMA_JOIN });
	assert_int_equal(a->iova.v, UINT64_MAX - 0xffff);
	assert_int_equal(fl_dma_map(s, &n, &(struct fl_dma_opts){ .flags = FL_DMA_JOIN }, &b),
			 -ENOSPC);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static void test_refused(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fake fine = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom, *dom2;
	struct fl_mem m = mem_at(VA, 64 * KIB), inside = mem_at(VA + 4096, 4096);
	struct fl_mem around = mem_at(VA - 64 * KIB, 256 * KIB),
		      odd = mem_at(VA + 68 * KIB, 64 * KIB);
	struct fl_dma_opts bad = { .flags = 128 };
	struct fl_dma_area *a, *b;

	d.limits.page_sizes = -65536ull;
	dom = add(s, &d);
	a = map(s, &m, NULL);
	assert_int_equal(fl_dma_map(s, &odd, NULL, &b), -EINVAL);
	assert_said("pages of 65536 bytes");
	dom2 = add(s, &fine); /* the coarsest counts, whoever comes last */
	assert_int_equal(fl_dma_map(s, &odd, NULL, &b), -EINVAL);
	assert_said("pages of 65536 bytes");
	fl_dma_domain_remove(dom2, false);
	d.limits.page_sizes = -4096ull; /* limits are read again */
	assert_int_equal(fl_dma_map(s, &inside, NULL, &b), -EEXIST);
	assert_said("overlaps the area");
	assert_int_equal(fl_dma_map(s, &around, NULL, &b), -EEXIST);
	assert_int_equal(fl_dma_map(s, &odd, &bad, &b), -EINVAL);
	bad = (struct fl_dma_opts){ .prot = 4 };
	assert_int_equal(fl_dma_map(s, &odd, &bad, &b), -EINVAL);
	d.limits_rc = -EIO;
	assert_int_equal(fl_dma_map(s, &odd, NULL, &b), -EIO);
	d.limits_rc = 0;
	assert_int_equal(stats(s).areas, 1);
	assert_int_equal(d.n, 1);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static int note(const struct fl_dma_area *a, void *arg)
{
	uint64_t **at = arg;

	*(*at)++ = a->iova.v;
	return a->iova.v == 0x3000 ? 7 : 0;
}

static void test_look_ups(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fl_dma_area *a[4];
	struct fl_mem m[4];
	uint64_t seen[4], *at = seen;

	/* the order by IOVA is the reverse of that by VA */
	for (uint64_t i = 0; i < 4; i++) {
		struct fl_dma_opts o = { .iova = { (4 - i) * 0x1000 } };

		m[i] = mem_at(VA + i * 0x2000, 0x1000);
		a[i] = map(s, &m[i], &o);
	}
	assert_ptr_equal(fl_dma_find(s, a[2]->va, 0x1000), a[2]);
	assert_ptr_equal(fl_dma_find(s, a[2]->va + 0xfff, 1), a[2]);
	assert_null(fl_dma_find(s, a[2]->va + 0xfff, 2));
	assert_null(fl_dma_find(s, a[2]->va - 1, 2));
	assert_null(fl_dma_find(s, a[2]->va, 0));
	assert_null(fl_dma_find(s, a[2]->va, UINT64_MAX));
	assert_null(fl_dma_find(s, (void *)8, 8));
	assert_int_equal(fl_dma_for_each(s, note, &at), 7);
	assert_int_equal(at - seen, 3);
	assert_int_equal(seen[0], 0x1000);
	assert_int_equal(seen[2], 0x3000);
	assert_true(fl_dma_resident(a[0], a[0]->iova, 64));
	for (int i = 0; i < 4; i++)
		unmap(a[i]);
	end(s);
}

static void test_entry_limit(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom;
	struct fl_dma_opts join = { .flags = FL_DMA_JOIN };
	struct fl_dma_area *a[3], *b;
	struct fl_mem m[3];

	d.limits.entries_max = 2;
	dom = add(s, &d);
	for (uint64_t i = 0; i < 3; i++)
		m[i] = mem_at(VA + i * 0x1000, 0x1000);
	a[0] = map(s, &m[0], &join);
	a[2] = map(s, &m[2], NULL);
	assert_int_equal(fl_dma_map(s, &m[1], NULL, &b), -ENOSPC);
	assert_said("1 more entries needed, 0 of 2 free");
	assert_int_equal(d.map.calls, 2);
	a[1] = map(s, &m[1], &join); /* shares one that exists */
	assert_int_equal(d.n, 2);
	assert_int_equal(stats(s).entries, 2);
	for (int i = 0; i < 3; i++)
		unmap(a[i]);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* ---- locked memory: needs a process without CAP_IPC_LOCK; main() has dropped it ------------ */

static bool hold_ipc_lock(bool hold)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		return false;
	if (hold)
		caps[0].effective |= 1u << CAP_IPC_LOCK;
	else
		caps[0].effective &= ~(1u << CAP_IPC_LOCK);
	return !syscall(SYS_capset, &head, caps);
}

static void set_memlock(uint64_t bytes)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &r), 0);
	r.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &r), 0);
}

static void test_memlock_is_looked_at_first(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake pins = fake_with(0, UINT64_MAX), other = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *d1, *d2;
	struct fl_mem small = mem_at(VA, 64 * KIB), big = mem_at(VA + MIB, 4 * KIB);
	struct fl_dma_area *a, *b;
	struct rlimit before;

	getrlimit(RLIMIT_MEMLOCK, &before);
	set_memlock(64 * KIB);
	pins.limits.pins = true;
	d1 = add(s, &other);
	d2 = add(s, &pins);
	a = map(s, &small, NULL);
	assert_int_equal(stats(s).pinned_bytes, 64 * KIB);
	big.info.len = 64 * MIB;
	assert_int_equal(fl_dma_map(s, &big, NULL, &b), -ENOMEM);
	assert_said("needs 64 MiB locked, limit 64 KiB");
	assert_int_equal(pins.map.calls + other.map.calls, 2);
	/* the kernel's own refusal is explained too, and undone */
	big.info.len = 4 * KIB;
	pins.map = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_dma_map(s, &big, NULL, &b), -ENOMEM);
	assert_said("ulimit -l");
	assert_int_equal(other.n, 1);
	/* who pins is gone: so is what it locked, and so is the limit */
	fl_dma_domain_remove(d2, false);
	assert_int_equal(stats(s).pinned_bytes, 0);
	big.info.len = 64 * MIB;
	b = map(s, &big, NULL);
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &pins, &d2), -ENOMEM);
	assert_said("needs 65600 KiB locked");
	unmap(a);
	unmap(b);
	fl_dma_domain_remove(d1, false);
	end(s);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

/* type1 does not look at the limit where this capability is held, so neither may we */
static void test_memlock_and_capability(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_want want = { .len = MIB, .count = 1 };
	struct fl_dma_domain *dom;
	struct fl_mem m = mem_at(VA, MIB);
	struct fl_dma_area *a;
	struct fl_dma_plan p;
	struct rlimit before;

	getrlimit(RLIMIT_MEMLOCK, &before);
	set_memlock(64 * KIB);
	d.limits.pins = true;
	dom = add(s, &d);
	if (hold_ipc_lock(true)) {
		assert_int_equal(fl_dma_plan(s, &want, 1, &p), 0);
		assert_int_equal(p.verdict, 0);
		unmap(map(s, &m, NULL));
		assert_true(hold_ipc_lock(false));
	}
	assert_int_equal(fl_dma_map(s, &m, NULL, &a), -ENOMEM);
	/* a peer that is gone is charged nothing */
	d.limits_rc = -ENODEV;
	assert_int_equal(fl_dma_map(s, &m, NULL, &a), -ENODEV);
	unmap(map(s, &m, NULL));
	fl_dma_domain_remove(dom, true);
	end(s);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

/* What is locked is nothing to who counts what is pinned apart from it. */
static void test_memlock_apart(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_want want = { .len = 16 * KIB, .count = 1 };
	struct fl_mem m = mem_at(VA, 16 * KIB), more = mem_at(VA + MIB, MIB);
	struct fl_dma_domain *dom;
	struct fl_mem_usage before;
	struct fl_mem_info i;
	struct fl_dma_area *a;
	struct fl_dma_plan p;
	struct fl_mem *locked;
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	assert_int_equal(fl_mem_usage(&before), 0);
	set_memlock(before.vm_lck + 64 * KIB);
	assert_int_equal(fl_mem_alloc(56 * KIB, NULL, &locked), 0);
	fl_mem_info(locked, &i);
	assert_int_equal(syscall(SYS_mlock, i.va, i.len), 0);
	d.limits.pins = true;
	dom = add(s, &d);
	assert_int_equal(fl_dma_plan(s, &want, 1, &p), 0);
	assert_int_equal(p.verdict, -ENOMEM);
	assert_int_equal(p.memlock_used, before.vm_lck + 56 * KIB);
	assert_int_equal(fl_dma_map(s, &m, NULL, &a), -ENOMEM);
	assert_said("needs 16 KiB locked, limit 64 KiB (56 KiB used)");
	d.limits.pins_apart = true;
	assert_int_equal(fl_dma_plan(s, &want, 1, &p), 0);
	assert_int_equal(p.verdict, 0);
	unmap(map(s, &m, NULL));
	assert_int_equal(fl_dma_map(s, &more, NULL, &a), -ENOMEM);
	assert_said("needs 1 MiB locked, limit 64 KiB (0 KiB used)");
	fl_dma_domain_remove(dom, false);
	end(s);
	fl_mem_free(locked);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static uint64_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	uint64_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir);
	closedir(dir);
	return n;
}

static void test_plan(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, 64 * GIB - 1);
	struct fl_dma_want w[2] = { { .len = 2 * MIB - 1, .count = 3 }, { .len = 64, .count = 0 } };
	struct fl_dma_domain *dom;
	struct fl_dma_plan p;
	struct rlimit before, files;

	getrlimit(RLIMIT_MEMLOCK, &before);
	set_memlock(64 * KIB);
	/* no device: as if it pinned */
	assert_int_equal(fl_dma_plan(s, w, 2, &p), 0);
	assert_int_equal(p.verdict, -ENOMEM);
	assert_int_equal(p.lock_bytes, 6 * MIB);
	assert_non_null(strstr(p.text, "needs 6 MiB locked, limit 64 KiB"));
	assert_non_null(strstr(p.text, "LimitMEMLOCK="));
	assert_int_equal(p.memlock_limit, 64 * KIB);

	dom = add(s, &d);
	assert_int_equal(fl_dma_plan(s, w, 2, &p), 0);
	assert_int_equal(p.verdict, 0);
	assert_string_equal(p.text, "");
	assert_int_equal(p.lock_bytes, 0);
	assert_int_equal(p.map_bytes, 6 * MIB);
	assert_int_equal(p.entries, 3);
	assert_int_equal(p.fds, 3);
	assert_int_equal(p.nofile_used, open_files());
	assert_int_equal(p.entries_avail, UINT64_MAX);

	d.limits.entries_max = 2;
	assert_int_equal(fl_dma_plan(s, w, 1, &p), 0);
	assert_int_equal(p.verdict, -ENOSPC);
	assert_non_null(strstr(p.text, "needs 3 mappings, 2 left"));
	d.limits.entries_max = 0;

	w[0] = (struct fl_dma_want){ .len = 40 * GIB, .count = 2 };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), 0);
	assert_int_equal(p.verdict, -ENOSPC);
	assert_non_null(strstr(p.text, "[0x0-0xfffffffff]"));

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	w[0] = (struct fl_dma_want){ .len = 4096, .count = (unsigned)files.rlim_cur };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), 0);
	assert_int_equal(p.verdict, -EMFILE);
	assert_non_null(strstr(p.text, "ulimit -n"));

	w[0] = (struct fl_dma_want){ .len = 64 * GIB, .page_size = 2 * MIB, .count = 1 };
	w[1] = (struct fl_dma_want){ .len = 1, .page_size = 2 * MIB, .count = 2 };
	assert_int_equal(fl_dma_plan(s, w, 2, &p), 0);
	assert_int_equal(p.verdict, -ENOMEM);
	assert_int_equal(p.huge_pages_needed, 32770);
	assert_non_null(strstr(p.text, "needs 32770 hugepages of 2048 KiB"));

	w[0] = (struct fl_dma_want){ .len = 4096, .count = 1, .residency = FL_LAZY };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), 0);
	assert_int_equal(p.map_bytes, 0);

	w[0] = (struct fl_dma_want){ .len = 0, .count = 1 };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), -EINVAL);
	w[0] = (struct fl_dma_want){ .len = 1ull << 62, .count = 4 };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), -EINVAL);
	w[0] = (struct fl_dma_want){ .len = 4096, .page_size = 12288, .count = 1 };
	assert_int_equal(fl_dma_plan(s, w, 1, &p), -EINVAL);
	assert_int_equal(d.map.calls, 0);
	fl_dma_domain_remove(dom, false);
	end(s);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

/*
 * What a domain that pins is really charged: mlock in its place, VmLck as the judge. By its
 * number, since the sanitizers turn mlock() into nothing.
 */
static int locking_map(void *arg, const struct fl_dma_mapping *m)
{
	return syscall(SYS_mlock, m->va, m->len) ? -errno : fake_map(arg, m);
}

static int locking_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	syscall(SYS_munlock, fake_at(arg, iova.v)->va, len);
	return fake_unmap(arg, iova, len, unmapped);
}

static void test_pinned_bytes_is_what_is_charged(void **state)
{
	const struct fl_dma_domain_ops ops = {
		.name = "locking",
		.limits = fake_limits,
		.map = locking_map,
		.unmap = locking_unmap,
	};
	struct fl_dma_opts join = { .flags = FL_DMA_JOIN };
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_mem_usage before, u;
	struct fl_dma_domain *dom;
	struct fl_dma_area *a[3];
	struct fl_mem *m, *part[3];
	struct fl_mem_info i;

	d.limits.pins = true;
	assert_int_equal(fl_mem_usage(&before), 0);
	if (before.memlock_limit < before.vm_lck + 48 * KIB) {
		print_message("skipped: RLIMIT_MEMLOCK leaves less than 48 KiB\n");
		skip();
	}
	assert_int_equal(fl_dma_domain_add(s, &ops, &d, &dom), 0);
	assert_int_equal(fl_mem_alloc(48 * KIB, NULL, &m), 0);
	fl_mem_info(m, &i);
	for (uint64_t k = 0; k < 3; k++) {
		uint64_t off = k * 16 * KIB;

		assert_int_equal(
			fl_mem_wrap((uint8_t *)i.va + off, 16 * KIB, i.fd, off, &sink, &part[k]),
			0);
		a[k] = map(s, part[k], &join);
		assert_int_equal(fl_mem_usage(&u), 0);
		assert_int_equal(u.vm_lck - before.vm_lck, stats(s).pinned_bytes);
		assert_int_equal(stats(s).pinned_bytes, (k + 1) * 16 * KIB);
	}
	assert_int_equal(stats(s).entries, 1); /* three descriptors, one file */
	for (int k = 1; k < 4; k++) {
		unmap(a[k % 3]);
		assert_int_equal(fl_mem_usage(&u), 0);
		assert_int_equal(u.vm_lck - before.vm_lck, stats(s).pinned_bytes);
		fl_mem_free(part[k % 3]);
	}
	fl_dma_domain_remove(dom, false);
	end(s);
	fl_mem_free(m);
}

/* ---- many threads ------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct fl_dma_space *s;
	uint64_t va;
	unsigned failed;
};

static void *map_and_unmap(void *arg)
{
	struct worker *w = arg;
	struct fl_dma_opts join = { .flags = FL_DMA_JOIN };
	struct fl_mem m[2] = { mem_at(w->va, 4096), mem_at(w->va + 4096, 4096) };
	struct fl_dma_area *a[2];

	for (unsigned i = 0; i < 300; i++) {
		for (int k = 0; k < 2; k++)
			w->failed += fl_dma_map(w->s, &m[k], &join, &a[k]) != 0;
		w->failed += fl_dma_find(w->s, (void *)w->va, 4096) != a[0];
		w->failed += !fl_dma_resident(a[0], a[0]->iova, 1);
		for (int k = 0; k < 2; k++)
			w->failed += fl_dma_unmap(a[k]) != 0;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d), *late;
	struct fake other = fake_with(0, UINT64_MAX);
	struct worker w[3];

	for (unsigned i = 0; i < 3; i++) {
		/* they touch, so that threads join and split each other's runs */
		w[i] = (struct worker){ .s = s, .va = VA + i * 8192 };
		assert_int_equal(pthread_create(&w[i].thread, NULL, map_and_unmap, &w[i]), 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		late = add(s, &other);
		assert_true(stats(s).domains == 2);
		fl_dma_domain_remove(late, i & 1);
		other.n = 0;
	}
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].failed, 0);
	}
	assert_int_equal(d.n, 0);
	assert_int_equal(stats(s).map_errors + stats(s).unmap_errors, 0);
	fl_dma_domain_remove(dom, false);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_domains),
		cmocka_unit_test(test_every_domain_gets_it),
		cmocka_unit_test(test_windows_and_holes),
		cmocka_unit_test(test_zero_is_not_given_out),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_below_every_window),
		cmocka_unit_test(test_own_iova),
		cmocka_unit_test(test_top_of_the_space),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_look_ups),
		cmocka_unit_test(test_entry_limit),
		cmocka_unit_test(test_memlock_is_looked_at_first),
		cmocka_unit_test(test_memlock_and_capability),
		cmocka_unit_test(test_memlock_apart),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_pinned_bytes_is_what_is_charged),
		cmocka_unit_test(test_threads),
	};

	hold_ipc_lock(false);
	return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
