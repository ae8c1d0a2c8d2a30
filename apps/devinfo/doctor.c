/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo doctor: each thing that a run may need, whether it is there, and how to get it. */
#include "devinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <fl_model.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const need_name[DI_NEEDS] = { "models", "hardware", "container", "iommufd",
						 "optional" };
static const char *const state_name[] = { "missing", "OK", "unseen" };

void di_found(struct di_answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->found, sizeof(a->found), fmt, ap);
	va_end(ap);
}

void di_fix(struct di_answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->fix, sizeof(a->fix), fmt, ap);
	va_end(ap);
}

enum di_state di_node(const char *root, const char *name, struct di_answer *a)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		di_found(a, "%s: %s", path, strerror(errno));
		if (errno == EACCES)
			di_fix(a, "chown %u %s", geteuid(), path);
		return DI_MISSING;
	}
	di_found(a, "%s", path);
	close(fd);
	return DI_OK;
}

static enum di_state look_models(const struct di_machine *m, struct di_answer *a)
{
	size_t at = 0;
	unsigned n = 0;

	for (; fl_model_at(n); n++)
		if (at < sizeof(a->found))
			at += (size_t)snprintf(a->found + at, sizeof(a->found) - at, "%s%s",
					       n ? ", " : "", fl_model_at(n)->name);
	if (!n)
		di_found(a, "none was built");
	return n ? DI_OK : DI_MISSING;
}

static enum di_state look_memfd(const struct di_machine *m, struct di_answer *a)
{
	int fd = memfd_create("fl-doctor", MFD_CLOEXEC);

	di_found(a, "%s", fd < 0 ? strerror(errno) : "memfd_create works");
	if (fd < 0)
		return DI_MISSING;
	close(fd);
	return DI_OK;
}

static enum di_state look_tun(const struct di_machine *m, struct di_answer *a)
{
	return di_node(m->r.dev, "net/tun", a);
}

static enum di_state look_hugepages(const struct di_machine *m, struct di_answer *a)
{
	const char *folder = "kernel/mm/hugepages/hugepages-2048kB";
	char total[16], avail[16];

	if (!di_line(total, sizeof(total), "%s/%s/nr_hugepages", m->r.sys, folder) ||
	    !di_line(avail, sizeof(avail), "%s/%s/free_hugepages", m->r.sys, folder)) {
		di_found(a, "this kernel has none of 2 MiB");
		return DI_MISSING;
	}
	di_found(a, "%s of %s pages of 2 MiB are free", avail, total);
	return strtoul(avail, NULL, 10) ? DI_OK : DI_MISSING;
}

static enum di_state look_kernel(const struct di_machine *m, struct di_answer *a)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		di_found(a, "of unknown version");
		return DI_UNSEEN;
	}
	di_found(a, "Linux %s%s", u.release,
		 major > 6 || (major == 6 && minor >= 6) ? "" : "; iommufd takes 6.6");
	return major > 5 || (major == 5 && minor >= 10) ? DI_OK : DI_MISSING;
}

static enum di_state look_driverctl(const struct di_machine *m, struct di_answer *a)
{
	const char *path = getenv("PATH");
	char dirs[4096], *save = NULL;

	snprintf(dirs, sizeof(dirs), "%s:/usr/sbin:/sbin", path ? path : "");
	for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		if (!di_exists("%s/driverctl", dir))
			continue;
		di_found(a, "%s/driverctl", dir);
		return DI_OK;
	}
	di_found(a, "not installed");
	return DI_MISSING;
}

