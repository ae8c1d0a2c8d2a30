/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user_json.h"
#include "vfio_user.h"

#include <stdio.h>
#include <string.h>

/* Values nest no deeper than this; the protocol needs three. */
#define DEPTH_MAX 16u

struct cursor {
	const char *p; /* ends with a NUL that is part of the input */
	const char *why;
};

struct string {
	const char *p;
	size_t len;
};

static int fail(struct cursor *c, const char *why)
{
	if (!c->why)
		c->why = why;
	return -EINVAL;
}

static void skip_space(struct cursor *c)
{
	c->p += strspn(c->p, " \t\r\n");
}

static bool take(struct cursor *c, char ch)
{
	skip_space(c);
	if (*c->p != ch)
		return false;
	c->p++;
	return true;
}

/* Escapes are passed over, not decoded: no key of ours has one. */
static int get_string(struct cursor *c, struct string *s)
{
	if (!take(c, '"'))
		return fail(c, "a string is missing");
	s->p = c->p;
	for (; *c->p != '"'; c->p++) {
		if (*c->p == '\\')
			c->p++;
		if ((unsigned char)*c->p < ' ')
			return fail(c, "a string does not end");
	}
	s->len = (size_t)(c->p++ - s->p);
	return 0;
}

static bool is_key(const struct string *s, const char *key)
{
	return s->len == strlen(key) && !memcmp(s->p, key, s->len);
}

static int get_u64(struct cursor *c, uint64_t *out)
{
	uint64_t v = 0;

	skip_space(c);
	if (*c->p < '0' || *c->p > '9')
		return fail(c, "a number that is a whole one and not negative is missing");
	for (; *c->p >= '0' && *c->p <= '9'; c->p++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*c->p - '0'), &v))
			return fail(c, "a number is too large");
	if (*c->p && strchr(".eE", *c->p))
		return fail(c, "a number is not a whole one");
	*out = v;
	return 0;
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	skip_space(c);
	if (strncmp(c->p, word, n))
		return false;
	c->p += n;
	return true;
}

static int get_bool(struct cursor *c, bool *out)
{
	*out = take_word(c, "true");
	return *out || take_word(c, "false") ? 0 : fail(c, "true or false is missing");
}

typedef int (*member_fn)(struct cursor *c, const struct string *key, void *arg, unsigned depth);

/* An object; fn takes the value of each member. */
static int get_object(struct cursor *c, member_fn fn, void *arg, unsigned depth)
{
	struct string key;
	int err;

	if (!take(c, '{'))
		return fail(c, "an object is missing");
	if (take(c, '}'))
		return 0;
	do {
		err = get_string(c, &key);
		if (!err && !take(c, ':'))
			err = fail(c, "a colon is missing");
		if (!err)
			err = fn(c, &key, arg, depth + 1);
		if (err)
			return err;
	} while (take(c, ','));
	return take(c, '}') ? 0 : fail(c, "an object does not end");
}

static int skip_member(struct cursor *c, const struct string *key, void *arg, unsigned depth);

static int skip_array(struct cursor *c, unsigned depth)
{
	if (!take(c, '[') || take(c, ']'))
		return 0;
	do {
		int err = skip_member(c, NULL, NULL, depth + 1);

		if (err)
			return err;
	} while (take(c, ','));
	return take(c, ']') ? 0 : fail(c, "an array does not end");
}

static int skip_member(struct cursor *c, const struct string *key, void *arg, unsigned depth)
{
	struct string s;
	size_t n;

	if (depth > DEPTH_MAX)
		return fail(c, "values nest too deep");
	skip_space(c);
	if (*c->p == '{')
		return get_object(c, skip_member, NULL, depth);
	if (*c->p == '[')
		return skip_array(c, depth);
	if (*c->p == '"')
		return get_string(c, &s);
	if (take_word(c, "true") || take_word(c, "false") || take_word(c, "null"))
		return 0;
	n = strspn(c->p, "+-.0123456789eE");
	c->p += n;
	return n ? 0 : fail(c, "a value is missing");
}

