/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side of VFIO, for tests without it: link with --wrap=ioctl, close and open (see
 * meson.build). A temporary tree stands for /sys and /dev. Files opened under its dev/vfio answer
 * ioctls by a model of groups, containers and type1, of iommufd and device cdevs; a device is a
 * memfd laid out like VFIO's (region n at n << 40), so that pread, pwrite and mmap on it are real.
 * One at a time.
 */
#ifndef VFIO_FAKE_H
#define VFIO_FAKE_H

#include <fl_vfio.h>
#include <kernel_abi.h>

#define FAKE_DEVS      8u
#define FAKE_GROUPS    8u
#define FAKE_CTNRS     8u
#define FAKE_MAPS      1024u
#define FAKE_WINDOWS   4u
#define FAKE_VECS      16u
#define FAKE_IOASES    4u
#define FAKE_HWPTS     8u
#define FAKE_QUEUES    4u
#define FAKE_GROUPED   300u /* requests in a group */
#define FAKE_PENDING   256u

#define FAKE_REGION(n) ((off_t)(n) << 40)

struct fake_map {
	uint64_t iova, len, va;
	uint32_t flags;
	uint64_t dirty;	     /* bit a page of the first 64 */
	uint32_t dirty_hwpt; /* whose log has these; 0 = every one's */
	/* that faults, or did: bit a page of no more than 64, and what is counted */
	bool faults;
	uint64_t reach, write, held;
	struct fl_abi_fault_stats st;
};

struct fake_ctnr {
	int fd; /* 0 = this one is free */
	int iommu;
	unsigned ngroups, nmaps, avail;
	struct fake_map maps[FAKE_MAPS];
	bool dirty_on;
	struct fake_group *leaving; /* slowly */
	uint32_t around;
	struct fl_abi_fault_stats gone; /* of mappings that are, and outside all */
};

struct fake_ioas {
	uint32_t id; /* 0 = free */
	unsigned nmaps, nallowed;
	struct fake_map maps[FAKE_MAPS];
	struct fl_iova_range allowed[FAKE_WINDOWS];
};

struct fake_hwpt {
	uint32_t id; /* 0 = free */
	struct fake_ioas *ioas;
	uint32_t flags, fault_id;
	int tag;	/* as its groups' */
	bool automatic; /* of the kernel's making */
	bool dirty_on;
	unsigned users;
};

/** Page requests that wait for their answer. */
struct fake_requests {
	struct fake_dev *d; /* NULL = free */
	uint64_t order;	    /* 0: handed over, by the cookie */
	uint32_t cookie;
	unsigned n;
	struct {
		uint64_t iova;
		uint32_t perm, pasid;
	} v[FAKE_GROUPED];
};

struct fake_answer {
	const struct fake_dev *d;
	uint64_t iova; /* of the first request */
	uint32_t code;
	bool by_kernel;
};

struct fake_queue {
	uint32_t id; /* 0 = free */
	int fd;	     /* -1 = closed */
	struct fake_requests pending[FAKE_PENDING];
};

struct fake_group {
	int id; /* -1 = free */
	int fd; /* 0 = not open */
	bool viable, noiommu;
	bool faults; /* its devices can */
	/** groups with other tags do not fit one container */
	int tag;
	/** what the IOMMU allows its devices, from the start [0, 2^39) without the MSI window */
	struct fl_iova_range windows[FAKE_WINDOWS];
	unsigned nwindows;
	struct fake_ctnr *c;
	unsigned users; /* device fds that are open */
};

struct fake_dev {
	char address[16];
	struct fake_group *g;
	int memfd;
	uint64_t region_size[VFIO_PCI_NUM_REGIONS];
	uint32_t region_flags[VFIO_PCI_NUM_REGIONS];
	uint32_t irq_count[VFIO_PCI_NUM_IRQS], irq_flags[VFIO_PCI_NUM_IRQS];
	bool resettable;
	/* what it was told */
	int vec_fd[VFIO_PCI_NUM_IRQS][FAKE_VECS]; /* -1 = none */
	unsigned nvecs[VFIO_PCI_NUM_IRQS];
	unsigned resets, opens;

	/* iommufd */
	bool can_log, can_fault;
	uint32_t devid; /* 0 = not bound */
	struct fake_hwpt *hwpt;
};

struct fake {
	struct fl_vfio_roots roots; /* give this to fl_vfio_kernel_create() */
	char sys[64], dev[64];
	struct fake_dev devs[FAKE_DEVS];
	unsigned ndevs;
	struct fake_group groups[FAKE_GROUPS];
	struct fake_ctnr ctnrs[FAKE_CTNRS];
	struct fake_ioas ioases[FAKE_IOASES];
	struct fake_hwpt hwpts[FAKE_HWPTS];
	struct fake_queue queues[FAKE_QUEUES];
	uint32_t last_id;

	/* page requests; by any thread, with fake_lock() */
	uint64_t nrequests;
	struct fake_answer answers[1024];
	unsigned nanswers, refused_answers, reads;
	uint64_t most_locked; /* at any time */

