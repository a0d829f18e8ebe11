// SPDX-License-Identifier: MIT
/*
 * What libxl writes for a PV domain, as far as a program in the domain could
 * look for it; permissions as seen on Xen 4.17.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

#define MAX_NODE_PATH 128

enum owner {
	TOOLSTACK, /* n0,rN: the domain reads it */
	DOMAIN,    /* nN: the domain's own */
	FRONTEND,  /* nN,r0: the domain's, for its backend to read */
};

static const struct node {
	const char *path;
	const char *value; /* NULL: the domain's id or name */
	enum owner owner;
} nodes[] = {
	{ "", "", TOOLSTACK },
	{ "/name", NULL, TOOLSTACK },
	{ "/domid", NULL, TOOLSTACK },
	{ "/cpu", "", TOOLSTACK },
	{ "/cpu/0", "", TOOLSTACK },
	{ "/cpu/0/availability", "online", TOOLSTACK },
	{ "/memory", "", TOOLSTACK },
	{ "/memory/static-max", "131072", TOOLSTACK },
	{ "/memory/target", "131072", TOOLSTACK },
	{ "/device", "", TOOLSTACK },
	{ "/device/suspend", "", TOOLSTACK },
	{ "/device/suspend/event-channel", "", DOMAIN },
	{ "/control", "", TOOLSTACK },
	{ "/control/shutdown", "", DOMAIN },
	{ "/control/feature-poweroff", "", DOMAIN },
	{ "/control/feature-reboot", "", DOMAIN },
	{ "/control/feature-suspend", "", DOMAIN },
	{ "/control/sysrq", "", DOMAIN },
	{ "/control/platform-feature-multiprocessor-suspend", "1", TOOLSTACK },
	{ "/data", "", DOMAIN },
	{ "/drivers", "", DOMAIN },
	{ "/feature", "", DOMAIN },
	{ "/attr", "", DOMAIN },
	{ "/error", "", DOMAIN },
	{ "/store", "", TOOLSTACK },
	{ "/store/port", "1", TOOLSTACK },
	{ "/store/ring-ref", "1", TOOLSTACK },
	{ "/console", "", TOOLSTACK },
	{ "/console/backend-id", "0", FRONTEND },
	{ "/console/limit", "1048576", TOOLSTACK },
	{ "/console/type", "xenconsoled", TOOLSTACK },
	{ "/console/output", "pty", TOOLSTACK },
	{ "/console/tty", "", TOOLSTACK },
	{ "/console/port", "2", TOOLSTACK },
	{ "/console/ring-ref", "2", TOOLSTACK },
};

/* Domain 0 makes its own: it owns and reads everything anyway. */
static const char *const dom0_nodes[] = { "", "/name", "/domid" };

static int node_perms(enum owner owner, unsigned int id,
		      struct xenstored_perm perms[static 2])
{
	if (owner == TOOLSTACK) {
		perms[0] = (struct xenstored_perm){ 0, XENSTORED_PERM_NONE };
		perms[1] = (struct xenstored_perm){ id, XENSTORED_PERM_READ };
		return id ? 2 : 1;
	}
	perms[0] = (struct xenstored_perm){ id, XENSTORED_PERM_NONE };
	perms[1] = (struct xenstored_perm){ 0, XENSTORED_PERM_READ };
	return owner == FRONTEND ? 2 : 1;
}

static int node_create(struct host *host, const struct domain *domain,
		       const struct node *node)
{
	char path[MAX_NODE_PATH], id[16];
	const char *value = node->value;
	struct xenstored_perm perms[2];
	int r;

	snprintf(path, sizeof(path), "/local/domain/%u%s", domain->id,
		 node->path);
	snprintf(id, sizeof(id), "%u", domain->id);
	if (!value)
		value = strcmp(node->path, "/name") == 0 ? domain->name : id;
	r = xenstored_write(host->store, path, value, strlen(value));
	if (r < 0)
		return r;
	return xenstored_set_perms(host->store, path, perms,
				   node_perms(node->owner, domain->id, perms));
}

static bool node_is_for(const struct node *node, unsigned int id)
{
	if (id != 0)
		return true;
	for (size_t i = 0; i < sizeof(dom0_nodes) / sizeof(*dom0_nodes); i++)
		if (strcmp(node->path, dom0_nodes[i]) == 0)
			return true;
	return false;
}

int nodes_create(struct host *host, const struct domain *domain)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(nodes) / sizeof(*nodes); i++)
		if (node_is_for(&nodes[i], domain->id))
			r = node_create(host, domain, &nodes[i]);
	return r;
}

void nodes_remove(struct host *host, unsigned int id)
{
	char path[MAX_NODE_PATH];

	snprintf(path, sizeof(path), "/local/domain/%u", id);
	xenstored_rm(host->store, path);
}
