/* SPDX-License-Identifier: BSD-3-Clause */
/* BARs: what of them can be mapped is, the rest goes through the transport. */
#include "dev_internal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* Maps the whole pages of [off, off+len); an area smaller than that stays trapped. */
static int map_area(struct fl_dev *dev, unsigned index, struct fl_bar *bar, uint64_t off,
		    uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), first, end;
	void *va;
	int err;

	if (off >= bar->info.size || len > bar->info.size - off)
		return -ERANGE;
	first = fl_align_up(off, page);
	end = fl_align_down(off + len, page);
	if (first < off || first >= end)
		return 0;
	err = dev->vd->ops->region_mmap(dev->vd, index, first, end - first, &va);
	if (!err)
		bar->maps[bar->nmaps++] = (struct fl_bar_map){ first, end - first, va };
	return err == -EOPNOTSUPP ? 0 : err;
}

static int map_bar(struct fl_dev *dev, unsigned index, struct fl_bar *bar)
{
	const struct fl_vfio_region *r = &bar->info;
	int err = 0;

	if (!(r->flags & FL_VFIO_REGION_F_MMAP) || !r->size)
		return 0;
	if (!r->nsparse)
		return map_area(dev, index, bar, 0, r->size);
	for (unsigned i = 0; i < r->nsparse && i < FL_VFIO_MAX_SPARSE && !err; i++)
		err = map_area(dev, index, bar, r->sparse[i].offset, r->sparse[i].size);
	return err;
}

int fl_bars_map(struct fl_dev *dev, struct fl_bar bars[FL_BARS])
{
	memset(bars, 0, FL_BARS * sizeof(*bars));
	for (unsigned i = 0; i < FL_BARS; i++) {
		int err = dev->vd->ops->region_info(dev->vd, i, &bars[i].info);

		if (!err)
			err = map_bar(dev, i, &bars[i]);
		if (err) {
			fl_err(fl_dev_log(dev), "dev", "%s: BAR %u: %s", dev->uri, i,
			       strerror(-err));
			fl_bars_unmap(bars);
			return err;
		}
	}
	return 0;
}

void fl_bars_unmap(struct fl_bar bars[FL_BARS])
{
	for (unsigned i = 0; i < FL_BARS; i++) {
		for (unsigned m = 0; m < bars[i].nmaps; m++)
			munmap(bars[i].maps[m].va, bars[i].maps[m].len);
		bars[i].nmaps = 0;
	}
}

/*
 * Threads may be reading and writing there: they meet the device or all ones, nothing between.
 * This costs as much memory as was mapped.
 */
