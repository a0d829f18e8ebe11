// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "shm/bytering.h"

/* A ring of 2^order bytes with both of its ends, as two domains see it. */
struct pair {
	struct shm_u32 prod, cons;
	struct shm_byte data[64];
	struct bytering producer, consumer;
};

static void pair_init(struct pair *p, unsigned int order, uint32_t start)
{
	memset(p, 0, sizeof(*p));
	shm_store_u32(&p->prod, start);
	shm_store_u32(&p->cons, start);
	bytering_init(&p->producer, p->data, order, &p->prod, &p->cons);
	bytering_init(&p->consumer, p->data, order, &p->cons, &p->prod);
	assert_int_equal(bytering_attach_producer(&p->producer), 0);
	assert_int_equal(bytering_attach_consumer(&p->consumer), 0);
}

static void put(struct pair *p, const void *src, uint32_t n)
{
	assert_int_equal(bytering_refresh_space(&p->producer), 0);
	assert_true(bytering_space(&p->producer) >= n);
	bytering_copy_in(&p->producer, src, n);
	bytering_advance(&p->producer, n);
}

static void get(struct pair *p, void *dst, uint32_t n)
{
	assert_int_equal(bytering_refresh_ready(&p->consumer), 0);
	assert_true(bytering_ready(&p->consumer) >= n);
	bytering_copy_out(&p->consumer, dst, n);
	bytering_advance(&p->consumer, n);
}

static void a_fresh_ring_is_empty(void **state)
{
	struct pair p;

	pair_init(&p, 4, 0);
	assert_int_equal(bytering_ready(&p.consumer), 0);
	assert_int_equal(bytering_space(&p.producer), 16);
}

static void bytes_come_out_as_they_went_in_across_every_wrap(void **state)
{
	/* Positions around 2^32 and every length a ring of 16 can take. */
	for (uint32_t start = UINT32_MAX - 40; start != 40; start++) {
		for (uint32_t n = 0; n <= 16; n++) {
			uint8_t in[16], out[16] = { 0 };
			struct pair p;

			for (uint32_t i = 0; i < n; i++)
				in[i] = (uint8_t)(start + 3 * i + 1);
			pair_init(&p, 4, start);
			put(&p, in, n);
			get(&p, out, n);
			assert_memory_equal(in, out, n);
			assert_int_equal(shm_load_u32(&p.prod), start + n);
			assert_int_equal(shm_load_u32(&p.cons), start + n);
		}
	}
}

static void a_full_ring_stays_readable(void **state)
{
	uint8_t in[16] = "0123456789abcdef", out[16];
	struct pair p;

	pair_init(&p, 4, UINT32_MAX - 3);
	put(&p, in, 16);
	assert_int_equal(bytering_refresh_space(&p.producer), 0);
	assert_int_equal(bytering_space(&p.producer), 0);
	get(&p, out, 16);
	assert_memory_equal(in, out, 16);
}

static void nothing_is_offered_before_it_is_advanced(void **state)
{
	struct pair p;

	pair_init(&p, 4, 0);
	bytering_copy_in(&p.producer, "x", 1);
	assert_int_equal(bytering_refresh_ready(&p.consumer), 0);
	assert_int_equal(bytering_ready(&p.consumer), 0);
}

static void a_peer_that_claims_more_than_the_ring_holds_is_corrupt(void **state)
{
	for (uint32_t d = 17; d; d = d < UINT32_MAX / 2 ? d * 2 + 1 : 0) {
		struct pair p;

		pair_init(&p, 4, 5);
		shm_store_u32(&p.prod, 5 + d);
		assert_int_equal(bytering_refresh_ready(&p.consumer),
				 BYTERING_CORRUPT);
		assert_int_equal(bytering_ready(&p.consumer), 0);
		shm_store_u32(&p.cons, 5 + d);
		assert_int_equal(bytering_refresh_space(&p.producer),
				 BYTERING_CORRUPT);
		assert_int_equal(bytering_space(&p.producer), 16);
	}
}

