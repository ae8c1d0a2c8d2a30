/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking an opener: what comes, and openers that are none. tests/app/opener.py has the program. */
#include <kernel_internal.h>
#include <opener.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define FDS_MAX 8u

/* One opener: it takes one question and gives this answer. */
struct fix {
	char dir[32], path[48], log[2048], question[128];
	int sock;
	const char *answer;
	size_t len; /* of the answer, 0 = its text's */
	unsigned nfds, delay_us;
	unsigned fds_before;
	pthread_t thread;
	struct fl_vfio_kernel k;
	struct fl_log sink;
	struct fl_vk_dev d;
};

static void log_write(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	struct fix *x = arg;
	size_t at = strlen(x->log);

	snprintf(x->log + at, sizeof(x->log) - at, "%s\n", msg);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void send_answer(const struct fix *x, int to)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { .space = { 0 } };
	struct iovec iov = { (char *)(uintptr_t)x->answer, x->len ? x->len : strlen(x->answer) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FDS_MAX];

	for (unsigned i = 0; i < x->nfds; i++)
		fds[i] = open(i ? "/dev/zero" : "/dev/null", O_RDONLY | O_CLOEXEC);
	if (x->nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * x->nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * x->nfds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * x->nfds);
	}
	(void)sendmsg(to, &msg, MSG_NOSIGNAL);
	for (unsigned i = 0; i < x->nfds; i++)
		close(fds[i]);
}

static void *serve(void *arg)
{
	struct fix *x = arg;
	sigset_t all;
	int client;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	client = accept4(x->sock, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return NULL;
	usleep(x->delay_us);
	if (recv(client, x->question, sizeof(x->question) - 1, 0) > 0 && x->answer)
		send_answer(x, client);
	close(client);
	return NULL;
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(x->dir, sizeof(x->dir), "/tmp/fl-opener-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->path, sizeof(x->path), "%s/s", x->dir);
	memcpy(addr.sun_path, x->path, sizeof(x->path));
	x->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(x->sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(x->sock, 1), 0);
	x->sink = (struct fl_log){ .write = log_write, .arg = x, .level = FL_LOG_DEBUG };
	x->k.log = &x->sink;
	x->d = (struct fl_vk_dev){ .k = &x->k, .how = FL_VFIO_OPEN_DEFAULT };
	x->d.how.opener = x->path;
	snprintf(x->d.pci.address, sizeof(x->d.pci.address), "0000:01:00.0");
	x->fds_before = open_fds();
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	close(x->sock);
	unlink(x->path);
	rmdir(x->dir);
	free(x);
	return 0;
}

static int ask(struct fix *x, enum fl_vfio_backend backend, const char *answer, size_t len,
	       unsigned nfds)
{
	int rc;

	x->answer = answer;
	x->len = len;
	x->nfds = nfds;
	memset(x->question, 0, sizeof(x->question));
	x->log[0] = 0;
	assert_int_equal(pthread_create(&x->thread, NULL, serve, x), 0);
	rc = fl_vk_ask_opener(&x->d, backend);
	assert_int_equal(pthread_join(x->thread, NULL), 0);
	return rc;
}

static void is_node(int *fd, const char *name)
{
	char path[64], link[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_string_equal(link, name);
	assert_int_equal(fcntl(*fd, F_GETFD), FD_CLOEXEC);
	close(*fd);
	*fd = -1;
}

static void test_iommufd(void **state)
{
	struct fix *x = *state;

	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "ok\n", 0, 2), 0);
	assert_string_equal(x->question, "open 0000:01:00.0 iommufd\n");
	assert_string_equal(x->log, "");
	is_node(&x->d.how.cdev_fd, "/dev/null");
	is_node(&x->d.how.iommu_fd, "/dev/zero");
	assert_int_equal(x->d.how.group_fd, -1);
	assert_int_equal(x->d.how.container_fd, -1);
	assert_int_equal(open_fds(), x->fds_before);
}

static void test_container(void **state)
{
	struct fix *x = *state;

	assert_int_equal(ask(x, FL_VFIO_CONTAINER, "ok\n", 0, 2), 0);
	assert_string_equal(x->question, "open 0000:01:00.0 container\n");
	is_node(&x->d.how.group_fd, "/dev/null");
	is_node(&x->d.how.container_fd, "/dev/zero");
	assert_int_equal(open_fds(), x->fds_before);
}

/* What was given stays; what comes for it is closed. */
static void test_given_already(void **state)
{
	struct fix *x = *state;

	x->d.how.iommu_fd = 1000;
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "ok\n", 0, 2), 0);
	assert_int_equal(x->d.how.iommu_fd, 1000);
	is_node(&x->d.how.cdev_fd, "/dev/null");
	assert_int_equal(open_fds(), x->fds_before);
}

