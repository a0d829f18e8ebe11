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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_of_zero_never_polls),
		cmocka_unit_test(
			it_is_off_after_three_failures_but_for_every_64th_wait),
		cmocka_unit_test(a_stream_is_looked_at_less_and_less_often),
		cmocka_unit_test(a_dialogue_is_looked_at_as_often_as_may_be),
		cmocka_unit_test(a_small_ring_is_looked_at_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
