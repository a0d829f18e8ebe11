// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/spool.h"

#define ID "0123456789abcdef"
#define LIMIT 5000u

/* The file system, in place of the C library's function: where it is full. */
static off_t memory_end = INT32_MAX;
static int n_asked;

int posix_fallocate(int fd, off_t at, off_t n)
{
	n_asked++;
	if (at + n > memory_end)
		return ENOSPC;
	return fallocate(fd, 0, at, n) ? errno : 0;
}

static char dir_path[] = "/tmp/test-spool.XXXXXX";
static int dir;

static int set_up(void **state)
{
	memcpy(dir_path + sizeof(dir_path) - 7, "XXXXXX", 6);
	dir = mkdtemp(dir_path) ? open(dir_path, O_RDONLY | O_DIRECTORY) : -1;
	return dir < 0;
}

static int tear_down(void **state)
{
	memory_end = INT32_MAX;
	unlinkat(dir, "s", 0);
	close(dir);
	return rmdir(dir_path);
}

static struct spool *open_spool(const char *id, size_t limit)
{
	struct spool *s = NULL;

	assert_int_equal(spool_open(&s, dir, "s", id, limit), 0);
	return s;
}

/* Byte i of a stream that repeats nowhere near. */
static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

/* Puts what there is room for, of n bytes, from position *at of the stream. */
static void put(struct spool *s, uint64_t *at, size_t n)
{
	while (n) {
		size_t room;
		uint8_t *p = spool_space(s, n, &room);

		if (!room)
			return;
		for (size_t i = 0; i < room; i++)
			p[i] = byte_at(*at + i);
		*at += room;
		n -= room;
		spool_commit(s, room, (uint32_t)*at);
	}
}

/* Takes up to n bytes, which are those from *at on. */
static void take(struct spool *s, uint64_t *at, size_t n)
{
	while (n) {
		size_t have;
		const uint8_t *p = spool_data(s, &have);

		if (have > n)
			have = n;
		if (!have)
			return;
		for (size_t i = 0; i < have; i++)
			assert_int_equal(p[i], byte_at(*at + i));
		*at += have;
		n -= have;
		spool_consume(s, have);
	}
}

static void what_went_in_comes_out_for_any_sizes(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0, out = 0;

	for (unsigned int i = 0; i < 4000; i++) {
		put(s, &in, (i * 7919u) % 3001);
		assert_true(in - out <= LIMIT);
		take(s, &out, (i * 104729u) % 2503);
		assert_int_equal(spool_used(s), in - out);
	}
	take(s, &out, LIMIT);
	assert_true(in == out && in > 100 * LIMIT);
	assert_int_equal(spool_state(s)->from_guest, in);
	spool_free(s);
}

static void it_is_full_at_its_limit_and_not_before(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0;

	put(s, &in, 2 * LIMIT);
	assert_int_equal(in, LIMIT);
	spool_free(s);
}

static void a_spool_of_the_same_channel_is_taken_up(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0, out = 0;

	put(s, &in, 3000);
	take(s, &out, 1000);
	spool_free(s);
	s = open_spool(ID, LIMIT);
	assert_int_equal(spool_used(s), 2000);
	assert_int_equal(spool_state(s)->out_cons, 3000);
	put(s, &in, 2500);
	take(s, &out, 4500);
	assert_int_equal(out, 5500);
	spool_free(s);
}

static void a_spool_of_another_attachment_is_not(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0;

	put(s, &in, 100);
	spool_free(s);
	s = open_spool("fedcba9876543210", LIMIT);
	assert_int_equal(spool_used(s), 0);
	spool_free(s);
	s = open_spool(ID, LIMIT);
	assert_int_equal(spool_used(s), 0);
	spool_free(s);
}

static void damaged_files_are_replaced(void **state)
{
	const off_t sizes[] = { 0, 1, 100, 4095, 4096, 9000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spool *s = open_spool(ID, LIMIT);
		uint64_t in = 0;
		int fd;

		put(s, &in, 100);
		spool_free(s);
		fd = openat(dir, "s", O_RDWR);
		for (off_t at = 0; at < sizes[i]; at += 100)
			assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, at), 3);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		close(fd);
		s = open_spool(ID, LIMIT);
		in = 0;
		put(s, &in, LIMIT);
		spool_free(s);
		unlinkat(dir, "s", 0);
	}
}

