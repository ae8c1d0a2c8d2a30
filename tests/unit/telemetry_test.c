/* SPDX-License-Identifier: BSD-3-Clause */
/* The telemetry socket: what it answers, where it stands, and clients that mean it ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <fl_crypto.h>
#include <fl_model.h>
#include <fl_net.h>
#include <fl_telemetry.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT_MS   300u
#define DISPATCH_MS 200u
#define WAIT_MS	    5000
#define AREAS	    1500u

struct fix {
	char dir[64], folder[80];
	struct fl_ctx *ctx;
	struct fl_port *port;
	struct fl_cryptodev *crypto;
	struct fl_telemetry *t;
	pthread_t thread;
	bool stop;
};

/* ---- JSON, strictly ---------------------------------------------------------------------- */

static bool is_text(const char **p)
{
	if (*(*p)++ != '"')
		return false;
	while (**p != '"') {
		unsigned char c = (unsigned char)*(*p)++;

		if (c < 0x20 || c >= 0x7f)
			return false;
		if (c != '\\')
			continue;
		c = (unsigned char)*(*p)++;
		if (c == 'u' && strspn(*p, "0123456789abcdef") >= 4)
			*p += 4;
		else if (c != '"' && c != '\\')
			return false;
	}
	(*p)++;
	return true;
}

static bool is_value(const char **p, unsigned depth)
{
	char open = **p, close = open == '{' ? '}' : ']';
	size_t n = strspn(*p, "0123456789-");

	if (open == '"')
		return is_text(p);
	if (n || !strncmp(*p, "true", 4) || !strncmp(*p, "null", 4)) {
		*p += n ? n : 4;
		return true;
	}
	if (!strncmp(*p, "false", 5)) {
		*p += 5;
		return true;
	}
	if ((open != '{' && open != '[') || depth > 20)
		return false;
	for (++*p; **p != close;) {
		if (open == '{' && (!is_text(p) || *(*p)++ != ':'))
			return false;
		if (!is_value(p, depth + 1))
			return false;
		if (**p == ',' && (*p)[1] != close)
			++*p;
		else if (**p != close)
			return false;
	}
	++*p;
	return true;
}

static void assert_json(const char *text)
{
	const char *p = text;

	if (!is_value(&p, 0) || *p)
		fail_msg("no JSON at byte %td of: %.2000s", p - text, text);
}

/* ---- a program that serves --------------------------------------------------------------- */

static void *dispatch(void *arg)
{
	struct fix *x = arg;

	while (!__atomic_load_n(&x->stop, __ATOMIC_RELAXED))
		fl_ctx_dispatch(x->ctx, 10);
	return NULL;
}

static void start_dispatch(struct fix *x)
{
	x->stop = false;
	assert_int_equal(pthread_create(&x->thread, NULL, dispatch, x), 0);
}

static void stop_dispatch(struct fix *x)
{
	__atomic_store_n(&x->stop, true, __ATOMIC_RELAXED);
	pthread_join(x->thread, NULL);
}

static int setup(void **state)
{
	static struct fix x;
	const struct fl_telemetry_opts o = { .name = "a \"test\"\n\xff",
					     .dispatch_ms = DISPATCH_MS,
					     .client_ms = CLIENT_MS };

	x = (struct fix){ .dir = "/tmp/fl-tele-XXXXXX" };
	assert_non_null(mkdtemp(x.dir));
	setenv("XDG_RUNTIME_DIR", x.dir, 1);
	snprintf(x.folder, sizeof(x.folder), "%s/faultline", x.dir);
	assert_int_equal(fl_ctx_create(NULL, &x.ctx), 0);
	assert_int_equal(fl_model_enable(x.ctx, NULL), 0);
	assert_int_equal(fl_port_open(x.ctx, "model:e1000e,wire=tele", &x.port), 0);
	assert_int_equal(fl_cryptodev_open(x.ctx, "soft:openssl", &x.crypto), 0);
	assert_int_equal(fl_telemetry_start(&o, &x.t), 0);
	assert_int_equal(fl_telemetry_add(x.t, x.ctx), 0);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	fl_telemetry_stop(x->t);
	fl_cryptodev_close(x->crypto);
	fl_port_close(x->port);
	assert_int_equal(fl_ctx_destroy(x->ctx), 0);
	assert_int_equal(rmdir(x->folder), 0); /* nothing is left in it */
	assert_int_equal(rmdir(x->dir), 0);
	return 0;
}

