/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine, the server and the enable scheme share. */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "model_internal.h"

#include <poll.h>

/** Makes the server of a model: listens on path, or serves fd. */
int fl_server_new(struct fl_model *m, const char *path, int fd, struct fl_server **out);
void fl_server_free(struct fl_server *s);
/** The fds to wait for, at most FL_SERVER_FDS; returns how many. */
#define FL_SERVER_FDS 3u
unsigned fl_server_pollfds(struct fl_server *s, struct pollfd *p);
/** There is something to do for it though no socket says so. */
bool fl_server_due(const struct fl_server *s);
/** Handles what has come; whether there was anything. */
bool fl_server_work(struct fl_server *s);
bool fl_server_connected(const struct fl_server *s);
/** It served one socket, and that hung up. */
bool fl_server_over(const struct fl_server *s);
/** Copies by message; `write` = to the client. 0 or a negative errno. */
int fl_server_dma(struct fl_server *s, uint64_t iova, void *buf, uint32_t len, bool write);
/** Sends the page requests that are to be sent; true: all went. */
bool fl_server_send_pages(struct fl_server *s);
/** Takes in grants and answers that have come, from within a model's poll(); true: there were any
 */
bool fl_server_take_grants(struct fl_server *s);

#endif
