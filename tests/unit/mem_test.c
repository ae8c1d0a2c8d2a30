/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fl_mem.h>

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static char last_msg[1024];

static void keep_msg(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	snprintf(last_msg, sizeof(last_msg), "%s", msg);
}

static const struct fl_log sink = { .write = keep_msg, .level = FL_LOG_DEBUG };

static void assert_said(const char *words)
{
	if (!strstr(last_msg, words))
		fail_msg("\"%s\" does not say \"%s\"", last_msg, words);
	last_msg[0] = 0;
}

static uint64_t resident(const struct fl_mem *m)
{
	uint64_t bytes = UINT64_MAX;

	assert_int_equal(fl_mem_resident(m, &bytes), 0);
	return bytes;
}

/* 4 GiB cost nothing until touched, and then what was touched */
static void check_untouched(enum fl_mem_kind kind)
{
	struct fl_mem_opts o = { .kind = kind, .node = -1, .log = &sink };
	struct fl_mem_usage before, after;
	struct fl_mem_info i;
	struct fl_mem *m;
	uint64_t t;

	assert_int_equal(fl_mem_usage(&before), 0);
	t = fl_now_ns();
	assert_int_equal(fl_mem_alloc(4 * GIB - 1, &o, &m), 0);
	assert_true(fl_now_ns() - t < 100000000);
	fl_mem_info(m, &i);
	assert_int_equal(i.len, 4 * GIB);
	assert_int_equal(i.page_size, 4096);
	assert_int_equal(i.kind, kind);
	assert_int_equal(i.node, -1);
	assert_int_equal(i.fd >= 0, kind == FL_MEM_MEMFD);
	assert_int_equal(resident(m), 0);

	((uint8_t *)i.va)[0] = 1;
	((uint8_t *)i.va)[i.len - 1] = 1;
	assert_int_equal(((uint8_t *)i.va)[i.len / 2], 0); /* zeroed */
	assert_in_range(resident(m), 8192, 4 * MIB);
	assert_int_equal(fl_mem_usage(&after), 0);
	assert_true(after.rss < before.rss + 256 * MIB); /* an emulator keeps tables of its own */
	assert_int_equal(after.vm_lck, before.vm_lck);
	fl_mem_free(m);
}

static void test_memfd(void **state)
{
	check_untouched(FL_MEM_MEMFD);
}

static void test_anon(void **state)
{
	check_untouched(FL_MEM_ANON);
}

static void test_default_is_memfd_and_shared(void **state)
{
	struct fl_mem_info i;
	struct fl_mem *m;
	uint8_t *other;

	assert_int_equal(fl_mem_alloc(1, NULL, &m), 0);
	fl_mem_info(m, &i);
	assert_int_equal(i.kind, FL_MEM_MEMFD);
	assert_int_equal(i.len, 4096);
	assert_true(fcntl(i.fd, F_GETFD) & FD_CLOEXEC);
	/* who has it mapped too gets no SIGBUS */
	assert_true(fcntl(i.fd, F_GET_SEALS) & F_SEAL_SHRINK);
	assert_int_equal(ftruncate(i.fd, 0), -1);
	other = mmap(NULL, i.len, PROT_READ, MAP_SHARED, i.fd, (off_t)i.fd_offset);
	assert_ptr_not_equal(other, MAP_FAILED);
	((uint8_t *)i.va)[5] = 42;
	assert_int_equal(other[5], 42);
	munmap(other, i.len);
	fl_mem_free(m);
	assert_int_equal(fcntl(i.fd, F_GETFD), -1);
	fl_mem_free(NULL);
}

