// SPDX-License-Identifier: MIT
#include "cli/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/say.h"
#include "cli/stop.h"

/* After a failure to accept, or to make the compatible vchan. */
#define RETRY (100 * NS_PER_MS)

static char *session_path(struct proxy *p, uint32_t id)
{
	char *path;

	return asprintf(&path, "%s/%u", p->base, id) < 0 ? NULL : path;
}

const char *proxy_end_text(enum proxy_session_end end)
{
	switch (end) {
	case PROXY_SESSION_DONE:
		return "done";
	case PROXY_SESSION_TOO_LATE:
		return "the other end did not come within the --timeout; does "
		       "its proxy run, with this domain and PATH?";
	case PROXY_SESSION_IDLE:
		return "nothing moved for the time of --idle";
	case PROXY_SESSION_NO_VCHAN:
		return "its vchan failed";
	case PROXY_SESSION_NO_LOCAL:
		return "cannot reach the local end";
	case PROXY_SESSION_REFUSED:
		return "the local end went before it had taken everything";
	case PROXY_SESSION_UNDELIVERED:
		return "the other end went before it had taken everything";
	case PROXY_SESSION_PEER_DIED:
		return "the other proxy was killed, or its domain ended";
	}
	return "";
}

/* The others are how impatient clients end. */
static bool is_failure(enum proxy_session_end end)
{
	return end == PROXY_SESSION_TOO_LATE || end == PROXY_SESSION_NO_VCHAN ||
	       end == PROXY_SESSION_NO_LOCAL || end == PROXY_SESSION_PEER_DIED;
}

/* Once a second: others decide how often sessions fail. */
static void note_end(struct proxy *p, const struct proxy_session *s)
{
	const struct proxy_options *o = &p->options;
	const char *detail =
		s->end == PROXY_SESSION_NO_VCHAN && p->logger.error[0]
			? p->logger.error
			: strerror(s->error);
	int64_t now = clock_now_ns();
	char more[48] = "";

	if (!o->verbose && !is_failure(s->end))
		return;
	if (!o->verbose && p->said_ns && now - p->said_ns < NS_PER_S) {
		p->n_unsaid++;
		return;
	}
	if (p->n_unsaid)
		snprintf(more, sizeof(more), " (and %u sessions before)",
			 p->n_unsaid);
	say_note("vchan proxy: domain %u, path %s: session %u: %s%s%s%s",
		 o->domain, o->path, s->id, proxy_end_text(s->end),
		 s->error ? ": " : "", s->error ? detail : "", more);
	p->said_ns = now;
	p->n_unsaid = 0;
}

static void add_session(struct proxy *p, struct proxy_session *s)
{
	list_append(&p->sessions, &s->link);
	p->n_sessions++;
}

static void remove_session(struct proxy *p, struct proxy_session *s)
{
	p->result = s->end;
	p->over = p->options.local == PROXY_STDIO;
	if (!p->over)
		note_end(p, s);
	list_remove(&s->link);
	p->n_sessions--;
	proxy_session_free(s);
}

static bool has_room(const struct proxy *p)
{
	return p->n_sessions < p->options.max_sessions;
}

/* The proxy that asks */

bool proxy_take_client(struct proxy *p, int in, int out)
{
	struct proxy_session *s =
		proxy_session_new(&p->options, &p->logger.xtl, in, out);

	if (!s)
		return false;
	s->nonce = p->next_nonce++;
	add_session(p, s);
	return true;
}

static void accept_clients(struct proxy *p)
{
	while (has_room(p)) {
		int fd = proxy_accept(&p->listener);

		if (fd < 0 && fd != -EAGAIN)
			p->accept_ns = deadline_in(RETRY);
		if (fd < 0)
			return;
		if (!proxy_take_client(p, fd, fd)) {
			close(fd);
			return;
		}
	}
}

static void connect_session(struct proxy *p, struct proxy_session *s,
			    uint32_t id)
{
	_cleanup_free_ char *path =
		p->options.compat ? strdup(p->base) : session_path(p, id);

	s->id = id;
	if (path)
		proxy_session_connect(s, path);
	else
		proxy_session_refuse(s, ENOMEM);
}

static void ask(struct proxy *p, struct proxy_session *s)
{
	struct control_message m = { CONTROL_OPEN, 0, s->nonce };

	if (s->state != PROXY_SESSION_ASKING)
		return;
	if (p->options.compat)
		connect_session(p, s, 0);
	else if (!s->told)
		s->told = control_send(&p->control, &m);
}

/* Nobody, if it has given up meanwhile. */
static struct proxy_session *find_asking(struct proxy *p, uint64_t nonce)
{
	struct list *l;

	list_for_each (l, &p->sessions) {
		struct proxy_session *s =
			list_entry(l, struct proxy_session, link);

		if (s->state == PROXY_SESSION_ASKING && s->told &&
		    s->nonce == nonce)
			return s;
	}
	return NULL;
}

