/* SPDX-License-Identifier: BSD-3-Clause */
/* URIs of kernel devices: what is taken, and what each refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <dev_internal.h>

static char text[1024];

static void sink(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	snprintf(text, sizeof(text), "%s", msg);
}

static const struct fl_log log_ = { .level = FL_LOG_DEBUG, .write = sink };

static struct fl_pci_uri good(const char *uri)
{
	struct fl_pci_uri u;

	text[0] = 0;
	if (fl_uri_pci(&log_, uri, &u))
		fail_msg("%s: refused: %s", uri, text);
	assert_string_equal(text, "");
	return u;
}

static void test_address(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = { { "0000:01:00.0", "0000:01:00.0" },
		  { "01:00.0", "0000:01:00.0" },
		  { "aB:1F.7", "0000:ab:1f.7" },
		  { "10000:E1:00.0", "10000:e1:00.0" },
		  { "fffff:ff:1f.7", "fffff:ff:1f.7" } };

	for (size_t i = 0; i < FL_ARRAY_SIZE(t); i++) {
		struct fl_pci_uri u = good(t[i].in);

		assert_string_equal(u.address, t[i].out);
		assert_int_equal(u.how.backend, FL_VFIO_AUTO);
		assert_int_equal(u.how.group_fd, -1);
		assert_int_equal(u.how.container_fd, -1);
		assert_int_equal(u.how.cdev_fd, -1);
		assert_int_equal(u.how.iommu_fd, -1);
		assert_null(u.how.opener);
	}
}

static void test_options(void **state)
{
	struct fl_pci_uri u;

	assert_int_equal(good("01:00.0,iommu=auto").how.backend, FL_VFIO_AUTO);
	assert_int_equal(good("01:00.0,iommu=iommufd").how.backend, FL_VFIO_IOMMUFD);
	assert_int_equal(good("01:00.0,iommu=container").how.backend, FL_VFIO_CONTAINER);
	assert_int_equal(good("01:00.0,iommu=noiommu").how.backend, FL_VFIO_NOIOMMU);
	u = good("01:00.0,group-fd=7,iommu=container,container-fd=8");
	assert_int_equal(u.how.group_fd, 7);
	assert_int_equal(u.how.container_fd, 8);
	u = good("01:00.0,cdev-fd=0,iommu-fd=2147483647");
	assert_int_equal(u.how.cdev_fd, 0);
	assert_int_equal(u.how.iommu_fd, 2147483647);
	assert_int_equal(good("01:00.0,iommu=noiommu,group-fd=7").how.group_fd, 7);
	assert_int_equal(good("01:00.0,iommu=iommufd,cdev-fd=7").how.cdev_fd, 7);

	assert_true(good("01:00.0,faults=off").how.no_faults);
	assert_false(good("01:00.0,faults=on").how.no_faults);

	assert_int_equal(fl_uri_pci(&log_, "01:00.0,opener=/run/x=y.sock,iommu=iommufd", &u), 0);
	assert_string_equal(u.how.opener, "/run/x=y.sock");
	assert_int_equal(u.how.backend, FL_VFIO_IOMMUFD);
}

static void test_refused(void **state)
{
	static const struct {
		const char *uri, *says;
	} t[] = {
		{ "", "want an address like 0000:01:00.0" },
		{ "1:00.0", "want an address" },
		{ "000:01:00.0", "want an address" },
		{ "100000:01:00.0", "want an address" },
		{ "0000:01:20.0", "want an address" },
		{ "0000:01:00.8", "want an address" },
		{ "0000:01:00", "want an address" },
		{ "0000:01:00.", "want an address" },
		{ " 01:00.0", "want an address" },
		{ "+1:00.0", "want an address" },
		{ "01:00.0 ", "want an address" },
		{ "01:00.0,", "\"\": no option" },
		{ "01:00.0,,iommu=auto", "\"\": no option" },
		{ "01:00.0,iommu", "\"iommu\": no option of a PCI device; known are iommu=" },
		{ "01:00.0,speed=9", "\"speed=9\": no option of a PCI device; known are iommu=" },
		{ "01:00.0,IOMMU=auto", "no option" },
		{ "01:00.0,iommu=", "want auto, iommufd, container or noiommu" },
		{ "01:00.0,iommu=type1", "want auto, iommufd, container or noiommu" },
		{ "01:00.0,iommu=auto,iommu=auto", "given twice" },
		{ "01:00.0,group-fd=", "want the number of an open file descriptor" },
		{ "01:00.0,group-fd=-1", "want the number" },
		{ "01:00.0,group-fd=+1", "want the number" },
		{ "01:00.0,group-fd= 1", "want the number" },
		{ "01:00.0,group-fd=0x1", "want the number" },
		{ "01:00.0,group-fd=1x", "want the number" },
		{ "01:00.0,cdev-fd=2147483648", "want the number" },
		{ "01:00.0,cdev-fd=99999999999999999999", "want the number" },
		{ "01:00.0,group-fd=3,cdev-fd=4", "another way" },
		{ "01:00.0,container-fd=3,iommu-fd=4", "another way" },
		{ "01:00.0,iommu=iommufd,group-fd=3", "takes cdev-fd= and iommu-fd=" },
		{ "01:00.0,iommu-fd=3,iommu=container", "take group-fd= and container-fd=" },
		{ "01:00.0,cdev-fd=3,iommu=noiommu", "take group-fd= and container-fd=" },
		{ "01:00.0,group-fd=3,container-fd=3", "one file descriptor given for two" },
		{ "01:00.0,faults=", "want on or off" },
		{ "01:00.0,faults=no", "want on or off" },
		{ "01:00.0,faults=on,faults=on", "given twice" },
		{ "01:00.0,opener=", "path of 1 to 107 bytes" },
		{ "01:00.0,opener=/run/s,group-fd=3", "leave out those given" },
	};
	struct fl_pci_uri u;
	char longest[160];

	for (size_t i = 0; i < FL_ARRAY_SIZE(t); i++) {
		text[0] = 0;
		if (fl_uri_pci(&log_, t[i].uri, &u) != -EINVAL)
			fail_msg("%s: taken", t[i].uri);
		if (!strstr(text, t[i].says))
			fail_msg("%s: says \"%s\", not \"%s\"", t[i].uri, text, t[i].says);
	}
	snprintf(longest, sizeof(longest), "01:00.0,opener=%0107d", 1);
	assert_int_equal(fl_uri_pci(&log_, longest, &u), 0);
	assert_int_equal(strlen(u.how.opener), 107);
	snprintf(longest, sizeof(longest), "01:00.0,opener=%0108d", 1);
	assert_int_equal(fl_uri_pci(&log_, longest, &u), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