static size_t vm_bytes(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

static void test_align(void **state)
{
	struct fl_mem_opts o = { .node = -1, .align = 64 * MIB, .log = &sink };
	struct fl_mem_info i;
	struct fl_mem *m;
	size_t before;

	assert_int_equal(fl_mem_alloc(12288, &o, &m), 0); /* stdio's buffers and the like */
	fl_mem_free(m);
	before = vm_bytes();
	assert_int_equal(fl_mem_alloc(12288, &o, &m), 0);
	fl_mem_info(m, &i);
	assert_int_equal((uintptr_t)i.va % (64 * MIB), 0);
	assert_in_range(vm_bytes() - before, 12288, MIB); /* no more addresses than asked */
	memset(i.va, 1, i.len);
	fl_mem_free(m);
	assert_true(vm_bytes() <= before + MIB);
}

static void test_bad_options(void **state)
{
	struct fl_mem_opts bad_kind = { .kind = FL_MEM_EXTERNAL, .node = -1, .log = &sink };
	struct fl_mem_opts bad_size = { .page_size = 2 * MIB, .node = -1, .log = &sink };
	struct fl_mem_opts bad_align = { .align = 12288, .node = -1, .log = &sink };
	struct fl_mem_opts big_align = { .align = 1ull << 63, .node = -1, .log = &sink };
	struct fl_mem_opts bad_node = { .node = 4000, .log = &sink };
	struct fl_mem_opts neg_node = { .node = -2, .log = &sink };
	struct fl_mem_opts odd_huge = {
		.kind = FL_MEM_HUGETLB, .page_size = 3 * MIB, .node = -1, .log = &sink
	};
	struct fl_mem_opts ok = { .node = -1, .log = &sink };
	struct fl_mem *m = NULL;

	assert_int_equal(fl_mem_alloc(4096, &bad_kind, &m), -EINVAL);
	assert_said("fl_mem_wrap");
	assert_int_equal(fl_mem_alloc(4096, &bad_size, &m), -EINVAL);
	assert_said("FL_MEM_HUGETLB");
	assert_int_equal(fl_mem_alloc(4096, &bad_align, &m), -EINVAL);
	assert_said("powers of two");
	assert_int_equal(fl_mem_alloc(4096, &big_align, &m), -EINVAL);
	assert_int_equal(fl_mem_alloc(4096, &bad_node, &m), -EINVAL);
	assert_said("NUMA node 4000");
	assert_int_equal(fl_mem_alloc(4096, &neg_node, &m), -EINVAL);
	assert_int_equal(fl_mem_alloc(2 * MIB, &odd_huge, &m), -EINVAL);
	assert_int_equal(fl_mem_alloc(0, &ok, &m), -EINVAL);
	assert_int_equal(fl_mem_alloc(UINT64_MAX, &ok, &m), -EINVAL);
	assert_true(fl_mem_alloc(1ull << 62, &ok, &m) < 0);
	assert_said("no address space");
	assert_null(m);
}

/* alone in a child: a limit that would otherwise kill the process must be an error */
static void test_file_size_limit(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct fl_mem_opts o = { .node = -1, .log = &sink };
		struct rlimit r = { MIB, MIB };
		struct fl_mem *m;

		setrlimit(RLIMIT_FSIZE, &r);
		_exit(fl_mem_alloc(2 * MIB, &o, &m) == -ENOMEM && strstr(last_msg, "ulimit -f")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_node(void **state)
{
	struct fl_mem_opts o = { .node = fl_numa_here(), .log = &sink };
	struct fl_mem_info i;
	struct fl_mem *m;

	assert_true(fl_numa_nodes() >= 1);
	assert_true(o.node >= 0);
	assert_int_equal(fl_mem_alloc(4096, &o, &m), 0);
	fl_mem_info(m, &i);
	assert_int_equal(i.node, o.node);
	*(uint8_t *)i.va = 1;
	fl_mem_free(m);
}

static void test_wrap_anonymous(void **state)
{
	uint8_t *va = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct fl_mem_info i;
	struct fl_mem *m;

	assert_ptr_not_equal(va, MAP_FAILED);
	/* two VMAs in one range are as good as one */
	assert_int_equal(mprotect(va + 8192, 4096, PROT_READ), 0);
	assert_int_equal(fl_mem_wrap(va, 16384, -1, 0, &sink, &m), 0);
	fl_mem_info(m, &i);
	assert_ptr_equal(i.va, va);
	assert_int_equal(i.len, 16384);
	assert_int_equal(i.page_size, 4096);
	assert_int_equal(i.kind, FL_MEM_EXTERNAL);
	assert_int_equal(i.fd, -1);
	assert_int_equal(resident(m), 0);
	va[4096] = 1;
	assert_int_equal(resident(m), 4096);
	fl_mem_free(m);
	va[0] = 1; /* still the application's */

	assert_int_equal(fl_mem_wrap(va + 1, 4096, -1, 0, &sink, &m), -EINVAL);
	assert_int_equal(fl_mem_wrap(va, 4097, -1, 0, &sink, &m), -EINVAL);
	assert_int_equal(fl_mem_wrap(va, 0, -1, 0, &sink, &m), -EINVAL);
	assert_int_equal(fl_mem_wrap((void *)-4096ull, 8192, -1, 0, &sink, &m), -EINVAL);
	assert_int_equal(munmap(va + 4096, 4096), 0);
	assert_int_equal(fl_mem_wrap(va, 16384, -1, 0, &sink, &m), -EFAULT);
	assert_said("not mapped");
	assert_int_equal(munmap(va + 8192, 8192), 0);
	assert_int_equal(fl_mem_wrap(va, 16384, -1, 0, &sink, &m), -EFAULT);
	munmap(va, 4096);
}

static void test_wrap_file(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	int other = memfd_create("other", MFD_CLOEXEC);
	struct fl_mem_info i;
	struct fl_mem *m;
	uint8_t *va;

	assert_int_equal(ftruncate(fd, 65536), 0);
	va = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192);
	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(fl_mem_wrap(va + 4096, 8192, fd, 12288, &sink, &m), 0);
	fl_mem_info(m, &i);
	assert_int_not_equal(i.fd, fd);
	assert_true(fcntl(i.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(i.fd_offset, 12288);
	fl_mem_free(m);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);

	/* a peer that mapped what we name would see other bytes */
	assert_int_equal(fl_mem_wrap(va, 8192, fd, 0, &sink, &m), -EINVAL);
	assert_said("not a shared mapping");
	assert_int_equal(fl_mem_wrap(va, 8192, other, 8192, &sink, &m), -EINVAL);
	assert_int_equal(fl_mem_wrap(va, 8192, 1000000, 8192, &sink, &m), -EBADF);
	munmap(va, 32768);
	va = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_int_equal(fl_mem_wrap(va, 8192, fd, 0, &sink, &m), -EINVAL);
	munmap(va, 8192);
	close(fd);
	close(other);
}

static void test_usage(void **state)
{
	struct fl_mem_usage u;
	struct rlimit r;
	void *p;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &r), 0);
	assert_int_equal(fl_mem_usage(&u), 0);
	assert_true(u.rss > 100 * 1024);
	assert_int_equal(u.memlock_limit,
			 r.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)r.rlim_cur);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* not mlock(), which the sanitizers turn into nothing */
	if (!syscall(SYS_mlock, p, 8192)) {
		uint64_t before = u.vm_lck;

		assert_int_equal(fl_mem_usage(&u), 0);
		assert_int_equal(u.vm_lck, before + 8192);
	}
	munmap(p, 8192);
}

