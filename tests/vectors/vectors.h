/* SPDX-License-Identifier: BSD-3-Clause */
/* Published test vectors against a crypto device, in many layouts of memory. */
#ifndef VECTORS_H
#define VECTORS_H

#include <fl_crypto.h>

#define VEC_MAX 32768u /* bytes of a field; longer messages are in no file that we read */

struct bytes {
	uint8_t *p;
	uint32_t len;
};

/** One published case: what goes in and what must come out. */
struct vec {
	enum fl_algo algo;
	bool encrypt; /* or generate; false: decrypt, and verify the tag */
	bool fail;    /* the tag is wrong on purpose */
	struct bytes key, iv, aad, in, out, tag;
};

/* ---- parse.c: files of "NAME = hex" stanzas --------------------------------------------- */

/** Field names of a file in lower case, of the stanza or of what stands before it. */
struct record;
const char *record_get(const struct record *r, const char *name);
/** Hex field into bytes that live as long as the record; len 0 when it is not there. */
struct bytes record_hex(struct record *r, const char *name);
uint32_t record_num(const struct record *r, const char *name, uint32_t def);

/** Calls fn for each stanza with a case in it. 0, or -errno with a message. */
int parse_file(const char *path, void (*fn)(struct record *r, void *arg), void *arg);

/* ---- table.c: what the files of a folder are --------------------------------------------- */

enum made { MADE, OTHER_BITS, NOT_A_CASE }; /* OTHER_BITS: lengths that are no whole bytes */

struct family {
	const char *glob; /* below the folder of vectors */
	enum fl_algo algo;
	enum made (*make)(struct record *r, struct vec *v);
};
extern const struct family families[];

/* ---- run.c: cases on a device -------------------------------------------------------------- */

struct runner;
struct tally {
	uint64_t cases, runs, unsupported, failed;
};

struct runner *runner_open(char *uri);
void runner_close(struct runner *r);
bool runner_has(const struct runner *r, enum fl_algo a);
/** Runs one case in every layout that it and the device allow; differences are printed. */
void runner_case(struct runner *r, const struct vec *v, const char *file, struct tally *t);

#endif
