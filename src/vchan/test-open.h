/* SPDX-License-Identifier: MIT */
/* For tests that each begin with an open vchan, and leave nothing of it. */
#ifndef XENCHAN_VCHAN_TEST_OPEN_H
#define XENCHAN_VCHAN_TEST_OPEN_H

#include "vchan/test-pair.h"

#define LEFT 4096 /* client to server */
#define RIGHT 2048

static struct libxenvchan *server, *client;
static uint8_t out[3 * LEFT], in[3 * LEFT];

/* Of those that open it themselves. */
static inline int set_up_alone(void **state)
{
	new_world();
	return 0;
}

static inline int set_up(void **state)
{
	new_world();
	server = serve(LEFT, RIGHT);
	client = join();
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	memset(in, 0, sizeof(in));
	return server && client ? 0 : -1;
}

static int tear_down(void **state)
{
	leave(client, CLIENT);
	leave(server, SERVER);
	client = server = NULL;
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) ? -1 : 0;
}

#endif
