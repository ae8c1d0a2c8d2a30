/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-cost map 4k|2m|mixed ADDRESS ROUNDS
 * vm-cost irq intx|msi|msix ADDRESS ROUNDS
 *
 * What it costs to reach a device by a container and by iommufd, in turns. Prints lines of "NAME
 * CONTAINER IOMMUFD": nanoseconds, medians unless the name says otherwise; "entries" is a count. No
 * time is judged: it fails only when something was not mapped, or an interrupt did not come.
 */
#include <fl_dev.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define AREA   (UINT64_C(1) << 30)
#define SMALL  UINT64_C(4096)
#define HUGE   (UINT64_C(2) << 20)
#define IOVA   (UINT64_C(4) << 30) /* a multiple of AREA: hugepages stand on their multiples */
#define IRQS   250u		   /* in a round */
#define WAIT   2000		   /* ms until an interrupt counts as lost */
#define ROUNDS 99u

enum { CONTAINER, IOMMUFD, WAYS };

static const char *const ways[WAYS] = { "container", "iommufd" };

/* what was measured: a row is printed */
struct row {
	const char *name;
	uint64_t *v[WAYS];
	unsigned n[WAYS];
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int expect(const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %" PRId64 ", expected %" PRId64 "\n", what, got, want);
	return 1;
}

/* ---- rows ------------------------------------------------------------------------------ */

static int row_init(struct row *r, const char *name, unsigned max)
{
	r->name = name;
	for (unsigned w = 0; w < WAYS; w++) {
		r->v[w] = calloc(max, sizeof(*r->v[w]));
		if (!r->v[w])
			return expect("memory", -1, 0);
	}
	return 0;
}

static void add(struct row *r, unsigned way, uint64_t v)
{
	r->v[way][r->n[way]++] = v;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print(struct row *r, unsigned percent, const char *suffix)
{
	printf("%s%s", r->name, suffix);
	for (unsigned w = 0; w < WAYS; w++) {
		qsort(r->v[w], r->n[w], sizeof(*r->v[w]), by_value);
		printf(" %" PRIu64, r->v[w][(r->n[w] - 1) * percent / 100]);
	}
	puts("");
}

static void row_free(struct row *r)
{
	for (unsigned w = 0; w < WAYS; w++)
		free(r->v[w]);
}

/* ---- a device, one way ----------------------------------------------------------------- */

static int with_device(const char *address, unsigned way, int (*fn)(struct fl_dev *, unsigned))
{
	struct fl_ctx *ctx;
	struct fl_dev *dev;
	char uri[64];
	int rc = 1;

	snprintf(uri, sizeof(uri), "pci:%s,iommu=%s", address, ways[way]);
	if (fl_ctx_create(NULL, &ctx))
		return 1;
	if (!fl_dev_open(ctx, uri, &dev)) {
		rc = fn(dev, way);
		fl_dev_close(dev);
	}
	return expect("end", fl_ctx_destroy(ctx), 0) || rc;
}

/* each way once a round, and first every other round */
static int in_turns(const char *address, unsigned rounds, int (*fn)(struct fl_dev *, unsigned))
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < rounds * WAYS; i++)
		rc = with_device(address, (i + i / WAYS) % WAYS, fn);
	return rc;
}

/* ---- map and unmap --------------------------------------------------------------------- */

static struct fl_mem *mem;
static struct row maps, unmaps, entries;

/* Pages of the whole machine that were ever pinned for a device, as the kernel counts. */
static int64_t pins(void)
{
	char line[80];
	int64_t n = -1;
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	if (f) {
		fputs("1", f); /* sums up what each processor has counted */
		fclose(f);
	}
	f = fopen("/proc/vmstat", "r");
	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "nr_foll_pin_acquired %" SCNd64, &n);
	if (f)
		fclose(f);
	return n;
}

static int map_round(struct fl_dev *dev, unsigned way)
{
	struct fl_dma_space *space = fl_ctx_space(fl_dev_ctx(dev));
	struct fl_dma_opts opts = { .iova = { IOVA } };
	struct fl_dma_area *area;
	struct fl_dma_stats s;
	int64_t before = pins();
	uint64_t t = now();

	if (expect("map", fl_dma_map(space, mem, &opts, &area), 0))
		return 1;
	add(&maps, way, now() - t);
	fl_dma_stats(space, &s);
	add(&entries, way, s.entries);
	before = pins() - before;
	t = now();
	if (expect("unmap", fl_dma_unmap(area), 0))
		return 1;
	add(&unmaps, way, now() - t);
	return expect("bytes mapped", (int64_t)s.mapped_bytes, AREA) ||
	       expect("pages that the kernel pinned", before, AREA / SMALL);
}

