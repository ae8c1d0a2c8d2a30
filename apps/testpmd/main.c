/* SPDX-License-Identifier: BSD-3-Clause */
/* Start-up, the main loop's sleep, shut-down. */
#include "testpmd.h"
#include "../common/common.h"

#include <errno.h>
#include <fl_model.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SECOND	1000000000ull
#define LIVE_NS 250000000ull

/* what is tried again each second says once why it fails */
static _Thread_local bool quiet;

static void log_write(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	if (quiet)
		return;
	fprintf(stderr, "%s: %s: %s\n", fl_log_level_name(level), component, msg);
}

/* ---- the sleep of the main thread ----------------------------------------------------- */

static uint64_t try_plug(struct tp *tp, uint64_t now, uint64_t next)
{
	bool due = now >= tp->next_plug_ns, gone = false;

	tp_for_each_port(tp, i) {
		struct tp_port *p = &tp->ports[i];

		if (due && p->removed) {
			quiet = p->plug_tried;
			p->plug_tried = true;
			if (!tp_port_reset(tp, i)) {
				printf("Port %u: is back\n", i);
				fflush(stdout);
			}
			quiet = false;
		}
		gone |= p->removed;
	}
	if (due)
		tp->next_plug_ns = now + SECOND;
	return gone && tp->next_plug_ns < next ? tp->next_plug_ns : next;
}

/** Runs what is due and returns when the next thing will be. */
static uint64_t periodic(struct tp *tp, uint64_t now)
{
	uint64_t next = UINT64_MAX, period = tp->conf.stats_period * SECOND;

	if (tp->forwarding && period) {
		if (now >= tp->next_period_ns) {
			tp_for_each_port(tp, i)
				tp_show_nic_stats(tp, i);
			tp_show_residency_line(tp);
			fflush(stdout);
			tp->next_period_ns = now + period;
		}
		next = tp->next_period_ns;
	} else if (tp->forwarding && !tp->conf.interactive && isatty(STDOUT_FILENO)) {
		if (now >= tp->next_live_ns) {
			tp_show_live(tp);
			tp->next_live_ns = now + LIVE_NS;
		}
		next = tp->next_live_ns;
	}
	return tp->conf.hot_plug ? try_plug(tp, now, next) : next;
}

enum tp_woken tp_wait(struct tp *tp, int fd, int timeout_ms)
{
	uint64_t now = fl_now_ns();
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms * 1000000;
	struct pollfd fds[] = { { tp->sig_fd, POLLIN, 0 },
				{ fl_ctx_fd(tp->ctx), POLLIN, 0 },
				{ fd, POLLIN, 0 } };

