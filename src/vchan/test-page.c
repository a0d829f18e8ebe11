// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "vchan/page.h"

static void public_structure_has_the_offsets_of_xen(void **state)
{
	/* Of Xen 4.17 on x86-64: programs were compiled against them. */
	if (sizeof(void *) != 8)
		skip();
	assert_int_equal(sizeof(struct libxenvchan), 88);
	assert_int_equal(offsetof(struct libxenvchan, gntshr), 0);
	assert_int_equal(offsetof(struct libxenvchan, gnttab), 0);
	assert_int_equal(offsetof(struct libxenvchan, ring), 8);
	assert_int_equal(offsetof(struct libxenvchan, event), 16);
	assert_int_equal(offsetof(struct libxenvchan, event_port), 24);
	assert_int_equal(offsetof(struct libxenvchan, read), 32);
	assert_int_equal(offsetof(struct libxenvchan, write), 56);
	assert_int_equal(offsetof(struct libxenvchan, xs_path), 80);
	assert_int_equal(sizeof(struct libxenvchan_ring), 24);
	assert_int_equal(offsetof(struct libxenvchan_ring, buffer), 8);
	assert_int_equal(offsetof(struct libxenvchan_ring, order), 16);
}

static void public_flags_have_the_bits_of_xen(void **state)
{
	struct libxenvchan c = { .is_server = 1 };
	const uint8_t *flags = (const uint8_t *)(&c.event_port + 1);

	assert_int_equal(*flags, 1);
	c = (struct libxenvchan){ .server_persist = 1 };
	assert_int_equal(*flags, 2);
	c = (struct libxenvchan){ .blocking = 1 };
	assert_int_equal(*flags, 4);
}

static void assert_chosen(size_t left, size_t right, unsigned int l,
			  unsigned int r)
{
	unsigned int got_l, got_r;

	vchan_orders_choose(left, right, &got_l, &got_r);
	assert_int_equal(got_l, l);
	assert_int_equal(got_r, r);
	assert_true(vchan_orders_valid(got_l, got_r));
}

static void at_most_one_ring_of_each_small_size_lies_in_the_page(void **state)
{
	assert_chosen(0, 0, 10, 11);
	assert_chosen(1024, 2048, 10, 11);
	assert_chosen(1025, 1024, 11, 10);
	assert_chosen(2048, 1025, 11, 12);
	assert_chosen(2048, 1 << 20, 11, 20);
	assert_chosen(2049, 2048, 12, 11);
	assert_chosen(4096, 0, 12, 11);
	assert_chosen(4097, 4097, 13, 13);
	assert_chosen(1 << 20, 1 << 20, 20, 20);
}

static void rings_that_would_overlap_are_refused(void **state)
{
	static const unsigned int bad[][2] = {
		{ 10, 10 }, { 11, 11 }, /* each other */
		{ 10, 20 }, { 20, 10 }, /* the list of grants */
		{ 9, 11 },  { 11, 9 },  { 21, 11 },    { 11, 21 },
		{ 0, 0 },   { 12, 0 },  { 65535, 12 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(vchan_orders_valid(bad[i][0], bad[i][1]));
}

static void every_pair_that_fits_is_accepted(void **state)
{
	for (unsigned int l = 10; l <= 20; l++) {
		for (unsigned int r = 10; r <= 20; r++) {
			bool clash = l == r && l < 12;
			bool list =
				(l == 10 && r == 20) || (l == 20 && r == 10);

			assert_int_equal(vchan_orders_valid(l, r),
					 !clash && !list);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_structure_has_the_offsets_of_xen),
		cmocka_unit_test(public_flags_have_the_bits_of_xen),
		cmocka_unit_test(
			at_most_one_ring_of_each_small_size_lies_in_the_page),
		cmocka_unit_test(rings_that_would_overlap_are_refused),
		cmocka_unit_test(every_pair_that_fits_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
