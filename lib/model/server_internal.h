/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the vfio-user server: server.c (sockets), server_msg.c and server_page.c (commands).
 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "engine_internal.h"

#include <sys/uio.h>
#include <vfio_user_json.h>

#define FL_SERVER_MSG_FDS 16u

struct fl_vu_msg {
	struct fl_vu_hdr hdr;
	uint32_t have; /* bytes of header and payload that have come */
	uint8_t *data; /* payload, hdr.size - 16 bytes */
	int fds[FL_SERVER_MSG_FDS];
	unsigned nfds;
	struct fl_vu_msg *next;
};

struct fl_reply {
	uint8_t *buf; /* header and payload; the capacity is FL_VU_MSG_MAX */
	uint32_t len, off;
	int fd;	     /* goes along; -1 = none */
	bool own_fd; /* and is ours to close then */
};

struct fl_server {
	struct fl_model *m;
	const struct fl_log *log;
	char *path;
	int lfd, fd;
	int cmd_fd; /* our own commands, where the client takes them apart; else -1 */
	bool negotiated, over;
	const char *broken; /* why the client has to go */
	struct fl_vu_caps peer;
	struct fl_vu_msg rx, cmd_rx;
	struct fl_reply tx;
	/* commands that came while the model waited for a DMA reply */
	struct fl_vu_msg *queue, **queue_end;
	unsigned queued;
	uint64_t queued_bytes;
	uint16_t next_id;
	uint64_t late_ns, late_at; /* what slow answers have cost, and when that was reckoned */
	uint64_t since;		   /* when the client came */
	uint64_t dma_timeout_ns, silence_ns;
};

struct fl_server_cmd {
	uint32_t min, max; /* payload */
	unsigned fds;	   /* how many it may bring */
	/** the length of the reply's payload or a negative errno */
	int (*run)(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out);
};

/** Runs a command and leaves its reply in s->tx. */
void fl_server_handle(struct fl_server *s, struct fl_vu_msg *msg);
/** Commands of page requests; NULL = none, or not spoken with this client. */
const struct fl_server_cmd *fl_server_page_cmd(const struct fl_server *s, unsigned cmd);
/** Runs it if it may be run at once, whatever the model is doing. */
bool fl_server_page_now(struct fl_server *s, struct fl_vu_msg *msg);
/** Bytes sent, 0 when there is no room now, < 0 when the connection is over. */
ssize_t fl_server_send(struct fl_server *s, int fd, struct iovec *iov, unsigned n, int with_fd);

#endif
