// SPDX-License-Identifier: MIT
/*
 * The guest: the real session, relay and endpoint. The states of its front end
 * are simpler than guest/frontend.c: nobody has the device before, and the
 * backend is ours.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <xengnttab.h>

#include "base/clock.h"
#include "console.h"
#include "guest/session.h"

enum {
	FD_STOP = 10,
	FD_STORE,
	FD_IN,
	FD_OUT,
};

struct frontend {
	struct endpoint endpoint;
	enum frontend_phase phase;
};

static struct session session;
static struct frontend front;

static struct {
	unsigned int n; /* the session's number */
	unsigned int read, received;
} f;

void front_set_up(void)
{
	memset(&f, 0, sizeof(f));
	node_write(FRONT, (struct console_node){ CONSOLE_STATE_INITIALISING });
}

/*
 * The ends of the relay: what the guest's program writes and reads
 */

ssize_t model_read(int fd, void *data, size_t n);
ssize_t model_write(int fd, const void *data, size_t n);
int model_poll(struct pollfd *p, nfds_t n, int timeout);

/* The first of two sessions sends half. */
static unsigned int out_goal(void)
{
	return f.n < traffic.sessions ? traffic.out / 2 : traffic.out;
}

static unsigned int in_goal(void)
{
	return f.n < traffic.sessions ? traffic.first_in : traffic.in;
}

ssize_t model_read(int fd, void *data, size_t n)
{
	size_t left = out_goal() - f.read;

	if (!left && !traffic.ends_with_input) {
		errno = EAGAIN;
		return -1;
	}
	if (n > left)
		n = left;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)data)[i] = out_byte(f.read++);
	return (ssize_t)n;
}

ssize_t model_write(int fd, const void *data, size_t n)
{
	/* It takes no more than it stays for. */
	if (n > in_goal() - f.received && f.n < traffic.sessions)
		n = in_goal() - f.received;
	for (size_t i = 0; i < n; i++) {
		expect(f.received < traffic.in, "the guest got too much");
		expect(((const uint8_t *)data)[i] == in_byte(f.received),
		       "the guest got another byte");
		f.received++;
	}
	if (n)
		return (ssize_t)n;
	errno = EAGAIN;
	return -1;
}

static bool is_satisfied(void)
{
	return f.read == out_goal() && f.received >= in_goal() &&
	       !traffic.ends_with_input && !traffic.host_closes;
}

static short found(const struct pollfd *p, unsigned int port)
{
	switch (p->fd) {
	case FRONT:
		return (port & (MODEL_PORT_PENDING | MODEL_PORT_MASKED)) ==
				       MODEL_PORT_PENDING
			       ? POLLIN
			       : 0;
	case FD_STORE:
		return port & MODEL_PORT_WATCH ? POLLIN : 0;
	case FD_STOP:
		return is_satisfied() ? POLLIN : 0;
	case FD_IN:
		return f.read < out_goal() || traffic.ends_with_input ? POLLIN
								      : 0;
	case FD_OUT:
		return f.n == traffic.sessions || f.received < in_goal()
			       ? POLLOUT
			       : 0;
	}
	return 0;
}

static bool find(struct pollfd *p, nfds_t n, unsigned int port)
{
	bool any = false;

	for (nfds_t i = 0; i < n; i++) {
		p[i].revents = found(&p[i], port);
		any |= p[i].revents != 0;
	}
	return any;
}

static void at_poll(const struct pollfd *p, nfds_t n)
{
	struct {
		struct pollfd p[6];
		struct relay relay;
		struct console_ring ring;
		unsigned int n, read, received, phase;
	} state;

	memset(&state, 0, sizeof(state));
	memcpy(state.p, p, n * sizeof(*p));
	memcpy(&state.relay, &session.relay, sizeof(state.relay));
	memcpy(&state.ring, &front.endpoint.ring, sizeof(state.ring));
	state.n = f.n;
	state.read = f.read;
	state.received = f.received;
	state.phase = front.phase;
	model_forget(&state, sizeof(state));
}

int model_poll(struct pollfd *p, nfds_t n, int timeout)
{
	uint32_t wakes = 0;

	at_poll(p, n);
	for (unsigned int v = 0; v < MODEL_PORT_VALUES; v++)
		wakes |= (uint32_t)find(p, n, v) << v;
	if (wakes != 0xff)
		model_sleep_until(model_port(FRONT), wakes);
	expect(find(p, n, port_look(FRONT)), "awake without a reason");
	return 1;
}

/*
 * The front end
 */

static void set_state(enum console_state s)
{
	node_write(FRONT, (struct console_node){ s, f.n });
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int n,
			    uint32_t *refs, int writable)
{
	*refs = f.n;
	return console_page_of(f.n);
}

int frontend_new(struct frontend **out, struct xs_handle *xs, const char *sysfs,
		 const struct channel *c)
{
	*out = &front;
	front.phase = FRONTEND_VACANT;
	return 0;
}