	/* how the kernel is */
	int api_version;
	bool no_type1, no_iova_cap, no_avail_cap, no_migration_cap;
	uint64_t fault_ops; /* type1 has mappings that fault, and knows these operations; 0 = it is
			       as shipped */
	uint32_t fault_op, fault_skip; /* such an operation fails with fault_errno, after so many */
	int fault_errno;
	uint32_t short_stats;  /* so many bytes of an answer to STATS are missing */
	unsigned spoiled;      /* so often a group made a container READY no more */
	bool no_irq_remapping; /* and allow_unsafe_interrupts off */
	bool lax_windows;      /* a group is let in though a mapping is outside its windows */
	uint64_t page_sizes;
	unsigned entry_limit;
	uint64_t memlock; /* bytes that may be mapped, all containers together; 0 = any */
	bool short_unmap; /* takes out half, and says so */
	/** a group goes out of its container when its last device is closed; slowly: its mappings
	 *  go then, the rest when somebody asks the container for an extension */
	bool unbinding, slowly;
	uint64_t dirty_bitmap_max;
	bool by_process; /* iommufd charges the process and not the user */
	/** iommufd has fault queues; none for a table of the process's memory (6.12); none together
	 *  with a log; only for devices that are attached already (up to 6.15) */
	bool has_queues, no_user_faults, no_logged_faults, late_faults;
	int read_errno; /* of a fault queue, once */
	/** iommufd cuts its windows into so many more than there are */
	unsigned more_windows;
	/** when a cdev is attached to an IOAS */
	void (*on_attach)(void *arg);
	void *on_attach_arg;
	/** answers that make no sense: of IOAS_IOVA_RANGES */
	void (*edit_ranges)(void *answer);

	/* the n-th call (1 is the first) of open() on a node and of ioctl() fails with the errno */
	unsigned calls, fail_at;
	int fail_errno;
	/** may change an answer of VFIO_IOMMU_GET_INFO */
	void (*edit_info)(void *info, size_t size);
	/**
	 * Asked before the model of a device: true = answered, by *rc, which is what ioctl(2) gives
	 * or a negative errno.
	 */
	bool (*dev_ioctl)(struct fake_dev *d, unsigned long request, void *arg, int *rc);
	/** other nodes of the tree and what was made from them (fake_watch()); a negative errno */
	int (*other_ioctl)(int fd, const char *name, unsigned long request, void *arg);
	void (*other_close)(int fd, const char *name);

	char log[8192]; /* all that was logged, a line each */
};

extern struct fake fake;
extern const struct fl_log fake_log;

/** A machine with VFIO loaded and no device. */
void fake_setup(void);
/** Fails the test where a file or mapping was left. */
void fake_teardown(void);

/** A device bound to `driver` ("" = none); a group that does not exist is made. */
struct fake_dev *fake_add(const char *address, int group, const char *driver);
void fake_bind(const struct fake_dev *d, const char *driver);
struct fake_group *fake_group(int id);
/** Devices of this group stand behind no IOMMU: the node is noiommu-N. */
void fake_noiommu(int id);

/** The kernel has iommufd, and a cdev of this number for the device. */
void fake_iommufd(const struct fake_dev *d, unsigned number);

/** Makes or removes a file of the tree; the path is under it ("dev/vfio/vfio"). */
void fake_file(const char *path, const char *text);
void fake_remove(const char *path);
/** From now on ioctls on this fd go to other_ioctl, under this name. */
void fake_watch(int fd, const char *name);

/** A device of the container touches a page: what the kernel does then. False: refused. */
bool fake_touch(struct fake_ctnr *c, uint64_t iova, bool write);
/** Bytes that are charged. */
uint64_t fake_locked(void);
/** The process gives up pages of its memory: the kernel takes them from all devices. */
void fake_notify(const void *va, uint64_t len);

/* ---- vfio_fake_queue.c ---------------------------------------------------------------- */

void fake_lock(void);
void fake_unlock(void);
/** The device asks for pages: a group, FL_IOMMU_PERM_* of each; the answer comes in fake.answers.
 */
void fake_ask(struct fake_dev *d, const uint64_t *iova, const uint32_t *perm, unsigned n);
void fake_ask_one(struct fake_dev *d, uint64_t iova, uint32_t perm);
/** Waits until there are so many answers; false: not within some seconds. */
bool fake_answered(unsigned n);
/** The flags of what the device reaches there, 0 = nothing. */
uint32_t fake_reaches(const struct fake_dev *d, uint64_t iova);

/** Counts over all containers; mappings of IOASes too. */
unsigned fake_maps(void);
unsigned fake_containers(void);
/** IOASes and page tables. */
unsigned fake_objects(void);
/** File descriptors of the process that are open, those of the fake itself not counted. */
unsigned fake_fds(void);
/** The log has it; what it has is printed where not. */
bool fake_logged(const char *text);
/** How often. */
unsigned fake_log_lines(const char *text);

#endif
