/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fl-crypto-perf: what a crypto device does in a second, how long an op takes, whether the bytes
 * are right, and what the driver costs.
 *
 * The main thread is the control plane: options, devices, events, progress, reports. What is
 * measured runs in lanes (lane.c), one thread and one queue pair each, for one case (a buffer size
 * and a burst size) on one device at a time; between cases no lane exists.
 */
#ifndef CRYPTO_PERF_H
#define CRYPTO_PERF_H

#include "../common/residency.h"
#include "../common/telemetry.h"

#include <fl_crypto.h>

#include <pthread.h>

#define CP_MAX_DEVS 8u
#define CP_MAX_LIST 32u
#define CP_MAX_QPS  64u
#define CP_MAX_KEY  1024u
#define CP_MAX_AAD  65535u
#define CP_MAX_SIZE (16u << 20)
#define CP_UNSET    UINT64_MAX
/** A latency run of more ops ends there, a queue pair. */
#define CP_MAX_SAMPLES (1u << 22)

enum cp_test { CP_THROUGHPUT, CP_LATENCY, CP_VERIFY, CP_CYCLECOUNT, CP_IOPF };
enum cp_optype { CP_CIPHER, CP_AUTH, CP_CIPHER_AUTH, CP_AUTH_CIPHER, CP_AEAD, CP_OPTYPES };

struct cp_list {
	uint32_t v[CP_MAX_LIST];
	unsigned n;
};

/** --cipher-*, --auth-* or --aead-* */
struct cp_part {
	const char *algo, *op;
	uint64_t key, iv; /* bytes, CP_UNSET */
};

/** What the command line says. */
struct cp_conf {
	const char *uris[CP_MAX_DEVS];
	unsigned nuris;
	enum cp_test test;
	const char *devtype, *optype;
	struct cp_part cipher, auth, aead;
	struct cp_list buffer_sz, burst_sz, imix, times;
	uint64_t aad_sz, digest_sz, segment_sz, pool_sz, desc_nb; /* CP_UNSET */
	uint64_t total_ops, warmup, delay_ms;			  /* CP_UNSET */
	uint64_t qps, rounds;					  /* CP_UNSET */
	uint64_t timeout_ms, duration_ns;
	unsigned lcores[CP_MAX_QPS];
	unsigned nlcores;
	int model_cpu;
	bool compare, sessionless, out_of_place, interrupt, silent, csv;
	const char *test_file, *test_name, *reference, *json, *plot;
	enum fl_log_level log_level;
	struct app_residency residency;
	struct app_telemetry telemetry;
};

/** Bytes with a known answer, of --test-file. */
struct cp_vector {
	char *name;
	struct cp_bytes {
		uint8_t *p;
		uint32_t len;
		bool set;
	} plaintext, ciphertext, key, auth_key, iv, aad, digest;
};
struct cp_vectors {
	struct cp_vector *v;
	unsigned n;
};

/** What is asked of every device. */
struct cp_job {
	enum cp_optype type;
	struct fl_session_conf conf; /* keys point into this struct */
	enum fl_algo algo;	     /* what the table's rows are about; conf.auth of auth-only */
	uint32_t aad_len, block;
	bool tag;    /* makes or checks a digest */
	bool check;  /* checks it: the input has to be right */
	bool cipher; /* makes output */
	bool out_of_place;
	char name[64]; /* "aes-cbc", "aes-cbc+sha1-hmac" */
	uint8_t key[CP_MAX_KEY], auth_key[CP_MAX_KEY], iv[FL_IV_MAX];
};

struct cp;

struct cp_dev {
	const char *uri;
	struct cp *cp;
	struct fl_ctx *ctx;
	bool own_ctx;
	struct fl_cryptodev *d;
	struct fl_cryptodev_info info;
	struct fl_session *session;
	uint16_t desc;
	bool down;	    /* atomic: gone or in error; said already */
	bool dead;	    /* does not answer: no more cases */
	struct cp_dev *ref; /* CP_VERIFY */
};

