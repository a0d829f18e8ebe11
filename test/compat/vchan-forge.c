// SPDX-License-Identifier: MIT
/*
 * A server without a libxenvchan: it shares pages, writes nodes, and claims
 * whatever orders it is told to, as told by lockstep.h.
 *
 *   forge DOMID PATH LEFT RIGHT   offers a vchan with these orders
 *   write, read N                 not blocking
 *   live                          the client's live byte
 *   close
 *
 * xenvchan(7) is what it was written from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/libxenvchan.h>

#include "lockstep.h"

#define ORDER_MIN_PAGES 12
/* Beyond these there are no grants, whatever the orders say. */
#define ORDER_MAX_PAGES 21
#define MAX_GRANTS 768 /* of 1018 that fit into the page */

struct ring {
	struct ring_shared *shr;
	uint8_t *data;
	uint32_t size;
};

static struct {
	xengntshr_handle *gntshr;
	xenevtchn_handle *event;
	struct xs_handle *xs;
	int domid;
	evtchn_port_t port;
	struct vchan_interface *page;
	void *pages;
	unsigned int n_pages;
	const char *path;
	struct ring in, out;
} s;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(2);
}

static unsigned int n_grants(unsigned int order)
{
	if (order < ORDER_MIN_PAGES || order > ORDER_MAX_PAGES)
		return 0;
	return 1u << (order - ORDER_MIN_PAGES);
}

static void publish(const char *key, unsigned int value)
{
	struct xs_permissions perms[2] = { { .perms = XS_PERM_NONE },
					   { .id = (unsigned int)s.domid,
					     .perms = XS_PERM_READ } };
	char path[512], text[16];
	unsigned int n;

	snprintf(path, sizeof(path), "%s/%s", s.path, key);
	n = (unsigned int)snprintf(text, sizeof(text), "%u", value);
	must(xs_write(s.xs, XBT_NULL, path, text, n), path);
	/* The owner stays who it is. */
	struct xs_permissions *old =
		xs_get_permissions(s.xs, XBT_NULL, path, &n);
	must(old, path);
	perms[0].id = old->id;
	free(old);
	must(xs_set_permissions(s.xs, XBT_NULL, path, perms, 2), path);
}

static uint32_t share(unsigned int left, unsigned int right)
{
	uint32_t ref, refs[MAX_GRANTS];

	s.page = xengntshr_share_page_notify(
		s.gntshr, (uint32_t)s.domid, &ref, 1,
		offsetof(struct vchan_interface, srv_live), s.port);
	must(s.page, "xengntshr_share_page_notify");
	s.n_pages = n_grants(left) + n_grants(right);
	if (!s.n_pages || s.n_pages > MAX_GRANTS)
		return ref;
	s.pages = xengntshr_share_pages(s.gntshr, (uint32_t)s.domid,
					(int)s.n_pages, refs, 1);
	must(s.pages, "xengntshr_share_pages");
	memcpy(s.page->grants, refs, s.n_pages * sizeof(*refs));
	return ref;
}

static struct ring make_ring(struct ring_shared *shr, unsigned int order,
			     uint8_t *pages)
{
	struct ring r = { .shr = shr };

	if (order > ORDER_MAX_PAGES)
		return r;
	r.size = 1u << order;
	r.data = order < ORDER_MIN_PAGES ? (uint8_t *)s.page + r.size : pages;
	return r;
}

static void cmd_forge(char **args)
{
	unsigned int left = (unsigned int)atoi(args[2]);
	unsigned int right = (unsigned int)atoi(args[3]);
	static char path[512];
	uint32_t ref;
	int port;

	snprintf(path, sizeof(path), "%s", args[1]);
	s.path = path;
	s.domid = atoi(args[0]);
	s.gntshr = xengntshr_open(NULL, 0);
	s.event = xenevtchn_open(NULL, 0);
	s.xs = xs_open(0);
	must(s.gntshr && s.event && s.xs, "open");
	port = xenevtchn_bind_unbound_port(s.event, (uint32_t)s.domid);
	must(port > 0, "xenevtchn_bind_unbound_port");
	s.port = (evtchn_port_t)port;
	ref = share(left, right);
	s.page->left_order = (uint16_t)left;
	s.page->right_order = (uint16_t)right;
	s.page->cli_live = 2;
	s.page->srv_live = 1;
	s.page->cli_notify = VCHAN_NOTIFY_WRITE;
	s.in = make_ring(&s.page->left, left, s.pages);
	s.out = make_ring(&s.page->right, right,
			  (uint8_t *)s.pages + n_grants(left) * 4096);
	publish("ring-ref", ref);
	publish("event-channel", s.port);
	lockstep_rewind(true);
	answer("ok");
}

static void copy(const struct ring *r, uint32_t at, uint8_t *data, uint32_t n,
		 bool out)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *place = &r->data[(at + i) & (r->size - 1)];

		if (out)
			*place = data[i];
		else
			data[i] = *place;
	}
}

static uint32_t at_most(size_t size, uint32_t n)
{
	return size < n ? (uint32_t)size : n;
}

static void cmd_write(char **args)
{
	size_t size = strtoul(args[0], NULL, 10);
	const uint8_t *data = lockstep_out(size);
	uint32_t prod = s.out.shr->prod;
	uint32_t cons = __atomic_load_n(&s.out.shr->cons, __ATOMIC_ACQUIRE);
	uint32_t n = at_most(size, s.out.size - (prod - cons));

	copy(&s.out, prod, (uint8_t *)(uintptr_t)data, n, true);
	__atomic_store_n(&s.out.shr->prod, prod + n, __ATOMIC_RELEASE);
	xenevtchn_notify(s.event, s.port);
	lockstep_sent(n);
	answer_result(n);
}

static void cmd_read(char **args)
{
	size_t size = strtoul(args[0], NULL, 10);
	uint8_t *data = lockstep_in(size);
	uint32_t cons = s.in.shr->cons;
	uint32_t prod = __atomic_load_n(&s.in.shr->prod, __ATOMIC_ACQUIRE);
	uint32_t n = at_most(size, prod - cons);

	copy(&s.in, cons, data, n, false);
	__atomic_store_n(&s.in.shr->cons, cons + n, __ATOMIC_RELEASE);
	xenevtchn_notify(s.event, s.port);
	answer_received(n);
}

static void cmd_live(char **args)
{
	answer("%u", __atomic_load_n(&s.page->cli_live, __ATOMIC_ACQUIRE));
}

static void cmd_close(char **args)
{
	s.page->srv_live = 0;
	xs_rm(s.xs, XBT_NULL, s.path);
	if (s.pages)
		xengntshr_unshare(s.gntshr, s.pages, s.n_pages);
	xengntshr_unshare(s.gntshr, s.page, 1);
	xengntshr_close(s.gntshr);
	xenevtchn_close(s.event);
	xs_close(s.xs);
	memset(&s, 0, sizeof(s));
	answer("closed");
}

static const struct lockstep_command commands[] = {
	{ "forge", 4, cmd_forge }, { "write", 1, cmd_write },
	{ "read", 1, cmd_read },   { "live", 0, cmd_live },
	{ "close", 0, cmd_close }, { NULL, 0, NULL },
};

int main(void)
{
	lockstep_run(commands);
	return 0;
}
