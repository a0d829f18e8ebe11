// SPDX-License-Identifier: MIT
#include "lockstep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ARGS 8

/* A prime: no ring's size divides it, so no two laps of a ring are alike. */
#define PERIOD 1048573u
/* How far the servers' pattern is ahead of the clients'. */
#define SERVER_PHASE 500009u

static uint8_t pattern[PERIOD + LOCKSTEP_MAX_SIZE + 1];
static uint8_t in[LOCKSTEP_MAX_SIZE + 1];
static uint32_t in_at, out_at; /* modulo PERIOD */

static void fill_pattern(void)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)x;
	}
	for (size_t i = PERIOD; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PERIOD];
}

void lockstep_rewind(bool is_server)
{
	out_at = is_server ? SERVER_PHASE : 0;
	in_at = is_server ? 0 : SERVER_PHASE;
}

static void check_size(size_t size)
{
	if (size <= LOCKSTEP_MAX_SIZE)
		return;
	fprintf(stderr, "a size of %zu is beyond this test\n", size);
	exit(2);
}

const uint8_t *lockstep_out(size_t size)
{
	check_size(size);
	return pattern + out_at;
}

uint8_t *lockstep_in(size_t size)
{
	check_size(size);
	return in;
}

void lockstep_sent(long n)
{
	if (n > 0)
		out_at = (out_at + (uint32_t)n) % PERIOD;
}

void answer(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void answer_result(long n)
{
	const char *name = errno ? strerrorname_np(errno) : "0";

	if (n < 0)
		answer("%ld %s", n, name ? name : "?");
	else
		answer("%ld", n);
}

bool lockstep_received(long n)
{
	bool right = n <= 0 || !memcmp(in, pattern + in_at, (size_t)n);

	if (n > 0)
		in_at = (in_at + (uint32_t)n) % PERIOD;
	return right;
}

void answer_received(long n)
{
	if (lockstep_received(n))
		answer_result(n);
	else
		answer("%ld WRONG", n);
}

bool lockstep_until(bool (*is_so)(const void *arg), const void *arg)
{
	struct timespec pause = { .tv_nsec = 200000 };

	for (int i = 0; i < 150000; i++) {
		if (is_so(arg))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static const struct lockstep_command *
find_command(const struct lockstep_command *commands, const char *name)
{
	while (commands->name && strcmp(commands->name, name) != 0)
		commands++;
	return commands->name ? commands : NULL;
}

static void run_line(const struct lockstep_command *commands, char *line)
{
	char *args[MAX_ARGS + 1] = { NULL }, *save = NULL;
	const char *name = strtok_r(line, " \n", &save);
	const struct lockstep_command *c =
		name ? find_command(commands, name) : NULL;
	int n = 0;

	while (n < MAX_ARGS && (args[n] = strtok_r(NULL, " \n", &save)))
		n++;
	if (!c || n < c->n_args) {
		fprintf(stderr, "not a command: %s\n", name ? name : "");
		exit(2);
	}
	errno = 0;
	c->run(args);
}

void lockstep_run(const struct lockstep_command *commands)
{
	char *line = NULL;
	size_t size = 0;

	fill_pattern();
	while (getline(&line, &size, stdin) > 0)
		run_line(commands, line);
	free(line);
}
