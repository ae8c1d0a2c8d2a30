/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI devices: names by libpci, all else by libfaultline and sysfs. */
#include "devinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_NETWORK	 0x02
#define CLASS_CRYPTO	 0x10
#define CLASS_PROCESSING 0x12

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

/** false: the device has gone since libpci saw it. */
static bool fill(const struct fl_vfio_roots *r, struct pci_access *acc, struct pci_dev *p,
		 struct di_dev *d)
{
	char address[32];

	*d = (struct di_dev){ 0 };
	snprintf(address, sizeof(address), "%04x:%02x:%02x.%d", (unsigned)p->domain, p->bus, p->dev,
		 p->func);
	if (fl_vfio_pci_look(r, address, &d->vfio))
		return false;
	pci_fill_info(p, PCI_FILL_IDENT | PCI_FILL_CLASS);
	d->id.vendor = p->vendor_id;
	d->id.device = p->device_id;
	d->id.class_code = (uint32_t)p->device_class << 8;
	pci_lookup_name(acc, d->name, sizeof(d->name), PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
			p->vendor_id, p->device_id);
	pci_lookup_name(acc, d->cls, sizeof(d->cls), PCI_LOOKUP_CLASS, p->device_class);
	d->ours = our_driver(&d->id);
	d->container = !fl_vfio_pci_obstacle(r, &d->vfio, FL_VFIO_CONTAINER, d->obstacle,
					     sizeof(d->obstacle));
	d->iommufd = !fl_vfio_pci_obstacle(r, &d->vfio, FL_VFIO_IOMMUFD, d->obstacle,
					   sizeof(d->obstacle));
	(void)fl_vfio_pci_obstacle(r, &d->vfio, FL_VFIO_AUTO, d->obstacle, sizeof(d->obstacle));
	di_details(r, d);
	return true;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct di_dev *)a)->vfio.address,
		      ((const struct di_dev *)b)->vfio.address);
}

static void quiet(char *msg, ...)
{
}

int di_scan(const struct fl_vfio_roots *r, struct di_dev *devs, unsigned max)
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
		n += fill(r, acc, p, &devs[n]);
	pci_cleanup(acc);
	qsort(devs, n, sizeof(*devs), by_address); /* libpci's order is that of a folder */
	return (int)n;
}

/* ---- the list ------------------------------------------------------------------------- */

static bool of_interest(const struct di_dev *d)
{
	uint32_t base = d->id.class_code >> 16;

	return d->ours || base == CLASS_NETWORK || base == CLASS_CRYPTO || base == CLASS_PROCESSING;
}

static const char *iommu_of(const struct di_dev *d)
{
	if (d->vfio.noiommu)
		return "none (no-IOMMU mode)";
	if (*d->vfio.iommu)
		return di_iommu_kind(d->vfio.iommu);
	return d->vfio.group < 0 ? "none" : "of unknown kind";
}

static const char *ways(const struct di_dev *d)
{
	if (d->container)
		return d->iommufd ? "iommufd or container" : "container";
	return d->iommufd ? "iommufd" : NULL;
}

static void print_dev(const struct fl_vfio_roots *r, const struct di_dev *d)
{
	static const char *const cap[] = { "no", "yes", "?" };
	const char *indent = "              ";

	printf("%-13s %s: %s [%04x:%04x]\n", d->vfio.address, d->cls, d->name, d->id.vendor,
	       d->id.device);
	printf("%sbound to %s, our driver %s, NUMA node ", indent,
	       *d->vfio.driver ? d->vfio.driver : "no driver", d->ours ? d->ours : "none");
	printf(d->vfio.node < 0 ? "unknown\n" : "%d\n", d->vfio.node);
	printf("%sIOMMU %s", indent, iommu_of(d));
	if (*d->vfio.iommu && iommu_of(d) != d->vfio.iommu)
		printf(" (%s)", d->vfio.iommu);
	if (d->vfio.group >= 0)
		printf(", group %d, %s%s", d->vfio.group, *d->vfio.members ? "with " : "alone",
		       d->vfio.members);
	printf("; iommufd %s\n", *d->vfio.cdev			 ? d->vfio.cdev
				 : di_exists("%s/iommu", r->dev) ? "yes, but no device node"
								 : "no");
	printf("%sATS %s, PRI %s, PASID %s%s; reset %s\n", indent, cap[d->ats], cap[d->pri],
	       cap[d->pasid], d->ats == DI_CAP_UNSEEN ? " (only root can see)" : "",
	       *d->reset ? d->reset : "no");
	for (unsigned i = 0; i < d->nreserved; i++)
		printf("%s0x%" PRIx64 "-0x%" PRIx64 " (%s)%s",
		       i ? ", " : "              reserved IOVA ", d->reserved[i].first,
		       d->reserved[i].last, d->reserved[i].type, i + 1 < d->nreserved ? "" : "\n");
	if (!d->ours)
		printf("%sno driver of ours knows it\n", indent);
	else if (ways(d))
		printf("%sready, by %s: fl-testpmd -a pci:%s\n", indent, ways(d), d->vfio.address);
	else
		printf("%snot ready: %s\n", indent, d->obstacle);
}

