/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of a vfio-user client. A handler checks the payload, which is the client's word,
 * fills the reply's, and returns its length or a negative errno.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define JSON_MAX   512u
#define MULTI_DATA 8u

struct multi_write {
	uint64_t offset;
	uint32_t region, count;
	uint8_t data[MULTI_DATA];
};

/* ---- the handshake -------------------------------------------------------------------- */

/* A socket of its own for our commands, when the client takes one: then nothing crosses. */
static bool make_twin(struct fl_server *s)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return false;
	s->cmd_fd = sv[0];
	s->tx.fd = sv[1];
	s->tx.own_fd = true;
	return true;
}

/* How many groups we agree on; 0 = none. */
static unsigned open_pages(struct fl_server *s)
{
	uint64_t max = s->peer.page_requests;

	max = max < FL_MODEL_PAGE_REQS ? max : FL_MODEL_PAGE_REQS;
	return fl_pages_open(s->m, (unsigned)max) ? 0 : (unsigned)max;
}

static int do_version(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_caps mine = fl_vu_caps_default();
	struct fl_vu_version v;
	const char *why = "";
	int n;

	memcpy(&v, msg->data, sizeof(v));
	if (s->negotiated || v.major != FL_VU_MAJOR) {
		s->broken = s->negotiated ? "negotiates twice" : "speaks another major version";
		return -EINVAL;
	}
	if (len > sizeof(v) &&
	    fl_vu_caps_parse((char *)msg->data + sizeof(v), len - sizeof(v), &s->peer, &why)) {
		fl_warn(s->log, "vfio-user", "%s: capabilities: %s", s->m->ops->name, why);
		s->broken = "sent capabilities that cannot be read";
		return -EINVAL;
	}
	mine.max_msg_fds = FL_SERVER_MSG_FDS;
	mine.write_multiple = s->peer.write_multiple;
	mine.twin_socket = s->peer.twin_socket && make_twin(s);
	mine.twin_fd_index = mine.twin_socket ? 0 : -1;
	if (s->m->ops->page_requests && !s->m->no_page_requests && s->peer.page_requests)
		mine.page_requests = open_pages(s);
	v.minor = v.minor < FL_VU_MINOR ? v.minor : FL_VU_MINOR;
	memcpy(out, &v, sizeof(v));
	n = fl_vu_caps_format(&mine, (char *)out + sizeof(v), JSON_MAX);
	if (n < 0)
		return n;
	s->negotiated = true;
	fl_stat_add(&s->m->stats.clients, 1);
	fl_info(s->log, "vfio-user", "%s: client came", s->m->ops->name);
	if (s->m->ops->client)
		s->m->ops->client(s->m->state, true);
	return (int)sizeof(v) + n;
}

/* ---- DMA ------------------------------------------------------------------------------ */

static int do_dma_map(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_dma_map a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.flags & FL_VU_DMA_F_LAZY && !s->m->pages.max)
		return -EINVAL;
	/* our bits of protection are the protocol's, and that of lazy areas too */
	static_assert(FL_IOMMU_LAZY == FL_VU_DMA_F_LAZY, "lazy");
	return fl_model_map(s->m, a.iova, a.size, a.flags, msg->nfds ? msg->fds[0] : -1, a.offset);
}

static int do_dma_unmap(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_dma_unmap a;
	int r = 0;

	memcpy(&a, msg->data, sizeof(a));
	if (a.flags & FL_VU_DMA_UNMAP_F_DIRTY)
		return -ENOTSUP;
	if (a.flags & ~FL_VU_DMA_UNMAP_F_ALL)
		return -EINVAL;
	if (a.flags && (a.iova || a.size))
		return -EINVAL;
	if (a.flags)
		fl_model_unmap_all(s->m);
	else
		r = fl_model_unmap(s->m, a.iova, a.size);
	if (r)
		return r;
	a.argsz = sizeof(a);
	memcpy(out, &a, sizeof(a));
	return sizeof(a);
}

/* ---- what the device is --------------------------------------------------------------- */

static int do_info(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_device_info a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.argsz < sizeof(a))
		return -EINVAL;
	a = (struct fl_vu_device_info){ .argsz = sizeof(a),
					.flags = FL_VU_DEVICE_F_PCI | FL_VU_DEVICE_F_RESET,
					.num_regions = FL_MODEL_REGIONS,
					.num_irqs = FL_MODEL_IRQS };
	memcpy(out, &a, sizeof(a));
	return sizeof(a);
}

