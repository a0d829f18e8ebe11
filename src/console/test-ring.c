// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "console/ring.h"

static_assert(CONSOLE_RING_IN_SIZE == 1024 && CONSOLE_RING_OUT_SIZE == 2048,
	      "ABI");
static_assert(offsetof(struct console_page, out) == 1024, "ABI");
static_assert(offsetof(struct console_page, in_cons) == 3072, "ABI");
static_assert(offsetof(struct console_page, connection) == 3088, "ABI");

/* A page with the guest's end and the backend's. */
struct pair {
	struct console_page page;
	struct console_ring guest, backend;
};

/* Both directions empty, at these positions. */
static void pair_init(struct pair *p, uint32_t in, uint32_t out)
{
	memset(p, 0, sizeof(*p));
	shm_store_u32(&p->page.in_cons, in);
	shm_store_u32(&p->page.in_prod, in);
	shm_store_u32(&p->page.out_cons, out);
	shm_store_u32(&p->page.out_prod, out);
	assert_int_equal(console_ring_attach_frontend(&p->guest, &p->page), 0);
	assert_int_equal(console_ring_attach_backend(&p->backend, &p->page), 0);
}

static size_t put(struct console_ring *r, const void *src, size_t n)
{
	size_t done = 0;

	assert_int_equal(console_ring_write(r, src, n, &done), 0);
	return done;
}

static size_t get(struct console_ring *r, void *dst, size_t max)
{
	size_t n = 0;

	assert_int_equal(console_ring_read(r, dst, max, &n), 0);
	return n;
}

static void a_new_ring_is_empty_both_ways_and_says_connected(void **state)
{
	struct pair p;
	char buf[8];
	size_t n;

	memset(&p.page, 0xff, sizeof(p.page));
	console_ring_create(&p.guest, &p.page);
	assert_int_equal(console_ring_attach_backend(&p.backend, &p.page), 0);
	assert_int_equal(get(&p.guest, buf, 8), 0);
	assert_int_equal(get(&p.backend, buf, 8), 0);
	assert_int_equal(console_ring_space(&p.guest, &n), 0);
	assert_int_equal(n, CONSOLE_RING_OUT_SIZE);
	assert_int_equal(console_ring_space(&p.backend, &n), 0);
	assert_int_equal(n, CONSOLE_RING_IN_SIZE);
	assert_true(console_ring_is_connected(&p.guest));
}

static void each_end_reads_what_the_other_wrote(void **state)
{
	struct pair p;
	char buf[16];

	pair_init(&p, 0, 0);
	assert_int_equal(put(&p.guest, "to host", 7), 7);
	assert_int_equal(put(&p.backend, "to guest", 8), 8);
	assert_int_equal(get(&p.backend, buf, 16), 7);
	assert_memory_equal(buf, "to host", 7);
	assert_int_equal(get(&p.guest, buf, 16), 8);
	assert_memory_equal(buf, "to guest", 8);
}

static void a_full_ring_takes_nothing_and_loses_nothing(void **state)
{
	static char src[CONSOLE_RING_OUT_SIZE + 1], dst[sizeof(src)];
	struct pair p;

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (char)(i * 7);
	/* full across the wrap at 2^32 */
	pair_init(&p, UINT32_MAX - 10, UINT32_MAX - 1000);
	assert_int_equal(put(&p.guest, src, sizeof(src)),
			 CONSOLE_RING_OUT_SIZE);
	assert_int_equal(put(&p.guest, src, 1), 0);
	assert_int_equal(get(&p.backend, dst, sizeof(dst)),
			 CONSOLE_RING_OUT_SIZE);
	assert_memory_equal(src, dst, CONSOLE_RING_OUT_SIZE);

	assert_int_equal(put(&p.backend, src, sizeof(src)),
			 CONSOLE_RING_IN_SIZE);
	assert_int_equal(put(&p.backend, src, 1), 0);
	assert_int_equal(get(&p.guest, dst, sizeof(dst)), CONSOLE_RING_IN_SIZE);
	assert_memory_equal(src, dst, CONSOLE_RING_IN_SIZE);
}

