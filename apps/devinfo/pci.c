/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI devices: names and identity by libpci, what holds them and their IOMMU group by sysfs. */
#include "devinfo.h"

#include <errno.h>
#include <limits.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_NETWORK	 0x02
#define CLASS_CRYPTO	 0x10
#define CLASS_PROCESSING 0x12

/** Last part of what a link of a device points to, "" = there is none. */
static void link_name(const struct di_roots *r, const char *addr, const char *link, char *out,
		      size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;
	char *slash;

	*out = 0;
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", r->sys, addr, link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(out, len, "%.*s", (int)len - 1, slash ? slash + 1 : target);
}

static int file_number(const struct di_roots *r, const char *addr, const char *name, int absent)
{
	char path[PATH_MAX];
	int v = absent;
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", r->sys, addr, name);
	f = fopen(path, "re");
	if (!f)
		return absent;
	if (fscanf(f, "%i", &v) != 1)
		v = absent;
	fclose(f);
	return v;
}

static bool has_file(const struct di_roots *r, const char *addr, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", r->sys, addr, name);
	return access(path, F_OK) == 0;
}

/** A driver beside which VFIO can still have the group. */
static bool harmless(const char *driver)
{
	return !*driver || !strcmp(driver, "vfio-pci") || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

/** Lists the other members; returns the first that makes the group unusable, or NULL. */
static const struct di_dev *group_members(struct di_dev *d, const struct di_dev *all, unsigned n)
{
	const struct di_dev *blocker = NULL;
	size_t at = 0;

	for (unsigned i = 0; i < n && d->group >= 0; i++) {
		const struct di_dev *o = &all[i];

		if (o->group != d->group || !strcmp(o->addr, d->addr))
			continue;
		if (at < sizeof(d->members))
			at += (size_t)snprintf(d->members + at, sizeof(d->members) - at,
					       "%s%s (%s)", at ? ", " : "", o->addr,
					       *o->driver ? o->driver : "no driver");
		if (!blocker && !harmless(o->driver))
			blocker = o;
	}
	return blocker;
}

/** The command that hands a device to vfio-pci. */
static void rebind(struct di_dev *d, const char *addr, bool bound)
{
	char unbind[80] = "";

	if (bound)
		snprintf(unbind, sizeof(unbind), "echo %s > devices/%s/driver/unbind; ", addr,
			 addr);
	snprintf(d->remedy, sizeof(d->remedy),
		 "modprobe vfio-pci; cd /sys/bus/pci; echo vfio-pci > devices/%s/driver_override; "
		 "%secho %s > drivers_probe",
		 addr, unbind, addr);
}

static void judge(const struct di_roots *r, struct di_dev *d, const struct di_dev *all, unsigned n)
{
	const struct di_dev *blocker = group_members(d, all, n);
	char node[PATH_MAX];

	if (!d->ours) {
		snprintf(d->state, sizeof(d->state), "no driver of ours knows it");
	} else if (d->group < 0) {
		snprintf(d->state, sizeof(d->state), "no IOMMU group");
		snprintf(d->remedy, sizeof(d->remedy), "fl-devinfo doctor");
	} else if (strcmp(d->driver, "vfio-pci")) {
		snprintf(d->state, sizeof(d->state), "held by %s",
			 *d->driver ? d->driver : "no driver yet");
		rebind(d, d->addr, *d->driver);
	} else if (blocker) {
		snprintf(d->state, sizeof(d->state), "group %d not viable: %s is held by %s",
			 d->group, blocker->addr, blocker->driver);
		rebind(d, blocker->addr, true);
	} else {
		snprintf(node, sizeof(node), "%s/vfio/%d", r->dev, d->group);
		if (!access(node, R_OK | W_OK)) {
			snprintf(d->state, sizeof(d->state), "ready");
			return;
		}
		snprintf(d->state, sizeof(d->state), "%.100s: %.80s", node, strerror(errno));
		snprintf(d->remedy, sizeof(d->remedy), "chown $USER %.300s", node);
	}
}

static const char *our_driver(const struct fl_pci_id *id)
{
	static const enum fl_driver_class classes[] = { FL_CLASS_NET, FL_CLASS_CRYPTO };
	const struct fl_driver_id *match;

	for (size_t i = 0; i < FL_ARRAY_SIZE(classes); i++) {
		const struct fl_driver *drv = fl_driver_match(classes[i], id, &match);

		if (drv)
			return drv->name;
	}
	return NULL;
}

static void fill(const struct di_roots *r, struct pci_access *acc, struct pci_dev *p,
		 struct di_dev *d)
{
	char group[16];

	pci_fill_info(p, PCI_FILL_IDENT | PCI_FILL_CLASS);
	*d = (struct di_dev){ 0 };
	snprintf(d->addr, sizeof(d->addr), "%04x:%02x:%02x.%d", p->domain, p->bus, p->dev, p->func);
	d->id.vendor = p->vendor_id;
	d->id.device = p->device_id;
	d->id.class_code = (uint32_t)p->device_class << 8;
	pci_lookup_name(acc, d->name, sizeof(d->name), PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
			p->vendor_id, p->device_id);
	pci_lookup_name(acc, d->cls, sizeof(d->cls), PCI_LOOKUP_CLASS, p->device_class);
	link_name(r, d->addr, "driver", d->driver, sizeof(d->driver));
	link_name(r, d->addr, "iommu_group", group, sizeof(group));
	d->group = *group ? atoi(group) : -1;
	d->node = file_number(r, d->addr, "numa_node", -1);
	d->reset = has_file(r, d->addr, "reset");
	d->ours = our_driver(&d->id);
}

static void quiet(char *msg, ...)
{
}

int di_scan(const struct di_roots *r, struct di_dev *devs, unsigned max)
{
	struct pci_access *acc;
	char path[PATH_MAX];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/bus/pci/devices", r->sys);
	if (access(path, R_OK | X_OK))
		return errno == ENOENT ? 0 : -errno; /* a machine without PCI has no devices */
	path[strlen(path) - strlen("/devices")] = 0;
	acc = pci_alloc();
	acc->method = PCI_ACCESS_SYS_BUS_PCI;
	acc->warning = quiet;
	pci_set_param(acc, "sysfs.path", path);
	pci_init(acc);
	pci_scan_bus(acc);
	for (struct pci_dev *p = acc->devices; p && n < max; p = p->next)
		fill(r, acc, p, &devs[n++]);
	pci_cleanup(acc);
	for (unsigned i = 0; i < n; i++)
		judge(r, &devs[i], devs, n);
	return (int)n;
}

/* ---- the list ------------------------------------------------------------------------- */

static bool of_interest(const struct di_dev *d)
{
	uint32_t base = d->id.class_code >> 16;

	return d->ours || base == CLASS_NETWORK || base == CLASS_CRYPTO || base == CLASS_PROCESSING;
}

static void print_table(const struct di_dev *devs, unsigned n, bool all)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct di_dev *d = &devs[i];

		if (!all && !of_interest(d))
			continue;
		if (!shown++)
			printf("%-13s %-9s %-12s %-5s %-4s %-5s %-12s %s\n", "Device", "Id",
			       "Bound to", "Group", "NUMA", "Reset", "Our driver", "State");
		printf("%-13s %04x:%04x %-12s %-5d %-4d %-5s %-12s %s\n", d->addr, d->id.vendor,
		       d->id.device, *d->driver ? d->driver : "-", d->group, d->node,
		       d->reset ? "yes" : "no", d->ours ? d->ours : "-", d->state);
		printf("              %s: %s\n", d->cls, d->name);
		if (*d->members)
			printf("              in its group: %s\n", d->members);
		if (*d->remedy)
			printf("              to mend: %s\n", d->remedy);
	}
	if (!shown)
		printf("No network or crypto device on the PCI bus of this machine. Models need none:\n"
		       "  fl-testpmd -a model:e1000e,wire=x -a model:e1000e,wire=x --tx-first "
		       "--duration 5\n");
}

