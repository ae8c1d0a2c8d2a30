/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs that measure have in common. */
#ifndef APPS_COMMON_H
#define APPS_COMMON_H

#include <json.h>
#include <stdint.h>

/** A descriptor that is readable once SIGINT or SIGTERM came. Before any thread is made. */
int app_signals(int *fd);

/** Whether a report can be written is found out before the work: 0 (also for NULL), or -EIO. */
int app_can_write(const char *path);

void app_json_u64(struct json_object *o, const char *key, uint64_t v);
void app_json_text(struct json_object *o, const char *key, const char *v);
struct json_object *app_json_new_double(double v);
void app_json_double(struct json_object *o, const char *key, double v);
/** Writes o there and gives it up. 0, or -EIO with a message. */
int app_json_write(struct json_object *o, const char *path);

#endif
