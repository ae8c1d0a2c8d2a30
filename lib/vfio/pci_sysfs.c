/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sysfs and the nodes under /dev say of a PCI device, and what stands between it and VFIO.
 * Nothing is opened but attributes of sysfs. What they say is cut to size, and bytes that do not
 * print become '?', as it goes into messages.
 */
#include "kernel_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct fl_vfio_roots machine = { "/sys", "/dev" };

struct path {
	char s[PATH_MAX];
};

FL_PRINTF(1, 2) static struct path path(const char *fmt, ...)
{
	struct path p;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(p.s, sizeof(p.s), fmt, ap) >= (int)sizeof(p.s))
		*p.s = 0; /* nothing is there */
	va_end(ap);
	return p;
}

static bool exists(struct path p)
{
	return access(p.s, F_OK) == 0;
}

static void clean(char *s)
{
	for (; *s; s++)
		if (!isprint((unsigned char)*s))
			*s = '?';
}

/** First line of a file; "" where there is none. */
static void read_line(struct path p, char *out, size_t size)
{
	int fd = open(p.s, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	out[n < 0 ? 0 : n] = 0;
	out[strcspn(out, "\n")] = 0;
	clean(out);
	if (fd >= 0)
		close(fd);
}

/** Last part of where a link points; "" where there is none. */
static void read_link(struct path p, char *out, size_t size)
{
	struct path target;
	ssize_t n = readlink(p.s, target.s, sizeof(target.s) - 1);
	const char *slash;

	target.s[n < 0 ? 0 : n] = 0;
	slash = strrchr(target.s, '/');
	snprintf(out, size, "%.*s", (int)size - 1, slash ? slash + 1 : target.s);
	clean(out);
}

/** A whole number of at most INT_MAX, or `absent`. */
static int to_number(const char *s, int absent)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(s, &end, 10);
	return errno || end == s || *end || v < 0 || v > INT_MAX ? absent : (int)v;
}

static int hide_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/** Names in a folder, sorted; returns how many, 0 where there is none. */
static int list(struct path p, struct dirent ***names)
{
	int n = scandir(p.s, names, hide_dots, alphasort);

	return n < 0 ? 0 : n;
}

static void free_list(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	if (n)
		free(names);
}

/* ---- one device ----------------------------------------------------------------------- */

/** Brings "01:00.0" and "0000:01:00.0" to sysfs' form. */
static bool parse_address(const char *s, char out[16])
{
	unsigned domain = 0, bus, dev, fn;
	int end = 0;

	if (s[strspn(s, "0123456789abcdefABCDEF:.")])
		return false;
	if (sscanf(s, "%7x:%2x:%2x.%1u%n", &domain, &bus, &dev, &fn, &end) != 4) {
		domain = 0;
		if (sscanf(s, "%2x:%2x.%1u%n", &bus, &dev, &fn, &end) != 3)
			return false;
	}
	if (s[end] || dev > 31 || fn > 7)
		return false;
	snprintf(out, 16, "%04x:%02x:%02x.%u", domain, bus, dev, fn);
	return true;
}

bool fl_vk_is_vfio(const char *driver)
{
	size_t len = strlen(driver);
	const char *tail = len < 8 ? "" : driver + len - 8;

	return !strncmp(driver, "vfio-", 5) || !strcmp(tail, "vfio-pci") ||
	       !strcmp(tail, "vfio_pci");
}

/**
 * A driver beside which user space can still own the group: the kernel asks of it that it leaves
 * the group's DMA to others, which these do.
 */
static bool harmless(const char *driver)
{
	return !*driver || fl_vk_is_vfio(driver) || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

static struct path dev_path(const struct fl_vfio_roots *r, const char *address, const char *name)
{
	return path("%s/bus/pci/devices/%s/%s", r->sys, address, name);
}

static struct path group_path(const struct fl_vfio_roots *r, int group, const char *name)
{
	return path("%s/kernel/iommu_groups/%d/%s", r->sys, group, name);
}

/** To another PCI bus, or CardBus: vfio-pci takes none. */
static bool is_bridge(const struct fl_vfio_roots *r, const char *address)
{
	char cls[16];

	read_line(dev_path(r, address, "class"), cls, sizeof(cls));
	return !strncmp(cls, "0x0604", 6) || !strncmp(cls, "0x0607", 6);
}

static void member_driver(const struct fl_vfio_roots *r, int group, const char *name, char out[64])
{
	read_link(path("%s/kernel/iommu_groups/%d/devices/%s/driver", r->sys, group, name), out,
		  64);
}

/** Appends; what does not fit whole becomes "...", once. */
FL_PRINTF(3, 4) static void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t at = strlen(buf);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + at, size - at, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + sizeof("...") <= size - at)
		return;
	buf[at] = 0;
	if (at >= 3 && size - at >= sizeof("...") && strcmp(buf + at - 3, "..."))
		memcpy(buf + at, "...", sizeof("..."));
}