static void replace(struct fl_dev *dev, const struct fl_bar_map *m)
{
	void *ones = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ones != MAP_FAILED) {
		memset(ones, 0xff, m->len);
		if (mremap(ones, m->len, m->len, MREMAP_MAYMOVE | MREMAP_FIXED, m->va) == m->va)
			return;
		munmap(ones, m->len);
	}
	/* what matters most is that the device is let go and nobody faults */
	fl_warn(fl_dev_log(dev), "dev", "%s: a BAR that is given up reads as zeros: %s", dev->uri,
		strerror(errno));
	if (mmap(m->va, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		fl_err(fl_dev_log(dev), "dev", "%s: a BAR stays mapped: %s", dev->uri,
		       strerror(errno));
}

void fl_bars_replace(struct fl_dev *dev)
{
	for (unsigned i = 0; i < FL_BARS; i++)
		for (unsigned m = 0; m < dev->bars[i].nmaps; m++)
			replace(dev, &dev->bars[i].maps[m]);
}

static bool in_bar(const struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t len)
{
	return bar < FL_BARS && len <= dev->bars[bar].info.size &&
	       off <= dev->bars[bar].info.size - len;
}

static uint8_t *find_map(const struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t len)
{
	const struct fl_bar *b = &dev->bars[bar];

	for (unsigned i = 0; i < b->nmaps; i++) {
		const struct fl_bar_map *m = &b->maps[i];

		if (off >= m->off && off - m->off < m->len && len <= m->len - (off - m->off))
			return m->va + (off - m->off);
	}
	return NULL;
}

uint64_t fl_bar_size(const struct fl_dev *dev, unsigned bar)
{
	return bar < FL_BARS ? dev->bars[bar].info.size : 0;
}

void *fl_bar_ptr(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t len)
{
	return len && in_bar(dev, bar, off, len) ? find_map(dev, bar, off, len) : NULL;
}

/* One access of 16 bytes; reg is aligned to them. */
static void load128(const void *reg, uint64_t v[2])
{
#if defined(__x86_64__)
	__m128i x;

	__asm__ volatile("movdqa %1, %0" : "=x"(x) : "m"(*(const __m128i *)reg) : "memory");
	_mm_storeu_si128((__m128i *)v, x);
#elif defined(__aarch64__)
	__asm__ volatile("ldp %0, %1, [%2]" : "=&r"(v[0]), "=&r"(v[1]) : "r"(reg) : "memory");
#else
#error "load128() is not written for this machine"
#endif
	fl_dma_rmb();
}

static void store128(void *reg, const uint64_t v[2])
{
	fl_dma_wmb();
#if defined(__x86_64__)
	__asm__ volatile("movdqa %1, %0"
			 : "=m"(*(__m128i *)reg)
			 : "x"(_mm_loadu_si128((const __m128i *)v))
			 : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("stp %0, %1, [%2]" ::"r"(v[0]), "r"(v[1]), "r"(reg) : "memory");
#endif
}

/* len 4, 8 or 16; false = there is nothing to ask */
static bool bar_read(struct fl_dev *dev, unsigned bar, uint64_t off, void *v, unsigned len)
{
	uint8_t *p;

	memset(v, 0xff, len);
	if (fl_dev_removed(dev) || off % len || !in_bar(dev, bar, off, len))
		return false;
	p = find_map(dev, bar, off, len);
	if (!p) {
		if (dev->vd->ops->region_read(dev->vd, bar, off, v, len))
			memset(v, 0xff, len);
	} else if (len == 4) {
		*(uint32_t *)v = fl_mmio_read32((const volatile uint32_t *)p);
	} else if (len == 8) {
		*(uint64_t *)v = __atomic_load_n((const volatile uint64_t *)p, __ATOMIC_RELAXED);
		fl_dma_rmb();
	} else {
		load128(p, v);
	}
	return true;
}

static void bar_write(struct fl_dev *dev, unsigned bar, uint64_t off, const void *v, unsigned len,
		      bool message)
{
	uint8_t *p;

	if (fl_dev_removed(dev) || off % len || !in_bar(dev, bar, off, len))
		return;
	p = message ? NULL : find_map(dev, bar, off, len);
	if (!p) {
		fl_dma_wmb();
		/* a register write has no answer; who fails here is found removed */
		(void)dev->vd->ops->region_write(dev->vd, bar, off, v, len);
	} else if (len == 4) {
		fl_mmio_write32((volatile uint32_t *)p, *(const uint32_t *)v);
	} else if (len == 8) {
		fl_dma_wmb();
		__atomic_store_n((volatile uint64_t *)p, *(const uint64_t *)v, __ATOMIC_RELEASE);
	} else {
		store128(p, v);
	}
}

uint32_t fl_bar_read32(struct fl_dev *dev, unsigned bar, uint64_t off)
{
	uint32_t v;

	if (bar_read(dev, bar, off, &v, sizeof(v)) && fl_unlikely(v == UINT32_MAX))
		fl_dev_look(dev);
	return v;
}

uint64_t fl_bar_read64(struct fl_dev *dev, unsigned bar, uint64_t off)
{
	uint64_t v;

	if (bar_read(dev, bar, off, &v, sizeof(v)) && v == UINT64_MAX)
		fl_dev_look(dev);
	return v;
}

void fl_bar_read128(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v[2])
{
	if (bar_read(dev, bar, off, v, 16) && (v[0] & v[1]) == UINT64_MAX)
		fl_dev_look(dev);
}

void fl_bar_write32(struct fl_dev *dev, unsigned bar, uint64_t off, uint32_t v)
{
	bar_write(dev, bar, off, &v, sizeof(v), false);
}

void fl_bar_write64(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v)
{
	bar_write(dev, bar, off, &v, sizeof(v), false);
}

void fl_bar_send64(struct fl_dev *dev, unsigned bar, uint64_t off, uint64_t v)
{
	bar_write(dev, bar, off, &v, sizeof(v), !strcmp(dev->vd->ops->name, "vfio-user"));
}

void fl_bar_write128(struct fl_dev *dev, unsigned bar, uint64_t off, const uint64_t v[2])
{
	bar_write(dev, bar, off, v, 16, false);
}

void fl_doorbell_init(struct fl_doorbell *db, struct fl_dev *dev, unsigned bar, uint32_t off)
{
	*db = (struct fl_doorbell){
		.ptr = off % 4 ? NULL : fl_bar_ptr(dev, bar, off, 4),
		.dev = dev,
		.off = off,
		.bar = (uint8_t)bar,
	};
}
