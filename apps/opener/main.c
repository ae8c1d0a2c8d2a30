/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-opener: the command line, giving up rights, and the loop. */
#include "opener.h"

#include <argp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KEY_SYS = 0x100, KEY_DEV };

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "where it is asked; made for the user alone", 0 },
	{ "user", 'u', "NAME", 0, "who may ask, by name or number", 0 },
	{ "group", 'g', NULL, 0,
	  "hand out groups too (iommu=container); whoever has one can open each device in it, so "
	  "all of them must be on the list",
	  0 },
	{ "sysfs", KEY_SYS, "DIR", 0, "another tree than /sys, for tests", 0 },
	{ "devfs", KEY_DEV, "DIR", 0, "another tree than /dev, for tests", 0 },
	{ 0 },
};

void op_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "fl-opener: %s\n", line);
}

static void set_user(struct op_conf *c, const char *name, struct argp_state *state)
{
	const struct passwd *p = getpwnam(name);
	char *end;
	unsigned long id = strtoul(name, &end, 10);

	if (!p && (!*name || *end || *name == '-' || id >= (uid_t)-1))
		argp_error(state, "--user %s: there is no such user", name);
	c->user = name;
	c->uid = p ? p->pw_uid : (uid_t)id;
	c->gid = p ? p->pw_gid : (gid_t)-1;
}

/* A device that is not there yet may be plugged in later. */
static void add_device(struct op_conf *c, const char *address, struct argp_state *state)
{
	struct fl_vfio_pci p;

	if (c->ndevices == OP_DEVICES_MAX)
		argp_error(state, "more than %u devices", OP_DEVICES_MAX);
	if (fl_vfio_pci_look(&c->roots, address, &p) == -EINVAL)
		argp_error(state, "%s: no PCI address like 0000:01:00.0", address);
	memcpy(c->devices[c->ndevices++], p.address, sizeof(p.address));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct op_conf *c = state->input;

	switch (key) {
	case 's':
		c->socket = arg;
		break;
	case 'u':
		set_user(c, arg, state);
		break;
	case 'g':
		c->groups = true;
		break;
	case KEY_SYS:
		c->roots.sys = arg;
		break;
	case KEY_DEV:
		c->roots.dev = arg;
		break;
	case ARGP_KEY_ARG:
		add_device(c, arg, state);
		break;
	case ARGP_KEY_END:
		if (!c->socket || !c->user || !c->ndevices)
			argp_error(state, "needs --socket, --user and a device's address");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A mistake shows when the opener starts, not when somebody asks. */
static void tell_obstacles(const struct op_conf *c)
{
	enum fl_vfio_backend way = c->groups ? FL_VFIO_AUTO : FL_VFIO_IOMMUFD;
	struct fl_vfio_pci p;
	char why[800];

	for (unsigned i = 0; i < c->ndevices; i++) {
		if (fl_vfio_pci_look(&c->roots, c->devices[i], &p))
			op_log("not yet: %s: no such PCI device", c->devices[i]);
		else if (fl_vfio_pci_obstacle(&c->roots, &p, way, why, sizeof(why)))
			op_log("not yet: %s%s", why,
			       c->groups ? "" : " (containers take --group here)");
	}
}

/* The nodes are root's own, so from here on root opens them with no capability. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* fails where we are not root, which loses nothing */
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &head, none)) {
		op_log("capabilities cannot be given up: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* One client at a time, each in bounded time, until a signal comes. */
static int run(const struct op_conf *c, int sock, int signals)
{
	struct pollfd p[] = { { .fd = signals, .events = POLLIN },
			      { .fd = sock, .events = POLLIN } };

	for (;;) {
		int client;

		if (poll(p, FL_ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return 1;
		if (p[0].revents)
			return 0;
		client = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			op_serve(c, client);
		else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			return 1;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "ADDRESS...",
		.doc = "Opens the VFIO files of the PCI devices at ADDRESS (0000:01:00.0) for "
		       "programs of one user, which then need no rights of their own.\v"
		       "As root:   fl-opener --socket /run/fl.sock --user nobody 0000:01:00.0\n"
		       "as nobody: fl-testpmd -a pci:0000:01:00.0,opener=/run/fl.sock",
	};
	struct op_conf c = { .roots = { "/sys", "/dev" } };
	sigset_t ends;
	int sock, signals, rc = 1;

	argp_program_version = "fl-opener " FL_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &c))
		return 2;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	sock = op_listen(&c);
	if (sock < 0)
		return 1;
	if (signals >= 0 && !drop_capabilities()) {
		op_log("%u device%s for %s at %s", c.ndevices, c.ndevices == 1 ? "" : "s", c.user,
		       c.socket);
		tell_obstacles(&c);
		rc = run(&c, sock, signals);
	}
	if (rc)
		op_log("ends: %s", strerror(errno));
	unlink(c.socket);
	return rc;
}