static void look_at_group(const struct fl_vfio_roots *r, struct fl_vfio_pci *p)
{
	struct dirent **names;
	int n = list(group_path(r, p->group, "devices"), &names);
	char driver[64], kind[16];

	for (int i = 0; i < n; i++) {
		if (!strcmp(names[i]->d_name, p->address))
			continue;
		member_driver(r, p->group, names[i]->d_name, driver);
		p->viable &= harmless(driver);
		clean(names[i]->d_name);
		append(p->members, sizeof(p->members), "%s%.64s (%s)", *p->members ? ", " : "",
		       names[i]->d_name, *driver ? driver : "no driver");
	}
	free_list(names, n);
	read_line(group_path(r, p->group, "name"), kind, sizeof(kind));
	p->noiommu = !strcmp(kind, "vfio-noiommu");
}

/** The device cdev: its class device has a number (`dev`) only where the kernel makes cdevs. */
static void find_cdev(const struct fl_vfio_roots *r, struct fl_vfio_pci *p)
{
	struct dirent **names;
	int n = list(dev_path(r, p->address, "vfio-dev"), &names);

	for (int i = 0; i < n && !*p->cdev; i++) {
		const char *name = names[i]->d_name;

		if (strlen(name) < sizeof(p->cdev) && !strncmp(name, "vfio", 4) &&
		    to_number(name + 4, -1) >= 0 &&
		    exists(path("%s/bus/pci/devices/%s/vfio-dev/%s/dev", r->sys, p->address, name)))
			memcpy(p->cdev, name, strlen(name) + 1);
	}
	free_list(names, n);
}

bool fl_vk_is_cdev(const struct fl_vfio_kernel *k, const struct fl_vfio_pci *p, int fd)
{
	char want[24], have[24];
	struct stat st;

	if (!*p->cdev || fstat(fd, &st))
		return false;
	snprintf(have, sizeof(have), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	read_line(path("%s/bus/pci/devices/%s/vfio-dev/%s/dev", k->sys, p->address, p->cdev), want,
		  sizeof(want));
	return !strcmp(want, have);
}

int fl_vfio_pci_look(const struct fl_vfio_roots *roots, const char *address,
		     struct fl_vfio_pci *out)
{
	const struct fl_vfio_roots *r = roots ? roots : &machine;
	char group[16], node[16];

	*out = (struct fl_vfio_pci){ .group = -1, .node = -1, .viable = true };
	if (!parse_address(address, out->address))
		return -EINVAL;
	if (!exists(dev_path(r, out->address, "")))
		return -ENODEV;
	read_link(dev_path(r, out->address, "driver"), out->driver, sizeof(out->driver));
	read_link(dev_path(r, out->address, "iommu"), out->iommu, sizeof(out->iommu));
	read_link(dev_path(r, out->address, "iommu_group"), group, sizeof(group));
	read_line(dev_path(r, out->address, "numa_node"), node, sizeof(node));
	out->node = to_number(node, -1);
	out->group = to_number(group, -1);
	if (out->group >= 0)
		look_at_group(r, out);
	if (!out->noiommu)
		find_cdev(r, out);
	return 0;
}

/* ---- what stands in the way ----------------------------------------------------------- */

struct report {
	const struct fl_vfio_roots *r;
	const struct fl_vfio_pci *p;
	char *buf;
	size_t size;
};

/** Says it, with the device in front; always true, for `return say(...)`. */
FL_PRINTF(2, 3) static bool say(const struct report *o, const char *fmt, ...)
{
	int n = snprintf(o->buf, o->size, "%s ", o->p->address);
	va_list ap;

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < o->size)
		vsnprintf(o->buf + n, o->size - (size_t)n, fmt, ap);
	va_end(ap);
	return true;
}

