// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xen/xen.h>

#include "base/cleanup.h"
#include "host.h"

/* Pages that a domain can map at once: Xen's default maptrack frames. */
#define DOMAIN_MAX_MAPS 262144u

static struct evtchn *find_evtchn(const struct process *process, uint32_t id)
{
	struct evtchn *evtchn;

	HASH_FIND(hh, process->evtchns, &id, sizeof(id), evtchn);
	return evtchn && !evtchn->closed ? evtchn : NULL;
}

static struct grants *find_grants(const struct process *process, uint32_t id)
{
	struct grants *grants;

	HASH_FIND(hh, process->grants, &id, sizeof(id), grants);
	return grants;
}

static int serve_hello(struct process *process, const struct hv_request *req,
		       uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	if (req->id != HV_PROTO)
		return -EPROTO;
	reply->domid = process->domain->id;
	reply->page = process->domain->page;
	*fd_r = process->domain->host->board_fd;
	return 0;
}

static int serve_evtchn_open(struct process *process,
			     const struct hv_request *req, uint32_t *refs,
			     struct hv_reply *reply, int *fd_r)
{
	struct host *host = process->domain->host;
	struct evtchn *evtchn = calloc(1, sizeof(*evtchn));

	if (!evtchn)
		return -ENOMEM;
	evtchn->event_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	if (evtchn->event_fd < 0) {
		free(evtchn);
		return -errno;
	}
	evtchn->page = board_take(host);
	if (evtchn->page == HV_NONE) {
		close(evtchn->event_fd);
		free(evtchn);
		return -ENOMEM;
	}
	port_handle_init(&evtchn->ports, board_page(host, evtchn->page),
			 evtchn->event_fd);
	evtchn->id = ++process->last_id;
	HASH_ADD(hh, process->evtchns, id, sizeof(evtchn->id), evtchn);
	reply->id = evtchn->id;
	reply->page = evtchn->page;
	*fd_r = evtchn->event_fd;
	return 0;
}

static int serve_evtchn_close(struct process *process,
			      const struct hv_request *req, uint32_t *refs,
			      struct hv_reply *reply, int *fd_r)
{
	struct evtchn *evtchn = find_evtchn(process, req->id);

	if (!evtchn)
		return -EBADF;
	evtchn_free(process, evtchn);
	return 0;
}

/* DOMID_SELF names the caller, where Xen lets it. */
static unsigned int resolve_domid(const struct process *process, uint32_t domid)
{
	return domid == DOMID_SELF ? process->domain->id : domid;
}

static int serve_bind_unbound(struct process *process,
			      const struct hv_request *req, uint32_t *refs,
			      struct hv_reply *reply, int *fd_r)
{
	struct evtchn *evtchn = find_evtchn(process, req->id);
	struct port *port;
	int r;

	if (!evtchn)
		return -EBADF;
	r = port_alloc_unbound(&process->domain->ports, &evtchn->ports,
			       resolve_domid(process, req->domid), &port);
	if (r < 0)
		return r;
	reply->port = port->number;
	reply->slot = port->slot;
	return 0;
}

static int serve_bind_interdomain(struct process *process,
				  const struct hv_request *req, uint32_t *refs,
				  struct hv_reply *reply, int *fd_r)
{
	struct evtchn *evtchn = find_evtchn(process, req->id);
	struct domain *remote = domain_find(process->domain->host,
					    resolve_domid(process, req->domid));
	struct port *port;
	int r;

	if (!evtchn)
		return -EBADF;
	if (!remote)
		return -ESRCH;
	/* A dying domain has no ports left: -EINVAL. */
	r = port_bind_interdomain(&process->domain->ports, &evtchn->ports,
				  &remote->ports, req->port, &port);
	if (r < 0)
		return r;
	reply->port = port->number;
	reply->slot = port->slot;
	return 0;
}

/* The port of this handle, still open; NULL if there is none. */
static struct port *find_port(const struct process *process, uint32_t id,
			      uint32_t number)
{
	struct evtchn *evtchn = find_evtchn(process, id);
	struct port *port = port_find(&process->domain->ports, number);

	return evtchn && port && port->open && port->handle == &evtchn->ports
		       ? port
		       : NULL;
}

static int serve_route(struct process *process, const struct hv_request *req,
		       uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	struct port *port = find_port(process, req->id, req->port), *peer;
	struct host *host = process->domain->host;

	if (!port)
		return -ENOTCONN;
	peer = port->peer;
	reply->gen = port->gen;
	reply->page = HV_NONE;
	if (peer) {
		reply->page = ((uint8_t *)peer->handle->words - host->board) >>
			      BOARD_PAGE_SHIFT;
		reply->slot = peer->slot;
		reply->peer_gen = peer->gen;
		*fd_r = peer->handle->event_fd;
	}
	return 0;
}

static int serve_notify(struct process *process, const struct hv_request *req,
			uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	struct port *port = find_port(process, req->id, req->port);

	if (!port)
		return -ENOTCONN;
	port_send(port);
	return 0;
}

static int serve_unbind(struct process *process, const struct hv_request *req,
			uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	struct port *port = find_port(process, req->id, req->port);

	if (!port)
		return -ENOTCONN;
	if (port_close(port))
		reply->flags = HV_EVENT;
	return 0;
}

