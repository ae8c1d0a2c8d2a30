/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lazy areas in domains whose faults are resolved behind them, by the kernel. It keeps the state:
 * what the user says of a range is passed on, and what was counted is asked for. How often a range
 * is kept is counted here, there it is or is not. Under the space's lock.
 */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool resolves(const struct fl_dma_domain *d)
{
	return d->resolves && !d->gone;
}

bool fl_resolved_only(const struct fl_dma_space *s)
{
	bool any = false, other = false;

	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		*(d->resolves ? &any : &other) |= !d->gone;
	return any && !other;
}

/* What an operation answered; one that is gone is none that refuses. */
static int said(struct fl_dma_domain *d, const struct fl_dma_mapping *m, const char *what,
		const char *why, int rc)
{
	if (rc >= 0)
		return 0;
	if (rc != -ENODEV)
		fl_err(d->space->log, "dma",
		       "%s: IOVA 0x%" PRIx64 " + 0x%" PRIx64 " cannot be %s: %s%s%s", d->ops->name,
		       m->iova.v, m->len, what, strerror(-rc), *why ? "; " : "", why);
	return fl_domain_said(d, rc) == -ENODEV ? 0 : rc;
}

static struct fl_dma_mapping range_of(const struct fl_area *a, uint64_t off, uint64_t len)
{
	return (struct fl_dma_mapping){
		.iova = fl_iova_add(a->pub.iova, off),
		.len = len,
		.va = a->pub.va + off,
		.fd = a->fd,
		.fd_offset = a->fd_offset + off,
		.prot = a->pub.prot,
	};
}

/* ---- ranges ------------------------------------------------------------------------------- */

int fl_resolved_prefault(struct fl_area *a, uint64_t off, uint64_t len, enum fl_prefault how)
{
	struct fl_dma_mapping m = range_of(a, off, len);
	int rc = 0;

	m.prot = how == FL_PREFAULT_READ ? FL_DMA_READ : m.prot;
	for (struct fl_dma_domain *d = a->pub.space->domains; d && !rc; d = d->next)
		if (resolves(d))
			rc = said(d, &m, "brought in", "",
				  d->ops->prefault(d->arg, &m, how == FL_PREFAULT_NO_FAULT));
	return rc;
}

int fl_resolved_revoke(struct fl_area *a, uint64_t off, uint64_t len)
{
	const struct fl_dma_mapping m = range_of(a, off, len);
	int rc = 0;

	for (struct fl_dma_domain *d = a->pub.space->domains; d; d = d->next)
		if (resolves(d)) {
			int one =
				said(d, &m, "taken back", "", d->ops->revoke(d->arg, m.iova, len));

			rc = rc ? rc : one;
		}
	return rc;
}

/* Why a range could not be pinned, or what follows where it could not be let go. */
static void hold_why(const struct fl_dma_domain *d, uint64_t len, bool on, int rc, char *buf,
		     size_t size)
{
	struct fl_mem_usage u;

	if (!on)
		snprintf(buf, size, "it stays pinned there until the area is unmapped%s",
			 rc == -EOPNOTSUPP ? ", as a device there takes no recoverable faults"
					   : "");
	else if (rc == -ENOMEM && d->pins && !fl_mem_usage(&u))
		fl_lock_text(buf, size, len, fl_lock_used(&u, d->pins_apart), u.memlock_limit);
}

static int hold(struct fl_dma_domain *d, struct fl_area *a, uint64_t off, uint64_t len, bool on)
{
	const struct fl_dma_mapping m = range_of(a, off, len);
	char why[192] = "";
	int rc;

	if (!resolves(d))
		return 0;
	rc = d->ops->hold(d->arg, m.iova, len, on);
	if (rc < 0)
		hold_why(d, len, on, rc, why, sizeof(why));
	return said(d, &m, on ? "pinned" : "let go", why, rc);
}