static void take_answers(struct proxy *p)
{
	struct control_message m;

	while (control_receive(&p->control, &m)) {
		struct proxy_session *s = find_asking(p, m.nonce);

		if (s && m.kind == CONTROL_OPENED)
			connect_session(p, s, m.value);
		else if (s)
			proxy_session_refuse(s, (int)(m.value & 0xfff));
	}
}

/* The proxy that serves */

static void serve_at(struct proxy *p, const char *path, uint32_t id,
		     uint64_t nonce)
{
	struct control_message no = { CONTROL_FAILED, 0, nonce };
	struct proxy_session *s =
		path ? proxy_session_new_server(&p->options, &p->logger.xtl,
						path)
		     : NULL;

	if (!s) {
		no.value = path ? (uint32_t)errno : ENOMEM;
		p->compat_ns = deadline_in(RETRY);
		(void)control_send(&p->control, &no);
		return;
	}
	s->id = id;
	s->nonce = nonce;
	if (p->options.compat)
		s->deadline_ns = DEADLINE_NEVER;
	add_session(p, s);
}

int proxy_serve_compat(struct proxy *p)
{
	const struct proxy_options *o = &p->options;

	if (!control_domain_exists(o->domain, &p->logger.xtl)) {
		p->compat_ns = deadline_in(NS_PER_S);
		return ESRCH;
	}
	serve_at(p, p->base, 0, 0);
	return p->n_sessions ? 0 : EIO;
}

static void serve_requests(struct proxy *p)
{
	struct control_message m;

	while (has_room(p) && control_receive(&p->control, &m)) {
		uint32_t id = p->next_id++;
		_cleanup_free_ char *path = session_path(p, id);

		serve_at(p, path, id, m.nonce);
	}
}

static void answer(struct proxy *p, struct proxy_session *s)
{
	struct control_message m = { CONTROL_OPENED, s->id, s->nonce };

	if (s->state == PROXY_SESSION_WAITING && !s->told && !p->options.compat)
		s->told = control_send(&p->control, &m);
}

/* Both */

static void forget_requests(struct proxy *p)
{
	struct list *l;

	list_for_each (l, &p->sessions)
		proxy_session_ask_again(
			list_entry(l, struct proxy_session, link));
}

static void step_control(struct proxy *p)
{
	if (p->options.compat) {
		if (proxy_serves(&p->options) && has_room(p) &&
		    clock_now_ns() >= p->compat_ns)
			(void)proxy_serve_compat(p);
		return;
	}
	if ((p->fds[PROXY_AT_CONTROL].revents ||
	     clock_now_ns() >= control_due(&p->control)) &&
	    control_step(&p->control))
		forget_requests(p);
	if (proxy_serves(&p->options))
		serve_requests(p);
	else
		take_answers(p);
}

static void step_sessions(struct proxy *p)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &p->sessions) {
		struct proxy_session *s =
			list_entry(l, struct proxy_session, link);

		if (proxy_serves(&p->options))
			answer(p, s);
		else
			ask(p, s);
		proxy_session_step(s, p->fds);
		if (s->state == PROXY_SESSION_OVER)
			remove_session(p, s);
	}
}

static void bring_forward(int64_t *due, int64_t t)
{
	if (t < *due)
		*due = t;
}

/* Whether to go on. */
static bool wait_for_anything(struct proxy *p)
{
	int64_t due = DEADLINE_NEVER, now = clock_now_ns();
	bool accepts = p->listener.fd >= 0 && has_room(p);
	struct list *l;
	int n = PROXY_AT_SESSIONS;

	p->fds[PROXY_AT_STOP] = (struct pollfd){ stop_fd(), POLLIN, 0 };
	p->fds[PROXY_AT_CONTROL] =
		(struct pollfd){ control_fd(&p->control), POLLIN, 0 };
	p->fds[PROXY_AT_LISTENER] = (struct pollfd){
		accepts && now >= p->accept_ns ? p->listener.fd : -1, POLLIN, 0
	};
	if (accepts && now < p->accept_ns)
		bring_forward(&due, p->accept_ns);
	if (!p->options.compat)
		bring_forward(&due, control_due(&p->control));
	if (p->options.compat && proxy_serves(&p->options) && has_room(p))
		bring_forward(&due, p->compat_ns);
	list_for_each (l, &p->sessions)
		n = proxy_session_poll(
			list_entry(l, struct proxy_session, link), p->fds, n,
			&due);
	if (poll(p->fds, (nfds_t)n, deadline_poll_ms(due, -1)) < 0) {
		for (int i = 0; i < n; i++)
			p->fds[i].revents = 0;
	}
	return !stop_signal();
}

void proxy_run_sessions(struct proxy *p)
{
	do {
		if (p->fds[PROXY_AT_LISTENER].revents)
			accept_clients(p);
		step_control(p);
		step_sessions(p);
	} while (!p->over && wait_for_anything(p));
}
