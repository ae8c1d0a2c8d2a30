/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user protocol on the wire, version 0.1; the client (user.c) and the server of
 * lib/model speak it. Private: not installed. All fields are in host byte order.
 *
 * A message is a header and a payload, `size` bytes in all; file descriptors ride along as
 * SCM_RIGHTS. A reply echoes id and command, has FL_VU_REPLY for its type, and either the payload
 * of the command or, with FL_VU_F_ERROR, the bare header with an errno (0 = the peer did not
 * say: taken as EIO). A command with FL_VU_F_NO_REPLY is not answered, not even with an error.
 *
 * `argsz`: in a query what the asker can take as reply payload; in its reply what the whole
 * answer needs. Where that is more, the answer is cut to the fixed part and is asked for again.
 * DMA_MAP and SET_IRQS have no reply payload: there it is the size of the request's.
 */
#ifndef FL_VFIO_USER_H
#define FL_VFIO_USER_H

#include <assert.h>
#include <fl_base.h>

enum { FL_VU_MAJOR = 0, FL_VU_MINOR = 1 };

enum fl_vu_cmd {
	FL_VU_VERSION = 1,
	FL_VU_DMA_MAP = 2,
	FL_VU_DMA_UNMAP = 3,
	FL_VU_DEVICE_GET_INFO = 4,
	FL_VU_DEVICE_GET_REGION_INFO = 5,
	FL_VU_DEVICE_GET_REGION_IO_FDS = 6,
	FL_VU_DEVICE_GET_IRQ_INFO = 7,
	FL_VU_DEVICE_SET_IRQS = 8,
	FL_VU_REGION_READ = 9,
	FL_VU_REGION_WRITE = 10,
	FL_VU_DMA_READ = 11,  /* server to client */
	FL_VU_DMA_WRITE = 12, /* server to client */
	FL_VU_DEVICE_RESET = 13,
	FL_VU_REGION_WRITE_MULTI = 15,
	FL_VU_DEVICE_FEATURE = 16,
	FL_VU_MIG_DATA_READ = 17,
	FL_VU_MIG_DATA_WRITE = 18,

	/* ours, where both sides have the capability "x_page_requests": see below */
	FL_VU_PAGE_REQUEST = 0x4601,  /* server to client */
	FL_VU_PAGE_RESPONSE = 0x4602, /* client to server, as all that follow */
	FL_VU_PAGE_GRANT = 0x4603,
	FL_VU_PAGE_INVALIDATE = 0x4604,
	FL_VU_AREA_CONVERT = 0x4605,
};

#define FL_VU_F_TYPE	 0xfu
#define FL_VU_COMMAND	 0x0u
#define FL_VU_REPLY	 0x1u
#define FL_VU_F_NO_REPLY 0x10u
#define FL_VU_F_ERROR	 0x20u

struct fl_vu_hdr {
	uint16_t id, cmd;
	uint32_t size; /* header included */
	uint32_t flags;
	uint32_t error; /* positive errno, with FL_VU_F_ERROR */
};
static_assert(sizeof(struct fl_vu_hdr) == 16, "header");

/* What a peer that does not say it is taken to have; see vfio_user_json.h. */
#define FL_VU_DEFAULT_MSG_FDS  1u
#define FL_VU_DEFAULT_XFER     (1024u * 1024u)
#define FL_VU_DEFAULT_DMA_MAPS 65535u
#define FL_VU_DEFAULT_PGSIZES  4096u

/** The longest version payload that we look at: two numbers and the JSON. */
#define FL_VU_VERSION_MAX 4096u
/** The longest message we take: one transfer of the size that we announce, and its headers. */
#define FL_VU_MSG_MAX (FL_VU_DEFAULT_XFER + 64u)

/** VERSION, both ways; then JSON with its NUL, or nothing. */
struct fl_vu_version {
	uint16_t major, minor;
};
static_assert(sizeof(struct fl_vu_version) == 4, "version");

#define FL_VU_DMA_F_READ  1u
#define FL_VU_DMA_F_WRITE 2u

/** DMA_MAP; memory that the server may map comes with one fd, `offset` inside it. */
struct fl_vu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, iova, size;
};
static_assert(sizeof(struct fl_vu_dma_map) == 32, "dma_map");

/*
 * Page requests (vendor extension). Offered and accepted in VERSION's JSON as
 * "capabilities": {"x_page_requests": {"max": N}}; `max` is the number of groups that the server
 * may have outstanding and the client is ready to hold. Then
 *
 * - DMA_MAP with FL_VU_DMA_F_LAZY announces an area: the server may map its file, and must not
 * touch a page of it for the device before that is granted. Nor by message, where it has no file.
 * - PAGE_REQUEST asks for pages. Requests with one `group` belong together, FL_VU_GROUP_REQUESTS
 * at most; the one with F_LAST closes the group, and the client answers a group once, with
 * PAGE_RESPONSE. A group's number is free again once it was answered.
 * - PAGE_GRANT makes a range reachable, asked for or not (prefault); what a request brings comes
 * before its response. It may overlap what was granted, and never takes a permission away.
 * - PAGE_INVALIDATE takes a range back, whatever of it was granted; the reply says that the device
 * does not reach it any more and that nothing it was in the midst of will. DMA_UNMAP does so for an
 * area.
 * - AREA_CONVERT turns a whole area that stands into a lazy one, of which nothing is granted (with
 *   F_LAZY), or into an ordinary one. Replied to like PAGE_INVALIDATE.
 *
 * Requests, responses and grants are sent with FL_VU_F_NO_REPLY and are never answered otherwise. A
 * message that makes no sense ends the link; a response to a group that is not outstanding (late,
 * twice) is counted and dropped.
 */
