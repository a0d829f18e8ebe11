// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port-table.h"

/* A domain with one open of the event-channel device. */
struct end {
	struct port_table table;
	struct port_handle handle;
	struct port_word words[HANDLE_N_PORTS];
	int event_fd;
};

static struct end a, b;
static uint32_t last_gen;

static void end_init(struct end *e, unsigned int domid)
{
	memset(e, 0, sizeof(*e));
	port_table_init(&e->table, domid, &last_gen);
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	port_handle_init(&e->handle, e->words, e->event_fd);
}

static void end_deinit(struct end *e)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &e->handle.ports)
		port_close(list_entry(pos, struct port, link));
	assert_int_equal(e->table.n_used, 0);
	port_table_deinit(&e->table);
	close(e->event_fd);
}

static int setup(void **state)
{
	end_init(&a, 1);
	end_init(&b, 2);
	return 0;
}

static int teardown(void **state)
{
	end_deinit(&a);
	end_deinit(&b);
	return 0;
}

static bool is_readable(const struct end *e)
{
	uint64_t count;

	return read(e->event_fd, &count, sizeof(count)) > 0;
}

/* a's port, bound to the returned one of b's; both events are taken. */
static struct port *bind_pair(struct port **server_r)
{
	struct port *server, *client;

	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &server),
			 0);
	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table,
					       server->number, &client),
			 0);
	assert_true(is_readable(&b));
	assert_true(port_word_take(&b.words[client->slot]));
	port_word_unmask(&b.words[client->slot]);
	*server_r = server;
	return client;
}

static void test_the_client_gets_one_event_at_once(void **state)
{
	struct port *server, *client;

	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &server),
			 0);
	assert_int_equal(server->number, PORT_FIRST);
	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table,
					       server->number, &client),
			 0);
	assert_int_equal(port_word_flags(&b.words[client->slot]),
			 PORT_WORD_PENDING);
	assert_true(is_readable(&b));
	assert_false(is_readable(&a));
}

static void test_binding_takes_a_port_that_waits_for_us(void **state)
{
	struct port *server, *other, *client;

	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table, 0,
					       &client),
			 -EINVAL);
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 3, &other), 0);
	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table,
					       other->number, &client),
			 -EINVAL);
	bind_pair(&server);
	/* The second client. */
	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table,
					       server->number, &client),
			 -EINVAL);
}

static void test_events_pass_both_ways(void **state)
{
	struct port *server, *client = bind_pair(&server);

	port_send(server);
	assert_true(is_readable(&b));
	assert_true(port_word_take(&b.words[client->slot]));
	port_send(client);
	assert_true(is_readable(&a));
	assert_true(port_word_take(&a.words[server->slot]));
}

static void test_the_other_end_of_a_closed_port_is_unbound_again(void **state)
{
	struct port *server, *client = bind_pair(&server), *next;
	uint32_t gen = port_word_gen(&a.words[server->slot]);

	port_close(client);
	assert_null(server->peer);
	assert_false(is_readable(&a));
	/* Whoever knew the way has to ask for the new one. */
	assert_int_not_equal(port_word_gen(&a.words[server->slot]), gen);
	port_send(server);
	assert_int_equal(port_bind_interdomain(&b.table, &b.handle, &a.table,
					       server->number, &next),
			 0);
}

static void test_a_way_to_a_freed_port_is_stale(void **state)
{
	struct port *server, *client = bind_pair(&server), *reused;
	struct port_word *word = &b.words[client->slot];
	uint32_t gen = client->gen;

	port_close(client);
	assert_int_equal(port_word_notify(word, gen), PORT_WORD_STALE);
	assert_int_equal(port_alloc_unbound(&b.table, &b.handle, 1, &reused),
			 0);
	assert_ptr_equal(&b.words[reused->slot], word);
	assert_int_equal(port_word_notify(word, gen), PORT_WORD_STALE);
}

static void test_a_notification_keeps_its_port_bound(void **state)
{
	struct port *server, *client = bind_pair(&server);

	port_ref(client);
	port_close(client);
	assert_ptr_equal(server->peer, client);
	port_send(client);
	assert_true(is_readable(&a));
	port_unref(client);
	assert_null(server->peer);
}

static void test_a_rekick_makes_up_for_a_kick_that_was_owed(void **state)
{
	struct port *server, *client = bind_pair(&server);
	struct port_word *word = &b.words[client->slot];

	port_rekick(server);
	assert_false(is_readable(&b));
	/* Killed between setting the word and the kick. */
	port_word_notify_owing(word, client->gen);
	assert_false(is_readable(&b));
	port_rekick(server);
	assert_true(is_readable(&b));
	assert_true(port_word_take(word));
	port_word_unmask(word);

	/* Killed later: its event has its kick. */
	assert_int_equal(port_word_notify_owing(word, client->gen),
			 PORT_WORD_KICK);
	assert_true(port_word_settle(word, client->gen));
	port_rekick(server);
	assert_false(is_readable(&b));
}

static void test_an_event_outlives_its_port(void **state)
{
	struct port *server, *client = bind_pair(&server);

	port_send(client);
	assert_true(port_close(server));
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &server),
			 0);
	assert_false(port_close(server));
	assert_true(is_readable(&a));
}

static void test_numbers_and_slots_run_out(void **state)
{
	struct port *port;

	a.table.limit = PORT_FIRST + 1;
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &port), 0);
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &port), 0);
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &port),
			 -ENOSPC);
	port_close(port_find(&a.table, PORT_FIRST));
	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 2, &port), 0);
	assert_int_equal(port->number, PORT_FIRST);

	b.table.limit = PORT_MAX;
	for (unsigned int i = 0; i < HANDLE_N_PORTS; i++)
		assert_int_equal(
			port_alloc_unbound(&b.table, &b.handle, 1, &port), 0);
	assert_int_equal(port_alloc_unbound(&b.table, &b.handle, 1, &port),
			 -ENOSPC);
}

static void test_a_domain_talks_to_itself(void **state)
{
	struct port *one, *two;

	assert_int_equal(port_alloc_unbound(&a.table, &a.handle, 1, &one), 0);
	assert_int_equal(port_bind_interdomain(&a.table, &a.handle, &a.table,
					       one->number, &two),
			 0);
	assert_true(port_word_take(&a.words[two->slot]));
	port_send(two);
	assert_true(port_word_take(&a.words[one->slot]));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_client_gets_one_event_at_once),
		TEST(test_binding_takes_a_port_that_waits_for_us),
		TEST(test_events_pass_both_ways),
		TEST(test_the_other_end_of_a_closed_port_is_unbound_again),
		TEST(test_a_way_to_a_freed_port_is_stale),
		TEST(test_a_notification_keeps_its_port_bound),
		TEST(test_a_rekick_makes_up_for_a_kick_that_was_owed),
		TEST(test_an_event_outlives_its_port),
		TEST(test_numbers_and_slots_run_out),
		TEST(test_a_domain_talks_to_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
