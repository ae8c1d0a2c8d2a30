/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups: opened, put into a container, shared by their devices. */
#include "container_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fl_vk_group *find_group(const struct fl_vfio_kernel *k, int id)
{
	for (const struct fl_vk_ctnr *c = k->containers; c; c = c->next)
		for (struct fl_vk_group *g = c->groups; g; g = g->next)
			if (g->id == id)
				return g;
	return NULL;
}

int fl_vk_group_fd(const struct fl_vfio_kernel *k, int group)
{
	const struct fl_vk_group *g = find_group(k, group);

	return g ? g->fd : -1;
}

/* ---- opening a group ------------------------------------------------------------------ */

static int open_quietly(const struct fl_vk_dev *d, const char *name, char **path)
{
	int fd;

	if (asprintf(path, "%s/vfio/%s", d->k->dev, name) < 0) {
		*path = NULL;
		return -ENOMEM;
	}
	fd = open(*path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_node(const struct fl_vk_dev *d, const char *name)
{
	char *path;
	int fd = open_quietly(d, name, &path);

	if (fd == -EBUSY)
		fl_err(d->k->log, "vfio",
		       "%s: %s is in use, which one process can be at a time: `fuser -v %s` names it",
		       d->pci.address, path, path);
	else if (fd == -EPERM && d->pci.noiommu) /* whatever the file's mode is */
		fl_vk_ctnr_refused(d, path, fd);
	else if (fd < 0 && path)
		fl_vk_refused(d, path, fd);
	free(path);
	return fd;
}

static int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static const char *group_name(const struct fl_vk_dev *d, char *buf, size_t size)
{
	snprintf(buf, size, "%s%d", d->pci.noiommu ? "noiommu-" : "", d->pci.group);
	return buf;
}

static int open_group(struct fl_vk_dev *d)
{
	char name[32];

	if (d->how.group_fd >= 0)
		return take_fd(&d->how.group_fd);
	return open_node(d, group_name(d, name, sizeof(name)));
}

static int open_container(struct fl_vk_dev *d)
{
	if (d->how.container_fd >= 0)
		return take_fd(&d->how.container_fd);
	return open_node(d, "vfio");
}

static int check_status(const struct fl_vk_dev *d, int fd)
{
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int rc = fl_vk_ioctl(fd, VFIO_GROUP_GET_STATUS, &st);

	if (rc < 0) {
		fl_err(d->k->log, "vfio", "%s: status of group %d: %s%s", d->pci.address,
		       d->pci.group, strerror(-rc),
		       rc == -ENOTTY ? "; the file handed in is no VFIO group" : "");
		return rc;
	}
	if (!(st.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		fl_vk_refused(d, "its group is not viable", -EBUSY);
		return -EBUSY;
	}
	if (st.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) {
		fl_err(d->k->log, "vfio",
		       "%s: group %d is in a container already: hand in the file of a group that is in none",
		       d->pci.address, d->pci.group);
		return -EBUSY;
	}
	return 0;
}

/* ---- what a container would do ---------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* By a group that is opened for this, or that an opener hands out (and is kept, if so). */
static bool group_would_fault(struct fl_vk_dev *d, int container)
{
	bool would = false;
	char name[32], *path = NULL;
	int fd;

	if (d->how.opener)
		fd = fl_vk_ask_opener(d, FL_VFIO_CONTAINER) ? -1 : d->how.group_fd;
	else
		fd = open_quietly(d, group_name(d, name, sizeof(name)), &path);
	free(path);
	if (fd >= 0)
		would = fl_vk_ctnr_would_fault(d, container, fd);
	if (!d->how.opener) {
		close_fd(&fd);
	} else if (!would) {
		close_fd(&d->how.group_fd);
		close_fd(&d->how.container_fd);
	}
	return would;
}

bool fl_vk_container_would_fault(struct fl_vk_dev *d)
{
	char *path;
	int fd = open_quietly(d, "vfio", &path);
	bool would = fd >= 0 && fl_vk_ctnr_knows_faults(d, fd) && group_would_fault(d, fd);

	free(path);
	close_fd(&fd);
	return would;
}

/* ---- joining a container -------------------------------------------------------------- */

/* A group has left: the others reach more now. */
static void check_again(const struct fl_vk_ctnr *c)
{
	if (fl_dma_domain_check(c->domain))
		fl_warn(c->k->log, "vfio", "container: its windows could not be read again");
}

static void leave(const struct fl_vk_dev *d, int group_fd)
{
	int rc = fl_vk_ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER, NULL);

	/* the kernel has taken it out already, when its last device waited to go: -EINVAL */
	if (rc < 0 && rc != -EINVAL)
		fl_warn(d->k->log, "vfio", "group %d does not leave its container: %s",
			d->pci.group, strerror(-rc));
}

/* 0 = joined; -EAGAIN = the kernel would not, with another container it may. */
static int join_one(struct fl_vk_dev *d, struct fl_vk_ctnr *c, int group_fd)
{
	int rc = fl_vk_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &c->fd);

	if (rc == -EPERM || rc == -EACCES) {
		fl_vk_ctnr_refused(d, "joining its container", rc);
		return rc;
	}
	if (rc < 0) {
		fl_info(d->k->log, "vfio", "%s: group %d does not fit a container that is open: %s",
			d->pci.address, d->pci.group, strerror(-rc));
		return -EAGAIN;
	}
	/* what all its groups reach is less than what the others did */
	rc = fl_dma_domain_check(c->domain);
	if (!rc && c->faults && !fl_vk_type1_ready(c->fd))
		rc = -EAGAIN; /* lazy memory that is to come would have to be pinned for all */
	if (rc) {
		leave(d, group_fd);
		check_again(c);
	}
	return rc;
}

/* A container of this kind that takes the group; -EAGAIN = none does. */
static int join_any(struct fl_vk_dev *d, int group_fd, bool faults, struct fl_vk_ctnr **out)
{
	int rc = -EAGAIN;

	for (struct fl_vk_ctnr *c = d->k->containers; c && rc == -EAGAIN; c = c->next) {
		if (c->noiommu != d->pci.noiommu || c->faults != faults)
			continue;
		rc = join_one(d, c, group_fd);
		*out = c;
	}
	return rc;
}

/*
 * Whether it would fault in a container of its own: 1 or 0; negative: none can be had to see that,
 * or there is none to share. Who cannot fault is let into none of those that do, not even for a
 * try: lazy memory that is mapped or let go meanwhile would be refused.
 */
static int faults_alone(struct fl_vk_dev *d, int group_fd)
{
	const struct fl_vk_ctnr *c = d->k->containers;
	int fd = d->how.container_fd, faults;
	char *path = NULL;

	while (c && c->noiommu)
		c = c->next;
	if (!c)
		return -ENOENT;
	if (!fl_vk_ctnr_knows_faults(d, c->fd))
		return 0;
	if (fd < 0)
		fd = open_quietly(d, "vfio", &path);
	free(path);
	if (fd < 0)
		return fd;
	faults = fl_vk_ctnr_would_fault(d, fd, group_fd);
	if (fd != d->how.container_fd)
		close(fd);
	return faults;
}

/*
 * Groups that fault share containers among themselves, and so do the others: one that cannot fault
 * would have all lazy memory of its container pinned.
 */
static int join(struct fl_vk_dev *d, int group_fd, struct fl_vk_ctnr **out)
{
	const int faults = faults_alone(d, group_fd);
	struct fl_vfio_kernel *k = d->k;
	int rc, fd;

	rc = faults ? join_any(d, group_fd, true, out) : -EAGAIN;
	if (rc == -EAGAIN && faults <= 0)
		rc = join_any(d, group_fd, false, out);
	if (rc != -EAGAIN)
		return rc;
	fd = open_container(d);
	if (fd < 0)
		return fd;
	rc = fl_vk_ctnr_create(d, fd, group_fd, out);
	if (rc)
		return rc;
	(*out)->next = k->containers;
	k->containers = *out;
	return 0;
}

static void forget_container(struct fl_vk_ctnr *c)
{
	struct fl_vk_ctnr **p = &c->k->containers;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	fl_vk_ctnr_destroy(c);
}

/* ---- a group's life ------------------------------------------------------------------- */

static int new_group(struct fl_vk_dev *d, struct fl_vk_group **out)
{
	struct fl_vk_group *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	g->id = d->pci.group;
	g->fd = open_group(d);
	rc = g->fd < 0 ? g->fd : check_status(d, g->fd);
	if (!rc)
		rc = join(d, g->fd, &g->c);
	if (rc) {
		if (g->fd >= 0)
			close(g->fd);
		free(g);
		return rc;
	}
	g->next = g->c->groups;
	g->c->groups = g;
	*out = g;
	return 0;
}

/* The last device out takes the group out of the container, the last group ends the container. */
static void end_group(const struct fl_vk_dev *d, struct fl_vk_group *g)
{
	struct fl_vk_ctnr *c = g->c;
	struct fl_vk_group **p = &c->groups;

	while (*p != g)
		p = &(*p)->next;
	*p = g->next;
	/* mappings go by our own hand while they can: who handed the files in may hold them still
	 */
	if (!c->groups)
		fl_vk_ctnr_leave_space(c);
	leave(d, g->fd);
	close(g->fd);
	free(g);
	if (!c->groups)
		forget_container(c);
	else
		check_again(c);
}

/* ---- the backend ---------------------------------------------------------------------- */

/* Without IOMMU only where that is asked for by name. */
static int check_kind(const struct fl_vk_dev *d)
{
	if (d->pci.group >= 0 && d->pci.noiommu == (d->how.backend == FL_VFIO_NOIOMMU))
		return 0;
	fl_vk_refused(d, NULL, -EOPNOTSUPP);
	return -EOPNOTSUPP;
}

static int device_fd(const struct fl_vk_dev *d, const struct fl_vk_group *g)
{
	int fd = fl_vk_ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, (void *)d->pci.address);

	if (fd < 0)
		fl_err(d->k->log, "vfio",
		       "%s: the kernel does not give the device out of group %d: %s%s",
		       d->pci.address, g->id, strerror(-fd),
		       fd == -ENODEV
			       ? "; is it bound to vfio-pci still, and the group's file, if handed in, its own?"
		       : fd == -EACCES ? "; a virtual function whose physical one asks for a token"
		       : fd == -EBUSY  ? "; it is open elsewhere"
				       : "");
	return fd;
}