/** The answer, which is JSON; free it. */
static char *ask(struct fix *x, const char *request)
{
	char *answer = NULL;

	assert_int_equal(fl_telemetry_ask(fl_telemetry_path(x->t), request, WAIT_MS, &answer), 0);
	assert_json(answer);
	return answer;
}

static void expect(struct fix *x, const char *request, const char *part)
{
	char *answer = ask(x, request);

	if (!strstr(answer, part))
		fail_msg("%s: no %s in %.2000s", request, part, answer);
	free(answer);
}

static int dial(const struct fix *x)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", fl_telemetry_path(x->t));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/** Reads up to the end that the server makes; how many bytes came. */
static size_t drain(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char buf[4096];
	size_t sum = 0;
	ssize_t n;

	do {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		n = recv(fd, buf, sizeof(buf), 0);
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return sum;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void test_answers(void **state)
{
	static const struct {
		const char *request, *part;
	} cases[] = {
		{ "/", "[\"/\",\"/help\"" },
		{ "/help", "\"/ports/xstats\":{\"parameters\":\"[N]\"" },
		{ "/help,/pools", "{\"/help\":{\"/pools\":{" },
		{ "/help,/nothing", "{\"/help\":null,\"error\":\"no such command" },
		{ "/info", "\"program\":\"a \\\"test\\\"\\u000a\\u00ff\"" },
		{ "/info", "\"contexts\":1," },
		{ "/devices", "\"uri\":\"model:e1000e,wire=tele\",\"transport\":\"vfio-user\"" },
		{ "/devices,0", "\"id\":\"8086:10d3\"" },
		{ "/devices,1", "\"error\":\"there is no such number\"" },
		{ "/ports", "\"driver\":\"net_e1000\",\"chip\":\"82574L\"" },
		{ "/ports/stats", "\"rx_packets\":0," },
		{ "/ports/xstats,0", "\"rx_crc_errors\":0" },
		{ "/ports/info", "\"rx_vlan_strip\"" },
		{ "/queues", "{\"/queues\":[]}" },
		{ "/pools", "{\"/pools\":[]}" },
		{ "/cryptodevs", "\"driver\":\"crypto_soft\"" },
		{ "/cryptodevs/stats", "\"queue_pairs\":[]" },
		{ "/cryptodevs/info,0", "\"aes-cbc\"" },
		{ "/spaces", "\"windows\":[{\"first\":" },
		{ "/areas", "{\"/areas\":[{\"space\":0,\"areas\":[" },
		{ "/residency", "\"spaces\":[{\"space\":0," },
		{ "/residency,1", "\"error\":\"there is no such space\"" },
		{ "  ", "\"error\":\"a request is one line" },
		{ "/ports,-1", "not a number" },
		{ "/ports,99999999999999999999", "not a number" },
		{ "/ports,0,0", "too many parameters" },
		{ "/,1,2,3,4,5", "too many parameters" },
		{ "\"}\\\x01\x80",
		  "{\"\\\"}\\\\\\u0001\\u0080\":null,\"error\":\"no such command" },
		{ "/info\r", "{\"/info\":{" },
		{ "/info  ", "{\"/info\":{" },
	};
	struct fix *x = *state;

	start_dispatch(x);
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++)
		expect(x, cases[i].request, cases[i].part);
	stop_dispatch(x);
	assert_int_equal(fl_telemetry_ask(fl_telemetry_path(x->t), "/\n/", 10, NULL), -EINVAL);
}

/** A running port: its queues and their pool. */
static void test_queues(void **state)
{
	struct fix *x = *state;
	struct fl_port_conf conf = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_pool_opts po;
	struct fl_pool *pool;

	fl_pool_opts_init(&po);
	po.count = 2048;
	po.space = fl_ctx_space(x->ctx);
	po.name = "the pool";
	assert_int_equal(fl_pool_create(&po, NULL, &pool), 0);
	assert_int_equal(fl_port_configure(x->port, &conf), 0);
	assert_int_equal(fl_rxq_setup(x->port, 0, &(struct fl_rxq_conf){ .pool = pool }), 0);
	assert_int_equal(fl_txq_setup(x->port, 0, &(struct fl_txq_conf){ 0 }), 0);
	assert_int_equal(fl_port_start(x->port), 0);
	start_dispatch(x);
	expect(x, "/queues", "\"direction\":\"rx\",\"queue\":0,\"descriptors\":");
	expect(x, "/queues,0", "\"direction\":\"tx\"");
	expect(x, "/pools", "\"name\":\"the pool\",\"space\":0,\"packets\":2048,");
	expect(x, "/ports", "\"started\":true");
	stop_dispatch(x);
	fl_port_close(x->port);
	x->port = NULL;
	assert_int_equal(fl_pool_destroy(pool), 0);
}

/** More areas than one answer lists. */
static void test_areas(void **state)
{
	struct fix *x = *state;
	struct fl_dma_area **areas = calloc(AREAS, sizeof(struct fl_dma_area *));
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1 };
	struct fl_dma_space *space;
	struct fl_ctx *ctx;
	struct fl_mem **mem = calloc(AREAS, sizeof(struct fl_mem *));
	char *answer;

	assert_int_equal(fl_ctx_create(NULL, &ctx), 0); /* no device to tell of each */
	space = fl_ctx_space(ctx);
	for (unsigned i = 0; i < AREAS; i++) {
		assert_int_equal(fl_mem_alloc(4096, &mo, &mem[i]), 0);
		assert_int_equal(fl_dma_map(space, mem[i], NULL, &areas[i]), 0);
	}
	assert_int_equal(fl_telemetry_add(x->t, ctx), 0);
	assert_int_equal(fl_telemetry_add(x->t, ctx), -EEXIST);
	expect(x, "/areas,1", "\"area\":999,");
	answer = ask(x, "/areas,1");
	assert_null(strstr(answer, "\"area\":1000,"));
	free(answer);
	expect(x, "/areas,1,1498", "{\"/areas\":[{\"space\":1,\"areas\":[{\"area\":1498,");
	expect(x, "/areas,1,1498", "\"area\":1499,");
	expect(x, "/areas,1,7,1", "\"areas\":[{\"area\":7,");
	expect(x, "/areas,1,1500", "\"areas\":[]");
	expect(x, "/areas,1,18446744073709551615,18446744073709551615", "\"areas\":[]");
	expect(x, "/areas,1,0,18446744073709551615", "\"area\":1499,");
	fl_telemetry_remove(x->t, ctx);
	fl_telemetry_remove(x->t, ctx);
	expect(x, "/areas,1", "there is no such number");
	for (unsigned i = 0; i < AREAS; i++) {
		assert_int_equal(fl_dma_unmap(areas[i]), 0);
		fl_mem_free(mem[i]);
	}
	assert_int_equal(fl_ctx_destroy(ctx), 0);
	free(mem);
	free(areas);
}

