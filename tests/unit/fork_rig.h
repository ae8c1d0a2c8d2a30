/* SPDX-License-Identifier: BSD-3-Clause */
/* What a child of fork() has of its parent's memory. */
#ifndef FORK_RIG_H
#define FORK_RIG_H

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/** Whether something is mapped at this page there; false under qemu-user, which cannot tell. */
static inline bool child_has(void *page)
{
	int status;
	pid_t pid;

	if (getenv("FL_EMULATED"))
		return false;
	pid = fork();
	if (!pid)
		_exit(!msync(page, 1, MS_ASYNC));
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WEXITSTATUS(status);
}

#endif
