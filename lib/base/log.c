/* SPDX-License-Identifier: BSD-3-Clause */
#include <fl_log.h>

#include <stdarg.h>
#include <stdio.h>

#define MSG_MAX 1024

static void write_stderr(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	fprintf(stderr, "faultline: %s: %s: %s\n", component, fl_log_level_name(level), msg);
}

static const struct fl_log stderr_log = { .write = write_stderr, .level = FL_LOG_WARN };

/* one of the library's two writable globals; the other is the driver table */
static struct fl_log default_log = { .write = write_stderr, .level = FL_LOG_WARN };

void fl_log_set_default(const struct fl_log *log)
{
	default_log = log ? *log : stderr_log;
}

const struct fl_log *fl_log_default(void)
{
	return &default_log;
}

const char *fl_log_level_name(enum fl_log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	return (unsigned)level < FL_ARRAY_SIZE(names) ? names[level] : "?";
}

void fl_log_msg(const struct fl_log *log, enum fl_log_level level, const char *component,
		const char *fmt, ...)
{
	char msg[MSG_MAX];
	va_list ap;

	if (!log)
		log = &default_log;
	if (level > log->level || !log->write)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log->write(log->arg, level, component, msg);
}
