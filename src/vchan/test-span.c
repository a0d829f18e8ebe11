// SPDX-License-Identifier: MIT
/* Spans, as libxenvchan-ext.h and their manual pages describe them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "libxenvchan-ext.h"
#include "vchan/test-open.h"

static size_t length(const struct iovec v[2])
{
	return v[0].iov_len + v[1].iov_len;
}

static void fill(const struct iovec v[2], const uint8_t *data, size_t n)
{
	size_t first = n < v[0].iov_len ? n : v[0].iov_len;

	memcpy(v[0].iov_base, data, first);
	memcpy(v[1].iov_base, data + first, n - first);
}

static void assert_holds(const struct iovec v[2], const uint8_t *data, size_t n)
{
	size_t first = n < v[0].iov_len ? n : v[0].iov_len;

	assert_memory_equal(v[0].iov_base, data, first);
	assert_memory_equal(v[1].iov_base, data + first, n - first);
}

#define assert_fails(call, error)               \
	do {                                    \
		errno = 0;                      \
		assert_int_equal(call, -1);     \
		assert_int_equal(errno, error); \
	} while (0)

/* Events that v has sent; connecting sends one. */
static unsigned int events_of(struct libxenvchan *v)
{
	struct libxenvchan_stats s;

	assert_int_equal(libxenvchan_stats(v, &s, sizeof(s)), 0);
	return (unsigned int)(s.sent.events_sent + s.received.events_sent) -
	       (v == client);
}

static void bytes_go_from_span_to_span_at_every_place_of_the_ring(void **state)
{
	/* 1000 does not divide the ring: spans begin and wrap everywhere. */
	for (int round = 0; round < 50; round++) {
		struct iovec v[2];

		assert_true(libxenvchan_reserve(client, v, 1000) >= 1000);
		assert_in_range(length(v), 1000, LEFT);
		fill(v, out + round, 1000);
		assert_int_equal(libxenvchan_commit(client, 1000), 0);
		assert_int_equal(libxenvchan_peek(server, v, 1), 1000);
		assert_int_equal(length(v), 1000);
		assert_holds(v, out + round, 1000);
		assert_int_equal(libxenvchan_consume(server, 1000), 0);
	}
}

static void nothing_is_sent_before_the_commit(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_reserve(client, v, 4), LEFT);
	fill(v, out, 4);
	assert_int_equal(libxenvchan_data_ready(server), 0);
	assert_int_equal(libxenvchan_commit(client, 4), 0);
	assert_int_equal(libxenvchan_data_ready(server), 4);
}

static void a_span_is_committed_and_consumed_piece_by_piece(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_reserve(client, v, 100), LEFT);
	fill(v, out, 100);
	assert_int_equal(libxenvchan_commit(client, 60), 0);
	assert_int_equal(libxenvchan_commit(client, 40), 0);
	assert_int_equal(libxenvchan_peek(server, v, 100), 100);
	assert_int_equal(libxenvchan_consume(server, 70), 0);
	assert_int_equal(libxenvchan_data_ready(server), 30);
	assert_int_equal(libxenvchan_peek(server, v, 0), 30);
	assert_holds(v, out + 70, 30);
}

static void more_than_the_span_is_refused_and_moves_nothing(void **state)
{
	struct iovec v[2];

	assert_fails(libxenvchan_commit(client, 1), EINVAL);
	assert_fails(libxenvchan_consume(server, 1), EINVAL);
	assert_int_equal(libxenvchan_reserve(client, v, 1), LEFT);
	assert_fails(libxenvchan_commit(client, LEFT + 1), EINVAL);
	assert_int_equal(libxenvchan_commit(client, LEFT), 0);
	assert_fails(libxenvchan_commit(client, 1), EINVAL);
	assert_int_equal(libxenvchan_peek(server, v, 1), LEFT);
	assert_fails(libxenvchan_consume(server, (size_t)LEFT + 1), EINVAL);
	assert_int_equal(libxenvchan_data_ready(server), LEFT);
}

