/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo doctor: each thing that a run may need, whether it is there, and how to get it. */
#include "devinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fl_model.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* what fl-testpmd with its defaults pins on two hardware ports, roughly */
#define MEMLOCK_ENOUGH (16ull << 20)

enum need { FOR_MODELS, FOR_HARDWARE, OPTIONAL };
static const char *const need_name[] = { "models", "hardware", "optional" };

struct check {
	const char *name;
	enum need need;
	/** true = there; found says what was seen, fix may be made more exact */
	bool (*look)(const struct di_roots *r, char *found, size_t flen, char *fix, size_t xlen);
	const char *why, *fix;
};

#define LOOK(name)                                                                             \
	static bool look_##name(const struct di_roots *r, char *found, size_t flen, char *fix, \
				size_t xlen)

/** Whether a node can be read and written; found says so or why not. */
static bool node_usable(const char *root, const char *name, char *found, size_t flen)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(found, flen, "%s%s%s", path, fd < 0 ? ": " : "", fd < 0 ? strerror(errno) : "");
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool exists(const char *root, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

LOOK(models)
{
	size_t at = 0;
	unsigned n = 0;

	for (; fl_model_at(n); n++)
		if (at < flen)
			at += (size_t)snprintf(found + at, flen - at, "%s%s", n ? ", " : "",
					       fl_model_at(n)->name);
	if (!n)
		snprintf(found, flen, "none was built");
	return n > 0;
}

LOOK(memfd)
{
	int fd = memfd_create("fl-doctor", MFD_CLOEXEC);

	snprintf(found, flen, "%s", fd < 0 ? strerror(errno) : "memfd_create works");
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

LOOK(tun)
{
	bool ok = node_usable(r->dev, "net/tun", found, flen);

	if (!ok && exists(r->dev, "net/tun"))
		snprintf(fix, xlen,
			 "ip tuntap add dev tap0 mode tap user $USER; chmod 666 %s/net/tun",
			 r->dev);
	return ok;
}

LOOK(iommu)
{
	char path[PATH_MAX];
	unsigned n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", r->sys);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	snprintf(found, flen, "%u IOMMU groups", n);
	return n > 0;
}

LOOK(vfio_pci)
{
	bool ok = exists(r->sys, "bus/pci/drivers/vfio-pci");

	snprintf(found, flen, "vfio-pci is %s", ok ? "loaded" : "not loaded");
	return ok;
}

LOOK(vfio_node)
{
	bool ok = node_usable(r->dev, "vfio/vfio", found, flen);

	if (!ok && exists(r->dev, "vfio/vfio"))
		snprintf(fix, xlen, "chmod 666 %s/vfio/vfio", r->dev);
	return ok;
}

LOOK(groups)
{
	char path[PATH_MAX], bad[64] = "";
	unsigned n = 0, usable = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/vfio", r->dev);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		n++;
		if (!faccessat(dirfd(d), e->d_name, R_OK | W_OK, AT_EACCESS))
			usable++;
		else
			snprintf(bad, sizeof(bad), "%.60s", e->d_name);
	}
	if (d)
		closedir(d);
	snprintf(found, flen, "%u group nodes, %u usable by this user", n, usable);
	if (*bad)
		snprintf(fix, xlen, "chown $USER %s/vfio/%s", r->dev, bad);
	return n > 0 && usable == n;
}

LOOK(device)
{
	struct di_dev *devs = calloc(DI_MAX_DEVS, sizeof(*devs));
	int n = devs ? di_scan(r, devs, DI_MAX_DEVS) : 0;
	unsigned ours = 0, ready = 0;

	for (int i = 0; i < n; i++) {
		ours += devs[i].ours != NULL;
		ready += !strcmp(devs[i].state, "ready");
		if (devs[i].ours && *devs[i].remedy && !ready)
			snprintf(fix, xlen, "%s", devs[i].remedy);
	}
	free(devs);
	snprintf(found, flen, "%u devices that our drivers know, %u ready", ours, ready);
	return ready > 0;
}

/** Effective CAP_IPC_LOCK: the limit does not bind then. */
static bool may_lock(void)
{
	unsigned long long caps = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps & 1ull << 14;
}

LOOK(memlock)
{
	struct fl_mem_usage u;

	if (fl_mem_usage(&u)) {
		snprintf(found, flen, "/proc/self is not readable");
		return false;
	}
	if (u.memlock_limit == UINT64_MAX || may_lock()) {
		snprintf(found, flen, "no limit for this user");
		return true;
	}
	snprintf(found, flen, "%" PRIu64 " KiB", u.memlock_limit >> 10);
	return u.memlock_limit >= MEMLOCK_ENOUGH;
}

LOOK(iommufd)
{
	return node_usable(r->dev, "iommu", found, flen);
}

LOOK(hugepages)
{
	unsigned long total = 0, nfree = 0;
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
		 r->sys);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lu", &total) != 1)
		total = 0;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		 r->sys);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lu", &nfree) != 1)
		nfree = 0;
	if (f)
		fclose(f);
	snprintf(found, flen, "%lu of %lu pages of 2 MiB are free", nfree, total);
	return nfree > 0;
}

