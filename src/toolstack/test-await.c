// SPDX-License-Identifier: MIT
/* Waiting for the guest, and nodes that are made anew meanwhile. */
#include <signal.h>

#include "toolstack/test-store.h"

#define RENEWED_MS 1100 /* once, after a second */

static void a_guest_that_does_not_take_it_up_gets_new_nodes(void **state)
{
	struct toolstack_spec s = pty("a");
	_cleanup_free_ char *before = NULL, *after = NULL;
	unsigned int k = attach(s);

	before = xs_read(xs, XBT_NULL, BE "/1/1/xenchan/id", NULL);
	assert_int_equal(toolstack_await_guest(xs, &s, k, 1100),
			 TOOLSTACK_NOT_SERVED);
	after = xs_read(xs, XBT_NULL, BE "/1/1/xenchan/id", NULL);
	assert_string_not_equal(before, after);
	put(BE "/1/1/state", "2");
	assert_int_equal(toolstack_await_guest(xs, &s, k, 0),
			 TOOLSTACK_NOT_TAKEN);
	put(FE "/1/state", "3");
	assert_int_equal(toolstack_await_guest(xs, &s, k, 0), 0);
}

/* The nodes are away when the second transaction of a renewal begins. */
static void (*in_between)(void);
static unsigned int n_begun;

static void on_begin(void *arg, enum fake_host_call kind)
{
	if (++n_begun != 2)
		return;
	fake_host_set_domain(0);
	assert_gone(FE "/1");
	in_between();
}

static int await_with(struct toolstack_spec s, unsigned int k, void (*fn)(void))
{
	in_between = fn;
	n_begun = 0;
	fake_host_on_call(FAKE_XS_TRANSACTION_START, on_begin, NULL);
	return toolstack_await_guest(xs, &s, k, RENEWED_MS);
}

static void attach_others(void)
{
	struct toolstack_spec other = socket_at("c", "/run/a.sock");

	other.domid = 2;
	assert_int_equal(attach(pty("b")), 2);
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_DUPLICATE_NAME);
	assert_int_equal(attach_status(other), TOOLSTACK_DUPLICATE_PATH);
}

static void device_name_and_path_are_kept_in_between(void **state)
{
	struct toolstack_spec s = socket_at("a", "/run/a.sock");
	unsigned int k = attach(s);

	assert_int_equal(await_with(s, k, attach_others), TOOLSTACK_NOT_SERVED);
	assert_reads(BE "/1/1/name", "a");
	assert_reads(BE "/1/2/name", "b");
	assert_reads(FE "/1/state", "1");
}

static volatile sig_atomic_t n_signals, n_too_early;

static void on_signal(int signum)
{
	char *there = xs_read(xs, XBT_NULL, FE "/1/state", NULL);

	n_signals++;
	n_too_early += !there;
	free(there);
}

static void interrupt(void)
{
	raise(SIGINT);
}

/* It would end a program, and nobody would make the nodes again. */
static void a_signal_waits_until_the_nodes_are_back(void **state)
{
	struct sigaction old, action = { .sa_handler = on_signal };
	struct toolstack_spec s = pty("a");
	unsigned int k = attach(s);

	n_signals = n_too_early = 0;
	sigaction(SIGINT, &action, &old);
	assert_int_equal(await_with(s, k, interrupt), TOOLSTACK_NOT_SERVED);
	sigaction(SIGINT, &old, NULL);
	assert_int_equal(n_signals, 1);
	assert_int_equal(n_too_early, 0);
}

static void detach_a(void)
{
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false), 0);
}

static void what_is_detached_in_between_stays_so(void **state)
{
	struct toolstack_spec s = pty("a");
	unsigned int k = attach(s);

	assert_int_equal(await_with(s, k, detach_a), TOOLSTACK_NO_CHANNEL);
	assert_gone(FE "/1");
	assert_gone("/libxl/1");
}

static void attach_another_a(void *arg, enum fake_host_call kind)
{
	fake_host_on_call(kind, NULL, NULL);
	fake_host_set_domain(0);
	detach_a();
	assert_int_equal(attach(pty("a")), 1);
	put(FE "/1/output", "the other's");
}

static void another_attachment_of_the_name_is_left_alone(void **state)
{
	struct toolstack_spec s = pty("a");
	unsigned int k = attach(s);

	fake_host_on_call(FAKE_XS_TRANSACTION_START, attach_another_a, NULL);
	assert_int_equal(toolstack_await_guest(xs, &s, k, RENEWED_MS),
			 TOOLSTACK_NO_CHANNEL);
	assert_reads(FE "/1/output", "the other's");
}

static void fail_a_write(void)
{
	fake_host_fail(FAKE_XS_WRITE, 5, EIO);
}

static void a_failure_in_between_is_survived(void **state)
{
	struct toolstack_spec s = pty("a");
	unsigned int k = attach(s);

	assert_int_equal(await_with(s, k, fail_a_write), TOOLSTACK_NOT_SERVED);
	assert_int_equal(fake_host_faults_left(), 0);
	assert_reads(FE "/1/state", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_that_does_not_take_it_up_gets_new_nodes),
		T(device_name_and_path_are_kept_in_between),
		T(a_signal_waits_until_the_nodes_are_back),
		T(what_is_detached_in_between_stays_so),
		T(another_attachment_of_the_name_is_left_alone),
		T(a_failure_in_between_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
