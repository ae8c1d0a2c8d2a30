/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this room share. */
#ifndef TELEMETRY_INTERNAL_H
#define TELEMETRY_INTERNAL_H

#include <fl_telemetry.h>

#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FL_TELE_LINE_MAX   1024u
#define FL_TELE_ANSWER_MAX (4u << 20)
#define FL_TELE_CLIENTS	   16u
#define FL_TELE_ARGS	   3u

/* ---- json.c: a writer ------------------------------------------------------------------ */

/** Text that grows up to `max` bytes; err says that it did not fit, and what comes after is lost.
 */
struct fl_json {
	char *buf;
	size_t len, cap, max;
	bool comma;
	int err; /* 0, -ENOMEM, -E2BIG */
};

/* key NULL: in an array, or the outermost value */
void fl_json_open(struct fl_json *j, const char *key, char bracket);
void fl_json_close(struct fl_json *j, char bracket);
void fl_json_u64(struct fl_json *j, const char *key, uint64_t v);
void fl_json_int(struct fl_json *j, const char *key, int v);
void fl_json_hex(struct fl_json *j, const char *key, uint64_t v); /* a string, "0x..." */
void fl_json_bool(struct fl_json *j, const char *key, bool v);
/** NULL is null. Bytes that are no ASCII are written as the code points of that number. */
void fl_json_text(struct fl_json *j, const char *key, const char *v);

/** Of an outermost object, and of the line. */
void fl_json_end(struct fl_json *j);

/* ---- call.c: contexts, and asking in their thread -------------------------------------- */

struct fl_tele_req {
	const char *name; /* the command, without parameters */
	const char *arg[FL_TELE_ARGS];
	uint64_t num[FL_TELE_ARGS]; /* the same, where they are numbers */
	bool is_num[FL_TELE_ARGS];
	unsigned nargs;
	/* while objects of all contexts are gone through: the context's number, objects before it,
	 * and whether the one that was asked for is there */
	unsigned ctx, seen;
	bool found;
};

/** Writes what a context has of a kind; runs in the thread that dispatches it. */
typedef void fl_tele_fn(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j);

struct fl_tele_ctx {
	struct fl_tele_ctx *next;
	struct fl_telemetry *t;
	struct fl_ctx *ctx;
	int fd;
	/* the last question was not heard, and no dispatch has come since: the next does not wait
	 */
	bool deaf;
};

/** The one question at a time. */
enum fl_tele_job_state { FL_JOB_NONE, FL_JOB_ASKED, FL_JOB_RUNS, FL_JOB_DONE, FL_JOB_GONE };
struct fl_tele_job {
	enum fl_tele_job_state state;
	struct fl_tele_ctx *ctx;
	fl_tele_fn *fn;
	struct fl_tele_req *q;
	struct fl_json *j;
};

struct fl_telemetry {
	struct fl_log log;
	char name[64];
	uint64_t dispatch_ns, client_ns, begun_ns;

	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat at; /* our socket's file */
	int listen_fd, wake_fd;
	pthread_t thread;
	bool stop;

	/** held while a command is answered, but for the time that it waits for a dispatch */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fl_tele_ctx *ctxs;
	struct fl_tele_job job;
};

/** The i-th context, NULL past the last; t->lock is held, as for the next. */
struct fl_tele_ctx *fl_tele_ctx_at(struct fl_telemetry *t, unsigned i);
/** -ETIMEDOUT: the context is not dispatched; -ENODEV: it was taken away meanwhile. */
int fl_tele_call(struct fl_telemetry *t, struct fl_tele_ctx *c, fl_tele_fn *fn,
		 struct fl_tele_req *q, struct fl_json *j);

/* ---- commands.c ------------------------------------------------------------------------ */

/** Answers a line, by one that the caller frees; NULL = no memory. */
char *fl_tele_answer(struct fl_telemetry *t, char *line, size_t *len);

/* show_dev.c, show_crypto.c: in the context's thread */
fl_tele_fn fl_tele_devices, fl_tele_ports, fl_tele_port_stats, fl_tele_port_xstats,
	fl_tele_port_info, fl_tele_queues, fl_tele_pools;
fl_tele_fn fl_tele_cryptodevs, fl_tele_cryptodev_stats, fl_tele_cryptodev_info;

/** Whether the object that comes next is asked for; counts it. */
bool fl_tele_wants(struct fl_tele_req *q, unsigned *number);

/* show_dma.c: in the thread of telemetry */
void fl_tele_process(struct fl_json *j, const char *key);
void fl_tele_space(struct fl_dma_space *s, unsigned number, struct fl_json *j);
int fl_tele_areas(struct fl_dma_space *s, unsigned number, const struct fl_tele_req *q,
		  struct fl_json *j);
int fl_tele_residency(struct fl_dma_space *s, unsigned number, struct fl_json *j);

/* ---- path.c ---------------------------------------------------------------------------- */

/** The default folder, made and cleared of stale sockets, and our socket's path in it. */
int fl_tele_default_path(const struct fl_log *log, char *path, size_t size);
/** A socket that listens at t->path. */
int fl_tele_listen(struct fl_telemetry *t);
void fl_tele_unlink(const struct fl_telemetry *t);

#endif
