/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The capabilities that both sides put as JSON into VERSION:
 * {"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576,"twin_socket":{...},...}}
 */
#ifndef FL_VFIO_USER_JSON_H
#define FL_VFIO_USER_JSON_H

#include <fl_base.h>

struct fl_vu_caps {
	uint64_t max_msg_fds, max_data_xfer_size, max_dma_maps, pgsizes;
	bool write_multiple;
	bool twin_socket;
	/** index among the fds of a server's reply, -1 = not said */
	int64_t twin_fd_index;
	/** groups of page requests that may be outstanding; 0 = cannot ("x_page_requests") */
	uint64_t page_requests;
};

/** What the protocol says of a peer that says nothing. */
struct fl_vu_caps fl_vu_caps_default(void);

/**
 * Reads `len` bytes (a NUL ends them, must be there) over what *caps holds already. Keys that are
 * not ours are skipped, whatever they hold. 0 = fine; -EINVAL where it is no JSON object, a known
 * key has the wrong type or a number does not fit, then *why says so and *caps is void.
 */
FL_MUST int fl_vu_caps_parse(const char *json, size_t len, struct fl_vu_caps *caps,
			     const char **why);

/** Writes them with the NUL; returns the bytes with it, -ENOSPC where `size` is too small. */
FL_MUST int fl_vu_caps_format(const struct fl_vu_caps *caps, char *buf, size_t size);

#endif