static void test_refusal(void **state)
{
	struct fix *x = *state;

	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "error 13 not on the \033[2J list\n", 0, 0),
			 -EACCES);
	assert_non_null(strstr(x->log, "0000:01:00.0: the opener /tmp/fl-opener-"));
	assert_non_null(strstr(x->log, "refuses: not on the ?[2J list"));
	/* files that come with a refusal are not kept */
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "error 2 none\n", 0, 2), -ENOENT);
	assert_int_equal(open_fds(), x->fds_before);
}

static void test_no_opener(void **state)
{
	static const char *const answers[] = { "ok",	       "ok\n ",		"OK\n",
					       "\n",	       "error\n",	"error x y\n",
					       "error 0 no\n", "error -1 no\n", "error 4096 no\n",
					       "error 13\n" };
	char longest[FL_OPENER_ANSWER_MAX + 2];
	struct fix *x = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(answers); i++) {
		if (ask(x, FL_VFIO_IOMMUFD, answers[i], 0, 2) != -EPROTO)
			fail_msg("\"%s\" is taken", answers[i]);
		assert_non_null(strstr(x->log, "does not answer as one"));
	}
	for (unsigned n = 0; n <= FDS_MAX; n++)
		if (n != 2)
			assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "ok\n", 0, n), -EPROTO);
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, "ok\n\0", 4, 2), 0); /* no more than it says */
	is_node(&x->d.how.cdev_fd, "/dev/null");
	is_node(&x->d.how.iommu_fd, "/dev/zero");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "error 13 ", 9);
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, longest, sizeof(longest), 2), -EPROTO);
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, longest, sizeof(longest) - 2, 0), -EACCES);
	/* one that says nothing and goes */
	assert_int_equal(ask(x, FL_VFIO_IOMMUFD, NULL, 0, 0), -EPROTO);
	if (!getenv("FL_EMULATED")) /* qemu-user keeps what a message that was cut short carried */
		assert_int_equal(open_fds(), x->fds_before);
	assert_int_equal(x->d.how.cdev_fd, -1);
}

static void on_alarm(int sig)
{
}

/* Signals that come while the answer does not are nothing to it. */
static void test_signals(void **state)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	struct sigaction act = { .sa_handler = on_alarm }, old;
	struct fix *x = *state;
	int rc;

	x->delay_us = 50000;
	assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	rc = ask(x, FL_VFIO_IOMMUFD, "ok\n", 0, 2);
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_int_equal(rc, 0);
	is_node(&x->d.how.cdev_fd, "/dev/null");
	is_node(&x->d.how.iommu_fd, "/dev/zero");
}

static void test_nobody_there(void **state)
{
	struct fix *x = *state;
	char path[200];

	unlink(x->path);
	assert_int_equal(fl_vk_ask_opener(&x->d, FL_VFIO_IOMMUFD), -ENOENT);
	assert_non_null(strstr(x->log, "is fl-opener running"));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	x->d.how.opener = path;
	assert_int_equal(fl_vk_ask_opener(&x->d, FL_VFIO_IOMMUFD), -ENAMETOOLONG);
	assert_int_equal(fl_vk_ask_opener(&x->d, FL_VFIO_NOIOMMU), -EOPNOTSUPP);
	assert_int_equal(open_fds(), x->fds_before);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_iommufd),   T(test_container),	 T(test_given_already), T(test_refusal),
		T(test_no_opener), T(test_nobody_there), T(test_signals),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