/** Ops with memory of their own. Slot i: [AAD][payload], in segments, and as much for output. */
struct cp_slots {
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_op_pool *pool;
	struct fl_op **ops;
	struct fl_seg *segs;
	unsigned n, nseg;
	uint32_t size, aad_len;
	bool out_of_place;
};

struct cp_counts {
	uint64_t enqueued, dequeued;
	uint64_t failed_enq, failed_deq;       /* bursts not taken whole; polls without an op */
	uint64_t failed_ops;		       /* came back with an error, wrong, or not at all */
	uint64_t by_status[FL_OP_PENDING + 1]; /* of those that came back */
	uint64_t wrong;			       /* status OK, bytes wrong */
	uint64_t enq_cycles, deq_cycles;       /* CP_CYCLECOUNT: of calls that moved ops */
	uint64_t cycles, begin_ns, end_ns;
	uint64_t bytes; /* of ops that came back; with --imix only */
};

enum cp_end { CP_END_OPS, CP_END_TIME, CP_END_SIGNAL, CP_END_SILENT, CP_END_GONE };
extern const char *const cp_end_names[];

struct cp_case {
	uint32_t size, burst;
};

struct cp_run;

struct cp_lane {
	struct cp_run *run;
	unsigned id;
	int cpu; /* -1 = any */
	pthread_t thread;
	struct fl_qp *qp, *ref_qp;
	struct cp_slots slots, ref_slots;
	const uint32_t *imix; /* sizes of successive ops, NULL */
	unsigned imix_next;
	struct fl_op **stack; /* free ops: the last given back is the next taken */
	unsigned top, inflight;
	uint64_t total;
	unsigned phase; /* 1 warm-up, 2 measured */
	unsigned idle;
	uint64_t idle_since;
	bool silent;	   /* the device did not answer in time */
	bool ref_failed;   /* nor the one that says what is right */
	uint32_t *samples; /* cycles; CP_LATENCY */
	uint64_t nsamples, settle_ns;
	long faults;
	struct cp_counts n FL_CACHE_ALIGNED;
} FL_CACHE_ALIGNED;

/** One case on one device. */
struct cp_run {
	struct cp *cp;
	struct cp_dev *dev;
	struct cp_case c;
	const struct cp_vector *vector; /* CP_VERIFY with --test-file */
	struct cp_lane *lanes;
	unsigned nlanes;
	uint32_t *imix;
	unsigned imix_n;
	pthread_mutex_t lock; /* of open */
	pthread_cond_t opened;
	bool open;			/* what is measured may begin */
	int wake;			/* eventfd: a lane is warm or ended */
	unsigned over FL_CACHE_ALIGNED; /* atomic: phases up to this one end */
	unsigned warm, ended;		/* atomic: lanes that are */
	bool give_up;			/* atomic: do not wait for ops in flight */
};

struct cp_result {
	const struct cp_dev *dev;
	struct cp_case c;
	unsigned turn; /* the same for all devices of a case */
	const char *vector;
	unsigned nlanes;
	struct cp_counts lanes[CP_MAX_QPS], sum;
	int cpus[CP_MAX_QPS];
	enum cp_end end;
	double seconds, ops_per_s, gbit_per_s, cycles_per_op;
	double avg_us, min_us, max_us, p50_us, p99_us, p999_us; /* CP_LATENCY */
	double rounds[16];					/* ops_per_s of each */
	unsigned nrounds;
	uint64_t owned, mapped, pinned, locked, rss;
	long faults;
};

struct cp {
	struct cp_conf conf;
	struct cp_job job;
	struct cp_vectors vectors;
	struct fl_log log;
	struct cp_dev devs[CP_MAX_DEVS], refs[CP_MAX_DEVS];
	unsigned ndevs;
	struct cp_case *cases;
	unsigned ncases, done, todo; /* runs */
	struct cp_result *results;
	unsigned nresults;
	struct cp_iopf_row *iopf;
	unsigned niopf;
	double hz;
	int sig_fd;
	bool quit, failed;
	bool bar_shown;
};

