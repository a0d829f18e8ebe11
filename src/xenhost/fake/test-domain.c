// SPDX-License-Identifier: MIT
/* How processes and domains end, and what the survivors see of it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "xenhost/fake/fake-host.h"

enum { RW = PROT_READ | PROT_WRITE, CLIENT_BYTE = 20, SERVER_BYTE = 21 };

/* What a vchan consists of: a page with a byte for each end, a port each. */
struct pair {
	xengntshr_handle *shr;
	xengnttab_handle *tab;
	xenevtchn_handle *s, *c;
	evtchn_port_t sp, cp;
	uint32_t ref;
	char *server, *client;
};

static int set_up(void **state)
{
	static struct pair t;

	fake_host_reset();
	fake_host_create(1);
	fake_host_create(2);
	fake_host_set_domain(1);
	t.shr = xengntshr_open(NULL, 0);
	t.s = xenevtchn_open(NULL, 0);
	t.sp = xenevtchn_bind_unbound_port(t.s, 2);
	t.server = xengntshr_share_page_notify(t.shr, 2, &t.ref, 1, SERVER_BYTE,
					       t.sp);
	fake_host_set_domain(2);
	t.tab = xengnttab_open(NULL, 0);
	t.c = xenevtchn_open(NULL, 0);
	t.cp = xenevtchn_bind_interdomain(t.c, 1, t.sp);
	t.client = xengnttab_map_grant_ref_notify(t.tab, 1, t.ref, RW,
						  CLIENT_BYTE, t.cp);
	t.server[CLIENT_BYTE] = t.server[SERVER_BYTE] = 1;
	xenevtchn_unmask(t.c, xenevtchn_pending(t.c));
	*state = &t;
	return !(t.server && t.client);
}

static int tear_down(void **state)
{
	struct pair *t = *state;

	xengnttab_unmap(t->tab, t->client, 1);
	xengntshr_unshare(t->shr, t->server, 1);
	xengnttab_close(t->tab);
	xengntshr_close(t->shr);
	xenevtchn_close(t->s);
	xenevtchn_close(t->c);
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) > 0 ||
	       fake_host_memory_pages() > 0;
}

static bool readable(xenevtchn_handle *h)
{
	struct pollfd p = { .fd = xenevtchn_fd(h), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void unmapping_clears_the_byte_and_sends_the_event(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xengnttab_unmap(t->tab, t->client, 1), 0);
	assert_int_equal(t->server[CLIENT_BYTE], 0);
	assert_int_equal(t->server[SERVER_BYTE], 1);
	assert_true(readable(t->s));
	assert_false(readable(t->c));
}

static void unsharing_too(void **state)
{
	struct pair *t = *state;

	assert_int_equal(xengntshr_unshare(t->shr, t->server, 1), 0);
	assert_int_equal(t->client[SERVER_BYTE], 0);
	assert_int_equal(t->client[CLIENT_BYTE], 1);
	assert_true(readable(t->c));
}

static void a_notification_keeps_its_port_bound(void **state)
{
	struct pair *t = *state;

	/* So that it does not matter in which order a process closes. */
	xenevtchn_unbind(t->c, t->cp);
	assert_int_equal(xenevtchn_notify(t->c, t->cp), -1);
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 1);
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, t->sp), -1);
	assert_int_equal(xengnttab_unmap(t->tab, t->client, 1), 0);
	assert_true(readable(t->s));
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 0);
}

static void a_notification_wants_a_port_of_its_domain(void **state)
{
	struct pair *t = *state;

	assert_null(xengnttab_map_grant_ref_notify(t->tab, 1, t->ref, RW,
						   CLIENT_BYTE, t->sp));
	assert_int_equal(errno, EINVAL);
	assert_null(xengntshr_share_page_notify(t->shr, 2, &t->ref, 1,
						SERVER_BYTE, 4095));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fake_host_live(2, FAKE_MAPPED_PAGES), 1);
	assert_int_equal(fake_host_live(1, FAKE_SHARED_PAGES), 1);
}

static void the_death_of_a_client_is_seen_by_the_server(void **state)
{
	struct pair *t = *state;

	fake_host_kill_handles(2);
	assert_int_equal(t->server[CLIENT_BYTE], 0);
	assert_true(readable(t->s));
	assert_int_equal(fake_host_live_total(2), 0);
	/* The port waits for the next one. */
	fake_host_set_domain(2);
	xenevtchn_close(t->c);
	t->c = xenevtchn_open(NULL, 0);
	assert_true(xenevtchn_bind_interdomain(t->c, 1, t->sp) > 0);
}

static void the_death_of_a_server_is_seen_by_the_client(void **state)
{
	struct pair *t = *state;

	t->server[100] = 'x';
	fake_host_kill_handles(1);
	assert_int_equal(t->client[SERVER_BYTE], 0);
	assert_int_equal(t->client[100], 'x');
	assert_true(readable(t->c));
	assert_int_equal(fake_host_live_total(1), 0);
	assert_true(fake_host_exists(1));
	assert_int_equal(xenevtchn_notify(t->c, t->cp), 0);
}

