/* SPDX-License-Identifier: BSD-3-Clause */
/* vm-fault: a second device, one that cannot fault; by the library, and in one container by hand.
 */
#include "fault.h"
#include "kernel_abi.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MB   (1ul << 20)
#define IOVA (1ull << 32)

/* ---- by the library ----------------------------------------------------------------------------
 */

static void expect_kept(const struct rig *r, uint64_t bytes, const char *when)
{
	if (r->kernel)
		must(when, (int64_t)(locked() - r->base), (int64_t)bytes);
	else
		between(when, locked(), 0, r->base + bytes + BUDGET);
}

/* it gets an I/O address space of its own: areas stay as they are, and what it is given is pinned
 * for it */
static void beside(struct rig *r, const struct args *a)
{
	struct fl_dev *other;
	struct buf src, dst;

	r->allows = 4 * MB; /* and what is pinned for the other one */
	rig_open(r);
	must("budget",
	     fl_dma_residency_set(r->space, &(struct fl_residency_opts){ .budget = BUDGET }), 0);
	buf_open(r, &src, MB, OWN);
	buf_open(r, &dst, MB, OWN);
	fill(&src, 0, MB, 1);
	works(&r->lane[0], &src, &dst, 0, MB);
	expect_kept(r, 0, "locked without it");
	for (unsigned i = 0; i < 3; i++) {
		must("the other device", fl_dev_open(r->ctx, a->extra, &other), 0);
		r->base = locked(); /* rings are there for it, too */
		must("that it takes faults", fl_dev_faults(other), false);
		must("that the SEC does", fl_dev_faults(fl_cryptodev_dev(r->d)), true);
		drop(r, &src, 0, MB);
		fill(&src, 0, MB, 2);
		works(&r->lane[0], &src, &dst, 0, MB);
		expect_kept(r, 0, "locked with it");
		/* both are to reach it now */
		must("pin", fl_mem_pin(src.area, 0, MB), 0);
		works(&r->lane[0], &src, &dst, 0, MB);
		between("locked for both", locked(), r->base + (r->kernel ? MB : 0), UINT64_MAX);
		must("unpin", fl_mem_unpin(src.area, 0, MB), 0);
		must("revoke", fl_mem_revoke(src.area, 0, MB), 0);
		expect_kept(r, 0, "locked when it lost all");
		fl_dev_close(other);
		r->base = locked();
		works(&r->lane[0], &src, &dst, 0, MB);
	}
	buf_close(&src);
	buf_close(&dst);
	rig_close(r);
}

/* ---- by hand -----------------------------------------------------------------------------------
 */

static int said(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int join(int group, int container)
{
	return said(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
}

static int map(int fd, void *va, uint64_t iova, uint64_t len, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map m = {
		sizeof(m),     VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE | flags,
		(uintptr_t)va, iova,
		len,
	};

	return said(ioctl(fd, VFIO_IOMMU_MAP_DMA, &m));
}

static int64_t unmap(int fd, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = iova, .size = len };
	int rc = said(ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &u));

	return rc ? rc : (int64_t)u.size;
}

static int ask(int fd, uint32_t op, uint64_t iova, uint64_t len)
{
	struct fl_abi_fault f = { .argsz = sizeof(f), .op = op, .iova = iova, .size = len };

	return said(ioctl(fd, FL_VFIO_IOMMU_FAULT, &f));
}

static bool ready(int fd)
{
	_Alignas(8) uint8_t room[4096] = { 0 };
	struct vfio_iommu_type1_info *i = (void *)room;
	uint32_t off;

	i->argsz = sizeof(room);
	must("info", said(ioctl(fd, VFIO_IOMMU_GET_INFO, i)), 0);
	for (off = i->cap_offset; off; off = ((struct vfio_info_cap_header *)(room + off))->next) {
		const struct fl_abi_info_cap_fault *c = (void *)(room + off);

		if (c->header.id == FL_VFIO_INFO_CAP_FAULT)
			return c->flags & FL_VFIO_FAULT_READY;
	}
	return false;
}

static int open_by_address(const char *uri)
{
	char address[13];
	int fd;

	snprintf(address, sizeof(address), "%s", uri + strlen("pci:"));
	fd = raw_group(address);
	between(uri, (uint64_t)fd, 3, 1000);
	return fd;
}

/* what a container says while a range of it faults, and when none does */
static void one_container(struct rig *r, const struct args *a)
{
	int c = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), sec = open_by_address(r->uri);
	int other = open_by_address(a->extra);
	uint8_t *va = mmap(NULL, 4 * MB, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must("the SEC's group", join(sec, c), 0);
	must("type", said(ioctl(c, VFIO_SET_IOMMU, FL_VFIO_TYPE1_FAULT_IOMMU)), 0);
	must("ready", ready(c), true);
	/* faulting: nobody may join who cannot */
	must("faulting", map(c, va, IOVA, MB, FL_VFIO_DMA_MAP_FLAG_FAULT), 0);
	must("pinned beside it", map(c, va + MB, IOVA + MB, MB, 0), 0);
	must("locked", (int64_t)locked(), MB);
	must("a group that cannot, while a range faults", join(other, c), -EBUSY);
	must("pin", ask(c, FL_VFIO_FAULT_PIN, IOVA, MB), 0);
	must("locked", (int64_t)locked(), 2 * MB);
	must("ready still", ready(c), true);
	/* all is pinned: it may, and then nothing faults any more */
	must("a group that cannot, when all is pinned", join(other, c), 0);
	must("ready", ready(c), false);
	must("faulting", map(c, va + 2 * MB, IOVA + 2 * MB, MB, FL_VFIO_DMA_MAP_FLAG_FAULT),
	     -EOPNOTSUPP);
	must("unpin", ask(c, FL_VFIO_FAULT_UNPIN, IOVA, MB), -EOPNOTSUPP);
	must("pinned", map(c, va + 2 * MB, IOVA + 2 * MB, MB, 0), 0);
	must("locked", (int64_t)locked(), 3 * MB);
	must("it leaves", said(ioctl(other, VFIO_GROUP_UNSET_CONTAINER)), 0);
	must("unmap", unmap(c, IOVA + 2 * MB, MB), MB);
	must("unmap", unmap(c, IOVA + MB, MB), MB);
	must("unmap", unmap(c, IOVA, MB), MB);
	must("locked", (int64_t)locked(), 0);
	close(other);
	close(sec);
	close(c);
}

/* a container as others open it, with a device that could fault: all of it as before */
static void old_container(struct rig *r, const struct args *a)
{
	int c = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), sec = open_by_address(r->uri);
	uint8_t *va = mmap(NULL, MB, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must("the SEC's group", join(sec, c), 0);
	must("type", said(ioctl(c, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)), 0);
	must("ready", ready(c), false);
	between("faulting, refused with",
		(uint64_t)-map(c, va, IOVA, MB, FL_VFIO_DMA_MAP_FLAG_FAULT), EINVAL, EOPNOTSUPP);
	must("pinned", map(c, va, IOVA, MB, 0), 0);
	must("locked", (int64_t)locked(), MB);
	between("unpin, refused with", (uint64_t)-ask(c, FL_VFIO_FAULT_UNPIN, IOVA, MB), EINVAL,
		EOPNOTSUPP);
	must("unmap", unmap(c, IOVA, MB), MB);
	must("locked", (int64_t)locked(), 0);
	close(sec);
	close(c);
}

const struct named_case group_cases[] = {
	{ "beside", beside },
	{ "one-container", one_container },
	{ "old-container", old_container },
	{ NULL, NULL },
};
