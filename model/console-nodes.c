// SPDX-License-Identifier: MIT
#include <string.h>
#include <xengnttab.h>

#include "console.h"
#include "console/ring.h"

#define SESSIONS 2

static struct console_page pages[SESSIONS];
static uint8_t nodes[MODEL_THREADS];

static void declare_page(struct console_page *p)
{
	model_word(&p->in_cons, 4, "in_cons");
	model_word(&p->in_prod, 4, "in_prod");
	model_word(&p->out_cons, 4, "out_cons");
	model_word(&p->out_prod, 4, "out_prod");
	model_word(&p->connection, 1, "connection");
	model_payload(p->in, sizeof(p->in));
	model_payload(p->out, sizeof(p->out));
}

void console_nodes_reset(void)
{
	memset(pages, 0, sizeof(pages));
	memset(nodes, 0, sizeof(nodes));
	for (unsigned int i = 0; i < traffic.sessions; i++)
		declare_page(&pages[i]);
	model_word(&nodes[BACK], 1, "the backend's state");
	model_word(&nodes[FRONT], 1, "the front end's state");
	model_events_reset();
	(void)xenevtchn_open(NULL, 0); /* the daemon's */
}

struct console_page *console_page_of(unsigned int session)
{
	return &pages[session - 1];
}

struct console_node node_read(unsigned int end)
{
	uint8_t v = model_rmw(&nodes[end], 0xff, 0, MODEL_FULL, MODEL_SITE);

	return (struct console_node){ v & 15, v >> 4 };
}

void node_write(unsigned int end, struct console_node n)
{
	void (*die)(void) = model_die;

	/* The daemon's death does not keep xenstored from telling of it. */
	if (end == BACK)
		model_die = NULL;
	(void)model_rmw(&nodes[end], 0, (uint8_t)(n.state | n.session << 4),
			MODEL_FULL, MODEL_SITE);
	(void)model_rmw(model_port(1 - end), 0xff, MODEL_PORT_WATCH, 0,
			MODEL_SITE);
	if (end == BACK)
		model_die = die;
}

unsigned int port_look(unsigned int end)
{
	return model_rmw(model_port(end), 0xff, 0, 0, MODEL_SITE);
}

void port_take_watch(unsigned int end)
{
	(void)model_rmw(model_port(end), (uint8_t)~MODEL_PORT_WATCH, 0, 0,
			MODEL_SITE);
}

void port_close(unsigned int end)
{
	(void)model_rmw(model_port(end), MODEL_PORT_WATCH, 0, 0, MODEL_SITE);
}

/*
 * Grants
 */

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref,
			      int prot)
{
	return console_page_of(ref);
}

int xengnttab_unmap(xengnttab_handle *h, void *p, uint32_t n)
{
	return 0;
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *l,
				 unsigned int flags)
{
	return (xengntshr_handle *)(void *)pages;
}

int xengntshr_close(xengntshr_handle *h)
{
	return 0;
}

int xengntshr_unshare(xengntshr_handle *h, void *p, uint32_t n)
{
	return 0;
}
