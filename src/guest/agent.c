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

/* While nobody has waited for it, its number is nobody else's. */
static bool has_ended(const struct agent *a)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)a->pid, &info,
		      WEXITED | WNOHANG | WNOWAIT) ||
	       info.si_pid == a->pid;
}

bool agent_reap(struct agent *a)
{
	int status = 0;

	if (!a->pid || !has_ended(a))
		return false;
	if (a->stopping)
		kill(-a->pid, SIGTERM);
	waitpid(a->pid, &status, 0);
	a->pid = 0;
	a->stopping = false;
	a->status = process_status(status);
	plan_next(a);
	return true;
}

void agent_await(struct agent *a, int64_t deadline_ns)
{
	if (!a->pid || a->stopping)
		return;
	a->stopping = true;
	a->next_signal = SIGTERM;
	a->next_ns = deadline_ns;
}

void agent_stop(struct agent *a)
{
	agent_await(a, 0);
	if (a->pid && a->next_signal == SIGTERM)
		a->next_ns = 0;
	agent_poll(a);
}

void agent_poll(struct agent *a)
{
	if (!a->pid || !a->stopping || clock_now_ns() < a->next_ns)
		return;
	kill(-a->pid, a->next_signal);
	a->next_ns = a->next_signal == SIGTERM ? deadline_in(PATIENCE_NS)
					       : DEADLINE_NEVER;
	a->next_signal = SIGKILL;
}

int64_t agent_deadline(const struct agent *a)
{
	return a->pid && !a->stopping ? DEADLINE_NEVER : a->next_ns;
}
