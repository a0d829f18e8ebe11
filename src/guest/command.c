// SPDX-License-Identifier: MIT
#include "guest/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/process.h"

#define PATIENCE_NS (5 * NS_PER_S)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Pipes of which one end is ours, and the program on the others. */
static int start_on_pipes(struct command *c, char *const argv[],
			  const char *channel)
{
	int to[2] = { -1, -1 }, from[2] = { -1, -1 }, r = 0;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		r = -errno;
	if (!r)
		r = process_start(argv, to[0], from[1], channel, false,
				  &c->pid);
	close_fd(&to[0]);
	close_fd(&from[1]);
	c->in = to[1];
	c->out = from[0];
	return r;
}

int command_start(struct command *c, char *const argv[], const char *channel)
{
	int r;

	*c = (struct command){ .in = -1,
			       .out = -1,
			       .children = -1,
			       .deadline_ns = DEADLINE_NEVER };
	/* Before there is a child to be missed. */
	r = process_watch_children(&c->children);
	if (!r)
		r = start_on_pipes(c, argv, channel);
	if (r)
		return r;
	fcntl(c->in, F_SETFL, O_NONBLOCK);
	fcntl(c->out, F_SETFL, O_NONBLOCK);
	return 0;
}

bool command_has_ended(struct command *c)
{
	struct signalfd_siginfo info;
	int status;

	while (read(c->children, &info, sizeof(info)) > 0)
		;
	if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid) {
		c->pid = 0;
		c->status = process_status(status);
	}
	return !c->pid;
}

void command_hang_up(struct command *c)
{
	if (c->deadline_ns == DEADLINE_NEVER)
		c->deadline_ns = deadline_in(PATIENCE_NS);
}

int command_finish(struct command *c, int stop)
{
	close_fd(&c->in);
	close_fd(&c->out);
	command_hang_up(c);
	if (c->pid)
		c->status = process_finish(c->pid, stop, c->deadline_ns);
	c->pid = 0;
	close_fd(&c->children);
	return c->status;
}
