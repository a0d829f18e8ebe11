// SPDX-License-Identifier: MIT
/* The tree, its permissions, quotas and transactions, without a wire. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "xenhost/xenstored/transaction.h"

static struct xsd_store store;
static char log_of_changes[4096];

#define HOST ((struct xsd_subject){ .store = &store })

static struct xsd_subject guest(unsigned int domid)
{
	return (struct xsd_subject){
		.store = &store,
		.domain = xsd_domain_find(&store.domains, domid),
	};
}

/* The same, in a new transaction. */
static struct xsd_subject begin(struct xsd_subject s)
{
	assert_int_equal(xsd_transaction_new(&s.tx, &store, s.domain), 0);
	return s;
}

static int commit(struct xsd_subject s)
{
	int r = xsd_transaction_commit(s.tx);

	xsd_transaction_free(s.tx);
	return r;
}

static int put(struct xsd_subject s, const char *path, const char *value)
{
	return xsd_node_write(&s, path, value, strlen(value));
}

static int rm(struct xsd_subject s, const char *path)
{
	return xsd_node_rm(&s, path);
}

static int chmod_node(struct xsd_subject s, const char *path, const char *text,
		      size_t n)
{
	struct xenstored_perm perms[8];
	int r = xsd_perms_parse(text, perms, n);

	if (!r)
		r = xsd_store_check_perms(&store, perms, n);
	return r ? r : xsd_node_set_perms(&s, path, perms, n);
}

/* 0 if the value is this, or what reading fails with. */
static int is(struct xsd_subject s, const char *path, const char *value)
{
	struct xsd_record *r;
	int e = xsd_node_get(&s, path, XENSTORED_PERM_READ, &r);

	if (e)
		return e;
	assert_int_equal(r->parts.data_len, strlen(value));
	assert_memory_equal(r->parts.data, value, strlen(value));
	return 0;
}

static unsigned int owner(const char *path)
{
	return xsd_record_owner(xsd_store_find(&store, path));
}

static void on_change(void *userdata, const struct xsd_change *c)
{
	size_t len = strlen(log_of_changes);

	snprintf(log_of_changes + len, sizeof(log_of_changes) - len, "%s%s ",
		 c->exact ? "=" : "", c->path);
}

static bool four_exists(void *userdata, unsigned int domid)
{
	return domid == 4;
}

static int setup(void **state)
{
	log_of_changes[0] = '\0';
	if (xsd_store_init(&store))
		return -1;
	store.domains.exists = four_exists;
	for (unsigned int d = 1; d < 4; d++)
		if (!xsd_domain_get(&store.domains, d, store.generation))
			return -1;
	put(HOST, "/home/1", "");
	chmod_node(HOST, "/home/1", "n1", 1);
	put(HOST, "/home/2", "");
	chmod_node(HOST, "/home/2", "n2", 1);
	store.changed = on_change;
	return 0;
}

static int teardown(void **state)
{
	xsd_store_deinit(&store);
	return 0;
}

static void missing_parents_are_made(void **state)
{
	assert_int_equal(put(HOST, "/a/b/c", "1"), 0);
	assert_int_equal(is(HOST, "/a/b/c", "1"), 0);
	assert_int_equal(is(HOST, "/a/b", ""), 0);
	assert_string_equal(log_of_changes, "/a/b/c ");
}

static void
new_nodes_inherit_permissions_and_belong_to_their_maker(void **state)
{
	chmod_node(guest(1), "/home/1", "n1\0b2", 2);
	assert_int_equal(put(guest(2), "/home/1/a/b", "x"), 0);
	assert_int_equal(owner("/home/1/a"), 2);
	assert_int_equal(owner("/home/1/a/b"), 2);
	assert_int_equal(put(HOST, "/home/1/c", "x"), 0);
	assert_int_equal(owner("/home/1/c"), 1);
	assert_int_equal(is(guest(2), "/home/1/c", "x"), 0);
}

static void who_may_not_read_does_not_learn_what_exists(void **state)
{
	put(guest(1), "/home/1/a", "x");
	assert_int_equal(is(guest(2), "/home/1/a", ""), -EACCES);
	assert_int_equal(is(guest(2), "/home/1/none", ""), -EACCES);
	assert_int_equal(is(guest(1), "/home/1/none", ""), -ENOENT);
	assert_int_equal(put(guest(2), "/home/1/new", ""), -EACCES);
	assert_int_equal(rm(guest(2), "/home/1/none"), -EACCES);
	assert_int_equal(is(guest(1), "/home/1//a", ""), -EINVAL);
}

