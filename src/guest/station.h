/* SPDX-License-Identifier: MIT */
/*
 * One channel as the daemon serves it: its front end, its terminal, its agent.
 */
#ifndef XENCHAN_GUEST_STATION_H
#define XENCHAN_GUEST_STATION_H

#include "guest/agent.h"
#include "guest/frontend.h"
#include "guest/lock.h"
#include "guest/pty.h"
#include "guest/relay.h"

/* What all stations share; borrowed. */
struct station_env {
	struct xs_handle *xs;
	const char *sysfs; /* of kernel_sysfs() */
	struct lock_scope scope;
	const char *agents; /* directory */
	int64_t delay_min_ns;
	int inotify; /* tells who opens a terminal */
	void (*say)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
};

enum station_state {
	/* Nothing, until a channel appears; not before retry_ns. */
	STATION_EMPTY,
	/* Everything. */
	STATION_SERVING,
	/* The same, but the front end closes. */
	STATION_CLOSING,
	/*
	 * Lock, terminal and agent, but no front end: QEMU serves the channel,
	 * and the kernel has it. The terminal is the kernel's.
	 */
	STATION_BORROWING,
	/* Only an agent that has been asked to end. */
	STATION_ENDING,
};

struct station {
	const struct station_env *env;
	unsigned int device;
	enum station_state state;
	int64_t retry_ns;
	int last_error; /* said already */
	bool broken;    /* by the backend: not to be retried soon */
	char name[CONSOLE_NAME_MAX + 1];
	int lock;
	struct frontend *frontend;
	bool announced;     /* that the front end is open */
	int64_t hung_up_ns; /* when; 0: it is not */
	int64_t stop_ns;    /* when station_close() was called; 0: not yet */
	int64_t quiet_ns;   /* since when nothing is left to move; 0: it is */
	int64_t look_ns;    /* when to look whether that is so; 0: never */
	struct pty pty;
	int watch; /* inotify's, of the terminal; -1: none */
	bool pty_open;
	struct agent agent;
	int agent_error; /* said already */
	struct relay relay;
};

void station_init(struct station *s, const struct station_env *env,
		  unsigned int device);

/* Takes a channel up, if the station is empty and it is time. */
void station_offer(struct station *s, const struct channel *c);

/* There is no such device: the next one is another, and need not wait. */
void station_forget(struct station *s);

/* Looks at the nodes and at the clock, and does what is due. */
void station_step(struct station *s);

/* Somebody opened the terminal. */
void station_pty_opened(struct station *s);

/* A process has ended; perhaps the agent. The agents' directory has changed. */
void station_check_agent(struct station *s);

/* Should it run now? */
bool station_wants_agent(const struct station *s);

/* The backend sent an event. */
void station_take_event(struct station *s);

/* Moves bytes. */
void station_move(struct station *s);

/*
 * Begins to end: the agent gets SIGTERM, and what it has written until it ends
 * goes to the host, if that takes it in time. Go on until the state is STATION_EMPTY. */
void station_close(struct station *s);

/* What to poll(2) for; descriptors may be -1. */
int station_event_fd(const struct station *s);
int station_pty_fd(struct station *s, short *events_r);
int64_t station_deadline(const struct station *s);

#endif
