// SPDX-License-Identifier: MIT
/*
 * An end's process: does the jobs that it is given. The client takes them from
 * standard input and answers on standard output; it tells the server through
 * what is measured itself, so that it does not matter where the server is.
 */
#include <errno.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/counters.h"
#include "bench/job.h"
#include "bench/pair.h"

static uint64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int read_all(int fd, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t r = read(fd, p, n);

		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t r = write(fd, p, n);

		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int serve(struct transport *t, const struct hello *hello)
{
	if (t->put_packet(t, hello, sizeof(*hello)))
		return 1;
	for (;;) {
		struct tally tally;
		struct job job;

		if (t->get_packet(t, &job, sizeof(job)))
			return 1;
		if (job.work == WORK_QUIT)
			return 0;
		tally = work_do(t, &job, false, NULL);
		if (t->put_packet(t, &tally, sizeof(tally)))
			return 1;
	}
}

static int request(struct transport *t, const struct hello *hello)
{
	static struct outcome outcome;
	struct hellos hellos = { .client = *hello };
	struct job job;

	if (t->get_packet(t, &hellos.server, sizeof(hellos.server)) ||
	    write_all(STDOUT_FILENO, &hellos, sizeof(hellos)))
		return 1;
	while (!read_all(STDIN_FILENO, &job, sizeof(job))) {
		memset(&outcome, 0, sizeof(outcome));
		if (t->put_packet(t, &job, sizeof(job)))
			return 1;
		if (job.work == WORK_QUIT)
			return 0;
		outcome.client = work_do(t, &job, true, &outcome.times);
		if (t->get_packet(t, &outcome.server, sizeof(outcome.server)) ||
		    write_all(STDOUT_FILENO, &outcome, sizeof(outcome)))
			return 1;
	}
	return 0;
}

/* Alone on its processor, as far as we may say so. */
static void settle(const struct end_place *place)
{
	struct sched_param fifo = { .sched_priority = 1 };
	cpu_set_t cpus;

	if (place->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((size_t)place->cpu, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	if (place->fifo)
		sched_setscheduler(0, SCHED_FIFO, &fifo);
}

int end_main(int argc, char **argv)
{
	struct end_place place;
	struct end_setup setup;
	struct hello hello = { 0 };
	struct transport t;
	int64_t start;
	uint64_t fds;

	if (end_arguments_parse(argc, argv, &setup, &place))
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	if (place.spin)
		setenv("XENVCHAN_SPIN_NS", place.spin, 1);
	fds = count_fds();
	start = clock_now_ns();
	if (transport_open(&t, &setup))
		return 1;
	hello.setup_ns = (uint64_t)(clock_now_ns() - start);
	hello.requests = counters.requests;
	hello.fds = count_fds() - fds;
	if (setup.is_server && setup.kind == KIND_VCHAN &&
	    !vchan_open_another(&t, &setup)) {
		hello.more_requests = counters.requests - hello.requests;
		hello.more_fds = count_fds() - fds - hello.fds;
	}
	settle(&place);
	return setup.is_server ? serve(&t, &hello) : request(&t, &hello);
}
