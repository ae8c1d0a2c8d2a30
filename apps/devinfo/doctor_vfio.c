/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo doctor: what VFIO takes. Of a device the library itself says what stands in the way.
 */
#include "devinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* what fl-testpmd with its defaults maps for two ports: packets, and the rings of each port */
#define TESTPMD_PACKETS 6144u
#define TESTPMD_RINGS	4u
#define TESTPMD_RING	12288u

FL_PRINTF(1, 2) static DIR *open_folder(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n < (int)sizeof(path) ? opendir(path) : NULL;
}

static const struct dirent *next_entry(DIR *d)
{
	const struct dirent *e;

	do
		e = d ? readdir(d) : NULL;
	while (e && e->d_name[0] == '.');
	return e;
}

static void close_folder(DIR *d)
{
	if (d)
		closedir(d);
}

static enum di_state look_iommu(const struct di_machine *m, struct di_answer *a)
{
	DIR *d = open_folder("%s/kernel/iommu_groups", m->r.sys);
	const char *kind = "an IOMMU of unknown kind";
	char name[32], known[64] = "";
	const struct dirent *e;
	unsigned n = 0;

	/* groups of the no-IOMMU mode do not count */
	while ((e = next_entry(d))) {
		di_line(name, sizeof(name), "%s/kernel/iommu_groups/%.32s/name", m->r.sys,
			e->d_name);
		n += strcmp(name, "vfio-noiommu") != 0;
	}
	close_folder(d);
	d = open_folder("%s/class/iommu", m->r.sys);
	while ((e = next_entry(d)) && !*known)
		snprintf(known, sizeof(known), "%s", di_iommu_kind(e->d_name));
	close_folder(d);
	di_found(a, "%u IOMMU groups%s%s", n, n ? " of " : "", !n ? "" : *known ? known : kind);
	return n ? DI_OK : DI_MISSING;
}

static bool unsafe_allowed(const struct di_machine *m, const char *module)
{
	char on[4];

	return di_line(on, sizeof(on), "%s/module/%s/parameters/allow_unsafe_interrupts", m->r.sys,
		       module) &&
	       *on == 'Y';
}

/** The names of interrupt controllers tell: remapped ones begin with IR- (x86) or ITS- (Arm). */
static enum di_state look_interrupts(const struct di_machine *m, struct di_answer *a)
{
	DIR *d = open_folder("%s/kernel/irq", m->r.sys);
	bool remapped = false, plain = false;
	const struct dirent *e;
	char chip[32];

	while ((e = next_entry(d)) && !remapped) {
		di_line(chip, sizeof(chip), "%s/kernel/irq/%.32s/chip_name", m->r.sys, e->d_name);
		remapped = !strncmp(chip, "IR-", 3) || !strncmp(chip, "ITS-", 4);
		plain |= !strcmp(chip, "IO-APIC") || !strncmp(chip, "PCI-MSI", 7);
	}
	close_folder(d);
	if (remapped) {
		di_found(a, "interrupts are remapped (%s)", chip);
		return DI_OK;
	}
	if (unsafe_allowed(m, "vfio_iommu_type1") || unsafe_allowed(m, "iommufd")) {
		di_found(a, "not remapped, but allow_unsafe_interrupts is on");
		return DI_OK;
	}
	di_found(a,
		 plain ? "interrupts are not remapped"
		       : "%s/kernel/irq does not tell; VFIO will, when a device is opened",
		 m->r.sys);
	return plain ? DI_MISSING : DI_UNSEEN;
}

static enum di_state look_vfio_pci(const struct di_machine *m, struct di_answer *a)
{
	bool ok = di_exists("%s/bus/pci/drivers/vfio-pci", m->r.sys);

	di_found(a, "vfio-pci is %s", ok ? "loaded" : "not loaded");
	return ok ? DI_OK : DI_MISSING;
}

static enum di_state look_container(const struct di_machine *m, struct di_answer *a)
{
	return di_node(m->r.dev, "vfio/vfio", a);
}

static int plan_testpmd(struct fl_dma_plan *plan)
{
	struct fl_dma_want want[] = { { .count = 1 },
				      { .len = TESTPMD_RING, .count = TESTPMD_RINGS } };
	struct fl_dma_space *space;
	struct fl_pool_opts po;
	int ret = fl_dma_space_create(NULL, &space);

	if (ret)
		return ret;
	fl_pool_opts_init(&po);
	po.count = TESTPMD_PACKETS;
	want[0].len = fl_pool_mem_size(&po);
	ret = fl_dma_plan(space, want, FL_ARRAY_SIZE(want), plan);
	return fl_dma_space_destroy(space) ?: ret;
}

