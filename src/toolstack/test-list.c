// SPDX-License-Identifier: MIT
/* Which channels there are, whoever says so. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "toolstack/control.h"
#include "toolstack/test-store.h"

static void qemus_channels_are_listed_and_left_alone(void **state)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };

	put(FE "/1/state", "4");
	put(FE "/1/type", "ioemu");
	put(FE "/1/tty", "/dev/pts/3");
	put(BE "/1/1/name", "xl.channel");
	put(BE "/1/1/connection", "pty");
	put(BE "/1/1/state", "4");
	put(BE "/1/0/state", "1"); /* its console */
	assert_int_equal(toolstack_list(xs, -1, &list), 0);
	assert_int_equal(list.n_channels, 1);
	assert_string_equal(list.channels[0].name, "xl.channel");
	assert_string_equal(list.channels[0].path, "/dev/pts/3");
	assert_int_equal(list.channels[0].backend_state,
			 CONSOLE_STATE_CONNECTED);
	assert_false(list.channels[0].ours);
	assert_int_equal(toolstack_detach(xs, 1, "xl.channel", 0, false),
			 TOOLSTACK_NOT_OURS);
	/* Its device is in use. */
	assert_int_equal(attach(pty("a")), 2);
}

static void others_nodes_may_say_kind_and_may_say_nonsense(void **state)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	const struct toolstack_channel *c;

	put(FE "/1/name", "named.by.frontend");
	put(FE "/1/state", "four");
	put(BE "/1/1/kind", "socket");
	put(BE "/1/1/path", "/run/k.sock");
	put(BE "/1/2/connection", "carrier pigeon");
	put(BE "/1/2/name", "odd");
	assert_int_equal(toolstack_list(xs, 1, &list), 0);
	assert_int_equal(list.n_channels, 2);
	c = toolstack_list_find(&list, 1, "named.by.frontend");
	assert_non_null(c);
	assert_true(c->has_kind && c->kind == CONSOLE_SOCKET);
	assert_string_equal(c->path, "/run/k.sock");
	assert_int_equal(c->frontend_state, CONSOLE_STATE_UNKNOWN);
	assert_false(list.channels[1].has_kind);
	assert_false(list.channels[1].has_frontend);
}

#define DRIVER "/local/domain/2/backend/console"

/* Domain 2 makes what looks like a channel of domain 1. */
static void forge(unsigned int device, const char *name)
{
	const char *const keys[][2] = {
		{ "frontend", NULL },
		{ "frontend-id", "1" },
		{ "online", "0" },
		{ "state", "6" },
		{ "name", name },
		{ "connection", "pty" },
		{ "xenchan/id", "0123456789abcdef" },
	};
	char path[128], fe[64];

	fake_host_set_domain(2);
	snprintf(fe, sizeof(fe), FE "/%u", device);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), DRIVER "/1/%u/%s", device,
			 keys[i][0]);
		put(path, keys[i][1] ? keys[i][1] : fe);
	}
	fake_host_set_domain(0);
}

static void let_domain_2_be_a_driver_domain(void)
{
	struct xs_permissions own = { 2, XS_PERM_NONE };

	assert_true(xs_mkdir(xs, XBT_NULL, DRIVER));
	assert_true(xs_set_permissions(xs, XBT_NULL, "/local/domain/2/backend",
				       &own, 1));
	assert_true(xs_set_permissions(xs, XBT_NULL, DRIVER, &own, 1));
}

static void a_driver_domain_cannot_forge_channels_of_others(void **state)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };

	let_domain_2_be_a_driver_domain();
	attach(socket_at("a", "/run/a.sock"));
	put(BE "/1/1/state", "4");
	put(FE "/1/state", "4");
	forge(1, "forged");
	forge(3, "b");
	assert_int_equal(toolstack_list(xs, -1, &list), 0);
	assert_int_equal(list.n_channels, 1);
	assert_string_equal(list.channels[0].name, "a");
	assert_int_equal(list.channels[0].backend, 0);
	assert_int_equal(toolstack_detach(xs, 1, "forged", 0, true),
			 TOOLSTACK_NO_CHANNEL);
	/* No name is taken, and no leftover has to be cleared away. */
	assert_int_equal(attach(pty("b")), 2);
	assert_reads(FE "/1/state", "4");
	assert_reads(LIBXL "/1/name", "a");
	assert_reads(BE "/1/1/state", "4");
}

