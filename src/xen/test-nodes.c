// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xen/nodes.h"
#include "xen/store.h"
#include "xenhost/fake/fake-host.h"

#define US 1
#define PEER 2
#define OTHER 3
#define BASE "data/chan"
#define FULL "/local/domain/1/" BASE

static const struct xen_node nodes[] = { { "ring-ref", 8 },
					 { "event-channel", 4294967295u } };

static struct xs_handle *xs;

static int set_up(void **state)
{
	fake_host_reset();
	for (unsigned int d = US; d <= OTHER; d++)
		if (fake_host_create(d))
			return -1;
	fake_host_set_domain(US);
	return xen_store_get(&xs);
}

static int tear_down(void **state)
{
	fake_host_set_domain(US);
	xen_store_put(xs);
	fake_host_on_call(FAKE_XS_WRITE, NULL, NULL);
	return (int)fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_XS_HANDLES);
}

static int publish(void)
{
	return xen_nodes_publish(xs, BASE, PEER, nodes, 2);
}

/* What a domain finds at a path: its value, or "" and errno. */
static const char *see(unsigned int domid, const char *path)
{
	static char value[64];
	char *text;

	fake_host_set_domain(domid);
	text = xs_read(xs, XBT_NULL, path, NULL);
	snprintf(value, sizeof(value), "%s", text ? text : "");
	free(text);
	fake_host_set_domain(US);
	return value;
}

static void assert_hidden(unsigned int domid, const char *path)
{
	errno = 0;
	assert_string_equal(see(domid, path), "");
	assert_int_equal(errno, EACCES);
}

static void the_peer_reads_what_was_published_and_others_do_not(void **state)
{
	assert_int_equal(publish(), 0);
	assert_string_equal(see(PEER, FULL "/ring-ref"), "8");
	assert_string_equal(see(PEER, FULL "/event-channel"), "4294967295");
	assert_hidden(OTHER, FULL "/ring-ref");
	assert_hidden(OTHER, FULL "/event-channel");
	/* Another domain's transaction count is its own business. */
	assert_int_equal(fake_host_live(US, FAKE_TRANSACTIONS), 0);
}

static void a_transaction_is_six_requests(void **state)
{
	unsigned long before;

	assert_int_equal(publish(), 0); /* and one for our own id, once */
	before = fake_host_calls(FAKE_ANY_CALL);
	assert_int_equal(publish(), 0);
	assert_int_equal(fake_host_calls(FAKE_ANY_CALL) - before, 6);
}

static void use_up_transactions(void)
{
	while (xs_transaction_start(xs))
		;
	assert_int_equal(errno, ENOSPC);
}

static unsigned int n_looks;

/* Runs before every write: what may the others see by now? */
static void look_half_way(void *arg, enum fake_host_call kind)
{
	assert_hidden(OTHER, FULL "/ring-ref");
	assert_hidden(OTHER, FULL "/event-channel");
	/* The peer never sees the last without the first. */
	if (*see(PEER, FULL "/event-channel"))
		assert_string_equal(see(PEER, FULL "/ring-ref"), "8");
	n_looks++;
}

static void without_a_transaction_the_last_node_comes_last(void **state)
{
	use_up_transactions();
	n_looks = 0;
	fake_host_on_call(FAKE_XS_WRITE, look_half_way, NULL);
	assert_int_equal(publish(), 0);
	assert_int_equal(n_looks, 2);
	assert_string_equal(see(PEER, FULL "/event-channel"), "4294967295");
	assert_hidden(OTHER, FULL "/event-channel");
	/* And once more over what is there: of an older server. */
	assert_int_equal(publish(), 0);
	assert_string_equal(see(PEER, FULL "/ring-ref"), "8");
}

static void without_a_transaction_a_failure_leaves_nothing(void **state)
{
	use_up_transactions();
	for (unsigned int n = 1; n <= 2; n++) {
		fake_host_fail_in(US, FAKE_XS_WRITE, n, ENOSPC);
		assert_int_equal(publish(), -ENOSPC);
		assert_string_equal(see(US, BASE "/ring-ref"), "");
		assert_string_equal(see(US, BASE "/event-channel"), "");
	}
}

