// SPDX-License-Identifier: MIT
/*
 * A writer that closes at once, against a reader, as two threads: every byte arrives, then
 * the end, in both roles.
 *
 *	test-close-race client|server|both SESSIONS...
 *
 * Who writes; of SESSIONS the last counts.
 */
#include <pthread.h>

#include "vchan/test-close-race.h"
#include "vchan/test-pair.h"

static uint64_t n_sessions;

static void *client(void *arg)
{
	fake_host_set_domain(CLIENT);
	race(arg, n_sessions);
	return NULL;
}

static void sessions(bool client_writes)
{
	struct turns turns = { 0 };
	struct racer ends[2] = {
		[SERVER_END] = { .turns = &turns,
				 .end = SERVER_END,
				 .writes = !client_writes,
				 .peer = CLIENT,
				 .path = NAME },
		[CLIENT_END] = { .turns = &turns,
				 .end = CLIENT_END,
				 .writes = client_writes,
				 .peer = SERVER,
				 .path = FULL_NAME },
	};
	pthread_t t;

	new_world();
	check(!pthread_create(&t, NULL, client, &ends[CLIENT_END]), "thread",
	      0);
	race(&ends[SERVER_END], n_sessions);
	pthread_join(t, NULL);
	print_result(&turns, n_sessions, client_writes);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	n_sessions = strtoull(argv[argc - 1], NULL, 10);
	if (strcmp(argv[1], "server"))
		sessions(true);
	if (strcmp(argv[1], "client"))
		sessions(false);
	return 0;
}