static void what_a_driver_domain_left_goes_alone(void **state)
{
	let_domain_2_be_a_driver_domain();
	attach(pty("a"));
	forge(1, "a");
	assert_int_equal(toolstack_remove_nodes(xs, 2, 1, 1), 0);
	assert_gone(DRIVER "/1");
	assert_reads(FE "/1/state", "1");
	assert_reads(BE "/1/1/state", "1");
	assert_reads(LIBXL "/1/name", "a");
}

static void a_driver_domain_cannot_rename_its_channel(void **state)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	struct toolstack_spec s = socket_at("a", "/run/a.sock");

	s.backend = 2;
	attach(s);
	attach(pty("b"));
	fake_host_set_domain(2);
	put(DRIVER "/1/1/name", "b");
	put(DRIVER "/1/1/path", "/etc/passwd");
	fake_host_set_domain(0);
	assert_int_equal(toolstack_list(xs, 1, &list), 0);
	assert_int_equal(list.n_channels, 2);
	assert_string_equal(list.channels[0].name, "a");
	assert_string_equal(list.channels[0].path, "/run/a.sock");
	assert_int_equal(toolstack_detach(xs, 1, "b", 0, false), 0);
	assert_reads(FE "/1/state", "1");
}

static void without_its_backends_nodes_a_channel_can_be_detached(void **state)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };

	attach(pty("a"));
	assert_true(xs_rm(xs, XBT_NULL, BE "/1/1"));
	assert_true(xs_rm(xs, XBT_NULL, FE "/1"));
	assert_int_equal(toolstack_list(xs, 1, &list), 0);
	assert_int_equal(list.n_channels, 1);
	assert_true(list.channels[0].incomplete);
	assert_non_null(strstr(list.channels[0].error, "detach it"));
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_DUPLICATE_NAME);
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false), 0);
	assert_gone("/libxl/1");
}

/*
 * The daemon's counts
 */

static void *answer_once(void *arg)
{
	static const char answer[] =
		"channel\t1\t1\tconnected\t1\t5\t6\t7\t8\tid\nend\n";
	int *listening = arg, fd = accept(*listening, NULL, NULL);
	char request[32];

	assert_true(read(fd, request, sizeof(request)) > 0);
	assert_int_equal(write(fd, answer, sizeof(answer) - 1),
			 sizeof(answer) - 1);
	close(fd);
	return NULL;
}

static void counts_are_those_of_the_daemons_own_domain(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct toolstack_channel channels[] = {
		{ .backend = 2, .domid = 1, .device = 1, .ours = true },
		{ .backend = 0, .domid = 1, .device = 1, .ours = true },
	};
	struct toolstack_list list = { channels, 2 };
	char dir[] = "/tmp/test-list.XXXXXX";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t daemon;

	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir,
		 CONTROL_SOCKET);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pthread_create(&daemon, NULL, answer_once, &fd), 0);
	assert_int_equal(toolstack_list_add_status(&list, 0, dir), 0);
	pthread_join(daemon, NULL);
	assert_false(channels[0].status.known);
	assert_true(channels[1].status.known);
	assert_int_equal(channels[1].status.waiting, 8);
	close(fd);
	unlink(address.sun_path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(qemus_channels_are_listed_and_left_alone),
		T(others_nodes_may_say_kind_and_may_say_nonsense),
		T(a_driver_domain_cannot_forge_channels_of_others),
		T(what_a_driver_domain_left_goes_alone),
		T(a_driver_domain_cannot_rename_its_channel),
		T(without_its_backends_nodes_a_channel_can_be_detached),
		T(counts_are_those_of_the_daemons_own_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
