/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "fl-hisi-sec": Faultline's model of the HiSilicon SEC2 as a PCIe endpoint of QEMU.
 *
 * The model runs under the big lock, a little at a time from a bottom half. With faults=on all of
 * its DMA goes through ATS once the guest has that enabled: what is translated is kept in the
 * model (its ATC) until the guest invalidates it, and data that is not there is asked for by page
 * requests. Else DMA is untranslated and copied.
 *
 * ATS and page requests carry PASID 0, where Linux has a function's own domain: QEMU's VT-d takes
 * no page request without a PASID. Invalidations of that domain come without one, so there is a
 * notifier for either. Answers come from within the guest's access to the IOMMU's registers:
 * they are noted there and handled in the bottom half.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "system/address-spaces.h"
#include "system/memory.h"

#include <fl_model_host.h>

#define TYPE_FL_HISI_SEC "fl-hisi-sec"
OBJECT_DECLARE_SIMPLE_TYPE(FlHisiSec, FL_HISI_SEC)

#define CAP_ATS   0x100
#define CAP_PRI   0x110
#define CAP_PASID 0x120
#define PAGE      4096ull
#define GROUPS    (PCI_PRI_PRGI_MASK + 1)
#define BUDGET    100000 /* ns of a turn, */
#define PAUSE     20000  /* and what others get of the big lock then */
#define RETRY     1000000 /* ns until a page request is tried again that found the queue full */
#define NEVER     (1ull << 62)

enum { UNTAGGED, TAGGED, SPACES }; /* without PASID, PASID 0 */

static const uint32_t pasid_of[SPACES] = { PCI_NO_PASID, 0 };

typedef struct FlBar {
    FlHisiSec *s;
    unsigned index;
    MemoryRegion mr;
} FlBar;

typedef struct FlCounts {
    uint64_t ats, ats_misses, untranslated, invalidations, requests, answers, strays, full, turns;
} FlCounts;

struct FlHisiSec {
    PCIDevice parent_obj;

    /* properties */
    char *chip, *function, *args;
    uint32_t qps, atc, pr_timeout_ms;
    bool faults;

    struct fl_log log;
    GString *said; /* by the model, while it is made */
    struct fl_engine *engine;
    struct fl_model *model;
    FlBar bar[FL_MODEL_BARS];
    QEMUBH *bh;
    QEMUTimer *timer;
    MemoryListener listener;

    IOMMUNotifier inval[SPACES];
    bool inval_on[SPACES], pri_on;
    IOMMUPRINotifier pri;
    uint32_t group[GROUPS]; /* the model's number of what is asked for so, 0 = nothing */
    uint32_t outstanding;
    uint8_t answer[GROUPS]; /* 1 + what was said, 0 = nothing */
    bool answered, retry;
    uint32_t full; /* for tests: so many requests find the queue full */
    FlCounts n;
};

/* ---- the model at work ------------------------------------------------------------------ */

static void kick(FlHisiSec *s)
{
    qemu_bh_schedule(s->bh);
}

/* PCIe: an answer that nobody asked for is told to software, what cannot be served ends it all. */
static void pri_status(FlHisiSec *s, uint16_t bit)
{
    PCIDevice *d = PCI_DEVICE(s);

    pci_word_test_and_set_mask(d->config + CAP_PRI + PCI_PRI_STATUS, bit);
}

static void take_answer(FlHisiSec *s, unsigned prgi)
{
    static const enum fl_model_pr_state state[] = {
        [IOMMU_PRI_RESP_SUCCESS] = FL_PR_SUCCESS,
        [IOMMU_PRI_RESP_INVALID_REQUEST] = FL_PR_INVALID,
        [IOMMU_PRI_RESP_FAILURE] = FL_PR_FAILURE,
    };
    unsigned code = s->answer[prgi] - 1;

    s->answer[prgi] = 0;
    if (!s->group[prgi]) {
        s->n.strays++;
        pri_status(s, PCI_PRI_STATUS_UPRGI);
        return;
    }
    s->n.answers++;
    if (code == IOMMU_PRI_RESP_FAILURE) {
        pri_status(s, PCI_PRI_STATUS_RF);
    }
    fl_model_host_answered(s->model, s->group[prgi], state[code]);
    s->group[prgi] = 0;
    s->outstanding--;
}

