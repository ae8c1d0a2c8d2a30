/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo: what could be driven here, and what stands in the way. Changes nothing. */
#ifndef DEVINFO_H
#define DEVINFO_H

#include <fl_net.h>

#include <json.h>

#define DI_MAX_DEVS 1024u

/** Where to look; other roots serve containers and tests. */
struct di_roots {
	const char *sys, *dev;
};

struct di_dev {
	char addr[20];
	struct fl_pci_id id;
	char name[160]; /* vendor and device, in words */
	char cls[80];
	char driver[40]; /* bound now, "" = none */
	int group;	 /* -1 = no IOMMU */
	int node;
	bool reset;	   /* the function can be reset */
	const char *ours;  /* driver that would take it, NULL = none */
	char members[160]; /* the others of the group, and what holds each */
	char state[200];   /* "ready", or why not */
	char remedy[400];  /* command that mends it, "" = none needed */
};

/** Fills devs; returns how many, or a negative errno. */
int di_scan(const struct di_roots *r, struct di_dev *devs, unsigned max);

int di_list(const struct di_roots *r, bool all, bool json);
int di_doctor(const struct di_roots *r, bool json);
int di_features(const char *uri, bool md, bool json);
int di_models(bool json);

/** Prints and frees. */
void di_print_json(struct json_object *o);
void di_json_text(struct json_object *o, const char *key, const char *v);
void di_json_int(struct json_object *o, const char *key, int64_t v);
void di_json_bool(struct json_object *o, const char *key, bool v);

#endif
