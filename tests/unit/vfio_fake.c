/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree, its files and their descriptors. The answers to ioctls are in vfio_fake_ioctl.c. */
#include "vfio_fake_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

struct fake fake;
struct fake_fd fake_fd_table[FAKE_FDS];
static char root[48];
static bool on;

/* ---- log ------------------------------------------------------------------------------ */

static void log_write(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	size_t at = strlen(fake.log);

	snprintf(fake.log + at, sizeof(fake.log) - at, "%s %s: %s\n", fl_log_level_name(level),
		 component, msg);
}

const struct fl_log fake_log = { .write = log_write, .level = FL_LOG_INFO };

bool fake_logged(const char *text)
{
	if (strstr(fake.log, text))
		return true;
	print_message("not logged: %s\nbut:\n%s", text, fake.log);
	return false;
}

unsigned fake_log_lines(const char *text)
{
	unsigned n = 0;

	for (const char *p = fake.log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/* ---- the tree ------------------------------------------------------------------------- */

FL_PRINTF(1, 2) static char *in_tree(const char *fmt, ...)
{
	static char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

static void make_parents(char *path)
{
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		assert_true(!mkdir(path, 0755) || errno == EEXIST);
		*p = '/';
	}
}

void fake_file(const char *path, const char *text)
{
	char *full = in_tree("%s", path);
	FILE *f;

	make_parents(full);
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_link(const char *target, char *path)
{
	make_parents(path);
	assert_int_equal(symlink(target, path), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void fake_remove(const char *path)
{
	nftw(in_tree("%s", path), remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct fake_group *fake_group(int id)
{
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		if (fake.groups[i].id == id)
			return &fake.groups[i];
	return NULL;
}

static struct fake_group *add_group(int id)
{
	struct fake_group *g = fake_group(-1);
	char name[32];

	assert_non_null(g);
	*g = (struct fake_group){ .id = id,
				  .viable = true,
				  .windows = { { 0, 0xfedfffff },
					       { 0xfef00000, (1ull << 39) - 1 } },
				  .nwindows = 2 };
	snprintf(name, sizeof(name), "dev/vfio/%d", id);
	fake_file(name, "");
	return g;
}

void fake_noiommu(int id)
{
	char path[64];

	fake_group(id)->noiommu = true;
	snprintf(path, sizeof(path), "dev/vfio/%d", id);
	fake_remove(path);
	snprintf(path, sizeof(path), "dev/vfio/noiommu-%d", id);
	fake_file(path, "");
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/name", id);
	fake_file(path, "vfio-noiommu\n");
}

void fake_bind(const struct fake_dev *d, const char *driver)
{
	char target[96];

	unlink(in_tree("sys/bus/pci/devices/%s/driver", d->address));
	if (!*driver)
		return;
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	make_link(target, in_tree("sys/bus/pci/devices/%s/driver", d->address));
}

static void make_memory(struct fake_dev *d)
{
	/* vendor, device, ..., header type 0 */
	static const uint8_t config[16] = { 0x86, 0x80, 0xd3, 0x10 };
	char name[32];

	snprintf(name, sizeof(name), "vfio:%s", d->address);
	d->memfd = memfd_create(name, MFD_CLOEXEC);
	assert_true(d->memfd >= 0);
	assert_int_equal(ftruncate(d->memfd, FAKE_REGION(VFIO_PCI_NUM_REGIONS)), 0);
	assert_int_equal(
		pwrite(d->memfd, config, sizeof(config), FAKE_REGION(VFIO_PCI_CONFIG_REGION_INDEX)),
		sizeof(config));
}

struct fake_dev *fake_add(const char *address, int group, const char *driver)
{
	struct fake_dev *d = &fake.devs[fake.ndevs++];
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	char target[96];

	assert_true(fake.ndevs <= FAKE_DEVS);
	*d = (struct fake_dev){ .g = fake_group(group), .resettable = true };
	snprintf(d->address, sizeof(d->address), "%s", address);
	if (!d->g)
		d->g = add_group(group);
	d->region_size[0] = 0x20000;
	d->region_flags[0] = rw | VFIO_REGION_INFO_FLAG_MMAP;
	d->region_size[VFIO_PCI_CONFIG_REGION_INDEX] = 4096;
	d->region_flags[VFIO_PCI_CONFIG_REGION_INDEX] = rw;
	d->irq_count[VFIO_PCI_INTX_IRQ_INDEX] = d->irq_count[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	d->irq_count[VFIO_PCI_MSIX_IRQ_INDEX] = 5;
	d->irq_count[VFIO_PCI_ERR_IRQ_INDEX] = d->irq_count[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		d->irq_flags[i] = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
		for (unsigned v = 0; v < FAKE_VECS; v++)
			d->vec_fd[i][v] = -1;
	}
	d->irq_flags[VFIO_PCI_INTX_IRQ_INDEX] =
		VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	make_memory(d);

	snprintf(target, sizeof(target), "sys/bus/pci/devices/%s/numa_node", address);
	fake_file(target, "-1\n");
	fake_bind(d, driver);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", group);
	make_link(target, in_tree("sys/bus/pci/devices/%s/iommu_group", address));
	snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s", address);
	make_link(target, in_tree("sys/kernel/iommu_groups/%d/devices/%s", group, address));
	return d;
}

void fake_iommufd(const struct fake_dev *d, unsigned number)
{
	char name[96], text[24];

	fake_file("dev/iommu", "");
	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/vfio-dev/vfio%u/dev", d->address,
		 number);
	snprintf(text, sizeof(text), "%u:%u\n", FAKE_CDEV_MAJOR, number);
	fake_file(name, text);
	snprintf(name, sizeof(name), "dev/vfio/devices/vfio%u", number);
	fake_file(name, d->address);
}

/* ---- descriptors ---------------------------------------------------------------------- */

void fake_fd_add(int fd, enum fake_kind kind, void *obj, const char *name)
{
	struct fake_fd *f = &fake_fd_table[fd];

	assert_true(fd >= 0 && fd < FAKE_FDS);
	f->kind = kind;
	f->obj = obj;
	snprintf(f->name, sizeof(f->name), "%s", name);
}

void fake_watch(int fd, const char *name)
{
	fake_fd_add(fd, FAKE_OTHER, NULL, name);
}

struct fake_fd *fake_fd_of(int fd)
{
	return fd >= 0 && fd < FAKE_FDS && fake_fd_table[fd].kind ? &fake_fd_table[fd] : NULL;
}

bool fake_fails(void)
{
	if (++fake.calls != fake.fail_at)
		return false;
	errno = fake.fail_errno;
	return true;
}

static int new_container(int fd)
{
	for (unsigned i = 0; i < FAKE_CTNRS; i++) {
		struct fake_ctnr *c = &fake.ctnrs[i];

		if (c->fd)
			continue;
		*c = (struct fake_ctnr){ .fd = fd, .avail = fake.entry_limit };
		fake_fd_add(fd, FAKE_CTNR, c, "vfio");
		return fd;
	}
	fail_msg("too many containers");
	return -1;
}

/* The node says whose it is; what is read and mapped from now on is the device's memory. */
static int new_cdev(int fd, const char *name)
{
	char address[16] = "";

	assert_true(read(fd, address, sizeof(address) - 1) > 0);
	for (unsigned i = 0; i < fake.ndevs; i++) {
		struct fake_dev *d = &fake.devs[i];

		if (strcmp(d->address, address))
			continue;
		assert_int_equal(dup3(d->memfd, fd, O_CLOEXEC), fd);
		fake_fd_add(fd, FAKE_CDEV, d, name);
		return fd;
	}
	fail_msg("%s: no device %s", name, address);
	return -1;
}

/* `name` is the node's, under dev. */
static int opened(int fd, const char *name)
{
	struct fake_group *g;
	const char *number = strrchr(name, '/');

	if (!strcmp(name, "vfio/vfio"))
		return new_container(fd);
	if (!strcmp(name, "iommu")) {
		fake_fd_add(fd, FAKE_IOMMU, NULL, name);
		return fd;
	}
	if (!strncmp(name, "vfio/devices/", 13))
		return new_cdev(fd, name);
	number = strstr(name, "noiommu-") ? strstr(name, "noiommu-") + 8 : number + 1;
	g = strncmp(name, "vfio/", 5) || !*number ? NULL : fake_group(atoi(number));
	if (!g || strchr(name + 5, '/')) {
		fake_fd_add(fd, FAKE_OTHER, NULL, name);
		return fd;
	}
	if (g->fd) {
		__real_close(fd);
		errno = EBUSY;
		return -1;
	}
	g->fd = fd;
	fake_fd_add(fd, FAKE_GROUP, g, name);
	return fd;
}

static int open_either(const char *path, int flags, mode_t mode)
{
	size_t len = strlen(fake.dev);
	bool node = on && !strncmp(path, fake.dev, len) && path[len] == '/';
	int fd;

	if (node && fake_fails())
		return -1;
	fd = __real_open64(path, flags, mode);
	return fd < 0 || !node ? fd : opened(fd, path + len + 1);
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_either(path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_either(path, flags, mode);
}

static void close_device(struct fake_dev *d)
{
	for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		fake_irqs_off(d, i);
	if (--d->g->users || !fake.unbinding)
		return;
	if (fake.slowly) {
		d->g->c->nmaps = 0;
		d->g->c->leaving = d->g;
	} else {
		(void)fake_unset_container(d->g);
	}
}

int __wrap_close(int fd)
{
	struct fake_fd *f = fake_fd_of(fd), was;

	if (f) {
		fake_lock();
		was = *f;
		f->kind = FAKE_NONE;
		if (was.kind == FAKE_DEV)
			close_device(was.obj);
		else if (was.kind == FAKE_GROUP)
			fake_group_closed(was.obj);
		else if (was.kind == FAKE_CTNR)
			fake_ctnr_closed(was.obj);
		else if (was.kind == FAKE_CDEV)
			fake_cdev_closed(was.obj);
		else if (was.kind == FAKE_IOMMU)
			fake_iommu_closed();
		else if (was.kind == FAKE_QUEUE)
			fake_queue_closed(was.obj);
		else if (fake.other_close)
			fake.other_close(fd, was.name);
		fake_unlock();
	}
	return __real_close(fd);
}

static void number_cdev(int fd, dev_t *rdev)
{
	const struct fake_fd *f = fake_fd_of(fd);
	unsigned number;

	if (f && f->kind == FAKE_CDEV && sscanf(f->name, "vfio/devices/vfio%u", &number) == 1)
		*rdev = makedev(FAKE_CDEV_MAJOR, number);
}

int __wrap_fstat(int fd, struct stat *st)
{
	int rc = __real_fstat(fd, st);

	number_cdev(fd, &st->st_rdev);
	return rc;
}

int __wrap_fstat64(int fd, struct stat *st)
{
	int rc = __real_fstat64(fd, st);

	number_cdev(fd, &st->st_rdev);
	return rc;
}

/* ---- counting, beginning and end ------------------------------------------------------ */

unsigned fake_maps(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_CTNRS; i++)
		n += fake.ctnrs[i].nmaps;
	for (unsigned i = 0; i < FAKE_IOASES; i++)
		n += fake.ioases[i].nmaps;
	return n;
}

unsigned fake_containers(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_CTNRS; i++)
		n += fake.ctnrs[i].fd != 0;
	return n;
}

unsigned fake_objects(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_IOASES; i++)
		n += fake.ioases[i].id != 0;
	for (unsigned i = 0; i < FAKE_HWPTS; i++)
		n += fake.hwpts[i].id != 0;
	for (unsigned i = 0; i < FAKE_QUEUES; i++)
		n += fake.queues[i].id != 0;
	return n;
}

unsigned fake_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3 - fake.ndevs;
}

static unsigned fds_before;

void fake_setup(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(fake_fd_table, 0, sizeof(fake_fd_table));
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		fake.groups[i].id = -1;
	fake.entry_limit = 65535;
	fake.page_sizes = 0x40201000;
	fake.dirty_bitmap_max = 1u << 28;
	snprintf(root, sizeof(root), "/tmp/fl-vfio-fake-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(fake.sys, sizeof(fake.sys), "%s/sys", root);
	snprintf(fake.dev, sizeof(fake.dev), "%s/dev", root);
	fake.roots = (struct fl_vfio_roots){ fake.sys, fake.dev };
	fake_file("dev/vfio/vfio", "");
	fake_file("sys/bus/pci/drivers/vfio-pci/module", "");
	fake_file("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "65535\n");
	on = true;
	fds_before = fake_fds();
}

void fake_teardown(void)
{
	on = false;
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(fake_containers(), 0);
	assert_int_equal(fake_objects(), 0);
	assert_int_equal(fake_fds(), fds_before);
	for (unsigned i = 0; i < fake.ndevs; i++)
		__real_close(fake.devs[i].memfd);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
