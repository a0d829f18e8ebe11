// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host.h"

struct domain *domain_find(struct host *host, unsigned int id)
{
	struct domain *domain;

	HASH_FIND(hh, host->domains, &id, sizeof(id), domain);
	return domain;
}

struct domain *domain_next(struct host *host, unsigned int id)
{
	struct domain *domain, *tmp, *best = NULL;

	HASH_ITER (hh, host->domains, domain, tmp)
		if (domain->id >= id && (!best || domain->id < best->id))
			best = domain;
	return best;
}

static void socket_path(const struct domain *domain, const char *suffix,
			char path[static sizeof(struct sockaddr_un)])
{
	snprintf(path, sizeof(struct sockaddr_un), "%s/%u.%s",
		 domain->host->dir, domain->id, suffix);
}

static void on_hv(void *user)
{
	struct domain *domain = user;
	int fd = watch_accept(domain->hv);

	if (fd >= 0)
		process_accept(domain, fd);
}

static void on_xs(void *user)
{
	struct domain *domain = user;
	int fd = watch_accept(domain->xs);

	if (fd >= 0)
		xenstored_accept(domain->host->store, fd, domain->id);
}

/* No more connections, and no name to connect to. */
static void domain_close_sockets(struct domain *domain)
{
	char path[sizeof(struct sockaddr_un)];

	if (domain->hv) {
		socket_path(domain, "hv", path);
		unlink(path);
	}
	if (domain->xs) {
		socket_path(domain, "xs", path);
		unlink(path);
	}
	watch_free(TAKE_PTR(domain->hv));
	watch_free(TAKE_PTR(domain->xs));
}

static int domain_open_sockets(struct domain *domain)
{
	char path[sizeof(struct sockaddr_un)];
	int r;

	socket_path(domain, "hv", path);
	r = watch_listen(&domain->hv, &domain->host->loop, path, SOCK_SEQPACKET,
			 on_hv, domain);
	if (r < 0)
		return r;
	socket_path(domain, "xs", path);
	return watch_listen(&domain->xs, &domain->host->loop, path, SOCK_STREAM,
			    on_xs, domain);
}

static void domain_free(struct domain *domain)
{
	if (!domain)
		return;
	domain_close_sockets(domain);
	if (domain_find(domain->host, domain->id) == domain)
		HASH_DEL(domain->host->domains, domain);
	port_table_deinit(&domain->ports);
	grant_table_deinit(&domain->grants);
	if (domain->page != HV_NONE)
		board_give(domain->host, domain->page);
	free(domain->name);
	free(domain);
}
DEFINE_CLEANUP(struct domain *, domain, domain_free)

static int domain_new(struct domain **domain_r, struct host *host,
		      unsigned int id, const char *name)
{
	_cleanup_(cleanup_domainp) struct domain *domain = NULL;
	int r;

	domain = calloc(1, sizeof(*domain));
	if (!domain)
		return -ENOMEM;
	domain->host = host;
	domain->id = id;
	domain->grants.mem_fd = -1;
	list_init(&domain->processes);
	port_table_init(&domain->ports, id, &host->last_gen);
	domain->page = board_take(host);
	domain->name = strdup(name);
	if (domain->page == HV_NONE || !domain->name)
		return -ENOMEM;
	domain->shared = board_page(host, domain->page);
	r = grant_table_init(&domain->grants);
	if (r < 0)
		return r;
	*domain_r = TAKE_PTR(domain);
	return 0;
}

int domain_create(struct host *host, unsigned int id, const char *name,
		  const struct domain_options *options)
{
	_cleanup_(cleanup_domainp) struct domain *domain = NULL;
	struct domain *old = domain_find(host, id);
	int r;

	if (old)
		return old->state == DOMAIN_ALIVE ? -EEXIST : -EBUSY;
	r = domain_new(&domain, host, id, name);
	if (r < 0)
		return r;
	domain->grants.limit = options->grants;
	domain->grants.scatter = options->scatter;
	domain->ports.limit = options->ports;
	HASH_ADD(hh, host->domains, id, sizeof(domain->id), domain);
	/* To the store domain 0 was always there. */
	r = id == 0 ? 0 : xenstored_introduce(host->store, id);
	if (r == 0)
		r = nodes_create(host, domain);
	if (r == 0)
		r = domain_open_sockets(domain);
	if (r < 0) {
		nodes_remove(host, id);
		xenstored_release(host->store, id);
		return r;
	}
	TAKE_PTR(domain);
	return 0;
}

/*
 * The state comes first, so that the ends of its processes are no orderly ones:
 * the peers of a dead domain are not told by unmap notifications.
 */
void domain_destroy(struct domain *domain)
{
	struct list *pos, *tmp;

	if (domain->state != DOMAIN_ALIVE)
		return;
	domain->state = DOMAIN_ENDING;
	domain_close_sockets(domain);
	/* First, so that `run` knows why its program dies. */
	ctl_domain_gone(domain->host, domain->id);
	processes_kill(domain->host, domain->id);
	list_for_each_safe (pos, tmp, &domain->processes)
		process_free(list_entry(pos, struct process, link));
	nodes_remove(domain->host, domain->id);
	xenstored_release(domain->host->store, domain->id);
	domain->state = DOMAIN_DYING;
	domain_reap(domain);
}

void domain_reap(struct domain *domain)
{
	if (domain->state != DOMAIN_DYING || domain->grants.n_mapped > 0 ||
	    !list_empty(&domain->processes))
		return;
	/* What the dying was named in since is not for the next of its id. */
	xenstored_release(domain->host->store, domain->id);
	domain_free(domain);
}
