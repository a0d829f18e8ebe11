// SPDX-License-Identifier: MIT
#include "toolstack/test-store.h"

/* A tree in the form of xenstore-ls -fp, except for random ids. */
static void dump(const char *path, char *out, size_t size)
{
	unsigned int n, n_perms;
	_cleanup_free_ char *value = xs_read(xs, XBT_NULL, path, NULL);
	_cleanup_free_ char **keys = xs_directory(xs, XBT_NULL, path, &n);
	_cleanup_free_ struct xs_permissions *perms =
		xs_get_permissions(xs, XBT_NULL, path, &n_perms);
	size_t len = strlen(out);

	assert_true(value && keys && perms);
	len += (size_t)snprintf(out + len, size - len, "%s = \"%s\" (", path,
				strstr(path, "xenchan/id") ? "ID" : value);
	for (unsigned int i = 0; i < n_perms; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%c%u",
					i ? "," : "", "nrwb"[perms[i].perms],
					perms[i].id);
	snprintf(out + len, size - len, ")\n");
	for (unsigned int i = 0; i < n; i++) {
		char child[256];

		snprintf(child, sizeof(child), "%s/%s", path, keys[i]);
		dump(child, out, size);
	}
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of keys in a directory is nobody's promise. */
static void assert_tree(const char *path, const char *const *expected,
			size_t n_expected)
{
	char text[8192] = "", *lines[64], *save = NULL;
	size_t n = 0;

	dump(path, text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save))
		lines[n++] = l;
	qsort(lines, n, sizeof(*lines), by_line);
	for (size_t i = 0; i < n && i < n_expected; i++)
		assert_string_equal(lines[i], expected[i]);
	assert_int_equal(n, n_expected);
}

#define ASSERT_TREE(path, ...)                                              \
	do {                                                                \
		const char *const lines[] = { __VA_ARGS__ };                \
		assert_tree(path, lines, sizeof(lines) / sizeof(lines[0])); \
	} while (0)

static void the_nodes_are_those_of_libxl_with_its_permissions(void **state)
{
	assert_int_equal(attach(socket_at("org.example.a", "/run/a.sock")), 1);
	ASSERT_TREE(FE, FE " = \"\" (n0,r1)", FE "/1 = \"\" (n1,r0)",
		    FE "/1/backend = \"" BE "/1/1\" (n1,r0)",
		    FE "/1/backend-id = \"0\" (n1,r0)",
		    FE "/1/limit = \"1048576\" (n0,r1)",
		    FE "/1/name = \"org.example.a\" (n0,r1)",
		    FE "/1/output = \"chardev:libxl-channel1\" (n0,r1)",
		    FE "/1/protocol = \"vt100\" (n1,r0)",
		    FE "/1/state = \"1\" (n1,r0)", FE "/1/tty = \"\" (n0,r1)",
		    FE "/1/type = \"xenconsoled\" (n0,r1)");
	ASSERT_TREE(BE "/1/1", BE "/1/1 = \"\" (n0,r1)",
		    BE "/1/1/connection = \"socket\" (n0,r1)",
		    BE "/1/1/frontend = \"" FE "/1\" (n0,r1)",
		    BE "/1/1/frontend-id = \"1\" (n0,r1)",
		    BE "/1/1/name = \"org.example.a\" (n0,r1)",
		    BE "/1/1/online = \"1\" (n0,r1)",
		    BE "/1/1/path = \"/run/a.sock\" (n0,r1)",
		    BE "/1/1/protocol = \"vt100\" (n0,r1)",
		    BE "/1/1/state = \"1\" (n0,r1)",
		    BE "/1/1/xenchan = \"\" (n0,r1)",
		    BE "/1/1/xenchan/id = \"ID\" (n0,r1)");
	ASSERT_TREE(LIBXL, LIBXL " = \"\" (n0)", LIBXL "/1 = \"\" (n0)",
		    LIBXL "/1/backend = \"" BE "/1/1\" (n0)",
		    LIBXL "/1/connection = \"socket\" (n0)",
		    LIBXL "/1/frontend = \"" FE "/1\" (n0)",
		    LIBXL "/1/frontend-id = \"1\" (n0)",
		    LIBXL "/1/name = \"org.example.a\" (n0)",
		    LIBXL "/1/online = \"1\" (n0)",
		    LIBXL "/1/path = \"/run/a.sock\" (n0)",
		    LIBXL "/1/protocol = \"vt100\" (n0)",
		    LIBXL "/1/state = \"1\" (n0)");
}

