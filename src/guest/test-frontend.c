// SPDX-License-Identifier: MIT
/* A front end against a backend that moves when the test says so. */
#include "guest/test-frontend.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/relay.h"

static void a_fresh_device_is_offered_a_ring_as_linux_does(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	expect(f, FRONTEND_OFFERED, 3);
	assert_true(host_guest_number(1, CONSOLE_FE_RING_REF) > 0);
	assert_true(host_guest_number(1, CONSOLE_FE_PORT) > 0);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

static void bytes_go_both_ways(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1 };
	int to[2], from[2];
	char buf[8];

	assert_int_equal(pipe2(to, O_NONBLOCK), 0);
	assert_int_equal(pipe2(from, O_NONBLOCK), 0);
	host_attach(1, "a");
	f = open_device(1);
	r.in = to[0];
	r.out = from[1];
	host_write("hello");
	assert_true(relay_wants_output(&r, frontend_endpoint(f)));
	assert_int_equal(write(to[1], "there", 5), 5);
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_DONE);
	host_expect("there");
	assert_int_equal(read(from[0], buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	close(to[1]);
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_DONE);
	assert_true(r.in_ended);
	assert_true(relay_is_taken(frontend_endpoint(f)));
	host_unmap();
	close(to[0]);
	close(from[0]);
	close(from[1]);
}

/* What has no room stays in the pipe. */
static void a_host_that_does_not_read_holds_the_guest_back(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	char block[4096] = { 0 };
	struct relay r = { .out = -1 };
	int to[2];

	assert_int_equal(pipe2(to, O_NONBLOCK), 0);
	host_attach(1, "a");
	f = open_device(1);
	r.in = to[0];
	assert_int_equal(write(to[1], block, sizeof(block)), sizeof(block));
	for (int i = 0; i < 3; i++)
		assert_int_equal(relay_move(&r, frontend_endpoint(f)),
				 RELAY_DONE);
	assert_int_equal(r.sent, CONSOLE_RING_OUT_SIZE);
	assert_false(relay_wants_input(&r, frontend_endpoint(f)));
	assert_false(relay_is_taken(frontend_endpoint(f)));
	host_unmap();
	close(to[0]);
	close(to[1]);
}

static void a_backend_that_lies_about_the_ring_is_found_out(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1, .out = STDERR_FILENO };

	host_attach(1, "a");
	f = open_device(1);
	shm_store_u32(&host.page->in_prod, CONSOLE_RING_IN_SIZE + 1);
	assert_true(relay_wants_output(&r, frontend_endpoint(f)));
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_CORRUPT);
	host_unmap();
}

static void a_close_waits_for_the_backend_to_unmap(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_CLOSING, 5);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 1);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	/* Fresh for the next one. */
	expect(f, FRONTEND_CLOSED, 1);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
}

static void the_next_one_opens_a_closed_channel_again(void **state)
{
	_cleanup_frontend_ struct frontend *first = NULL, *second = NULL;

	host_attach(1, "a");
	first = open_device(1);
	assert_int_equal(frontend_close(first), 0);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	step(first);
	second = start(1, NULL);
	expect(second, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INIT_WAIT);
	expect(second, FRONTEND_OFFERED, 3);
	host_connect(1);
	expect(second, FRONTEND_OPEN, 4);
	host_unmap();
}

static void a_detach_is_answered_and_what_came_is_still_read(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1 };
	int from[2];
	char buf[8];

	assert_int_equal(pipe2(from, O_NONBLOCK), 0);
	r.out = from[1];
	host_attach(1, "a");
	f = open_device(1);
	host_write("last");
	host_set(1, CONSOLE_BE_ONLINE, "0");
	host_set_state(1, CONSOLE_STATE_CLOSING);
	expect(f, FRONTEND_HUNG_UP, 6);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	host_remove(1);
	step(f);
	assert_int_equal(relay_receive(&r, frontend_endpoint(f)), RELAY_DONE);
	assert_int_equal(read(from[0], buf, sizeof(buf)), 4);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_GONE, 0);
	close(from[0]);
	close(from[1]);
}

static void an_offline_device_is_not_opened(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	host_set(1, CONSOLE_BE_ONLINE, "0");
	f = start(1, NULL);
	expect(f, FRONTEND_VACANT, 1);
	host_set(1, CONSOLE_BE_ONLINE, "1");
	expect(f, FRONTEND_OFFERED, 3);
}

static void nodes_that_vanish_end_it(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	expect(f, FRONTEND_OFFERED, 3);
	host_remove(1);
	expect(f, FRONTEND_GONE, 0);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
}

/* A close that comes after the nodes went must not make them again. */
static void removed_nodes_stay_removed(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	host_remove(1);
	assert_int_equal(frontend_close(f), 0);
	frontend_publish_open(f, true);
	expect(f, FRONTEND_GONE, 0);
}

/* As one that a transaction would have found. */
static void removed_nodes_are_no_error_without_a_transaction(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	xs_transaction_t all[32];
	size_t n = 0;

	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	host_remove(1);
	while ((all[n] = xs_transaction_start(host.xs)))
		assert_true(++n < sizeof(all) / sizeof(*all));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_GONE, 0);
	while (n)
		xs_transaction_end(host.xs, all[--n], true);
}

static void what_a_dead_process_left_is_closed_first(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INIT_WAIT);
	expect(f, FRONTEND_OFFERED, 3);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