static void the_owner_changes_permissions_but_not_the_owner(void **state)
{
	assert_int_equal(chmod_node(guest(1), "/home/1", "n1\0b2", 2), 0);
	assert_int_equal(chmod_node(guest(2), "/home/1", "n2", 1), -EACCES);
	assert_int_equal(chmod_node(guest(1), "/home/1", "n2", 1), -EPERM);
	assert_int_equal(chmod_node(HOST, "/home/1", "n2", 1), 0);
	assert_int_equal(chmod_node(HOST, "/home/1", "n99", 1), -ENOENT);
	assert_int_equal(chmod_node(HOST, "/home/1", "n4", 1), 0);
}

static void rm_takes_what_is_below_and_tells_the_deepest_first(void **state)
{
	put(guest(1), "/home/1/a/b", "");
	put(guest(1), "/home/1/a/c", "");
	log_of_changes[0] = '\0';
	assert_int_equal(rm(guest(1), "/home/1/a"), 0);
	assert_string_equal(log_of_changes,
			    "=/home/1/a/b =/home/1/a/c /home/1/a ");
	assert_int_equal(is(guest(1), "/home/1/a/b", ""), -ENOENT);
	assert_int_equal(rm(guest(1), "/home/1/a"), 0);
	assert_int_equal(rm(guest(1), "/home/1/a/b"), -ENOENT);
	assert_int_equal(rm(HOST, "/"), -EINVAL);
}