/* Somebody else changes the node whenever we are about to commit. */
static unsigned int n_conflicts;

static void disturb(void *arg, enum fake_host_call kind)
{
	if (!n_conflicts)
		return;
	n_conflicts--;
	xs_write(xs, XBT_NULL, BASE "/ring-ref", "7", 1);
}

static void conflicts_are_tried_again(void **state)
{
	n_conflicts = 3;
	fake_host_on_call(FAKE_XS_TRANSACTION_END, disturb, NULL);
	assert_int_equal(publish(), 0);
	assert_int_equal(n_conflicts, 0);
	assert_string_equal(see(PEER, FULL "/ring-ref"), "8");
	fake_host_on_call(FAKE_XS_TRANSACTION_END, NULL, NULL);
}

static void conflicts_without_end_end(void **state)
{
	n_conflicts = 1000;
	fake_host_on_call(FAKE_XS_TRANSACTION_END, disturb, NULL);
	assert_int_equal(publish(), -EAGAIN);
	assert_int_equal(n_conflicts, 1000 - 64);
	fake_host_on_call(FAKE_XS_TRANSACTION_END, NULL, NULL);
}

/* Restored or migrated: here, the thread plays another one. */
static void a_domain_with_a_new_id_owns_what_it_publishes(void **state)
{
	struct xs_permissions *perms;
	unsigned int n;

	assert_int_equal(publish(), 0);
	fake_host_set_domain(OTHER);
	assert_int_equal(publish(), 0);
	perms = xs_get_permissions(xs, XBT_NULL, BASE "/ring-ref", &n);
	assert_non_null(perms);
	assert_int_equal(n, 2);
	assert_int_equal(perms[0].id, OTHER);
	free(perms);
	fake_host_set_domain(US);
}

static void withdrawing_removes_the_nodes_and_their_base(void **state)
{
	unsigned int before = fake_host_live(US, FAKE_NODES);

	assert_int_equal(publish(), 0);
	assert_int_equal(fake_host_live(US, FAKE_NODES), before + 3);
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	assert_int_equal(fake_host_live(US, FAKE_NODES), before);
}

static void withdrawing_leaves_what_is_not_ours(void **state)
{
	assert_int_equal(publish(), 0);
	assert_true(xs_write(xs, XBT_NULL, BASE "/ring-ref", "9", 1));
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	assert_string_equal(see(US, BASE "/ring-ref"), "9");
	assert_string_equal(see(US, BASE "/event-channel"), "4294967295");
}

static void withdrawing_leaves_a_base_that_means_something(void **state)
{
	struct xs_permissions perms[2] = { { US, XS_PERM_NONE },
					   { OTHER, XS_PERM_READ } };

	/* Somebody gave it permissions of its own. */
	assert_true(xs_mkdir(xs, XBT_NULL, BASE));
	assert_true(xs_set_permissions(xs, XBT_NULL, BASE, perms, 2));
	assert_int_equal(publish(), 0);
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	errno = 0;
	assert_string_equal(see(US, BASE), "");
	assert_int_equal(errno, 0);
	/* Or a value, or another child. */
	assert_true(xs_rm(xs, XBT_NULL, BASE));
	assert_int_equal(publish(), 0);
	assert_true(xs_write(xs, XBT_NULL, BASE, "x", 1));
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	assert_string_equal(see(US, BASE), "x");
	assert_true(xs_rm(xs, XBT_NULL, BASE));
	assert_int_equal(publish(), 0);
	assert_true(xs_write(xs, XBT_NULL, BASE "/mine", "x", 1));
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	assert_string_equal(see(US, BASE "/mine"), "x");
}

static void withdrawing_works_without_a_transaction(void **state)
{
	assert_int_equal(publish(), 0);
	use_up_transactions();
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	assert_string_equal(see(US, BASE "/ring-ref"), "");
}

/* A newer server of ours comes up at this path before the base is removed. */
static const struct xen_node newer[] = { { "ring-ref", 10 },
					 { "event-channel", 11 } };

static void publish_newer(void *arg, enum fake_host_call kind)
{
	if (++n_looks == 3)
		assert_int_equal(xen_nodes_publish(xs, BASE, PEER, newer, 2),
				 0);
}

