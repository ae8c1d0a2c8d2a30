/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_FAKE_INTERNAL_H
#define VFIO_FAKE_INTERNAL_H

#include "vfio_fake.h"

#include <sys/stat.h>
#include <sys/types.h>

#define FAKE_FDS	1024
#define FAKE_CDEV_MAJOR 510u

enum fake_kind {
	FAKE_NONE,
	FAKE_CTNR,
	FAKE_GROUP,
	FAKE_DEV,
	FAKE_CDEV,
	FAKE_IOMMU,
	FAKE_QUEUE,
	FAKE_OTHER
};

struct fake_fd {
	enum fake_kind kind;
	void *obj;
	char name[64];
};

int __real_open64(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_close(int fd);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __real_fstat64(int fd, struct stat *st); /* with 64-bit offsets all of them are one structure */
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_ioctl(int fd, unsigned long request, ...);

void fake_fd_add(int fd, enum fake_kind kind, void *obj, const char *name);
struct fake_fd *fake_fd_of(int fd);
/** Counts a call; true = this one fails, errno is set. */
bool fake_fails(void);

/* vfio_fake_ioctl.c */
int fake_unset_container(struct fake_group *g);
void fake_group_closed(struct fake_group *g);
void fake_ctnr_closed(struct fake_ctnr *c);
void fake_irqs_off(struct fake_dev *d, unsigned index);
int fake_dev_ioctl(struct fake_dev *d, unsigned long request, void *arg);
bool fake_in_windows(const struct fake_group *g, uint64_t iova, uint64_t len);

/* vfio_fake_fault.c */
bool fake_ready(const struct fake_ctnr *c);
int fake_fault_ioctl(struct fake_ctnr *c, void *arg);
void fake_fault_gone(struct fake_ctnr *c, const struct fake_map *m);

/* vfio_fake_iommufd.c */
int fake_iommu_ioctl(unsigned long request, void *arg);
int fake_cdev_ioctl(struct fake_dev *d, unsigned long request, void *arg);
void fake_cdev_closed(struct fake_dev *d);
void fake_iommu_closed(void);

/* vfio_fake_queue.c */
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
struct fl_abi_fault_alloc;
int fake_queue_alloc(struct fl_abi_fault_alloc *req);
struct fake_queue *fake_queue_of(uint32_t id);
void fake_queue_closed(struct fake_queue *q);
void fake_queue_leave(const struct fake_dev *d);

#endif
