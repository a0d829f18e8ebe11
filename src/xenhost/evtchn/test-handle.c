// SPDX-License-Identifier: MIT
/* The eventfd counts the events: one each, however late a kick is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"

#define GEN 5u

static struct port_word words[HANDLE_N_PORTS];

static int setup(void **state)
{
	static struct xenevtchn_handle h;

	h = (struct xenevtchn_handle){ .words = words };
	h.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	list_init(&h.gone);
	for (uint32_t slot = 0; slot < 3; slot++) {
		struct port *port = calloc(1, sizeof(*port));

		handle_add_port(&h, port, slot, 100 + slot);
		port_word_reset(port->word, GEN, PORT_WORD_IDLE);
	}
	*state = &h;
	return 0;
}

static int teardown(void **state)
{
	struct xenevtchn_handle *h = *state;

	while (h->n_slots > 0)
		handle_drop_port(h, h->slots[h->n_slots - 1], false);
	while (handle_take(h))
		;
	close(h->fd);
	return 0;
}

/* What a program gets that polls the descriptor, and then takes; or 0. */
static evtchn_port_t poll_and_take(struct xenevtchn_handle *h)
{
	uint64_t count;

	return read(h->fd, &count, sizeof(count)) > 0 ? handle_take(h) : 0;
}

static void raise_event(struct xenevtchn_handle *h, uint32_t slot)
{
	assert_int_equal(port_word_notify_owing(&words[slot], GEN),
			 PORT_WORD_KICK);
}

static void late_kick(struct xenevtchn_handle *h, uint32_t slot)
{
	kick(h->fd);
	port_word_settle(&words[slot], GEN);
}

static void test_a_late_kick_is_for_an_event(void **state)
{
	struct xenevtchn_handle *h = *state;

	raise_event(h, 0); /* its process does not run just now */
	raise_event(h, 1);
	late_kick(h, 1);
	assert_int_equal(poll_and_take(h), 100);
	assert_int_equal(poll_and_take(h), 0);
	late_kick(h, 0);
	assert_int_equal(poll_and_take(h), 101);
	assert_int_equal(poll_and_take(h), 0);
	/* Nobody notified this one. */
	assert_int_equal(port_word_flags(&words[2]), PORT_WORD_IDLE);
}

static void test_a_kick_that_comes_after_the_unbinding_is_for_it(void **state)
{
	struct xenevtchn_handle *h = *state;

	raise_event(h, 0);
	handle_drop_port(h, h->slots[0], port_word_retire(&words[0]));
	assert_int_equal(poll_and_take(h), 0);
	late_kick(h, 0);
	raise_event(h, 1);
	late_kick(h, 1);
	assert_int_equal(poll_and_take(h), 100);
	assert_int_equal(poll_and_take(h), 101);
	assert_int_equal(poll_and_take(h), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_late_kick_is_for_an_event),
		TEST(test_a_kick_that_comes_after_the_unbinding_is_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
