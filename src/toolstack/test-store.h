/* SPDX-License-Identifier: MIT */
/* A host with domains 1 and 2, "one" and "two", for tests of the toolstack. */
#ifndef XENCHAN_TOOLSTACK_TEST_STORE_H
#define XENCHAN_TOOLSTACK_TEST_STORE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "toolstack/channel.h"
#include "xenhost/fake/fake-host.h"

#define FE "/local/domain/1/device/console"
#define BE "/local/domain/0/backend/console"
#define LIBXL "/libxl/1/device/console"

static struct xs_handle *xs;

static inline void put(const char *path, const char *value)
{
	assert_true(xs_write(xs, XBT_NULL, path, value,
			     (unsigned int)strlen(value)));
}

static inline void assert_reads(const char *path, const char *expected)
{
	_cleanup_free_ char *value = xs_read(xs, XBT_NULL, path, NULL);

	if (!value)
		fail_msg("%s is not there", path);
	assert_string_equal(value, expected);
}

static inline void assert_gone(const char *path)
{
	_cleanup_free_ char *value = xs_read(xs, XBT_NULL, path, NULL);

	assert_null(value);
	assert_int_equal(errno, ENOENT);
}

static inline void make_domain(unsigned int domid, const char *name)
{
	struct xs_permissions perms[] = { { 0, XS_PERM_NONE },
					  { domid, XS_PERM_READ } };
	char path[64];

	assert_int_equal(fake_host_create(domid), 0);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	assert_true(xs_set_permissions(xs, XBT_NULL, path, perms, 2));
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	put(path, name);
}

static inline int set_up(void **state)
{
	fake_host_reset();
	fake_host_set_domain(0);
	xs = xs_open(0);
	make_domain(1, "one");
	make_domain(2, "two");
	return !xs;
}

static inline int tear_down(void **state)
{
	unsigned int left = fake_host_live(0, FAKE_TRANSACTIONS);

	xs_close(xs);
	fake_host_reset();
	return left > 0;
}

static inline struct toolstack_spec pty(const char *name)
{
	return (struct toolstack_spec){
		.domid = 1, .name = name, .uid = -1, .gid = -1
	};
}

static inline struct toolstack_spec socket_at(const char *name,
					      const char *path)
{
	struct toolstack_spec s = pty(name);

	s.kind = CONSOLE_SOCKET;
	s.path = path;
	return s;
}

static inline unsigned int attach(struct toolstack_spec spec)
{
	unsigned int device = 0;

	assert_int_equal(toolstack_attach(xs, &spec, &device), 0);
	return device;
}

static inline int attach_status(struct toolstack_spec spec)
{
	unsigned int device;

	return toolstack_attach(xs, &spec, &device);
}

/* A backend and a guest that have closed device k of domain 1. */
static inline void play_closed(unsigned int k)
{
	struct console_path p;

	put(console_frontend_path(&p, 1, k, CONSOLE_FE_STATE), "6");
	put(console_backend_path(&p, 0, 1, k, CONSOLE_BE_STATE), "6");
	put(console_backend_path(&p, 0, 1, k, CONSOLE_BE_ONLINE), "0");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
