// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grant-table.h"
#include "xenhost/board.h"

#define ME 1
#define PEER 2
#define OTHER 3

static int setup(void **state)
{
	static struct grant_table table;

	*state = &table;
	return grant_table_init(&table);
}

static int teardown(void **state)
{
	grant_table_deinit(*state);
	return 0;
}

/* Puts a byte on the page and says how many pages have any storage. */
static void touch(const struct grant_table *t, uint32_t ref)
{
	assert_int_equal(
		pwrite(t->mem_fd, "x", 1, (off_t)ref << XEN_PAGE_SHIFT), 1);
}

static unsigned int n_pages_stored(const struct grant_table *t)
{
	struct stat st;

	assert_int_equal(fstat(t->mem_fd, &st), 0);
	return st.st_blocks * 512 / XEN_PAGE_SIZE;
}

static void test_references_are_pages_and_runs(void **state)
{
	struct grant_table *t = *state;
	uint32_t a[4], b[2];

	assert_int_equal(grant_table_share(t, PEER, true, 4, a), 0);
	assert_int_equal(a[0], GRANT_FIRST_REF);
	for (int i = 1; i < 4; i++)
		assert_int_equal(a[i], a[0] + i);
	assert_int_equal(grant_table_share(t, PEER, true, 2, b), 0);
	assert_int_equal(b[0], a[3] + 1);
}

static void test_scattered_references_have_no_neighbours(void **state)
{
	struct grant_table *t = *state;
	uint32_t refs[8];

	t->scatter = true;
	assert_int_equal(grant_table_share(t, PEER, true, 8, refs), 0);
	for (int i = 1; i < 8; i++)
		assert_int_not_equal(refs[i], refs[i - 1] + 1);
}

static void test_the_limit_counts_pages_and_a_refusal_takes_none(void **state)
{
	struct grant_table *t = *state;
	uint32_t refs[8];

	t->limit = 6;
	assert_int_equal(grant_table_share(t, PEER, true, 7, refs), -ENOSPC);
	assert_int_equal(grant_table_share(t, PEER, true, 4, refs), 0);
	assert_int_equal(grant_table_share(t, PEER, true, 3, refs + 4),
			 -ENOSPC);
	assert_int_equal(grant_table_share(t, PEER, true, 2, refs + 4), 0);
	grant_table_unshare(t, refs, 6);
	assert_int_equal(t->n_shared, 0);
	assert_int_equal(grant_table_share(t, PEER, true, 6, refs), 0);
}

static void test_only_the_named_domain_maps_and_writes_as_it_may(void **state)
{
	struct grant_table *t = *state;
	uint32_t ref, bogus = 5000;

	assert_int_equal(grant_table_share(t, PEER, false, 1, &ref), 0);
	assert_int_equal(grant_table_map(t, OTHER, false, &ref, 1), -EINVAL);
	assert_int_equal(grant_table_map(t, PEER, true, &ref, 1), -EINVAL);
	assert_int_equal(grant_table_map(t, PEER, false, &bogus, 1), -ENOENT);
	assert_int_equal(grant_table_map(t, PEER, false, &ref, 1), 0);
	assert_int_equal(t->n_mapped, 1);
}

static void test_a_map_is_all_or_nothing(void **state)
{
	struct grant_table *t = *state;
	uint32_t refs[3];

	assert_int_equal(grant_table_share(t, PEER, true, 2, refs), 0);
	refs[2] = refs[1] + 1;
	assert_int_equal(grant_table_map(t, PEER, true, refs, 3), -EINVAL);
	assert_int_equal(t->n_mapped, 0);
	/* The same reference twice is a mirrored mapping. */
	refs[2] = refs[0];
	assert_int_equal(grant_table_map(t, PEER, true, refs, 3), 0);
	assert_int_equal(t->n_mapped, 3);
}

static void test_freed_pages_go_back_and_come_back_as_zeroes(void **state)
{
	struct grant_table *t = *state;
	uint32_t refs[3], again[3];
	char byte = 1;

	assert_int_equal(grant_table_share(t, PEER, true, 3, refs), 0);
	for (int i = 0; i < 3; i++)
		touch(t, refs[i]);
	assert_int_equal(n_pages_stored(t), 3);
	grant_table_unshare(t, refs, 3);
	assert_int_equal(n_pages_stored(t), 0);
	assert_int_equal(grant_table_share(t, PEER, true, 3, again), 0);
	assert_int_equal(again[0], refs[0]);
	assert_int_equal(
		pread(t->mem_fd, &byte, 1, (off_t)again[0] << XEN_PAGE_SHIFT),
		1);
	assert_int_equal(byte, 0);
}

static void test_a_mapped_page_outlives_its_share(void **state)
{
	struct grant_table *t = *state;
	uint32_t ref, next;

	assert_int_equal(grant_table_share(t, PEER, true, 1, &ref), 0);
	touch(t, ref);
	assert_int_equal(grant_table_map(t, PEER, true, &ref, 1), 0);
	grant_table_unshare(t, &ref, 1);
	/* It counts for nobody; its data and its reference are still good. */
	assert_int_equal(t->n_shared, 0);
	assert_int_equal(n_pages_stored(t), 1);
	assert_int_equal(grant_table_share(t, PEER, true, 1, &next), 0);
	assert_int_not_equal(next, ref);
	assert_int_equal(grant_table_map(t, PEER, true, &ref, 1), 0);

	grant_table_unmap(t, &ref, 1);
	assert_int_equal(n_pages_stored(t), 1);
	grant_table_unmap(t, &ref, 1);
	assert_int_equal(n_pages_stored(t), 0);
	assert_int_equal(grant_table_map(t, PEER, true, &ref, 1), -EINVAL);
	assert_int_equal(grant_table_share(t, PEER, true, 1, &next), 0);
	assert_int_equal(next, ref);
}

static void test_a_notification_clears_one_byte(void **state)
{
	struct grant_table *t = *state;
	char bytes[3];
	uint32_t ref;
	off_t page;

	assert_int_equal(grant_table_share(t, PEER, true, 1, &ref), 0);
	page = (off_t)ref << XEN_PAGE_SHIFT;
	assert_int_equal(pwrite(t->mem_fd, "abc", 3, page + 20), 3);
	grant_table_clear_byte(t, ref, 21);
	assert_int_equal(pread(t->mem_fd, bytes, 3, page + 20), 3);
	assert_memory_equal(bytes, "a\0c", 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_references_are_pages_and_runs),
		TEST(test_scattered_references_have_no_neighbours),
		TEST(test_the_limit_counts_pages_and_a_refusal_takes_none),
		TEST(test_only_the_named_domain_maps_and_writes_as_it_may),
		TEST(test_a_map_is_all_or_nothing),
		TEST(test_freed_pages_go_back_and_come_back_as_zeroes),
		TEST(test_a_mapped_page_outlives_its_share),
		TEST(test_a_notification_clears_one_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