/* ---- an application that does not dispatch ----------------------------------------------- */

static void test_deaf(void **state)
{
	struct fix *x = *state;
	uint64_t begin = fl_now_ns(), once;

	expect(x, "/ports", "{\"/ports\":null,\"error\":\"the program does not answer now");
	once = fl_now_ns() - begin;
	assert_true(once >= DISPATCH_MS * 1000000ull);
	/* what needs nobody is answered, and what does is refused without waiting again */
	begin = fl_now_ns();
	expect(x, "/residency", "\"spaces\":[");
	for (unsigned i = 0; i < 20; i++)
		expect(x, "/ports", "does not answer now");
	assert_true(fl_now_ns() - begin < 10 * DISPATCH_MS * 1000000ull);
	/* the question that was given up is not answered late */
	assert_true(fl_ctx_dispatch(x->ctx, 0) >= 1);
	start_dispatch(x);
	expect(x, "/ports", "\"chip\":\"82574L\"");
	stop_dispatch(x);
}

static void *ask_ports(void *arg)
{
	char *answer;

	if (fl_telemetry_ask(arg, "/ports", WAIT_MS, &answer))
		return NULL;
	return answer;
}

/** A context goes, or all ends, while its answer is waited for. */
static void test_goes(void **state)
{
	struct fl_telemetry_opts o = { .dispatch_ms = 60000 };
	struct fix *x = *state;
	struct fl_telemetry *t;
	char path[100];
	void *answer;
	pthread_t th;

	snprintf(path, sizeof(path), "%s/other", x->dir);
	o.path = path;
	assert_int_equal(fl_telemetry_start(&o, &t), 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(fl_telemetry_add(t, x->ctx), 0);
		assert_int_equal(pthread_create(&th, NULL, ask_ports, path), 0);
		usleep(i * 2000);
		fl_telemetry_remove(t, x->ctx);
		pthread_join(th, &answer);
		assert_non_null(answer);
		assert_json(answer);
		assert_true(strstr(answer, "closed meanwhile") || strstr(answer, "[]"));
		free(answer);
	}
	assert_int_equal(fl_telemetry_add(t, x->ctx), 0);
	assert_int_equal(pthread_create(&th, NULL, ask_ports, path), 0);
	usleep(20000);
	fl_telemetry_stop(t);
	pthread_join(th, &answer);
	free(answer);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- clients that mean it ill ------------------------------------------------------------ */

/** A line that never ends: too long, or too slow. */
static void test_no_line(void **state)
{
	struct fix *x = *state;
	char text[3000];
	int slow = dial(x), fd = dial(x);
	uint64_t begin;

	memset(text, 'a', sizeof(text));
	say(fd, text, sizeof(text));
	assert_true(drain(fd) > 0); /* an error, then the end */
	close(fd);
	fd = dial(x);
	say(fd, text, 1023);
	say(fd, "\n/info\n", 7);
	shutdown(fd, SHUT_WR);
	assert_true(drain(fd) > 1300); /* both are answered */
	close(fd);

	begin = fl_now_ns();
	for (unsigned i = 0; i < 3; i++) { /* each byte gives it no more time */
		say(slow, "/", 1);
		usleep(CLIENT_MS * 250);
		expect(x, "/info", "\"pid\"");
	}
	assert_int_equal(drain(slow), 0);
	assert_true(fl_now_ns() - begin < 4 * CLIENT_MS * 1000000ull);
	close(slow);
}

/** One that asks and asks and reads nothing holds up nobody, and is dropped. */
static void test_reads_nothing(void **state)
{
	struct fix *x = *state;
	int fds[4], small = 2048;
	char text[1000] = "";

	for (size_t i = 0; i + 7 < sizeof(text); i += 6)
		memcpy(text + i, "/help\n", 6);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(fds); i++) {
		fds[i] = dial(x);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		for (unsigned k = 0; k < 5; k++)
			say(fds[i], text, strlen(text));
	}
	for (unsigned i = 0; i < 20; i++)
		expect(x, "/info", "\"pid\"");
	usleep(2 * CLIENT_MS * 1000);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(fds); i++) {
		size_t all = 5 * (strlen(text) / 6) * 1000;

		assert_true(drain(fds[i]) < all); /* cut off, not answered to the end */
		close(fds[i]);
	}
}

