// SPDX-License-Identifier: MIT
/*
 * Two threads of a server at a change of clients. What the other thread, and clients,
 * do between a thread's look at the page and what it does about it, is done here in the
 * middle of that look.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "shm/shm.h"

static struct {
	const struct shm_u8 *byte;
	int looks; /* after as many at this byte */
	void (*happens)(void);
} meanwhile;

static uint8_t seen(const struct shm_u8 *p, uint8_t v)
{
	if (p == meanwhile.byte && meanwhile.looks-- == 1)
		meanwhile.happens();
	return v;
}

static uint8_t load_u8(const struct shm_u8 *p)
{
	return seen(p, shm_load_u8(p));
}

static uint8_t load_acquire_u8(const struct shm_u8 *p)
{
	return seen(p, shm_load_acquire_u8(p));
}

#define shm_load_u8 load_u8
#define shm_load_acquire_u8 load_acquire_u8
#include "vchan/clients.c" /* NOLINT(bugprone-suspicious-include) */

#include "vchan/test-pair.h"

static struct libxenvchan *server, *client;
static char in[4096];

static void come(void)
{
	client = join();
	assert_non_null(client);
	fake_host_set_domain(SERVER);
}

static void go(void)
{
	leave(client, CLIENT);
	client = NULL;
	fake_host_set_domain(SERVER);
}

static int set_up(void **state)
{
	new_world();
	server = serve(1024, 2048);
	if (!server)
		return -1;
	come();
	assert_int_equal(libxenvchan_is_open(server), 1);
	return 0;
}

static int tear_down(void **state)
{
	meanwhile.byte = NULL;
	leave(client, CLIENT);
	leave(server, SERVER);
	client = server = NULL;
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) ? -1 : 0;
}

/* What the next read sees at its n-th look at the byte is out of date then. */
static void at_look(int n, const struct shm_u8 *byte, void (*happens)(void))
{
	meanwhile.byte = byte;
	meanwhile.looks = n;
	meanwhile.happens = happens;
}

static void welcome(void)
{
	assert_int_equal(libxenvchan_write(server, "welcome", 7), 7);
}

static void expect_welcome(void)
{
	assert_int_equal(libxenvchan_read(client, in, 100), 7);
	assert_memory_equal(in, "welcome", 7);
}

