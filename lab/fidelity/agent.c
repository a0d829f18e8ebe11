// SPDX-License-Identifier: MIT
/*
 * fidelity-agent - do operations in one domain, as the coordinator says.
 *
 * Lines "@@SEQ PROCESS[/HANDLES] OPERATION ARGUMENT..." come in on stdin; each gets
 * one line "@=SEQ RESULT" on stdout. Between the two, on a domain's console, a kernel
 * may write what it likes.
 *
 * The agent itself opens no handle. Each PROCESS that the script names is a child
 * (this program again, as a worker), so that a script can end one and see what the
 * host makes of it.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "worker.h"

#define N_WORKERS 16
#define LINE_MAX_LEN 65536
#define HANG_MS 120000

struct worker {
	char name[16];
	pid_t pid;
	FILE *in, *out; /* as the agent sees them: replies in, commands out */
};

static struct worker workers[N_WORKERS];

static void start_worker(struct worker *w, const char *name)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	w->pid = fork();
	if (w->pid < 0)
		abort();
	if (w->pid == 0) {
		dup2(fds[1], STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		execl("/proc/self/exe", "fidelity-agent", "--worker", NULL);
		_exit(127);
	}
	close(fds[1]);
	snprintf(w->name, sizeof w->name, "%s", name);
	w->out = fdopen(fds[0], "w");
	w->in = fdopen(dup(fds[0]), "r");
}

/* Returns only when the kernel has released what the process held. */
static void end_worker(struct worker *w, int signal)
{
	if (!w->pid)
		return;
	if (signal)
		kill(w->pid, signal);
	shutdown(fileno(w->out), SHUT_RDWR);
	fclose(w->out);
	fclose(w->in);
	waitpid(w->pid, NULL, 0);
	memset(w, 0, sizeof *w);
}

static struct worker *find_worker(const char *name)
{
	struct worker *free_slot = NULL;

	for (struct worker *w = workers; w < workers + N_WORKERS; w++) {
		if (w->pid && !strcmp(w->name, name))
			return w;
		if (!w->pid && !free_slot)
			free_slot = w;
	}
	if (!free_slot)
		abort();
	start_worker(free_slot, name);
	return free_slot;
}

/* Hand the line on; false when the worker died or hangs, and is gone now. */
static bool ask_worker(struct worker *w, const char *line, char *reply)
{
	struct pollfd p = { .fd = fileno(w->in), .events = POLLIN };

	fprintf(w->out, "%s\n", line);
	fflush(w->out);
	if (poll(&p, 1, HANG_MS) == 1 && fgets(reply, LINE_MAX_LEN, w->in)) {
		reply[strcspn(reply, "\n")] = 0;
		return true;
	}
	strcpy(reply, p.revents ? "DIED" : "HANGS");
	end_worker(w, SIGKILL);
	return false;
}

/*
 * What a process let go is let go when the kernel says that it ended; not so where
 * the host is a process itself, that learns of it from its sockets. One question of
 * each kind later it has.
 */
static void settle(void)
{
	static char reply[LINE_MAX_LEN];

	ask_worker(find_worker("-"), "- settle", reply);
}

static void serve_line(const char *line, char *reply)
{
	char process[16], operation[32] = "";
	struct worker *w;

	if (sscanf(line, "%15[^/ ]%*[^ ] %31s", process, operation) < 2)
		sscanf(line, "%15s %31s", process, operation);
	strcpy(reply, "ok");
	if (!strcmp(operation, "reset")) {
		for (w = workers; w < workers + N_WORKERS; w++)
			end_worker(w, SIGKILL);
		return;
	}
	w = find_worker(process);
	if (!strcmp(operation, "kill"))
		end_worker(w, SIGKILL);
	else if (!strcmp(operation, "exit"))
		end_worker(w, 0);
	else
		ask_worker(w, line, reply);
	if (!strcmp(operation, "kill") || !strcmp(operation, "exit") ||
	    !strncmp(operation, "close-", 6))
		settle();
}

/* The console of a domain is a terminal; nothing may be echoed or translated. */
static void make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
}

int main(int argc, char **argv)
{
	static char line[LINE_MAX_LEN], reply[LINE_MAX_LEN];
	char *command;
	unsigned long seq;

	if (argc == 2 && !strcmp(argv[1], "--worker"))
		return worker_main();
	signal(SIGPIPE, SIG_IGN);
	make_raw(STDIN_FILENO);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\r\n")] = 0;
		if (strncmp(line, "@@", 2))
			continue;
		seq = strtoul(line + 2, &command, 10);
		serve_line(command + strspn(command, " "), reply);
		printf("@=%lu %s\n", seq, reply);
		fflush(stdout);
	}
	return 0;
}
