/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is not there yet: the page requests of a job. What a job finds missing in one go is
 * asked for in one go; it waits until all of that is answered and then begins again, since what it
 * had found may be gone by then.
 */
#include "bd.h"

/* the same page in so many rounds: the client says that it is there, and it is not */
#define AGAIN_MAX 64u

static bool asked_before(const struct secm_job *j, uint64_t page, unsigned prot)
{
	for (unsigned i = 0; i < j->nbefore; i++) {
		if (j->before[i].page == page && j->before[i].prot == prot)
			return true;
	}
	return false;
}

uint8_t fl_secm_miss(const struct secm_env *env, struct secm_job *j, uint64_t iova, uint32_t len,
		     unsigned prot)
{
	struct secm_ask *a = &j->ask[j->nask];
	int r;

	if (j->nask == SECM_ASKS)
		return SECM_NO_MEMORY;
	r = fl_model_page_request(env->m, fl_iova(iova), len, prot, &a->pr);
	if (r)
		return r == -EAGAIN ? SECM_NO_MEMORY : SECM_FAULT;
	a->page = fl_model_page_iova(env->m, a->pr).v;
	a->prot = (uint8_t)prot;
	j->repeats |= asked_before(j, a->page, prot);
	j->nask++;
	return SECM_MISSED;
}

void fl_secm_miss_forget(const struct secm_env *env, struct secm_job *j)
{
	for (unsigned i = 0; i < j->nask; i++) {
		if (j->ask[i].pr)
			fl_model_page_forget(env->m, j->ask[i].pr);
	}
	j->nask = 0;
}

uint8_t fl_secm_miss_answers(const struct secm_env *env, struct secm_job *j)
{
	uint8_t r = SECM_OK;

	for (unsigned i = 0; i < j->nask; i++) {
		struct secm_ask *a = &j->ask[i];
		enum fl_model_pr_state s =
			a->pr ? fl_model_page_state(env->m, a->pr) : FL_PR_SUCCESS;

		if (s == FL_PR_WAITING) {
			r = SECM_MISSED;
			continue;
		}
		a->pr = 0;
		if (s != FL_PR_SUCCESS) {
			fl_secm_miss_forget(env, j);
			return SECM_FAULT;
		}
	}
	return r;
}

bool fl_secm_miss_again(struct secm_job *j)
{
	j->again = j->repeats ? j->again + 1 : 0;
	memcpy(j->before, j->ask, sizeof(j->before));
	j->nbefore = j->nask;
	j->nask = 0;
	j->repeats = false;
	return j->again < AGAIN_MAX;
}
