/* SPDX-License-Identifier: MIT */
/*
 * hostd: one single-threaded process that is Xen, the kernels' drivers and
 * xenstored of all domains of an emulated host, so that a domain's end is one
 * step for everybody. Events do not pass through it (evtchn/port-word.h).
 *
 *   host      directory, loop, board                 host.c
 *   domain    its memory, ports, two sockets         domain.c, nodes.c
 *   process   a connection to <domid>.hv             process.c, requests.c
 *   ctl       a connection of a `xenhost` command    ctl.c
 *
 * What comes from a socket is checked before it is used: a client can lose its
 * connection by what it sends, never the host.
 */
#ifndef XENCHAN_XENHOST_HOST_H
#define XENCHAN_XENHOST_HOST_H

#include <sys/types.h>
#include <uthash.h>
#include <uv.h>

#include "base/list.h"
#include "grant-table.h"
#include "port-table.h"
#include "xenhost/board.h"
#include "xenhost/proto.h"
#include "xenhost/xenstored/xenstored.h"

/* A file descriptor in the loop. */
struct watch {
	uv_poll_t poll;
	int fd; /* owner */
	void (*ready)(void *user);
	void *user; /* borrower */
};

/* Owns fd from now on, also when it fails. */
int watch_new(struct watch **watch_r, uv_loop_t *loop, int fd,
	      void (*ready)(void *user), void *user);
void watch_free(struct watch *w);

/*
 * The next connection of a listening socket, or -1. When we have no descriptor
 * left for it, it is closed.
 */
int watch_accept(const struct watch *w);

/* A listening socket at path, in the loop. */
int watch_listen(struct watch **watch_r, uv_loop_t *loop, const char *path,
		 int type, void (*ready)(void *user), void *user);

struct host {
	uv_loop_t loop;
	const char *dir; /* borrower */
	int board_fd;    /* owner */
	uint8_t *board;  /* owner of the mapping */
	uint32_t *free_pages;
	uint32_t n_free_pages;
	uint32_t last_gen;
	struct xenstored *store;
	struct domain *domains; /* by id */
	struct watch *ctl;
	struct list ctl_clients;
	uv_signal_t signals[2];
};

int host_new(struct host **host_r, const char *dir);
void host_free(struct host *host);
/* Serves until `xenhost down` or SIGTERM. */
void host_run(struct host *host);
void host_stop(struct host *host);

/* A zeroed page of the board, or HV_NONE. */
uint32_t board_take(struct host *host);
void board_give(struct host *host, uint32_t page);
void *board_page(struct host *host, uint32_t page);

enum domain_state {
	DOMAIN_ALIVE,
	DOMAIN_ENDING, /* its processes are being ended */
	DOMAIN_DYING,  /* destroyed, but others still map its pages */
};

struct domain {
	UT_hash_handle hh;
	struct host *host; /* borrower */
	unsigned int id;
	char *name; /* owner */
	enum domain_state state;
	uint32_t page;
	struct domain_page *shared;
	struct grant_table grants;
	struct port_table ports;
	struct list processes;
	uint32_t n_processes;
	uint32_t n_maps; /* pages of others that its processes map */
	struct watch *hv, *xs;
};

struct domain_options {
	uint32_t grants, ports;
	bool scatter;
};

struct domain *domain_find(struct host *host, unsigned int id);
/* The first of id or higher, or NULL. */
struct domain *domain_next(struct host *host, unsigned int id);
/* -EEXIST; -EBUSY: the id's last owner still lingers. */
int domain_create(struct host *host, unsigned int id, const char *name,
		  const struct domain_options *options);
void domain_destroy(struct domain *domain);
/* A dying domain that nobody maps any more is gone for good. */
void domain_reap(struct domain *domain);

/* The nodes that a toolstack makes for a domain. */
int nodes_create(struct host *host, const struct domain *domain);
void nodes_remove(struct host *host, unsigned int id);

/* Ends, and waits for, the processes of a domain; of all: HV_NONE. */
void processes_kill(struct host *host, unsigned int domid);
/* The same for what a host that was killed left; dir was its directory. */
void processes_kill_left(const char *dir);

struct process {
	struct list link; /* in domain->processes */
	struct domain *domain;
	struct watch *hv;
	pid_t pid;
	uint64_t started; /* tells the process from a later one of its pid */
	struct evtchn *evtchns; /* by id */
	struct grants *grants;  /* by id */
	uint32_t last_id;
};

/* An open of the event-channel device. */
struct evtchn {
	UT_hash_handle hh;
	uint32_t id;
	uint32_t page;
	int event_fd; /* owner */
	bool closed;  /* by its process; kept by a notification's port */
	struct port_handle ports;
};

/* Pages that a process shares, or maps. */
struct grants {
	UT_hash_handle hh;
	uint32_t id;
	struct domain *granter;
	bool mapped; /* by MAP: they are another process's shares */
	uint32_t notify_offset;
	struct port *notify_port; /* owner of a reference, or NULL */
	uint32_t n_refs;
	uint32_t refs[];
};

/* Serves a connection to the domain's .hv; owns fd. */
void process_accept(struct domain *domain, int fd);
/* What the kernel's release() does, in its order. */
void process_free(struct process *process);

void evtchn_free(struct process *process, struct evtchn *evtchn);
/* quiet: without the unmap notification. */
void grants_release(struct process *process, struct grants *grants, bool quiet);

/*
 * Serves a request; refs has room for HV_MAX_REFS. A descriptor to send
 * along in *fd_r stays hostd's. 0 or the -errno to answer with.
 */
int process_serve(struct process *process, const struct hv_request *req,
		  uint32_t *refs, struct hv_reply *reply, int *fd_r);

/* The start time of a process in clock ticks, or 0. */
uint64_t pid_start_time(pid_t pid);

/* Serves a connection to ctl; owns fd. */
void ctl_accept(struct host *host, int fd);
/* Ends the connections of those that wait for the domain's end. */
void ctl_domain_gone(struct host *host, unsigned int domid);
void ctl_free_all(struct host *host);

#endif
