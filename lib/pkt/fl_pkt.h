/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets and packet pools.
 *
 * A packet is one cache line of metadata (struct fl_pkt) and a buffer of its own elsewhere.
 * Metadata of a pool stands densely in one array, so that a burst touches few pages even with
 * 4 KiB pages; buffers stand in areas of DMA memory. Buffers are not touched, and metadata is
 * not written, until a packet is first handed out: a 4 GiB pool is made in milliseconds.
 *
 * Invariant of a free packet: next NULL, nb_segs 1, refcnt 1, kind 0. Whoever frees restores
 * it, so whoever allocates need not write it.
 */
#ifndef FL_PKT_H
#define FL_PKT_H

#include <fl_dma.h>
#include <fl_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_pool;
struct fl_pkt;

/* ---- offload flags (fl_pkt.flags) ----------------------------------------------------- */

#define FL_RX_VLAN_STRIPPED (1u << 0) /* vlan_tci holds the tag that was in the frame */
#define FL_RX_RSS_HASH	    (1u << 1) /* hash is valid */
#define FL_RX_IP_CSUM_GOOD  (1u << 2)
#define FL_RX_IP_CSUM_BAD   (1u << 3) /* neither: not known */
#define FL_RX_L4_CSUM_GOOD  (1u << 4)
#define FL_RX_L4_CSUM_BAD   (1u << 5)
#define FL_RX_TIMESTAMP	    (1u << 7) /* fl_port_timesync_rx() has this packet's stamp */

#define FL_TX_VLAN	    (1u << 16) /* insert vlan_tci */
#define FL_TX_IP_CSUM	    (1u << 17) /* IPv4 header checksum; l2_len, l3_len set */
#define FL_TX_TCP_CSUM	    (1u << 18) /* with FL_TX_IPV4 or FL_TX_IPV6; pseudo-header sum in place */
#define FL_TX_UDP_CSUM	    (1u << 19)
#define FL_TX_TSO	    (1u << 20) /* tso_mss, l4_len set; implies TCP checksum */
#define FL_TX_IPV4	    (1u << 21)
#define FL_TX_IPV6	    (1u << 22)
#define FL_TX_TIMESTAMP	    (1u << 23) /* for fl_port_timesync_tx(); not with FL_TX_TSO */

/* fl_pkt.ptype: what the device (or fl_pkt_parse()) found */
#define FL_PTYPE_ETHER	 0x0001u
#define FL_PTYPE_IPV4	 0x0010u
#define FL_PTYPE_IPV6	 0x0020u
#define FL_PTYPE_L3_MASK 0x00f0u
#define FL_PTYPE_TCP	 0x0100u
#define FL_PTYPE_UDP	 0x0200u
#define FL_PTYPE_L4	 0x0300u /* TCP or UDP, the device does not say which */
#define FL_PTYPE_L4_MASK 0x0f00u

#define FL_PKT_CLONE	 1u /* kind: buf belongs to another packet */

/** Clones that one packet may have; far below what refcnt can count, so that threads which clone
 *  it at once cannot pass that together. */
#define FL_PKT_CLONES_MAX 32768u

/**
 * One segment of a packet. For a chained packet the first segment's pkt_len, nb_segs, flags and
 * offload fields hold for the whole; nb_segs of the others is 1.
 */
struct fl_pkt {
	uint8_t *buf;	/* start of the buffer */
	fl_iova_t iova; /* of buf */
	struct fl_pkt *next;
	struct fl_pool *pool;

	uint16_t data_off; /* from buf to the first byte */
	uint16_t data_len; /* bytes in this segment */
	uint32_t pkt_len;  /* bytes in all segments, no FCS */

	uint32_t flags;
	uint16_t ptype;
	uint16_t tso_mss;

	uint32_t hash;	   /* RSS hash, with FL_RX_RSS_HASH */
	uint16_t vlan_tci; /* PCP, DEI, VID */
	uint16_t port;	   /* number of the port it came from */

	uint16_t l3_len;
	uint8_t l2_len;
	uint8_t l4_len;
	/* these four bytes are one word of the invariant */
	uint8_t nb_segs;
	uint8_t kind;
	uint16_t refcnt;
} FL_CACHE_ALIGNED;

/** Bytes before the data in a packet as it is allocated. */
#define FL_PKT_HEADROOM 128u
/** Default room for data behind the headroom: a receive buffer of 2048. */
#define FL_PKT_DATA_ROOM 2048u

static inline void *fl_pkt_data(const struct fl_pkt *p)
{
	return p->buf + p->data_off;
}

/** IOVA of the first byte of data. */
static inline fl_iova_t fl_pkt_iova(const struct fl_pkt *p)
{
	return fl_iova_add(p->iova, p->data_off);
}

/* ---- pools ---------------------------------------------------------------------------- */

struct fl_pool_opts {
	/** packets; 1 .. 2^28 */
	uint32_t count;
	/** bytes behind the headroom, 64 .. 65535 - FL_PKT_HEADROOM; 0 = FL_PKT_DATA_ROOM */
	uint32_t data_room;
	/** packets that one thread may hold back in its cache, 0 .. 1024; ~0u = default (256, or
	 *  a quarter of a small pool) */
	uint32_t cache;
	/** the space to map buffers in; NULL = a pool without a device (iova = FL_IOVA_BAD_V) */
	struct fl_dma_space *space;
	/** how and where buffers are mapped; kind external is refused (use `mem`) */
	struct fl_mem_opts mem_opts;
	struct fl_dma_opts dma_opts;
	/** the application's own memory for the buffers, instead of mem_opts; large enough, stays
	 *  the caller's */
	struct fl_mem *mem;
	const char *name; /* for messages, copied; may be NULL */
};

