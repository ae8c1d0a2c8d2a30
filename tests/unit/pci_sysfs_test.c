/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of PCI devices, in trees that a test makes: /sys and /dev of machines of all kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <fl_vfio.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NIC   "0000:01:00.0"
#define OTHER "0000:01:00.1"

static char root[] = "/tmp/fl-sysfs-XXXXXX", sysfs[64], devfs[64];
static const struct fl_vfio_roots roots = { sysfs, devfs };
static char text[1024];

/* ---- making trees --------------------------------------------------------------------- */

/** "sys/..." or "dev/..." under the root, its folders made. */
FL_PRINTF(2, 3) static void name(char out[PATH_MAX], const char *fmt, ...)
{
	int n = snprintf(out, PATH_MAX, "%s/", root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, PATH_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = out + n; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		if (mkdir(out, 0755))
			assert_int_equal(errno, EEXIST);
	}
}

static void put_bytes(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void put(const char *where, const char *what)
{
	char path[PATH_MAX];

	name(path, "%s", where);
	put_bytes(path, what, strlen(what));
}

static void folder(const char *where)
{
	char path[PATH_MAX];

	name(path, "%s/", where);
}

static void link_to(const char *where, const char *target)
{
	char path[PATH_MAX];

	name(path, "%s", where);
	if (unlink(path))
		assert_int_equal(errno, ENOENT);
	assert_int_equal(symlink(target, path), 0);
}

static void take(const char *where)
{
	char path[PATH_MAX];

	name(path, "%s", where);
	assert_int_equal(unlink(path), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static int wipe(void **state)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** Nothing is there. */
static void bare(void)
{
	assert_int_equal(wipe(NULL), 0);
	assert_int_equal(mkdir(root, 0755), 0);
}

/** A device, its driver (NULL = none) and group (-1 = none). */
static void device(const char *address, const char *driver, int group)
{
	char at[128], target[128];

	snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/numa_node", address);
	put(at, "1\n");
	if (driver) {
		snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/driver", address);
		snprintf(target, sizeof(target), "../../drivers/%s", driver);
		link_to(at, target);
		snprintf(at, sizeof(at), "sys/bus/pci/drivers/%s", driver);
		folder(at);
	}
	if (group < 0)
		return;
	snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/iommu_group", address);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", group);
	link_to(at, target);
	snprintf(at, sizeof(at), "sys/kernel/iommu_groups/%d/devices/%s", group, address);
	snprintf(target, sizeof(target), "../../../../bus/pci/devices/%s", address);
	link_to(at, target);
}

/** A machine with an IOMMU, VFIO loaded, and NIC ready in group 7 of its own. */
static int machine(void **state)
{
	snprintf(root, sizeof(root), "/tmp/fl-sysfs-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	snprintf(sysfs, sizeof(sysfs), "%s/sys", root);
	snprintf(devfs, sizeof(devfs), "%s/dev", root);
	device(NIC, "vfio-pci", 7);
	link_to("sys/bus/pci/devices/" NIC "/iommu", "../../virtual/iommu/dmar0");
	folder("sys/module/vfio_iommu_type1");
	folder("sys/module/vfio/parameters");
	put("dev/vfio/vfio", "");
	put("dev/vfio/7", "");
	return 0;
}

/** The same with iommufd; its group and container stay. */
static void with_iommufd(void)
{
	folder("sys/module/iommufd");
	put("sys/bus/pci/devices/" NIC "/vfio-dev/vfio3/dev", "511:3\n");
	put("dev/iommu", "");
	put("dev/vfio/devices/vfio3", "");
}

/* ---- asking --------------------------------------------------------------------------- */

static struct fl_vfio_pci look(void)
{
	struct fl_vfio_pci p;

	assert_int_equal(fl_vfio_pci_look(&roots, NIC, &p), 0);
	return p;
}

static bool obstacle(enum fl_vfio_backend backend)
{
	struct fl_vfio_pci p = look();
	bool is = fl_vfio_pci_obstacle(&roots, &p, backend, text, sizeof(text));

	assert_int_equal(is, *text != 0);
	assert_null(strchr(text, '\n'));
	if (is)
		assert_memory_equal(text, NIC, strlen(NIC));
	return is;
}

static void says(const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

#define assert_obstacle(backend, ...)                                      \
	do {                                                               \
		const char *parts[] = { __VA_ARGS__ };                     \
		assert_true(obstacle(backend));                            \
		for (size_t part = 0; part < FL_ARRAY_SIZE(parts); part++) \
			says(parts[part]);                                 \
	} while (0)

/* ---- tests ---------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
	static const char *const good[] = { NIC, "01:00.0", "0:1:0.0", "0000:01:00.0" };
	static const char *const bad[] = { "",
					   "01:00",
					   "01:00.8",
					   "01:20.0",
					   "01:00.0 ",
					   " 01:00.0",
					   "01:00.0/..",
					   "-1:00.0",
					   "0x1:00.0",
					   "01:00.0.0",
					   "123456789:1:0.0",
					   "../../x",
					   "0000:01:00.",
					   "100:00.0",
					   "1:2:3:4.0" };
	struct fl_vfio_pci p;

	for (size_t i = 0; i < FL_ARRAY_SIZE(good); i++) {
		assert_int_equal(fl_vfio_pci_look(&roots, good[i], &p), 0);
		assert_string_equal(p.address, NIC);
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fl_vfio_pci_look(&roots, bad[i], &p), -EINVAL);
	assert_int_equal(fl_vfio_pci_look(&roots, "02:00.0", &p), -ENODEV);
	device("10000:e1:1f.7", NULL, -1);
	assert_int_equal(fl_vfio_pci_look(&roots, "10000:E1:1F.7", &p), 0);
	assert_string_equal(p.address, "10000:e1:1f.7");
	assert_string_equal(p.driver, "");
}

static void test_ready(void **state)
{
	struct fl_vfio_pci p = look();

	assert_string_equal(p.driver, "vfio-pci");
	assert_string_equal(p.iommu, "dmar0");
	assert_string_equal(p.cdev, "");
	assert_string_equal(p.members, "");
	assert_int_equal(p.group, 7);
	assert_int_equal(p.node, 1);
	assert_true(p.viable);
	assert_false(p.noiommu);
	assert_false(obstacle(FL_VFIO_CONTAINER));
	assert_false(obstacle(FL_VFIO_AUTO));
}

static void test_no_iommu(void **state)
{
	take("sys/bus/pci/devices/" NIC "/iommu_group");
	assert_obstacle(FL_VFIO_AUTO, "in no IOMMU group, though others are");
	bare();
	device(NIC, "e1000e", -1);
	assert_obstacle(FL_VFIO_AUTO, "firmware", "intel_iommu=on", "iommu=noiommu");
	put("sys/firmware/acpi/tables/IVRS", "");
	assert_obstacle(FL_VFIO_CONTAINER, "AMD-Vi is there but off", "update-grub");
	put("sys/firmware/acpi/tables/DMAR", "");
	assert_obstacle(FL_VFIO_IOMMUFD, "Intel VT-d is there but off", "intel_iommu=on",
			"/etc/default/grub", "update-grub");
}

static void test_bound_to_another(void **state)
{
	device(NIC, "e1000e", 7);
	assert_obstacle(FL_VFIO_AUTO, "is bound to e1000e, not to vfio-pci",
			"`driverctl set-override " NIC " vfio-pci`");
	folder("sys/bus/pci/devices/" NIC "/net/enp1s0");
	assert_obstacle(FL_VFIO_AUTO, "e1000e (which is enp1s0 and would go)");
	take("sys/bus/pci/devices/" NIC "/driver");
	assert_obstacle(FL_VFIO_IOMMUFD, "is bound to no driver");
	bare();
	device(NIC, NULL, 7);
	assert_obstacle(FL_VFIO_AUTO,
			"`modprobe vfio-pci && driverctl set-override " NIC " vfio-pci`");
}

static void test_variants_of_vfio(void **state)
{
	static const char *const drivers[] = { "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci" };

	for (size_t i = 0; i < FL_ARRAY_SIZE(drivers); i++) {
		device(NIC, drivers[i], 7);
		assert_false(obstacle(FL_VFIO_CONTAINER));
	}
	device(NIC, "vfio_pci_not", 7);
	assert_true(obstacle(FL_VFIO_CONTAINER));
}

static void test_group(void **state)
{
	struct fl_vfio_pci p;

	device("0000:00:01.0", "pcieport", 7);
	device(OTHER, NULL, 7);
	device("0000:01:00.2", "pci-stub", 7);
	device("0000:01:00.3", "vfio-pci", 7);
	p = look();
	assert_true(p.viable);
	assert_string_equal(p.members, "0000:00:01.0 (pcieport), 0000:01:00.1 (no driver), "
				       "0000:01:00.2 (pci-stub), 0000:01:00.3 (vfio-pci)");
	assert_false(obstacle(FL_VFIO_CONTAINER));

	device(OTHER, "snd_hda_intel", 7);
	device("0000:01:00.4", "ahci", 7);
	assert_false(look().viable);
	assert_obstacle(FL_VFIO_AUTO, "IOMMU group 7", "0000:01:00.1 (snd_hda_intel)",
			"0000:01:00.4 (ahci)",
			"`driverctl set-override 0000:01:00.1 vfio-pci; driverctl set-override "
			"0000:01:00.4 vfio-pci`");
	assert_null(strstr(text, "pcieport"));

	/* vfio-pci would not take a bridge */
	device("0000:00:06.0", "shpchp", 7);
	put("sys/bus/pci/devices/0000:00:06.0/class", "0x060400\n");
	assert_obstacle(FL_VFIO_AUTO, "`driverctl set-override 0000:00:06.0 none; driverctl "
				      "set-override 0000:01:00.1 vfio-pci");
}

static void test_member_that_is_no_pci_device(void **state)
{
	link_to("sys/kernel/iommu_groups/7/devices/serial8250.0",
		"../../../../bus/platform/devices/serial8250.0");
	link_to("sys/bus/platform/devices/serial8250.0/driver", "../../drivers/serial8250");
	assert_obstacle(FL_VFIO_CONTAINER, "serial8250.0 (serial8250)", "whole: move the card");
}

static void test_a_crowd(void **state)
{
	struct fl_vfio_pci p;
	char address[16];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(address, sizeof(address), "0000:%02x:%02x.%u", 2 + i / 200, i / 8, i % 8);
		device(address, "nvme", 7);
	}
	p = look();
	assert_false(p.viable);
	assert_string_equal(p.members + strlen(p.members) - 3, "...");
	assert_obstacle(FL_VFIO_CONTAINER, "0000:02:00.0 (nvme)", "...", "`, or move the card");
	assert_true(strlen(text) < 1000);
	assert_true(fl_vfio_pci_obstacle(&roots, &p, FL_VFIO_AUTO, text, 20));
	assert_int_equal(strlen(text), 19);
	assert_true(fl_vfio_pci_obstacle(&roots, &p, FL_VFIO_AUTO, text, 0));
}

static void test_nodes(void **state)
{
	take("dev/vfio/7");
	assert_obstacle(FL_VFIO_CONTAINER, "dev/vfio/7 is not there", "CONFIG_VFIO_GROUP");
	take("dev/vfio/vfio");
	assert_obstacle(FL_VFIO_AUTO, "dev/vfio/vfio", "not there", "`modprobe vfio`");
	with_iommufd();
	assert_false(obstacle(FL_VFIO_AUTO));
	take("dev/vfio/devices/vfio3");
	assert_obstacle(FL_VFIO_AUTO, "dev/vfio/devices/vfio3");
}

static void test_type1_is_not_loaded(void **state)
{
	char path[PATH_MAX];

	name(path, "sys/module/vfio_iommu_type1");
	assert_int_equal(rmdir(path), 0);
	assert_obstacle(FL_VFIO_CONTAINER, "`modprobe vfio_iommu_type1`");
	folder("sys/module/iommufd"); /* may be what answers as /dev/vfio/vfio */
	assert_false(obstacle(FL_VFIO_CONTAINER));
}

static void test_iommufd(void **state)
{
	struct fl_vfio_pci p;

	assert_obstacle(FL_VFIO_IOMMUFD, "/iommu, which is not there", "`modprobe iommufd`",
			"iommu=container");
	put("dev/iommu", "");
	folder("sys/bus/pci/devices/" NIC "/vfio-dev/vfio3"); /* known, but without a cdev */
	assert_string_equal(look().cdev, "");
	assert_obstacle(FL_VFIO_IOMMUFD, "Linux 6.6", "CONFIG_VFIO_DEVICE_CDEV");
	assert_false(obstacle(FL_VFIO_AUTO));
	with_iommufd();
	p = look();
	assert_string_equal(p.cdev, "vfio3");
	assert_false(obstacle(FL_VFIO_IOMMUFD));
}

static void test_without_iommu(void **state)
{
	char path[PATH_MAX];

	assert_obstacle(FL_VFIO_NOIOMMU, "stands behind an IOMMU (group 7)");
	put("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
	with_iommufd();
	assert_true(look().noiommu);
	assert_string_equal(look().cdev, "");
	assert_obstacle(FL_VFIO_AUTO, "all memory", "iommu=noiommu");
	assert_obstacle(FL_VFIO_CONTAINER, "all memory");
	assert_obstacle(FL_VFIO_NOIOMMU, "dev/vfio/noiommu-7");
	put("dev/vfio/noiommu-7", "");
	assert_false(obstacle(FL_VFIO_NOIOMMU));

	take("sys/bus/pci/devices/" NIC "/iommu_group");
	device(NIC, "e1000e", -1);
	assert_obstacle(FL_VFIO_NOIOMMU, "CONFIG_VFIO_NOIOMMU");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	assert_obstacle(FL_VFIO_NOIOMMU, "`echo 1 > /sys/module/vfio/parameters/");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	assert_obstacle(FL_VFIO_NOIOMMU, "is bound to e1000e");
	take("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	name(path, "sys/module/vfio/parameters");
	assert_int_equal(rmdir(path), 0);
	name(path, "sys/module/vfio");
	assert_int_equal(rmdir(path), 0);
	assert_obstacle(FL_VFIO_NOIOMMU, "`modprobe vfio enable_unsafe_noiommu_mode=1 && ");
}

static const struct {
	const char *node, *rule;
	enum fl_vfio_backend backend;
} nodes[] = {
	{ "dev/vfio/vfio", "'KERNEL==\"vfio\", SUBSYSTEM==\"misc\", OWNER=", FL_VFIO_CONTAINER },
	{ "dev/vfio/7", "'SUBSYSTEM==\"vfio\", OWNER=", FL_VFIO_CONTAINER },
	{ "dev/iommu", "'KERNEL==\"iommu\", SUBSYSTEM==\"misc\", OWNER=", FL_VFIO_IOMMUFD },
	{ "dev/vfio/devices/vfio3", "'SUBSYSTEM==\"vfio-dev\", OWNER=", FL_VFIO_IOMMUFD },
};

/** Looks as an ordinary user; 0 = the text is right. */
static int look_as_nobody(size_t i)
{
	char chown[PATH_MAX + 32];
	struct fl_vfio_pci p;

	if (!geteuid() && setuid(65534))
		return 1;
	snprintf(chown, sizeof(chown), "`chown %u %s/%s`", geteuid(), root, nodes[i].node);
	if (fl_vfio_pci_look(&roots, NIC, &p) ||
	    !fl_vfio_pci_obstacle(&roots, &p, nodes[i].backend, text, sizeof(text)))
		return 2;
	return strstr(text, chown) && strstr(text, nodes[i].rule) &&
			       strstr(text, "udevadm trigger --subsystem-match=")
		       ? 0
		       : 3;
}

static void test_no_permission(void **state)
{
	char path[PATH_MAX];
	int status;
	pid_t pid;

	with_iommufd();
	for (size_t i = 0; i < FL_ARRAY_SIZE(nodes); i++) {
		name(path, "%s", nodes[i].node);
		assert_int_equal(chmod(path, 0666), 0);
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(nodes); i++) {
		name(path, "%s", nodes[i].node);
		assert_int_equal(chmod(path, 0400), 0);
		pid = fork();
		if (!pid)
			_exit(look_as_nobody(i));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(chmod(path, 0666), 0);
	}
}

static void test_hostile(void **state)
{
	static const char *const links[] = { "driver", "iommu", "iommu_group" };
	char at[128], path[PATH_MAX], target[2000];
	struct fl_vfio_pci p;

	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	for (size_t i = 0; i < FL_ARRAY_SIZE(links); i++) {
		snprintf(at, sizeof(at), "sys/bus/pci/devices/" NIC "/%s", links[i]);
		link_to(at, target);
	}
	name(path, "sys/bus/pci/devices/" NIC "/numa_node");
	put_bytes(path, "\xff\0\n\x1b[2J", 7);
	p = look();
	assert_int_equal(strlen(p.driver), sizeof(p.driver) - 1);
	assert_int_equal(strlen(p.iommu), sizeof(p.iommu) - 1);
	assert_int_equal(p.group, -1);
	assert_int_equal(p.node, -1);
	assert_true(obstacle(FL_VFIO_AUTO));

	link_to("sys/bus/pci/devices/" NIC "/driver", "../\x1b[2Jevil\xc3\n");
	link_to("sys/bus/pci/devices/" NIC "/iommu_group", "99999999999999999999");
	p = look();
	assert_string_equal(p.driver, "?[2Jevil??");
	assert_int_equal(p.group, -1);
	link_to("sys/bus/pci/devices/" NIC "/iommu_group", "7x");
	assert_int_equal(look().group, -1);

	/* a fifo in the place of a file is not waited for, a folder is no file */
	take("sys/bus/pci/devices/" NIC "/numa_node");
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(look().node, -1);
	assert_int_equal(unlink(path), 0);
	folder("sys/bus/pci/devices/" NIC "/numa_node");
	assert_int_equal(look().node, -1);

	/* names that are not the kernel's */
	folder("sys/bus/pci/devices/" NIC "/vfio-dev/vfio");
	folder("sys/bus/pci/devices/" NIC "/vfio-dev/vfio1/../vfio-2/dev");
	put("sys/bus/pci/devices/" NIC "/vfio-dev/vfio0000000000000000000000000000000000001/dev",
	    "");
	assert_string_equal(look().cdev, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, machine, wipe)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses),
		TEST(test_ready),
		TEST(test_no_iommu),
		TEST(test_bound_to_another),
		TEST(test_variants_of_vfio),
		TEST(test_group),
		TEST(test_member_that_is_no_pci_device),
		TEST(test_a_crowd),
		TEST(test_nodes),
		TEST(test_type1_is_not_loaded),
		TEST(test_iommufd),
		TEST(test_without_iommu),
		TEST(test_no_permission),
		TEST(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