static void a_peer_that_takes_back_what_it_gave_is_corrupt(void **state)
{
	struct pair p;

	pair_init(&p, 4, 0);
	put(&p, "abcd", 4);
	assert_int_equal(bytering_refresh_ready(&p.consumer), 0);
	shm_store_u32(&p.prod, 3);
	assert_int_equal(bytering_refresh_ready(&p.consumer), BYTERING_CORRUPT);
	assert_int_equal(bytering_ready(&p.consumer), 4);

	bytering_advance(&p.consumer, 2);
	assert_int_equal(bytering_refresh_space(&p.producer), 0);
	shm_store_u32(&p.cons, 1);
	assert_int_equal(bytering_refresh_space(&p.producer), BYTERING_CORRUPT);
}

static void our_own_index_in_the_page_is_never_read_back(void **state)
{
	char out[4];
	struct pair p;

	pair_init(&p, 4, 0);
	put(&p, "abcd", 4);
	shm_store_u32(&p.cons, 1000); /* the producer's domain lies about us */
	get(&p, out, 4);
	assert_memory_equal(out, "abcd", 4);
	assert_int_equal(shm_load_u32(&p.cons), 4);
}

static void joining_a_ring_whose_indices_are_impossible_is_refused(void **state)
{
	struct pair p;

	pair_init(&p, 4, 0);
	shm_store_u32(&p.prod, 17);
	assert_int_equal(bytering_attach_consumer(&p.consumer),
			 BYTERING_CORRUPT);
	assert_int_equal(bytering_attach_producer(&p.producer),
			 BYTERING_CORRUPT);
	shm_store_u32(&p.prod, 16);
	assert_int_equal(bytering_attach_consumer(&p.consumer), 0);
	assert_int_equal(bytering_attach_producer(&p.producer), 0);
	assert_int_equal(bytering_ready(&p.consumer), 16);
	assert_int_equal(bytering_space(&p.producer), 0);
}

static void a_consumer_resumes_at_the_index_that_it_recorded(void **state)
{
	struct bytering again;
	struct pair p;
	char out[4];

	/* It copied "ab" and died before it gave them back. */
	pair_init(&p, 4, UINT32_MAX);
	put(&p, "abcd", 4);
	bytering_init(&again, p.data, 4, &p.cons, &p.prod);
	assert_int_equal(bytering_resume_consumer(&again, 1), 0);
	assert_int_equal(shm_load_u32(&p.cons), 1);
	assert_int_equal(bytering_ready(&again), 2);
	bytering_copy_out(&again, out, 2);
	assert_memory_equal(out, "cd", 2);

	/* Beyond what was produced, or out of reach of it. */
	assert_int_equal(bytering_resume_consumer(&again, 4), BYTERING_CORRUPT);
	assert_int_equal(bytering_resume_consumer(&again, 3u - 17),
			 BYTERING_CORRUPT);
	assert_int_equal(shm_load_u32(&p.cons), 1);
}

static void a_span_ends_at_the_end_of_the_ring(void **state)
{
	struct shm_byte *at;
	struct pair p;

	pair_init(&p, 4, 12);
	assert_int_equal(bytering_span(&p.producer, 0, 16, &at), 4);
	assert_ptr_equal(at, p.data + 12);
	assert_int_equal(bytering_span(&p.producer, 4, 12, &at), 12);
	assert_ptr_equal(at, p.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_ring_is_empty),
		cmocka_unit_test(
			bytes_come_out_as_they_went_in_across_every_wrap),
		cmocka_unit_test(a_full_ring_stays_readable),
		cmocka_unit_test(nothing_is_offered_before_it_is_advanced),
		cmocka_unit_test(
			a_peer_that_claims_more_than_the_ring_holds_is_corrupt),
		cmocka_unit_test(
			a_peer_that_takes_back_what_it_gave_is_corrupt),
		cmocka_unit_test(our_own_index_in_the_page_is_never_read_back),
		cmocka_unit_test(
			joining_a_ring_whose_indices_are_impossible_is_refused),
		cmocka_unit_test(
			a_consumer_resumes_at_the_index_that_it_recorded),
		cmocka_unit_test(a_span_ends_at_the_end_of_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
