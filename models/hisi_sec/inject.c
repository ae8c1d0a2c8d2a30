/* SPDX-License-Identifier: BSD-3-Clause */
/* Hardware that misbehaves on request: each kind at every nth occasion, or once at the nth. */
#include <stdio.h>

#include "qm_internal.h"

static const char *const names[F_COUNT] = {
	[F_LOST] = "lost",	[F_DUP] = "dup",	[F_TAG] = "tag",
	[F_PHASE] = "phase",	[F_SQ_HEAD] = "sqhead", [F_BD] = "bd",
	[F_ICV] = "icv",	[F_QSTOP] = "qstop",	[F_STALL] = "stall",
	[F_MB_BUSY] = "mbbusy", [F_MB_FAIL] = "mbfail", [F_RESET] = "noreset",
	[F_ONES] = "ones",	[F_PR_LOST] = "prlost",
};

bool fl_secm_inject_hit(struct secm *f, enum secm_fault kind)
{
	struct secm_inject *i = &f->inject[kind];

	i->count++;
	return i->every ? i->count % i->every == 0 : i->count == i->at;
}

static int one(struct secm *f, const char *item, size_t len)
{
	size_t name = 0;
	unsigned n = 1;
	int end;

	while (name < len && item[name] != ':' && item[name] != '@')
		name++;
	if (name < len && (sscanf(item + name + 1, "%9u%n", &n, &end) != 1 ||
			   name + 1 + (size_t)end != len || !n))
		return -EINVAL;
	for (unsigned k = 0; k < F_COUNT; k++) {
		if (strlen(names[k]) != name || strncmp(names[k], item, name))
			continue;
		f->inject[k] = (struct secm_inject){ 0 };
		if (name < len && item[name] == '@')
			f->inject[k].at = n;
		else
			f->inject[k].every = n;
		return 0;
	}
	return -EINVAL;
}

int fl_secm_inject(struct secm *f, const char *list)
{
	if (!strcmp(list, "none")) {
		memset(f->inject, 0, sizeof(f->inject));
		f->stalled = f->ones = false;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(list, "+");

		if (one(f, list, len)) {
			fl_err(fl_model_log(f->m), fl_model_name(f->m),
			       "inject: '%.*s' is no KIND, KIND:N or KIND@N; fl-model --help "
			       "lists the kinds",
			       (int)len, list);
			return -EINVAL;
		}
		if (!list[len])
			return 0;
		list += len + 1;
	}
}
