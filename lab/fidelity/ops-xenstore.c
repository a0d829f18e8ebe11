// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

/* How long an event that is on its way may take, and one behind another */
#define NONE_MS 300
#define MORE_MS 120

#define WAIT_MS 15000

static struct xs_handle *xs(struct handles *h)
{
	if (!h->xs)
		h->xs = xs_open(0);
	if (!h->xs)
		say("xs_open: ");
	return h->xs;
}

/* A transaction that the script named, or a bare number */
static xs_transaction_t find_transaction(const char *word)
{
	struct object *o;

	if (isdigit((unsigned char)*word))
		return strtoul(word, NULL, 10);
	o = object_find(word, OBJECT_TRANSACTION);
	return o ? o->value : XBT_NULL;
}

/* A leading @NAME: is the transaction in which to do it. */
static xs_transaction_t transaction(int *argc, char ***argv)
{
	char *word = (*argv)[0];
	size_t n = strlen(word);

	if (word[0] != '@' || word[n - 1] != ':')
		return XBT_NULL;
	word[n - 1] = 0;
	++*argv;
	--*argc;
	return find_transaction(word + 1);
}

static void op_read(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);
	unsigned int len;
	char *value = xs_read(xs(h), t, argv[0], &len);

	if (value)
		say_quoted(value, len);
	else
		say_errno();
	free(value);
}

static void op_write(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);

	say_outcome(xs_write(xs(h), t, argv[0], argv[1], strlen(argv[1])));
}

static void op_mkdir(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);

	say_outcome(xs_mkdir(xs(h), t, argv[0]));
}

static void op_rm(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);

	say_outcome(xs_rm(xs(h), t, argv[0]));
}

static void op_ls(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);
	unsigned int n;
	char **names = xs_directory(xs(h), t, argv[0], &n);

	if (!names) {
		say_errno();
		return;
	}
	if (!n)
		say("empty");
	for (unsigned int i = 0; i < n; i++)
		say(i ? " %s" : "%s", names[i]);
	free(names);
}

static char perm_letter(unsigned int perms)
{
	switch (perms & (XS_PERM_READ | XS_PERM_WRITE)) {
	case XS_PERM_READ | XS_PERM_WRITE:
		return 'b';
	case XS_PERM_READ:
		return 'r';
	case XS_PERM_WRITE:
		return 'w';
	default:
		return 'n';
	}
}

static void op_get_perms(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);
	unsigned int n;
	struct xs_permissions *p = xs_get_permissions(xs(h), t, argv[0], &n);

	if (!p) {
		say_errno();
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		say("%s%c%u", i ? " " : "", perm_letter(p[i].perms), p[i].id);
	free(p);
}

static void op_set_perms(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = transaction(&argc, &argv);
	struct xs_permissions p[32];
	int n = 0;

	for (; n + 1 < argc && n < 32; n++) {
		const char *s = argv[n + 1];

		p[n].id = strtoul(s + 1, NULL, 10);
		p[n].perms = *s == 'b'   ? XS_PERM_READ | XS_PERM_WRITE
			     : *s == 'r' ? XS_PERM_READ
			     : *s == 'w' ? XS_PERM_WRITE
					 : XS_PERM_NONE;
	}
	say_outcome(xs_set_permissions(xs(h), t, argv[0], p, n));
}

static void op_start(struct handles *h, int argc, char **argv)
{
	xs_transaction_t t = xs_transaction_start(xs(h));
	uint32_t value = t;

	say_outcome(t != XBT_NULL);
	if (t == XBT_NULL)
		return;
	object_new(argv[0], OBJECT_TRANSACTION, h)->value = value;
	export_value(argv[0], &value, 1);
}

/* The name stays: a script may try what comes after the end. */
static void end_transaction(struct handles *h, const char *name, bool abort)
{
	xs_transaction_t t = find_transaction(name);

	if (t != XBT_NULL)
		say_outcome(xs_transaction_end(xs(h), t, abort));
}

static void op_commit(struct handles *h, int argc, char **argv)
{
	end_transaction(h, argv[0], false);
}

static void op_abort(struct handles *h, int argc, char **argv)
{
	end_transaction(h, argv[0], true);
}

static void op_watch(struct handles *h, int argc, char **argv)
{
	say_outcome(xs_watch(xs(h), argv[0], argv[1]));
}

