// SPDX-License-Identifier: MIT
/*
 * run: a program as a process of a domain. All that makes it one is its
 * environment: where the stand-ins are, and which sockets are its domain's.
 *
 * We stay as its parent and as the reaper of what it leaves, so that the
 * domain's end can be theirs; our own end by SIGKILL is the program's too.
 */
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli.h"
#include "xenhost/proto.h"

#define EXIT_CANNOT_RUN 126 /* as env(1) and shells have it */
#define EXIT_NOT_FOUND 127

/* Debian's wrapper in front of Xen's tools wants a running Xen. */
#define WRAPPER "xen-utils-wrapper"
#define WRAPPED "/usr/lib/xen-*/bin/"

struct run {
	const struct cli *cli;
	unsigned int domid;
	char **command;
	char program[PATH_MAX];
	int host_fd;   /* ends when the domain does */
	int signal_fd; /* all that we pass on, and SIGCHLD */
	sigset_t old_mask;
	struct sigaction old_chld;
	pid_t child;
};

/* The directory of the stand-ins: next to us when built, or installed. */
static int find_stand_ins(char dir[static PATH_MAX])
{
	static const char *const places[] = { "", "/../lib/xenhost",
					      "/../lib64/xenhost" };
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s%s/libxengnttab.so.1", self,
			 places[i]);
		if (access(path, R_OK) < 0)
			continue;
		*strrchr(path, '/') = '\0';
		return realpath(path, dir) ? 0 : -errno;
	}
	return -ENOENT;
}