static bool no_group(const struct report *o)
{
	const char *sys = o->r->sys;
	struct dirent **names;
	int n = list(path("%s/kernel/iommu_groups", sys), &names);

	free_list(names, n);
	if (n)
		return say(o, "is in no IOMMU group, though others are: no IOMMU stands before it, "
			      "and VFIO cannot take it; use another slot");
	if (exists(path("%s/firmware/acpi/tables/DMAR", sys)))
		return say(o, "is in no IOMMU group: Intel VT-d is there but off; put "
			      "intel_iommu=on into GRUB_CMDLINE_LINUX of /etc/default/grub, run "
			      "update-grub, and boot again");
	if (exists(path("%s/firmware/acpi/tables/IVRS", sys)))
		return say(o,
			   "is in no IOMMU group: AMD-Vi is there but off; take amd_iommu=off and "
			   "iommu=off out of /etc/default/grub, run update-grub, and boot again");
	return say(o,
		   "is in no IOMMU group: this machine has no IOMMU or its firmware keeps it off; "
		   "switch VT-d (AMD-Vi, SMMU) on there, and on Intel boot with intel_iommu=on; "
		   "in a machine without one, iommu=noiommu works without protection");
}

static bool noiommu_off(const struct report *o)
{
	char on[4];

	read_line(path("%s/module/vfio/parameters/enable_unsafe_noiommu_mode", o->r->sys), on,
		  sizeof(on));
	if (*on == 'Y')
		return false;
	if (*on)
		return say(o,
			   "cannot go without IOMMU while that is off: as root, `echo 1 > "
			   "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode`, then bind the "
			   "device (anew): `driverctl set-override %s vfio-pci`",
			   o->p->address);
	if (!exists(path("%s/module/vfio", o->r->sys)))
		return say(o,
			   "cannot go without IOMMU while VFIO is not loaded: as root, `modprobe "
			   "vfio enable_unsafe_noiommu_mode=1 && driverctl set-override %s "
			   "vfio-pci`",
			   o->p->address);
	return say(o, "cannot go without IOMMU: this kernel's VFIO was built without that mode "
		      "(CONFIG_VFIO_NOIOMMU)");
}

/** Unsuited to the mode that was asked for, or to any. */
static bool wrong_iommu(const struct report *o, enum fl_vfio_backend backend)
{
	const struct fl_vfio_pci *p = o->p;

	if (backend != FL_VFIO_NOIOMMU && p->noiommu)
		return say(o, "has no IOMMU before it: it would reach all memory of the machine; "
			      "switch the IOMMU on (fl-devinfo doctor), or ask for it by name: "
			      "iommu=noiommu");
	if (backend == FL_VFIO_NOIOMMU && p->group >= 0 && !p->noiommu)
		return say(o,
			   "stands behind an IOMMU (group %d), so it cannot go without: leave "
			   "iommu=noiommu out",
			   p->group);
	if (backend == FL_VFIO_NOIOMMU && p->group < 0)
		return noiommu_off(o);
	return p->group < 0 && backend != FL_VFIO_NOIOMMU && no_group(o);
}

static bool not_bound(const struct report *o)
{
	const struct fl_vfio_pci *p = o->p;
	const char *load = "modprobe vfio-pci && ";
	char nets[64] = "", held[160] = "no driver";
	struct dirent **names;
	int n;

	if (fl_vk_is_vfio(p->driver))
		return false;
	n = list(dev_path(o->r, p->address, "net"), &names);
	for (int i = 0; i < n; i++) {
		clean(names[i]->d_name);
		append(nets, sizeof(nets), " %.16s", names[i]->d_name);
	}
	free_list(names, n);
	if (*p->driver)
		snprintf(held, sizeof(held), "%s%s%s%s", p->driver, *nets ? " (which is" : "", nets,
			 *nets ? " and would go)" : "");
	if (exists(path("%s/bus/pci/drivers/vfio-pci", o->r->sys)))
		load = "";
	return say(o,
		   "is bound to %s, not to vfio-pci: as root, `%sdriverctl set-override %s "
		   "vfio-pci`",
		   held, load, p->address);
}

/** Each member that a driver of the host holds, and how to free it. */
static bool not_viable(const struct report *o)
{
	const struct fl_vfio_pci *p = o->p;
	char held[320] = "", remedy[448] = "", driver[64];
	struct dirent **names;
	int n;

	if (p->group < 0 || p->viable)
		return false;
	n = list(group_path(o->r, p->group, "devices"), &names);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char address[16];

		if (!strcmp(name, p->address))
			continue;
		member_driver(o->r, p->group, name, driver);
		if (harmless(driver))
			continue;
		clean(names[i]->d_name);
		append(held, sizeof(held), "%s%.64s (%s)", *held ? ", " : "", name, driver);
		if (parse_address(name, address))
			append(remedy, sizeof(remedy), "%sdriverctl set-override %s %s",
			       *remedy ? "; " : "as root, `", address,
			       is_bridge(o->r, address) ? "none" : "vfio-pci");
	}
	free_list(names, n);
	return say(o,
		   "shares IOMMU group %d with devices that drivers of this machine hold: %s; a "
		   "group is taken whole: %s%smove the card to another slot",
		   p->group, held, remedy, *remedy ? "`, or " : "");
}