static void json_cap(struct json_object *o, const char *key, enum di_cap cap)
{
	if (cap == DI_CAP_UNSEEN)
		di_json_text(o, key, NULL);
	else
		di_json_bool(o, key, cap == DI_CAP_YES);
}

static struct json_object *reserved_json(const struct di_dev *d)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < d->nreserved; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "first", json_object_new_uint64(d->reserved[i].first));
		json_object_object_add(o, "last", json_object_new_uint64(d->reserved[i].last));
		di_json_text(o, "type", d->reserved[i].type);
		json_object_array_add(list, o);
	}
	return list;
}

static const char *text_or_null(const char *s)
{
	return *s ? s : NULL;
}

static struct json_object *dev_json(const struct fl_vfio_roots *r, const struct di_dev *d)
{
	struct json_object *o = json_object_new_object(), *by = json_object_new_array();
	const struct fl_vfio_pci *v = &d->vfio;
	char id[10], uri[28];

	snprintf(id, sizeof(id), "%04x:%04x", d->id.vendor, d->id.device);
	snprintf(uri, sizeof(uri), "pci:%s", v->address);
	di_json_text(o, "address", v->address);
	di_json_text(o, "uri", uri);
	di_json_text(o, "id", id);
	di_json_text(o, "name", d->name);
	di_json_text(o, "class", d->cls);
	di_json_text(o, "our_driver", d->ours);
	di_json_text(o, "bound_to", text_or_null(v->driver));
	di_json_int(o, "numa_node", v->node);
	di_json_text(o, "iommu", text_or_null(v->iommu));
	di_json_text(o, "iommu_kind", iommu_of(d));
	di_json_int(o, "iommu_group", v->group);
	di_json_text(o, "group_members", v->members);
	di_json_bool(o, "group_viable", v->viable);
	json_object_object_add(o, "reserved_iova", reserved_json(d));
	di_json_bool(o, "iommufd", di_exists("%s/iommu", r->dev));
	di_json_text(o, "cdev", text_or_null(v->cdev));
	json_cap(o, "ats", d->ats);
	json_cap(o, "pri", d->pri);
	json_cap(o, "pasid", d->pasid);
	di_json_text(o, "reset", text_or_null(d->reset));
	if (d->iommufd)
		json_object_array_add(by, json_object_new_string("iommufd"));
	if (d->container)
		json_object_array_add(by, json_object_new_string("container"));
	json_object_object_add(o, "ready_by", by);
	di_json_text(o, "obstacle", text_or_null(d->obstacle));
	return o;
}

static void print_devs(const struct fl_vfio_roots *r, const struct di_dev *devs, unsigned n,
		       bool all)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!all && !of_interest(&devs[i]))
			continue;
		if (shown++)
			printf("\n");
		print_dev(r, &devs[i]);
	}
	if (!shown)
		printf("No network or crypto device on the PCI bus of this machine. Models need none:\n"
		       "  fl-testpmd -a model:e1000e,wire=x -a model:e1000e,wire=x --tx-first "
		       "--duration 5\n");
}

int di_list(const struct fl_vfio_roots *r, bool all, bool json)
{
	struct di_dev *devs = calloc(DI_MAX_DEVS, sizeof(*devs));
	int n = devs ? di_scan(r, devs, DI_MAX_DEVS) : -ENOMEM;

	if (n < 0) {
		fprintf(stderr, "fl-devinfo: cannot list PCI devices: %s\n", strerror(-n));
	} else if (json) {
		struct json_object *list = json_object_new_array();

		for (int i = 0; i < n; i++)
			if (all || of_interest(&devs[i]))
				json_object_array_add(list, dev_json(r, &devs[i]));
		di_print_json(list);
	} else {
		print_devs(r, devs, (unsigned)n, all);
	}
	free(devs);
	return n < 0 ? n : 0;
}