static void withdrawing_leaves_a_newer_server_that_just_came(void **state)
{
	assert_int_equal(publish(), 0);
	n_looks = 0;
	fake_host_on_call(FAKE_XS_RM, publish_newer, NULL);
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	fake_host_on_call(FAKE_XS_RM, NULL, NULL);
	assert_in_range(n_looks, 3, 4);
	assert_string_equal(see(PEER, FULL "/ring-ref"), "10");
	assert_string_equal(see(PEER, FULL "/event-channel"), "11");
}

/* It cannot be looked at and removed at once: rather a void node too many. */
static void withdrawing_without_a_transaction_leaves_the_base(void **state)
{
	assert_int_equal(publish(), 0);
	use_up_transactions();
	n_looks = 0;
	fake_host_on_call(FAKE_XS_RM, publish_newer, NULL);
	xen_nodes_withdraw(xs, BASE, nodes, 2);
	fake_host_on_call(FAKE_XS_RM, NULL, NULL);
	assert_int_equal(n_looks, 2);
}

static int read_as_peer(struct xen_node found[2])
{
	int r;

	found[0] = (struct xen_node){ "ring-ref", 0 };
	found[1] = (struct xen_node){ "event-channel", 0 };
	fake_host_set_domain(PEER);
	r = xen_nodes_read(xs, FULL, found, 2);
	fake_host_set_domain(US);
	return r;
}

static void reading_gives_both_or_says_why(void **state)
{
	struct xen_node found[2];

	assert_int_equal(read_as_peer(found), -EACCES);
	assert_int_equal(publish(), 0);
	assert_int_equal(read_as_peer(found), 0);
	assert_int_equal(found[0].value, 8);
	assert_int_equal(found[1].value, 4294967295u);
	assert_true(xs_write(xs, XBT_NULL, BASE "/ring-ref", "8\0x", 3));
	assert_int_equal(read_as_peer(found), -EPROTO);
}

static void replace_server(void *arg, enum fake_host_call kind)
{
	/* Before the second read: the server was replaced by another. */
	if (++n_looks == 2) {
		fake_host_set_domain(US);
		xs_write(xs, XBT_NULL, BASE "/ring-ref", "99", 2);
	}
}

static void a_server_replaced_between_two_reads_is_noticed(void **state)
{
	struct xen_node found[2];

	assert_int_equal(publish(), 0);
	n_looks = 0;
	fake_host_on_call(FAKE_XS_READ, replace_server, NULL);
	assert_int_equal(read_as_peer(found), -EAGAIN);
	fake_host_on_call(FAKE_XS_READ, NULL, NULL);
}

static void a_base_is_as_long_as_xenstore_allows(void **state)
{
	char base[3060];

	memset(base, 'p', sizeof(base));
	base[3059] = '\0';
	base[0] = '/';
	assert_int_equal(xen_nodes_check_base(base), -ENAMETOOLONG);
	base[3058] = '\0';
	assert_int_equal(xen_nodes_check_base(base), 0);
	base[0] = 'p';
	base[2035] = '\0';
	assert_int_equal(xen_nodes_check_base(base), -ENAMETOOLONG);
	base[2034] = '\0';
	assert_int_equal(xen_nodes_check_base(base), 0);
	assert_int_equal(xen_nodes_check_base(""), -EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_peer_reads_what_was_published_and_others_do_not),
		T(a_transaction_is_six_requests),
		T(a_domain_with_a_new_id_owns_what_it_publishes),
		T(without_a_transaction_the_last_node_comes_last),
		T(without_a_transaction_a_failure_leaves_nothing),
		T(conflicts_are_tried_again),
		T(conflicts_without_end_end),
		T(withdrawing_removes_the_nodes_and_their_base),
		T(withdrawing_leaves_what_is_not_ours),
		T(withdrawing_leaves_a_base_that_means_something),
		T(withdrawing_works_without_a_transaction),
		T(withdrawing_leaves_a_newer_server_that_just_came),
		T(withdrawing_without_a_transaction_leaves_the_base),
		T(reading_gives_both_or_says_why),
		T(a_server_replaced_between_two_reads_is_noticed),
		T(a_base_is_as_long_as_xenstore_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