static void a_pty_has_no_path_and_says_so(void **state)
{
	attach(pty("org.example.a"));
	assert_reads(FE "/1/output", "pty");
	assert_reads(BE "/1/1/connection", "pty");
	assert_gone(BE "/1/1/path");
	assert_gone(LIBXL "/1/path");
}

static void settings_are_kept_in_the_backends_nodes(void **state)
{
	struct toolstack_spec s = socket_at("a", "/run/a.sock");

	s.mode = "660";
	s.uid = 1000;
	s.gid = 100;
	s.overflow = CONSOLE_DROP_OLDEST;
	s.limit = 65536;
	s.log = "/var/log/a.log";
	s.signal_client = true;
	attach(s);
	assert_reads(BE "/1/1/xenchan/mode", "660");
	assert_reads(BE "/1/1/xenchan/uid", "1000");
	assert_reads(BE "/1/1/xenchan/gid", "100");
	assert_reads(BE "/1/1/xenchan/overflow", "drop-oldest");
	assert_reads(BE "/1/1/xenchan/limit", "65536");
	assert_reads(BE "/1/1/xenchan/log", "/var/log/a.log");
	assert_reads(BE "/1/1/xenchan/signal-client", "1");
	assert_reads(FE "/1/limit", "65536");
}

static void the_guest_cannot_write_what_could_reach_the_host(void **state)
{
	const char *const forbidden[] = {
		FE "/1/tty",   FE "/1/output", FE "/1/type",  FE "/1/name",
		FE "/1/limit", BE "/1/1/path", FE "/2/state",
	};
	struct xs_handle *guest;

	attach(pty("a"));
	fake_host_set_domain(1);
	guest = xs_open(0);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		assert_false(xs_write(guest, XBT_NULL, forbidden[i], "x", 1));
		assert_int_equal(errno, EACCES);
	}
	assert_true(xs_write(guest, XBT_NULL, FE "/1/state", "3", 1));
	xs_close(guest);
	fake_host_set_domain(0);
}

static void a_driver_domain_owns_its_directory_of_devices(void **state)
{
	struct toolstack_spec s = pty("a");

	s.backend = 2;
	attach(s);
	assert_reads(FE "/1/backend", "/local/domain/2/backend/console/1/1");
	assert_reads(FE "/1/backend-id", "2");
	fake_host_set_domain(2);
	{
		struct xs_handle *driver = xs_open(0);
		_cleanup_free_ char **keys = NULL;
		unsigned int n;

		keys = xs_directory(driver, XBT_NULL,
				    "/local/domain/2/backend/console", &n);
		assert_non_null(keys);
		assert_int_equal(n, 1);
		assert_true(xs_write(
			driver, XBT_NULL,
			"/local/domain/2/backend/console/1/1/state", "2", 1));
		assert_true(xs_write(driver, XBT_NULL, FE "/1/tty",
				     "/dev/pts/1", 10));
		xs_close(driver);
	}
	fake_host_set_domain(0);
}

static void names_and_paths_are_taken_once(void **state)
{
	struct toolstack_spec other = socket_at("c", "/run/a.sock");

	attach(socket_at("a", "/run/a.sock"));
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_DUPLICATE_NAME);
	other.domid = 2;
	assert_int_equal(attach_status(other), TOOLSTACK_DUPLICATE_PATH);
	other.path = "/run/b.sock";
	other.name = "a"; /* in another domain */
	assert_int_equal(attach_status(other), 0);
}