static void take_answers(FlHisiSec *s)
{
    if (!s->answered) {
        return;
    }
    s->answered = false;
    for (unsigned i = 0; i < GROUPS; i++) {
        if (s->answer[i]) {
            take_answer(s, i);
        }
    }
}

static void turn(void *opaque)
{
    FlHisiSec *s = opaque;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), end = get_clock() + BUDGET;
    uint64_t next;
    unsigned work;

    s->n.turns++;
    s->retry = false;
    take_answers(s);
    do {
        work = fl_engine_round(s->engine, now);
    } while (work && get_clock() < end);
    next = fl_model_host_timer(s->model);
    if (work) {
        next = now + PAUSE;
    } else if (s->retry && next > now + RETRY) {
        next = now + RETRY;
    }
    if (next < NEVER) {
        timer_mod_ns(s->timer, MAX(next, now + PAUSE));
    } else {
        timer_del(s->timer);
    }
}

/* ---- what the model asks of its host ------------------------------------------------------- */

static bool may_ask(FlHisiSec *s)
{
    PCIDevice *d = PCI_DEVICE(s);

    return pcie_pri_enabled(d) && pcie_pasid_enabled(d) && pcie_pri_get_req_alloc(d) &&
           !(pci_get_word(d->config + CAP_PRI + PCI_PRI_STATUS) & PCI_PRI_STATUS_RF);
}

/* Memory, and nothing else: a device that reaches other devices could come back to itself. */
static void *memory_at(AddressSpace *as, hwaddr at, hwaddr *len, bool write)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    hwaddr xlat, l = *len;
    void *p;

    WITH_RCU_READ_LOCK_GUARD() {
        MemoryRegion *mr = address_space_translate(as, at, &xlat, &l, write, attrs);

        if (!memory_access_is_direct(mr, write, attrs)) {
            return NULL;
        }
    }
    p = address_space_map(as, at, len, write, attrs);
    if (p) {
        /* marks what is going to be written; the memory stays, or the listener says so */
        address_space_unmap(as, p, *len, write, *len);
    }
    return p;
}

static int direct(const IOMMUTLBEntry *e, uint64_t iova, bool write, struct fl_model_run *run)
{
    hwaddr first = iova & ~e->addr_mask, len = e->addr_mask + 1;
    hwaddr at = e->translated_addr & ~e->addr_mask;

    run->base = memory_at(e->target_as, at, &len, write);
    /* a large page that has a hole */
    if (!run->base || iova - first >= len) {
        at += (iova & ~(PAGE - 1)) - first;
        first = iova & ~(PAGE - 1);
        len = PAGE;
        run->base = memory_at(e->target_as, at, &len, write);
    }
    if (!run->base || len < PAGE) {
        return -EFAULT;
    }
    run->first = first;
    run->last = first + QEMU_ALIGN_DOWN(len, PAGE) - 1;
    /* a translation for reading says nothing of writing, nor does it make the page dirty */
    run->prot = write ? FL_DMA_RW : FL_DMA_READ;
    return 0;
}

static int host_translate(void *arg, uint64_t iova, unsigned prot, struct fl_model_run *run)
{
    FlHisiSec *s = arg;
    PCIDevice *d = PCI_DEVICE(s);
    bool write = prot & FL_DMA_WRITE;
    IOMMUAccessFlags need = write ? IOMMU_RW : IOMMU_RO;
    IOMMUTLBEntry e;
    uint32_t errors;
    ssize_t n;

    if (!pcie_ats_enabled(d)) {
        return -ENOTSUP;
    }
    s->n.ats++;
    n = pci_ats_request_translation(d, pasid_of[pcie_pasid_enabled(d)], false, false,
                                    iova & ~(PAGE - 1), PAGE, !write, &e, 1, &errors);
    if (n == -ENODEV) {
        return -ENOTSUP;
    }
    if (n < 1) {
        return -EFAULT;
    }
    if ((e.perm & need) != need) {
        s->n.ats_misses++;
        return may_ask(s) ? -EAGAIN : -EFAULT;
    }
    return direct(&e, iova, write, run);
}

static int host_copy(void *arg, uint64_t iova, void *buf, uint32_t len, bool write)
{
    FlHisiSec *s = arg;
    PCIDevice *d = PCI_DEVICE(s);
    MemTxAttrs attrs = { .memory = 1, .requester_id = pci_requester_id(d) };
    MemTxResult r = pci_dma_rw(d, iova, buf, len,
                               write ? DMA_DIRECTION_FROM_DEVICE : DMA_DIRECTION_TO_DEVICE, attrs);

    s->n.untranslated++;
    return r == MEMTX_OK ? 0 : -EFAULT;
}

