/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging. The library writes nothing by itself except through a sink: that of a context, or
 * the process default (warnings and errors to stderr) where no context is at hand.
 */
#ifndef FL_LOG_H
#define FL_LOG_H

#include <fl_base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum fl_log_level {
	FL_LOG_ERR,
	FL_LOG_WARN,
	FL_LOG_INFO,
	FL_LOG_DEBUG,
};

/** Where messages go. `write` may be called from any thread that calls the library. */
struct fl_log {
	void (*write)(void *arg, enum fl_log_level level, const char *component, const char *msg);
	void *arg;
	/** the most talkative level that is still written */
	enum fl_log_level level;
};

/**
 * Replaces the process default (copied). Not thread-safe: call it before other threads use
 * the library. NULL puts stderr with level FL_LOG_WARN back.
 */
FL_API void fl_log_set_default(const struct fl_log *log);

/** The process default. */
FL_API const struct fl_log *fl_log_default(void);

/**
 * Writes one message (no newline; at most 1023 bytes, cut beyond).
 * @log        sink, NULL for the process default
 * @component  room or driver: "dma", "vfio-user", "e1000"
 */
FL_API void fl_log_msg(const struct fl_log *log, enum fl_log_level level, const char *component,
		       const char *fmt, ...) FL_PRINTF(4, 5);

#define fl_err(log, comp, ...)	 fl_log_msg(log, FL_LOG_ERR, comp, __VA_ARGS__)
#define fl_warn(log, comp, ...)	 fl_log_msg(log, FL_LOG_WARN, comp, __VA_ARGS__)
#define fl_info(log, comp, ...)	 fl_log_msg(log, FL_LOG_INFO, comp, __VA_ARGS__)
#define fl_debug(log, comp, ...) fl_log_msg(log, FL_LOG_DEBUG, comp, __VA_ARGS__)

/** "error", "warning", "info", "debug". */
FL_API const char *fl_log_level_name(enum fl_log_level level);

#ifdef __cplusplus
}
#endif
#endif