static void what_cannot_be_a_channel_is_refused(void **state)
{
	struct toolstack_spec s = pty("a");

	assert_int_equal(attach_status(pty("")), TOOLSTACK_BAD_NAME);
	assert_int_equal(attach_status(pty("a/b")), TOOLSTACK_BAD_NAME);
	assert_int_equal(attach_status(socket_at("a", "relative")),
			 TOOLSTACK_BAD_PATH);
	s.domid = 9;
	assert_int_equal(attach_status(s), TOOLSTACK_NO_DOMAIN);
	s.domid = 1;
	s.backend = 9;
	assert_int_equal(attach_status(s), TOOLSTACK_NO_BACKEND);
	assert_gone(FE);
	assert_gone(LIBXL);
}

static void a_domain_has_seven_channels_and_the_eighth_is_refused(void **state)
{
	for (unsigned int k = 1; k <= 7; k++) {
		char name[2] = { (char)('a' + k), '\0' };

		assert_int_equal(attach(pty(name)), k);
	}
	assert_int_equal(attach_status(pty("z")), TOOLSTACK_NO_DEVICE);
}

static void the_lowest_free_device_is_taken(void **state)
{
	attach(pty("a"));
	attach(pty("b"));
	play_closed(1);
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false), 0);
	assert_int_equal(attach(pty("c")), 1);
	assert_int_equal(attach(pty("d")), 3);
}

static void nodes_of_a_dead_domain_do_not_hinder_its_successor(void **state)
{
	attach(socket_at("a", "/run/a.sock"));
	/* libxl removes the guest's nodes; ours it may not know. */
	assert_true(xs_rm(xs, XBT_NULL, "/local/domain/1/device"));
	put(BE "/1/1/state", "4");
	assert_int_equal(attach(socket_at("a", "/run/a.sock")), 1);
	assert_reads(BE "/1/1/state", "1");
}

static void
a_channel_that_the_guest_closed_is_attached_until_detached(void **state)
{
	attach(pty("a"));
	put(FE "/1/state", "6");
	put(BE "/1/1/state", "6");
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_DUPLICATE_NAME);
	assert_int_equal(attach(pty("b")), 2);
	play_closed(1);
	assert_int_equal(attach(pty("a")), 1);
}

static void detaching_waits_for_the_backend(void **state)
{
	attach(pty("a"));
	put(BE "/1/1/state", "4");
	put(FE "/1/state", "4");
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false),
			 TOOLSTACK_NO_ANSWER);
	assert_reads(BE "/1/1/state", "5");
	assert_reads(BE "/1/1/online", "0");
	assert_reads(FE "/1/state", "4");
	put(BE "/1/1/state", "6");
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false), 0);
	assert_gone(FE "/1");
	assert_gone(BE "/1");
	assert_gone("/libxl/1");
}

static void detaching_by_force_does_not(void **state)
{
	attach(pty("a"));
	put(BE "/1/1/state", "4");
	put(FE "/1/state", "4");
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, true), 0);
	assert_gone(FE "/1");
}

static void a_channel_that_no_backend_has_seen_goes_at_once(void **state)
{
	attach(pty("a"));
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false), 0);
	assert_gone(FE "/1");
	assert_int_equal(toolstack_detach(xs, 1, "a", 0, false),
			 TOOLSTACK_NO_CHANNEL);
}

static void a_domain_is_found_by_number_and_by_name(void **state)
{
	unsigned int domid = 99;

	assert_int_equal(toolstack_find_domain(xs, "2", &domid), 0);
	assert_int_equal(domid, 2);
	assert_int_equal(toolstack_find_domain(xs, "one", &domid), 0);
	assert_int_equal(domid, 1);
	assert_int_equal(toolstack_find_domain(xs, "7", &domid),
			 TOOLSTACK_NO_DOMAIN);
	assert_int_equal(toolstack_find_domain(xs, "three", &domid),
			 TOOLSTACK_NO_DOMAIN);
	make_domain(3, "one");
	assert_int_equal(toolstack_find_domain(xs, "one", &domid),
			 TOOLSTACK_AMBIGUOUS);
}