/**
 * A node that this user cannot open.
 * @match    what a udev rule knows it by
 * @trigger  options that make udevadm apply that rule now
 */
static bool closed_node(const struct report *o, struct path node, const char *match,
			const char *trigger)
{
	unsigned uid = geteuid();

	if (!faccessat(AT_FDCWD, node.s, R_OK | W_OK, AT_EACCESS))
		return false;
	return say(o,
		   "needs %.128s, which user %u may not open (%s): as root, `chown %u %.128s`, or "
		   "for good `echo '%s, OWNER=\"%u\"' >> /etc/udev/rules.d/60-vfio.rules; udevadm "
		   "control --reload; udevadm trigger %s`",
		   node.s, uid, strerror(errno), uid, node.s, match, uid, trigger);
}

static bool no_container(const struct report *o)
{
	const struct fl_vfio_roots *r = o->r;
	const struct fl_vfio_pci *p = o->p;
	struct path ctnr = path("%s/vfio/vfio", r->dev);
	struct path group = path("%s/vfio/%s%d", r->dev, p->noiommu ? "noiommu-" : "", p->group);

	if (!exists(ctnr))
		return say(o, "needs %.128s, which is not there: as root, `modprobe vfio`", ctnr.s);
	/* iommufd can answer in type1's place */
	if (!p->noiommu && !exists(path("%s/module/vfio_iommu_type1", r->sys)) &&
	    !exists(path("%s/module/iommufd", r->sys)))
		return say(o, "needs the module vfio_iommu_type1, which is not loaded: as root, "
			      "`modprobe vfio_iommu_type1`");
	if (!exists(group))
		return say(o,
			   "is bound to VFIO, but %.128s is not there: in a container pass the "
			   "node in%s",
			   group.s,
			   p->noiommu ? ""
				      : "; a kernel without VFIO groups (CONFIG_VFIO_GROUP) "
					"wants iommu=iommufd");
	return closed_node(o, ctnr, "KERNEL==\"vfio\", SUBSYSTEM==\"misc\"",
			   "--subsystem-match=misc --sysname-match=vfio") ||
	       closed_node(o, group, "SUBSYSTEM==\"vfio\"", "--subsystem-match=vfio");
}

static bool no_iommufd(const struct report *o)
{
	const struct fl_vfio_roots *r = o->r;
	struct path iommu = path("%s/iommu", r->dev), cdev;

	if (!exists(iommu))
		return say(o,
			   "needs %.128s, which is not there: as root, `modprobe iommufd`; a "
			   "kernel without it (CONFIG_IOMMUFD) wants iommu=container",
			   iommu.s);
	if (!*o->p->cdev)
		return say(o, "has no node of its own for iommufd: that takes Linux 6.6 with "
			      "CONFIG_VFIO_DEVICE_CDEV; this kernel wants iommu=container");
	cdev = path("%s/vfio/devices/%s", r->dev, o->p->cdev);
	if (!exists(cdev))
		return say(o,
			   "is bound to VFIO, but %.128s is not there: in a container pass the "
			   "node in",
			   cdev.s);
	return closed_node(o, iommu, "KERNEL==\"iommu\", SUBSYSTEM==\"misc\"",
			   "--subsystem-match=misc --sysname-match=iommu") ||
	       closed_node(o, cdev, "SUBSYSTEM==\"vfio-dev\"", "--subsystem-match=vfio-dev");
}

/** By iommufd or container; without either, says what the way lacks that this machine has. */
static bool no_way(const struct report *o)
{
	const char *dev = o->r->dev;

	if (!no_iommufd(o))
		return false;
	return (exists(path("%s/iommu", dev)) && !exists(path("%s/vfio/vfio", dev))) ||
	       no_container(o);
}

bool fl_vfio_pci_obstacle(const struct fl_vfio_roots *roots, const struct fl_vfio_pci *p,
			  enum fl_vfio_backend backend, char *buf, size_t size)
{
	const struct report o = { roots ? roots : &machine, p, buf, size };

	if (wrong_iommu(&o, backend) || not_bound(&o) || not_viable(&o))
		return true;
	if (backend == FL_VFIO_IOMMUFD ? no_iommufd(&o)
	    : backend == FL_VFIO_AUTO  ? no_way(&o)
				       : no_container(&o))
		return true;
	if (size)
		*buf = 0; /* what the other way lacked */
	return false;
}
