/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions. The kernel's answers are checked once, when the device was taken. What cannot be
 * mapped (I/O ports, BARs smaller than a page, config space) is read and written through the fd.
 */
#include "kernel_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BARS	 FL_VFIO_REGION_ROM
#define CAPS_MAX ((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)

/* ---- access --------------------------------------------------------------------------- */

static int transfer(struct fl_vk_dev *d, bool write, uint64_t pos, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = write ? pwrite(d->fd, buf, len, (off_t)pos)
				  : pread(d->fd, buf, len, (off_t)pos);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 || n > (ssize_t)len)
			return -EIO;
		if (n > 0) {
			pos += (uint64_t)n;
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int fl_vk_pread(struct fl_vk_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	return transfer(d, false, d->regions[index].base + off, buf, len);
}

static int access_region(struct fl_vk_dev *d, bool write, unsigned index, uint64_t off, void *buf,
			 size_t len)
{
	const struct fl_vk_region *r;
	int err;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	if (!fl_vk_hold(d))
		return -ENODEV;
	r = &d->regions[index];
	if (len > r->info.size || off > r->info.size - len)
		err = -EINVAL;
	else if (!(r->info.flags & (write ? FL_VFIO_REGION_F_WRITE : FL_VFIO_REGION_F_READ)))
		err = -EACCES;
	else
		err = transfer(d, write, r->base + off, buf, len);
	fl_vk_let(d);
	return err;
}

int fl_vk_region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	return access_region((struct fl_vk_dev *)d, false, index, off, buf, len);
}

int fl_vk_region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
		       size_t len)
{
	return access_region((struct fl_vk_dev *)d, true, index, off, (void *)(uintptr_t)buf, len);
}

int fl_vk_region_info(struct fl_vfio_dev *dev, unsigned index, struct fl_vfio_region *out)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;

	*out = index < VFIO_PCI_NUM_REGIONS ? d->regions[index].info : (struct fl_vfio_region){ 0 };
	return 0;
}

static const char *mmap_hint(int err)
{
	switch (err) {
	case -EBUSY:
		return "; a driver of the host has claimed its addresses: see /proc/iomem";
	case -ENOMEM:
		return "; too little address space or too many mappings: see `ulimit -v` and "
		       "vm.max_map_count";
	case -EPERM:
	case -EACCES:
		return "; the device's fd must be open for reading and writing";
	default:
		return "";
	}
}

int fl_vk_region_mmap(struct fl_vfio_dev *dev, unsigned index, uint64_t off, uint64_t len,
		      void **out)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	const struct fl_vk_region *r;
	int prot, err = 0;
	void *va;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	r = &d->regions[index];
	if (!(r->info.flags & FL_VFIO_REGION_F_MMAP))
		return -EOPNOTSUPP;
	if (!len || len > r->info.size || off > r->info.size - len)
		return -EINVAL;
	if (!fl_vk_hold(d))
		return -ENODEV;
	prot = (r->info.flags & FL_VFIO_REGION_F_READ ? PROT_READ : 0) |
	       (r->info.flags & FL_VFIO_REGION_F_WRITE ? PROT_WRITE : 0);
	va = mmap(NULL, len, prot, MAP_SHARED, d->fd, (off_t)(r->base + off));
	if (va == MAP_FAILED)
		err = -errno;
	else
		*out = va;
	/* by it a child of fork() would keep the device busy */
	if (!err)
		(void)madvise(va, len, MADV_DONTFORK);
	fl_vk_let(d);
	if (err)
		fl_err(dev->log, "vfio",
		       "%s: 0x%llx bytes at 0x%llx of BAR %u cannot be mapped: %s%s",
		       d->pci.address, (unsigned long long)len, (unsigned long long)off, index,
		       strerror(-err), mmap_hint(err));
	return err;
}

/* ---- what the kernel says ------------------------------------------------------------- */

static int bad(struct fl_vk_dev *d, unsigned index, const char *what)
{
	fl_err(d->dev.log, "vfio", "%s: the kernel's answer on region %u: %s", d->pci.address,
	       index, what);
	return -EPROTO;
}

static int parse_sparse(struct fl_vk_dev *d, unsigned index, const uint8_t *cap, size_t len)
{
	struct fl_vfio_region *r = &d->regions[index].info;
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area a;

	memcpy(&head, cap, sizeof(head));
	if (head.nr_areas > (len - sizeof(head)) / sizeof(a))
		return bad(d, index, "more areas to map than fit in it");
	for (uint32_t i = 0; i < head.nr_areas; i++) {
		memcpy(&a, cap + sizeof(head) + i * sizeof(a), sizeof(a));
		if (a.offset > r->size || a.size > r->size - a.offset)
			return bad(d, index, "an area to map is outside the region");
		/* the rest goes through the fd */
		if (a.size && r->nsparse < FL_VFIO_MAX_SPARSE)
			r->sparse[r->nsparse++] = (struct fl_vfio_sparse){ a.offset, a.size };
	}
	/* no list would mean all of it */
	if (!r->nsparse)
		r->flags &= ~FL_VFIO_REGION_F_MMAP;
	return 0;
}