void frontend_free(struct frontend *fe)
{
}

static void offer(void)
{
	expect(!endpoint_init(&front.endpoint, 0), "no endpoint");
	set_state(CONSOLE_STATE_INITIALISED);
	front.phase = FRONTEND_OFFERED;
}

int frontend_step(struct frontend *fe)
{
	unsigned int back = node_read(BACK).state;
	bool closes =
		back == CONSOLE_STATE_CLOSING || back == CONSOLE_STATE_CLOSED;

	if (fe->phase == FRONTEND_VACANT && back == CONSOLE_STATE_INIT_WAIT) {
		offer();
	} else if (fe->phase == FRONTEND_OFFERED &&
		   back == CONSOLE_STATE_CONNECTED) {
		set_state(CONSOLE_STATE_CONNECTED);
		fe->phase = FRONTEND_OPEN;
	} else if (fe->phase == FRONTEND_OPEN && closes) {
		set_state(CONSOLE_STATE_CLOSED);
		fe->phase = FRONTEND_HUNG_UP;
	} else if (fe->phase == FRONTEND_CLOSING &&
		   back == CONSOLE_STATE_CLOSED) {
		endpoint_deinit(&fe->endpoint);
		set_state(CONSOLE_STATE_INITIALISING);
		fe->phase = FRONTEND_CLOSED;
	}
	return 0;
}

int frontend_close(struct frontend *fe)
{
	if (fe->phase == FRONTEND_OPEN)
		set_state(CONSOLE_STATE_CLOSING);
	fe->phase = FRONTEND_CLOSING;
	return 0;
}

int64_t frontend_deadline(const struct frontend *fe)
{
	return DEADLINE_NEVER;
}

enum frontend_phase frontend_phase(const struct frontend *fe)
{
	return fe->phase;
}

void frontend_publish_open(struct frontend *fe, bool open)
{
}

int frontend_fd(const struct frontend *fe)
{
	return fe->phase == FRONTEND_OPEN ? endpoint_fd(&fe->endpoint) : -1;
}

struct endpoint *frontend_endpoint(struct frontend *fe)
{
	return &fe->endpoint;
}

int channels_read(struct xs_handle *xs, struct channels *out)
{
	return 0;
}

int channels_find(const struct channels *all, const char *name,
		  unsigned int device, const struct channel **out)
{
	*out = all->list;
	return 0;
}

int channels_watch(struct xs_handle *xs)
{
	return 0;
}

int channels_take_events(struct xs_handle *xs)
{
	port_take_watch(FRONT);
	return 0;
}

int xs_fileno(struct xs_handle *xs)
{
	return FD_STORE;
}

int lock_take(const struct lock_scope *scope, unsigned int device, int *fd_r,
	      struct lock_holder *holder_r)
{
	*fd_r = -1;
	return 0;
}

/* There is none. */
bool command_has_ended(struct command *c)
{
	return false;
}

void command_hang_up(struct command *c)
{
}

/*
 * The thread
 */

static void run_session(void)
{
	int r;

	memset(&session, 0, sizeof(session));
	memset(&front, 0, sizeof(front));
	session.deadline_ns = DEADLINE_NEVER;
	session.stop = FD_STOP;
	session.relay.in = FD_IN;
	session.relay.out = FD_OUT;
	session.keep = !traffic.ends_with_input;
	expect(!session_open(&session), "the session did not open");
	r = session_run(&session);
	session_deinit(&session);
	if (traffic.host_closes)
		expect(r == SESSION_DONE || r == SESSION_UNDELIVERED,
		       "another end than the host's");
	else
		expect(r == (traffic.ends_with_input ? SESSION_DONE
						     : SESSION_STOPPED),
		       "another end than expected");
}

void front_thread(void)
{
	for (f.n = 1; f.n < traffic.sessions; f.n++)
		run_session();
	run_session();
	if (!traffic.ends_with_input)
		expect(f.received == traffic.in, "bytes of the host were lost");
}

static void take_what_comes(void)
{
	unsigned int port;

	model_sleep_until(model_port(FRONT), 0xf0 | 1u << MODEL_PORT_PENDING);
	port = port_look(FRONT);
	if (port & MODEL_PORT_WATCH)
		port_take_watch(FRONT);
	if (port & MODEL_PORT_PENDING)
		(void)endpoint_take_event(&front.endpoint);
}

void front_that_looks(void)
{
	memset(&front, 0, sizeof(front));
	f.n = 1;
	offer();
	while (console_ring_is_connected(&front.endpoint.ring))
		take_what_comes();
	set_state(CONSOLE_STATE_CLOSING);
	for (front.phase = FRONTEND_CLOSING; front.phase != FRONTEND_CLOSED;
	     (void)frontend_step(&front))
		take_what_comes();
}
