/* SPDX-License-Identifier: BSD-3-Clause */
/* An IOAS as a domain of the space. All under the space's lock. */
#include "iommufd_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* lib/dma takes no more either. */
#define RANGES_MAX 4096u

static int grow(struct fl_vk_ioas *a, uint32_t n)
{
	struct fl_iova_range *v;

	if (n > RANGES_MAX) {
		fl_err(a->iommu->k->log, "vfio", "iommufd: the kernel names %u IOVA ranges", n);
		return -EPROTO;
	}
	v = reallocarray(a->ranges, n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	a->ranges = v;
	a->nranges = n;
	return 0;
}

/* With no device attached (any more) all addresses are said to be valid. */
static int ask_ranges(struct fl_vk_ioas *a, struct fl_abi_iova_ranges *req)
{
	int rc = a->nranges ? 0 : grow(a, 16);

	/* a device that joins may take windows away between two calls */
	for (unsigned tries = 0; !rc && tries < 4; tries++) {
		*req = (struct fl_abi_iova_ranges){ .size = sizeof(*req),
						    .ioas_id = a->id,
						    .num_iovas = a->nranges,
						    .allowed_iovas = (uintptr_t)a->ranges };
		rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_IOVA_RANGES, req);
		if (rc != -EMSGSIZE)
			return rc < 0 ? rc : 0;
		rc = req->num_iovas > a->nranges ? grow(a, req->num_iovas) : -EPROTO;
	}
	return rc ? rc : -EPROTO;
}

static int ioas_limits(void *arg, struct fl_dma_limits *out)
{
	struct fl_vk_ioas *a = arg;
	struct fl_abi_iova_ranges req;
	int rc = ask_ranges(a, &req);

	if (rc)
		return rc;
	if (req.num_iovas > a->nranges || !fl_is_pow2(req.out_iova_alignment))
		return -EPROTO;
	*out = (struct fl_dma_limits){ .faults = a->faults,
				       .ranges = a->ranges,
				       .nranges = req.num_iovas,
				       .page_sizes = -req.out_iova_alignment,
				       .pins = true,
				       .pins_apart = true };
	return 0;
}

/* The space says what the process has pinned; here that is not all that counts. */
static void explain_memlock(const struct fl_vk_ioas *a, uint64_t len)
{
	struct fl_abi_option req = { .size = sizeof(req),
				     .option_id = FL_IOMMU_OPTION_RLIMIT,
				     .op = FL_IOMMU_OPTION_GET };
	int rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_OPTION, &req);

	if (rc >= 0 && !req.val64)
		fl_warn(a->iommu->k->log, "vfio",
			"iommufd charges these 0x%" PRIx64
			" bytes to user %u: all its processes together may pin no more than `ulimit -l`, unless they have CAP_IPC_LOCK",
			len, getuid());
}

int fl_vk_ioas_map(struct fl_vk_ioas *a, const struct fl_dma_mapping *m)
{
	struct fl_abi_ioas_map req = { .size = sizeof(req),
				       .flags = FL_IOMMU_MAP_FIXED |
						(m->prot & FL_DMA_READ ? FL_IOMMU_MAP_READ : 0) |
						(m->prot & FL_DMA_WRITE ? FL_IOMMU_MAP_WRITE : 0),
				       .ioas_id = a->id,
				       .user_va = (uintptr_t)m->va,
				       .length = m->len,
				       .iova = m->iova.v };
	int rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_IOAS_MAP, &req);

	return rc < 0 ? rc : 0;
}

int fl_vk_ioas_unmap(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct fl_abi_ioas_unmap req = {
		.size = sizeof(req), .ioas_id = a->id, .iova = iova.v, .length = len
	};
	int rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_IOAS_UNMAP, &req);

	*unmapped = rc < 0 ? 0 : req.length;
	return rc < 0 ? rc : 0;
}

static int ioas_map(void *arg, const struct fl_dma_mapping *m)
{
	int rc = m->lazy ? fl_vk_lazy_add(arg, m) : fl_vk_ioas_map(arg, m);

	if (rc == -ENOMEM && !m->lazy)
		explain_memlock(arg, m->len);
	return rc;
}

static int ioas_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	return fl_vk_lazy_is(arg, iova) ? fl_vk_lazy_unmap(arg, iova, len, unmapped)
					: fl_vk_ioas_unmap(arg, iova, len, unmapped);
}

/* ---- the dirty log --------------------------------------------------------------------- */

/* With the lock held: in all page tables or in none. Off goes through all of them. */
static int log_all(struct fl_vk_ioas *a, bool on)
{
	const struct fl_vk_hwpt *h, *failed = NULL;
	int rc = 0;

	if (on && (a->nplain || !a->hwpts))
		return -EOPNOTSUPP;
	for (h = a->hwpts; h && (!rc || !on); h = h->next) {
		int one = fl_vk_hwpt_log(h, on);

		failed = h;
		rc = rc ? rc : one;
	}
	if (!on || !rc) {
		a->logging = on;
		return rc;
	}
	for (h = a->hwpts; h != failed; h = h->next)
		(void)fl_vk_hwpt_log(h, false);
	return rc;
}

static int ioas_dirty_log(void *arg, bool on)
{
	struct fl_vk_ioas *a = arg;
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = log_all(a, on);
	pthread_mutex_unlock(&a->lock);
	if (!rc)
		fl_vk_lazy_clean(a);
	if (rc == -EOPNOTSUPP)
		fl_warn(a->iommu->k->log, "vfio",
			"iommufd: no dirty log: it takes Linux 6.7 and an IOMMU with dirty bits "
			"(VT-d: scalable mode, second stage) before every device");
	return rc;
}

int fl_vk_ioas_read_log(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len, uint64_t page,
			uint64_t *bitmap)
{
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	for (const struct fl_vk_hwpt *h = a->hwpts; h && rc >= 0; h = h->next) {
		struct fl_abi_get_dirty req = { .size = sizeof(req),
						.hwpt_id = h->id,
						.iova = iova.v,
						.length = len,
						.page_size = page,
						.data = (uintptr_t)bitmap };

		rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_GET_DIRTY, &req);
	}
	pthread_mutex_unlock(&a->lock);
	return rc < 0 ? rc : 0;
}

static int ioas_dirty_read(void *arg, fl_iova_t iova, uint64_t len, uint64_t page, uint64_t *bitmap)
{
	return fl_vk_lazy_is(arg, iova) ? fl_vk_lazy_dirty(arg, iova, page, bitmap)
					: fl_vk_ioas_read_log(arg, iova, len, page, bitmap);
}

const struct fl_dma_domain_ops fl_vk_ioas_ops = {
	.name = "iommufd",
	.limits = ioas_limits,
	.map = ioas_map,
	.unmap = ioas_unmap,
	.grant = fl_vk_lazy_grant,
	.revoke = fl_vk_lazy_revoke,
	.convert = fl_vk_lazy_convert,
	.dirty_log = ioas_dirty_log,
	.dirty_read = ioas_dirty_read,
};