/* ---- hugepages: some are made where this is root, and given back ------------------------ */

#define NR_HUGE "/proc/sys/vm/nr_hugepages"

static void skip_without_hugetlb(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 2 * MIB))
		p = mmap(NULL, 2 * MIB, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		print_message(
			"skipped: hugepage files cannot be mapped (no hugetlb in this kernel, "
			"or user-mode emulation)\n");
		skip();
	}
	munmap(p, 2 * MIB);
}

static void set_huge_total(long n)
{
	FILE *f = fopen(NR_HUGE, "w");

	if (f) {
		fprintf(f, "%ld\n", n);
		fclose(f);
	}
}

static void test_huge_shortage_is_said_at_alloc(void **state)
{
	struct fl_mem_opts o = { .kind = FL_MEM_HUGETLB, .node = -1, .log = &sink };
	struct fl_mem_opts none = {
		.kind = FL_MEM_HUGETLB, .page_size = 8 * MIB, .node = -1, .log = &sink
	};
	uint64_t total, avail;
	struct fl_mem *m;
	char words[64];

	skip_without_hugetlb();
	assert_int_equal(fl_mem_hugepages(2 * MIB, &total, &avail), 0);
	assert_int_equal(fl_mem_alloc((avail + 3) * 2 * MIB, &o, &m), -ENOMEM);
	snprintf(words, sizeof(words), "%" PRIu64 " hugepages of 2048 KiB needed, %" PRIu64 " free",
		 avail + 3, avail);
	assert_non_null(strstr(last_msg, words));
	snprintf(words, sizeof(words), "echo %" PRIu64 " > ", total + 3);
	assert_said(words);
	assert_int_equal(fl_mem_alloc(8 * MIB, &none, &m), -EOPNOTSUPP);
	assert_said("/sys/kernel/mm/hugepages");
	assert_int_equal(fl_mem_hugepages(8 * MIB, &total, &avail), -EOPNOTSUPP);
}

