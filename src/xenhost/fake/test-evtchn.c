// SPDX-License-Identifier: MIT
/* What Xen and Linux do with event channels. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <xenevtchn.h>

#include "xenhost/fake/fake-host.h"

/* A server in domain 1 and a client in domain 2, bound to each other; the
 * client's first event is taken. */
struct pair {
	xenevtchn_handle *s, *c;
	evtchn_port_t sp, cp;
};

static bool readable(xenevtchn_handle *h)
{
	struct pollfd p = { .fd = xenevtchn_fd(h), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void take(xenevtchn_handle *h, evtchn_port_t port)
{
	assert_true(readable(h));
	assert_int_equal(xenevtchn_pending(h), port);
}

static xenevtchn_handle *open_in(unsigned int domid)
{
	xenevtchn_handle *h;

	fake_host_set_domain(domid);
	h = xenevtchn_open(NULL, 0);
	assert_non_null(h);
	return h;
}

static int set_up(void **state)
{
	static struct pair t;

	fake_host_reset();
	fake_host_create(1);
	fake_host_create(2);
	t.s = open_in(1);
	t.c = open_in(2);
	t.sp = xenevtchn_bind_unbound_port(t.s, 2);
	t.cp = xenevtchn_bind_interdomain(t.c, 1, t.sp);
	take(t.c, t.cp);
	assert_int_equal(xenevtchn_unmask(t.c, t.cp), 0);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *t = *state;

	xenevtchn_close(t->s);
	xenevtchn_close(t->c);
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) > 0;
}

static void binding_leaves_one_event_at_the_binder(void **state)
{
	struct pair *t = *state;
	int sp = xenevtchn_bind_unbound_port(t->s, 2);
	int cp = xenevtchn_bind_interdomain(t->c, 1, sp);

	assert_true(sp > 0 && cp > 0);
	assert_false(readable(t->s));
	take(t->c, cp);
	assert_false(readable(t->c));
}

static void an_event_is_delivered_once_and_masks_its_port(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
	assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
	take(t->s, t->sp);
	assert_false(readable(t->s));
	/* Masked: it waits. */
	assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
	assert_false(readable(t->s));
	assert_int_equal(xenevtchn_unmask(t->s, t->sp), 0);
	take(t->s, t->sp);
	assert_int_equal(xenevtchn_unmask(t->s, t->sp), 0);
	assert_false(readable(t->s));
	assert_int_equal(fake_host_calls_in(2, FAKE_NOTIFY), 3);
}

static void unmasking_what_is_not_masked_changes_nothing(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_unmask(t->s, t->sp), 0);
	assert_false(readable(t->s));
	xenevtchn_notify(t->c, t->cp);
	assert_int_equal(xenevtchn_unmask(t->s, t->sp), 0);
	take(t->s, t->sp);
	/* The kernel passes over ports that are not the handle's. */
	assert_int_equal(xenevtchn_unmask(t->s, 4000), 0);
}

static void both_directions_are_independent(void **state)
{
	struct pair *t = *state;

	xenevtchn_notify(t->s, t->sp);
	assert_false(readable(t->s));
	take(t->c, t->cp);
}

static void every_pending_port_gets_its_turn(void **state)
{
	struct pair *t = *state;
	int sp = xenevtchn_bind_unbound_port(t->s, 2);
	int cp = xenevtchn_bind_interdomain(t->c, 1, sp);
	int first, second;

	take(t->c, cp);
	xenevtchn_notify(t->c, t->cp);
	xenevtchn_notify(t->c, cp);
	first = xenevtchn_pending(t->s);
	assert_true(readable(t->s));
	second = xenevtchn_pending(t->s);
	assert_false(readable(t->s));
	assert_int_equal(first + second, (int)t->sp + sp);
	assert_int_not_equal(first, second);
	/* A busy port does not starve the other. */
	xenevtchn_unmask(t->s, first);
	xenevtchn_unmask(t->s, second);
	for (int i = 0; i < 4; i++) {
		int port;

		xenevtchn_notify(t->c, t->cp);
		xenevtchn_notify(t->c, cp);
		port = xenevtchn_pending(t->s);
		assert_int_equal(port, i % 2 ? second : first);
		xenevtchn_unmask(t->s, port);
	}
}

static void a_second_client_is_refused(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, t->sp), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 1);
}

static void a_port_is_for_one_domain(void **state)
{
	struct pair *t = *state;
	int sp = xenevtchn_bind_unbound_port(t->s, 7);

	/* Domain 7 need not exist. */
	assert_true(sp > 0);
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, sp), -1);
	assert_int_equal(errno, EINVAL);
}

static void the_liveness_probe(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 5, 0), -1);
	assert_int_equal(errno, ESRCH);
	fake_host_destroy(1);
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 1);
}

