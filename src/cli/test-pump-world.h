/* SPDX-License-Identifier: MIT */
/*
 * The pump between pipes and a vchan of the in-process host. It runs in a
 * thread as one domain; the test plays the other one by hand.
 */
#ifndef XENCHAN_CLI_TEST_PUMP_WORLD_H
#define XENCHAN_CLI_TEST_PUMP_WORLD_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/pump.h"
#include "xenhost/fake/fake-host.h"

#define SERVER 1
#define CLIENT 2
#define NAME "data/vchan/pump"
#define FULL_NAME "/local/domain/1/" NAME
#define RING 4096
#define LONG_SIZE (5 * RING + 1)

struct world {
	struct libxenvchan *server, *client;
	struct pump pump; /* of the server's end, unless a test says else */
	struct progress quiet;
	unsigned int domain; /* of the pump */
	int in, out;         /* the test's ends of the pump's descriptors */
	int result;
	unsigned int live; /* of the host, before the test */
	pthread_t thread;
};

void join(struct world *w);
int set_up(void **state);
void close_end(struct libxenvchan **v, unsigned int domain);
int tear_down(void **state);
void start(struct world *w);
int finish(struct world *w);
void close_input(struct world *w);
void assert_filled(const char *data, size_t n);
void client_sends(struct world *w, size_t n);
void client_receives(struct world *w, size_t n);
void input_gets(struct world *w, size_t n);
void output_has(struct world *w, size_t n);

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