static void what_never_fits_is_refused(void **state)
{
	struct iovec v[2];

	assert_fails(libxenvchan_reserve(client, v, LEFT + 1), EMSGSIZE);
	assert_fails(libxenvchan_peek(server, v, LEFT + 1), EMSGSIZE);
}

static void too_little_is_0_and_the_peer_is_asked(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_peek(server, v, 10), 0);
	assert_int_equal(libxenvchan_write(client, out, LEFT), LEFT);
	assert_int_equal(events_of(client), 1);

	assert_int_equal(libxenvchan_reserve(client, v, 10), 0);
	assert_int_equal(libxenvchan_peek(server, v, 10), LEFT);
	assert_int_equal(libxenvchan_consume(server, 5), 0);
	assert_int_equal(events_of(server), 1);
}

static void a_batch_is_one_event(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_data_ready(server), 0); /* asks */
	assert_int_equal(libxenvchan_reserve(client, v, 640), LEFT);
	for (int i = 0; i < 10; i++)
		memcpy((uint8_t *)v[0].iov_base + 64 * i, out + 64 * i, 64);
	assert_int_equal(libxenvchan_commit(client, 640), 0);
	assert_int_equal(events_of(client), 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(libxenvchan_recv(server, in + 64 * i, 64), 64);
	assert_memory_equal(in, out, 640);
}

static void another_call_of_the_direction_ends_the_span(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_reserve(client, v, 1), LEFT);
	assert_int_equal(libxenvchan_write(client, out, 2), 2);
	assert_fails(libxenvchan_commit(client, 1), EINVAL);
	assert_int_equal(libxenvchan_peek(server, v, 2), 2);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	assert_fails(libxenvchan_consume(server, 1), EINVAL);
}

static void a_peer_cannot_move_or_stretch_a_span(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_write(client, out, 100), 100);
	assert_int_equal(libxenvchan_peek(server, v, 1), 100);
	/* The client takes its index back, and lies about the server's. */
	server->ring->left.prod = 10;
	server->ring->left.cons = 77;
	server->ring->left_order = 20;
	assert_int_equal(libxenvchan_consume(server, 50), 0);
	assert_fails(libxenvchan_consume(server, 51), EINVAL);
	assert_int_equal(libxenvchan_consume(server, 50), 0);
	assert_int_equal(server->ring->left.cons, 100);
	/* The next look at the index sees the lie. */
	assert_fails(libxenvchan_peek(server, v, 1), EPROTO);
	assert_fails(libxenvchan_consume(server, 0), EPROTO);
	assert_fails(libxenvchan_commit(server, 0), EPROTO);
}

static void a_closed_vchan_can_be_peeked_to_its_end(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_write(client, out, 100), 100);
	leave(client, CLIENT);
	client = NULL;
	fake_host_set_domain(SERVER);
	assert_fails(libxenvchan_peek(server, v, 101), EPIPE);
	assert_int_equal(libxenvchan_peek(server, v, 0), 100);
	assert_holds(v, out, 100);
	assert_int_equal(libxenvchan_consume(server, 100), 0);
	assert_fails(libxenvchan_peek(server, v, 0), EPIPE);
	assert_fails(libxenvchan_reserve(server, v, 1), EPIPE);
}

static void
what_was_reserved_for_one_client_does_not_reach_the_next(void **state)
{
	static const uint8_t zeroes[RIGHT];
	struct iovec v[2], seen[2];

	server->server_persist = 1;
	assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_reserve(server, v, 100), RIGHT);
	fill(v, out, 100);
	leave(client, CLIENT);
	client = join();
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_is_open(server), 1);
	fill(v, out, 100); /* it does not know yet */
	assert_fails(libxenvchan_commit(server, 100), EPIPE);
	assert_int_equal(libxenvchan_data_ready(client), 0);
	assert_int_equal(libxenvchan_reserve(server, seen, 1), RIGHT);
	assert_holds(seen, zeroes, RIGHT);
}

