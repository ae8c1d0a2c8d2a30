/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: what is agreed and asked once, when a link comes up. */
#include "vfio_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An answer with more capabilities than fit here is nonsense. */
#define REGION_INFO_MAX 65536u

/* Looks at the twin socket that the server handed out; takes its fd. */
static int take_twin(struct fl_vu *u, int fds[], unsigned nfds)
{
	socklen_t len = sizeof(int);
	int64_t i = u->peer.twin_fd_index;
	int type;

	if (!u->peer.twin_socket)
		return 0;
	if (i < 0 || i >= nfds || getsockopt(fds[i], SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_STREAM)
		return fl_vu_kill(u, -EPROTO, "a twin socket that is not among the message's fds");
	u->twin.ahead = malloc(FL_VU_AHEAD);
	if (!u->twin.ahead)
		return -ENOMEM;
	u->twin.fd = fds[i];
	fds[i] = -1;
	return 0;
}

static int check_caps(struct fl_vu *u, const char *json, size_t len)
{
	const char *why;

	u->peer = fl_vu_caps_default();
	if (len && fl_vu_caps_parse(json, len, &u->peer, &why))
		return fl_vu_kill(u, -EPROTO, "the server's capabilities: %s", why);
	if (!u->peer.max_data_xfer_size || !u->peer.max_dma_maps || !u->peer.pgsizes)
		return fl_vu_kill(u, -EPROTO, "a capability of the server is 0");
	return fl_vu_pages_start(u);
}

static int agree_version(struct fl_vu *u)
{
	struct fl_vu_version ours = { FL_VU_MAJOR, FL_VU_MINOR }, theirs;
	struct fl_vu_caps caps = fl_vu_caps_default();
	char json[FL_VU_VERSION_MAX];
	int fds[FL_VU_FDS_MAX], len, err;
	struct fl_vu_call c;

	caps.max_msg_fds = FL_VU_FDS_MAX;
	caps.twin_socket = true;
	caps.page_requests = FL_VU_GROUPS;
	len = fl_vu_caps_format(&caps, json, sizeof(json));
	if (len < 0)
		return len;
	c = (struct fl_vu_call){ .cmd = FL_VU_VERSION,
				 .head = &ours,
				 .head_len = sizeof(ours),
				 .data = json,
				 .data_len = (size_t)len,
				 .reply = &theirs,
				 .reply_len = sizeof(theirs),
				 .reply_min = sizeof(theirs),
				 .reply_data = json,
				 .reply_data_len = sizeof(json),
				 .reply_fds = fds };
	err = fl_vu_call_locked(u, &c);
	if (err)
		return err;
	if (theirs.major != FL_VU_MAJOR || theirs.minor > FL_VU_MINOR)
		err = fl_vu_kill(u, -EPROTO, "the server speaks version %u.%u, we %u.%u",
				 theirs.major, theirs.minor, FL_VU_MAJOR, FL_VU_MINOR);
	if (!err)
		err = check_caps(u, json, c.got - sizeof(theirs));
	if (!err)
		err = take_twin(u, fds, c.reply_nfds);
	for (unsigned i = 0; i < c.reply_nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err;
}

/* sends a structure of fixed size and takes the answer in its place */
static int ask(struct fl_vu *u, enum fl_vu_cmd cmd, void *info, size_t len)
{
	struct fl_vu_call c = { .cmd = cmd,
				.head = info,
				.head_len = len,
				.reply = info,
				.reply_len = len,
				.reply_min = len };

	return fl_vu_call_locked(u, &c);
}

static int get_device(struct fl_vu *u)
{
	struct fl_vu_device_info info = { .argsz = sizeof(info) };
	int err = ask(u, FL_VU_DEVICE_GET_INFO, &info, sizeof(info));

	if (err)
		return err;
	if (!(info.flags & FL_VU_DEVICE_F_PCI))
		return fl_vu_kill(u, -EPROTO, "the server's device is not a PCI device");
	u->dev.resettable = info.flags & FL_VU_DEVICE_F_RESET;
	u->dev.nregions = info.num_regions < FL_VU_REGIONS ? info.num_regions : FL_VU_REGIONS;
	u->dev.nirqs = info.num_irqs < FL_VU_IRQS ? info.num_irqs : FL_VU_IRQS;
	return 0;
}

static int parse_sparse(struct fl_vu *u, struct fl_vfio_region *r, const uint8_t *p, size_t len)
{
	struct fl_vu_cap_sparse cap;
	struct fl_vu_area a;

	if (len < sizeof(cap))
		return fl_vu_kill(u, -EPROTO, "a sparse mmap capability is cut");
	memcpy(&cap, p, sizeof(cap));
	if (cap.nr_areas > (len - sizeof(cap)) / sizeof(a))
		return fl_vu_kill(u, -EPROTO,
				  "a sparse mmap capability lists %u areas in %zu bytes",
				  cap.nr_areas, len);
	for (uint32_t i = 0; i < cap.nr_areas; i++) {
		memcpy(&a, p + sizeof(cap) + i * sizeof(a), sizeof(a));
		if (a.offset > r->size || a.size > r->size - a.offset)
			return fl_vu_kill(u, -EPROTO, "a sparse mmap area leaves its region");
		/* the rest is reached by messages */
		if (a.size && r->nsparse < FL_VFIO_MAX_SPARSE)
			r->sparse[r->nsparse++] = (struct fl_vfio_sparse){ a.offset, a.size };
	}
	/* no list would mean all of it */
	if (!r->nsparse)
		r->flags &= ~FL_VFIO_REGION_F_MMAP;
	return 0;
}

static int parse_caps(struct fl_vu *u, struct fl_vfio_region *r, const uint8_t *p, size_t len,
		      uint32_t off)
{
	/* each takes its header's bytes, so a longer chain goes in circles */
	size_t left = len / sizeof(struct fl_vu_cap);
	struct fl_vu_cap cap;
	int err;

	for (; off; off = cap.next) {
		if (off < sizeof(struct fl_vu_region_info) || off > len || len - off < sizeof(cap))
			return fl_vu_kill(u, -EPROTO, "a region capability outside its message");
		if (!left--)
			return fl_vu_kill(u, -EPROTO, "the region capabilities go in circles");
		memcpy(&cap, p + off, sizeof(cap));
		if (cap.id != FL_VU_CAP_SPARSE_MMAP || r->nsparse)
			continue;
		err = parse_sparse(u, r, p + off, len - off);
		if (err)
			return err;
	}
	return 0;
}

static int parse_region(struct fl_vu *u, unsigned index, const uint8_t *p, size_t len)
{
	struct fl_vu_region *r = &u->regions[index];
	struct fl_vu_region_info info;

	memcpy(&info, p, sizeof(info));
	if (info.index != index)
		return fl_vu_kill(u, -EPROTO, "information on region %u, asked was %u", info.index,
				  index);
	if (info.size && info.offset + info.size < info.offset)
		return fl_vu_kill(u, -EPROTO, "region %u wraps", index);
	r->base = info.offset;
	r->info.size = info.size;
	r->info.flags = info.flags &
			(FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE | FL_VFIO_REGION_F_MMAP);
	if (r->fd < 0)
		r->info.flags &= ~FL_VFIO_REGION_F_MMAP;
	if (!(info.flags & FL_VU_REGION_F_CAPS))
		return 0;
	return parse_caps(u, &r->info, p, len, info.cap_offset);
}

/* Asks with room for `room` bytes; returns how many the whole answer needs. */
static int ask_region(struct fl_vu *u, unsigned index, uint8_t *buf, uint32_t room)
{
	struct fl_vu_region *r = &u->regions[index];
	struct fl_vu_region_info info = { .argsz = room, .index = index };
	int fds[FL_VU_FDS_MAX], err;
	struct fl_vu_call c = { .cmd = FL_VU_DEVICE_GET_REGION_INFO,
				.head = &info,
				.head_len = sizeof(info),
				.reply = buf,
				.reply_len = room,
				.reply_min = sizeof(info),
				.reply_fds = fds };

	err = fl_vu_call_locked(u, &c);
	if (err)
		return err;
	for (unsigned i = 1; i < c.reply_nfds; i++)
		close(fds[i]);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = c.reply_nfds ? fds[0] : -1;
	memcpy(&info, buf, sizeof(info));
	if (info.argsz <= room)
		return parse_region(u, index, buf, c.got);
	if (info.argsz > REGION_INFO_MAX)
		return fl_vu_kill(u, -EPROTO, "region %u: an answer of %u bytes", index,
				  info.argsz);
	return (int)info.argsz;
}

static int get_region(struct fl_vu *u, unsigned index)
{
	uint8_t small[1024], *large;
	int need = ask_region(u, index, small, sizeof(small));

	if (need > 0) {
		large = malloc((size_t)need);
		if (!large)
			return -ENOMEM;
		need = ask_region(u, index, large, (uint32_t)need);
		free(large);
		if (need > 0)
			return fl_vu_kill(u, -EPROTO, "region %u: an answer that grows", index);
	}
	/* an index that the server refuses is one that it has not */
	return need && u->up ? 0 : need;
}

static int get_irq(struct fl_vu *u, unsigned index)
{
	struct fl_vu_irq_info info = { .argsz = sizeof(info), .index = index };
	int err = ask(u, FL_VU_DEVICE_GET_IRQ_INFO, &info, sizeof(info));

	if (!err && info.index != index)
		err = fl_vu_kill(u, -EPROTO, "information on interrupt %u, asked was %u",
				 info.index, index);
	if (err)
		return u->up ? 0 : err;
	u->irqs[index] = (struct fl_vfio_irq){ .count = info.count, .flags = info.flags };
	return 0;
}

int fl_vu_negotiate(struct fl_vu *u)
{
	int err = agree_version(u);

	if (!err)
		err = get_device(u);
	for (unsigned i = 0; i < u->dev.nregions && !err; i++)
		err = get_region(u, i);
	for (unsigned i = 0; i < u->dev.nirqs && !err; i++)
		err = get_irq(u, i);
	return err;
}