static void peeked_bytes_stay_until_they_are_consumed(void **state)
{
	struct pair p;
	char buf[8];
	size_t n;

	pair_init(&p, 0, 0);
	put(&p.guest, "abcdef", 6);
	assert_int_equal(console_ring_peek(&p.backend, buf, 4, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(shm_load_u32(&p.page.out_cons), 0);
	console_ring_consume(&p.backend, 2);
	assert_int_equal(shm_load_u32(&p.page.out_cons), 2);
	assert_int_equal(get(&p.backend, buf, 8), 4);
	assert_memory_equal(buf, "cdef", 4);
}

static void what_the_peer_has_not_read_can_be_taken_back(void **state)
{
	char buf[CONSOLE_RING_OUT_SIZE];
	struct pair p;
	size_t n;

	pair_init(&p, UINT32_MAX - 2, 0);
	put(&p.backend, "abcdef", 6);
	assert_int_equal(get(&p.guest, buf, 2), 2);
	assert_int_equal(console_ring_recall(&p.backend, buf, &n), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(buf, "cdef", 4);
	shm_store_u32(&p.page.in_cons, 77);
	assert_int_equal(console_ring_recall(&p.backend, buf, &n),
			 CONSOLE_RING_CORRUPT);
}

static void an_out_prod_beyond_the_ring_is_corrupt(void **state)
{
	struct pair p;
	char buf[8];
	size_t n;

	pair_init(&p, 0, 100);
	shm_store_u32(&p.page.out_prod, 100 + CONSOLE_RING_OUT_SIZE + 1);
	assert_int_equal(console_ring_read(&p.backend, buf, 8, &n),
			 CONSOLE_RING_CORRUPT);
	shm_store_u32(&p.page.out_prod, 99);
	assert_int_equal(console_ring_read(&p.backend, buf, 8, &n),
			 CONSOLE_RING_CORRUPT);
}

static void an_in_cons_that_was_never_produced_is_corrupt(void **state)
{
	struct pair p;
	size_t n;

	pair_init(&p, 100, 0);
	shm_store_u32(&p.page.in_cons, 101);
	assert_int_equal(console_ring_write(&p.backend, "x", 1, &n),
			 CONSOLE_RING_CORRUPT);
	shm_store_u32(&p.page.in_cons, 99);
	assert_int_equal(console_ring_space(&p.backend, &n),
			 CONSOLE_RING_CORRUPT);
}

static void a_guest_that_rewrites_our_indices_changes_nothing(void **state)
{
	struct pair p;
	char buf[8];

	pair_init(&p, 0, 0);
	put(&p.guest, "abcd", 4);
	shm_store_u32(&p.page.out_cons, 77);
	shm_store_u32(&p.page.in_prod, 4000);
	assert_int_equal(get(&p.backend, buf, 8), 4);
	assert_int_equal(put(&p.backend, "wxyz", 4), 4);
	assert_int_equal(shm_load_u32(&p.page.out_cons), 4);
	assert_int_equal(shm_load_u32(&p.page.in_prod), 4);
}

static void a_backend_takes_up_a_ring_in_use(void **state)
{
	struct console_ring again;
	struct pair p;
	char buf[8];

	pair_init(&p, 5, UINT32_MAX);
	put(&p.guest, "abcd", 4);
	put(&p.backend, "wxyz", 4);
	assert_int_equal(console_ring_attach_backend(&again, &p.page), 0);
	assert_int_equal(get(&again, buf, 8), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(put(&again, "!", 1), 1);
	assert_int_equal(get(&p.guest, buf, 8), 5);
	assert_memory_equal(buf, "wxyz!", 5);
}

static void
a_backend_resumes_where_it_recorded_not_where_the_page_says(void **state)
{
	struct console_ring again;
	struct pair p;
	char buf[8];

	/* It copied "ab" and died before it gave them back. */
	pair_init(&p, 0, UINT32_MAX);
	put(&p.guest, "abcd", 4);
	assert_int_equal(console_ring_resume_backend(&again, &p.page, 1), 0);
	assert_int_equal(shm_load_u32(&p.page.out_cons), 1);
	assert_int_equal(get(&again, buf, 8), 2);
	assert_memory_equal(buf, "cd", 2);

	/* The guest forged it meanwhile. */
	shm_store_u32(&p.page.out_cons, 12345);
	assert_int_equal(console_ring_resume_backend(&again, &p.page, 3), 0);
	assert_int_equal(get(&again, buf, 8), 0);
}

static void taking_up_an_impossible_ring_is_refused(void **state)
{
	struct console_ring again;
	struct pair p;

	pair_init(&p, 0, 0);
	shm_store_u32(&p.page.out_prod, CONSOLE_RING_OUT_SIZE + 1);
	assert_int_equal(console_ring_attach_backend(&again, &p.page),
			 CONSOLE_RING_CORRUPT);
	assert_int_equal(console_ring_resume_backend(&again, &p.page, 0),
			 CONSOLE_RING_CORRUPT);
	pair_init(&p, 0, 0);
	shm_store_u32(&p.page.in_prod, CONSOLE_RING_IN_SIZE + 1);
	assert_int_equal(console_ring_attach_backend(&again, &p.page),
			 CONSOLE_RING_CORRUPT);
	assert_int_equal(console_ring_attach_frontend(&again, &p.page),
			 CONSOLE_RING_CORRUPT);
}

static void the_guest_sees_whether_it_is_read(void **state)
{
	struct pair p;

	pair_init(&p, 0, 0);
	console_ring_set_connection(&p.backend, CONSOLE_DISCONNECTED);
	assert_false(console_ring_is_connected(&p.guest));
	console_ring_set_connection(&p.backend, CONSOLE_CONNECTED);
	assert_true(console_ring_is_connected(&p.guest));
}

static void an_emptied_page_is_seen_by_the_backend(void **state)
{
	struct pair p;

	pair_init(&p, 0, 0);
	assert_false(console_ring_is_reset(&p.backend));
	put(&p.backend, "abc", 3);
	assert_false(console_ring_is_reset(&p.backend));
	memset(&p.page, 0, sizeof(p.page));
	assert_true(console_ring_is_reset(&p.backend));
	shm_store_u32(&p.page.out_prod, CONSOLE_RING_OUT_SIZE + 1);
	assert_false(console_ring_is_reset(&p.backend));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_emptied_page_is_seen_by_the_backend),
		cmocka_unit_test(
			a_new_ring_is_empty_both_ways_and_says_connected),
		cmocka_unit_test(each_end_reads_what_the_other_wrote),
		cmocka_unit_test(a_full_ring_takes_nothing_and_loses_nothing),
		cmocka_unit_test(peeked_bytes_stay_until_they_are_consumed),
		cmocka_unit_test(what_the_peer_has_not_read_can_be_taken_back),
		cmocka_unit_test(an_out_prod_beyond_the_ring_is_corrupt),
		cmocka_unit_test(an_in_cons_that_was_never_produced_is_corrupt),
		cmocka_unit_test(
			a_guest_that_rewrites_our_indices_changes_nothing),
		cmocka_unit_test(a_backend_takes_up_a_ring_in_use),
		cmocka_unit_test(
			a_backend_resumes_where_it_recorded_not_where_the_page_says),
		cmocka_unit_test(taking_up_an_impossible_ring_is_refused),
		cmocka_unit_test(the_guest_sees_whether_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
