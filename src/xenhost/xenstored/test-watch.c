// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "xenhost/xenstored/watch.h"

static struct xsd_store store;
static struct xsd_watches watches;

/* One watcher of each domain; what it got, as "path:token " */
static struct xsd_watcher watcher[3];
static char got[3][1024];

static void deliver(struct xsd_watcher *w, const char *path, const char *token)
{
	char *log = got[w - watcher];
	size_t len = strlen(log);

	snprintf(log + len, sizeof(got[0]) - len, "%s:%s ", path, token);
}

/* What the domain's watcher got since the last time. */
static const char *events(unsigned int domid)
{
	static char log[sizeof(got[0])];

	memcpy(log, got[domid], sizeof(log));
	got[domid][0] = '\0';
	return log;
}

static int watch(unsigned int domid, const char *path, const char *token)
{
	int r = xsd_watch_add(&watches, &watcher[domid], path, token);

	if (!r)
		xsd_watch_greet(&watcher[domid]);
	return r;
}

static void on_change(void *userdata, const struct xsd_change *change)
{
	xsd_watches_fire(&watches, change);
}

static void put(const char *path)
{
	struct xsd_subject host = { .store = &store };

	assert_int_equal(xsd_node_write(&host, path, "", 0), 0);
}

static void rm(const char *path)
{
	struct xsd_subject host = { .store = &store };

	assert_int_equal(xsd_node_rm(&host, path), 0);
}

static void allow(const char *path, unsigned int domid, unsigned int bits)
{
	struct xsd_subject host = { .store = &store };
	struct xenstored_perm perms[] = { { 0, 0 }, { domid, bits } };

	assert_int_equal(xsd_node_set_perms(&host, path, perms, 2), 0);
}

static int setup(void **state)
{
	if (xsd_store_init(&store) || xsd_watches_init(&watches, &store))
		return -1;
	store.changed = on_change;
	for (unsigned int d = 0; d < 3; d++) {
		got[d][0] = '\0';
		watcher[d].domain = xsd_domain_get(&store.domains, d, 0);
		watcher[d].deliver = deliver;
		xsd_watcher_init(&watches, &watcher[d]);
	}
	put("/local/domain/1/x");
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int d = 0; d < 3; d++) {
		xsd_watcher_reset(&watches, &watcher[d]);
		assert_int_equal(watcher[d].domain->n_watches, 0);
	}
	xsd_watches_deinit(&watches);
	xsd_store_deinit(&store);
	return 0;
}

static void a_watch_starts_with_an_event_of_its_own_path(void **state)
{
	assert_int_equal(watch(0, "/not/there", "t"), 0);
	assert_string_equal(events(0), "/not/there:t ");
	assert_int_equal(watch(1, "data", "t"), 0);
	assert_string_equal(events(1), "data:t ");
}

static void it_tells_of_the_node_and_all_below(void **state)
{
	watch(0, "/a", "t");
	events(0);
	put("/a/b/c");
	put("/ab");
	put("/a");
	assert_string_equal(events(0), "/a/b/c:t /a:t ");
}

static void a_relative_watch_gets_relative_paths(void **state)
{
	watch(0, "x", "r");
	watch(0, "/local/domain/0", "a");
	events(0);
	put("/local/domain/0/x/y");
	assert_string_equal(events(0), "x/y:r /local/domain/0/x/y:a ");
}

static void removal_is_told_to_who_watches_above_at_or_below(void **state)
{
	put("/a/b/c");
	watch(0, "/a", "above");
	watch(0, "/a/b", "at");
	watch(0, "/a/b/c", "below");
	watch(0, "/a/b/none", "nothing");
	events(0);
	rm("/a/b");
	assert_string_equal(events(0), "/a/b/c:below /a/b:above /a/b:at ");
}

static void what_may_not_be_read_is_silent(void **state)
{
	put("/p/secret");
	watch(1, "/p/secret", "t");
	events(1);
	put("/p/secret");
	assert_string_equal(events(1), "");
	allow("/p/secret", 1, XENSTORED_PERM_READ);
	assert_string_equal(events(1), "/p/secret:t ");
	/* who loses the right gets to know, for the last time */
	allow("/p/secret", 1, XENSTORED_PERM_NONE);
	put("/p/secret");
	assert_string_equal(events(1), "/p/secret:t ");
	/* the parent's permission is enough */
	allow("/p", 1, XENSTORED_PERM_READ);
	put("/p/secret");
	assert_string_equal(events(1), "/p/secret:t ");
}

static void the_same_watch_twice_is_refused(void **state)
{
	assert_int_equal(watch(0, "/a", "t"), 0);
	assert_int_equal(watch(0, "/a", "u"), 0);
	assert_int_equal(watch(0, "/a", "t"), -EEXIST);
	assert_int_equal(watch(1, "/local/domain/1/a", "t"), 0);
	assert_int_equal(watch(1, "a", "t"), -EEXIST);
	assert_int_equal(xsd_watch_remove(&watches, &watcher[1], "a", "t"), 0);
	assert_int_equal(xsd_watch_remove(&watches, &watcher[1], "a", "t"),
			 -ENOENT);
	assert_int_equal(watch(0, "/a/", "t"), -EINVAL);
}

static void a_domain_has_129_watches_and_domain_0_any_number(void **state)
{
	char token[16];

	for (int i = 0; i < 200; i++) {
		snprintf(token, sizeof(token), "%d", i);
		assert_int_equal(watch(0, "/a", token), 0);
		assert_int_equal(watch(1, "/a", token), i < 129 ? 0 : -E2BIG);
		events(0);
		events(1);
	}
	assert_int_equal(watch(2, "/a", "t"), 0);
}

static void special_events_are_for_domain_0_and_who_was_allowed(void **state)
{
	const struct xenstored_perm perms[] = { { 0, 0 },
						{ 1, XENSTORED_PERM_READ } };

	for (unsigned int d = 0; d < 3; d++) {
		assert_int_equal(watch(d, "@releaseDomain", "t"), 0);
		assert_string_equal(events(d), "@releaseDomain:t ");
	}
	assert_int_equal(xsd_watches_set_perms(&watches, watcher[1].domain,
					       "@releaseDomain", perms, 2),
			 -EACCES);
	assert_int_equal(xsd_watches_set_perms(&watches, watcher[0].domain,
					       "@noSuchEvent", perms, 2),
			 -EINVAL);
	xsd_watches_fire_special(&watches, "@releaseDomain");
	assert_string_equal(events(0), "@releaseDomain:t ");
	assert_string_equal(events(1), "");
	assert_int_equal(xsd_watches_set_perms(&watches, watcher[0].domain,
					       "@releaseDomain", perms, 2),
			 0);
	xsd_watches_fire_special(&watches, "@releaseDomain");
	assert_string_equal(events(1), "@releaseDomain:t ");
	assert_string_equal(events(2), "");
	xsd_watches_forget(&watches, 1);
	xsd_watches_fire_special(&watches, "@releaseDomain");
	assert_string_equal(events(1), "");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_watch_starts_with_an_event_of_its_own_path),
		T(it_tells_of_the_node_and_all_below),
		T(a_relative_watch_gets_relative_paths),
		T(removal_is_told_to_who_watches_above_at_or_below),
		T(what_may_not_be_read_is_silent),
		T(the_same_watch_twice_is_refused),
		T(a_domain_has_129_watches_and_domain_0_any_number),
		T(special_events_are_for_domain_0_and_who_was_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