static int ctnr_attach(struct fl_vk_dev *d)
{
	struct fl_vk_group *g = find_group(d->k, d->pci.group);
	int rc, fd;

	rc = check_kind(d);
	if (!rc && !g && d->how.group_fd < 0 && d->how.opener)
		rc = fl_vk_ask_opener(d, d->pci.noiommu ? FL_VFIO_NOIOMMU : FL_VFIO_CONTAINER);
	if (!rc && !g)
		rc = new_group(d, &g);
	if (rc)
		return rc;
	fd = device_fd(d, g);
	if (fd < 0) {
		if (!g->ndevs)
			end_group(d, g);
		return fd;
	}
	d->fd = fd;
	d->group = g;
	d->dev.faults = g->c->faults;
	if (!d->how.no_faults)
		d->posted_because =
			fl_vk_ctnr_knows_faults(d, g->c->fd)
				? "device and IOMMU take no recoverable faults together (PCIe ATS and PRI, or SMMU stall)"
				: "this kernel's type1 maps nothing on faults (kernel-patches make it)";
	g->ndevs++;
	return 0;
}

static void ctnr_detach(struct fl_vk_dev *d)
{
	struct fl_vk_group *g = d->group;

	/* an unbind that waits for this takes the group out at once, and all that was counted */
	if (g->c->faults && g->ndevs == 1 && g->c->groups == g && !g->next)
		fl_vk_ctnr_leave_space(g->c);
	close(d->fd);
	d->fd = -1;
	d->group = NULL;
	if (!--g->ndevs)
		end_group(d, g);
}

const struct fl_vk_backend fl_vk_container = {
	.name = "container",
	.attach = ctnr_attach,
	.detach = ctnr_detach,
	.resolver = "the kernel: nothing of it is pinned",
};
