// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dm/args.h"

/* What libxl 4.17 gives for a guest with a socket and a pty. */
#define LIBXL_BEGIN                                                   \
	"xenchan-dm", "-xen-domid", "3", "-no-shutdown", "-chardev",  \
		"socket,id=libxl-cmd,path=/var/run/xen/"              \
		"qmp-libxl-3,server=on,wait=off",                     \
		"-mon", "chardev=libxl-cmd,mode=control", "-chardev", \
		"socket,id=libxenstat-cmd,path=/var/run/xen/"         \
		"qmp-libxenstat-3,server=on,wait=off",                \
		"-mon", "chardev=libxenstat-cmd,mode=control"
#define LIBXL_CHANNELS                                \
	"-chardev",                                   \
		"socket,id=libxl-channel1,path=/run/" \
		"agent.sock,server=on,wait=off",      \
		"-chardev", "pty,id=libxl-channel2"
#define LIBXL_END                                                           \
	"-nodefaults", "-no-user-config", "-name", "guest", "-vnc", "none", \
		"-display", "none", "-machine", "xenpv", "-m", "128"

static struct dm_args a;
static const char *wrong;

#define PARSE(...) \
	dm_args_parse(&a, ((const char *[]){ __VA_ARGS__, NULL }), &wrong)

static int tear_down(void **state)
{
	dm_args_deinit(&a);
	return 0;
}

static void libxl_names_domain_monitors_and_channels(void **state)
{
	assert_int_equal(PARSE(LIBXL_BEGIN, LIBXL_CHANNELS, LIBXL_END), 0);
	assert_int_equal(a.domid, 3);
	assert_int_equal(a.n_monitors, 2);
	assert_string_equal(a.monitors[0], "/var/run/xen/qmp-libxl-3");
	assert_string_equal(a.monitors[1], "/var/run/xen/qmp-libxenstat-3");
	assert_int_equal(a.n_channels, 2);
	assert_int_equal(a.channels[0].device, 1);
	assert_int_equal(a.channels[0].kind, CONSOLE_SOCKET);
	assert_string_equal(a.channels[0].path, "/run/agent.sock");
	assert_int_equal(a.channels[1].device, 2);
	assert_int_equal(a.channels[1].kind, CONSOLE_PTY);
	assert_false(a.has_lost_channel);
}

static void guest_with_channels_alone_needs_no_qemu(void **state)
{
	assert_int_equal(PARSE(LIBXL_BEGIN, LIBXL_CHANNELS, LIBXL_END), 0);
	assert_null(a.for_qemu);
}

static void what_is_not_known_is_for_qemu(void **state)
{
	assert_int_equal(PARSE(LIBXL_BEGIN, LIBXL_END, "-drive", "file=x"), 0);
	assert_string_equal(a.for_qemu, "-drive");
}

static void another_machine_is_for_qemu(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-machine", "xenfv"),
			 0);
	assert_string_equal(a.for_qemu, "-machine");
}

static void screen_is_for_qemu(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-vnc", ":1"), 0);
	assert_string_equal(a.for_qemu, "-vnc");
}

static void foreign_chardev_is_for_qemu(void **state)
{
	assert_int_equal(
		PARSE("dm", "-xen-domid", "1", "-chardev", "pty,id=serial0"),
		0);
	assert_string_equal(a.for_qemu, "pty,id=serial0");
}

static void first_channel_of_xl_is_lost(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "pty,id=libxl-channel0"),
			 0);
	assert_true(a.has_lost_channel);
	assert_int_equal(a.n_channels, 0);
}

static void doubled_comma_is_one_of_the_path(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "socket,id=libxl-channel1,path=/a,,path=b"),
			 0);
	assert_string_equal(a.channels[0].path, "/a,path=b");
}

static void nonsense_is_named(void **state)
{
	assert_int_equal(PARSE("dm"), -EINVAL);
	assert_string_equal(wrong, "no -xen-domid");
	assert_int_equal(PARSE("dm", "-xen-domid", "0"), -EINVAL);
	assert_int_equal(PARSE("dm", "-xen-domid", "3x"), -EINVAL);
	assert_string_equal(wrong, "3x");
	assert_int_equal(PARSE("dm", "-xen-domid"), -EINVAL);
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev"), -EINVAL);
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "socket,id=libxl-channel1"),
			 -EINVAL);
	dm_args_deinit(&a);
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "udp,id=libxl-channel1,path=/a"),
			 -EINVAL);
}

/* And is not taken for one of libxl's monitors. */
static void eighth_channel_is_refused(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "socket,id=libxl-channel8,path=/a"),
			 -ERANGE);
	assert_int_equal(a.n_monitors, 0);
}

static void device_stands_there_once(void **state)
{
	assert_int_equal(PARSE("dm", "-xen-domid", "1", "-chardev",
			       "pty,id=libxl-channel1", "-chardev",
			       "pty,id=libxl-channel1"),
			 -EINVAL);
}

static void qemu_gets_all_but_the_channels(void **state)
{
	const char *in[] = { LIBXL_BEGIN, LIBXL_CHANNELS, LIBXL_END, NULL };
	const char *expected[] = { LIBXL_BEGIN, LIBXL_END, NULL };
	const char **out = dm_args_for_qemu("/qemu", in);
	size_t i;

	assert_non_null(out);
	assert_string_equal(out[0], "/qemu");
	for (i = 1; expected[i]; i++)
		assert_string_equal(out[i], expected[i]);
	assert_null(out[i]);
	free(out);
}

#define TEST(fn) cmocka_unit_test_teardown(fn, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(libxl_names_domain_monitors_and_channels),
		TEST(guest_with_channels_alone_needs_no_qemu),
		TEST(what_is_not_known_is_for_qemu),
		TEST(another_machine_is_for_qemu),
		TEST(screen_is_for_qemu),
		TEST(foreign_chardev_is_for_qemu),
		TEST(first_channel_of_xl_is_lost),
		TEST(doubled_comma_is_one_of_the_path),
		TEST(nonsense_is_named),
		TEST(eighth_channel_is_refused),
		TEST(device_stands_there_once),
		TEST(qemu_gets_all_but_the_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