static enum di_state look_type1(const struct di_machine *m, struct di_answer *a)
{
	const char *module = "vfio_iommu_type1", *param = "parameters/dma_entry_limit";
	/* the module that our kernel patches add */
	const char *faults =
		di_exists("%s/module/vfio_iommu_fault", m->r.sys) ? ", its mappings may fault" : "";
	struct fl_dma_plan plan = { 0 };
	char limit[16];

	if (!di_exists("%s/module/%s", m->r.sys, module)) {
		/* a kernel may let iommufd answer as the container */
		bool other = di_exists("%s/module/iommufd", m->r.sys);

		di_found(a, "%s is not loaded%s", module,
			 other ? "; iommufd may stand in for it" : "");
		return other ? DI_UNSEEN : DI_MISSING;
	}
	if (!di_line(limit, sizeof(limit), "%s/module/%s/%s", m->r.sys, module, param)) {
		di_found(a, "loaded%s", faults);
		return DI_OK;
	}
	di_found(a, "loaded, %s mappings a container%s", limit, faults);
	if (plan_testpmd(&plan) || strtoull(limit, NULL, 10) >= plan.entries)
		return DI_OK;
	di_fix(a, "echo 65535 > /sys/module/%s/%s", module, param);
	return DI_MISSING;
}

/** Nodes of groups or devices: how many, and how many of them this user may open. */
static enum di_state look_nodes(const struct di_machine *m, struct di_answer *a, const char *folder,
				const char *prefix)
{
	DIR *d = open_folder("%s/%s", m->r.dev, folder);
	unsigned n = 0, usable = 0;
	const struct dirent *e;

	while ((e = next_entry(d))) {
		const char *s = e->d_name;

		if (!strncmp(s, prefix, strlen(prefix)))
			s += strlen(prefix);
		if (*s < '0' || *s > '9')
			continue;
		n++;
		if (!faccessat(dirfd(d), e->d_name, R_OK | W_OK, AT_EACCESS))
			usable++;
		else
			di_fix(a, "chown %u %s/%s/%.64s; doc/vfio.md has a udev rule that lasts",
			       geteuid(), m->r.dev, folder, e->d_name);
	}
	close_folder(d);
	di_found(a, "%u nodes in %s/%s, %u usable by user %u", n, m->r.dev, folder, usable,
		 geteuid());
	return usable ? DI_OK : DI_MISSING;
}

static enum di_state look_groups(const struct di_machine *m, struct di_answer *a)
{
	return look_nodes(m, a, "vfio", "noiommu-");
}

static enum di_state look_cdevs(const struct di_machine *m, struct di_answer *a)
{
	return look_nodes(m, a, "vfio/devices", "vfio");
}

static enum di_state look_iommufd(const struct di_machine *m, struct di_answer *a)
{
	return di_node(m->r.dev, "iommu", a);
}

static enum di_state look_viable(const struct di_machine *m, struct di_answer *a)
{
	unsigned n = 0, bad = 0;

	for (unsigned i = 0; i < m->ndevs; i++) {
		const struct di_dev *d = &m->devs[i];

		if (!d->ours || d->vfio.group < 0)
			continue;
		n++;
		if (!d->vfio.viable && !bad++ && strstr(d->vfio.driver, "vfio"))
			di_fix(a, "%s", d->obstacle); /* before, it is of its own driver */
	}
	di_found(a,
		 "%u devices of ours in IOMMU groups, %u of them beside devices that the host uses",
		 n, bad);
	return bad ? DI_MISSING : DI_OK;
}

static enum di_state look_device(const struct di_machine *m, struct di_answer *a)
{
	unsigned ours = 0, ready = 0;

	for (unsigned i = 0; i < m->ndevs; i++) {
		const struct di_dev *d = &m->devs[i];

		if (!d->ours)
			continue;
		if (!ours++ && *d->obstacle)
			di_fix(a, "%s", d->obstacle);
		ready += d->container || d->iommufd;
	}
	di_found(a, "%u devices that our drivers know, %u ready", ours, ready);
	return ready ? DI_OK : DI_MISSING;
}

