/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user client.
 *
 * A link has one mutex. Who holds it may talk: a caller sends its command and receives until the
 * reply has come, serving the DMA commands that the server sends meanwhile. When nobody waits,
 * dispatch() serves them. A server may want memory that has no fd at any time, and pages of lazy
 * areas, so mapping either starts a thread that does nothing but dispatch (user_dma.c).
 *
 * Whatever breaks the protocol or the time-out ends the link: sockets are shut down but stay
 * open until close() or reattach(), so that event_fd() tells of it.
 */
#ifndef FL_VFIO_INTERNAL_H
#define FL_VFIO_INTERNAL_H

#include <fl_vfio.h>
#include "pageq.h"
#include "vfio_user.h"
#include "vfio_user_json.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/uio.h>

#define FL_VU_TIMEOUT_MS 5000u
/** What we take in one message; announced to the peer. */
#define FL_VU_FDS_MAX 16u
/**
 * A region access moves at most this much at a time: it fits the socket's buffer, so that our
 * send never waits for a server that itself waits for us to take a DMA write.
 */
#define FL_VU_REGION_CHUNK (64u * 1024u)
#define FL_VU_AHEAD	   4096u
#define FL_VU_REGIONS	   9u
#define FL_VU_IRQS	   5u

/** One direction-less stream of messages; what has come of the next one is kept between calls. */
struct fl_vu_chan {
	int fd; /* -1 = none */
	struct fl_vu_hdr hdr;
	uint8_t *body;
	size_t body_cap, got; /* got: bytes of the message, header included */
	unsigned nfds;
	int fds[FL_VU_FDS_MAX];
	const char *why; /* what a -EPROTO was about */
	/* where no fds come, what has come is read at once: bytes [at, end) are still to be used */
	uint8_t *ahead; /* FL_VU_AHEAD bytes, or NULL */
	size_t ahead_at, ahead_end;
	bool drained; /* the last read got all that there was */
};

struct fl_vu_region {
	struct fl_vfio_region info;
	uint64_t base; /* of the region in its fd */
	int fd;	       /* -1 = cannot be mapped */
};

struct fl_vu_map {
	uint64_t iova, len;
	uint8_t *va;
	unsigned prot;
};

struct fl_vu_pages {
	struct fl_pageq q; /* first */
	unsigned max;	   /* groups; 0 = no page requests on this link */
	struct fl_page_source source;
	uint64_t alarm; /* what alarm_fd is set to */
	/* messages that leave with the next one */
	size_t out_len;
	uint8_t out[2048];
};

struct fl_vu {
	struct fl_vfio_dev dev;
	char *path; /* NULL = we were given an fd */
	unsigned timeout_ms;
	bool polls; /* somebody calls dispatch() often */
	int epfd;
	int alarm_fd; /* a timer in epfd: dispatch() has to do though no message has come */

	pthread_mutex_t lock;
	/* all below is held by the lock */
	bool up;
	struct fl_vu_chan main, twin;
	uint16_t next_id;
	struct fl_vu_caps peer;
	struct fl_vu_region regions[FL_VU_REGIONS];
	struct fl_vfio_irq irqs[FL_VU_IRQS];

	struct fl_vu_map *maps; /* by iova */
	unsigned nmaps, maps_cap;

	struct fl_vu_pages pages;

	bool serving;
	int stop_fd;
	pthread_t service;
};

static inline struct fl_vu *fl_vu_of_pageq(struct fl_pageq *q)
{
	return (struct fl_vu *)((char *)q - offsetof(struct fl_vu, pages));
}

/* user_sock.c */
int fl_vu_connect(const char *path, unsigned timeout_ms, const struct fl_log *log);
/**
 * 0 = sent. -ENODEV (peer gone) and -ETIMEDOUT leave the stream broken; after any other error
 * nothing was sent. `iov` is used up.
 */
FL_MUST int fl_vu_send(struct fl_vu_chan *c, struct iovec *iov, unsigned niov, const int *fds,
		       unsigned nfds, uint64_t deadline);
/** 1 = a whole message is there, 0 = not yet, -ENODEV, -EPROTO (see why), -ENOMEM. */
FL_MUST int fl_vu_recv(struct fl_vu_chan *c);
/** Bytes after the header of the message that is there. */
static inline size_t fl_vu_body_len(const struct fl_vu_chan *c)
{
	return c->hdr.size - sizeof(c->hdr);
}
static inline bool fl_vu_ahead(const struct fl_vu_chan *c)
{
	return c->ahead_at != c->ahead_end;
}
/** Done with the message: closes the fds that nobody took (took = set to -1). */
void fl_vu_recv_done(struct fl_vu_chan *c);
void fl_vu_chan_close(struct fl_vu_chan *c);
/** Milliseconds for poll(2) until the deadline, rounded up. */
int fl_vu_ms_left(uint64_t deadline);

/* user_req.c */
struct fl_vu_call {
	enum fl_vu_cmd cmd;
	const void *head, *data; /* payload, in two parts */
	size_t head_len, data_len;
	const int *fds;
	unsigned nfds;
	/* reply: into two parts too; at least reply_min bytes, at most both lengths */
	void *reply, *reply_data;
	size_t reply_len, reply_data_len, reply_min;
	/* out: bytes of payload; the fds, if wanted (the caller closes them) */
	size_t got;
	int *reply_fds; /* FL_VU_FDS_MAX of them */
	unsigned reply_nfds;
};
/** With the lock held. -ENODEV (link is down), -EPROTO, -ETIMEDOUT, or the peer's errno. */
int fl_vu_call_locked(struct fl_vu *u, struct fl_vu_call *c);
int fl_vu_call(struct fl_vu *u, struct fl_vu_call *c);
/** A command that nobody answers; it waits for the next message or fl_vu_flush(). Lock held. */
int fl_vu_post(struct fl_vu *u, enum fl_vu_cmd cmd, const void *body, size_t len);
/** Sends what waits; -ENODEV when the link is down. With the lock held. */
int fl_vu_flush(struct fl_vu *u);
/** Serves what has come; -ENODEV when the link is down. */
int fl_vu_dispatch(struct fl_vfio_dev *d);
/** Ends the link, says why, returns err. With the lock held. */
int fl_vu_kill(struct fl_vu *u, int err, const char *fmt, ...) FL_PRINTF(3, 4);

/* user_info.c: version, device, regions, interrupts; with the lock held */
int fl_vu_negotiate(struct fl_vu *u);

/* user_dma.c */
extern const struct fl_dma_domain_ops fl_vu_domain_ops;
/** Answers DMA_READ or DMA_WRITE on the channel; the link is killed where that is nonsense. */
int fl_vu_serve_dma(struct fl_vu *u, struct fl_vu_chan *c, uint64_t deadline);
void fl_vu_stop_service(struct fl_vu *u);

/* user_page.c; all with the lock held */
void fl_vu_pages_init(struct fl_vu *u);
/** What was agreed; there are no areas yet. */
int fl_vu_pages_start(struct fl_vu *u);
/** The link is gone, and what it asked for. */
void fl_vu_pages_stop(struct fl_vu *u);
/** Queues the PAGE_REQUEST in the channel; the link is killed where it is nonsense. */
int fl_vu_take_page_request(struct fl_vu *u, const struct fl_vu_chan *c);
/** Sees that dispatch() is called when there is something to do. */
void fl_vu_rearm(struct fl_vu *u);

/* user.c: fl_vfio_user_open() with another time-out */
int fl_vu_open(struct fl_dma_space *space, const char *path, int fd, bool polls,
	       const struct fl_log *log, unsigned timeout_ms, struct fl_vfio_dev **out);

#endif
