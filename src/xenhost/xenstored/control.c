// SPDX-License-Identifier: MIT
/* XS_CONTROL, for xenstore-control: what makes sense in a host without Xen. */
#include "xenhost/xenstored/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct quota {
	const char *name;
	int value;
	const char *what;
};

static const struct quota quotas[] = {
	{ "nodes", XSD_QUOTA_NODES, "Nodes per domain" },
	{ "watches", XSD_QUOTA_WATCHES, "Watches per domain" },
	{ "transactions", XSD_QUOTA_TRANSACTIONS, "Transactions per domain" },
	{ "transaction-nodes", XSD_QUOTA_TRANSACTION_NODES,
	  "Nodes a transaction may access" },
	{ "memory", XSD_QUOTA_MEMORY, "Bytes per domain" },
	{ "node-size", XSD_QUOTA_NODE_SIZE, "Bytes of a node" },
	{ "permissions", XSD_QUOTA_NODE_PERMS, "Permissions of a node" },
};

static void reply_text(struct xsd_request *q, const char *text)
{
	xsd_request_reply(q, text, strlen(text) + 1);
}

static void show_quotas(struct xsd_request *q)
{
	char text[1024] = "Quota settings:\n";
	size_t len = strlen(text);

	for (size_t i = 0; i < sizeof(quotas) / sizeof(*quotas); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%-17s: %8d %s\n", quotas[i].name,
					quotas[i].value, quotas[i].what);
	reply_text(q, text);
}

static int show_domain(struct xsd_request *q, const char *domid)
{
	const struct xsd_domain *d =
		xsd_domain_find(&q->subject.store->domains,
				(unsigned int)strtol(domid, NULL, 10));
	char text[256];

	if (!d)
		return -ENOENT;
	snprintf(text, sizeof(text),
		 "Domain %u:\n"
		 "%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n%-16s: %8lld\n",
		 d->domid, "nodes", d->n_nodes, "watches", d->n_watches,
		 "transactions", d->n_transactions, "memory",
		 (long long)d->memory);
	reply_text(q, text);
	return 0;
}

static int control_check(struct xsd_request *q, const char **args, size_t n)
{
	if (n)
		return -EINVAL;
	xsd_request_ack(q);
	return 0;
}

static int control_print(struct xsd_request *q, const char **args, size_t n)
{
	if (n != 1)
		return -EINVAL;
	xsd_request_ack(q);
	return 0;
}

static int control_quota(struct xsd_request *q, const char **args, size_t n)
{
	if (n == 1)
		return show_domain(q, args[0]);
	if (n)
		return -EINVAL;
	show_quotas(q);
	return 0;
}

static int control_help(struct xsd_request *q, const char **args, size_t n)
{
	if (n)
		return -EINVAL;
	reply_text(q, "check\t\nprint\t<string>\nquota\t[<domid>]\nhelp\t\n");
	return 0;
}

static const struct {
	const char *name;
	int (*serve)(struct xsd_request *q, const char **args, size_t n);
} commands[] = {
	{ "check", control_check },
	{ "print", control_print },
	{ "quota", control_quota },
	{ "help", control_help },
};

#define MAX_WORDS 4

int xsd_request_control(struct xsd_request *q)
{
	const char *words[MAX_WORDS];
	size_t n = xsd_request_strings(q, words, MAX_WORDS);

	if (!n || n > MAX_WORDS)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(words[0], commands[i].name))
			return commands[i].serve(q, words + 1, n - 1);
	return -EINVAL;
}
