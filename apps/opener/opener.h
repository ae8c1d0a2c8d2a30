/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fl-opener: has the right to open device nodes and hands the open files to one user, so that the
 * program which drives the devices needs no right at all.
 */
#ifndef OPENER_H
#define OPENER_H

#include <fl_base.h>
#include <fl_vfio.h>
#include <opener.h>

#include <sys/types.h>

#define OP_DEVICES_MAX 64u

struct op_conf {
	const char *socket, *user;
	uid_t uid;
	gid_t gid;
	bool groups; /* the container's way is allowed too */
	struct fl_vfio_roots roots;
	char devices[OP_DEVICES_MAX][16];
	unsigned ndevices;
};

/** What is said to a client that is refused. */
struct op_refusal {
	int err; /* positive errno */
	char text[FL_OPENER_ANSWER_MAX - 32];
};

/** To stderr, with the program's name. */
void op_log(const char *fmt, ...) FL_PRINTF(1, 2);

/* open.c */
/** Whether a device is on the list. */
bool op_listed(const struct op_conf *c, const char *address);
/**
 * Opens the files of a device for a way, FL_OPENER_*. false: *why is set and nothing is open.
 * @address  as the client wrote it
 */
bool op_open(const struct op_conf *c, const char *address, const char *way, int fds[FL_OPENER_FDS],
	     struct op_refusal *why);

/* socket.c */
/** A listening socket that only the user can connect to; -errno, logged. */
int op_listen(const struct op_conf *c);
/** One client, from its question to the answer, in bounded time. Closes it. */
void op_serve(const struct op_conf *c, int client);

#endif