static void op_unwatch(struct handles *h, int argc, char **argv)
{
	say_outcome(xs_unwatch(xs(h), argv[0], argv[1]));
}

static bool say_one_event(struct handles *h, bool first)
{
	char **event = xs_check_watch(xs(h));

	if (!event)
		return false;
	say("%s", first ? "" : ", ");
	say_text(event[XS_WATCH_PATH]);
	say(" ");
	say_text(event[XS_WATCH_TOKEN]);
	free(event);
	return true;
}

/*
 * Everything that fired so far. The answer to a request comes behind all events
 * that were queued for this connection before it; but in a domain of its own
 * Linux hands on events by a thread, which may be later than the answer.
 */
static void op_events(struct handles *h, int argc, char **argv)
{
	struct pollfd p = { .fd = xs_fileno(xs(h)), .events = POLLIN };
	bool first = true;

	free(xs_get_domain_path(xs(h), 0));
	while (poll(&p, 1, first ? NONE_MS : MORE_MS) == 1 &&
	       say_one_event(h, first))
		first = false;
	if (first)
		say("none");
}

/* wait-events N: for what the host does in its own time */
static void op_wait_events(struct handles *h, int argc, char **argv)
{
	struct pollfd p = { .fd = xs_fileno(xs(h)), .events = POLLIN };
	int n = atoi(argv[0]);

	for (int i = 0; i < n; i++) {
		if (poll(&p, 1, WAIT_MS) != 1) {
			say("%stimeout", i ? ", " : "");
			return;
		}
		say_one_event(h, i == 0);
	}
}

static void op_domain_path(struct handles *h, int argc, char **argv)
{
	char *path = xs_get_domain_path(xs(h), atoi(argv[0]));

	if (path)
		say("%s", path);
	else
		say_errno();
	free(path);
}

static void op_introduced(struct handles *h, int argc, char **argv)
{
	say("%s", xs_is_domain_introduced(xs(h), atoi(argv[0])) ? "yes" : "no");
}

static void op_close_xs(struct handles *h, int argc, char **argv)
{
	if (h->xs)
		xs_close(h->xs);
	h->xs = NULL;
	say("ok");
}

void xenstore_ask(struct handles *h)
{
	free(xs_get_domain_path(xs(h), 0));
}

static unsigned int count_owned(struct xs_handle *x, const char *path,
				unsigned int domain)
{
	unsigned int n, n_perms, count = 0;
	struct xs_permissions *p =
		xs_get_permissions(x, XBT_NULL, path, &n_perms);
	char **names = xs_directory(x, XBT_NULL, path, &n);

	if (p && p[0].id == domain)
		count++;
	for (unsigned int i = 0; names && i < n; i++) {
		char child[XENSTORE_ABS_PATH_MAX + 2];

		snprintf(child, sizeof child, "%s/%s", path, names[i]);
		count += count_owned(x, child, domain);
	}
	free(names);
	free(p);
	return count;
}

/* count-owned DOMAIN PATH: how many nodes from PATH on are the domain's */
static void op_count_owned(struct handles *h, int argc, char **argv)
{
	say("%u", count_owned(xs(h), argv[1], atoi(argv[0])));
}

const struct op ops_xenstore[] = {
	{ "read", 1, 2, op_read },
	{ "write", 2, 3, op_write },
	{ "mkdir", 1, 2, op_mkdir },
	{ "rm", 1, 2, op_rm },
	{ "ls", 1, 2, op_ls },
	{ "get-perms", 1, 2, op_get_perms },
	{ "set-perms", 1, 32, op_set_perms },
	{ "start", 1, 1, op_start },
	{ "commit", 1, 1, op_commit },
	{ "abort", 1, 1, op_abort },
	{ "watch", 2, 2, op_watch },
	{ "unwatch", 2, 2, op_unwatch },
	{ "events", 0, 0, op_events },
	{ "wait-events", 1, 1, op_wait_events },
	{ "domain-path", 1, 1, op_domain_path },
	{ "introduced", 1, 1, op_introduced },
	{ "count-owned", 2, 2, op_count_owned },
	{ "close-xs", 0, 0, op_close_xs },
	{ NULL, 0, 0, NULL },
};
