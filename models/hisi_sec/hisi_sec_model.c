/* SPDX-License-Identifier: BSD-3-Clause */
/* The SEC2 accelerator as a PCI function, PF or VF: arguments, config space, resets, dispatch. */
#include "qm_internal.h"

#include <linux/pci_regs.h>

#define PF_BAR2	      (4u << 20)
#define VF_BAR2	      0x10000u
#define CAP_PCIE      0x40u
#define CAP_MSI	      0x80u
#define CAP_PM	      0xa0u
#define CAP_ARI	      0x100u
#define CAP_SRIOV     0x200u
#define WORKERS_MOST  32u
#define DEVICE_PF     0xa255u
#define DEVICE_VF     0xa256u
#define SEC_TOTAL_VFS 63u

/* ---- config space ---------------------------------------------------------------------------- */

static void id(struct secm *f)
{
	const struct fl_pci_id i = { .vendor = 0x19e5,
				     .device = f->fn ? DEVICE_VF : DEVICE_PF,
				     .subvendor = 0x19e5,
				     .revision = f->env.version,
				     .class_code = 0x100000 };

	fl_model_set_id(f->m, &i, 0);
}

static void vf_bar(struct fl_model *m, unsigned off, uint64_t size)
{
	uint64_t mask = ~(size - 1);

	fl_model_cfg_set(m, off, 4, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	fl_model_cfg_mask(m, off, 4, (uint32_t)mask, 0);
	fl_model_cfg_mask(m, off + 4, 4, (uint32_t)(mask >> 32), 0);
}

/* The VFs themselves are models of their own: this is what a PF shows of them. */
static void sriov(struct secm *f)
{
	struct fl_model *m = f->m;

	fl_model_add_ext_cap(m, PCI_EXT_CAP_ID_ARI, 1, CAP_ARI, 8);
	fl_model_add_ext_cap(m, PCI_EXT_CAP_ID_SRIOV, 1, CAP_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_CAP, 4, 1u << 1); /* keeps the ARI hierarchy */
	fl_model_cfg_mask(m, CAP_SRIOV + PCI_SRIOV_CTRL, 2,
			  PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI, 0);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_INITIAL_VF, 2, SEC_TOTAL_VFS);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_TOTAL_VF, 2, SEC_TOTAL_VFS);
	fl_model_cfg_mask(m, CAP_SRIOV + PCI_SRIOV_NUM_VF, 2, 0x3f, 0);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_VF_OFFSET, 2, 1);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_VF_STRIDE, 2, 1);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_VF_DID, 2, DEVICE_VF);
	/* pages of 4, 8, 64 and 256 KiB, 1 and 4 MiB */
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_SUP_PGSIZE, 4, 0x553);
	fl_model_cfg_set(m, CAP_SRIOV + PCI_SRIOV_SYS_PGSIZE, 4, 1);
	fl_model_cfg_mask(m, CAP_SRIOV + PCI_SRIOV_SYS_PGSIZE, 4, 0x553, 0);
	vf_bar(m, CAP_SRIOV + PCI_SRIOV_BAR + 8, VF_BAR2);
	if (f->isolation)
		vf_bar(m, CAP_SRIOV + PCI_SRIOV_BAR + 16, (uint64_t)f->pages * SECM_DB_PAGE);
}

static void config(struct secm *f)
{
	struct fl_model_bar regs = { .size = f->fn ? VF_BAR2 : PF_BAR2,
				     .mem64 = true,
				     .prefetch = true };
	struct fl_model_bar db = { .size = (uint64_t)f->pages * SECM_DB_PAGE,
				   .mem64 = true,
				   .prefetch = true,
				   .nshared = f->db_poll,
				   .trap_messages = true };

	db.shared[0].size = db.size;
	id(f);
	fl_model_set_bar(f->m, 2, &regs);
	if (f->isolation)
		fl_model_set_bar(f->m, 4, &db);
	fl_model_add_pcie(f->m, CAP_PCIE, 2, true);
	fl_model_add_msi(f->m, CAP_MSI, f->fn && !fl_secm_v3(f) ? 2 : 4, true, true);
	fl_model_add_pm(f->m, CAP_PM);
	if (!f->fn)
		sriov(f);
}