/* options.c */
int cp_options(struct cp_conf *c, int argc, char **argv);
extern const char *const cp_test_names[], *const cp_optype_names[];

/* job.c: from names to a session, with what the device takes where nothing is said */
int cp_job_names(struct cp_job *j, const struct cp_conf *c);
int cp_job_sizes(struct cp_job *j, const struct cp_conf *c, const struct cp_dev *d);
/** The device can do it, at these sizes; says what it has where not. */
int cp_job_check(const struct cp_job *j, const struct cp_dev *d);
int cp_job_check_size(const struct cp_job *j, const struct cp_conf *c, const struct cp_dev *d,
		      uint32_t size);
void cp_job_vector(struct cp_job *j, const struct cp_vector *v);

/* device.c */
int cp_dev_open(struct cp *cp, struct cp_dev *dev, const char *uri, struct fl_ctx *ctx);
int cp_dev_start(struct cp_dev *dev);
int cp_dev_session(struct cp_dev *dev, const struct cp_job *j);
void cp_dev_close(struct cp_dev *dev);
int cp_dev_reference(struct cp_dev *dev);

/* slots.c */
int cp_slots_create(struct cp_slots *s, const struct cp_dev *dev, const struct cp_job *j,
		    unsigned n, uint32_t size, uint32_t segment, bool out_of_place);
void cp_slots_destroy(struct cp_slots *s);
/** Session, offsets, lengths, IV; all that an application fills in a request anew. */
static inline void cp_op_fill(struct fl_op *op, struct fl_session *s, const struct cp_job *j,
			      uint32_t size)
{
	op->session = s;
	op->cipher_off = op->auth_off = j->aad_len;
	op->cipher_len = op->auth_len = size;
	__builtin_memcpy(op->iv, j->iv, sizeof(op->iv));
}
/** Bytes [0, AAD + payload) of a side of a slot. */
void cp_slots_write(const struct cp_slots *s, unsigned i, bool out, uint32_t off, const void *from,
		    uint32_t len);
void cp_slots_read(const struct cp_slots *s, unsigned i, bool out, uint32_t off, void *to,
		   uint32_t len);

/* lane.c */
void *cp_lane_main(void *lane);
/** Enqueues up to `want` of the stack's ops as they stand; dequeues up to a burst. */
unsigned cp_lane_enqueue(struct cp_lane *l, unsigned want);
unsigned cp_lane_dequeue(struct cp_lane *l, unsigned burst);
/** Nothing to do just now. False: it is no use to wait any longer. */
bool cp_lane_idle(struct cp_lane *l);
/** The phase is over; but a lane that was late to run does something all the same. */
static inline bool cp_lane_over(const struct cp_lane *l)
{
	return __atomic_load_n(&l->run->over, __ATOMIC_RELAXED) >= l->phase && l->n.enqueued;
}

/* verify.c */
void cp_run_verify(struct cp_lane *l);
void cp_random(uint8_t *p, size_t len, uint64_t seed);

/* vectors.c */
int cp_vectors_load(struct cp_vectors *v, const char *path, const char *name);
void cp_vectors_free(struct cp_vectors *v);
int cp_vector_check(const struct cp_vector *v, const struct cp_job *j);

/* measure.c */
int cp_measure(struct cp *cp, struct cp_dev *dev, const struct cp_case *c,
	       const struct cp_vector *v, struct cp_result *out);

/* report.c */
void cp_report_options(const struct cp *cp);
void cp_report_head(const struct cp *cp);
void cp_report_row(const struct cp *cp, const struct cp_result *r);
void cp_report_notes(const struct cp *cp);
void cp_report_compare(const struct cp *cp);
void cp_progress(struct cp *cp, const struct cp_run *run, double share);
/** @all  share of all that is to be done */
void cp_progress_bar(struct cp *cp, double all, const char *what);
void cp_progress_end(struct cp *cp);

/* json.c */

int cp_json_write(const struct cp *cp);

/* plot.c */
int cp_plot_write(const struct cp *cp);

#endif
