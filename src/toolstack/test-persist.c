// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "toolstack/persist.h"
#include "xen/transact.h"
#include "xenhost/fake/fake-host.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static struct xs_handle *xs;
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
	return !xs;
}

static int tear_down(void **state)
{
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
	assert_int_equal(toolstack_attach_persistent(xs, failed), 0);
	l = list_of(2);
	assert_int_equal(l.n_channels, 1);
	assert_string_equal(l.channels[0].name, s.name);
	assert_string_equal(l.channels[0].path, s.path);
	assert_string_equal(l.channels[0].log, s.log);
	assert_int_equal(l.channels[0].overflow, CONSOLE_DROP_NEWEST);
	assert_int_equal(l.channels[0].limit, 8192);
	toolstack_list_deinit(&l);

	/* Once. */
	assert_int_equal(toolstack_attach_persistent(xs, failed), 0);
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
	assert_int_equal(toolstack_attach_persistent(xs, failed), 0);
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
	assert_int_equal(toolstack_attach_persistent(xs, failed), 0);
	assert_int_equal(n_failed, 1);
	l = list_of(1);
	assert_int_equal(l.n_channels, 1);
	toolstack_list_deinit(&l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_recorded_is_attached_with_all_its_settings),
		T(what_is_forgotten_is_not),
		T(a_domain_without_a_uuid_cannot_be_known_again),
		T(one_that_cannot_be_attached_does_not_stop_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