/* Pieces of 2 MiB: of one hugepage or of small pages. */
static void *pieces(const char *pages)
{
	uint8_t *p, *va = mmap(NULL, AREA + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (va == MAP_FAILED)
		return NULL;
	va += -(uintptr_t)va & (HUGE - 1);
	for (uint64_t off = 0; off < AREA; off += HUGE) {
		bool huge = !strcmp(pages, "2m") || (!strcmp(pages, "mixed") && off & HUGE);

		p = mmap(va + off, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (huge ? MAP_HUGETLB : 0), -1, 0);
		if (p == MAP_FAILED || (!huge && madvise(p, HUGE, MADV_NOHUGEPAGE))) {
			perror("memory");
			return NULL;
		}
	}
	return va;
}

/*
 * Puts memory behind it, in an order in which neighbours do not get neighbours: a kernel just
 * started would else give out small pages in rows, which an IOMMU takes for larger ones.
 */
static void touch(uint8_t *va)
{
	for (uint64_t i = 0; i < AREA / SMALL; i++)
		*(volatile uint8_t *)(va + i * 40503 % (AREA / SMALL) * SMALL) = 1;
}

static int measure_maps(const char *pages, const char *address, unsigned rounds)
{
	uint64_t t = now();
	void *va = pieces(pages);
	int rc;

	if (!va || row_init(&maps, "map", rounds) || row_init(&unmaps, "unmap", rounds) ||
	    row_init(&entries, "entries", rounds))
		return 1;
	touch(va);
	fprintf(stderr, "touched in %" PRIu64 " ms\n", (now() - t) / 1000000);
	if (expect("wrap", fl_mem_wrap(va, AREA, -1, 0, NULL, &mem), 0))
		return 1;
	rc = in_turns(address, rounds, map_round);
	fl_mem_free(mem);
	if (rc)
		return rc;
	print(&maps, 50, "");
	print(&unmaps, 50, "");
	print(&entries, 100, "");
	row_free(&maps);
	row_free(&unmaps);
	row_free(&entries);
	return 0;
}

/* ---- interrupts ------------------------------------------------------------------------ */

/* what the 82540EM and the 82574L have alike */
enum { ICR = 0xc0, ICS = 0xc8, IMS = 0xd0, IMC = 0xd8 };
#define IVAR	  0xe4	     /* 82574L */
#define IVAR_RXQ0 0x8u	     /* valid, message 0 */
#define RXT0	  (1u << 7)  /* a cause without MSI-X */
#define RXQ0	  (1u << 20) /* one with */

static enum fl_irq_kind kind;
static struct row raised, unmasked;

/*
 * From the write that raises it to the eventfd, and to where it could be raised again. The count in
 * the eventfd is not looked at: QEMU without KVM now and then delivers a message twice.
 */
static int one_irq(struct fl_dev *dev, unsigned way, uint32_t cause)
{
	struct pollfd p = { .fd = fl_dev_irq_fd(dev, 0), .events = POLLIN };
	uint64_t begin = now();

	fl_bar_write32(dev, 0, ICS, cause);
	if (expect("interrupt within time", poll(&p, 1, WAIT), 1))
		return 1;
	add(&raised, way, now() - begin);
	fl_bar_write32(dev, 0, ICR, ~0u);
	fl_dev_irq_ack(dev, 0);
	add(&unmasked, way, now() - begin);
	return 0;
}

static int irq_round(struct fl_dev *dev, unsigned way)
{
	uint32_t cause = kind == FL_IRQ_MSIX ? RXQ0 : RXT0;
	int rc;

	if (expect("enable", fl_dev_enable(dev, true), 0))
		return 1;
	fl_bar_write32(dev, 0, IMC, ~0u);
	(void)fl_bar_read32(dev, 0, ICR);
	rc = expect("interrupts set up", fl_dev_irq_setup(dev, kind, 1), 0);
	if (kind == FL_IRQ_MSIX)
		fl_bar_write32(dev, 0, IVAR, IVAR_RXQ0);
	fl_bar_write32(dev, 0, IMS, cause);
	for (unsigned i = 0; !rc && i < IRQS; i++)
		rc = one_irq(dev, way, cause);
	fl_bar_write32(dev, 0, IMC, ~0u);
	return rc;
}

static int measure_irqs(const char *what, const char *address, unsigned rounds)
{
	kind = !strcmp(what, "msix")  ? FL_IRQ_MSIX
	       : !strcmp(what, "msi") ? FL_IRQ_MSI
				      : FL_IRQ_INTX;
	if (row_init(&raised, "raised", rounds * IRQS) ||
	    row_init(&unmasked, "unmasked", rounds * IRQS) || in_turns(address, rounds, irq_round))
		return 1;
	print(&raised, 50, "");
	print(&raised, 99, "-p99");
	if (kind == FL_IRQ_INTX) {
		print(&unmasked, 50, "");
		print(&unmasked, 99, "-p99");
	}
	row_free(&raised);
	row_free(&unmasked);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc == 5 ? (unsigned)atoi(argv[4]) : 0;

	if (!rounds || rounds > ROUNDS)
		return 2;
	if (!strcmp(argv[1], "map"))
		return measure_maps(argv[2], argv[3], rounds);
	return measure_irqs(argv[2], argv[3], rounds);
}
