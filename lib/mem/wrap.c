/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of the application: the kernel is asked what stands there. */
#include "mem_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct vma {
	uint64_t first, end, offset, inode, page_size;
	char perms[5];
};

/* What is still to be found in the list of mappings, which is sorted by address. */
struct walk {
	uint64_t next, end; /* [next, end) */
	uint64_t page_size; /* the smallest so far */
	bool has_file;
	uint64_t inode, file_off; /* what should stand at `next` */
};

static bool parse_head(const char *line, struct vma *v)
{
	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64, &v->first,
		      &v->end, v->perms, &v->offset, &v->inode) == 5;
}

static int take_vma(struct walk *w, const struct vma *v, const struct fl_log *log)
{
	uint64_t end = v->end < w->end ? v->end : w->end;

	if (v->end <= w->next)
		return 0;
	if (v->first > w->next) {
		fl_err(log, "mem", "0x%" PRIx64 " is not mapped in this process", w->next);
		return -EFAULT;
	}
	if (w->has_file && (v->perms[3] != 's' || v->inode != w->inode ||
			    v->offset + (w->next - v->first) != w->file_off)) {
		fl_err(log, "mem",
		       "0x%" PRIx64 " is not a shared mapping of that file at offset 0x%" PRIx64,
		       w->next, w->file_off);
		return -EINVAL;
	}
	if (!w->page_size || v->page_size < w->page_size)
		w->page_size = v->page_size;
	w->file_off += end - w->next;
	w->next = end;
	return 0;
}

static int walk_smaps(struct walk *w, const struct fl_log *log)
{
	struct vma v = { 0 };
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	if (!f) {
		rc = -errno;
		fl_err(log, "mem", "/proc/self/smaps: %s", strerror(-rc));
		return rc;
	}
	while (!rc && w->next < w->end && getline(&line, &cap, f) > 0) {
		if (parse_head(line, &v))
			continue;
		if (sscanf(line, "KernelPageSize: %" SCNu64, &v.page_size) != 1)
			continue;
		v.page_size <<= 10;
		rc = take_vma(w, &v, log);
	}
	free(line);
	fclose(f);
	if (!rc && w->next < w->end) {
		fl_err(log, "mem", "0x%" PRIx64 " is not mapped in this process", w->next);
		rc = -EFAULT;
	}
	return rc;
}

static int file_of(int fd, uint64_t fd_offset, struct walk *w, const struct fl_log *log)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st)) {
		int rc = -errno;

		fl_err(log, "mem", "file descriptor %d: %s", fd, strerror(-rc));
		return rc;
	}
	w->has_file = true;
	w->inode = st.st_ino;
	w->file_off = fd_offset;
	return 0;
}

int fl_mem_wrap(void *va, uint64_t len, int fd, uint64_t fd_offset, const struct fl_log *log,
		struct fl_mem **out)
{
	uint64_t first = (uintptr_t)va, small = fl_small_page();
	struct walk w = { .next = first, .end = first + len };
	struct fl_mem *m;
	int rc;

	if (!len || w.end < first || ((first | len) & (small - 1))) {
		fl_err(log, "mem",
		       "%p + 0x%" PRIx64 " does not begin and end on pages of %" PRIu64 " bytes",
		       va, len, small);
		return -EINVAL;
	}
	rc = file_of(fd, fd_offset, &w, log);
	if (!rc)
		rc = walk_smaps(&w, log);
	if (rc)
		return rc;
	/* a part of a hugepage is memory of small pages to us: len must be a multiple */
	if ((first | len) & (w.page_size - 1))
		w.page_size = small;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->info = (struct fl_mem_info){ .va = va,
					.len = len,
					.page_size = w.page_size,
					.kind = FL_MEM_EXTERNAL,
					.fd = -1,
					.node = -1 };
	if (fd >= 0) {
		m->info.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		m->info.fd_offset = fd_offset;
		if (m->info.fd < 0) {
			rc = -errno;
			fl_err(log, "mem", "dup of fd %d: %s", fd, strerror(-rc));
			free(m);
			return rc;
		}
	}
	*out = m;
	return 0;
}