/** More than there is room for: who comes is served, who sat there idle gives way. */
static void test_crowd(void **state)
{
	struct fix *x = *state;
	int fds[100];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(fds); i++) {
		fds[i] = dial(x);
		if (i % 2)
			say(fds[i], "/inf", 4);
		if (i % 10 == 0)
			expect(x, "/info", "\"pid\"");
	}
	expect(x, "/info", "\"pid\"");
	assert_int_equal(drain(fds[0]), 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(fds); i++)
		close(fds[i]);
	expect(x, "/info", "\"pid\"");
}

/** Bytes at random, cut at random: every line that comes back is JSON. */
static void test_noise(void **state)
{
	static const char *const seeds[] = { "/help", "/areas,0,0,1", "/ports", "/residency" };
	struct fix *x = *state;
	unsigned seed = 7;

	start_dispatch(x);
	for (unsigned i = 0; i < 200; i++) {
		char line[200], *answer;
		size_t n = (size_t)snprintf(line, sizeof(line), "%s", seeds[i % 4]);

		for (unsigned k = rand_r(&seed) % 40; k && n < sizeof(line) - 1; k--) {
			char c = (char)(rand_r(&seed) % 255 + 1);

			line[n++] = c == '\n' ? ',' : c;
		}
		line[n] = 0;
		if (i % 3 == 0)
			line[rand_r(&seed) % n] = 0;
		answer = ask(x, line);
		free(answer);
		if (i % 5 == 0) { /* and one who leaves without waiting */
			int fd = dial(x);

			say(fd, line, strlen(line));
			say(fd, "\n", 1);
			close(fd);
		}
	}
	stop_dispatch(x);
}

