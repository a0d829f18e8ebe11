// SPDX-License-Identifier: MIT
/* What libxenstore and xenstored do, for domains with and without privilege. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <xenstore.h>

#include "xenhost/fake/fake-host.h"

/* Of dom0, and of two domains without privilege. */
static struct xs_handle *handles[3];

/* The thread plays the domain, and has its handle. */
static struct xs_handle *in(unsigned int domid)
{
	fake_host_set_domain(domid);
	return handles[domid];
}

static int set_up(void **state)
{
	fake_host_reset();
	for (unsigned int domid = 0; domid < 3; domid++) {
		fake_host_create(domid);
		fake_host_set_domain(domid);
		handles[domid] = xs_open(0);
	}
	return !(handles[0] && handles[1] && handles[2]);
}

static int tear_down(void **state)
{
	for (unsigned int domid = 0; domid < 3; domid++)
		xs_close(handles[domid]);
	fake_host_reset();
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) > 0;
}

static bool write_string(struct xs_handle *h, const char *path,
			 const char *value)
{
	return xs_write(h, XBT_NULL, path, value, strlen(value));
}

static void assert_reads(struct xs_handle *h, const char *path,
			 const char *expected)
{
	unsigned int len;
	char *value = xs_read(h, XBT_NULL, path, &len);

	assert_non_null(value);
	assert_string_equal(value, expected);
	assert_int_equal(len, strlen(expected));
	free(value);
}

static void assert_no_read(struct xs_handle *h, const char *path, int err)
{
	assert_null(xs_read(h, XBT_NULL, path, NULL));
	assert_int_equal(errno, err);
}

static bool allow(struct xs_handle *h, const char *path, unsigned int owner,
		  unsigned int reader)
{
	struct xs_permissions perms[] = { { owner, XS_PERM_NONE },
					  { reader, XS_PERM_READ } };

	return xs_set_permissions(h, XBT_NULL, path, perms, 2);
}

static void assert_event(struct xs_handle *h, const char *path,
			 const char *token)
{
	char **event = xs_check_watch(h);

	assert_non_null(event);
	assert_string_equal(event[XS_WATCH_PATH], path);
	assert_string_equal(event[XS_WATCH_TOKEN], token);
	free(event);
}

static void assert_no_event(struct xs_handle *h)
{
	assert_null(xs_check_watch(h));
	assert_int_equal(errno, EAGAIN);
}

static void a_relative_path_is_below_the_domains_home(void **state)
{
	char *home = xs_get_domain_path(in(1), 1);

	assert_string_equal(home, "/local/domain/1");
	free(home);
	assert_true(write_string(in(1), "data/x", "v"));
	assert_reads(in(1), "/local/domain/1/data/x", "v");
	assert_reads(in(0), "/local/domain/1/data/x", "v");
	assert_int_equal(fake_host_live(1, FAKE_NODES), 1);
	assert_true(xs_rm(in(1), XBT_NULL, "data/x"));
	assert_no_read(in(1), "data/x", ENOENT);
}

static void values_are_bytes(void **state)
{
	unsigned int len = 7;
	char *value;

	assert_true(xs_write(in(1), XBT_NULL, "data/x", "a\0b", 3));
	value = xs_read(in(1), XBT_NULL, "data/x", &len);
	assert_int_equal(len, 3);
	assert_memory_equal(value, "a\0b", 4);
	free(value);
	assert_true(xs_mkdir(in(1), XBT_NULL, "data/empty"));
	assert_reads(in(1), "data/empty", "");
	assert_true(xs_mkdir(in(1), XBT_NULL, "data/x"));
}