static const struct di_check checks[] = {
	{ "device models", DI_MODELS, look_models, "run drivers with no hardware",
	  "build with -Dmodels=enabled" },
	{ "memfd", DI_MODELS, look_memfd, "share packet memory with a model, by file descriptor",
	  "allow memfd_create in the sandbox or seccomp profile" },
	{ "/dev/net/tun", DI_OPTIONAL, look_tun,
	  "join a modelled port to this machine's network (wire=tap)", "modprobe tun" },
	{ "hugepages", DI_OPTIONAL, look_hugepages,
	  "spend fewer IOMMU and TLB entries; needed only without IOMMU",
	  "sysctl vm.nr_hugepages=512" },
	{ "kernel", DI_HARDWARE, look_kernel, "ask VFIO which addresses the IOMMU allows",
	  "Linux 5.10 or newer" },
	{ "driverctl", DI_OPTIONAL, look_driverctl,
	  "bind devices to vfio-pci, also after the next boot", "apt-get install driverctl" },
};

/* ---- running them --------------------------------------------------------------------- */

struct results {
	struct json_object *list;
	bool json;
	unsigned missing[DI_NEEDS];
};

static void run(struct results *res, const struct di_machine *m, const struct di_check *c)
{
	struct json_object *item = json_object_new_object();
	struct di_answer a = { 0 };
	enum di_state state;

	snprintf(a.fix, sizeof(a.fix), "%s", c->fix);
	state = c->look(m, &a);
	res->missing[c->need] += state == DI_MISSING;
	di_json_text(item, "check", c->name);
	di_json_text(item, "for", need_name[c->need]);
	if (state == DI_UNSEEN)
		di_json_text(item, "ok", NULL);
	else
		di_json_bool(item, "ok", state == DI_OK);
	di_json_text(item, "found", a.found);
	di_json_text(item, "why", c->why);
	di_json_text(item, "fix", state == DI_OK ? NULL : a.fix);
	json_object_array_add(res->list, item);
	if (res->json)
		return;
	printf("%-8s %-19s %-9s %s\n", state_name[state], c->name, need_name[c->need], a.found);
	if (state != DI_OK)
		printf("         to %s\n         fix: %s\n", c->why, a.fix);
}

static const char *hardware_text(const unsigned missing[DI_NEEDS])
{
	if (missing[DI_HARDWARE] || (missing[DI_CONTAINER] && missing[DI_IOMMUFD]))
		return "not ready, see above";
	if (missing[DI_CONTAINER])
		return "ready, by iommufd";
	return missing[DI_IOMMUFD] ? "ready, by container" : "ready, by iommufd or container";
}

static int conclude(struct results *res)
{
	const unsigned *missing = res->missing;
	struct json_object *o = json_object_new_object();
	bool hardware = !missing[DI_HARDWARE] && (!missing[DI_CONTAINER] || !missing[DI_IOMMUFD]);

	json_object_object_add(o, "checks", res->list);
	di_json_bool(o, "models_can_run", !missing[DI_MODELS]);
	di_json_bool(o, "hardware_can_run", hardware);
	if (res->json) {
		di_print_json(o);
	} else {
		json_object_put(o);
		printf("\nModels: %s. Hardware: %s.\n", missing[DI_MODELS] ? "cannot run" : "ready",
		       hardware_text(missing));
	}
	return missing[DI_MODELS] && !hardware ? -ENODEV : 0;
}

int di_doctor(const struct fl_vfio_roots *r, bool json)
{
	struct di_machine m = { .r = *r, .devs = calloc(DI_MAX_DEVS, sizeof(*m.devs)) };
	struct results res = { .json = json };
	int n = m.devs ? di_scan(r, m.devs, DI_MAX_DEVS) : -ENOMEM, ret;

	if (n < 0) {
		fprintf(stderr, "fl-devinfo: cannot list PCI devices: %s\n", strerror(-n));
		free(m.devs);
		return n;
	}
	m.ndevs = (unsigned)n;
	res.list = json_object_new_array();
	for (size_t i = 0; i < FL_ARRAY_SIZE(checks); i++)
		run(&res, &m, &checks[i]);
	for (unsigned i = 0; i < di_nvfio_checks; i++)
		run(&res, &m, &di_vfio_checks[i]);
	ret = conclude(&res);
	free(m.devs);
	return ret;
}
