/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo: what could be driven here, and what stands in the way. Changes nothing. */
#ifndef DEVINFO_H
#define DEVINFO_H

#include <fl_crypto.h>
#include <fl_net.h>

#include <json.h>

#define DI_MAX_DEVS	1024u
#define DI_MAX_RESERVED 16u

/* ---- devices -------------------------------------------------------------------------- */

enum di_cap { DI_CAP_NO, DI_CAP_YES, DI_CAP_UNSEEN }; /* unseen: its config space is root's */

struct di_reserved {
	uint64_t first, last;
	char type[24]; /* the kernel's word: "msi", "direct" */
};

struct di_dev {
	struct fl_vfio_pci vfio;
	struct fl_pci_id id;
	char name[160]; /* vendor and device, in words */
	char cls[80];
	const char *ours; /* driver that would take it, NULL = none */
	char reset[64];	  /* the kernel's words for the ways to reset it, "" = none */
	enum di_cap ats, pri, pasid;
	unsigned nreserved;
	struct di_reserved reserved[DI_MAX_RESERVED];
	bool container, iommufd; /* this user could take it now, that way */
	char obstacle[1024];	 /* why by neither, and what mends it */
};

/** Fills devs; returns how many, or a negative errno. */
int di_scan(const struct fl_vfio_roots *r, struct di_dev *devs, unsigned max);

/* ---- what sysfs shows (sysfs.c) ------------------------------------------------------- */

/** First line of a file, what does not print as '?'; false and "" where there is none. */
bool di_line(char *out, size_t size, const char *fmt, ...) FL_PRINTF(3, 4);
bool di_exists(const char *fmt, ...) FL_PRINTF(1, 2);
/** Reset, capabilities, reserved windows of a device that `vfio` of it names. */
void di_details(const struct fl_vfio_roots *r, struct di_dev *d);
/** "Intel VT-d" of "dmar0"; a name that it does not know comes back. */
const char *di_iommu_kind(const char *name);

/* ---- doctor --------------------------------------------------------------------------- */

enum di_need { DI_MODELS, DI_HARDWARE, DI_CONTAINER, DI_IOMMUFD, DI_OPTIONAL, DI_NEEDS };
enum di_state { DI_MISSING, DI_OK, DI_UNSEEN };

struct di_machine {
	struct fl_vfio_roots r;
	struct di_dev *devs;
	unsigned ndevs;
};

struct di_answer {
	char found[512];
	char fix[1024]; /* begins as the check's own; may be made more exact */
};

struct di_check {
	const char *name;
	enum di_need need;
	enum di_state (*look)(const struct di_machine *m, struct di_answer *a);
	const char *why, *fix;
};

extern const struct di_check di_vfio_checks[];
extern const unsigned di_nvfio_checks;

void di_found(struct di_answer *a, const char *fmt, ...) FL_PRINTF(2, 3);
void di_fix(struct di_answer *a, const char *fmt, ...) FL_PRINTF(2, 3);
/** Whether this user could open a node for reading and writing; found says so or why not. */
enum di_state di_node(const char *root, const char *name, struct di_answer *a);

/* ---- commands ------------------------------------------------------------------------- */

int di_list(const struct fl_vfio_roots *r, bool all, bool json);
int di_doctor(const struct fl_vfio_roots *r, bool json);
int di_features(const char *uri, bool md, bool json);
int di_models(bool json);
/** who: a process's number, or the path of its socket. */
int di_residency(const char *who, bool json);
/** Prints the whole answer to a request, "/ports/stats,0". */
int di_telemetry(const char *who, const char *request);

/* ---- features ------------------------------------------------------------------------- */

void di_crypto_print(const struct fl_cryptodev_info *i, bool md);
void di_crypto_print_json(const struct fl_cryptodev_info *i);
/** A line for each bit that has a name; fmt takes that name, and "yes" or "-". */
void di_print_bits(uint64_t bits, const char *(*name)(unsigned bit), const char *fmt);
struct json_object *di_bits_json(uint64_t bits, const char *(*name)(unsigned bit));

/* ---- JSON ----------------------------------------------------------------------------- */

/** Prints and frees. */
void di_print_json(struct json_object *o);
void di_json_text(struct json_object *o, const char *key, const char *v);
void di_json_int(struct json_object *o, const char *key, int64_t v);
void di_json_bool(struct json_object *o, const char *key, bool v);

#endif