static struct json_object *dev_json(const struct di_dev *d)
{
	struct json_object *o = json_object_new_object();
	char id[10], uri[28];

	snprintf(id, sizeof(id), "%04x:%04x", d->id.vendor, d->id.device);
	snprintf(uri, sizeof(uri), "pci:%s", d->addr);
	di_json_text(o, "address", d->addr);
	di_json_text(o, "uri", uri);
	di_json_text(o, "id", id);
	di_json_text(o, "name", d->name);
	di_json_text(o, "class", d->cls);
	di_json_text(o, "bound_to", *d->driver ? d->driver : NULL);
	di_json_int(o, "iommu_group", d->group);
	di_json_text(o, "group_members", d->members);
	di_json_int(o, "numa_node", d->node);
	di_json_bool(o, "reset", d->reset);
	di_json_text(o, "our_driver", d->ours);
	di_json_text(o, "state", d->state);
	di_json_text(o, "remedy", *d->remedy ? d->remedy : NULL);
	return o;
}

int di_list(const struct di_roots *r, bool all, bool json)
{
	struct di_dev *devs = calloc(DI_MAX_DEVS, sizeof(*devs));
	int n = devs ? di_scan(r, devs, DI_MAX_DEVS) : -ENOMEM;

	if (n < 0) {
		fprintf(stderr, "fl-devinfo: cannot list PCI devices: %s\n", strerror(-n));
	} else if (json) {
		struct json_object *list = json_object_new_array();

		for (int i = 0; i < n; i++)
			if (all || of_interest(&devs[i]))
				json_object_array_add(list, dev_json(&devs[i]));
		di_print_json(list);
	} else {
		print_table(devs, (unsigned)n, all);
	}
	free(devs);
	return n < 0 ? n : 0;
}
