// SPDX-License-Identifier: MIT
#include "backend/poller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

struct state {
	uv_loop_t loop;
	struct poller *poller;
	int pipe[2];
	unsigned int n_calls, n_wanted;
	bool pauses;
};

static void on_ready(void *userdata, int events)
{
	struct state *s = userdata;

	if (++s->n_calls == s->n_wanted)
		uv_stop(&s->loop);
	if (s->pauses)
		poller_pause(s->poller);
}

static int set_up(void **state)
{
	static struct state s;

	s = (struct state){ .n_wanted = 3 };
	assert_int_equal(uv_loop_init(&s.loop), 0);
	assert_int_equal(pipe(s.pipe), 0);
	assert_int_equal(write(s.pipe[1], "x", 1), 1);
	assert_int_equal(
		poller_new(&s.poller, &s.loop, s.pipe[0], on_ready, &s), 0);
	poller_set(s.poller, UV_READABLE);
	*state = &s;
	return 0;
}

static int tear_down(void **state)
{
	struct state *s = *state;

	poller_free(s->poller);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	close(s->pipe[0]);
	close(s->pipe[1]);
	return 0;
}

static void what_stays_ready_is_reported_again(void **state)
{
	struct state *s = *state;

	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(s->n_calls, 3);
}

static void in_a_pause_nothing_is(void **state)
{
	struct state *s = *state;
	uint64_t before = uv_now(&s->loop);

	s->pauses = true;
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_update_time(&s->loop);
	assert_int_equal(s->n_calls, 3);
	assert_true(uv_now(&s->loop) - before >= 200);
}

static void who_waits_anew_waits_for_the_end_of_the_pause(void **state)
{
	struct state *s = *state;
	uint64_t before = uv_now(&s->loop);

	poller_pause(s->poller);
	poller_set(s->poller, 0);
	poller_set(s->poller, UV_READABLE);
	for (int i = 0; i < 3; i++)
		uv_run(&s->loop, UV_RUN_NOWAIT);
	/* Unless it has taken so long to get here. */
	if (s->n_calls)
		assert_true(uv_now(&s->loop) - before >= 100);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(s->n_calls, 3);
}

static void who_waits_for_nothing_is_not_woken_by_its_end(void **state)
{
	struct state *s = *state;

	poller_pause(s->poller);
	poller_set(s->poller, 0);
	uv_run(&s->loop, UV_RUN_DEFAULT); /* until nothing is left to do */
	assert_int_equal(s->n_calls, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_stays_ready_is_reported_again),
		TEST(in_a_pause_nothing_is),
		TEST(who_waits_anew_waits_for_the_end_of_the_pause),
		TEST(who_waits_for_nothing_is_not_woken_by_its_end),
	};

	return cmocka_run_group_tests_name("backend/poller", tests, NULL, NULL);
}
