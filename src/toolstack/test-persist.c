// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "toolstack/arrivals.h"
#include "toolstack/persist.h"
#include "xen/transact.h"
#include "xenhost/fake/fake-host.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static struct xs_handle *xs;
static struct arrivals *arrivals;
static unsigned int n_failed;

static void failed(unsigned int domid, const char *name, int r)
{
	n_failed++;
}

static void put(const char *path, const char *value)
{
	assert_true(xs_write(xs, XBT_NULL, path, value,
			     (unsigned int)strlen(value)));
}

static void make_domain(unsigned int domid, const char *vm)
{
	char path[64];

	assert_int_equal(fake_host_create(domid), 0);
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	put(path, "guest");
	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	put(path, vm);
}

static int set_up(void **state)
{
	fake_host_reset();
	fake_host_set_domain(0);
	n_failed = 0;
	xs = xs_open(0);
	arrivals = arrivals_new(xs, failed);
	return !xs || !arrivals;
}

static int tear_down(void **state)
{
	arrivals_free(arrivals);
	xs_close(xs);
	fake_host_reset();
	return 0;
}

static int record(void *userdata, xs_transaction_t t)
{
	return toolstack_record(xs, t, userdata);
}

static int persist(struct toolstack_spec *spec)
{
	return xen_transact(xs, record, spec);
}

/* As the daemon, after an event. */
static void look(bool released)
{
	int r = 1;

	arrivals_look(arrivals, released);
	while (r > 0)
		r = arrivals_turn(arrivals);
	assert_int_equal(r, 0);
}

static struct toolstack_list list_of(unsigned int domid)
{
	struct toolstack_list l;

	assert_int_equal(toolstack_list(xs, (int)domid, &l), 0);
	return l;
}

static void what_was_recorded_is_attached_with_all_its_settings(void **state)
{
	struct toolstack_spec s = {
		.domid = 1,
		.name = "name with space",
		.kind = CONSOLE_SOCKET,
		.path = "/run/a.sock",
		.log = "/var/log/a",
		.mode = "660",
		.uid = 7,
		.gid = -1,
		.overflow = CONSOLE_DROP_NEWEST,
		.limit = 8192,
	};
	struct toolstack_list l;

	make_domain(1, "/vm/" UUID);
	assert_int_equal(persist(&s), 0);
	/* The guest comes back with another id. */
	make_domain(2, "/vm/" UUID);
	fake_host_destroy(1);
	xs_rm(xs, XBT_NULL, "/local/domain/1");
	look(false);
	l = list_of(2);
	assert_int_equal(l.n_channels, 1);
	assert_string_equal(l.channels[0].name, s.name);
	assert_string_equal(l.channels[0].path, s.path);
	assert_string_equal(l.channels[0].log, s.log);
	assert_int_equal(l.channels[0].overflow, CONSOLE_DROP_NEWEST);
	assert_int_equal(l.channels[0].limit, 8192);
	toolstack_list_deinit(&l);

	/* Once. */
	look(false);
	l = list_of(2);
	assert_int_equal(l.n_channels, 1);
	toolstack_list_deinit(&l);
	assert_int_equal(n_failed, 0);
}

static void what_is_forgotten_is_not(void **state)
{
	struct toolstack_spec a = { .domid = 1, .name = "a" };
	struct toolstack_spec b = { .domid = 1, .name = "b" };
	struct toolstack_list l;

	make_domain(1, "/vm/" UUID);
	assert_int_equal(persist(&a), 0);
	assert_int_equal(persist(&a), 0);
	assert_int_equal(persist(&b), 0);
	assert_int_equal(toolstack_forget(xs, 1, "a"), 0);
	assert_int_equal(toolstack_forget(xs, 1, "never was"), 0);
	look(false);
	l = list_of(1);
	assert_int_equal(l.n_channels, 1);
	assert_string_equal(l.channels[0].name, "b");
	toolstack_list_deinit(&l);
}

static void a_domain_without_a_uuid_cannot_be_known_again(void **state)
{
	const char *const wrong[] = {
		"", "/vm/", UUID, "/vm/" UUID "0",
		"/vm/../../local/domain/0/backend/x/y/z"
	};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct toolstack_spec s = { .domid = i + 1, .name = "a" };
		struct toolstack_list list;
		unsigned int device;

		make_domain(i + 1, wrong[i]);
		assert_int_equal(persist(&s), TOOLSTACK_NO_UUID);
		/* Nor is it attached then. */
		s.persist = true;
		assert_int_equal(toolstack_attach(xs, &s, &device),
				 TOOLSTACK_NO_UUID);
		list = list_of(i + 1);
		assert_int_equal(list.n_channels, 0);
		assert_int_equal(toolstack_forget(xs, i + 1, "a"), 0);
	}
}

static void one_that_cannot_be_attached_does_not_stop_the_others(void **state)
{
	struct toolstack_spec s = { .domid = 1,
				    .name = "a",
				    .kind = CONSOLE_SOCKET,
				    .path = "/run/a" };
	struct toolstack_list l;
	unsigned int device;

	make_domain(1, "/vm/" UUID);
	make_domain(2, "/vm/" UUID "x");
	assert_int_equal(persist(&s), 0);
	s.name = "b";
	s.path = "/run/b";
	assert_int_equal(persist(&s), 0);
	s.domid = 2; /* takes the other's path */
	s.name = "c";
	s.path = "/run/a";
	assert_int_equal(toolstack_attach(xs, &s, &device), 0);
	look(false);
	assert_int_equal(n_failed, 1);
	l = list_of(1);
	assert_int_equal(l.n_channels, 1);
	toolstack_list_deinit(&l);
}

static struct toolstack_spec record_of(const char *name)
{
	struct toolstack_spec s = { .domid = 1, .name = name };