/* From within the guest's write of an answer */
static void answered(IOMMUPRINotifier *n, IOMMUPRIResponse *r)
{
    FlHisiSec *s = container_of(n, FlHisiSec, pri);
    unsigned prgi = r->prgi & PCI_PRI_PRGI_MASK;

    if (s->answer[prgi]) {
        s->n.strays++;
    } else {
        s->answer[prgi] = 1 + r->response_code;
        s->answered = true;
        kick(s);
    }
}

static int host_page_request(void *arg, uint32_t id, uint64_t iova, unsigned prot)
{
    FlHisiSec *s = arg;
    PCIDevice *d = PCI_DEVICE(s);
    uint16_t prgi = id & PCI_PRI_PRGI_MASK;
    int r;

    if (!may_ask(s)) {
        return -EFAULT;
    }
    if (s->full) {
        s->full--;
        s->n.full++;
        s->retry = true;
        return -EAGAIN;
    }
    if (s->outstanding >= pcie_pri_get_req_alloc(d) || s->group[prgi] || s->answer[prgi]) {
        s->retry = true;
        return -EAGAIN;
    }
    /* refused before bus mastering and PASID are on */
    if (!s->pri_on) {
        s->pri.notify = answered;
        s->pri_on = !pci_pri_register_notifier(d, 0, &s->pri);
    }
    r = s->pri_on ? pci_pri_request_page(d, 0, false, false, iova, true, prgi, true,
                                         prot & FL_DMA_WRITE) : -EPERM;
    if (r == -ENOSPC) {
        s->n.full++;
        s->retry = true;
        return -EAGAIN;
    }
    if (r) {
        return -EFAULT;
    }
    s->n.requests++;
    s->group[prgi] = id;
    s->outstanding++;
    return 0;
}

static void host_interrupt(void *arg, unsigned index, unsigned vec)
{
    PCIDevice *d = PCI_DEVICE(arg);

    if (index == FL_VFIO_IRQ_MSI && msi_enabled(d)) {
        msi_notify(d, vec & (msi_nr_vectors_allocated(d) - 1));
    }
}

static const struct fl_model_host_ops host_ops = {
    .translate = host_translate,
    .copy = host_copy,
    .page_request = host_page_request,
    .interrupt = host_interrupt,
};

/* ---- translations go ------------------------------------------------------------------------ */

/* From within the guest's invalidation: when this returns nothing is in use any more. */
static void invalidated(IOMMUNotifier *n, IOMMUTLBEntry *e)
{
    FlHisiSec *s = n->opaque;
    uint64_t last = e->iova + e->addr_mask;

    s->n.invalidations++;
    fl_model_host_invalidate(s->model, e->iova, last < e->iova ? UINT64_MAX : last);
}

static void watch(FlHisiSec *s, unsigned space, bool on)
{
    PCIDevice *d = PCI_DEVICE(s);

    if (on == s->inval_on[space]) {
        return;
    }
    if (!on) {
        pci_iommu_unregister_iotlb_notifier(d, pasid_of[space], &s->inval[space]);
        s->inval_on[space] = false;
    } else if (!pci_iommu_init_iotlb_notifier(d, &s->inval[space], invalidated, s)) {
        s->inval_on[space] = !pci_iommu_register_iotlb_notifier(d, pasid_of[space],
                                                                &s->inval[space]);
    }
}

static void unwatch(FlHisiSec *s)
{
    /* the tagged one while PASID is on still, or it cannot be */
    watch(s, TAGGED, false);
    watch(s, UNTAGGED, false);
    if (s->pri_on) {
        pci_pri_unregister_notifier(PCI_DEVICE(s), 0);
    }
    s->pri_on = false;
}

static void memory_gone(MemoryListener *l, MemoryRegionSection *section)
{
    FlHisiSec *s = container_of(l, FlHisiSec, listener);

    if (memory_region_is_ram(section->mr)) {
        fl_model_host_invalidate(s->model, 0, UINT64_MAX);
    }
}

/* ---- config space --------------------------------------------------------------------------- */

