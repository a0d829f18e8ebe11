// SPDX-License-Identifier: MIT
/* Failing on purpose, counting, and acting in the middle. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "xenhost/fake/fake-host.h"

static int set_up(void **state)
{
	fake_host_reset();
	fake_host_create(1);
	fake_host_set_domain(1);
	return 0;
}

static int tear_down(void **state)
{
	unsigned int left = fake_host_live_total(FAKE_HOST_ANY_DOMAIN);

	fake_host_reset();
	return left > 0;
}

/* A small program that gives up at the first error, and cleans up. */
static int scenario(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xenevtchn_handle *h = shr ? xenevtchn_open(NULL, 0) : NULL;
	int port = h ? xenevtchn_bind_unbound_port(h, 0) : -1;
	uint32_t ref;
	void *page =
		port >= 0 ? xengntshr_share_pages(shr, 0, 1, &ref, 1) : NULL;
	int r = page ? xenevtchn_notify(h, port) : -1;
	int err = errno;

	if (page && xengntshr_unshare(shr, page, 1)) {
		err = errno;
		r = xengntshr_unshare(shr, page, 1) - 1;
	}
	xenevtchn_close(h);
	xengntshr_close(shr);
	errno = err;
	return r;
}

static void the_nth_call_fails_once(void **state)
{
	fake_host_fail(FAKE_GNTSHR_OPEN, 2, EMFILE);
	assert_int_equal(scenario(), 0);
	assert_int_equal(fake_host_faults_left(), 1);
	assert_int_equal(scenario(), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(fake_host_faults_left(), 0);
	assert_int_equal(scenario(), 0);
}

static void every_call_of_a_scenario_can_be_made_to_fail(void **state)
{
	unsigned int n;

	for (n = 1;; n++) {
		fake_host_fail(FAKE_ANY_CALL, n, EIO);
		if (scenario() == 0)
			break;
		assert_int_equal(errno, EIO);
		assert_int_equal(fake_host_faults_left(), 0);
		assert_int_equal(fake_host_live_total(FAKE_HOST_ANY_DOMAIN), 0);
	}
	assert_int_equal(n, 7); /* one more than the calls */
	assert_int_equal(fake_host_faults_left(), 1);
	fake_host_clear_faults();
	assert_int_equal(fake_host_faults_left(), 0);
}

static void faults_can_be_for_one_domain(void **state)
{
	fake_host_fail_in(1, FAKE_NOTIFY, 1, EIO);
	fake_host_set_domain(0);
	assert_int_equal(scenario(), 0);
	fake_host_set_domain(1);
	assert_int_equal(scenario(), -1);
}

static void several_faults_wait_at_a_time(void **state)
{
	fake_host_fail(FAKE_SHARE, 1, ENOSPC);
	fake_host_fail(FAKE_SHARE, 2, ENOMEM);
	fake_host_fail(FAKE_NOTIFY, 1, EIO);
	assert_int_equal(scenario(), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(scenario(), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(scenario(), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(scenario(), 0);
}

static void calls_are_counted(void **state)
{
	scenario();
	fake_host_set_domain(0);
	scenario();
	assert_int_equal(fake_host_calls(FAKE_NOTIFY), 2);
	assert_int_equal(fake_host_calls(FAKE_ANY_CALL), 12);
	assert_int_equal(fake_host_calls_in(1, FAKE_ANY_CALL), 6);
	assert_int_equal(fake_host_calls_in(2, FAKE_ANY_CALL), 0);
}

struct log {
	unsigned int n;
	enum fake_host_call kinds[32];
};

static void act(void *arg, enum fake_host_call kind)
{
	struct log *log = arg;

	log->kinds[log->n++] = kind;
	fake_host_set_domain(0);
	scenario(); /* runs no hook */
}

static void a_hook_runs_before_the_call(void **state)
{
	struct log log = { 0 };

	fake_host_on_call(FAKE_SHARE, act, &log);
	assert_int_equal(scenario(), 0);
	assert_int_equal(log.n, 1);
	assert_int_equal(log.kinds[0], FAKE_SHARE);
	assert_int_equal(fake_host_domain(), 1);
	assert_int_equal(fake_host_calls_in(0, FAKE_NOTIFY), 1);

	fake_host_on_call(FAKE_SHARE, NULL, NULL);
	fake_host_on_call(FAKE_ANY_CALL, act, &log);
	assert_int_equal(scenario(), 0);
	assert_int_equal(log.n, 7);
	assert_int_equal(log.kinds[1], FAKE_GNTSHR_OPEN);
	assert_int_equal(log.kinds[6], FAKE_UNSHARE);
}

static void everything_has_a_name(void **state)
{
	assert_string_equal(fake_host_call_name(FAKE_ANY_CALL), "any");
	assert_string_equal(fake_host_call_name(FAKE_NOTIFY), "notify");
	for (int i = 0; i < FAKE_CALL_N; i++)
		assert_non_null(fake_host_call_name(i));
	for (int i = 0; i < FAKE_RESOURCE_N; i++)
		assert_non_null(fake_host_resource_name(i));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_nth_call_fails_once),
		T(every_call_of_a_scenario_can_be_made_to_fail),
		T(faults_can_be_for_one_domain),
		T(several_faults_wait_at_a_time),
		T(calls_are_counted),
		T(a_hook_runs_before_the_call),
		T(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