static int set_environment(const struct run *run, const char *stand_ins)
{
	const char *old = getenv("LD_LIBRARY_PATH");
	char xs[CLI_MAX_PATH], domid[16];
	_cleanup_free_ char *libraries = NULL;
	int r;

	snprintf(domid, sizeof(domid), "%u", run->domid);
	r = setenv(HV_ENV_DIR, run->cli->dir, 1);
	r |= setenv(HV_ENV_DOMAIN, domid, 1);
	snprintf(xs, sizeof(xs), "%s/%u.xs", run->cli->dir, run->domid);
	r |= setenv("XENSTORED_PATH", xs, 1);
	/* Behind ours, the caller's: a library under test, say. */
	if (asprintf(&libraries, "%s%s%s", stand_ins, old && *old ? ":" : "",
		     old ? old : "") < 0)
		return -1;
	return r | setenv("LD_LIBRARY_PATH", libraries, 1);
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

/* As execvp does, which we cannot leave it to: we look at the program first. */
static int find_program(struct run *run)
{
	const char *name = run->command[0], *path = getenv("PATH");
	int r = -ENOENT;
	size_t len;

	if (strchr(name, '/')) {
		snprintf(run->program, sizeof(run->program), "%s", name);
		return 0;
	}
	for (const char *p = path ? path : "/bin:/usr/bin"; *name;
	     p += len + 1) {
		int found;

		/* No name is the current directory. */
		len = strcspn(p, ":");
		snprintf(run->program, sizeof(run->program), "%.*s%s%s",
			 (int)len, p, len ? "/" : "./", name);
		found = check_program(run->program);
		if (found == 0 || (found == -EACCES && r == -ENOENT))
			r = found;
		if (r == 0 || p[len] == '\0')
			break;
	}
	return r;
}

/* What the wrapper would have run, had it found a hypervisor. */
static void unwrap_program(struct run *run)
{
	char real[PATH_MAX], pattern[PATH_MAX];
	const char *name = strrchr(run->program, '/');
	glob_t found;

	if (!name || !realpath(run->program, real) ||
	    strcmp(strrchr(real, '/') + 1, WRAPPER) != 0)
		return;
	snprintf(pattern, sizeof(pattern), WRAPPED "%s", name + 1);
	if (glob(pattern, 0, NULL, &found) == 0)
		snprintf(run->program, sizeof(run->program), "%s",
			 found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

static int join_domain(struct run *run)
{
	static struct ctl_reply reply;
	char id[16];
	const char *const words[] = { "run", id, NULL };
	int r = cli_start_host(run->cli, false);

	if (r != EXIT_DONE)
		return r;
	snprintf(id, sizeof(id), "%u", run->domid);
	r = ctl_connect(run->cli->dir, &run->host_fd);
	if (r == 0)
		r = ctl_call(run->host_fd, words, &reply);
	if (r == -EBUSY)
		return cli_failed(run->cli,
				  "domain %u is dead, but others still map its "
				  "pages; try again when they are done",
				  run->domid);
	if (r < 0)
		return cli_failed(run->cli, "domain %u of the host in %s: %s",
				  run->domid, run->cli->dir, strerror(-r));
	return EXIT_DONE;
}

/* As shells and execvp do with a text without #!; does not return if it can. */
static void run_script(const struct run *run)
{
	_cleanup_free_ char **args = NULL;
	size_t n = 0;

	while (run->command[n])
		n++;
	args = calloc(n + 2, sizeof(*args));
	if (!args)
		return;
	args[0] = (char *)"/bin/sh";
	args[1] = (char *)run->program;
	memcpy(args + 2, run->command + 1, n * sizeof(*args));
	execv(args[0], args);
}

static void run_program(const struct run *run, pid_t parent)
{
	int error;

	sigaction(SIGCHLD, &run->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	execv(run->program, run->command);
	error = errno;
	if (error == ENOEXEC)
		run_script(run);
	cli_failed(run->cli, "%s: %s", run->command[0], strerror(error));
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int start_program(struct run *run)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	pid_t self = getpid();
	sigset_t mask;

	/* Ignored, as we may have inherited it, nothing is left to wait for. */
	sigaction(SIGCHLD, &by_default, &run->old_chld);
	sigfillset(&mask);
	sigdelset(&mask, SIGTSTP);
	sigdelset(&mask, SIGTTIN);
	sigdelset(&mask, SIGTTOU);
	sigprocmask(SIG_BLOCK, &mask, &run->old_mask);
	run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	run->child = fork();
	if (run->child == 0)
		run_program(run, self);
	if (run->child < 0 || run->signal_fd < 0)
		return cli_failed(run->cli, "fork: %s", strerror(errno));
	return EXIT_DONE;
}

/* SIGKILL to all children; those of the dead become ours. */
static void kill_children(void)
{
	char path[64];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

static void end_all(const struct run *run, int *status_r)
{
	int status;
	pid_t pid;

	kill(run->child, SIGKILL);
	kill_children();
	while ((pid = waitpid(-1, &status, 0)) > 0) {
		if (pid == run->child)
			*status_r = status;
		kill_children();
	}
}

static void pass_on(const struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		/* What a terminal sends, it sends to the program as well. */
		if (info.ssi_signo != SIGCHLD &&
		    (int32_t)info.ssi_code <= SI_USER)
			kill(run->child, (int)info.ssi_signo);
	}
}

/* Reaps; whether the program itself is among them. */
static bool program_ended(const struct run *run, int *status_r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->child) {
			*status_r = status;
			return true;
		}
	}
	return false;
}

/* The program's wait status, or that of its death with the domain. */
static int wait_for_program(struct run *run)
{
	struct pollfd fds[2] = {
		{ .fd = run->signal_fd, .events = POLLIN },
		{ .fd = run->host_fd, .events = POLLIN },
	};
	int status = 0;

	for (;;) {
		poll(fds, 2, -1);
		pass_on(run);
		if (program_ended(run, &status)) {
			if (poll(&fds[1], 1, 0) == 0)
				return status;
		}
		if (fds[1].revents) {
			end_all(run, &status);
			cli_failed(run->cli, "domain %u was destroyed",
				   run->domid);
			return status;
		}
	}
}

/* Ends as the program did. */
static int exit_like(int status)
{
	struct rlimit no_core = { 0, 0 };
	sigset_t all;

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	return 128 + WTERMSIG(status);
}

static int prepare(struct run *run)
{
	char stand_ins[PATH_MAX];
	const char *trouble;
	int r = find_stand_ins(stand_ins);

	if (r < 0)
		return cli_failed(run->cli, "the stand-ins for Xen's libraries "
					    "are not installed with xenhost");
	r = find_program(run);
	if (r < 0) {
		cli_failed(run->cli, "%s: %s in $PATH", run->command[0],
			   r == -EACCES ? "not executable" : "not found");
		return r == -EACCES ? EXIT_CANNOT_RUN : EXIT_NOT_FOUND;
	}
	unwrap_program(run);
	trouble = program_trouble(run->program);
	if (trouble)
		cli_failed(run->cli,
			   "warning: %s %s: it will not see domain %u",
			   run->program, trouble, run->domid);
	r = join_domain(run);
	if (r == EXIT_DONE && set_environment(run, stand_ins) != 0)
		return cli_failed(run->cli, "out of memory");
	return r;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ 0 },
	};
	struct run run = { .cli = cli, .host_fd = -1, .signal_fd = -1 };
	bool has_domid = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "+d:", options, NULL)) != -1) {
		r = c == 'd' ? cli_parse_domid(cli, optarg, &run.domid)
			     : EXIT_USAGE;
		if (r != EXIT_DONE)
			return r;
		has_domid = true;
	}
	if (!has_domid)
		return cli_misused(cli, "needs -d DOMAIN");
	if (optind == argc)
		return cli_misused(cli, "needs a command");
	run.command = argv + optind;
	r = prepare(&run);
	if (r == EXIT_DONE)
		r = start_program(&run);
	return r == EXIT_DONE ? exit_like(wait_for_program(&run)) : r;
}