	assert_int_equal(persist(&s), 0);
	return s;
}

static unsigned int device_of(unsigned int domid, const char *name)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list l =
		list_of(domid);
	const struct toolstack_channel *c =
		toolstack_list_find(&l, domid, name);

	return c ? c->device : 0;
}

static void libxl_writes_from_the_other_end(void **state)
{
	make_domain(1, "/vm/" UUID);
	record_of("a");
	record_of("b");
	look(false);
	assert_int_equal(device_of(1, "a") + device_of(1, "b"), 7 + 6);
}

static void remove_domain(unsigned int domid)
{
	char path[32];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	fake_host_destroy(domid);
	xs_rm(xs, XBT_NULL, path);
}

static void what_was_overwritten_is_attached_elsewhere(void **state)
{
	make_domain(1, "/vm/" UUID);
	record_of("a");
	look(false);
	assert_int_equal(device_of(1, "a"), 7);
	put("/local/domain/0/backend/console/1/7/name", "of.xl");
	put("/libxl/1/device/console/7/name", "of.xl");
	/* Nobody has told it. */
	look(false);
	assert_int_equal(device_of(1, "a"), 0);
	arrivals_overwritten(arrivals, 1);
	while (arrivals_turn(arrivals))
		;
	assert_int_equal(device_of(1, "a"), 6);
	assert_int_equal(device_of(1, "of.xl"), 7);
}

static void what_vanished_may_be_of_a_dying_domain(void **state)
{
	make_domain(1, "/vm/" UUID);
	record_of("a");
	look(false);
	assert_int_equal(toolstack_remove_nodes(xs, 0, 1, 7), 0);
	arrivals_vanished(arrivals, 1);
	look(false);
	assert_int_equal(device_of(1, "a"), 0);
	/* The id was given again before anybody looked. */
	look(true);
	assert_int_equal(device_of(1, "a"), 7);
}

static void a_domain_that_is_done_costs_nothing(void **state)
{
	unsigned long before;

	for (unsigned int i = 1; i <= 20; i++) {
		char vm[48];

		snprintf(vm, sizeof(vm), "/vm/01234567-89ab-cdef-0123-%012u",
			 i);
		make_domain(i, vm);
	}
	look(false);
	before = fake_host_calls(FAKE_ANY_CALL);
	look(false);
	assert_in_range(fake_host_calls(FAKE_ANY_CALL) - before, 1,
			5); /* dom0 has no UUID */
}

static void a_turn_does_a_bounded_piece(void **state)
{
	int n_turns = 0;

	make_domain(1, "/vm/" UUID);
	for (int i = 0; i < 7; i++) {
		char name[] = { (char)('a' + i), '\0' };

		record_of(name);
	}
	arrivals_look(arrivals, false);
	for (int r = 1; r > 0; n_turns++) {
		unsigned long before = fake_host_calls(FAKE_ANY_CALL);

		r = arrivals_turn(arrivals);
		assert_int_not_equal(r, -1);
		assert_true(fake_host_calls(FAKE_ANY_CALL) - before < 400);
	}
	assert_in_range(n_turns, 8, 20);
	assert_int_not_equal(device_of(1, "g"), 0);
}

static void a_failure_is_said_once_and_tried_after_a_death(void **state)
{
	struct toolstack_spec s = { .domid = 2,
				    .name = "other",
				    .kind = CONSOLE_SOCKET,
				    .path = "/run/a" };
	unsigned int device;

	make_domain(1, "/vm/" UUID);
	make_domain(2, "");
	assert_int_equal(toolstack_attach(xs, &s, &device), 0);
	s.domid = 1;
	s.name = "a";
	assert_int_equal(persist(&s), 0);
	look(false);
	look(false);
	assert_int_equal(n_failed, 1);
	look(true);
	assert_int_equal(n_failed, 1);
	toolstack_remove_nodes(xs, 0, 2, device);
	remove_domain(2);
	look(false);
	assert_int_equal(device_of(1, "a"), 0);
	look(true);
	assert_int_equal(device_of(1, "a"), 7);
}

static void a_uuid_may_come_late(void **state)
{
	make_domain(1, "/vm/" UUID);
	record_of("a");
	remove_domain(1);
	make_domain(2, "");
	look(false);
	put("/local/domain/2/vm", "/vm/" UUID);
	look(false);
	assert_int_equal(device_of(2, "a"), 7);
}

static void a_failure_of_xenstore_is_made_good_for(void **state)
{
	unsigned int n;

	for (n = 1; n < 200; n++) {
		int r;

		tear_down(state);
		assert_int_equal(set_up(state), 0);
		make_domain(1, "/vm/" UUID);
		record_of("a");
		arrivals_look(arrivals, false);
		fake_host_fail(FAKE_ANY_CALL, n, EIO);
		do
			r = arrivals_turn(arrivals);
		while (r > 0);
		if (fake_host_faults_left())
			break;
		look(true);
		assert_int_equal(device_of(1, "a"), 7);
	}
	assert_in_range(n, 10, 199);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_recorded_is_attached_with_all_its_settings),
		T(what_is_forgotten_is_not),
		T(a_domain_without_a_uuid_cannot_be_known_again),
		T(one_that_cannot_be_attached_does_not_stop_the_others),
		T(libxl_writes_from_the_other_end),
		T(what_was_overwritten_is_attached_elsewhere),
		T(what_vanished_may_be_of_a_dying_domain),
		T(a_domain_that_is_done_costs_nothing),
		T(a_turn_does_a_bounded_piece),
		T(a_failure_is_said_once_and_tried_after_a_death),
		T(a_uuid_may_come_late),
		T(a_failure_of_xenstore_is_made_good_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