static void a_directory_lists_its_children(void **state)
{
	unsigned int n = 7;
	char **names;

	write_string(in(1), "data/dir/a", "");
	write_string(in(1), "data/dir/b/c", "");
	names = xs_directory(in(1), XBT_NULL, "data/dir", &n);
	assert_non_null(names);
	assert_int_equal(n, 2);
	assert_true(!strcmp(names[0], "a") || !strcmp(names[1], "a"));
	assert_true(!strcmp(names[0], "b") || !strcmp(names[1], "b"));
	free(names);
	names = xs_directory(in(1), XBT_NULL, "data/dir/a", &n);
	assert_non_null(names);
	assert_int_equal(n, 0);
	free(names);
	assert_null(xs_directory(in(1), XBT_NULL, "data/none", &n));
	assert_int_equal(errno, ENOENT);
}

static void what_is_not_ones_own_is_eacces_even_if_missing(void **state)
{
	write_string(in(1), "data/x", "secret");
	assert_no_read(in(2), "/local/domain/1/data/x", EACCES);
	assert_no_read(in(2), "/local/domain/1/data/none", EACCES);
	assert_false(write_string(in(2), "/local/domain/1/data/x", "mine"));
	assert_int_equal(errno, EACCES);
	assert_false(write_string(in(1), "top", "")); /* but below data */
	assert_int_equal(errno, EACCES);
}

static void permissions_are_for_the_named_peer(void **state)
{
	struct xs_permissions *perms;
	unsigned int n;

	write_string(in(1), "data/x", "v");
	assert_true(allow(in(1), "data/x", 1, 2));
	assert_reads(in(2), "/local/domain/1/data/x", "v");
	assert_false(write_string(in(2), "/local/domain/1/data/x", "mine"));
	perms = xs_get_permissions(in(2), XBT_NULL, "/local/domain/1/data/x",
				   &n);
	assert_non_null(perms);
	assert_int_equal(n, 2);
	assert_int_equal(perms[0].id, 1);
	assert_int_equal(perms[0].perms, XS_PERM_NONE);
	assert_int_equal(perms[1].id, 2);
	assert_int_equal(perms[1].perms, XS_PERM_READ);
	free(perms);
	assert_false(allow(in(2), "/local/domain/1/data/x", 1, 2));
	assert_int_equal(errno, EACCES);
	/* Only a privileged domain gives nodes away. */
	assert_false(allow(in(1), "data/x", 2, 1));
	assert_int_equal(errno, EPERM);
}

static void a_watch_fires_at_once_and_for_all_below(void **state)
{
	assert_true(xs_watch(in(1), "data/x", "tok"));
	assert_event(in(1), "data/x", "tok");
	assert_no_event(in(1));
	write_string(in(1), "data/x/y", "");
	assert_event(in(1), "data/x/y", "tok");
	write_string(in(1), "data/other", "");
	assert_no_event(in(1));
	xs_rm(in(1), XBT_NULL, "data/x");
	assert_event(in(1), "data/x", "tok");
	assert_int_equal(fake_host_live(1, FAKE_WATCHES), 1);
	assert_true(xs_unwatch(in(1), "data/x", "tok"));
	/* Linux's /dev/xen/xenbus does not mind that it is gone already. */
	assert_true(xs_unwatch(in(1), "data/x", "tok"));
	write_string(in(1), "data/x", "");
	assert_no_event(in(1));
}

static void a_watch_on_what_one_may_not_read_is_silent(void **state)
{
	const char *path = "/local/domain/1/data/x";

	assert_true(xs_watch(in(2), path, "tok"));
	assert_event(in(2), path, "tok"); /* it is registered, no more */
	write_string(in(1), "data/x", "1");
	assert_no_event(in(2));
	allow(in(1), "data/x", 1, 2);
	assert_event(in(2), path, "tok");
	write_string(in(1), "data/x", "2");
	assert_event(in(2), path, "tok");
}

static void the_end_of_a_domain_fires_readable_watches(void **state)
{
	const char *path = "/local/domain/1/data/x";

	write_string(in(1), "data/x", "1");
	allow(in(1), "data/x", 1, 2);
	xs_watch(in(2), path, "tok");
	assert_event(in(2), path, "tok");
	xs_watch(in(0), "@releaseDomain", "gone");
	assert_event(in(0), "@releaseDomain", "gone");
	assert_true(xs_is_domain_introduced(in(0), 1));
	fake_host_destroy(1);
	assert_event(in(2), path, "tok");
	assert_no_read(in(2), path, EACCES);
	assert_event(in(0), "@releaseDomain", "gone");
	assert_false(xs_is_domain_introduced(in(0), 1));
}

