/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a console ring under test: the daemon's channel, and a
 * session of `xenchan channel open`. xenstore orders everything: each end's
 * state is a word that only full read-modify-writes touch, and a change is a
 * watch event for the other end.
 */
#ifndef XENCHAN_MODEL_CONSOLE_H
#define XENCHAN_MODEL_CONSOLE_H

#include "xen.h"

enum {
	BACK,
	FRONT,
};

/* What passes in a scenario. */
struct console_traffic {
	unsigned int out, in; /* bytes of the guest, of the host's client */
	/* The end of the guest's input is the end; or what has come. */
	bool ends_with_input;
	unsigned int sessions;
	unsigned int first_in; /* the first of two ends when these have come */
	bool host_closes;      /* when it has sent all */
	bool client_leaves;    /* and the guest is told */
};

extern struct console_traffic traffic;

/* How a byte of either direction looks. */
static inline uint8_t out_byte(unsigned int i)
{
	return (uint8_t)(0x41 + i);
}

static inline uint8_t in_byte(unsigned int i)
{
	return (uint8_t)(0x61 + i);
}

static inline void expect(bool ok, const char *what)
{
	if (!ok)
		model_fail(what);
}

/* In set_up: the pages and nodes. */
void console_nodes_reset(void);
void back_set_up(void);
void front_set_up(void);

void back_thread(void);
void front_thread(void);
/* Stays until it is told that the client has left. */
void front_that_looks(void);

/* State in xenstore, and which session's ring it is about. */
struct console_node {
	unsigned int state, session;
};

struct console_node node_read(unsigned int end);
void node_write(unsigned int end, struct console_node n);

/* What is there for this end: a set of MODEL_PORT_*. */
unsigned int port_look(unsigned int end);
void port_take_watch(unsigned int end);
void port_close(unsigned int end);

/* The page of a session. */
struct console_page;
struct console_page *console_page_of(unsigned int session);

#endif