	for (;;) {
		uint64_t due = periodic(tp, now), wait;

		due = due < end ? due : end;
		wait = due > now ? (due - now + 999999) / 1000000 : 0;
		if (poll(fds, FL_ARRAY_SIZE(fds),
			 due == UINT64_MAX ? -1 : (int)(wait < 1000 ? wait : 1000)) < 0 &&
		    errno != EINTR)
			return TP_QUIT;
		if (fds[0].revents) {
			struct signalfd_siginfo si;

			if (read(tp->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
				tp_end_live(tp);
				printf("\nSignal %u received, preparing to exit...\n",
				       si.ssi_signo);
			}
			tp->quit = true;
		}
		if (tp->quit)
			return TP_QUIT;
		if (fds[1].revents) {
			fl_ctx_dispatch(tp->ctx, 0);
			tp_port_events(tp);
		}
		if (fds[2].revents)
			return TP_FD;
		now = fl_now_ns();
		if (now >= end)
			return TP_TIME;
	}
}

/* ---- runs ----------------------------------------------------------------------------- */

/** Without commands: until the time is over, Enter is pressed or a signal comes. */
static int run_batch(struct tp *tp)
{
	uint64_t left_ms = (tp->conf.duration_ns + 999999) / 1000000;
	int fd = STDIN_FILENO, ret = tp_fwd_start(tp, tp->conf.tx_first);

	if (ret)
		return ret;
	if (left_ms) {
		uint64_t end = tp->begun_ns + tp->conf.duration_ns, now;

		while ((now = fl_now_ns()) < end) {
			uint64_t ms = (end - now) / 1000000 + 1;

			if (tp_wait(tp, -1, ms < 60000 ? (int)ms : 60000) == TP_QUIT)
				break;
		}
	} else {
		char c;

		printf("Press enter to exit\n");
		fflush(stdout);
		/* no one will press anything on a closed input: a signal ends it then */
		while (tp_wait(tp, fd, -1) == TP_FD && read(fd, &c, 1) != 1)
			fd = -1;
	}
	return tp_fwd_stop(tp);
}

static int run(struct tp *tp)
{
	const struct tp_conf *c = &tp->conf;
	int ret = 0;

	if (!c->interactive && !c->cmdline_file)
		return run_batch(tp);
	if (c->auto_start || c->tx_first)
		ret = tp_fwd_start(tp, c->tx_first);
	if (c->cmdline_file && tp_cmd_file(tp, c->cmdline_file))
		ret = -EINVAL;
	if (c->interactive && !tp->quit && tp_cmd_loop(tp))
		ret = -EIO;
	if (tp->forwarding && tp_fwd_stop(tp))
		ret = -EIO;
	return ret;
}

static int bring_up(struct tp *tp)
{
	struct fl_ctx_opts ctx_opts = { .log = &tp->log };
	struct fl_engine_opts engine = { .log = &tp->log, .cpu = tp->conf.model_cpu };
	int ret = fl_ctx_create(&ctx_opts, &tp->ctx);

	if (!ret)
		ret = app_residency_apply(&tp->conf.residency, fl_ctx_space(tp->ctx));
	if (!ret)
		ret = app_telemetry_add(&tp->conf.telemetry, "fl-testpmd", tp->ctx);
	if (!ret)
		ret = fl_model_enable(tp->ctx, &engine);
	for (unsigned i = 0; !ret && i < tp->conf.nuris; i++) {
		unsigned id;

		ret = tp_port_attach(tp, tp->conf.uris[i], &id);
	}
	if (!ret)
		ret = tp_xstats_check(tp);
	if (!ret)
		ret = tp_pool_create(tp);
	if (ret)
		return ret;
	tp_fwd_ports(tp, tp->conf.portmask);
	if (tp->conf.no_start || !tp->conf.nuris)
		return 0;
	tp_for_each_port(tp, i) {
		ret = tp_port_start(tp, i);
		if (ret)
			return ret;
	}
	tp_ports_link_wait(tp);
	return 0;
}

static int take_down(struct tp *tp)
{
	int ret = 0;

	tp_for_each_port(tp, i) {
		printf("Stopping port %u...\n", i);
		if (tp_port_stop(tp, i) && !tp->ports[i].removed)
			ret = -EIO;
	}
	tp_for_each_port(tp, i) {
		printf("Shutting down port %u...\n", i);
		tp_port_close(tp, i);
	}
	tp_fwd_free(tp);
	app_telemetry_stop(&tp->conf.telemetry);
	if (tp_pool_destroy(tp))
		ret = -EBUSY;
	if (tp->ctx && fl_ctx_destroy(tp->ctx))
		ret = -EBUSY;
	close(tp->sig_fd);
	return ret;
}

int main(int argc, char **argv)
{
	struct tp *tp = calloc(1, sizeof(*tp));
	int ret;

	if (!tp || tp_options(&tp->conf, argc, argv))
		return EXIT_FAILURE;
	tp->born_ns = tp_born_ns();
	tp->log = (struct fl_log){ .write = log_write, .level = tp->conf.log_level };
	fl_log_set_default(&tp->log);
	ret = app_signals(&tp->sig_fd);
	if (!ret)
		ret = app_can_write(tp->conf.json);
	if (!ret)
		ret = bring_up(tp);
	if (!ret)
		ret = run(tp);
	if (tp->ctx && tp->conf.json && tp_report(tp))
		ret = -EIO;
	if (take_down(tp))
		ret = -EBUSY;
	printf("\nBye...\n");
	ret = ret || tp->failed ? EXIT_FAILURE : EXIT_SUCCESS;
	free(tp);
	return ret;
}