static void dropping_the_oldest_keeps_the_newest(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0, out = 0;

	put(s, &in, LIMIT);
	spool_drop(s, 700);
	out = 700;
	put(s, &in, LIMIT);
	assert_int_equal(in, LIMIT + 700);
	take(s, &out, 2 * LIMIT);
	assert_int_equal(out, in);
	assert_int_equal(spool_state(s)->dropped, 700);
	assert_int_equal(spool_state(s)->from_guest, in);
	spool_free(s);
}

/* The header's page, and two steps of four pages. */
#define FULL_AT (9 * 4096)
#define KEPT (8u * 4096)

static void a_full_file_system_is_a_lower_limit(void **state)
{
	struct spool *s = open_spool(ID, 1u << 20);
	uint64_t in = 0, out;

	memory_end = FULL_AT;
	assert_false(spool_is_short(s));
	put(s, &in, 1u << 20);
	assert_int_equal(in, KEPT);
	assert_true(spool_is_short(s));
	assert_true(spool_is_full(s));
	/* The oldest give way, piece by piece, over its end too. */
	n_asked = 0;
	for (int i = 0; i < 1000; i++) {
		spool_drop(s, 100);
		put(s, &in, 100);
	}
	assert_int_equal(n_asked, 0);
	assert_int_equal(in, KEPT + 100000);
	assert_int_equal(spool_used(s), KEPT);
	/* So it is for whoever comes next, and until it is empty. */
	spool_free(s);
	s = open_spool(ID, 1u << 20);
	assert_true(spool_is_short(s));
	out = in - KEPT;
	take(s, &out, 5000);
	put(s, &in, 5000);
	memory_end = INT32_MAX;
	put(s, &in, 1);
	assert_true(spool_is_full(s));
	take(s, &out, KEPT);
	assert_int_equal(out, in);
	assert_false(spool_is_short(s));
	put(s, &in, 1u << 20);
	assert_int_equal(in - out, 1u << 20);
	take(s, &out, 1u << 20);
	spool_free(s);
}

static void without_any_memory_there_is_no_room(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t in = 0;

	memory_end = 4096;
	put(s, &in, 1);
	assert_int_equal(in, 0);
	assert_true(spool_is_short(s));
	assert_false(spool_is_full(s));
	memory_end = INT32_MAX;
	put(s, &in, 1);
	assert_int_equal(in, 1);
	assert_false(spool_is_short(s));
	spool_free(s);
}

static void skipping_the_newest_moves_the_ring_on(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);

	spool_skip(s, 10, UINT32_MAX);
	assert_int_equal(spool_used(s), 0);
	assert_int_equal(spool_state(s)->out_cons, UINT32_MAX);
	assert_int_equal(spool_state(s)->dropped, 10);
	spool_free(s);
}

static void an_emptied_backlog_gives_its_memory_back(void **state)
{
	struct spool *s = open_spool(ID, 1u << 20);
	uint64_t in = 0, out = 0;
	struct stat st;

	put(s, &in, 1u << 20);
	fstatat(dir, "s", &st, 0);
	assert_true(st.st_blocks * 512 >= 1 << 20);
	take(s, &out, 1u << 20);
	fstatat(dir, "s", &st, 0);
	assert_true(st.st_blocks * 512 < 1 << 17);
	put(s, &in, 1u << 20);
	take(s, &out, 1u << 20);
	assert_int_equal(in, out);
	spool_free(s);
}

static void whether_a_chunk_was_read_is_seen_in_it(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);

	memset(spool_chunk_before(s), 0xff, 8);
	spool_chunk_begin(s, 8);
	assert_int_equal(spool_chunk_got(s), 0);
	memcpy(spool_chunk(s), "abc", 3);
	spool_free(s);

	s = open_spool(ID, LIMIT);
	assert_int_equal(spool_state(s)->chunk_step, SPOOL_READING);
	assert_int_equal(spool_chunk_got(s), 3);
	spool_chunk_ready(s, 3, 77);
	assert_int_equal(spool_state(s)->chunk_in_prod, 77);
	spool_chunk_done(s);
	assert_int_equal(spool_state(s)->chunk_step, SPOOL_IDLE);
	assert_int_equal(spool_state(s)->to_guest, 3);
	spool_free(s);
}