#define FL_VU_DMA_F_LAZY     0x100u /* in DMA_MAP and AREA_CONVERT */

#define FL_VU_PAGE	     4096u
#define FL_VU_GROUPS	     256u /* `max` of ours */
#define FL_VU_GROUP_REQUESTS 16u

#define FL_VU_PAGE_F_LAST    1u

struct fl_vu_page_request {
	uint64_t iova, len; /* multiples of 4096, len > 0 */
	uint32_t group;
	uint16_t prot; /* FL_VU_DMA_F_READ, FL_VU_DMA_F_WRITE */
	uint16_t flags;
};
static_assert(sizeof(struct fl_vu_page_request) == 24, "page_request");

enum fl_vu_page_code {
	FL_VU_PAGE_SUCCESS = 0, /* try again */
	FL_VU_PAGE_INVALID = 1, /* no such area, or not with that permission */
	FL_VU_PAGE_FAILURE = 2, /* cannot be had now */
};

struct fl_vu_page_response {
	uint32_t group, code;
};
static_assert(sizeof(struct fl_vu_page_response) == 8, "page_response");

/** PAGE_GRANT, PAGE_INVALIDATE (flags 0) and AREA_CONVERT (0 or FL_VU_DMA_F_LAZY, prot = the
 * area's). */
struct fl_vu_page_range {
	uint64_t iova, len;
	uint32_t prot, flags;
};
static_assert(sizeof(struct fl_vu_page_range) == 24, "page_range");

#define FL_VU_DMA_UNMAP_F_DIRTY 1u
#define FL_VU_DMA_UNMAP_F_ALL	2u

/** DMA_UNMAP; the reply repeats it with the bytes unmapped. */
struct fl_vu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
};
static_assert(sizeof(struct fl_vu_dma_unmap) == 24, "dma_unmap");

#define FL_VU_DEVICE_F_RESET 1u
#define FL_VU_DEVICE_F_PCI   2u

struct fl_vu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};
static_assert(sizeof(struct fl_vu_device_info) == 16, "device_info");

/* low three bits as FL_VFIO_REGION_F_* */
#define FL_VU_REGION_F_READ  1u
#define FL_VU_REGION_F_WRITE 2u
#define FL_VU_REGION_F_MMAP  4u
#define FL_VU_REGION_F_CAPS  8u

/** The reply of a region with F_MMAP brings one fd; areas map at `offset` + area offset in it. */
struct fl_vu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};
static_assert(sizeof(struct fl_vu_region_info) == 32, "region_info");

#define FL_VU_CAP_SPARSE_MMAP 1u

/** In a region's reply at cap_offset, `next` (0 = last); both from the start of region_info. */
struct fl_vu_cap {
	uint16_t id, version;
	uint32_t next;
};
static_assert(sizeof(struct fl_vu_cap) == 8, "cap");

struct fl_vu_area {
	uint64_t offset, size;
};

struct fl_vu_cap_sparse {
	struct fl_vu_cap cap;
	uint32_t nr_areas, reserved;
	struct fl_vu_area areas[];
};
static_assert(sizeof(struct fl_vu_cap_sparse) == 16, "cap_sparse");

/* flags as FL_VFIO_IRQ_F_* */
struct fl_vu_irq_info {
	uint32_t argsz, flags, index, count;
};
static_assert(sizeof(struct fl_vu_irq_info) == 16, "irq_info");

#define FL_VU_IRQ_DATA_NONE	 1u
#define FL_VU_IRQ_DATA_BOOL	 2u
#define FL_VU_IRQ_DATA_EVENTFD	 4u
#define FL_VU_IRQ_ACTION_MASK	 8u
#define FL_VU_IRQ_ACTION_UNMASK	 16u
#define FL_VU_IRQ_ACTION_TRIGGER 32u

/**
 * SET_IRQS; `count` bytes follow with DATA_BOOL. DATA_EVENTFD brings `count` fds, or none to take
 * the assigned ones away. DATA_NONE and TRIGGER with start = count = 0 disables the index.
 */
struct fl_vu_irq_set {
	uint32_t argsz, flags, index, start, count;
};
static_assert(sizeof(struct fl_vu_irq_set) == 20, "irq_set");

/** REGION_READ and _WRITE; `count` bytes of data follow in a read's reply and a write's command. */
struct fl_vu_region_access {
	uint64_t offset;
	uint32_t region, count;
};
static_assert(sizeof(struct fl_vu_region_access) == 16, "region_access");

/** DMA_READ and _WRITE; `count` bytes follow in a read's reply and a write's command. */
struct fl_vu_dma_access {
	uint64_t iova, count;
};
static_assert(sizeof(struct fl_vu_dma_access) == 16, "dma_access");

/** The errno of a reply with FL_VU_F_ERROR, as a negative number that is one. */
static inline int fl_vu_error(const struct fl_vu_hdr *h)
{
	return h->error && h->error < 4096 ? -(int)h->error : -EIO;
}

#endif
