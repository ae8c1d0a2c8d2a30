/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory behind an area: bringing pages in, seeing which are, freeing them. */
#include "dma_internal.h"

#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

int fl_backing_populate(void *va, uint64_t len, bool write, const struct fl_log *log)
{
	int rc;

	do
		rc = madvise(va, len, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) ? -errno
											: 0;
	while (rc == -EAGAIN || rc == -EINTR);
	/* before Linux 5.14 there is no such call: the pages come in when they are touched */
	if (!rc || rc == -EINVAL)
		return 0;
	fl_err(log, "dma", "memory %p + 0x%" PRIx64 " cannot be brought in: %s%s", va, len,
	       strerror(-rc), rc == -ENOMEM ? " (unmapped, or memory is short)" : "");
	/* what is not mapped any more says ENOMEM too, but to mincore() as well */
	return rc == -ENOMEM && fl_backing_incore(va, 1, &(unsigned char){ 0 }) != -ENOMEM
		       ? -ENOMEM
		       : -EFAULT;
}

int fl_backing_incore(void *va, uint64_t len, unsigned char *in)
{
	int rc;

	do
		rc = mincore(va, len, in) ? -errno : 0;
	while (rc == -EAGAIN);
	return rc;
}

/* Pages of a file belong to the file: only where that is memory and nothing else are they ours. */
static int advice_file(int fd, int *advice)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	*advice = MADV_REMOVE;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC ? 0 : -EOPNOTSUPP;
}

/* Memory of the application without a file: whether all of it is private. */
static int advice_external(const struct fl_mem_info *i, int *advice)
{
	const uint64_t begin = (uintptr_t)i->va, end = begin + i->len;
	uint64_t first, last;
	char *line = NULL, perms[5];
	size_t cap = 0;
	int rc = 0;
	FILE *f;

	f = fopen("/proc/self/maps", "re");
	if (!f)
		return -errno;
	*advice = MADV_DONTNEED;
	while (!rc && getline(&line, &cap, f) > 0)
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &first, &last, perms) == 3 &&
		    first < end && last > begin && perms[3] != 'p')
			rc = -EOPNOTSUPP;
	free(line);
	fclose(f);
	return rc;
}

int fl_backing_advice(const struct fl_mem *m, int *advice, const struct fl_log *log)
{
	struct fl_mem_info i;
	int rc = 0;

	fl_mem_info(m, &i);
	if (i.fd >= 0)
		rc = advice_file(i.fd, advice);
	else if (i.kind == FL_MEM_EXTERNAL)
		rc = advice_external(&i, advice);
	else
		*advice = MADV_DONTNEED;
	if (rc)
		fl_err(log, "dma", "pages of the memory at %p cannot be freed: %s", i.va,
		       rc == -EOPNOTSUPP
			       ? "they are a file's, or shared without its descriptor; use a memfd or wrap it with that"
			       : strerror(-rc));
	return rc;
}

int fl_backing_free(void *va, uint64_t len, int advice, const struct fl_log *log)
{
	int rc = madvise(va, len, advice) ? -errno : 0;

	if (rc)
		fl_err(log, "dma", "pages of %p + 0x%" PRIx64 " cannot be freed: %s%s", va, len,
		       strerror(-rc), rc == -EINVAL ? " (mlock()ed?)" : "");
	return rc;
}
