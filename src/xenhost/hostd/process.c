// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host.h"

void evtchn_free(struct process *process, struct evtchn *evtchn)
{
	struct list *pos, *tmp;

	evtchn->closed = true;
	list_for_each_safe (pos, tmp, &evtchn->ports.ports)
		port_close(list_entry(pos, struct port, link));
	/* A port that an unmap notification still wants keeps its handle. */
	if (!list_empty(&evtchn->ports.ports))
		return;
	HASH_DEL(process->evtchns, evtchn);
	board_give(process->domain->host, evtchn->page);
	close(evtchn->event_fd);
	free(evtchn);
}

/* The unmap notification: the byte first, so that the event finds it 0. */
static void grants_notify(struct process *process, struct grants *grants,
			  bool quiet)
{
	struct port *port = TAKE_PTR(grants->notify_port);

	if (!quiet && process->domain->state == DOMAIN_ALIVE) {
		if (grants->notify_offset != HV_NONE)
			grant_table_clear_byte(&grants->granter->grants,
					       grants->refs[0],
					       grants->notify_offset);
		if (port)
			port_send(port);
	}
	grants->notify_offset = HV_NONE;
	if (port) {
		struct evtchn *evtchn =
			list_entry(port->handle, struct evtchn, ports);

		port_unref(port);
		if (evtchn->closed)
			evtchn_free(process, evtchn);
	}
}

void grants_release(struct process *process, struct grants *grants, bool quiet)
{
	struct grant_table *table = &grants->granter->grants;

	grants_notify(process, grants, quiet);
	if (grants->mapped) {
		grant_table_unmap(table, grants->refs, grants->n_refs);
		process->domain->n_maps -= grants->n_refs;
	} else {
		grant_table_unshare(table, grants->refs, grants->n_refs);
	}
	HASH_DEL(process->grants, grants);
	if (grants->granter != process->domain)
		domain_reap(grants->granter);
	free(grants);
}

void process_free(struct process *process)
{
	struct evtchn *evtchn, *next_evtchn;
	struct grants *grants, *next_grants;
	struct domain *domain = process->domain;
	struct list *pos;

	/* All notifications come first: no page is given up before. */
	HASH_ITER (hh, process->grants, grants, next_grants)
		grants_notify(process, grants, false);
	HASH_ITER (hh, process->grants, grants, next_grants)
		grants_release(process, grants, false);
	for (evtchn = process->evtchns; evtchn; evtchn = evtchn->hh.next)
		list_for_each (pos, &evtchn->ports.ports)
			port_rekick(list_entry(pos, struct port, link));
	HASH_ITER (hh, process->evtchns, evtchn, next_evtchn)
		evtchn_free(process, evtchn);
	watch_free(process->hv);
	list_remove(&process->link);
	domain->n_processes--;
	free(process);
	domain_reap(domain);
}

static int process_reply(const struct process *process,
			 const struct hv_reply *reply, const uint32_t *refs,
			 int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)reply, sizeof(*reply) },
		{ (void *)(uintptr_t)refs, reply->n_refs * sizeof(*refs) },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	/* Who lets replies pile up did not wait for them: no client of ours. */
	return sendmsg(process->hv->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0
		       ? -errno
		       : 0;
}

/* 0; -EAGAIN; -EPIPE: the end; -EPROTO: no request of ours. */
static int process_receive(const struct process *process,
			   struct hv_request *req, uint32_t *refs)
{
	struct iovec iov[2] = {
		{ req, sizeof(*req) },
		{ refs, HV_MAX_REFS * sizeof(*refs) },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = recvmsg(process->hv->fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	if (n < (ssize_t)sizeof(*req) || (msg.msg_flags & MSG_TRUNC) ||
	    req->op >= HV_OP_N || req->n_refs > HV_MAX_REFS ||
	    (size_t)n != sizeof(*req) + req->n_refs * sizeof(*refs))
		return -EPROTO;
	return 0;
}

static void on_request(void *user)
{
	static uint32_t refs[HV_MAX_REFS];
	struct process *process = user;
	struct hv_reply reply = { 0 };
	struct hv_request req;
	int fd = -1, r;

	r = process_receive(process, &req, refs);
	if (r == -EAGAIN)
		return;
	if (r == 0) {
		r = process_serve(process, &req, refs, &reply, &fd);
		if (r < 0)
			reply = (struct hv_reply){ .error = -r };
		else if (fd >= 0)
			reply.flags |= HV_FD;
		r = process_reply(process, &reply, refs, r < 0 ? -1 : fd);
	}
	if (r < 0)
		process_free(process);
}

void process_accept(struct domain *domain, int fd)
{
	struct process *process = calloc(1, sizeof(*process));
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (!process) {
		close(fd);
		return;
	}
	process->domain = domain;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		process->pid = peer.pid;
	process->started = pid_start_time(process->pid);
	if (watch_new(&process->hv, &domain->host->loop, fd, on_request,
		      process) < 0) {
		free(process);
		return;
	}
	list_append(&domain->processes, &process->link);
	domain->n_processes++;
}
