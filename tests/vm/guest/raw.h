/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's own interface, behind the library's back. */
#ifndef VM_RAW_H
#define VM_RAW_H

#include <stddef.h>
#include <stdint.h>

struct raw {
	int fd; /* the container or /dev/iommu, which the library shares */
	int iommufd;
};

/** Opens what the library would and writes a URI that hands it over; fd stays a copy of ours. */
int raw_open(struct raw *r, const char *uri, char *out, size_t size);
/** The IOMMU group of a PCI address, opened, or -1. */
int raw_group(const char *address);
/** 0 or a negative errno. */
int raw_map(const struct raw *r, uint64_t iova, void *va, uint64_t len);
/** Bytes unmapped, or a negative errno. */
int raw_unmap(const struct raw *r, uint64_t iova, uint64_t len);

#endif
