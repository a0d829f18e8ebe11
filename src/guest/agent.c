// SPDX-License-Identifier: MIT
#include "guest/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/process.h"

/* Who has run this long did not end early. */
#define LONG_RUN_NS (60 * NS_PER_S)
#define PATIENCE_NS (5 * NS_PER_S)

void agent_init(struct agent *a, const char *dir, const char *name,
		int64_t delay_min_ns)
{
	*a = (struct agent){ .delay_ns = delay_min_ns,
			     .delay_min_ns = delay_min_ns };
	/* A path that does not fit does not exist. */
	if ((size_t)snprintf(a->path, sizeof(a->path), "%s/%s", dir, name) >=
	    sizeof(a->path))
		a->path[0] = '\0';
}

int agent_check(const struct agent *a)
{
	struct stat st;

	if (stat(a->path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || access(a->path, X_OK))
		return -EACCES;
	if ((st.st_uid && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return 0;
}

/* Doubled each time, unless the last one had run for long. */
static void plan_next(struct agent *a)
{
	int64_t now = clock_now_ns();

	if (now - a->started_ns >= LONG_RUN_NS)
		a->delay_ns = a->delay_min_ns;
	a->next_ns = now + a->delay_ns;
	a->delay_ns *= 2;
	if (a->delay_ns > AGENT_DELAY_MAX_NS)
		a->delay_ns = AGENT_DELAY_MAX_NS;
}

int agent_start(struct agent *a, const char *name, int terminal)
{
	char *argv[] = { a->path, NULL };
	int r;

	if (a->pid || clock_now_ns() < a->next_ns)
		return 0;
	a->started_ns = clock_now_ns();
	r = process_start(argv, terminal, terminal, name, true, &a->pid);
	if (r)
		plan_next(a);
	return r ? r : 1;
}

bool agent_reap(struct agent *a)
{
	int status = 0;

	if (!a->pid || !waitpid(a->pid, &status, WNOHANG))
		return false;
	a->pid = 0;
	a->stopping = false;
	a->status = process_status(status);
	plan_next(a);
	return true;
}

void agent_stop(struct agent *a)
{
	if (!a->pid || a->stopping)
		return;
	a->stopping = true;
	a->next_ns = deadline_in(PATIENCE_NS);
	kill(-a->pid, SIGTERM);
}

void agent_poll(struct agent *a)
{
	if (!a->stopping || clock_now_ns() < a->next_ns)
		return;
	a->next_ns = DEADLINE_NEVER;
	kill(-a->pid, SIGKILL);
}

int64_t agent_deadline(const struct agent *a)
{
	return a->pid && !a->stopping ? DEADLINE_NEVER : a->next_ns;
}