/* As when the toolstack makes the nodes anew, and the kernel is there first. */
static void who_takes_the_device_meanwhile_is_asked_again(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;
	struct console_path p;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_put(console_frontend_path(&p, GUEST, 1, CONSOLE_FE_STATE), "4",
		 NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
}

/* The nodes of a device are made anew, for another channel. */
static void make_anew(const char *name)
{
	host_remove(1);
	host_attach(1, name);
}

static void expect_left_alone(struct frontend *f)
{
	expect(f, FRONTEND_GONE, 1);
	assert_int_equal(host_guest_number(1, CONSOLE_FE_RING_REF), 0);
}

static void a_device_that_is_another_channel_now_is_not_offered(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	make_anew("b");
	expect_left_alone(f);
}

static void
nor_is_it_after_an_offer_or_while_the_last_is_sent_away(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	expect(f, FRONTEND_OFFERED, 3);
	make_anew("b");
	expect_left_alone(f);
	frontend_free(TAKE_PTR(f));

	make_anew("a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
	make_anew("b");
	expect_left_alone(f);
}

/* What came is still to be read; the new channel is left as it is. */
static void an_open_one_hangs_up_and_writes_no_state_of_the_other(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	host_write("last");
	make_anew("b");
	expect(f, FRONTEND_HUNG_UP, 1);
	assert_int_equal(frontend_close(f), 0);
	expect_left_alone(f);
	host_unmap();
}

/* QEMU unmaps at once, says 5, and waits for our 6. */
static void a_backend_that_closes_in_two_steps_is_followed(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSING);
	expect(f, FRONTEND_EVICTING, 6);
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INITIALISING);
	expect(f, FRONTEND_OFFERED, 3);
}

static void a_restarted_backend_goes_on_with_the_ring(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	expect(f, FRONTEND_OPEN, 4);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

/* An offer without a page or a port is none. */
static void expect_complete(const struct frontend *f)
{
	if (frontend_phase(f) != FRONTEND_OFFERED)
		return;
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 1);
	assert_int_equal(fake_host_live(GUEST, FAKE_PORTS), 1);
}

static void fail_each_call(int err)
{
	host_attach(1, "a");
	for (unsigned int n = 1;; n++) {
		struct frontend *f = start(1, NULL);
		struct console_path p;
		unsigned int left;
		int r;

		host_put(console_frontend_path(&p, GUEST, 1, CONSOLE_FE_STATE),
			 "1", NULL);
		fake_host_fail_in(GUEST, FAKE_ANY_CALL, n, err);
		r = frontend_step(f);
		left = fake_host_faults_left();
		fake_host_clear_faults();
		expect_complete(f);
		frontend_free(f);
		assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
		assert_int_equal(fake_host_live(GUEST, FAKE_PORTS), 0);
		assert_int_equal(
			fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_TRANSACTIONS),
			0);
		if (left) {
			assert_int_equal(r, 0);
			return;
		}
	}
}

/* Each call of the host's fails once: nothing leaks, nothing crashes. */
static void a_failure_anywhere_leaves_nothing_behind(void **state)
{
	fail_each_call(ENOMEM);
}

/* Xen's libraries promise no errno. */
static void a_failure_without_an_errno_is_one(void **state)
{
	fail_each_call(FAKE_NO_ERRNO);
}

static bool host_has_event(void)
{
	int port;

	fake_host_set_domain(0);
	port = xenevtchn_pending(host.evtchn);
	if (port > 0)
		xenevtchn_unmask(host.evtchn, (evtchn_port_t)port);
	fake_host_set_domain(GUEST);
	return port > 0;
}

/* The host may sleep until it comes. */
static void an_event_that_cannot_be_sent_is_sent_later(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct endpoint *e;

	host_attach(1, "a");
	f = open_device(1);
	e = frontend_endpoint(f);
	fake_host_set_domain(0);
	fcntl(xenevtchn_fd(host.evtchn), F_SETFL, O_NONBLOCK);
	while (host_has_event())
		;
	fake_host_fail_in(GUEST, FAKE_NOTIFY, 1, ENOMEM);
	endpoint_notify(e);
	assert_false(host_has_event());
	assert_true(endpoint_deadline(e) != DEADLINE_NEVER);
	endpoint_notify_again(e);
	assert_true(host_has_event());
	assert_true(endpoint_deadline(e) == DEADLINE_NEVER);
	endpoint_notify_again(e);
	assert_false(host_has_event());
	host_unmap();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_device_is_offered_a_ring_as_linux_does),
		TEST(bytes_go_both_ways),
		TEST(a_host_that_does_not_read_holds_the_guest_back),
		TEST(a_backend_that_lies_about_the_ring_is_found_out),
		TEST(a_close_waits_for_the_backend_to_unmap),
		TEST(the_next_one_opens_a_closed_channel_again),
		TEST(a_detach_is_answered_and_what_came_is_still_read),
		TEST(an_offline_device_is_not_opened),
		TEST(nodes_that_vanish_end_it),
		TEST(removed_nodes_stay_removed),
		TEST(removed_nodes_are_no_error_without_a_transaction),
		TEST(what_a_dead_process_left_is_closed_first),
		TEST(who_takes_the_device_meanwhile_is_asked_again),
		TEST(a_device_that_is_another_channel_now_is_not_offered),
		TEST(nor_is_it_after_an_offer_or_while_the_last_is_sent_away),
		TEST(an_open_one_hangs_up_and_writes_no_state_of_the_other),
		TEST(a_backend_that_closes_in_two_steps_is_followed),
		TEST(a_restarted_backend_goes_on_with_the_ring),
		TEST(a_failure_anywhere_leaves_nothing_behind),
		TEST(a_failure_without_an_errno_is_one),
		TEST(an_event_that_cannot_be_sent_is_sent_later),
	};

	return cmocka_run_group_tests_name("guest/frontend", tests, NULL, NULL);
}