static void what_one_client_sent_is_zeroed_when_consumed(void **state)
{
	static const uint8_t zeroes[100];
	struct iovec v[2];

	server->server_persist = 1;
	assert_int_equal(libxenvchan_write(client, out, 100), 100);
	assert_int_equal(libxenvchan_peek(server, v, 100), 100);
	assert_int_equal(libxenvchan_consume(server, 100), 0);
	assert_memory_equal(v[0].iov_base, zeroes, 100);
}

static void a_finished_end_commits_nothing(void **state)
{
	struct iovec v[2];

	assert_int_equal(libxenvchan_reserve(client, v, 1), LEFT);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	assert_fails(libxenvchan_commit(client, 1), EPIPE);
	assert_fails(libxenvchan_reserve(client, v, 1), EPIPE);
}

static void a_file_goes_through_without_a_buffer(void **state)
{
	int there[2], back[2];
	size_t moved = 0;

	assert_int_equal(pipe(there), 0);
	assert_int_equal(pipe(back), 0);
	assert_int_equal(write(there[1], out, sizeof(out)), sizeof(out));
	close(there[1]);
	for (;;) {
		ssize_t n = libxenvchan_write_from(client, there[0], SIZE_MAX);
		ssize_t m;

		assert_true(n >= 0);
		if (!n)
			break;
		do {
			m = libxenvchan_read_to(server, back[1], 1000);
			assert_in_range(m, 1, 1000);
			moved += (size_t)m;
			n -= m;
		} while (n);
	}
	assert_int_equal(moved, sizeof(out));
	assert_int_equal(read(back[0], in, sizeof(in)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	close(there[0]);
	close(back[0]);
	close(back[1]);
}

static void descriptors_and_rings_that_have_nothing_are_told_apart(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_fails(libxenvchan_write_from(client, fds[0], 1), EAGAIN);
	assert_fails(libxenvchan_read_to(server, fds[1], 1), ENODATA);
	assert_int_equal(libxenvchan_write(client, out, LEFT), LEFT);
	assert_fails(libxenvchan_write_from(client, fds[0], 1), ENOBUFS);
	assert_fails(libxenvchan_read_to(server, -1, 1), EBADF);
	assert_int_equal(libxenvchan_read_to(server, fds[1], 7), 7);
	assert_int_equal(libxenvchan_data_ready(server), LEFT - 7);
	close(fds[0]);
	close(fds[1]);
}

static void streaming_to_a_reader_that_keeps_up_sends_no_event(void **state)
{
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(libxenvchan_write(client, out, 512), 512);
		assert_int_equal(libxenvchan_read(server, in, 512), 512);
	}
	/* The one that the server asked for before it had a client. */
	assert_int_equal(events_of(client), 1);
	assert_int_equal(events_of(server), 0);
}

static void a_sleeping_reader_is_woken_once_for_a_large_write(void **state)
{
	assert_int_equal(libxenvchan_read(server, in, 1), 0); /* asks */
	assert_int_equal(libxenvchan_write(client, out, LEFT), LEFT);
	assert_int_equal(events_of(client), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_go_from_span_to_span_at_every_place_of_the_ring),
		TEST(nothing_is_sent_before_the_commit),
		TEST(a_span_is_committed_and_consumed_piece_by_piece),
		TEST(more_than_the_span_is_refused_and_moves_nothing),
		TEST(what_never_fits_is_refused),
		TEST(too_little_is_0_and_the_peer_is_asked),
		TEST(a_batch_is_one_event),
		TEST(another_call_of_the_direction_ends_the_span),
		TEST(a_peer_cannot_move_or_stretch_a_span),
		TEST(a_closed_vchan_can_be_peeked_to_its_end),
		TEST(what_was_reserved_for_one_client_does_not_reach_the_next),
		TEST(what_one_client_sent_is_zeroed_when_consumed),
		TEST(a_finished_end_commits_nothing),
		TEST(a_file_goes_through_without_a_buffer),
		TEST(descriptors_and_rings_that_have_nothing_are_told_apart),
		TEST(streaming_to_a_reader_that_keeps_up_sends_no_event),
		TEST(a_sleeping_reader_is_woken_once_for_a_large_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
