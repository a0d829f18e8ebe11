/* SPDX-License-Identifier: MIT */
/*
 * For tests: the other side of the guest's channels, by hand. The toolstack's
 * nodes, and a backend's moves one by one. On the in-process host, where the
 * thread plays domain 0 in these calls and GUEST otherwise.
 */
#ifndef XENCHAN_GUEST_TEST_HOST_H
#define XENCHAN_GUEST_TEST_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "console/ring.h"
#include "console/schema.h"
#include "xenhost/fake/fake-host.h"

#define GUEST 1u

struct host {
	struct xs_handle *xs; /* of the thread's domain, whichever that is */
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	struct console_page *page;
	struct console_ring ring;
	evtchn_port_t port;
};

static struct host host;

static inline void host_put(const char *path, const char *value,
			    struct xs_permissions *perms)
{
	fake_host_set_domain(0);
	assert_true(xs_write(host.xs, XBT_NULL, path, value,
			     (unsigned int)strlen(value)));
	if (perms)
		assert_true(
			xs_set_permissions(host.xs, XBT_NULL, path, perms, 2));
	fake_host_set_domain(GUEST);
}

static inline void host_init(void)
{
	struct xs_permissions reads[] = { { 0, XS_PERM_NONE },
					  { GUEST, XS_PERM_READ } };

	fake_host_reset();
	assert_int_equal(fake_host_create(GUEST), 0);
	fake_host_set_domain(0);
	host = (struct host){ .xs = xs_open(0),
			      .gnttab = xengnttab_open(NULL, 0),
			      .evtchn = xenevtchn_open(NULL, 0) };
	assert_non_null(host.xs);
	host_put("/local/domain/1", "", reads);
	host_put("/local/domain/1/domid", "1", NULL);
	host_put("/local/domain/1/device", "", reads);
	host_put("/local/domain/1/device/console", "", reads);
}

static inline void host_set(unsigned int device, const char *key,
			    const char *value)
{
	struct console_path p;

	host_put(console_backend_path(&p, 0, GUEST, device, key), value, NULL);
}

static inline void host_set_state(unsigned int device, enum console_state s)
{
	host_set(device, CONSOLE_BE_STATE, console_state_text(s));
}

/* As libxl does, as far as a guest can see. */
static inline void host_attach(unsigned int device, const char *name)
{
	struct xs_permissions owns[] = { { GUEST, XS_PERM_NONE },
					 { 0, XS_PERM_READ } };
	struct xs_permissions reads[] = { { 0, XS_PERM_NONE },
					  { GUEST, XS_PERM_READ } };
	struct console_path be, p;

	console_backend_path(&be, 0, GUEST, device, NULL);
	host_put(be.s, "", reads);
	host_set(device, CONSOLE_BE_ONLINE, "1");
	host_set_state(device, CONSOLE_STATE_INIT_WAIT);
	host_put(console_frontend_path(&p, GUEST, device, NULL), "", owns);
	host_put(console_frontend_path(&p, GUEST, device, CONSOLE_FE_BACKEND),
		 be.s, owns);
	host_put(console_frontend_path(&p, GUEST, device, CONSOLE_FE_STATE),
		 "1", owns);
	if (name)
		host_put(console_frontend_path(&p, GUEST, device,
					       CONSOLE_FE_NAME),
			 name, reads);
}

static inline void host_remove(unsigned int device)
{
	struct console_path p;

	fake_host_set_domain(0);
	xs_rm(host.xs, XBT_NULL,
	      console_frontend_path(&p, GUEST, device, NULL));
	xs_rm(host.xs, XBT_NULL,
	      console_backend_path(&p, 0, GUEST, device, NULL));
	fake_host_set_domain(GUEST);
}

/* What the guest has written; 0 if it has not. */
static inline unsigned int host_guest_number(unsigned int device,
					     const char *key)
{
	struct console_path p;
	_cleanup_free_ char *text = NULL;

	fake_host_set_domain(0);
	text = xs_read(host.xs, XBT_NULL,
		       console_frontend_path(&p, GUEST, device, key), NULL);
	fake_host_set_domain(GUEST);
	return text ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

static inline unsigned int host_guest_state(unsigned int device)
{
	return host_guest_number(device, CONSOLE_FE_STATE);
}

/* Maps the ring, binds the port, state 4. */
static inline void host_connect(unsigned int device)
{
	uint32_t ref = host_guest_number(device, CONSOLE_FE_RING_REF);
	uint32_t port = host_guest_number(device, CONSOLE_FE_PORT);
	int local;

	fake_host_set_domain(0);
	host.page = xengnttab_map_grant_ref(host.gnttab, GUEST, ref, 3);
	assert_non_null(host.page);
	local = xenevtchn_bind_interdomain(host.evtchn, GUEST, port);
	assert_true(local > 0);
	host.port = (evtchn_port_t)local;
	assert_int_equal(console_ring_attach_backend(&host.ring, host.page), 0);
	host_set_state(device, CONSOLE_STATE_CONNECTED);
}

static inline void host_unmap(void)
{
	fake_host_set_domain(0);
	xengnttab_unmap(host.gnttab, host.page, 1);
	xenevtchn_unbind(host.evtchn, host.port);
	host.page = NULL;
	fake_host_set_domain(GUEST);
}

static inline void host_write(const char *text)
{
	size_t n;

	assert_int_equal(console_ring_write(&host.ring, text, strlen(text), &n),
			 0);
	assert_int_equal(n, strlen(text));
	fake_host_set_domain(0);
	xenevtchn_notify(host.evtchn, host.port);
	fake_host_set_domain(GUEST);
}

static inline void host_expect(const char *text)
{
	char buf[CONSOLE_RING_OUT_SIZE];
	size_t n;

	assert_int_equal(console_ring_read(&host.ring, buf, sizeof(buf), &n),
			 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
	fake_host_set_domain(0);
	xenevtchn_notify(host.evtchn, host.port);
	fake_host_set_domain(GUEST);
}

/* Nothing of the guest's may be left but its nodes. */
static inline void host_deinit(void)
{
	unsigned int left =
		fake_host_live(GUEST, FAKE_SHARED_PAGES) +
		fake_host_live(GUEST, FAKE_PORTS) +
		fake_host_live(GUEST, FAKE_GNTSHR_HANDLES) +
		fake_host_live(GUEST, FAKE_EVTCHN_HANDLES) +
		fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_WATCHES) +
		fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_TRANSACTIONS);

	assert_int_equal(left, 0);
	fake_host_set_domain(0);
	xenevtchn_close(host.evtchn);
	xengnttab_close(host.gnttab);
	xs_close(host.xs);
	fake_host_reset();
}

#endif