static void next_client_is_welcomed(void)
{
	assert_int_equal(libxenvchan_write(server, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	come();
	welcome();
}

static void a_reader_that_is_late_drops_nothing_of_the_next_client(void **state)
{
	go();
	at_look(1, vchan_of(server)->live_peer, next_client_is_welcomed);
	(void)libxenvchan_read(server, in, 100);
	assert_int_equal(meanwhile.looks < 1, true);
	expect_welcome();
	assert_int_equal(libxenvchan_is_open(server), 1);
}

static void
a_reader_that_is_late_zeroes_nothing_of_the_next_client(void **state)
{
	server->server_persist = 1;
	assert_int_equal(libxenvchan_is_open(server), 1);
	go();
	come(); /* before the server has looked */
	at_look(1, vchan_of(server)->asked, welcome);
	assert_int_equal(libxenvchan_read(server, in, 100), 0);
	assert_int_equal(meanwhile.looks < 1, true);
	expect_welcome();
}

/* In the middle of a writer's call. */
static void
a_writer_learns_of_a_client_that_only_the_reader_saw_go(void **state)
{
	assert_int_equal(libxenvchan_write(server, "secret", 6), 6);
	(void)vchan_tx_enter(vchan_of(server));
	go();
	assert_int_equal(libxenvchan_read(server, in, 100), -1);
	assert_int_equal(errno, EPIPE);
	come();
	assert_int_equal(vchan_tx_look(vchan_of(server)), VCHAN_OPEN);
	assert_int_equal(vchan_tx_client_left(vchan_of(server)), true);
	vchan_tx_leave(vchan_of(server));
	welcome();
	/* It was here before the ring was zeroed. */
	assert_int_equal(libxenvchan_read(client, in, 100), 13);
	assert_memory_equal(in, "\0\0\0\0\0\0welcome", 13);
}

/* The same, and the writer may not call again. */
static void
what_only_the_reader_saw_is_done_when_the_writer_leaves(void **state)
{
	assert_int_equal(libxenvchan_write(server, "secret", 6), 6);
	(void)vchan_tx_enter(vchan_of(server));
	go();
	assert_int_equal(libxenvchan_read(server, in, 100), -1);
	vchan_tx_leave(vchan_of(server));
	come();
	assert_int_equal(libxenvchan_read(client, in, 100), 0);
}

static void writer_leaves_and_comes_again(void)
{
	vchan_tx_leave(vchan_of(server));
	next_client_is_welcomed();
	(void)vchan_tx_enter(vchan_of(server));
}

static void a_writer_heeds_nothing_that_it_has_dealt_with(void **state)
{
	(void)vchan_tx_enter(vchan_of(server));
	go();
	at_look(2, vchan_of(server)->live_peer, writer_leaves_and_comes_again);
	(void)libxenvchan_read(server, in, 100);
	assert_int_equal(meanwhile.looks < 1, true);
	vchan_tx_leave(vchan_of(server));
	expect_welcome();
	assert_int_equal(libxenvchan_is_open(server), 1);
}

static atomic_int writer_id;

static void *sends(void *arg)
{
	fake_host_set_domain(SERVER);
	atomic_store(&writer_id, gettid());
	welcome();
	return NULL;
}

/* Asleep, as the system has it; running and ready to run are 'R'. */
static bool is_asleep(int id)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state == 'S';
}

/* Else a writer of a higher priority keeps it from ever being through. */
static void a_writer_lets_a_reader_run_that_decides(void **state)
{
	pthread_t writer;

	(void)vchan_tx_enter(vchan_of(server)); /* the reader, in fact */
	atomic_store(&writer_id, 0);
	assert_int_equal(pthread_create(&writer, NULL, sends, NULL), 0);
	while (!atomic_load(&writer_id) || !is_asleep(atomic_load(&writer_id)))
		sched_yield();
	vchan_tx_leave(vchan_of(server));
	pthread_join(writer, NULL);
	expect_welcome();
}

/* The threads themselves, for a race detector: an answer to each of many clients. */

#define CLIENTS 300

static atomic_int question;

static void *reads(void *arg)
{
	uint8_t n = 0;

	fake_host_set_domain(SERVER);
	for (int i = 0; i < CLIENTS; i++) {
		while (libxenvchan_read(server, &n, 1) != 1)
			sched_yield();
		atomic_store(&question, 1 + n);
	}
	return NULL;
}

static void *writes(void *arg)
{
	fake_host_set_domain(SERVER);
	for (int i = 0; i < CLIENTS; i++) {
		uint8_t n;

		while (!atomic_load(&question)) {
			(void)libxenvchan_buffer_space(server);
			sched_yield();
		}
		n = (uint8_t)(atomic_exchange(&question, 0) - 1);
		assert_int_equal(libxenvchan_write(server, &n, 1), 1);
	}
	return NULL;
}

static void ask(uint8_t n)
{
	uint8_t answer = 0;

	client->blocking = 1;
	assert_int_equal(libxenvchan_write(client, &n, 1), 1);
	assert_int_equal(libxenvchan_read(client, &answer, 1), 1);
	assert_int_equal(answer, n);
}

static void each_of_many_clients_is_answered(bool persist)
{
	pthread_t reader, writer;

	server->server_persist = persist;
	assert_int_equal(pthread_create(&reader, NULL, reads, NULL), 0);
	assert_int_equal(pthread_create(&writer, NULL, writes, NULL), 0);
	for (int i = 0; i < CLIENTS; i++) {
		ask((uint8_t)i);
		leave(client, CLIENT);
		client = join();
		assert_non_null(client);
	}
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
}

static void two_threads_serve_clients_in_turn(void **state)
{
	each_of_many_clients_is_answered(false);
}

static void two_threads_of_a_persistent_server_do_so(void **state)
{
	each_of_many_clients_is_answered(true);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_that_is_late_drops_nothing_of_the_next_client),
		T(a_reader_that_is_late_zeroes_nothing_of_the_next_client),
		T(a_writer_learns_of_a_client_that_only_the_reader_saw_go),
		T(what_only_the_reader_saw_is_done_when_the_writer_leaves),
		T(a_writer_heeds_nothing_that_it_has_dealt_with),
		T(a_writer_lets_a_reader_run_that_decides),
		T(two_threads_serve_clients_in_turn),
		T(two_threads_of_a_persistent_server_do_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
