/* SPDX-License-Identifier: MIT */
/*
 * For tests on the in-process host: a server in domain 1 and a client in domain
 * 2, and the two ends made by hand, for peers that lie. Only the public API, so
 * that the tests can run against any libxenvchan.
 */
#ifndef XENCHAN_VCHAN_TEST_PAIR_H
#define XENCHAN_VCHAN_TEST_PAIR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "libxenvchan.h"
#include "xenhost/fake/fake-host.h"

#define SERVER 1u
#define CLIENT 2u
#define NAME "data/vchan-1"
#define FULL_NAME "/local/domain/1/" NAME

static inline void write_node(const char *base, const char *key,
			      const char *value)
{
	struct xs_handle *xs = xs_open(0);
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", base, key);
	if (!xs || !xs_write(xs, 0, path, value, (unsigned int)strlen(value)))
		abort();
	xs_close(xs);
}

/* A fresh host with both domains; the thread plays the server's. */
static inline void new_world(void)
{
	fake_host_reset();
	if (fake_host_create(SERVER) || fake_host_create(CLIENT))
		abort();
	fake_host_set_domain(SERVER);
}

static inline struct libxenvchan *serve(size_t read_min, size_t write_min)
{
	fake_host_set_domain(SERVER);
	return libxenvchan_server_init(NULL, CLIENT, NAME, read_min, write_min);
}

static inline struct libxenvchan *join(void)
{
	fake_host_set_domain(CLIENT);
	return libxenvchan_client_init(NULL, SERVER, FULL_NAME);
}

/* Closes an end as its own domain. NULL is allowed. */
static inline void leave(struct libxenvchan *v, unsigned int domid)
{
	fake_host_set_domain(domid);
	if (v)
		libxenvchan_close(v);
}

/* A copy of a node's value, or NULL. */
static inline char *read_node(const char *base, const char *key)
{
	struct xs_handle *xs = xs_open(0);
	char path[4096], *value;

	snprintf(path, sizeof(path), "%s/%s", base, key);
	value = xs_read(xs, 0, path, NULL);
	xs_close(xs);
	return value;
}

/* A server's page and nodes without a library behind them. */
struct forged_server {
	xengntshr_handle *gntshr;
	xenevtchn_handle *event;
	int port;
	struct vchan_interface *ring;
	void *pages; /* what grants[] lists */
	unsigned int n_pages;
};

static inline void share_with_client(const char *key)
{
	struct xs_permissions perms[2] = { { SERVER, XS_PERM_NONE },
					   { CLIENT, XS_PERM_READ } };
	struct xs_handle *xs = xs_open(0);
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", NAME, key);
	if (!xs_set_permissions(xs, 0, path, perms, 2))
		abort();
	xs_close(xs);
}

static inline void forge_node(const char *key, const char *value)
{
	fake_host_set_domain(SERVER);
	write_node(NAME, key, value);
	share_with_client(key);
}

/* The page lists n_pages grants and claims the two orders, whatever they are. */
static inline void forge_server(struct forged_server *s, unsigned int left,
				unsigned int right, unsigned int n_pages)
{
	uint32_t ref, refs[1024];
	char number[16];

	fake_host_set_domain(SERVER);
	s->gntshr = xengntshr_open(NULL, 0);
	s->event = xenevtchn_open(NULL, 0);
	s->port = xenevtchn_bind_unbound_port(s->event, CLIENT);
	s->ring = xengntshr_share_page_notify(s->gntshr, CLIENT, &ref, 1, 21,
					      (evtchn_port_t)s->port);
	s->n_pages = n_pages;
	s->pages = n_pages ? xengntshr_share_pages(s->gntshr, CLIENT,
						   (int)n_pages, refs, 1)
			   : NULL;
	if (!s->ring || (n_pages && !s->pages))
		abort();
	s->ring->left_order = (uint16_t)left;
	s->ring->right_order = (uint16_t)right;
	s->ring->cli_live = 2;
	s->ring->srv_live = 1;
	s->ring->cli_notify = VCHAN_NOTIFY_WRITE;
	memcpy((char *)s->ring + 24, refs, n_pages * sizeof(*refs));
	snprintf(number, sizeof(number), "%u", ref);
	forge_node("ring-ref", number);
	snprintf(number, sizeof(number), "%d", s->port);
	forge_node("event-channel", number);
}

static inline void unforge_server(struct forged_server *s)
{
	fake_host_set_domain(SERVER);
	if (s->pages)
		xengntshr_unshare(s->gntshr, s->pages, s->n_pages);
	xengntshr_unshare(s->gntshr, s->ring, 1);
	xengntshr_close(s->gntshr);
	xenevtchn_close(s->event);
}

#endif