static void a_failure_is_not_taken_for_the_end_of_a_domain(void **state)
{
	fake_host_fail(FAKE_XS_DIRECTORY, 1, EIO);
	assert_int_equal(toolstack_check_domain(xs, 1), -EIO);
	assert_int_equal(toolstack_check_domain(xs, 1), 0);
	assert_int_equal(toolstack_check_domain(xs, 7), TOOLSTACK_NO_DOMAIN);
}

/*
 * Others act while a transaction runs
 */

static struct meanwhile {
	struct toolstack_spec spec;
	unsigned int device, dying;
	int r;
} meanwhile;

static void act(void *arg, enum fake_host_call kind)
{
	struct meanwhile *m = arg;

	fake_host_on_call(kind, NULL, NULL);
	fake_host_set_domain(0);
	if (m->dying) {
		char path[40];

		snprintf(path, sizeof(path), "/local/domain/%u", m->dying);
		assert_true(xs_rm(xs, XBT_NULL, path));
	} else {
		m->r = toolstack_attach(xs, &m->spec, &m->device);
	}
}

/* Another attaches this as the transaction is about to end. */
static void attach_meanwhile(struct toolstack_spec s)
{
	meanwhile = (struct meanwhile){ .spec = s, .r = -1 };
	fake_host_on_call(FAKE_XS_TRANSACTION_END, act, &meanwhile);
}

static void a_device_that_is_taken_meanwhile_is_left_alone(void **state)
{
	attach_meanwhile(pty("b"));
	assert_int_equal(attach(pty("a")), 2);
	assert_int_equal(meanwhile.r, 0);
	assert_int_equal(meanwhile.device, 1);
	assert_reads(BE "/1/1/name", "b");
	assert_reads(BE "/1/2/name", "a");
}

static void a_name_that_is_taken_meanwhile_is_a_duplicate(void **state)
{
	attach_meanwhile(pty("a"));
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_DUPLICATE_NAME);
	assert_int_equal(meanwhile.r, 0);
	assert_gone(FE "/2");
}

static void a_path_that_is_taken_meanwhile_is_a_duplicate(void **state)
{
	struct toolstack_spec other = socket_at("b", "/run/a.sock");

	other.domid = 2;
	attach_meanwhile(other);
	assert_int_equal(attach_status(socket_at("a", "/run/a.sock")),
			 TOOLSTACK_DUPLICATE_PATH);
	assert_int_equal(meanwhile.r, 0);
	assert_gone(FE "/1");
	/* Nor is it taken for ever. */
	assert_int_equal(toolstack_detach(xs, 2, "b", 0, false), 0);
	attach(socket_at("a", "/run/a.sock"));
	assert_true(xs_rm(xs, XBT_NULL, BE "/1"));
	assert_true(xs_rm(xs, XBT_NULL, "/libxl/1"));
	assert_int_equal(attach_status(other), 0);
}

static void a_domain_that_dies_meanwhile_gets_no_nodes(void **state)
{
	meanwhile = (struct meanwhile){ .dying = 1 };
	fake_host_on_call(FAKE_XS_TRANSACTION_END, act, &meanwhile);
	assert_int_equal(attach_status(pty("a")), TOOLSTACK_NO_DOMAIN);
	assert_gone("/local/domain/1");
}

static void a_leftover_that_another_replaced_is_left_alone(void **state)
{
	attach(pty("old"));
	play_closed(1);
	attach_meanwhile(pty("b"));
	assert_int_equal(attach(pty("a")), 2);
	assert_int_equal(meanwhile.r, 0);
	assert_reads(BE "/1/1/name", "b");
}

static void give_id_to_another(void *arg, enum fake_host_call kind)
{
	fake_host_on_call(kind, NULL, NULL);
	make_domain(1, "another");
	*(unsigned int *)arg = attach(pty("new"));
}

static void what_a_dead_domain_left_goes_unless_its_id_is_anothers(void **state)
{
	attach(pty("old"));
	for (enum fake_host_call when = FAKE_XS_TRANSACTION_START;
	     when <= FAKE_XS_TRANSACTION_END; when++) {
		unsigned int device = 0;
		assert_int_equal(fake_host_destroy(1), 0);
		fake_host_on_call(when, give_id_to_another, &device);
		assert_int_equal(toolstack_remove_dead(xs, 0, 1, 1), 0);
		assert_int_equal(device, 1);
		assert_reads(BE "/1/1/name", "new");
		assert_reads(FE "/1/name", "new");
	}
	assert_int_equal(fake_host_destroy(1), 0);
	assert_int_equal(toolstack_remove_dead(xs, 0, 1, 1), 0);
	assert_gone(BE "/1/1");
}

