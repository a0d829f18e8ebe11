// SPDX-License-Identifier: MIT
/*
 * Ending the processes of a domain. Three ways to find them, as none finds
 * all: the environment that `xenhost run` gave them and their children, the
 * credentials of their connections to .hv, and (ctl.c) the end of the `run`
 * that is their subreaper and ends what is left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host.h"

/* Half-milliseconds to wait for a process that does not die: 2 seconds. */
#define MAX_ROUNDS 4000

/* Of arguments and environment together; see execve(2). */
#define MAX_ENVIRON (6u << 20)

/* What /proc/<pid>/name holds, NUL-terminated; its length, or 0. */
static size_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	size_t len = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len < size - 1 &&
	       (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	buf[len] = '\0';
	return len;
}

/* State and start time, the 3rd and 22nd word of stat; see proc(5). */
static uint64_t pid_stat(pid_t pid, char *state_r)
{
	char buf[1024], *word;

	if (!read_proc(pid, "stat", buf, sizeof(buf)))
		return 0;
	word = strrchr(buf, ')'); /* the name may hold anything */
	if (!word || strlen(word) < 3)
		return 0;
	word += 2;
	*state_r = *word;
	for (int i = 3; word && i < 22; i++) {
		word = strchr(word, ' ');
		if (word)
			word++;
	}
	return word ? strtoull(word, NULL, 10) : 0;
}

uint64_t pid_start_time(pid_t pid)
{
	char state;

	return pid > 0 ? pid_stat(pid, &state) : 0;
}

static bool process_lives(const struct process *process)
{
	char state;

	return process->pid > 0 && process->pid != getpid() &&
	       process->started != 0 &&
	       pid_stat(process->pid, &state) == process->started &&
	       state != 'Z' && state != 'X';
}

static unsigned int kill_connected(struct domain *domain)
{
	unsigned int n = 0;
	struct list *pos;

	list_for_each (pos, &domain->processes) {
		struct process *process = list_entry(pos, struct process, link);

		if (process_lives(process)) {
			kill(process->pid, SIGKILL);
			n++;
		}
	}
	return n;
}

/*
 * Whether a process was started in the domain (HV_NONE: any) of the host in
 * dir. What `run` sets may come after all that the process had before.
 */
static bool pid_is_of(const char *dir, unsigned int domid, pid_t pid)
{
	static char env[MAX_ENVIRON];
	size_t len = read_proc(pid, "environ", env, sizeof(env));
	bool of_host = false, of_domain = false;
	char id[16];

	snprintf(id, sizeof(id), "%u", domid);
	for (char *p = env; p < env + len; p += strlen(p) + 1) {
		if (strncmp(p, HV_ENV_DIR "=", strlen(HV_ENV_DIR "=")) == 0)
			of_host = strcmp(p + strlen(HV_ENV_DIR "="), dir) == 0;
		else if (strncmp(p, HV_ENV_DOMAIN "=",
				 strlen(HV_ENV_DOMAIN "=")) == 0)
			of_domain =
				domid == HV_NONE ||
				strcmp(p + strlen(HV_ENV_DOMAIN "="), id) == 0;
	}
	return of_host && of_domain;
}

static unsigned int kill_started(const char *dir, unsigned int domid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned int n = 0;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && pid_is_of(dir, domid, pid) &&
		    kill(pid, SIGKILL) == 0)
			n++;
	}
	if (proc)
		closedir(proc);
	return n;
}

static void wait_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

void processes_kill(struct host *host, unsigned int domid)
{
	for (int round = 0; round < MAX_ROUNDS; round++) {
		unsigned int n = kill_started(host->dir, domid);
		struct domain *domain, *tmp;

		HASH_ITER (hh, host->domains, domain, tmp)
			if (domid == HV_NONE || domain->id == domid)
				n += kill_connected(domain);
		if (n == 0)
			return;
		wait_a_little();
	}
}

void processes_kill_left(const char *dir)
{
	for (int round = 0; round < MAX_ROUNDS; round++) {
		if (kill_started(dir, HV_NONE) == 0)
			return;
		wait_a_little();
	}
}
