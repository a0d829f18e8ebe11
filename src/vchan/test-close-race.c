// SPDX-License-Identifier: MIT
/*
 * A writer that closes at once, against a reader, as two threads: every byte arrives, then
 * the end, in both roles.
 *
 *	test-close-race [SESSIONS]	3000 without it, half in each role
 */
#include <pthread.h>

#include "vchan/test-close-race.h"
#include "vchan/test-pair.h"

static struct turns turns;

struct job {
	bool writes;
	uint64_t n;
};

static void *client(void *arg)
{
	const struct job *job = arg;

	fake_host_set_domain(CLIENT);
	run_client(&turns, job->writes, SERVER, FULL_NAME, job->n);
	return NULL;
}

static void sessions(bool client_writes, uint64_t n)
{
	struct job job = { client_writes, n };
	pthread_t t;

	new_world();
	atomic_store(&turns.opened, 0);
	atomic_store(&turns.joined, 0);
	atomic_store(&turns.closed, 0);
	check(!pthread_create(&t, NULL, client, &job), "thread", 0);
	if (client_writes)
		run_reading_server(&turns, CLIENT, NAME, n);
	else
		run_writing_server(&turns, CLIENT, NAME, n);
	pthread_join(t, NULL);
	printf("%" PRIu64 " %s wrote and closed, no byte lost\n", n,
	       client_writes ? "clients" : "servers");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000;

	sessions(true, n / 2);
	sessions(false, n / 2);
	return 0;
}