static uint32_t put_sparse(const struct fl_model_bar *b, uint8_t *out)
{
	struct fl_vu_cap_sparse c = { .cap = { .id = FL_VU_CAP_SPARSE_MMAP, .version = 1 },
				      .nr_areas = b->nshared };
	uint32_t n = sizeof(c);

	memcpy(out, &c, sizeof(c));
	for (unsigned i = 0; i < b->nshared; i++, n += sizeof(struct fl_vu_area)) {
		struct fl_vu_area a = { b->shared[i].offset, b->shared[i].size };

		memcpy(out + n, &a, sizeof(a));
	}
	return n;
}

static int do_region_info(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_region_info a;
	const struct fl_model_bar *b;
	uint32_t most, need = sizeof(a);

	memcpy(&a, msg->data, sizeof(a));
	if (a.argsz < sizeof(a) || a.index >= FL_MODEL_REGIONS)
		return -EINVAL;
	most = a.argsz;
	a = (struct fl_vu_region_info){ .index = a.index,
					.size = fl_model_region_size(s->m, a.index) };
	if (a.size)
		a.flags = FL_VU_REGION_F_READ | FL_VU_REGION_F_WRITE;
	b = a.index < FL_MODEL_BARS ? &s->m->bar[a.index] : NULL;
	if (b && b->nshared) {
		a.flags |= FL_VU_REGION_F_MMAP;
		need += (uint32_t)(sizeof(struct fl_vu_cap_sparse) +
				   b->nshared * sizeof(struct fl_vu_area));
	}
	a.argsz = need;
	/* an answer that is cut has neither capabilities nor the fd: it is asked for again */
	if (need > sizeof(a) && most >= need) {
		a.flags |= FL_VU_REGION_F_CAPS;
		a.cap_offset = sizeof(a);
		put_sparse(b, out + sizeof(a));
		s->tx.fd = s->m->bar_fd[a.index];
	}
	memcpy(out, &a, sizeof(a));
	return (int)(most >= need ? need : sizeof(a));
}

static int do_irq_info(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_irq_info a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.argsz < sizeof(a) || a.index >= FL_MODEL_IRQS)
		return -EINVAL;
	a.argsz = sizeof(a);
	a.count = s->m->irq.index[a.index].count;
	a.flags = a.count ? fl_irq_flags(a.index) : 0;
	memcpy(out, &a, sizeof(a));
	return sizeof(a);
}

static int do_set_irqs(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_irq_set a;

	memcpy(&a, msg->data, sizeof(a));
	if (a.flags & FL_VU_IRQ_DATA_BOOL && len - sizeof(a) < a.count)
		return -EINVAL;
	return fl_model_irq_set(s->m, a.index, a.start, a.count, a.flags, msg->data + sizeof(a),
				msg->fds, msg->nfds);
}

/* ---- access --------------------------------------------------------------------------- */

static int do_region_read(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_region_access a;
	int r;

	memcpy(&a, msg->data, sizeof(a));
	if (a.count > FL_VU_DEFAULT_XFER)
		return -EINVAL;
	fl_stat_add(&s->m->stats.region_reads, 1);
	r = fl_model_region(s->m, a.region, a.offset, out + sizeof(a), a.count, false);
	if (r)
		return r;
	memcpy(out, &a, sizeof(a));
	return (int)(sizeof(a) + a.count);
}

static int do_region_write(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	struct fl_vu_region_access a;
	int r;

	memcpy(&a, msg->data, sizeof(a));
	if (a.count != len - sizeof(a))
		return -EINVAL;
	fl_stat_add(&s->m->stats.region_writes, 1);
	r = fl_model_region(s->m, a.region, a.offset, msg->data + sizeof(a), a.count, true);
	if (r)
		return r;
	memcpy(out, &a, sizeof(a));
	return sizeof(a);
}

static int do_write_multi(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	uint64_t n, done;

	memcpy(&n, msg->data, sizeof(n));
	len -= (uint32_t)sizeof(n);
	if (n != len / sizeof(struct multi_write) || len % sizeof(struct multi_write))
		return -EINVAL;
	for (done = 0; done < n; done++) {
		struct multi_write w;

		memcpy(&w, msg->data + sizeof(n) + done * sizeof(w), sizeof(w));
		fl_stat_add(&s->m->stats.region_writes, 1);
		if (w.count > MULTI_DATA ||
		    fl_model_region(s->m, w.region, w.offset, w.data, w.count, true))
			break;
	}
	if (n && !done)
		return -EINVAL;
	memcpy(out, &done, sizeof(done));
	return sizeof(done);
}