/* Others may use hugepages meanwhile: two are added, two are taken, two are given back. */
static void test_huge_pages(void **state)
{
	struct fl_mem_opts o = { .kind = FL_MEM_HUGETLB, .node = -1, .log = &sink };
	uint64_t total, avail, left;
	struct fl_mem_info i;
	struct fl_mem *m, *w;

	skip_without_hugetlb();
	assert_int_equal(fl_mem_hugepages(2 * MIB, &total, &avail), 0);
	set_huge_total((long)total + 2);
	if (fl_mem_hugepages(2 * MIB, &left, &avail) || avail < 2) {
		set_huge_total((long)total);
		print_message("skipped: cannot have 2 free hugepages of 2 MiB (not root, or memory "
			      "is in pieces)\n");
		skip();
	}
	total = left - total; /* how many came: all must go again */
	assert_int_equal(fl_mem_alloc(2 * MIB + 1, &o, &m), 0);
	/* promised to m, though none is touched */
	assert_int_equal(fl_mem_hugepages(2 * MIB, &left, &left), 0);
	assert_int_equal(left, avail - 2);
	fl_mem_info(m, &i);
	assert_int_equal(i.page_size, 2 * MIB);
	assert_int_equal(i.len, 4 * MIB);
	assert_int_equal(resident(m), 0);
	((uint8_t *)i.va)[i.len - 1] = 1;
	assert_int_equal(resident(m), 2 * MIB);

	/* the kernel's answer on somebody else's memory; and a part of a hugepage */
	assert_int_equal(fl_mem_wrap(i.va, i.len, i.fd, 0, &sink, &w), 0);
	fl_mem_info(w, &i);
	assert_int_equal(i.page_size, 2 * MIB);
	fl_mem_free(w);
	assert_int_equal(fl_mem_wrap((uint8_t *)i.va + 4096, 4096, -1, 0, &sink, &w), 0);
	fl_mem_info(w, &i);
	assert_int_equal(i.page_size, 4096);
	fl_mem_free(w);
	fl_mem_free(m);
	assert_int_equal(fl_mem_hugepages(2 * MIB, &left, &avail), 0);
	set_huge_total((long)(left - total));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_anon),
		cmocka_unit_test(test_default_is_memfd_and_shared),
		cmocka_unit_test(test_align),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_file_size_limit),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_wrap_anonymous),
		cmocka_unit_test(test_wrap_file),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_huge_shortage_is_said_at_alloc),
		cmocka_unit_test(test_huge_pages),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