/** `ulimit -l` goes no further than its ceiling, which is usually the limit itself. */
static void fix_memlock(struct di_answer *a, const struct fl_dma_plan *plan)
{
	uint64_t kib = (plan->memlock_used + plan->lock_bytes + 1023) >> 10;
	const struct passwd *who = getpwuid(getuid());

	di_fix(a,
	       "as root, `echo '%.64s - memlock %" PRIu64
	       "' >> /etc/security/limits.conf`, and log in "
	       "again (a systemd unit: LimitMEMLOCK=%" PRIu64 "K); for this shell alone, as root, "
	       "`prlimit --pid %d --memlock=%" PRIu64 "`",
	       who ? who->pw_name : "USER", kib, kib, getppid(), kib << 10);
}

static enum di_state look_memlock(const struct di_machine *m, struct di_answer *a)
{
	struct fl_dma_plan plan = { 0 };
	struct fl_mem_usage u = { 0 };
	bool free_of_it;

	if (plan_testpmd(&plan) || fl_mem_usage(&u)) {
		di_found(a, "/proc/self is not readable");
		return DI_UNSEEN;
	}
	free_of_it = u.memlock_exempt || u.memlock_limit == UINT64_MAX;
	if (free_of_it)
		di_found(a, "no limit for this user; fl-testpmd locks %" PRIu64 " KiB",
			 plan.lock_bytes >> 10);
	else
		di_found(a, "%" PRIu64 " KiB; fl-testpmd locks %" PRIu64 " KiB",
			 u.memlock_limit >> 10, plan.lock_bytes >> 10);
	if (plan.verdict == -ENOMEM)
		fix_memlock(a, &plan);
	else if (plan.verdict)
		di_fix(a, "%s", plan.text);
	return plan.verdict ? DI_MISSING : DI_OK;
}

static enum di_state look_noiommu(const struct di_machine *m, struct di_answer *a)
{
	char on[4];

	if (!di_line(on, sizeof(on), "%s/module/vfio/parameters/enable_unsafe_noiommu_mode",
		     m->r.sys))
		di_found(a, "this kernel has none, or the module vfio is not loaded");
	else
		di_found(a, *on == 'Y' ? "on: a device without IOMMU reaches all memory" : "off");
	return *on == 'Y' ? DI_MISSING : DI_OK;
}

const struct di_check di_vfio_checks[] = {
	{ "IOMMU", DI_HARDWARE, look_iommu, "let a device reach this process's memory and no other",
	  "switch VT-d, AMD-Vi or SMMU on in the firmware; on Intel put intel_iommu=on into "
	  "GRUB_CMDLINE_LINUX of /etc/default/grub, run update-grub, and boot again" },
	{ "interrupt remapping", DI_HARDWARE, look_interrupts,
	  "keep a device from raising interrupts that are not its own",
	  "switch it on with the IOMMU in the firmware, and boot without intremap=off; or "
	  "accept the risk: echo Y > "
	  "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts, for iommufd > "
	  "/sys/module/iommufd/parameters/allow_unsafe_interrupts" },
	{ "vfio-pci", DI_HARDWARE, look_vfio_pci, "hand a PCI device to user space",
	  "modprobe vfio-pci" },
	{ "group viability", DI_OPTIONAL, look_viable, "own all that could reach our memory",
	  "bind the other members, which fl-devinfo lists, to vfio-pci as well" },
	{ "a device", DI_HARDWARE, look_device, "have something to drive",
	  "fl-devinfo lists devices and why each is not ready" },
	{ "RLIMIT_MEMLOCK", DI_HARDWARE, look_memlock,
	  "pin the memory that a device reaches; models lock none",
	  "ulimit -l unlimited, or a line in /etc/security/limits.conf: USER - memlock unlimited" },
	{ "no-IOMMU mode off", DI_OPTIONAL, look_noiommu, "keep every device behind an IOMMU",
	  "echo 0 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode" },
	{ "/dev/vfio/vfio", DI_CONTAINER, look_container, "make an I/O address space",
	  "modprobe vfio" },
	{ "type1", DI_CONTAINER, look_type1, "map memory in it", "modprobe vfio_iommu_type1" },
	{ "group nodes", DI_CONTAINER, look_groups, "open devices as this user",
	  "bind a device to vfio-pci first (fl-devinfo says how)" },
	{ "/dev/iommu", DI_IOMMUFD, look_iommufd, "use iommufd, the newer way to an IOMMU",
	  "modprobe iommufd; Debian's kernels have none, and the container does as well" },
	{ "device nodes", DI_IOMMUFD, look_cdevs, "open devices for iommufd as this user",
	  "bind a device to vfio-pci first; the kernel needs CONFIG_VFIO_DEVICE_CDEV (Linux 6.6)" },
};
const unsigned di_nvfio_checks = FL_ARRAY_SIZE(di_vfio_checks);