static void the_descriptor_is_readable_while_events_wait(void **state)
{
	struct pollfd p = { .events = POLLIN };

	xs_watch(in(1), "data/x", "tok");
	p.fd = xs_fileno(in(1));
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_event(in(1), "data/x", "tok");
	assert_int_equal(poll(&p, 1, 0), 0);
	write_string(in(1), "data/x", "");
	write_string(in(1), "data/x", "");
	assert_event(in(1), "data/x", "tok");
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_event(in(1), "data/x", "tok");
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void unwatch_can_take_the_events_along(void **state)
{
	struct xs_handle *h;

	fake_host_set_domain(1);
	h = xs_open(XS_UNWATCH_FILTER);
	xs_watch(h, "data/x", "tok");
	xs_watch(h, "data/y", "tok");
	assert_true(xs_unwatch(h, "data/x", "tok"));
	assert_event(h, "data/y", "tok");
	assert_no_event(h);
	xs_close(h);
	xs_watch(in(1), "data/x", "tok");
	xs_unwatch(in(1), "data/x", "tok");
	assert_event(in(1), "data/x", "tok");
}

static void *reader(void *h)
{
	unsigned int n;

	fake_host_set_domain(1);
	return xs_read_watch(h, &n);
}

static void read_watch_sleeps_until_an_event_or_its_death(void **state)
{
	pthread_t thread;
	void *event;

	xs_watch(in(1), "data/x", "tok");
	assert_event(in(1), "data/x", "tok");
	pthread_create(&thread, NULL, reader, in(1));
	write_string(in(0), "/local/domain/1/data/x", "");
	pthread_join(thread, &event);
	assert_non_null(event);
	free(event);
	pthread_create(&thread, NULL, reader, in(1));
	fake_host_kill_handles(1);
	pthread_join(thread, &event);
	assert_null(event);
}

static void a_transaction_is_seen_as_a_whole(void **state)
{
	xs_transaction_t tx = xs_transaction_start(in(1));

	assert_int_not_equal(tx, XBT_NULL);
	assert_int_equal(fake_host_live(1, FAKE_TRANSACTIONS), 1);
	xs_write(in(1), tx, "data/a", "1", 1);
	assert_no_read(in(1), "data/a", ENOENT);
	xs_watch(in(1), "data/a", "tok");
	assert_event(in(1), "data/a", "tok");
	assert_true(xs_transaction_end(in(1), tx, false));
	assert_reads(in(1), "data/a", "1");
	assert_event(in(1), "data/a", "tok");
	assert_false(xs_transaction_end(in(1), tx, false));
	assert_int_equal(errno, ENOENT);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
	xs_transaction_t tx = xs_transaction_start(in(1));

	xs_write(in(1), tx, "data/a", "1", 1);
	assert_true(xs_transaction_end(in(1), tx, true));
	assert_no_read(in(1), "data/a", ENOENT);
}

static void a_conflict_is_eagain(void **state)
{
	xs_transaction_t tx = xs_transaction_start(in(1));

	xs_write(in(1), tx, "data/a", "1", 1);
	write_string(in(0), "/local/domain/1/data/a", "2");
	assert_false(xs_transaction_end(in(1), tx, false));
	assert_int_equal(errno, EAGAIN);
	assert_reads(in(1), "data/a", "2");
	assert_int_equal(fake_host_live(1, FAKE_TRANSACTIONS), 0);
}

static void transactions_are_limited_by_domain(void **state)
{
	struct xs_handle *h = in(1), *second = xs_open(0);

	/* The quota is 10; xenstored 4.17 gives one more. */
	for (int i = 0; i < 11; i++)
		assert_true(xs_transaction_start(i % 2 ? h : second));
	assert_int_equal(xs_transaction_start(second), XBT_NULL);
	assert_int_equal(errno, ENOSPC);
	xs_close(second);
	assert_true(xs_transaction_start(in(1)));
}

static void too_much_for_a_message_is_e2big(void **state)
{
	static char big[5000];

	assert_false(xs_write(in(1), XBT_NULL, "data/a", big, sizeof(big)));
	assert_int_equal(errno, E2BIG);
}

static void a_failed_commit_ends_the_transaction(void **state)
{
	xs_transaction_t tx = xs_transaction_start(in(1));

	xs_write(in(1), tx, "data/a", "1", 1);
	fake_host_fail(FAKE_XS_TRANSACTION_END, 1, EIO);
	assert_false(xs_transaction_end(in(1), tx, false));
	assert_int_equal(errno, EIO);
	assert_int_equal(fake_host_live(1, FAKE_TRANSACTIONS), 0);
	assert_no_read(in(1), "data/a", ENOENT);
}

static void a_handle_acts_as_the_domain_of_its_user(void **state)
{
	struct xs_handle *h = in(0);

	/* A program shares one handle, and here it may play two domains. */
	fake_host_set_domain(1);
	assert_reads(h, "domid", "1");
	assert_true(write_string(h, "data/x", ""));
	fake_host_set_domain(2);
	assert_reads(h, "domid", "2");
	assert_no_read(h, "/local/domain/1/data/x", EACCES);
	fake_host_kill_handles(1);
	assert_reads(h, "domid", "2");
	fake_host_set_domain(1);
	assert_no_read(h, "domid", EBADF);
	fake_host_set_process(1, 1);
	assert_reads(h, "domid", "1");
}

static void a_child_throws_away_its_copy_only(void **state)
{
	struct xs_handle *h = in(1);
	int status;
	pid_t pid;

	assert_true(xs_watch(h, "data/x", "tok"));
	pid = fork();
	if (!pid) {
		xs_daemon_destroy_postfork(h);
		h = xs_open(0);
		_exit(!h || !xs_write(h, XBT_NULL, "data/y", "", 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_event(h, "data/x", "tok");
	assert_true(write_string(h, "data/x", ""));
	assert_event(h, "data/x", "tok");
}

static void a_dead_process_leaves_its_nodes_only(void **state)
{
	write_string(in(1), "data/x", "");
	xs_watch(in(1), "data/x", "tok");
	assert_true(xs_transaction_start(in(1)));
	fake_host_kill_handles(1);
	assert_int_equal(fake_host_live(1, FAKE_NODES), 1);
	assert_int_equal(fake_host_live_total(1), 1);
	assert_false(write_string(in(1), "data/x", ""));
	assert_int_equal(errno, EBADF);
	assert_true(xs_unwatch(in(1), "data/x", "tok"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_relative_path_is_below_the_domains_home),
		T(values_are_bytes),
		T(a_directory_lists_its_children),
		T(what_is_not_ones_own_is_eacces_even_if_missing),
		T(permissions_are_for_the_named_peer),
		T(a_watch_fires_at_once_and_for_all_below),
		T(a_watch_on_what_one_may_not_read_is_silent),
		T(the_end_of_a_domain_fires_readable_watches),
		T(the_descriptor_is_readable_while_events_wait),
		T(unwatch_can_take_the_events_along),
		T(read_watch_sleeps_until_an_event_or_its_death),
		T(a_transaction_is_seen_as_a_whole),
		T(an_aborted_transaction_leaves_nothing),
		T(a_conflict_is_eagain),
		T(transactions_are_limited_by_domain),
		T(too_much_for_a_message_is_e2big),
		T(a_failed_commit_ends_the_transaction),
		T(a_handle_acts_as_the_domain_of_its_user),
		T(a_child_throws_away_its_copy_only),
		T(a_dead_process_leaves_its_nodes_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