static int parse_region(struct fl_vk_dev *d, unsigned index, const void *answer, size_t len)
{
	struct fl_vk_region *r = &d->regions[index];
	const struct vfio_region_info *info = answer;
	const void *cap;

	if (info->size > INT64_MAX || info->offset > INT64_MAX - info->size)
		return bad(d, index, "it ends beyond what a file can have");
	r->base = info->offset;
	r->info.size = info->size;
	r->info.flags = info->flags &
			(FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE | FL_VFIO_REGION_F_MMAP);
	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return 0;
	cap = fl_vk_cap(answer, len, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
			sizeof(struct vfio_region_info_cap_sparse_mmap), &len);
	return cap ? parse_sparse(d, index, cap, len) : 0;
}

static int get_region(struct fl_vk_dev *d, unsigned index)
{
	struct vfio_region_info ask = { .index = index };
	void *answer;
	size_t len;
	int err;

	d->regions[index] = (struct fl_vk_region){ 0 };
	if (index >= d->dev.nregions)
		return 0;
	err = fl_vk_ask(d->fd, VFIO_DEVICE_GET_REGION_INFO, &ask, sizeof(ask), &answer, &len);
	if (err == -EINVAL)
		return 0; /* it has no such region */
	if (err)
		return bad(d, index, strerror(-err));
	err = parse_region(d, index, answer, len);
	free(answer);
	return err;
}

/* ---- the MSI-X table ------------------------------------------------------------------ */

static int cfg_read(struct fl_vk_dev *d, unsigned off, void *buf, unsigned len)
{
	const struct fl_vfio_region *r = &d->regions[FL_VFIO_REGION_CONFIG].info;

	if (len > r->size || off > r->size - len)
		return -EINVAL;
	return fl_vk_pread(d, FL_VFIO_REGION_CONFIG, off, buf, len);
}

/* 0 = none */
static unsigned find_msix(struct fl_vk_dev *d)
{
	uint8_t head[2];
	uint16_t status;
	uint8_t pos;

	if (cfg_read(d, PCI_STATUS, &status, 2) || !(status & PCI_STATUS_CAP_LIST) ||
	    cfg_read(d, PCI_CAPABILITY_LIST, &pos, 1))
		return 0;
	for (unsigned n = 0; n < CAPS_MAX && (pos &= 0xfc) >= PCI_STD_HEADER_SIZEOF; n++) {
		if (cfg_read(d, pos, head, 2))
			break;
		if (head[0] == PCI_CAP_ID_MSIX)
			return pos;
		pos = head[1];
	}
	return 0;
}

/* Takes [from, to) out of what can be mapped. */
static void cut(struct fl_vfio_region *r, uint64_t from, uint64_t to)
{
	struct fl_vfio_sparse old[FL_VFIO_MAX_SPARSE + 1] = { { 0, r->size } };
	unsigned n = r->nsparse ? r->nsparse : 1;

	if (r->nsparse)
		memcpy(old, r->sparse, sizeof(r->sparse));
	r->nsparse = 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t start = old[i].offset, end = start + old[i].size;
		struct fl_vfio_sparse parts[2] = {
			{ start, (end < from ? end : from) - start },
			{ start > to ? start : to, end - (start > to ? start : to) },
		};

		for (unsigned k = 0; k < 2; k++)
			if ((k ? end > to : start < from) && r->nsparse < FL_VFIO_MAX_SPARSE)
				r->sparse[r->nsparse++] = parts[k];
	}
	if (!r->nsparse)
		r->flags &= ~FL_VFIO_REGION_F_MMAP;
}

/*
 * The pages of the MSI-X table and of its pending bits are never mapped, also where the kernel
 * would allow it: the table is the kernel's to write.
 */
static void cut_msix(struct fl_vk_dev *d)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), len[2];
	unsigned cap = find_msix(d);
	uint32_t at[2];
	uint16_t flags;

	if (!cap || cfg_read(d, cap + PCI_MSIX_FLAGS, &flags, 2) ||
	    cfg_read(d, cap + PCI_MSIX_TABLE, &at[0], 4) ||
	    cfg_read(d, cap + PCI_MSIX_PBA, &at[1], 4))
		return;
	len[0] = ((flags & PCI_MSIX_FLAGS_QSIZE) + 1u) * PCI_MSIX_ENTRY_SIZE;
	len[1] = fl_align_up((flags & PCI_MSIX_FLAGS_QSIZE) + 1u, 64) / 8;
	for (unsigned i = 0; i < 2; i++) {
		unsigned bar = at[i] & PCI_MSIX_TABLE_BIR;
		uint64_t off = at[i] & PCI_MSIX_TABLE_OFFSET;

		if (bar < BARS && (d->regions[bar].info.flags & FL_VFIO_REGION_F_MMAP))
			cut(&d->regions[bar].info, fl_align_down(off, page),
			    fl_align_up(off + len[i], page));
	}
}

int fl_vk_regions_init(struct fl_vk_dev *d)
{
	int err = 0;

	for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS && !err; i++)
		err = get_region(d, i);
	if (!err)
		cut_msix(d);
	return err;
}
