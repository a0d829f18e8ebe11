// SPDX-License-Identifier: MIT
#include "backend/test-single-step.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

bool single_step_is_possible(void)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return false;
	if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL))
		status = 0;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return status;
}

/* After one more instruction. */
static const char *step(const struct single_step *s, pid_t child, int *status)
{
	if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) ||
	    waitpid(child, status, 0) != child)
		return "a process cannot be stepped";
	if (WIFEXITED(*status) || WSTOPSIG(*status) == SIGTRAP)
		return NULL;
	if (WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGSTOP)
		return s->turn(s->userdata);
	return "the daemon crashes";
}

const char *single_step(const struct single_step *s)
{
	const char *wrong = NULL;
	int status;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		s->run(s->userdata);
		_exit(0);
	}
	/* Of -1, kill() would make everybody. */
	if (child < 0 || waitpid(child, &status, 0) != child)
		return "no child";
	while (!wrong) {
		wrong = step(s, child, &status);
		if (wrong || WIFEXITED(status))
			break;
		wrong = s->look(s->userdata);
	}
	if (!WIFEXITED(status)) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	} else if (WEXITSTATUS(status)) {
		wrong = "the daemon ends";
	}
	return wrong;
}
