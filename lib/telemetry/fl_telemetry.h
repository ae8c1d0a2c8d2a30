/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telemetry: a local socket on which a running process says what it has and does, as JSON.
 *
 * Nothing is served unless an application starts it. Then a thread of its own listens on a UNIX
 * stream socket for processes of the same user and of root. A request is one line: a command,
 * parameters behind commas. The answer is one line, {"COMMAND": VALUE}, or where it cannot be
 * had {"COMMAND": null, "error": "why"}. "/help" lists the commands; doc/telemetry.md has them all.
 *
 * The data plane is never held up: what is said of spaces and areas is read under the space's lock
 * by the telemetry thread; what is said of ports, queues and crypto devices is asked in
 * fl_ctx_dispatch(), in the application's thread, as control calls on them are one thread's.
 */
#ifndef FL_TELEMETRY_H
#define FL_TELEMETRY_H

#include <fl_dev.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_telemetry;

struct fl_telemetry_opts {
	/**
	 * Of the socket; NULL = PID.sock in the folder "faultline" of $XDG_RUNTIME_DIR or
	 * /run/user/UID, else in /tmp/faultline-UID. The folder is made with mode 0700, the socket
	 * has 0600.
	 */
	const char *path;
	const char *name;	  /* of the program, for /info; copied, may be NULL */
	const struct fl_log *log; /* copied; NULL = process default */
	/** how long an answer may wait for fl_ctx_dispatch(), ms; 0 = 1000 */
	unsigned dispatch_ms;
	/** how long a client may take to send a line or to take an answer, ms; 0 = 5000 */
	unsigned client_ms;
};

/**
 * Starts to serve; opts may be NULL. Sockets that ended processes left in the default folder are
 * removed. Errors: -EADDRINUSE (somebody serves there), -EEXIST (another file stands there), -EPERM
 * (the default folder is not ours alone), -ENAMETOOLONG, what the system said; each with a message.
 */
FL_API FL_MUST int fl_telemetry_start(const struct fl_telemetry_opts *opts,
				      struct fl_telemetry **out);
/** Ends the thread and removes the socket. Contexts may still be there. t may be NULL. */
FL_API void fl_telemetry_stop(struct fl_telemetry *t);
/** Where it listens. */
FL_API const char *fl_telemetry_path(const struct fl_telemetry *t);

/**
 * What a context holds is told from now on. Like fl_telemetry_remove(), which must come before the
 * context is destroyed, not from within fl_ctx_dispatch(). -EEXIST, -ENOMEM, -EMFILE.
 */
FL_API FL_MUST int fl_telemetry_add(struct fl_telemetry *t, struct fl_ctx *ctx);
FL_API void fl_telemetry_remove(struct fl_telemetry *t, struct fl_ctx *ctx);

/* ---- for those who ask ---------------------------------------------------------------- */

/**
 * Where a process serves by default: fills `path`. -ESRCH (no such process), -ENOENT (it serves
 * nothing), -EACCES (another user's).
 */
FL_API FL_MUST int fl_telemetry_find(pid_t pid, char *path, size_t size);
/**
 * One request and its answer, without the newline; free(*answer).
 * -ETIMEDOUT, -EPROTO (no line within 8 MiB), -EINVAL (a request of more than one line), what the
 * system said.
 */
FL_API FL_MUST int fl_telemetry_ask(const char *path, const char *request, int timeout_ms,
				    char **answer);

#ifdef __cplusplus
}
#endif
#endif
