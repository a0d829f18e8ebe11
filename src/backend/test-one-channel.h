/* SPDX-License-Identifier: MIT */
/*
 * The real channel, one of it, on the host of test-fake-host.c, with a run directory
 * of its own: a start, a kill, and what the server does between.
 */
#ifndef XENCHAN_BACKEND_TEST_ONE_CHANNEL_H
#define XENCHAN_BACKEND_TEST_ONE_CHANNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/channel-private.h"
#include "backend/test-fake-host.h"

extern struct channel *channel; /* NULL: the daemon is dead */

/* Of the group: the run directory. */
int one_channel_set_up(void **state);
int one_channel_tear_down(void **state);
void one_channel_forget_spool(void);

/* Of each test: a host, and a daemon that has started on it. */
int one_channel_begin(void **state);
int one_channel_end(void **state);
#define ONE_CHANNEL_TEST(f) \
	cmocka_unit_test_setup_teardown(f, one_channel_begin, one_channel_end)

void start(void);
void die(void);
void refresh(void);
/* n seconds */
void tick(unsigned int n);

#endif