static void notify_wants_a_port_of_this_handle(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_notify(t->s, 4000), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(xenevtchn_notify(t->s, t->cp), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(xenevtchn_unbind(t->s, t->cp), -1);
	assert_int_equal(errno, ENOTCONN);
}

static void a_port_without_peer_is_silent(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xenevtchn_unbind(t->c, t->cp), 0);
	/* No event tells the server. */
	assert_false(readable(t->s));
	assert_int_equal(xenevtchn_notify(t->s, t->sp), 0);
	/* It waits for domain 2 again. */
	t->cp = xenevtchn_bind_interdomain(t->c, 1, t->sp);
	take(t->c, t->cp);
	xenevtchn_notify(t->s, t->sp);
	assert_false(readable(t->c));
	xenevtchn_unmask(t->c, t->cp);
	take(t->c, t->cp);
}

static void unbinding_takes_the_event_along(void **state)
{
	struct pair *t = *state;

	xenevtchn_notify(t->c, t->cp);
	assert_true(readable(t->s));
	xenevtchn_unbind(t->s, t->sp);
	assert_false(readable(t->s));
	assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
}

static void closing_unbinds(void **state)
{
	struct pair *t = *state;

	xenevtchn_close(t->c);
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 0);
	t->c = open_in(2);
	assert_true(xenevtchn_bind_interdomain(t->c, 1, t->sp) > 0);
}

static void loopback_in_one_domain(void **state)
{
	struct pair *t = *state;
	int a = xenevtchn_bind_unbound_port(t->s, 1);
	int b = xenevtchn_bind_interdomain(t->s, 1, a);

	assert_true(b > 0);
	take(t->s, b);
	xenevtchn_notify(t->s, b);
	take(t->s, a);
}

static void ports_run_out(void **state)
{
	struct pair *t = *state;

	fake_host_set_port_limit(2);
	assert_true(xenevtchn_bind_unbound_port(t->s, 2) > 0);
	assert_int_equal(xenevtchn_bind_unbound_port(t->s, 2), -1);
	assert_int_equal(errno, ENOSPC);
}

static void own_and_peer_ports_have_different_numbers(void **state)
{
	struct pair *t = *state;

	assert_int_not_equal(t->sp, t->cp);
}

static void a_nonblocking_descriptor_is_respected(void **state)
{
	struct pair *t = *state;
	int fd = xenevtchn_fd(t->s);

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK),
			 0);
	assert_int_equal(xenevtchn_pending(t->s), -1);
	assert_int_equal(errno, EAGAIN);
}

static void *ping(void *arg)
{
	struct pair *t = arg;

	for (int i = 0; i < 1000; i++) {
		if (xenevtchn_pending(t->s) != (int)t->sp)
			return NULL;
		xenevtchn_unmask(t->s, t->sp);
		xenevtchn_notify(t->s, t->sp);
	}
	return t;
}

static void pending_sleeps_until_the_event(void **state)
{
	struct pair *t = *state;
	pthread_t thread;
	void *ok;

	assert_int_equal(pthread_create(&thread, NULL, ping, t), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
		assert_int_equal(xenevtchn_pending(t->c), t->cp);
		xenevtchn_unmask(t->c, t->cp);
	}
	pthread_join(thread, &ok);
	assert_non_null(ok);
}

/* Several senders to one handle: the descriptor is exact at the end. */
static void *flood(void *arg)
{
	struct pair *t = arg;

	for (int i = 0; i < 20000; i++)
		xenevtchn_notify(t->c, t->cp);
	return NULL;
}

static void readable_means_pending_under_load(void **state)
{
	struct pair *t = *state;
	struct pair other = *t;
	pthread_t threads[2];

	other.sp = xenevtchn_bind_unbound_port(t->s, 2);
	other.cp = xenevtchn_bind_interdomain(t->c, 1, other.sp);
	pthread_create(&threads[0], NULL, flood, t);
	pthread_create(&threads[1], NULL, flood, &other);
	for (int i = 0; i < 20000; i++)
		if (readable(t->s))
			xenevtchn_unmask(t->s, xenevtchn_pending(t->s));
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	for (int n = 0; readable(t->s); n++) {
		assert_true(n < 2);
		assert_true(xenevtchn_pending(t->s) > 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(binding_leaves_one_event_at_the_binder),
		T(an_event_is_delivered_once_and_masks_its_port),
		T(unmasking_what_is_not_masked_changes_nothing),
		T(both_directions_are_independent),
		T(every_pending_port_gets_its_turn),
		T(a_second_client_is_refused),
		T(a_port_is_for_one_domain),
		T(the_liveness_probe),
		T(notify_wants_a_port_of_this_handle),
		T(a_port_without_peer_is_silent),
		T(unbinding_takes_the_event_along),
		T(closing_unbinds),
		T(loopback_in_one_domain),
		T(ports_run_out),
		T(own_and_peer_ports_have_different_numbers),
		T(a_nonblocking_descriptor_is_respected),
		T(pending_sleeps_until_the_event),
		T(readable_means_pending_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