static void one_process_of_a_domain_dies_alone(void **state)
{
	struct pair *t = *state;
	xenevtchn_handle *h;

	fake_host_set_process(2, 7);
	h = xenevtchn_open(NULL, 0);
	assert_true(xenevtchn_bind_unbound_port(h, 1) > 0);
	fake_host_kill_process(2, 7);
	assert_int_equal(xenevtchn_bind_unbound_port(h, 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(xenevtchn_close(h), 0);
	assert_int_equal(fake_host_live(2, FAKE_PORTS), 1);
	assert_int_equal(t->server[CLIENT_BYTE], 1);
}

static void handles_of_the_dead_can_only_be_released(void **state)
{
	struct pair *t = *state;
	uint32_t ref;

	fake_host_kill_handles(1);
	fake_host_kill_handles(2);
	assert_null(xengntshr_share_pages(t->shr, 2, 1, &ref, 1));
	assert_int_equal(errno, EBADF);
	assert_null(xengnttab_map_grant_ref(t->tab, 1, t->ref, RW));
	assert_int_equal(errno, EBADF);
	assert_int_equal(xenevtchn_notify(t->s, t->sp), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(xenevtchn_pending(t->s), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(xenevtchn_unbind(t->s, t->sp), 0);
	/* What they had mapped is memory still, and then it is gone. */
	t->server[0] = t->client[0] = 1;
	assert_int_equal(xengnttab_unmap(t->tab, t->client, 1), 0);
	assert_int_equal(xengnttab_unmap(t->tab, t->client, 1), -1);
	assert_int_equal(xengntshr_unshare(t->shr, t->server, 1), 0);
	assert_int_equal(fake_host_memory_pages(), 0);
}

static void *sleeper(void *arg)
{
	struct pair *t = arg;

	return xenevtchn_pending(t->s) == -1 && errno == EBADF ? t : NULL;
}

static void who_sleeps_in_a_dead_handle_is_woken(void **state)
{
	struct pair *t = *state;
	pthread_t thread;
	void *ok;

	pthread_create(&thread, NULL, sleeper, t);
	fake_host_kill_handles(1);
	pthread_join(thread, &ok);
	assert_non_null(ok);
}

static void a_destroyed_domain_says_nothing(void **state)
{
	struct pair *t = *state;

	assert_int_equal(fake_host_destroy(2), 0);
	assert_int_equal(t->server[CLIENT_BYTE], 1);
	assert_false(readable(t->s));
	assert_int_equal(xenevtchn_notify(t->s, t->sp), 0);
	assert_false(fake_host_exists(2));
	assert_int_equal(xenevtchn_bind_interdomain(t->s, 2, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(fake_host_destroy(2), -ESRCH);
}

static void mapped_pages_keep_a_destroyed_domain_lingering(void **state)
{
	struct pair *t = *state;

	t->server[100] = 'x';
	assert_int_equal(fake_host_destroy(1), 0);
	assert_int_equal(t->client[SERVER_BYTE], 1);
	assert_int_equal(t->client[100], 'x');
	assert_false(readable(t->c));
	assert_true(fake_host_exists(1));
	assert_int_equal(fake_host_create(1), -EEXIST);
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_null(xengnttab_map_grant_ref(t->tab, 1, t->ref, RW));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(xengnttab_unmap(t->tab, t->client, 1), 0);
	assert_false(fake_host_exists(1));
	assert_int_equal(xenevtchn_bind_interdomain(t->c, 1, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(fake_host_create(1), 0);
}

static void domains_that_map_each_other_and_themselves_can_end(void **state)
{
	struct pair *t = *state;
	xengnttab_handle *own;
	uint32_t ref;

	fake_host_set_domain(1);
	own = xengnttab_open(NULL, 0);
	assert_non_null(xengntshr_share_pages(t->shr, 1, 1, &ref, 1));
	assert_non_null(xengnttab_map_grant_ref(own, 1, ref, RW));
	fake_host_destroy(1);
	fake_host_destroy(2);
	assert_false(fake_host_exists(1));
	assert_false(fake_host_exists(2));
	assert_int_equal(fake_host_live_total(FAKE_HOST_ANY_DOMAIN), 0);
	xengnttab_close(own);
	fake_host_reset();
}

static void a_reset_leaves_handles_that_can_be_closed(void **state)
{
	fake_host_reset();
	assert_int_equal(fake_host_live_total(FAKE_HOST_ANY_DOMAIN), 0);
	assert_int_equal(fake_host_memory_pages(), 0);
	assert_true(fake_host_exists(0));
	assert_false(fake_host_exists(1));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(unmapping_clears_the_byte_and_sends_the_event),
		T(unsharing_too),
		T(a_notification_keeps_its_port_bound),
		T(a_notification_wants_a_port_of_its_domain),
		T(the_death_of_a_client_is_seen_by_the_server),
		T(the_death_of_a_server_is_seen_by_the_client),
		T(one_process_of_a_domain_dies_alone),
		T(handles_of_the_dead_can_only_be_released),
		T(who_sleeps_in_a_dead_handle_is_woken),
		T(a_destroyed_domain_says_nothing),
		T(mapped_pages_keep_a_destroyed_domain_lingering),
		T(domains_that_map_each_other_and_themselves_can_end),
		T(a_reset_leaves_handles_that_can_be_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