/* ---- chips ----------------------------------------------------------------------------------- */

static void leave(struct secm *f)
{
	struct secm_chip *c = f->chip;

	if (!c)
		return;
	if (c->fn[f->fn] == f)
		c->fn[f->fn] = NULL;
	/* VFs without a PF have no queues */
	if (!f->fn)
		fl_secm_vft_clear(c);
	if (!--c->refs)
		free(c);
}

static int join(struct secm *f, struct secm_chip *c)
{
	if (!c)
		c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->refs++;
	c->fn[f->fn] = f;
	f->chip = c;
	return 0;
}

static void chip_reset(struct secm_chip *c)
{
	fl_secm_vft_clear(c);
	c->master_off = false;
	c->err = c->err_told = c->sec_err = c->sec_err_told = c->inf00 = c->inf01 = 0;
	c->not_acked = c->from_vf = 0;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static int number(struct secm *f, struct fl_args *a, const char *key, uint64_t def, uint64_t least,
		  uint64_t most, unsigned *out)
{
	uint64_t v;
	int r = fl_args_u64(a, key, def, &v);

	if (r)
		return r;
	if (v < least || v > most) {
		fl_err(fl_model_log(f->m), fl_model_name(f->m), "%s=%llu is not %llu to %llu", key,
		       (unsigned long long)v, (unsigned long long)least, (unsigned long long)most);
		return -EINVAL;
	}
	*out = (unsigned)v;
	return 0;
}

static int version(struct secm *f, struct fl_args *a)
{
	unsigned v;
	int r = number(f, a, "version", 3, 2, 3, &v);

	if (!r)
		f->env.version = v == 2 ? 0x21 : 0x30;
	return r;
}

static int doorbells(struct secm *f, struct fl_args *a)
{
	const struct fl_log *log = fl_model_log(f->m);
	const char *s = fl_args_get(a, "doorbells");
	int r = fl_args_bool(a, "isolation", fl_secm_v3(f), &f->isolation);

	if (r)
		return r;
	if (f->isolation && !fl_secm_v3(f)) {
		fl_err(log, fl_model_name(f->m), "isolation=on needs version=3");
		return -EINVAL;
	}
	f->db_poll = s ? !strcmp(s, "poll") : f->isolation;
	if (s && !f->db_poll && strcmp(s, "trap")) {
		fl_err(log, fl_model_name(f->m), "doorbells=%s is neither poll nor trap", s);
		return -EINVAL;
	}
	if (f->db_poll && !f->isolation) {
		fl_err(log, fl_model_name(f->m),
		       "doorbells=poll needs isolation=on: all queues share one address else");
		return -EINVAL;
	}
	return 0;
}

static int common(struct secm *f, struct fl_args *a)
{
	const char *s = fl_args_get(a, "inject");
	bool faults = true;
	unsigned qps;
	int r = doorbells(f, a);

	if (!r)
		r = fl_args_bool(a, "faults", true, &faults);
	if (!r)
		r = fl_args_bool(a, "caps", false, &f->caps);
	if (!r)
		r = number(f, a, "workers", fl_secm_workers_default(), 0, WORKERS_MOST,
			   &f->nworkers);
	if (!r)
		r = number(f, a, "qps", SECM_QPS, 1, SECM_QPS, &qps);
	if (!r && s)
		r = fl_secm_inject(f, s);
	if (r)
		return r;
	if (!faults)
		fl_model_no_page_requests(f->m);
	f->pages = (unsigned)fl_pow2_up(qps);
	f->nq = qps;
	return 0;
}

static int allocate(struct secm *f)
{
	f->regs = calloc(1, SECM_REGS);
	f->qp = calloc(SECM_QPS, sizeof(*f->qp));
	f->active = calloc(SECM_QPS, sizeof(*f->active));
	f->slots = calloc(SECM_SLOTS, sizeof(*f->slots));
	if (!f->regs || !f->qp || !f->active || !f->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < SECM_SLOTS; i++) {
		f->slots[i].job = fl_secm_job_new();
		if (!f->slots[i].job)
			return -ENOMEM;
		f->slots[i].next = f->free;
		f->free = &f->slots[i];
	}
	return fl_secm_workers_create(f->nworkers, &f->workers);
}

static void destroy(void *state)
{
	struct secm *f = state;

	if (f->workers) {
		fl_secm_quiesce(f);
		fl_secm_workers_destroy(f->workers);
	}
	leave(f);
	for (unsigned i = 0; f->slots && i < SECM_SLOTS; i++) {
		if (f->slots[i].job)
			fl_secm_job_free(f->slots[i].job);
	}
	free(f->slots);
	free(f->active);
	free(f->qp);
	free(f->regs);
	free(f);
}

static struct secm *new_function(struct fl_model *m, unsigned fn)
{
	struct secm *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->m = m;
	f->fn = fn;
	f->env.m = m;
	f->env.mmu = fl_model_iommu(m);
	f->env.counter = &f->counter;
	return f;
}

static int finish_create(struct secm *f, int r, void **state)
{
	if (!r)
		r = allocate(f);
	if (r) {
		destroy(f);
		return r;
	}
	config(f);
	*state = f;
	return 0;
}

static int create_pf(struct fl_model *m, struct fl_args *a, void **state)
{
	struct secm *f = new_function(m, 0);
	int r;

	if (!f)
		return -ENOMEM;
	r = version(f, a);
	if (!r)
		r = common(f, a);
	if (!r)
		r = join(f, NULL);
	if (!r)
		f->chip->qps = f->nq;
	return finish_create(f, r, state);
}

/* Its PF is the model's own, which has initialised the chip and given it its queues. */
static int alone(struct secm *f, struct fl_args *a)
{
	unsigned base;
	int r = number(f, a, "base", 0, 0, SECM_QPS - 1, &base);

	if (!r)
		r = join(f, NULL);
	if (r)
		return r;
	f->chip->own_pf = f->chip->mem_ok = f->chip->sec_ok = true;
	f->chip->vft[f->fn][0] = (uint64_t)(f->nq - 1) << 45 | VFT_SQC_VALID | (uint64_t)base << 28;
	f->chip->vft[f->fn][1] = VFT_CQC_VALID;
	return 0;
}

extern const struct fl_model_ops fl_hisi_sec_model_ops;

static int attach(struct secm *f, struct fl_args *a)
{
	struct secm *pf;
	unsigned n;
	int r = number(f, a, "pf", 0, 0, UINT32_MAX, &n);

	if (r)
		return r;
	pf = fl_model_peer(f->m, &fl_hisi_sec_model_ops, n);
	if (!pf || pf->chip->fn[f->fn]) {
		fl_err(fl_model_log(f->m), fl_model_name(f->m),
		       pf ? "pf=%u has a function %u already"
			  : "pf=%u: model %u of this engine is no hisi_sec (function %u)",
		       n, pf ? f->fn : n, f->fn);
		return -EINVAL;
	}
	f->env.version = pf->env.version;
	return join(f, pf->chip);
}

static int create_vf(struct fl_model *m, struct fl_args *a, void **state)
{
	struct secm *f = new_function(m, 1);
	bool attached = fl_args_get(a, "pf");
	int r;

	if (!f)
		return -ENOMEM;
	r = number(f, a, "fn", 1, 1, SEC_TOTAL_VFS, &f->fn);
	if (!r)
		r = attached ? attach(f, a) : version(f, a);
	if (!r)
		r = common(f, a);
	if (!r && !attached)
		r = alone(f, a);
	return finish_create(f, r, state);
}

/* ---- ops ------------------------------------------------------------------------------------- */

static void reset(void *state)
{
	struct secm *f = state;

	f->db_mem = f->db_poll ? fl_model_bar_mem(f->m, 4, 0) : NULL;
	fl_secm_drop_all(f);
	fl_secm_event_reset(f);
	f->sqc_bt_ok = f->cqc_bt_ok = f->mb_wait = f->ifc = f->stalled = f->ones = false;
	f->sqc_bt = f->cqc_bt = 0;
	f->nmb = f->ndb = f->counter = 0;
	memset(f->stat, 0, sizeof(f->stat));
	fl_secm_regs_reset(f);
	if (!f->fn)
		chip_reset(f->chip);
	else
		fl_secm_vft_apply(f->chip, f->fn);
}

static uint64_t bar_read(void *state, unsigned bar, uint64_t off, unsigned size)
{
	struct secm *f = state;

	return bar == 2 ? fl_secm_bar2_read(f, off, size) : f->ones ? UINT64_MAX : 0;
}

static void bar_write(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v)
{
	struct secm *f = state;
	unsigned page = (unsigned)(off / SECM_DB_PAGE);

	if (bar == 2)
		fl_secm_bar2_write(f, off, size, v);
	if (bar != 4 || off % SECM_DB_PAGE != Q_DB || size != 8 || f->ones)
		return;
	/* what was rung before this */
	if (page < f->nq)
		fl_secm_look(f, page);
	fl_secm_doorbell(f, (int)page, v);
}

static unsigned poll(void *state, uint64_t now_ns)
{
	return fl_secm_poll(state);
}

static void quiesce(void *state)
{
	fl_secm_quiesce(state);
}

/* Power goes with the client; a function reset leaves the initialised memories. */
static void client(void *state, bool present)
{
	struct secm *f = state;

	if (!present && !f->fn)
		f->chip->mem_ok = f->chip->sec_ok = false;
}

#define HELP_COMMON                                                                       \
	"qps=N                queues (1024)\n"                                            \
	"isolation=on|off     doorbells in BAR4, a page each (version 3: on)\n"           \
	"doorbells=poll|trap  BAR4 is memory, or each doorbell is an access\n"            \
	"                     (isolated: poll, else trap)\n"                              \
	"workers=N            threads that compute beside the engine's (by CPUs)\n"       \
	"caps=on|off          capability registers have a version (off)\n"                \
	"faults=on|off        asks for pages of lazy areas, if the client lets it (on)\n" \
	"inject=LIST          KIND, KIND:N (each nth) or KIND@N (once), joined by\n"      \
	"                     +, of: lost dup tag phase sqhead bd icv qstop stall\n"      \
	"                     mbbusy mbfail noreset ones prlost\n"

const struct fl_model_ops fl_hisi_sec_model_ops = {
	.name = "hisi_sec",
	.help = "version=2|3          Kunpeng 920 or 930 (3)\n" HELP_COMMON,
	.create = create_pf,
	.destroy = destroy,
	.reset = reset,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.poll = poll,
	.client = client,
	.quiesce = quiesce,
	.page_requests = true,
};

const struct fl_model_ops fl_hisi_sec_vf_model_ops = {
	.name = "hisi_sec_vf",
	.help = "pf=N                 VF of model N of this engine, which gives it queues\n"
		"fn=N                 which of its VFs (1)\n"
		"version=2|3          without pf=: Kunpeng 920 or 930 (3)\n"
		"base=N               without pf=: its first queue of the chip's (0)\n" HELP_COMMON,
	.create = create_vf,
	.destroy = destroy,
	.reset = reset,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.poll = poll,
	.client = client,
	.quiesce = quiesce,
	.page_requests = true,
};
