/* SPDX-License-Identifier: MIT */
/*
 * The proxy at work: local connections carried to another domain, each on a
 * vchan of its own.
 *
 *	client -- Unix socket -- [asks] ==vchans== [serves] -- Unix socket, command
 *
 * Two proxies make a pair. The one that serves is the server of all vchans: a
 * control vchan, on which the other one asks for sessions (proxy-control.h), and
 * one for each session. It goes round one poll(2): the control vchan, the
 * listening socket, and up to three descriptors of each session. Whatever a
 * session, a client or the other proxy does ends sessions, never the proxy.
 *
 * With --compat there is no control vchan: PATH itself is the only session's
 * vchan, as Xen's vchan-socket-proxy has it.
 */
#ifndef XENCHAN_CLI_PROXY_H
#define XENCHAN_CLI_PROXY_H

#include "cli/logger.h"
#include "cli/proxy-control.h"
#include "cli/proxy-session.h"
#include "cli/proxy-socket.h"

/* Where descriptors are in `fds`. */
enum { PROXY_AT_STOP, PROXY_AT_CONTROL, PROXY_AT_LISTENER, PROXY_AT_SESSIONS };

struct proxy {
	struct proxy_options options;
	struct logger logger;
	struct control control;
	struct proxy_listener listener;
	int name;                  /* holds PATH for this process, or -1 */
	char *base, *control_path; /* in xenstore; owned */
	bool keeps_base;           /* it was there before, empty */
	struct list sessions;
	unsigned int n_sessions;
	struct pollfd *fds;
	uint64_t next_nonce;
	uint32_t next_id;
	int64_t accept_ns;     /* not before */
	int64_t compat_ns;     /* the same for the compatible vchan */
	int64_t said_ns;       /* when the last note was printed */
	unsigned int n_unsaid; /* notes since then */
	bool over;             /* the only session of --stdio */
	enum proxy_session_end result;
};

/* A client of its own: of --stdio. False: ENOMEM */
bool proxy_take_client(struct proxy *p, int in, int out);

/* The server of --compat. 0; ESRCH: the other domain does not exist, later
 * perhaps; EIO: see the logger. */
int proxy_serve_compat(struct proxy *p);

/* Until a signal, or the end of the session of --stdio. */
void proxy_run_sessions(struct proxy *p);

const char *proxy_end_text(enum proxy_session_end end);

#endif