static void *storm(void *arg)
{
	const char *path = arg;
	uintptr_t bad = 0;

	for (unsigned i = 0; i < 50; i++) {
		char *answer;
		int err = fl_telemetry_ask(path, i % 2 ? "/residency" : "/ports", WAIT_MS, &answer);

		bad += err || !strstr(answer, i % 2 ? "spaces" : "82574L");
		if (!err)
			free(answer);
	}
	return (void *)bad;
}

/** Several at once, while areas come and go. */
static void test_at_once(void **state)
{
	struct fix *x = *state;
	struct fl_mem_opts mo = { .node = -1 };
	pthread_t th[4];
	void *bad;

	start_dispatch(x);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(th); i++)
		assert_int_equal(pthread_create(&th[i], NULL, storm,
						(void *)(uintptr_t)fl_telemetry_path(x->t)),
				 0);
	for (unsigned i = 0; i < 50; i++) {
		struct fl_dma_area *a;
		struct fl_mem *m;

		assert_int_equal(fl_mem_alloc(1 << 20, &mo, &m), 0);
		assert_int_equal(fl_dma_map(fl_ctx_space(x->ctx), m, NULL, &a), 0);
		assert_int_equal(fl_dma_unmap(a), 0);
		fl_mem_free(m);
	}
	for (unsigned i = 0; i < FL_ARRAY_SIZE(th); i++) {
		pthread_join(th[i], &bad);
		assert_int_equal((uintptr_t)bad, 0);
	}
	stop_dispatch(x);
}

/* ---- where it stands --------------------------------------------------------------------- */

/** A socket's file; served, or left behind. */
static int make_socket(const char *folder, const char *name, bool served)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", folder, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (served)
		assert_int_equal(listen(fd, 1), 0);
	else
		close(fd);
	return fd;
}

static bool there(const char *folder, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return !access(path, F_OK);
}

static void gone(const char *folder, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(unlink(path), 0);
}