static int do_reset(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	fl_model_reset(s->m);
	return 0;
}

static int do_refuse(struct fl_server *s, struct fl_vu_msg *msg, uint32_t len, uint8_t *out)
{
	return -ENOTSUP;
}

/* ---- dispatch ------------------------------------------------------------------------- */

#define ANY FL_VU_MSG_MAX

static const struct fl_server_cmd commands[] = {
	[FL_VU_VERSION] = { sizeof(struct fl_vu_version), FL_VU_VERSION_MAX, 0, do_version },
	[FL_VU_DMA_MAP] = { sizeof(struct fl_vu_dma_map), sizeof(struct fl_vu_dma_map), 1,
			    do_dma_map },
	[FL_VU_DMA_UNMAP] = { sizeof(struct fl_vu_dma_unmap), ANY, 0, do_dma_unmap },
	[FL_VU_DEVICE_GET_INFO] = { sizeof(struct fl_vu_device_info), ANY, 0, do_info },
	[FL_VU_DEVICE_GET_REGION_INFO] = { sizeof(struct fl_vu_region_info), ANY, 0,
					   do_region_info },
	[FL_VU_DEVICE_GET_REGION_IO_FDS] = { 0, ANY, 0, do_refuse },
	[FL_VU_DEVICE_GET_IRQ_INFO] = { sizeof(struct fl_vu_irq_info), ANY, 0, do_irq_info },
	[FL_VU_DEVICE_SET_IRQS] = { sizeof(struct fl_vu_irq_set), ANY, FL_SERVER_MSG_FDS,
				    do_set_irqs },
	[FL_VU_REGION_READ] = { sizeof(struct fl_vu_region_access),
				sizeof(struct fl_vu_region_access), 0, do_region_read },
	[FL_VU_REGION_WRITE] = { sizeof(struct fl_vu_region_access), ANY, 0, do_region_write },
	[FL_VU_DEVICE_RESET] = { 0, 0, 0, do_reset },
	[FL_VU_REGION_WRITE_MULTI] = { sizeof(uint64_t), ANY, 0, do_write_multi },
	[FL_VU_DEVICE_FEATURE] = { 0, ANY, 0, do_refuse },
	[FL_VU_MIG_DATA_READ] = { 0, ANY, 0, do_refuse },
	[FL_VU_MIG_DATA_WRITE] = { 0, ANY, 0, do_refuse },
};

static int run(struct fl_server *s, struct fl_vu_msg *msg, uint8_t *out)
{
	uint32_t len = msg->hdr.size - (uint32_t)sizeof(msg->hdr);
	const struct fl_server_cmd *c = msg->hdr.cmd < FL_ARRAY_SIZE(commands)
						? &commands[msg->hdr.cmd]
						: fl_server_page_cmd(s, msg->hdr.cmd);

	if (!s->negotiated && msg->hdr.cmd != FL_VU_VERSION) {
		s->broken = "does not negotiate first";
		return -EINVAL;
	}
	if (c && c->run && len >= c->min && len <= c->max && msg->nfds <= c->fds)
		return c->run(s, msg, len, out);
	/* nobody would hear of it */
	if (msg->hdr.cmd == FL_VU_PAGE_GRANT || msg->hdr.cmd == FL_VU_PAGE_RESPONSE)
		s->broken = "sent a page grant or response that cannot be";
	return -EINVAL;
}

void fl_server_handle(struct fl_server *s, struct fl_vu_msg *msg)
{
	struct fl_vu_hdr h = {
		.id = msg->hdr.id, .cmd = msg->hdr.cmd, .size = sizeof(h), .flags = FL_VU_REPLY
	};
	int r;

	if (!s->tx.buf && !(s->tx.buf = malloc(FL_VU_MSG_MAX))) {
		s->broken = "cannot be served: no memory";
		return;
	}
	r = run(s, msg, s->tx.buf + sizeof(h));
	if (msg->hdr.flags & FL_VU_F_NO_REPLY) {
		if (!s->tx.own_fd)
			s->tx.fd = -1;
		return;
	}
	if (r < 0) {
		fl_debug(s->log, "vfio-user", "%s: command %u: %s", s->m->ops->name, h.cmd,
			 strerror(-r));
		h.flags |= FL_VU_F_ERROR;
		h.error = (uint32_t)-r;
	} else {
		h.size += (uint32_t)r;
	}
	memcpy(s->tx.buf, &h, sizeof(h));
	s->tx.len = h.size;
}
