// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "vchan/spin.h"

/* So long that no machine is ever late. */
#define LIMIT 3600000000000
#define RING (1u << 20)

/* A wait that ends at the n-th look, or does not come to a good end. */
static bool wait_with(struct spin *s, unsigned int looks, uint64_t other,
		      uint32_t ring, struct spin_wait *w)
{
	if (!spin_begin(s, w, LIMIT, other, ring))
		return false;
	for (unsigned int i = 0; i < looks; i++)
		spin_pause(w);
	spin_end(s, w, looks > 0);
	return true;
}

static void a_limit_of_zero_never_polls(void **state)
{
	struct spin s = { 0 };
	struct spin_wait w;

	assert_false(spin_begin(&s, &w, 0, 0, RING));
	assert_false(spin_begin(&s, &w, -1, 0, RING));
}

static void it_is_off_after_three_failures_but_for_every_64th_wait(void **state)
{
	struct spin s = { 0 };
	struct spin_wait w;

	for (int i = 0; i < 3; i++)
		assert_true(wait_with(&s, 0, 0, RING, &w));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 63; i++)
			assert_false(wait_with(&s, 1, 0, RING, &w));
		assert_true(wait_with(&s, 0, 0, RING, &w));
	}
	/* A trial that succeeds turns it on. */
	for (int i = 0; i < 63; i++)
		assert_false(wait_with(&s, 1, 0, RING, &w));
	assert_true(wait_with(&s, 1, 0, RING, &w));
	assert_true(wait_with(&s, 1, 0, RING, &w));
}

static void a_stream_is_looked_at_less_and_less_often(void **state)
{
	unsigned int first, before = 0;
	struct spin s = { 0 };
	struct spin_wait w;

	assert_true(wait_with(&s, 1, 0, RING, &w));
	first = w.pauses;
	for (int i = 0; i < 10; i++) {
		assert_true(wait_with(&s, 1, 0, RING, &w));
		assert_true(w.pauses >= before);
		before = w.pauses;
	}
	assert_int_equal(w.pauses, 16 * first);
	/* Until it has ended. */
	for (int i = 0; i < 5; i++)
		assert_true(wait_with(&s, 2, 0, RING, &w));
	assert_int_equal(w.pauses, first);
}

static void a_dialogue_is_looked_at_as_often_as_may_be(void **state)
{
	unsigned int first;
	struct spin s = { 0 };
	struct spin_wait w;

	assert_true(wait_with(&s, 1, 0, RING, &w));
	first = w.pauses;
	for (uint64_t i = 1; i < 10; i++) {
		assert_true(wait_with(&s, 1, i, RING, &w));
		assert_int_equal(w.pauses, first);
	}
}

static void a_small_ring_is_looked_at_often(void **state)
{
	unsigned int first;
	struct spin s = { 0 };
	struct spin_wait w;

	assert_true(wait_with(&s, 1, 0, 4096, &w));
	first = w.pauses;
	for (int i = 0; i < 10; i++)
		assert_true(wait_with(&s, 1, 0, 4096, &w));
	assert_int_equal(w.pauses, first);
}

#define SOON 1000
#define LATE 1000000

static struct spin useless(void)
{
	struct spin s = { 0 };
	struct spin_wait w;

	for (int i = 0; i < SPIN_FAILURES_MAX; i++)
		assert_true(wait_with(&s, 0, 0, RING, &w));
	return s;
}

static void while_giving_the_cpu_away_helps_nothing_is_polled(void **state)
{
	struct spin s = useless();
	struct spin_wait w;

	for (int i = 0; i < 1000; i++) {
		assert_false(spin_begin(&s, &w, LIMIT, 0, RING));
		assert_true(spin_may_yield(&s, LIMIT));
		spin_yield_end(&s, true, SOON);
	}
	assert_false(spin_may_yield(&s, 0));
}

/* Waits before the CPU is given away again, which fails. */
static unsigned int pause_after_failure(struct spin *s, bool came, int64_t ns)
{
	unsigned int n = 0;

	spin_yield_end(s, came, ns);
	while (!spin_may_yield(s, LIMIT))
		n++;
	return n;
}

static void a_cpu_that_others_take_is_given_away_ever_more_rarely(void **state)
{
	struct spin s = useless();
	unsigned int n, before = 0;

	assert_true(spin_may_yield(&s, LIMIT));
	assert_int_equal(pause_after_failure(&s, false, SOON), 0);
	assert_int_equal(pause_after_failure(&s, true, LATE), 0);
	for (int i = 0; i < 5; i++) {
		n = pause_after_failure(&s, true, LATE);
		assert_true(n > before);
		before = n;
	}
	/* Until it helps again. */
	spin_yield_end(&s, true, SOON);
	assert_true(spin_may_yield(&s, LIMIT));
}

static void a_peer_for_which_neither_helps_is_on_another_cpu(void **state)
{
	struct spin s = { 0 };

	assert_false(spin_shares_cpu(&s));
	s = useless();
	assert_true(spin_shares_cpu(&s));
	for (int i = 0; i < 3; i++)
		spin_yield_end(&s, false, SOON);
	assert_false(spin_shares_cpu(&s));
	spin_yield_end(&s, true, SOON);
	assert_true(spin_shares_cpu(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_of_zero_never_polls),
		cmocka_unit_test(
			it_is_off_after_three_failures_but_for_every_64th_wait),
		cmocka_unit_test(a_stream_is_looked_at_less_and_less_often),
		cmocka_unit_test(a_dialogue_is_looked_at_as_often_as_may_be),
		cmocka_unit_test(a_small_ring_is_looked_at_often),
		cmocka_unit_test(
			while_giving_the_cpu_away_helps_nothing_is_polled),
		cmocka_unit_test(
			a_cpu_that_others_take_is_given_away_ever_more_rarely),
		cmocka_unit_test(
			a_peer_for_which_neither_helps_is_on_another_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