static void a_domain_has_a_thousand_nodes(void **state)
{
	struct xsd_subject one = guest(1);
	char path[32];
	int r = 0, n = 0;

	while (!r) {
		snprintf(path, sizeof(path), "/home/1/%d/%d", n % 50, n);
		r = put(one, path, "");
		n += !r;
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(n, 1000 - 1 - 50);
	assert_int_equal(one.domain->n_nodes, 1000);
	assert_int_equal(put(guest(2), "/home/2/x", ""), 0);
	assert_int_equal(rm(one, "/home/1/0"), 0);
	assert_int_equal(put(one, "/home/1/x", ""), 0);
}

static void a_failed_creation_leaves_nothing_behind(void **state)
{
	char value[2048] = "";
	struct xsd_subject one = guest(1);
	int before = one.domain->n_nodes;

	assert_int_equal(xsd_node_write(&one, "/home/1/a/b", value, 2016),
			 -ENOSPC);
	assert_int_equal(is(one, "/home/1/a", ""), -ENOENT);
	assert_int_equal(one.domain->n_nodes, before);
	assert_int_equal(xsd_node_write(&one, "/home/1/a/b", value, 2015), 0);
}

static void a_transaction_sees_its_changes_and_nobody_else_does(void **state)
{
	struct xsd_subject tx = begin(guest(1));

	assert_int_equal(put(tx, "/home/1/a", "new"), 0);
	assert_int_equal(is(tx, "/home/1/a", "new"), 0);
	assert_int_equal(is(guest(1), "/home/1/a", ""), -ENOENT);
	assert_string_equal(log_of_changes, "");
	assert_int_equal(commit(tx), 0);
	assert_int_equal(is(guest(1), "/home/1/a", "new"), 0);
	assert_string_equal(log_of_changes, "/home/1/a ");
}

static void an_aborted_transaction_never_was(void **state)
{
	struct xsd_subject tx = begin(guest(1));

	put(tx, "/home/1/a", "new");
	rm(tx, "/home/1");
	xsd_transaction_free(tx.tx);
	assert_int_equal(is(guest(1), "/home/1", ""), 0);
	assert_int_equal(guest(1).domain->n_nodes, 1);
	assert_int_equal(guest(1).domain->n_transactions, 0);
}

static void only_what_a_transaction_met_conflicts(void **state)
{
	struct xsd_subject tx = begin(guest(1));

	put(tx, "/home/1/a", "new");
	put(guest(2), "/home/2/a", "elsewhere");
	assert_int_equal(commit(tx), 0);

	tx = begin(guest(1));
	is(tx, "/home/1/a", "new");
	put(guest(1), "/home/1/a", "newer");
	assert_int_equal(commit(tx), -EAGAIN);

	tx = begin(guest(1));
	is(tx, "/home/1/none", "");
	put(guest(1), "/home/1/none", "");
	assert_int_equal(commit(tx), -EAGAIN);

	/* a new sibling changes the parent, a new value does not */
	tx = begin(guest(1));
	put(tx, "/home/1/b", "");
	put(guest(1), "/home/1/a", "newest");
	assert_int_equal(commit(tx), 0);
	tx = begin(guest(1));
	put(tx, "/home/1/c", "");
	put(guest(1), "/home/1/d", "");
	assert_int_equal(commit(tx), -EAGAIN);
}

static void what_a_transaction_has_read_stays_as_it_was(void **state)
{
	struct xsd_subject tx;

	put(guest(1), "/home/1/a", "old");
	tx = begin(guest(1));
	assert_int_equal(is(tx, "/home/1/a", "old"), 0);
	put(guest(1), "/home/1/a", "new");
	assert_int_equal(is(tx, "/home/1/a", "old"), 0);
	assert_int_equal(commit(tx), -EAGAIN);
}

static void a_domain_has_eleven_transactions(void **state)
{
	struct xsd_subject tx[XSD_QUOTA_TRANSACTIONS + 1];
	struct xsd_transaction *more;

	for (int i = 0; i < XSD_QUOTA_TRANSACTIONS + 1; i++)
		tx[i] = begin(guest(1));
	assert_int_equal(xsd_transaction_new(&more, &store, guest(1).domain),
			 -ENOSPC);
	for (int i = 0; i < XSD_QUOTA_TRANSACTIONS + 1; i++)
		xsd_transaction_free(tx[i].tx);
}

static void a_dead_domain_takes_its_nodes_along(void **state)
{
	struct xsd_domain *two = guest(2).domain;

	put(guest(2), "/home/2/a", "x");
	chmod_node(HOST, "/home/2/a", "n1", 1);
	log_of_changes[0] = '\0';
	assert_int_equal(xsd_store_remove_owned(&store, two), 0);
	assert_string_equal(log_of_changes, "=/home/2/a /home/2 ");
	assert_int_equal(two->n_nodes, 0);
	assert_int_equal(guest(1).domain->n_nodes, 1);
}

static void the_root_outlives_a_domain_that_owns_it(void **state)
{
	chmod_node(HOST, "/", "n2", 1);
	assert_int_equal(xsd_store_remove_owned(&store, guest(2).domain), 0);
	assert_int_equal(owner("/"), 0);
	assert_int_equal(is(HOST, "/home/1", ""), 0);
	assert_int_equal(is(HOST, "/home/2", ""), -ENOENT);
}

static void a_new_domain_has_not_the_rights_of_the_last_one(void **state)
{
	put(guest(1), "/home/1/a", "x");
	chmod_node(guest(1), "/home/1/a", "n1\0r2", 2);
	assert_int_equal(is(guest(2), "/home/1/a", "x"), 0);
	xsd_domain_forget(&store.domains, guest(2).domain);
	put(guest(1), "/home/1/b", "");
	xsd_domain_get(&store.domains, 2, store.generation);
	assert_int_equal(is(guest(2), "/home/1/a", "x"), -EACCES);
	/* nor does a change of the node revive them */
	put(guest(1), "/home/1/a", "y");
	assert_int_equal(is(guest(2), "/home/1/a", "y"), -EACCES);
	chmod_node(guest(1), "/home/1/a", "n1\0r2", 2);
	assert_int_equal(is(guest(2), "/home/1/a", "y"), 0);
}

static void memory_is_given_back(void **state)
{
	struct xsd_domain *one = guest(1).domain;
	int64_t before = one->memory;
	struct xsd_subject tx = begin(guest(1));

	put(tx, "/home/1/a", "x");
	assert_true(one->memory > before);
	assert_int_equal(commit(tx), 0);
	rm(guest(1), "/home/1/a");
	assert_int_equal(one->memory, before);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(missing_parents_are_made),
		T(new_nodes_inherit_permissions_and_belong_to_their_maker),
		T(who_may_not_read_does_not_learn_what_exists),
		T(the_owner_changes_permissions_but_not_the_owner),
		T(rm_takes_what_is_below_and_tells_the_deepest_first),
		T(a_domain_has_a_thousand_nodes),
		T(a_failed_creation_leaves_nothing_behind),
		T(a_transaction_sees_its_changes_and_nobody_else_does),
		T(an_aborted_transaction_never_was),
		T(only_what_a_transaction_met_conflicts),
		T(what_a_transaction_has_read_stays_as_it_was),
		T(a_domain_has_eleven_transactions),
		T(a_dead_domain_takes_its_nodes_along),
		T(the_root_outlives_a_domain_that_owns_it),
		T(a_new_domain_has_not_the_rights_of_the_last_one),
		T(memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