static void what_a_driver_domain_has_of_the_dead_is_cleared_away(void **state)
{
	struct toolstack_spec s = pty("a");

	s.backend = 2;
	put("/local/domain/2/backend/console/1/1/state", "4");
	put("/local/domain/2/backend/console/1/1/name", "of the dead");
	assert_int_equal(attach(s), 1);
	assert_reads("/local/domain/2/backend/console/1/1/name", "a");
}

static void others_changes_only_repeat_the_transaction(void **state)
{
	fake_host_fail(FAKE_XS_TRANSACTION_END, 1, EAGAIN);
	fake_host_fail(FAKE_XS_TRANSACTION_END, 2, EAGAIN);
	assert_int_equal(attach(pty("a")), 1);
}

static void a_failure_at_any_call_leaves_no_node_behind(void **state)
{
	for (unsigned int n = 1;; n++) {
		unsigned int device;
		struct toolstack_spec s = pty("a");
		int r;

		fake_host_fail(FAKE_ANY_CALL, n, EIO);
		r = toolstack_attach(xs, &s, &device);
		if (fake_host_faults_left()) {
			fake_host_clear_faults();
			assert_int_equal(r, 0);
			break;
		}
		if (r == 0) /* it struck where an absence is no matter */
			assert_int_equal(
				toolstack_remove_nodes(xs, 0, 1, device), 0);
		assert_gone(FE "/1");
		assert_gone(BE "/1");
		assert_gone("/libxl/1");
	}
}

static void a_log_begins_and_ends_while_the_channel_runs(void **state)
{
	attach(pty("a"));
	assert_int_equal(toolstack_set_log(xs, 1, "a", "/var/log/x"), 0);
	assert_reads(BE "/1/1/xenchan/log", "/var/log/x");
	assert_int_equal(toolstack_set_log(xs, 1, "a", NULL), 0);
	assert_gone(BE "/1/1/xenchan/log");
	assert_int_equal(toolstack_set_log(xs, 1, "a", "x"),
			 TOOLSTACK_BAD_PATH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_nodes_are_those_of_libxl_with_its_permissions),
		T(a_pty_has_no_path_and_says_so),
		T(settings_are_kept_in_the_backends_nodes),
		T(the_guest_cannot_write_what_could_reach_the_host),
		T(a_driver_domain_owns_its_directory_of_devices),
		T(names_and_paths_are_taken_once),
		T(what_cannot_be_a_channel_is_refused),
		T(a_domain_has_seven_channels_and_the_eighth_is_refused),
		T(the_lowest_free_device_is_taken),
		T(nodes_of_a_dead_domain_do_not_hinder_its_successor),
		T(a_channel_that_the_guest_closed_is_attached_until_detached),
		T(detaching_waits_for_the_backend),
		T(detaching_by_force_does_not),
		T(a_channel_that_no_backend_has_seen_goes_at_once),
		T(a_domain_is_found_by_number_and_by_name),
		T(a_failure_is_not_taken_for_the_end_of_a_domain),
		T(a_device_that_is_taken_meanwhile_is_left_alone),
		T(a_name_that_is_taken_meanwhile_is_a_duplicate),
		T(a_path_that_is_taken_meanwhile_is_a_duplicate),
		T(a_domain_that_dies_meanwhile_gets_no_nodes),
		T(a_leftover_that_another_replaced_is_left_alone),
		T(what_a_dead_domain_left_goes_unless_its_id_is_anothers),
		T(what_a_driver_domain_has_of_the_dead_is_cleared_away),
		T(others_changes_only_repeat_the_transaction),
		T(a_failure_at_any_call_leaves_no_node_behind),
		T(a_log_begins_and_ends_while_the_channel_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