static int twin_member(struct cursor *c, const struct string *key, void *arg, unsigned depth)
{
	struct fl_vu_caps *caps = arg;
	uint64_t v;
	int err;

	if (is_key(key, "supported"))
		return get_bool(c, &caps->twin_socket);
	if (!is_key(key, "fd_index"))
		return skip_member(c, key, NULL, depth);
	err = get_u64(c, &v);
	if (!err && v > INT32_MAX)
		err = fail(c, "fd_index is too large");
	if (!err)
		caps->twin_fd_index = (int64_t)v;
	return err;
}

static int pages_member(struct cursor *c, const struct string *key, void *arg, unsigned depth)
{
	struct fl_vu_caps *caps = arg;

	if (is_key(key, "max"))
		return get_u64(c, &caps->page_requests);
	return skip_member(c, key, NULL, depth);
}

static int get_pages(struct cursor *c, struct fl_vu_caps *caps, unsigned depth)
{
	int err;

	caps->page_requests = 0;
	err = get_object(c, pages_member, caps, depth);
	return err || caps->page_requests ? err
					  : fail(c, "x_page_requests without a max of 1 at least");
}

static int caps_member(struct cursor *c, const struct string *key, void *arg, unsigned depth)
{
	struct fl_vu_caps *caps = arg;

	if (is_key(key, "max_msg_fds"))
		return get_u64(c, &caps->max_msg_fds);
	if (is_key(key, "max_data_xfer_size"))
		return get_u64(c, &caps->max_data_xfer_size);
	if (is_key(key, "max_dma_maps"))
		return get_u64(c, &caps->max_dma_maps);
	if (is_key(key, "pgsizes"))
		return get_u64(c, &caps->pgsizes);
	if (is_key(key, "write_multiple"))
		return get_bool(c, &caps->write_multiple);
	if (is_key(key, "twin_socket"))
		return get_object(c, twin_member, caps, depth);
	if (is_key(key, "x_page_requests"))
		return get_pages(c, caps, depth);
	return skip_member(c, key, NULL, depth);
}

static int top_member(struct cursor *c, const struct string *key, void *arg, unsigned depth)
{
	if (is_key(key, "capabilities"))
		return get_object(c, caps_member, arg, depth);
	return skip_member(c, key, NULL, depth);
}

struct fl_vu_caps fl_vu_caps_default(void)
{
	return (struct fl_vu_caps){
		.max_msg_fds = FL_VU_DEFAULT_MSG_FDS,
		.max_data_xfer_size = FL_VU_DEFAULT_XFER,
		.max_dma_maps = FL_VU_DEFAULT_DMA_MAPS,
		.pgsizes = FL_VU_DEFAULT_PGSIZES,
		.twin_fd_index = -1,
	};
}

int fl_vu_caps_parse(const char *json, size_t len, struct fl_vu_caps *caps, const char **why)
{
	struct cursor c = { .p = json };
	int err = 0;

	if (!memchr(json, 0, len))
		err = fail(&c, "the NUL at the end is missing");
	if (!err)
		err = get_object(&c, top_member, caps, 0);
	skip_space(&c);
	if (!err && *c.p)
		err = fail(&c, "something follows the object");
	*why = c.why;
	return err;
}

int fl_vu_caps_format(const struct fl_vu_caps *caps, char *buf, size_t size)
{
	char twin[80] = "", pages[64] = "";
	int n;

	if (caps->twin_socket && caps->twin_fd_index >= 0)
		snprintf(twin, sizeof(twin),
			 ",\"twin_socket\":{\"supported\":true,\"fd_index\":%lld}",
			 (long long)caps->twin_fd_index);
	else if (caps->twin_socket)
		snprintf(twin, sizeof(twin), ",\"twin_socket\":{\"supported\":true}");
	if (caps->page_requests)
		snprintf(pages, sizeof(pages), ",\"x_page_requests\":{\"max\":%llu}",
			 (unsigned long long)caps->page_requests);
	n = snprintf(buf, size,
		     "{\"capabilities\":{\"max_msg_fds\":%llu,\"max_data_xfer_size\":%llu,"
		     "\"max_dma_maps\":%llu,\"pgsizes\":%llu%s%s%s}}",
		     (unsigned long long)caps->max_msg_fds,
		     (unsigned long long)caps->max_data_xfer_size,
		     (unsigned long long)caps->max_dma_maps, (unsigned long long)caps->pgsizes,
		     caps->write_multiple ? ",\"write_multiple\":true" : "", twin, pages);
	return n >= 0 && (size_t)n < size ? n + 1 : -ENOSPC;
}
