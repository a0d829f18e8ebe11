// SPDX-License-Identifier: MIT
/*
 * The bounded read-modify-write, as processors without a single instruction
 * for it run it: compiled here by force.
 */
#define SHM_BOUNDED_RMW
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shm/shm.h"

static void or_sets_and_and_tells_the_value_before(void **state)
{
	struct shm_u8 b = { 0x81 };
	uint8_t old = 0;

	assert_true(shm_try_or_u8(&b, 0x02));
	assert_true(shm_try_and_u8(&b, (uint8_t)~0x01u, &old));
	assert_int_equal(old, 0x83);
	assert_int_equal(shm_load_u8(&b), 0x82);
}

static void a_replacement_needs_the_value_that_was_seen(void **state)
{
	struct shm_u8 b = { 0 };

	assert_true(shm_try_replace_u8(&b, 0, 2));
	assert_int_equal(shm_load_u8(&b), 2);
	assert_false(shm_try_replace_u8(&b, 0, 1));
	assert_int_equal(shm_load_u8(&b), 2);
	assert_true(shm_try_replace_u8(&b, 2, 2));
}

#define ROUNDS 100000

static void *toggle_high_bit(void *arg)
{
	uint8_t old;

	for (int i = 0; i < ROUNDS; i++)
		(void)(i & 1 ? shm_try_and_u8(arg, 0x7f, &old)
			     : shm_try_or_u8(arg, 0x80));
	return NULL;
}

static void bits_of_the_other_end_survive(void **state)
{
	struct shm_u8 b = { 0x20 };
	pthread_t t;
	uint8_t old = 0;

	assert_int_equal(pthread_create(&t, NULL, toggle_high_bit, &b), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(shm_try_or_u8(&b, 0x01));
		assert_true(shm_try_and_u8(&b, 0xfe, &old));
		assert_int_equal(old & 0x21, 0x21);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(shm_load_u8(&b), 0x20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(or_sets_and_and_tells_the_value_before),
		cmocka_unit_test(a_replacement_needs_the_value_that_was_seen),
		cmocka_unit_test(bits_of_the_other_end_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
