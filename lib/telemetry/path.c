/* SPDX-License-Identifier: BSD-3-Clause */
/* Where sockets stand, and that nobody else can put one there. */
#include "telemetry_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MAX 4096u

static int format(char *out, size_t size, const char *folder, const char *name)
{
	int n = snprintf(out, size, "%s/%s", folder, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/** The n-th folder that a user's sockets may be in; -ENOENT behind the last. */
static int folder_at(uid_t uid, unsigned n, char *out, size_t size)
{
	const char *xdg = uid == geteuid() ? secure_getenv("XDG_RUNTIME_DIR") : NULL;
	char run[64];

	snprintf(run, sizeof(run), "/run/user/%u", (unsigned)uid);
	if (n == 0)
		return xdg && *xdg == '/' ? format(out, size, xdg, "faultline") : -ENXIO;
	if (n == 1)
		return format(out, size, run, "faultline");
	snprintf(run, sizeof(run), "faultline-%u", (unsigned)uid);
	return n == 2 ? format(out, size, "/tmp", run) : -ENOENT;
}

/** Makes the folder where its parent is there and may be written. */
static int make_folder(const struct fl_log *log, const char *folder)
{
	struct stat st;
	int fd, err = 0;

	if (mkdir(folder, 0700) && errno != EEXIST)
		return -errno;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & 077))
		err = -EPERM;
	if (err)
		fl_err(log, "telemetry",
		       "%s: %s; it must be a folder of user %u with mode 0700: remove it, or name "
		       "another socket",
		       folder, err == -EPERM ? "others may write or read there" : strerror(-err),
		       (unsigned)geteuid());
	if (fd >= 0)
		close(fd);
	return err ? -EPERM : 0;
}

/** 0: somebody listens; -ECONNREFUSED: nobody any more; others as connect() says. */
static int probe(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) && errno != EAGAIN)
		err = -errno;
	close(fd);
	return err;
}

/** The number in PID.sock and .PID.tmp, 0 = another name. */
static pid_t pid_of(const char *name, const char **rest)
{
	char *end;
	long pid = strtol(name + (*name == '.'), &end, 10);

	*rest = end;
	return pid > 0 && (pid_t)pid == pid ? (pid_t)pid : 0;
}

/** Sockets of processes that ended without removing them. */
static void sweep(const char *folder)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	DIR *d = opendir(folder);
	struct dirent *e;

	for (unsigned i = 0; d && i < SWEEP_MAX && (e = readdir(d)); i++) {
		const char *rest;
		pid_t pid = pid_of(e->d_name, &rest);

		if (!pid || format(path, sizeof(path), folder, e->d_name))
			continue;
		if ((!strcmp(rest, ".sock") && probe(path) == -ECONNREFUSED) ||
		    (!strcmp(rest, ".tmp") && kill(pid, 0) && errno == ESRCH))
			unlink(path);
	}
	if (d)
		closedir(d);
}

int fl_tele_default_path(const struct fl_log *log, char *path, size_t size)
{
	char folder[256], name[32];
	int err = -ENOENT;

	for (unsigned n = 0; err; n++) {
		err = folder_at(geteuid(), n, folder, sizeof(folder));
		if (err == -ENOENT)
			break;
		if (!err)
			err = make_folder(log, folder);
		if (err == -EPERM) /* no second choice: somebody may want us to make it */
			return err;
	}
	if (err) {
		fl_err(log, "telemetry", "no folder for a socket: %s; name a path", strerror(-err));
		return err;
	}
	sweep(folder);
	snprintf(name, sizeof(name), "%d.sock", (int)getpid());
	return format(path, size, folder, name);
}

/* ---- the socket ------------------------------------------------------------------------ */

/** What stands where the socket is to be: 0 = nothing, or one that nobody serves. */
static int check_place(const struct fl_telemetry *t)
{
	struct stat st;
	int err;

	if (lstat(t->path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		fl_err(&t->log, "telemetry", "%s: a file that is no socket stands there", t->path);
		return -EEXIST;
	}
	err = probe(t->path);
	if (err == -ECONNREFUSED)
		return 0;
	fl_err(&t->log, "telemetry", "%s: %s; name another path", t->path,
	       err ? strerror(-err) : "another process or context serves there");
	return err ? err : -EADDRINUSE;
}

/** It appears under its name once it listens, with its mode. */
static int bind_at(const struct fl_telemetry *t, int fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *slash = strrchr(t->path, '/');
	int folder = slash ? (int)(slash - t->path) + 1 : 0, err = 0;

	if (snprintf(sa.sun_path, sizeof(sa.sun_path), "%.*s.%d.tmp", folder, t->path,
		     (int)getpid()) >= (int)sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	unlink(sa.sun_path); /* of one who had our number */
	if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	if (listen(fd, (int)FL_TELE_CLIENTS) || rename(sa.sun_path, t->path)) {
		err = -errno;
		unlink(sa.sun_path);
	}
	return err;
}

int fl_tele_listen(struct fl_telemetry *t)
{
	int err = check_place(t);

	if (err)
		return err;
	t->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = t->listen_fd < 0 ? -errno : bind_at(t, t->listen_fd);
	if (!err && lstat(t->path, &t->at))
		err = -errno;
	if (err)
		fl_err(&t->log, "telemetry", "no socket %s: %s", t->path, strerror(-err));
	return err;
}

void fl_tele_unlink(const struct fl_telemetry *t)
{
	struct stat st;

	/* somebody may have put another there */
	if (!lstat(t->path, &st) && st.st_ino == t->at.st_ino && st.st_dev == t->at.st_dev)
		unlink(t->path);
}

/* ---- for those who ask ----------------------------------------------------------------- */

int fl_telemetry_find(pid_t pid, char *path, size_t size)
{
	char folder[256], name[32];
	struct stat st;
	int err = 0;

	snprintf(name, sizeof(name), "/proc/%d", (int)pid);
	if (pid <= 0 || stat(name, &st))
		return -ESRCH;
	if (geteuid() && st.st_uid != geteuid())
		return -EACCES;
	snprintf(name, sizeof(name), "%d.sock", (int)pid);
	for (unsigned n = 0; err != -ENOENT; n++) {
		err = folder_at(st.st_uid, n, folder, sizeof(folder));
		if (err)
			continue;
		err = format(path, size, folder, name);
		if (err || !lstat(path, &st))
			return err;
	}
	return -ENOENT;
}