static void config_write(PCIDevice *d, uint32_t addr, uint32_t val, int len)
{
    FlHisiSec *s = FL_HISI_SEC(d);
    bool ats = pcie_ats_enabled(d);

    if (s->faults && ranges_overlap(addr, len, CAP_PASID + PCI_PASID_CTRL, 2)) {
        watch(s, TAGGED, false);
    }
    pci_default_write_config(d, addr, val, len);
    pcie_cap_flr_write_config(d, addr, val, len);
    watch(s, UNTAGGED, pcie_ats_enabled(d));
    watch(s, TAGGED, pcie_ats_enabled(d) && pcie_pasid_enabled(d));
    if (ats != pcie_ats_enabled(d) || ranges_overlap(addr, len, CAP_PASID, 8)) {
        fl_model_host_invalidate(s->model, 0, UINT64_MAX);
    }
    fl_model_host_master(s->model, pci_get_word(d->config + PCI_COMMAND) & PCI_COMMAND_MASTER);
    kick(s);
}

static void reset(Object *obj, ResetType type)
{
    FlHisiSec *s = FL_HISI_SEC(obj);
    PCIDevice *d = PCI_DEVICE(obj);

    unwatch(s);
    if (s->faults) {
        pci_set_word(d->config + CAP_ATS + PCI_ATS_CTRL, 0);
        pci_set_word(d->config + CAP_PRI + PCI_PRI_CTRL, 0);
        pci_set_long(d->config + CAP_PRI + PCI_PRI_ALLOC_REQ, 0);
        pci_word_test_and_clear_mask(d->config + CAP_PRI + PCI_PRI_STATUS,
                                     PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI);
        pci_set_word(d->config + CAP_PASID + PCI_PASID_CTRL, 0);
    }
    memset(s->group, 0, sizeof(s->group));
    memset(s->answer, 0, sizeof(s->answer));
    s->outstanding = 0;
    s->answered = s->retry = false;
    qemu_bh_cancel(s->bh);
    timer_del(s->timer);
    fl_model_host_reset(s->model);
}

/* ---- BARs ------------------------------------------------------------------------------------ */

static uint64_t bar_read(void *opaque, hwaddr off, unsigned size)
{
    FlBar *b = opaque;
    uint64_t v = 0;

    /* an access that waited while the device was unplugged */
    if (!b->s->model) {
        return UINT64_MAX;
    }
    fl_model_region(b->s->model, b->index, off, &v, size, false);
    return v;
}

static void bar_write(void *opaque, hwaddr off, uint64_t v, unsigned size)
{
    FlBar *b = opaque;

    if (b->s->model) {
        fl_model_region(b->s->model, b->index, off, &v, size, true);
        kick(b->s);
    }
}

