/* SPDX-License-Identifier: BSD-3-Clause */
#include "mem_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* mincore() answers a byte a page; this many pages are asked at a time */
#define RESIDENT_CHUNK 4096

static int check_opts(uint64_t len, const struct fl_mem_opts *o, uint64_t page)
{
	if (o->kind > FL_MEM_HUGETLB) {
		fl_err(o->log, "mem",
		       "kind %d cannot be allocated; fl_mem_wrap() takes external memory",
		       (int)o->kind);
		return -EINVAL;
	}
	if (o->kind != FL_MEM_HUGETLB && o->page_size && o->page_size != page) {
		fl_err(o->log, "mem", "page size %" PRIu64 " needs FL_MEM_HUGETLB", o->page_size);
		return -EINVAL;
	}
	if (!fl_is_pow2(page) || page < fl_small_page() || (o->align && !fl_is_pow2(o->align))) {
		fl_err(o->log, "mem",
		       "page size %" PRIu64 ", alignment %" PRIu64 ": powers of two only", page,
		       o->align);
		return -EINVAL;
	}
	if (!len || len > INT64_MAX - page || o->align > INT64_MAX - len - page) {
		fl_err(o->log, "mem", "cannot reserve %" PRIu64 " bytes aligned to %" PRIu64, len,
		       o->align);
		return -EINVAL;
	}
	return fl_numa_check(o->node, o->log);
}

/* beyond RLIMIT_FSIZE ftruncate() does not fail, it kills the process by SIGXFSZ */
static int check_file_limit(uint64_t len, const struct fl_log *log)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_FSIZE, &r) || len <= r.rlim_cur)
		return 0;
	fl_err(log, "mem",
	       "%" PRIu64 " MiB are over the file size limit of %" PRIu64 " MiB: raise `ulimit -f`",
	       len >> 20, (uint64_t)r.rlim_cur >> 20);
	return -ENOMEM;
}

static int open_memfd(const struct fl_mem_opts *o, uint64_t len, uint64_t page)
{
	bool huge = o->kind == FL_MEM_HUGETLB;
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd, rc;

	rc = check_file_limit(len, o->log);
	if (rc)
		return rc;
	if (huge)
		flags |= MFD_HUGETLB | (unsigned)__builtin_ctzll(page) << MFD_HUGE_SHIFT;
	fd = memfd_create("faultline", flags);
	if (fd < 0 && huge && errno != EMFILE && errno != ENFILE && errno != ENOMEM) {
		fl_err(o->log, "mem",
		       "this kernel has no hugepages of %" PRIu64
		       " KiB; /sys/kernel/mm/hugepages lists the sizes",
		       page >> 10);
		return -EOPNOTSUPP;
	}
	if (fd < 0) {
		rc = -errno;
		fl_err(o->log, "mem", "memfd_create: %s", strerror(-rc));
		return rc;
	}
	/* who maps it as well need not fear a SIGBUS */
	if (ftruncate(fd, (off_t)len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		rc = -errno;
		fl_err(o->log, "mem", "memfd of %" PRIu64 " MiB: %s", len >> 20, strerror(-rc));
		close(fd);
		return rc;
	}
	return fd;
}

/*
 * The kernel aligns to the page size of the file by itself. For more, a longer stretch of
 * addresses is reserved, the memory laid over its aligned part, and the rest given back.
 */
static void *map_aligned(uint64_t len, uint64_t align, uint64_t page, int flags, int fd)
{
	uint8_t *base, *va;

	if (align <= page)
		return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	base = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (base == MAP_FAILED)
		return base;
	va = (uint8_t *)fl_align_up((uintptr_t)base, align);
	if (mmap(va, len, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int err = errno;

		munmap(base, len + align);
		errno = err;
		return MAP_FAILED;
	}
	if (va > base)
		munmap(base, (size_t)(va - base));
	munmap(va + len, (size_t)(base + align - va));
	return va;
}

static int explain_map_failure(const struct fl_mem_opts *o, uint64_t len, uint64_t page, int err)
{
	uint64_t total, avail, need = len / page;

	if (o->kind == FL_MEM_HUGETLB && err == ENOMEM && !fl_mem_hugepages(page, &total, &avail) &&
	    avail < need)
		fl_err(o->log, "mem",
		       "%" PRIu64 " hugepages of %" PRIu64 " KiB needed, %" PRIu64
		       " free: echo %" PRIu64 " > /sys/kernel/mm/hugepages/hugepages-%" PRIu64
		       "kB/nr_hugepages",
		       need, page >> 10, avail, total + need - avail, page >> 10);
	else
		fl_err(o->log, "mem", "no address space for %" PRIu64 " MiB (%s): see `ulimit -v`",
		       len >> 20, strerror(err));
	return -err;
}

/*
 * MAP_NORESERVE keeps an untouched private pool from being counted against the machine's
 * memory. Hugepages are the opposite: without it mmap() reserves them all, so a shortage
 * shows here and not as SIGBUS at first touch.
 */
static int map_mem(struct fl_mem_info *i, const struct fl_mem_opts *o)
{
	int flags = i->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	int rc;

	i->va = map_aligned(i->len, o->align, i->page_size, flags, i->fd);
	if (i->va == MAP_FAILED)
		return explain_map_failure(o, i->len, i->page_size, errno);
	if (o->node < 0)
		return 0;
	rc = fl_numa_prefer(i->va, i->len, o->node, o->log);
	if (rc)
		munmap(i->va, i->len);
	return rc;
}

int fl_mem_alloc(uint64_t len, const struct fl_mem_opts *opts, struct fl_mem **out)
{
	static const struct fl_mem_opts defaults = { .node = -1 };
	const struct fl_mem_opts *o = opts ? opts : &defaults;
	uint64_t page = fl_small_page();
	struct fl_mem *m;
	int rc;

	if (o->kind == FL_MEM_HUGETLB)
		page = o->page_size ? o->page_size : 2u << 20;
	rc = check_opts(len, o, page);
	if (rc)
		return rc;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->info = (struct fl_mem_info){ .len = fl_align_up(len, page),
					.page_size = page,
					.kind = o->kind,
					.fd = -1,
					.node = o->node };
	if (o->kind != FL_MEM_ANON) {
		rc = open_memfd(o, m->info.len, page);
		if (rc < 0)
			goto fail;
		m->info.fd = rc;
	}
	rc = map_mem(&m->info, o);
	if (rc)
		goto fail;
	*out = m;
	return 0;
fail:
	if (m->info.fd >= 0)
		close(m->info.fd);
	free(m);
	return rc;
}

void fl_mem_free(struct fl_mem *m)
{
	if (!m)
		return;
	if (m->info.kind != FL_MEM_EXTERNAL)
		munmap(m->info.va, m->info.len);
	if (m->info.fd >= 0)
		close(m->info.fd);
	free(m);
}

void fl_mem_info(const struct fl_mem *m, struct fl_mem_info *info)
{
	*info = m->info;
}

int fl_mem_resident(const struct fl_mem *m, uint64_t *bytes)
{
	const uint64_t page = fl_small_page(), chunk = RESIDENT_CHUNK * page;
	unsigned char vec[RESIDENT_CHUNK];
	uint64_t pages = 0;

	for (uint64_t off = 0; off < m->info.len; off += chunk) {
		uint64_t len = m->info.len - off < chunk ? m->info.len - off : chunk;

		if (mincore((uint8_t *)m->info.va + off, len, vec))
			return -errno;
		for (uint64_t i = 0; i < len / page; i++)
			pages += vec[i] & 1;
	}
	*bytes = pages * page;
	return 0;
}
