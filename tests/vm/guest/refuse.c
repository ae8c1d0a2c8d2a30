/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-refuse WHAT URI [N]: brings about, in a guest, what the library must refuse. It must answer
 * with the right errno (the message is looked at by the case), and work again afterwards. window an
 * area larger than any IOVA window entries  more than N mappings exists   the kernel has a mapping
 * there that the library knows nothing of short    the kernel has lost a mapping that the library
 * wants to take out
 */
#include "raw.h"

#include <fl_dev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
#define IOVA 0x10000000u

static struct fl_ctx *ctx;
static struct fl_dev *dev;

static int expect(const char *what, int got, int want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %d (%s), expected %d\n", what, got, strerror(-got), want);
	return 1;
}

/* maps one page and takes it out again: all is as it was */
static int still_works(fl_iova_t iova)
{
	struct fl_dma_opts opts = { .iova = iova };
	struct fl_dma_area *area;
	struct fl_mem *mem;
	int rc = fl_mem_alloc(PAGE, NULL, &mem);

	if (rc)
		return expect("memory", rc, 0);
	rc = fl_dma_map(fl_ctx_space(ctx), mem, &opts, &area);
	if (!rc)
		rc = fl_dma_unmap(area);
	fl_mem_free(mem);
	return expect("afterwards", rc, 0);
}

static int window(void)
{
	uint64_t len = UINT64_C(1) << 40;
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct fl_dma_area *area;
	struct fl_mem *mem;
	int rc;

	if (va == MAP_FAILED || fl_mem_wrap(va, len, -1, 0, NULL, &mem))
		return expect("1 TiB of address space", -ENOMEM, 0);
	rc = fl_dma_map(fl_ctx_space(ctx), mem, NULL, &area);
	fl_mem_free(mem);
	munmap(va, len);
	return expect("map", rc, -ENOSPC) || still_works(fl_iova(FL_IOVA_BAD_V));
}

static int entries(unsigned limit)
{
	struct fl_dma_area **area = calloc(limit + 1, sizeof(*area));
	struct fl_mem **mem = calloc(limit + 1, sizeof(*mem));
	unsigned n = 0;
	int rc = area && mem ? 0 : -ENOMEM;

	while (!rc && n <= limit) {
		rc = fl_mem_alloc(PAGE, NULL, &mem[n]);
		if (!rc)
			rc = fl_dma_map(fl_ctx_space(ctx), mem[n], NULL, &area[n]);
		n += !rc;
	}
	rc = expect("mappings made", (int)n, (int)limit) || expect("the next", rc, -ENOSPC);
	if (mem && n <= limit)
		fl_mem_free(mem[n]);
	while (n-- > 0) {
		rc |= expect("unmap", fl_dma_unmap(area[n]), 0);
		fl_mem_free(mem[n]);
	}
	free(area);
	free(mem);
	return rc || still_works(fl_iova(FL_IOVA_BAD_V));
}

static int exists(const struct raw *raw, bool first)
{
	struct fl_dma_opts opts = { .iova = { IOVA } };
	struct fl_dma_area *area;
	struct fl_mem *mem;
	struct fl_mem_info info;
	int rc = fl_mem_alloc(PAGE, NULL, &mem);

	if (rc)
		return expect("memory", rc, 0);
	fl_mem_info(mem, &info);
	if (first) {
		rc = expect("mapping of our own", raw_map(raw, IOVA, info.va, PAGE), 0) ||
		     expect("map", fl_dma_map(fl_ctx_space(ctx), mem, &opts, &area), -EEXIST) ||
		     expect("our own is still there", raw_unmap(raw, IOVA, PAGE), PAGE);
	} else {
		rc = expect("map", fl_dma_map(fl_ctx_space(ctx), mem, &opts, &area), 0) ||
		     expect("taken away", raw_unmap(raw, IOVA, PAGE), PAGE) ||
		     expect("unmap", fl_dma_unmap(area), raw->iommufd ? -ENOENT : -EIO);
	}
	fl_mem_free(mem);
	return rc || still_works(opts.iova);
}

int main(int argc, char **argv)
{
	struct raw raw = { .fd = -1 };
	char uri[256];
	bool first, own;
	int rc;

	if (argc < 3)
		return 2;
	first = !strcmp(argv[1], "exists");
	own = first || !strcmp(argv[1], "short");
	snprintf(uri, sizeof(uri), "%s", argv[2]);
	if (own && raw_open(&raw, argv[2], uri, sizeof(uri)))
		return 3;
	if (fl_ctx_create(NULL, &ctx) || fl_dev_open(ctx, uri, &dev))
		return 4;
	if (own)
		rc = exists(&raw, first);
	else if (!strcmp(argv[1], "window"))
		rc = window();
	else
		rc = entries(argc > 3 ? (unsigned)atoi(argv[3]) : 0);
	fl_dev_close(dev);
	return expect("end", fl_ctx_destroy(ctx), 0) || rc;
}