static const MemoryRegionOps bar_ops = {
    .read = bar_read,
    .write = bar_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

static uint32_t cfg(FlHisiSec *s, unsigned off, unsigned size)
{
    uint32_t v = 0;

    fl_model_region(s->model, FL_VFIO_REGION_CONFIG, off, &v, size, false);
    return v;
}

static void make_bars(FlHisiSec *s)
{
    for (unsigned i = 0; i < FL_MODEL_BARS; i++) {
        uint64_t size = fl_model_region_size(s->model, i);
        g_autofree char *name = g_strdup_printf("fl-hisi-sec-bar%u", i);

        if (!size) {
            continue;
        }
        s->bar[i].s = s;
        s->bar[i].index = i;
        memory_region_init_io(&s->bar[i].mr, OBJECT(s), &bar_ops, &s->bar[i], name, size);
        pci_register_bar(PCI_DEVICE(s), i, cfg(s, PCI_BASE_ADDRESS_0 + 4 * i, 4) & 0xf,
                         &s->bar[i].mr);
    }
}

/* ---- coming and going -------------------------------------------------------------------------- */

static void say(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
    FlHisiSec *s = arg;

    if (s->said) {
        g_string_append_printf(s->said, "%s%s", s->said->len ? "; " : "", msg);
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: %s: %s\n", TYPE_FL_HISI_SEC, component, msg);
    }
}

static bool make_model(FlHisiSec *s, Error **errp)
{
    bool vf = !strcmp(s->function, "VF");
    struct fl_engine_opts opts = { .log = &s->log, .cpu = -1 };
    g_autofree char *spec = NULL;
    int r;

    if (!vf && strcmp(s->function, "PF")) {
        error_setg(errp, "function=%s is neither PF nor VF", s->function);
        return false;
    }
    if (strcmp(s->chip, "V2") && strcmp(s->chip, "V3")) {
        error_setg(errp, "chip=%s is neither V2 nor V3", s->chip);
        return false;
    }
    spec = g_strdup_printf("hisi_sec%s,version=%s,qps=%u,doorbells=trap,workers=0,faults=%s%s%s",
                           vf ? "_vf" : "", s->chip + 1, s->qps, s->faults ? "on" : "off",
                           s->args ? "," : "", s->args ?: "");
    s->log = (struct fl_log){ .write = say, .arg = s, .level = FL_LOG_WARN };
    s->said = g_string_new(NULL);
    r = fl_engine_new(&opts, false, &s->engine);
    if (!r) {
        r = fl_model_host_add(s->engine, spec, &host_ops, s, s->faults ? FL_MODEL_HOST_ASKS : 0,
                              &s->model);
    }
    if (r) {
        error_setg(errp, "%s", s->said->len ? s->said->str : strerror(-r));
    }
    g_string_free(s->said, true);
    s->said = NULL;
    if (r) {
        if (s->engine) {
            fl_engine_destroy(s->engine);
        }
        s->engine = NULL;
        return false;
    }
    fl_model_page_timeout(s->model, s->pr_timeout_ms ? s->pr_timeout_ms * 1000000ull : NEVER);
    fl_model_host_keep(s->model, s->atc);
    return true;
}

/* Those of the model's, where it has them. */
static bool make_caps(FlHisiSec *s, Error **errp)
{
    PCIDevice *d = PCI_DEVICE(s);

    for (unsigned at = cfg(s, PCI_CAPABILITY_LIST, 1); at; at = cfg(s, at + 1, 1)) {
        switch (cfg(s, at, 1)) {
        case PCI_CAP_ID_EXP:
            if (pcie_endpoint_cap_init(d, at) < 0) {
                error_setg(errp, "no room for a PCIe capability at 0x%x", at);
                return false;
            }
            pcie_cap_flr_init(d);
            break;
        case PCI_CAP_ID_MSI:
            if (msi_init(d, at, 1 << (cfg(s, at + PCI_MSI_FLAGS, 2) >> 1 & 7), true, true, errp)) {
                return false;
            }
            break;
        case PCI_CAP_ID_PM:
            if (pci_pm_init(d, at, errp) < 0) {
                return false;
            }
            pci_set_word(d->wmask + at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
            break;
        }
    }
    if (s->faults) {
        pcie_ats_init(d, CAP_ATS, true);
        pcie_pri_init(d, CAP_PRI, FL_MODEL_HOST_ASKS, true);
        pcie_pasid_init(d, CAP_PASID, 16, false, false);
    }
    return true;
}

static void go(FlHisiSec *s)
{
    if (s->bh) {
        memory_listener_unregister(&s->listener);
        unwatch(s);
        qemu_bh_delete(s->bh);
        timer_free(s->timer);
        s->bh = NULL;
        s->timer = NULL;
    }
    msi_uninit(PCI_DEVICE(s));
    if (s->model) {
        fl_engine_remove(s->engine, s->model);
        fl_engine_destroy(s->engine);
        s->model = NULL;
        s->engine = NULL;
    }
}

/* A guest that turned ATS on where no IOMMU has it would be QEMU's end. */
static bool has_device_iotlb(void)
{
    Object *iommu = object_resolve_path_type("", "x86-iommu", NULL);

    return iommu && object_property_get_bool(iommu, "device-iotlb", NULL);
}

static void realize(PCIDevice *d, Error **errp)
{
    FlHisiSec *s = FL_HISI_SEC(d);

    if (s->faults && !has_device_iotlb()) {
        error_setg(errp, "an IOMMU with device-iotlb=on has to come first; or say faults=off");
        return;
    }
    if (!make_model(s, errp)) {
        return;
    }
    pci_config_set_vendor_id(d->config, cfg(s, PCI_VENDOR_ID, 2));
    pci_config_set_device_id(d->config, cfg(s, PCI_DEVICE_ID, 2));
    pci_config_set_revision(d->config, cfg(s, PCI_REVISION_ID, 1));
    pci_config_set_class(d->config, cfg(s, PCI_CLASS_DEVICE, 2));
    pci_set_word(d->config + PCI_SUBSYSTEM_VENDOR_ID, cfg(s, PCI_SUBSYSTEM_VENDOR_ID, 2));
    pci_set_word(d->config + PCI_SUBSYSTEM_ID, cfg(s, PCI_SUBSYSTEM_ID, 2));
    make_bars(s);
    if (!make_caps(s, errp)) {
        go(s);
        return;
    }
    s->bh = qemu_bh_new_guarded(turn, s, &DEVICE(d)->mem_reentrancy_guard);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, turn, s);
    s->listener = (MemoryListener){ .name = TYPE_FL_HISI_SEC, .region_del = memory_gone };
    memory_listener_register(&s->listener, &address_space_memory);
}

static void leave(PCIDevice *d)
{
    go(FL_HISI_SEC(d));
}

/* ---- what it shows ------------------------------------------------------------------------------ */

static char *get_stats(Object *obj, Error **errp)
{
    FlHisiSec *s = FL_HISI_SEC(obj);
    PCIDevice *d = PCI_DEVICE(obj);
    struct fl_model_stats st = { 0 };

    if (s->model) {
        fl_model_stats(s->model, &st);
    }
    return g_strdup_printf(
        "ats=%d pasid=%d pri=%d outstanding=%u "
        "translations=%" PRIu64 " misses=%" PRIu64 " untranslated=%" PRIu64
        " invalidations=%" PRIu64 " requests=%" PRIu64 " full=%" PRIu64 " answers=%" PRIu64
        " success=%" PRIu64 " invalid=%" PRIu64 " failure=%" PRIu64 " strays=%" PRIu64
        " lost=%" PRIu64 " dma-faults=%" PRIu64 " interrupts=%" PRIu64 " turns=%" PRIu64,
        pcie_ats_enabled(d), pcie_pasid_enabled(d), pcie_pri_enabled(d), s->outstanding,
        s->n.ats, s->n.ats_misses, s->n.untranslated, s->n.invalidations, s->n.requests, s->n.full,
        s->n.answers, st.pr_success, st.pr_invalid, st.pr_failure, s->n.strays, st.pr_lost,
        st.dma_faults, st.irqs, s->n.turns);
}

/* For tests: an answer (its code in the upper half) to a group, as from the IOMMU. */
static void set_answer(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    FlHisiSec *s = FL_HISI_SEC(obj);
    IOMMUPRIResponse r = { 0 };
    uint32_t n;

    if (!visit_type_uint32(v, name, &n, errp)) {
        return;
    }
    r.prgi = n & PCI_PRI_PRGI_MASK;
    r.response_code = n >> 16;
    if (r.response_code > IOMMU_PRI_RESP_FAILURE || !s->model) {
        error_setg(errp, "no such code, or no device");
        return;
    }
    answered(&s->pri, &r);
}

static void set_full(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_uint32(v, name, &FL_HISI_SEC(obj)->full, errp);
}

static const VMStateDescription no_migration = {
    .name = TYPE_FL_HISI_SEC,
    .unmigratable = 1,
};

static const Property properties[] = {
    DEFINE_PROP_STRING("chip", FlHisiSec, chip),
    DEFINE_PROP_STRING("function", FlHisiSec, function),
    DEFINE_PROP_STRING("args", FlHisiSec, args),
    DEFINE_PROP_UINT32("qps", FlHisiSec, qps, 256),
    DEFINE_PROP_BOOL("faults", FlHisiSec, faults, true),
    DEFINE_PROP_UINT32("atc", FlHisiSec, atc, 1024),
    DEFINE_PROP_UINT32("pr-timeout-ms", FlHisiSec, pr_timeout_ms, 0),
};

static void instance_init(Object *obj)
{
    FlHisiSec *s = FL_HISI_SEC(obj);

    s->chip = g_strdup("V3");
    s->function = g_strdup("PF");
}

static void class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(oc);

    k->realize = realize;
    k->exit = leave;
    k->config_write = config_write;
    RESETTABLE_CLASS(oc)->phases.hold = reset;
    dc->vmsd = &no_migration;
    dc->desc = "HiSilicon SEC2 as Faultline models it";
    device_class_set_props(dc, properties);
    object_class_property_add_str(oc, "stats", get_stats, NULL);
    object_class_property_add(oc, "x-answer", "uint32", NULL, set_answer, NULL, NULL);
    object_class_property_add(oc, "x-full", "uint32", NULL, set_full, NULL, NULL);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_FL_HISI_SEC,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(FlHisiSec),
        .instance_init = instance_init,
        .class_init = class_init,
        .interfaces = (const InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
    },
};

DEFINE_TYPES(types)
