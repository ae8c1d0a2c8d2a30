/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user client against a server of any bytes. The input is a row of pieces, each
 *   u8 fds (0..3: that many go along; the first a file of two pages, then a socket), u16 length,
 *   the bytes
 * which the client finds in its socket, followed by a hang-up. Message ids count from 0.
 */
#include "vfio_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_SIZE 8192u
#define IOVA	  0x100000u

static const struct fl_log silent;
static struct fl_dma_space *space;
static int file = -1, sock = -1, event = -1;
static _Alignas(4096) uint8_t memory[FILE_SIZE];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	file = memfd_create("fuzz", MFD_CLOEXEC);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (file < 0 || sock < 0 || event < 0 || ftruncate(file, FILE_SIZE) ||
	    fl_dma_space_create(&silent, &space))
		abort();
	return 0;
}

static void send_piece(int to, const uint8_t *p, size_t len, unsigned nfds)
{
	const int fds[] = { file, sock, file };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(fds))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		ctl.h.cmsg_level = SOL_SOCKET;
		ctl.h.cmsg_type = SCM_RIGHTS;
		ctl.h.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&ctl.h), fds, nfds * sizeof(int));
	}
	(void)!sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_all(int to, const uint8_t *p, size_t size)
{
	while (size > 3) {
		size_t len = p[1] | (size_t)p[2] << 8;
		unsigned nfds = p[0] & 3;

		p += 3;
		size -= 3;
		len = len < size ? len : size;
		if (len)
			send_piece(to, p, len, nfds);
		p += len;
		size -= len;
	}
	shutdown(to, SHUT_WR);
}

/* What may be mapped must also be there: a page past the file's end would be the end of us. */
static void touch_regions(struct fl_vfio_dev *d)
{
	struct fl_vfio_region r;

	for (unsigned i = 0; i < d->nregions; i++) {
		(void)d->ops->region_info(d, i, &r);
		for (unsigned a = 0; a < r.nsparse; a++) {
			uint64_t len = r.sparse[a].size;
			void *p;

			if (d->ops->region_mmap(d, i, r.sparse[a].offset, len, &p))
				continue;
			if (r.flags & FL_VFIO_REGION_F_READ)
				for (uint64_t off = 0; off < len; off += 4096)
					(void)*((volatile uint8_t *)p + off);
			munmap(p, len);
		}
	}
}

static void use(struct fl_vfio_dev *d)
{
	const struct fl_dma_mapping m = {
		.iova = { IOVA }, .len = FILE_SIZE, .va = memory, .fd = file, .prot = FL_DMA_RW
	};
	const int fds[] = { event, event, -1 };
	struct fl_vfio_irq q;
	uint64_t done;
	uint8_t buf[64];

	touch_regions(d);
	(void)d->ops->region_read(d, FL_VFIO_REGION_CONFIG, 0, buf, sizeof(buf));
	(void)d->ops->region_write(d, FL_VFIO_REGION_CONFIG, 4, buf, 2);
	(void)d->ops->irq_info(d, FL_VFIO_IRQ_MSIX, &q);
	(void)d->ops->irq_set(d, FL_VFIO_IRQ_MSIX, 0, 3, FL_VFIO_IRQ_TRIGGER, fds);
	(void)fl_vu_domain_ops.map(d, &m);
	(void)d->ops->reset(d);
	(void)fl_vu_domain_ops.unmap(d, m.iova, m.len, &done);
	(void)d->ops->dispatch(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_vfio_dev *d;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		abort();
	send_all(sv[1], data, size);
	if (!fl_vfio_user_open(space, NULL, sv[0], false, &silent, &d)) {
		use(d);
		d->ops->close(d);
	}
	close(sv[1]);
	return 0;
}