/** Fills in the defaults: 0 packets, small pages, lazy where that can be (FL_AUTO), any node. */
FL_API void fl_pool_opts_init(struct fl_pool_opts *o);

/** Bytes of buffer memory that a pool of these options takes. */
FL_API uint64_t fl_pool_mem_size(const struct fl_pool_opts *o);

FL_API FL_MUST int fl_pool_create(const struct fl_pool_opts *o, const struct fl_log *log,
				  struct fl_pool **out);
/**
 * Frees a pool. Every packet should be back: returns -EBUSY and does nothing while some are out
 * (the message says how many). Any other error is what unmapping said, and the pool is gone.
 * A message tells of packets that were freed twice.
 */
FL_API FL_MUST int fl_pool_destroy(struct fl_pool *pool);

struct fl_pool_stats {
	uint32_t count, data_room;
	/** packets handed out (exact when no other thread is at work), never handed out yet, in
	 *  thread caches */
	uint32_t in_use, fresh, cached;
	uint64_t mem_bytes;
	uint64_t alloc_failed;
};
FL_API void fl_pool_stats(struct fl_pool *pool, struct fl_pool_stats *out);
FL_API uint32_t fl_pool_data_room(const struct fl_pool *pool);
FL_API const char *fl_pool_name(const struct fl_pool *pool);
FL_API const struct fl_dma_area *fl_pool_area(const struct fl_pool *pool);

/**
 * Data plane, any thread:
 *  - fl_pkt_alloc_bulk(pool, pkts, n): n packets or none; returns n or 0. data_off, data_len,
 *    pkt_len, flags and offload fields are NOT initialised.
 *  - fl_pkt_alloc(pool): one packet, reset to empty with the usual headroom; NULL = none left
 *  - fl_pkt_free_bulk(pkts, n): gives up one reference to each packet, chains included
 *  - fl_pkt_free(p): the same for one; NULL is allowed
 *  - fl_pkt_free_simple(pool, pkts, n): for a driver that knows that all are of `pool`, hold the
 *    invariant of a free packet and are nobody else's: no metadata is read
 *
 * The first use of a pool by a thread makes its cache (memory, and the pool's lock); the packets
 * in the cache of a thread that has ended come back when the pool would otherwise run dry.
 */
#include "fl_pkt_inline.h"

/* ---- working with packets ------------------------------------------------------------- */

/** Room before, and behind, the data of this segment; a clone's room is 0. */
static inline uint16_t fl_pkt_headroom(const struct fl_pkt *p)
{
	return p->kind & FL_PKT_CLONE ? 0 : p->data_off;
}
FL_API uint16_t fl_pkt_tailroom(const struct fl_pkt *p);

/** Grow at the front or back (NULL when there is no room), or cut (NULL when too short). */
FL_API void *fl_pkt_prepend(struct fl_pkt *p, uint16_t len);
FL_API void *fl_pkt_append(struct fl_pkt *p, uint16_t len);
FL_API void *fl_pkt_adj(struct fl_pkt *p, uint16_t len);
FL_API int fl_pkt_trim(struct fl_pkt *p, uint16_t len);

/** Appends `tail` (taken over) to `head`; -EOVERFLOW past 255 segments. */
FL_API FL_MUST int fl_pkt_chain(struct fl_pkt *head, struct fl_pkt *tail);

/**
 * A packet that shares the data of `p` (all segments) with metadata of its own; NULL when the
 * pool has none left, or a segment is shared FL_PKT_CLONES_MAX times already. Data of a shared
 * packet must not be written.
 */
FL_API struct fl_pkt *fl_pkt_clone(struct fl_pkt *p, struct fl_pool *pool);
/** A packet (chain where needed) with a copy of the data. */
FL_API struct fl_pkt *fl_pkt_copy(const struct fl_pkt *p, struct fl_pool *pool);
/** One more reference to every segment. The caller sees to it that none has more than 65535. */
FL_API void fl_pkt_ref(struct fl_pkt *p);

/**
 * The area that this segment's data stand in, which for a clone is that of the packet it shares;
 * NULL where its pool has none, or where buf and lengths point out of it. Data plane.
 */
FL_API const struct fl_dma_area *fl_pkt_area(const struct fl_pkt *p);

/** Bytes [off, off+len) as one piece: inside the packet, or copied to buf; NULL = too short. */
FL_API const void *fl_pkt_read(const struct fl_pkt *p, uint32_t off, uint32_t len, void *buf);

/** Checks a packet's fields against its pool; 0, or -EINVAL with *why set. Slow; for tests. */
FL_API int fl_pkt_check(const struct fl_pkt *p, const char **why);

/**
 * Parses Ethernet, VLAN, IPv4/IPv6, TCP/UDP headers of the first segment: sets ptype, l2_len,
 * l3_len, l4_len (0 where unknown or cut off). Bounded by the data.
 */
FL_API uint16_t fl_pkt_parse(struct fl_pkt *p);

/** Internet checksum (ones' complement sum, not complemented) of bytes, seeded. */
FL_API uint32_t fl_csum_add(uint32_t sum, const void *data, size_t len);
FL_API uint16_t fl_csum_fold(uint32_t sum);

#ifdef __cplusplus
}
#endif
#endif
