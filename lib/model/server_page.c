/* SPDX-License-Identifier: BSD-3-Clause */
/* The page requests of the vfio-user server: our messages out, and the client's commands. */
#include "server_internal.h"

#include <sys/socket.h>

/* ---- out ------------------------------------------------------------------------------ */

bool fl_server_send_pages(struct fl_server *s)
{
	struct fl_pages *p = &s->m->pages;
	int fd = s->cmd_fd >= 0 ? s->cmd_fd : s->fd;
	size_t len = p->nout * sizeof(*p->out);

	/* not into the middle of a reply */
	if (fd == s->fd && s->tx.off)
		return !len;
	while (p->sent < len) {
		struct iovec iov = { (uint8_t *)p->out + p->sent, len - p->sent };
		ssize_t n = s->broken ? -1 : fl_server_send(s, fd, &iov, 1, -1);

		if (n <= 0)
			return false;
		p->sent += (size_t)n;
	}
	p->nout = 0;
	p->sent = 0;
	return true;
}

/* ---- in ------------------------------------------------------------------------------- */

static int do_grant(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_page_range a;
	int r;

	memcpy(&a, msg->data, sizeof(a));
	r = a.flags ? -EINVAL : fl_model_grant(s->m, a.iova, a.len, a.prot);
	if (r)
		s->broken = "granted pages of no lazy area, or more than their area allows";
	return r;
}

static int do_response(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	static const enum fl_model_pr_state state[] = {
		[FL_VU_PAGE_SUCCESS] = FL_PR_SUCCESS,
		[FL_VU_PAGE_INVALID] = FL_PR_INVALID,
		[FL_VU_PAGE_FAILURE] = FL_PR_FAILURE,
	};
	struct fl_vu_page_response a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.code >= FL_ARRAY_SIZE(state)) {
		s->broken = "answered a page request with a code that there is not";
		return -EINVAL;
	}
	(void)fl_pages_answer(s->m, a.group, state[a.code]);
	return 0;
}

static int do_invalidate(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_page_range a;

	memcpy(&a, msg->data, sizeof(a));
	return a.flags ? -EINVAL : fl_model_invalidate(s->m, a.iova, a.len);
}

static int do_convert(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_page_range a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.flags & ~FL_VU_DMA_F_LAZY || a.prot & ~FL_DMA_RW)
		return -EINVAL;
	return fl_model_convert(s->m, a.iova, a.len, a.prot | a.flags);
}

#define RANGE sizeof(struct fl_vu_page_range)

static const struct fl_server_cmd commands[] = {
	[FL_VU_PAGE_RESPONSE - FL_VU_PAGE_REQUEST] = { sizeof(struct fl_vu_page_response),
						       sizeof(struct fl_vu_page_response), 0,
						       do_response },
	[FL_VU_PAGE_GRANT - FL_VU_PAGE_REQUEST] = { RANGE, RANGE, 0, do_grant },
	[FL_VU_PAGE_INVALIDATE - FL_VU_PAGE_REQUEST] = { RANGE, RANGE, 0, do_invalidate },
	[FL_VU_AREA_CONVERT - FL_VU_PAGE_REQUEST] = { RANGE, RANGE, 0, do_convert },
};

const struct fl_server_cmd *fl_server_page_cmd(const struct fl_server *s, unsigned cmd)
{
	unsigned i = cmd - FL_VU_PAGE_REQUEST;

	return s->m->pages.max && i < FL_ARRAY_SIZE(commands) ? &commands[i] : NULL;
}

/* Grants and answers give and take nothing that a model in the midst of a callback could miss. */
bool fl_server_page_now(struct fl_server *s, struct fl_vu_msg *msg)
{
	unsigned cmd = msg->hdr.cmd;
	const struct fl_server_cmd *c = fl_server_page_cmd(s, cmd);

	if (s->queue || (msg->hdr.flags & FL_VU_F_TYPE) != FL_VU_COMMAND ||
	    !(msg->hdr.flags & FL_VU_F_NO_REPLY) || !c ||
	    (cmd != FL_VU_PAGE_GRANT && cmd != FL_VU_PAGE_RESPONSE) ||
	    msg->hdr.size - sizeof(msg->hdr) != c->min || msg->nfds)
		return false;
	(void)c->run(s, msg, c->min, NULL);
	return true;
}

/* Off the socket; fds that came along are nobody's. */
static void consume(struct fl_server *s, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(s->fd, buf, len, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->broken = "";
			return;
		}
		len -= (size_t)n;
	}
}

/*
 * Looked at first, then taken: what is no grant or answer stays where it is, with its fds, and
 * nothing overtakes it. Two system calls bring all that answers a request.
 */
bool fl_server_take_grants(struct fl_server *s)
{
	uint8_t buf[1024];
	struct fl_vu_msg msg = { 0 };
	size_t at = 0;
	ssize_t n;

	if (s->fd < 0 || s->broken || s->queue || s->rx.have)
		return false;
	n = recv(s->fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
	while (n > 0 && (size_t)n - at >= sizeof(msg.hdr)) {
		memcpy(&msg.hdr, buf + at, sizeof(msg.hdr));
		msg.data = buf + at + sizeof(msg.hdr);
		if (msg.hdr.size < sizeof(msg.hdr) || msg.hdr.size > (size_t)n - at ||
		    !fl_server_page_now(s, &msg))
			break;
		at += msg.hdr.size;
	}
	consume(s, buf, at);
	return at;
}