static void what_comes_back_from_a_ring_is_kept_for_the_next(void **state)
{
	struct spool *s = open_spool(ID, LIMIT);

	memset(spool_chunk_before(s), 0xff, 5);
	spool_chunk_begin(s, 5);
	memcpy(spool_chunk(s), "hello", 5);
	spool_chunk_ready(s, 5, 0);
	spool_chunk_done(s);
	memcpy(spool_chunk(s), "lo", 2);
	spool_chunk_return(s, 2, 3);
	spool_free(s);

	s = open_spool(ID, LIMIT);
	assert_int_equal(spool_state(s)->chunk_step, SPOOL_READY);
	assert_int_equal(spool_state(s)->chunk_len, 2);
	assert_memory_equal(spool_chunk(s), "lo", 2);
	assert_int_equal(spool_state(s)->chunk_in_prod, 3);
	assert_int_equal(spool_state(s)->to_guest, 3);
	spool_chunk_done(s);
	assert_int_equal(spool_state(s)->to_guest, 5);
	spool_free(s);
}

/*
 * A ring of 2^32 bytes of the stream, of which *given_back says how many the
 * backend no longer needs: the loop of the backend, killed anywhere.
 */
static void copy_until_killed(uint64_t *given_back, uint64_t *delivered,
			      uint8_t *out, size_t n_out)
{
	struct spool *s = open_spool(ID, LIMIT);
	uint64_t at = spool_state(s)->from_guest;

	assert_true(at == *given_back || at > *given_back);
	for (;;) {
		size_t have;
		const uint8_t *p;

		put(s, &at, 1 + at % 1999);
		__atomic_store_n(given_back, at, __ATOMIC_RELEASE);
		p = spool_data(s, &have);
		for (size_t i = 0; i < have && *delivered + i < n_out; i++)
			out[*delivered + i] = p[i];
		__atomic_store_n(delivered, *delivered + have,
				 __ATOMIC_RELEASE);
		spool_consume(s, have);
	}
}

static void a_kill_loses_nothing_and_repeats_one_chunk_at_most(void **state)
{
	size_t size = 64u << 20;
	uint8_t *shared = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t *given_back = (uint64_t *)(shared + size);
	uint64_t *delivered = given_back + 1;
	uint64_t i = 0, expected = 0;

	for (int round = 0; round < 200; round++) {
		uint64_t before = *delivered;
		pid_t pid = fork();
		struct spool *s;

		if (!pid)
			copy_until_killed(given_back, delivered, shared, size);
		while (__atomic_load_n(delivered, __ATOMIC_ACQUIRE) <
		       before + 1000)
			;
		usleep((useconds_t)(round % 17) * 10);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* What was taken is delivered, waits, or is still not given
		 * back: nothing in between. */
		s = open_spool(ID, LIMIT);
		assert_true(spool_state(s)->from_guest >= *given_back);
		assert_true(spool_state(s)->from_guest - spool_used(s) <=
			    *delivered);
		spool_free(s);
	}
	/* The receiver's stream is the guest's, but for steps back. */
	for (i = 0; i < *delivered && i < size; i++) {
		if (shared[i] == byte_at(expected)) {
			expected++;
			continue;
		}
		for (size_t back = 1; back <= LIMIT; back++) {
			size_t k = 0;

			while (k < 64 && i + k < size &&
			       shared[i + k] == byte_at(expected - back + k))
				k++;
			if (k == 64 || i + k == size) {
				expected -= back;
				break;
			}
			assert_int_not_equal(back, LIMIT);
		}
		expected++;
	}
	munmap(shared, size + 4096);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_went_in_comes_out_for_any_sizes),
		T(it_is_full_at_its_limit_and_not_before),
		T(a_spool_of_the_same_channel_is_taken_up),
		T(a_spool_of_another_attachment_is_not),
		T(damaged_files_are_replaced),
		T(dropping_the_oldest_keeps_the_newest),
		T(a_full_file_system_is_a_lower_limit),
		T(without_any_memory_there_is_no_room),
		T(skipping_the_newest_moves_the_ring_on),
		T(an_emptied_backlog_gives_its_memory_back),
		T(whether_a_chunk_was_read_is_seen_in_it),
		T(what_comes_back_from_a_ring_is_kept_for_the_next),
		T(a_kill_loses_nothing_and_repeats_one_chunk_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