/* What of the range no pin keeps. */
static int let_go(struct fl_dma_domain *d, struct fl_area *a, uint64_t off, uint64_t len)
{
	const uint64_t end = off + len;
	int rc = 0;

	for (size_t i = 0; i < a->pins.n && off < end && !rc; i++) {
		const struct fl_pin *p = &a->pins.v[i];

		if (p->last < off)
			continue;
		if (p->first > off)
			rc = hold(d, a, off, (p->first < end ? p->first : end) - off, false);
		off = p->last + 1;
	}
	return rc || off >= end ? rc : hold(d, a, off, end - off, false);
}

int fl_resolved_hold(struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = 0;

	for (struct fl_dma_domain *d = a->pub.space->domains; d && !rc; d = d->next)
		rc = hold(d, a, off, len, true);
	return rc;
}

int fl_resolved_let_go(struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = 0;

	for (struct fl_dma_domain *d = a->pub.space->domains; d; d = d->next) {
		int one = let_go(d, a, off, len);

		rc = rc ? rc : one;
	}
	return rc;
}

int fl_resolved_convert(struct fl_dma_domain *d, struct fl_area *a, enum fl_residency to)
{
	int rc = to == FL_PINNED ? hold(d, a, 0, a->pub.len, true) : let_go(d, a, 0, a->pub.len);

	if (rc && to == FL_PINNED)
		(void)let_go(d, a, 0, a->pub.len); /* what was done of it; said there */
	else if (rc)
		(void)hold(d, a, 0, a->pub.len, true);
	return rc;
}

void fl_resolved_around(struct fl_dma_domain *d)
{
	const uint32_t pages = d->space->residency.fault_around;
	int rc = resolves(d) ? d->ops->around(d->arg, pages) : 0;

	if (rc < 0)
		fl_warn(d->space->log, "dma", "%s: fault-around cannot be set to %u pages: %s",
			d->ops->name, pages, strerror(-rc));
}

/* ---- counters ----------------------------------------------------------------------------- */

static bool ask(const struct fl_dma_domain *d, fl_iova_t iova, uint64_t len,
		struct fl_residency_stats *out)
{
	*out = (struct fl_residency_stats){ 0 };
	return resolves(d) && d->ops->counts(d->arg, iova, len, out) >= 0;
}

static bool counts_there(const struct fl_area *a)
{
	return a->pub.residency == FL_LAZY || a->was_lazy;
}

void fl_resolved_counts(const struct fl_area *a, struct fl_residency_stats *out)
{
	uint64_t mapped = 0, locked = 0;

	*out = (struct fl_residency_stats){ 0 };
	for (const struct fl_dma_domain *d = a->pub.space->domains; d; d = d->next) {
		struct fl_residency_stats one;

		if (!counts_there(a) || !ask(d, a->pub.iova, a->pub.len, &one))
			continue;
		/* which pages, it does not say: at least those of the one that has most */
		mapped = one.mapped_bytes > mapped ? one.mapped_bytes : mapped;
		locked = one.locked_bytes > locked ? one.locked_bytes : locked;
		fl_counts_add(out, &one);
	}
	out->mapped_bytes = mapped;
	out->locked_bytes = locked;
}

void fl_resolved_last(const struct fl_dma_domain *d, const struct fl_area *a,
		      struct fl_residency_stats *out)
{
	*out = (struct fl_residency_stats){ 0 };
	if (!a || !counts_there(a) || !ask(d, a->pub.iova, a->pub.len, out))
		return;
	out->mapped_bytes = out->locked_bytes = 0;
}

/* Requests outside every area, which no area counts. */
uint64_t fl_resolved_outside(const struct fl_dma_domain *d)
{
	const struct fl_span_set *set = &d->space->by_iova;
	struct fl_residency_stats all, one;
	uint64_t inside = d->invalid_gone;

	if (!ask(d, fl_iova(0), 0, &all) || all.invalid <= inside)
		return 0;
	for (size_t i = 0; i < set->n; i++) {
		fl_resolved_last(d, set->v[i].area, &one);
		inside += one.invalid;
	}
	return all.invalid > inside ? all.invalid - inside : 0;
}