static void test_place(void **state)
{
	struct fix *x = *state;
	char path[128], found[128], longer[200];
	struct fl_telemetry_opts o = { .path = path };
	struct fl_telemetry *t;
	struct stat st;
	int fd, served;

	snprintf(path, sizeof(path), "%s/%d.sock", x->folder, (int)getpid());
	assert_string_equal(fl_telemetry_path(x->t), path);
	assert_int_equal(fl_telemetry_find(getpid(), found, sizeof(found)), 0);
	assert_string_equal(found, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(x->folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fl_telemetry_find(0, found, sizeof(found)), -ESRCH);
	assert_int_equal(fl_telemetry_find(0x3fffffff, found, sizeof(found)), -ESRCH);
	assert_int_equal(fl_telemetry_find(getpid(), found, 10), -ENAMETOOLONG);

	/* by default there is one a process; it clears away what others left, and nothing else */
	assert_int_equal(fl_telemetry_start(NULL, &t), -EADDRINUSE);
	assert_int_equal(fl_telemetry_start(&o, &t), -EADDRINUSE);
	fl_telemetry_stop(x->t);
	assert_int_equal(fl_telemetry_find(getpid(), found, sizeof(found)), -ENOENT);
	make_socket(x->folder, "999999999.sock", false);
	make_socket(x->folder, ".999999999.tmp", false);
	make_socket(x->folder, "other.sock", false);
	served = make_socket(x->folder, "999999998.sock", true);
	assert_int_equal(fl_telemetry_start(NULL, &x->t), 0);
	assert_false(there(x->folder, "999999999.sock"));
	assert_false(there(x->folder, ".999999999.tmp"));
	assert_true(there(x->folder, "other.sock"));
	assert_true(there(x->folder, "999999998.sock"));
	gone(x->folder, "other.sock");
	gone(x->folder, "999999998.sock");
	close(served);

	/* a path of one's own: a socket left there gives way, another file does not */
	snprintf(path, sizeof(path), "%s/mine", x->dir);
	make_socket(x->dir, "mine", false);
	assert_int_equal(fl_telemetry_start(&o, &t), 0);
	gone(x->dir, "mine");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	fl_telemetry_stop(t);
	assert_true(there(x->dir, "mine")); /* that is not ours any more */
	assert_int_equal(fl_telemetry_start(&o, &t), -EEXIST);
	close(fd);
	gone(x->dir, "mine");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	o.path = longer;
	assert_int_equal(fl_telemetry_start(&o, &t), -ENAMETOOLONG);
	o.path = "";
	assert_int_equal(fl_telemetry_start(&o, &t), -EINVAL);
	o.path = "/nowhere/at/all";
	assert_int_equal(fl_telemetry_start(&o, &t), -ENOENT);
}

/** A folder that others could put a socket into is not used. */
static void test_open_folder(void **state)
{
	struct fix *x = *state;
	struct fl_telemetry *t;

	fl_telemetry_stop(x->t);
	x->t = NULL;
	assert_int_equal(chmod(x->folder, 0770), 0);
	assert_int_equal(fl_telemetry_start(NULL, &t), -EPERM);
	assert_int_equal(rmdir(x->folder), 0);
	assert_int_equal(symlink(x->dir, x->folder), 0);
	assert_int_equal(fl_telemetry_start(NULL, &t), -EPERM);
	assert_int_equal(unlink(x->folder), 0);
	assert_int_equal(mkdir(x->folder, 0700), 0);
}

/** Another user is let in by file modes that somebody changed, and is sent away. */
static void test_other_user(void **state)
{
	struct fix *x = *state;
	char *answer;
	int status;
	pid_t pid;

	if (geteuid())
		skip();
	assert_int_equal(chmod(x->dir, 0755), 0);
	assert_int_equal(chmod(x->folder, 0755), 0);
	assert_int_equal(chmod(fl_telemetry_path(x->t), 0666), 0);
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(9);
		status = fl_telemetry_ask(fl_telemetry_path(x->t), "/info", WAIT_MS, &answer);
		_exit(status == -EPROTO || status == -EPIPE || status == -ECONNRESET ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(x, "/info", "\"pid\"");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_answers),    T(test_queues),  T(test_areas),	    T(test_deaf),
		T(test_goes),	    T(test_no_line), T(test_reads_nothing), T(test_crowd),
		T(test_noise),	    T(test_at_once), T(test_place),	    T(test_open_folder),
		T(test_other_user),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