static const struct check checks[] = {
	{ "device models", FOR_MODELS, look_models, "run drivers with no hardware",
	  "build with -Dmodels=enabled" },
	{ "memfd", FOR_MODELS, look_memfd, "share packet memory with a model, by file descriptor",
	  "allow memfd_create in the sandbox or seccomp profile" },
	{ "/dev/net/tun", OPTIONAL, look_tun,
	  "join a modelled port to this machine's network (wire=tap)", "modprobe tun" },
	{ "IOMMU", FOR_HARDWARE, look_iommu,
	  "let a device reach this process's memory and no other",
	  "switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on or amd_iommu=on" },
	{ "vfio-pci", FOR_HARDWARE, look_vfio_pci, "hand a PCI device to user space",
	  "modprobe vfio-pci" },
	{ "/dev/vfio/vfio", FOR_HARDWARE, look_vfio_node, "make an I/O address space",
	  "modprobe vfio" },
	{ "VFIO groups", FOR_HARDWARE, look_groups, "open devices as this user",
	  "bind a device to vfio-pci first (fl-devinfo says how)" },
	{ "a device", FOR_HARDWARE, look_device, "have something to drive",
	  "fl-devinfo lists devices and why each is not ready" },
	{ "RLIMIT_MEMLOCK", FOR_HARDWARE, look_memlock,
	  "pin the memory that a device reaches; models lock none",
	  "ulimit -l unlimited, or a line in /etc/security/limits.conf: USER - memlock unlimited" },
	{ "/dev/iommu", OPTIONAL, look_iommufd,
	  "use iommufd (Linux 6.2 on), the newer way to an IOMMU", "modprobe iommufd" },
	{ "hugepages", OPTIONAL, look_hugepages,
	  "spend fewer IOMMU and TLB entries; nothing here needs it",
	  "sysctl vm.nr_hugepages=512" },
};

int di_doctor(const struct di_roots *r, bool json)
{
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();
	unsigned missing[3] = { 0 };

	for (size_t i = 0; i < FL_ARRAY_SIZE(checks); i++) {
		const struct check *c = &checks[i];
		char found[256] = "", fix[512];
		struct json_object *item = json_object_new_object();
		bool ok;

		snprintf(fix, sizeof(fix), "%s", c->fix);
		ok = c->look(r, found, sizeof(found), fix, sizeof(fix));
		missing[c->need] += !ok;
		di_json_text(item, "check", c->name);
		di_json_text(item, "for", need_name[c->need]);
		di_json_bool(item, "ok", ok);
		di_json_text(item, "found", found);
		di_json_text(item, "why", c->why);
		di_json_text(item, "fix", ok ? NULL : fix);
		json_object_array_add(list, item);
		if (json)
			continue;
		printf("%-8s %-15s %-9s %s\n", ok ? "OK" : "missing", c->name, need_name[c->need],
		       found);
		if (!ok)
			printf("         to %s\n         fix: %s\n", c->why, fix);
	}
	json_object_object_add(o, "checks", list);
	di_json_bool(o, "models_can_run", !missing[FOR_MODELS]);
	di_json_bool(o, "hardware_can_run", !missing[FOR_HARDWARE]);
	if (json) {
		di_print_json(o);
	} else {
		json_object_put(o);
		printf("\nModels: %s. Hardware: %s.\n",
		       missing[FOR_MODELS] ? "cannot run" : "ready",
		       missing[FOR_HARDWARE] ? "not ready, see above" : "ready");
	}
	return missing[FOR_MODELS] && missing[FOR_HARDWARE] ? -ENODEV : 0;
}
