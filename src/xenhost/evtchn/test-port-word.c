// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "port-word.h"

enum op { NOTIFY, NOTIFY_OWING, TAKE, UNMASK, SETTLE, RETIRE };

#define I PORT_WORD_IDLE
#define P PORT_WORD_PENDING
#define M PORT_WORD_MASKED
#define A PORT_WORD_AGAIN
#define O PORT_WORD_OWED
#define GEN 77u

/* The whole state machine: each operation in each state. */
static const struct transition {
	uint32_t from;
	enum op op;
	uint32_t to;
	int answer;
} transitions[] = {
	{ I, NOTIFY, P, PORT_WORD_KICK },
	{ P, NOTIFY, P | A, PORT_WORD_QUIET },
	{ P | A, NOTIFY, P | A, PORT_WORD_QUIET },
	{ M, NOTIFY, M | A, PORT_WORD_QUIET },
	{ M | A, NOTIFY, M | A, PORT_WORD_QUIET },
	{ I, TAKE, I, false },
	{ P, TAKE, M, true },
	{ P | A, TAKE, M | A, true },
	{ M, TAKE, M, false },
	{ M | A, TAKE, M | A, false },
	{ I, UNMASK, I, false },
	{ P, UNMASK, P, false },
	{ P | A, UNMASK, P | A, false },
	{ M, UNMASK, I, false },
	{ M | A, UNMASK, P, true },
	/* A kick is owed until it is written, whatever else happens. */
	{ I, NOTIFY_OWING, P | O, PORT_WORD_KICK },
	{ P, NOTIFY_OWING, P | A, PORT_WORD_QUIET },
	{ M, NOTIFY_OWING, M | A, PORT_WORD_QUIET },
	{ O, NOTIFY, P | O, PORT_WORD_KICK },
	{ P | O, TAKE, M | O, true },
	{ O, TAKE, O, false },
	{ M | O, UNMASK, O, false },
	{ M | A | O, UNMASK, P | O, true },
	{ P | O, SETTLE, P, true },
	{ M | A | O, SETTLE, M | A, true },
	{ P, SETTLE, P, false },
	/* Of a retired port nobody is told. */
	{ I, RETIRE, M, false },
	{ M | A, RETIRE, M, false },
	{ P, RETIRE, M, true },
	{ P | A | O, RETIRE, M | O, true },
};

static int apply(struct port_word *w, enum op op)
{
	switch (op) {
	case NOTIFY:
		return port_word_notify(w, GEN);
	case NOTIFY_OWING:
		return port_word_notify_owing(w, GEN);
	case SETTLE:
		return port_word_settle(w, GEN);
	case RETIRE:
		return port_word_retire(w);
	case TAKE:
		return port_word_take(w);
	case UNMASK:
		return port_word_unmask(w);
	}
	return -1;
}

static void test_each_operation_in_each_state(void **state)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(*transitions);
	     i++) {
		const struct transition *t = &transitions[i];
		struct port_word w;

		port_word_reset(&w, GEN, t->from);
		assert_int_equal(apply(&w, t->op), t->answer);
		assert_int_equal(port_word_flags(&w), t->to);
		assert_int_equal(port_word_gen(&w), GEN);
	}
}

static void test_a_stale_notify_leaves_the_word_alone(void **state)
{
	struct port_word w;

	port_word_reset(&w, GEN, PORT_WORD_IDLE);
	assert_int_equal(port_word_notify(&w, GEN - 1), PORT_WORD_STALE);
	assert_int_equal(port_word_flags(&w), PORT_WORD_IDLE);
}

static void test_a_stale_kick_settles_nothing(void **state)
{
	struct port_word w;

	port_word_reset(&w, GEN, PORT_WORD_OWED);
	assert_false(port_word_settle(&w, GEN - 1));
	assert_int_equal(port_word_flags(&w), PORT_WORD_OWED);
}

static void test_a_new_binding_keeps_what_is_pending(void **state)
{
	struct port_word w;

	port_word_reset(&w, GEN, PORT_WORD_IDLE);
	port_word_notify(&w, GEN);
	port_word_set_gen(&w, PORT_WORD_GEN_MAX);
	assert_int_equal(port_word_gen(&w), PORT_WORD_GEN_MAX);
	assert_true(port_word_take(&w));
}

/* One writer, one reader, and the word between them instead of an eventfd. */
struct pair {
	struct port_word word;
	uint32_t written;
};

#define N_EVENTS 200000u

static void *writer(void *arg)
{
	struct pair *p = arg;

	for (uint32_t i = 1; i <= N_EVENTS; i++) {
		__atomic_store_n(&p->written, i, __ATOMIC_RELAXED);
		port_word_notify(&p->word, GEN);
	}
	return NULL;
}

static void test_the_last_write_is_seen_by_some_event(void **state)
{
	struct pair p = { 0 };
	pthread_t thread;
	uint32_t seen = 0;

	port_word_reset(&p.word, GEN, PORT_WORD_IDLE);
	assert_int_equal(pthread_create(&thread, NULL, writer, &p), 0);
	while (seen < N_EVENTS) {
		if (!port_word_take(&p.word))
			continue;
		port_word_unmask(&p.word);
		seen = __atomic_load_n(&p.written, __ATOMIC_RELAXED);
	}
	pthread_join(thread, NULL);
	assert_int_equal(seen, N_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_operation_in_each_state),
		cmocka_unit_test(test_a_stale_notify_leaves_the_word_alone),
		cmocka_unit_test(test_a_stale_kick_settles_nothing),
		cmocka_unit_test(test_a_new_binding_keeps_what_is_pending),
		cmocka_unit_test(test_the_last_write_is_seen_by_some_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