/* Whether the port was made by this process. */
static bool has_port(const struct process *process, const struct port *port)
{
	const struct evtchn *evtchn =
		list_entry(port->handle, struct evtchn, ports);

	return port->open && find_evtchn(process, evtchn->id) == evtchn;
}

/*
 * As the drivers check what an unmap notification names; except that Linux
 * also takes ports of the domain's other processes.
 */
static int check_notify(const struct process *process,
			const struct hv_request *req, struct port **port_r)
{
	*port_r = NULL;
	if (req->notify_offset != HV_NONE &&
	    req->notify_offset >= XEN_PAGE_SIZE)
		return -EINVAL;
	if (req->notify_port == HV_NONE)
		return 0;
	*port_r = port_find(&process->domain->ports, req->notify_port);
	return *port_r && has_port(process, *port_r) ? 0 : -EINVAL;
}

static int grants_new(struct process *process, const struct hv_request *req,
		      struct domain *granter, struct grants **grants_r)
{
	struct grants *grants;
	struct port *port;
	int r;

	if (req->count == 0 || req->count > HV_MAX_REFS)
		return -EINVAL;
	r = check_notify(process, req, &port);
	if (r < 0)
		return r;
	grants = calloc(1, sizeof(*grants) + req->count * sizeof(uint32_t));
	if (!grants)
		return -ENOMEM;
	grants->granter = granter;
	grants->notify_offset = req->notify_offset;
	grants->notify_port = port;
	grants->n_refs = req->count;
	*grants_r = grants;
	return 0;
}

static void grants_commit(struct process *process, struct grants *grants,
			  struct hv_reply *reply, int *fd_r)
{
	if (grants->notify_port)
		port_ref(grants->notify_port);
	grants->id = ++process->last_id;
	HASH_ADD(hh, process->grants, id, sizeof(grants->id), grants);
	reply->id = grants->id;
	*fd_r = grants->granter->grants.mem_fd;
}

static int serve_share(struct process *process, const struct hv_request *req,
		       uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	_cleanup_free_ struct grants *grants = NULL;
	int r;

	if (req->domid > UINT16_MAX)
		return -EINVAL;
	r = grants_new(process, req, process->domain, &grants);
	if (r < 0)
		return r;
	r = grant_table_share(&process->domain->grants, req->domid,
			      req->flags & HV_WRITE, req->count, grants->refs);
	if (r < 0)
		return r;
	memcpy(refs, grants->refs, req->count * sizeof(*refs));
	reply->n_refs = req->count;
	grants_commit(process, TAKE_PTR(grants), reply, fd_r);
	return 0;
}

static int serve_map(struct process *process, const struct hv_request *req,
		     uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	_cleanup_free_ struct grants *grants = NULL;
	struct domain *domain = process->domain;
	struct domain *granter = domain_find(domain->host, req->domid);
	int r;

	if (!granter)
		return -ESRCH;
	if (req->n_refs != req->count)
		return -EINVAL;
	if (domain->n_maps + req->count > DOMAIN_MAX_MAPS)
		return -ENOSPC;
	r = grants_new(process, req, granter, &grants);
	if (r < 0)
		return r;
	/* As gntdev: a byte that we may not write cannot be cleared for us. */
	if (req->notify_offset != HV_NONE && !(req->flags & HV_WRITE))
		return -EINVAL;
	memcpy(grants->refs, refs, req->count * sizeof(*refs));
	r = grant_table_map(&granter->grants, domain->id, req->flags & HV_WRITE,
			    grants->refs, req->count);
	if (r < 0)
		return r;
	grants->mapped = true;
	domain->n_maps += req->count;
	grants_commit(process, TAKE_PTR(grants), reply, fd_r);
	return 0;
}

static int serve_release(struct process *process, const struct hv_request *req,
			 uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	struct grants *grants = find_grants(process, req->id);

	if (!grants)
		return -EINVAL;
	grants_release(process, grants, req->flags & HV_QUIET);
	return 0;
}

static int serve_domain(struct process *process, const struct hv_request *req,
			uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	const struct domain *domain =
		domain_next(process->domain->host, req->domid);

	if (!domain)
		return -ESRCH;
	reply->domid = domain->id;
	reply->flags = domain->state == DOMAIN_ALIVE ? 0 : HV_DYING;
	return 0;
}

typedef int (*serve_fn)(struct process *process, const struct hv_request *req,
			uint32_t *refs, struct hv_reply *reply, int *fd_r);

static const serve_fn serve[] = {
	[HV_HELLO] = serve_hello,
	[HV_EVTCHN_OPEN] = serve_evtchn_open,
	[HV_EVTCHN_CLOSE] = serve_evtchn_close,
	[HV_BIND_UNBOUND] = serve_bind_unbound,
	[HV_BIND_INTERDOMAIN] = serve_bind_interdomain,
	[HV_ROUTE] = serve_route,
	[HV_NOTIFY] = serve_notify,
	[HV_UNBIND] = serve_unbind,
	[HV_SHARE] = serve_share,
	[HV_MAP] = serve_map,
	[HV_RELEASE] = serve_release,
	[HV_DOMAIN] = serve_domain,
};

_Static_assert(sizeof(serve) / sizeof(*serve) == HV_OP_N, "one per request");

int process_serve(struct process *process, const struct hv_request *req,
		  uint32_t *refs, struct hv_reply *reply, int *fd_r)
{
	return serve[req->op](process, req, refs, reply, fd_r);
}
