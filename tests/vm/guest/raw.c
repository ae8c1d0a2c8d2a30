/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw.h"

#include "kernel_abi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ADDRESS 12u /* "0000:01:00.0" */

int raw_group(const char *address)
{
	char path[128], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = 0;
	snprintf(path, sizeof(path), "/dev/vfio%.32s", strrchr(target, '/'));
	return open(path, O_RDWR | O_CLOEXEC);
}

static int open_cdev(const char *address)
{
	char path[320] = "";
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", address);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e->d_name);
	if (dir)
		closedir(dir);
	return open(path, O_RDWR | O_CLOEXEC);
}

int raw_open(struct raw *r, const char *uri, char *out, size_t size)
{
	char address[ADDRESS + 1];
	int own, dev;

	snprintf(address, sizeof(address), "%s", uri + strlen("pci:"));
	r->iommufd = strstr(uri, "iommu=iommufd") != NULL;
	own = open(r->iommufd ? "/dev/iommu" : "/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	dev = r->iommufd ? open_cdev(address) : raw_group(address);
	r->fd = dup(own);
	if (own < 0 || dev < 0 || r->fd < 0) {
		perror(uri);
		return -1;
	}
	snprintf(out, size,
		 r->iommufd ? "%s,iommu-fd=%d,cdev-fd=%d" : "%s,container-fd=%d,group-fd=%d", uri,
		 own, dev);
	return 0;
}

/* The library's IOAS is not known to us: of the first few objects, the one that says yes. */
static int each_ioas(const struct raw *r, unsigned long request, void *arg, uint32_t *ioas)
{
	int err = -ENOENT;

	for (*ioas = 1; *ioas < 16; ++*ioas) {
		if (!ioctl(r->fd, request, arg))
			return 0;
		if (errno != ENOENT && errno != EINVAL)
			err = -errno;
	}
	return err;
}

int raw_map(const struct raw *r, uint64_t iova, void *va, uint64_t len)
{
	struct vfio_iommu_type1_dma_map m = { sizeof(m), VFIO_DMA_MAP_FLAG_READ, (uintptr_t)va,
					      iova, len };
	struct fl_abi_ioas_map i = { .size = sizeof(i),
				     .flags = FL_IOMMU_MAP_FIXED | FL_IOMMU_MAP_READ,
				     .user_va = (uintptr_t)va,
				     .length = len,
				     .iova = iova };

	if (r->iommufd)
		return each_ioas(r, FL_IOMMU_IOAS_MAP, &i, &i.ioas_id);
	return ioctl(r->fd, VFIO_IOMMU_MAP_DMA, &m) ? -errno : 0;
}

int raw_unmap(const struct raw *r, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap u = { .argsz = sizeof(u), .iova = iova, .size = len };
	struct fl_abi_ioas_unmap i = { .size = sizeof(i), .iova = iova, .length = len };
	int err;

	if (r->iommufd) {
		err = each_ioas(r, FL_IOMMU_IOAS_UNMAP, &i, &i.ioas_id);
		return err ? err : (int)i.length;
	}
	return ioctl(r->fd, VFIO_IOMMU_UNMAP_DMA, &u) ? -errno : (int)u.size;
}
