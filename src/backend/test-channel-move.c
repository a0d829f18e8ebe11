// SPDX-License-Identifier: MIT
/*
 * SIGKILL after each instruction. A child moves bytes by the daemon's own code, one
 * instruction at a time; whenever one has changed what outlives it (the spool's file, the
 * ring, what is in the client's socket), a copy of that is what a successor finds, and the
 * daemon's way to go on from there is run on it. Some of these successors are killed in
 * their turn. What the client and the guest have received in all must be what was sent.
 *
 * Other processors do not come in: the successor runs after the death, and sees all that
 * the dead process had stored.
 *
 *	test-channel-move [STRIDE]	of the successors, each STRIDE-th is killed, too;
 *					none without it
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/channel-private.h"
#include "backend/test-channel-world.h"
#include "backend/test-single-step.h"

/* The daemon's side of the socket, for the functions below, and whether it is full. */
static int daemon_fd;
static bool client_full;

/* An order that is broken, to see it noticed. */
static enum mutation {
	MUTATION_NONE,
	CONSUME_BEFORE_COMMIT, /* the ring is given back before the spool says so */
	FORGET_BEFORE_WRITE, /* the spool forgets before the client has it */
	READ_BEFORE_BEGIN,   /* the client's bytes are read unannounced */
	DONE_BEFORE_WRITE,   /* the chunk is done before it is in the ring */
	MUTATION_N,
} mutation;

/*
 * In place of what surrounds channel-move.c. A system call has happened or not: that is
 * what a kill knows.
 */

static const void *withheld;
static size_t withheld_n;

ssize_t sink_write(struct sink *s, const void *data, size_t n)
{
	if (client_full)
		return -EAGAIN;
	if (mutation == FORGET_BEFORE_WRITE) {
		withheld = data;
		withheld_n = n;
		return (ssize_t)n;
	}
	return send(daemon_fd, data, n, MSG_DONTWAIT);
}

ssize_t sink_peek(struct sink *s, uint8_t *before, size_t max)
{
	ssize_t n = recv(daemon_fd, before, max, MSG_DONTWAIT | MSG_PEEK);

	for (ssize_t i = 0; i < n; i++)
		before[i] = (uint8_t)~before[i];
	return n <= 0 ? -EAGAIN : n;
}

ssize_t sink_read(struct sink *s, void *data, size_t n)
{
	return recv(daemon_fd, data, n, MSG_DONTWAIT);
}

void sink_want(struct sink *s, bool read, bool write)
{
}

void link_notify(struct link *l)
{
}

void traffic_log_write(struct traffic_log *l, const char *direction,
		       const void *data, size_t n)
{
}

/* By the linker, so that the mutations can come between. */
void __real_spool_commit(struct spool *s, size_t n, uint32_t out_cons);
void __real_console_ring_consume(struct console_ring *r, size_t n);
void __real_spool_consume(struct spool *s, size_t n);
void __real_spool_chunk_begin(struct spool *s, size_t n);
int __real_console_ring_write(struct console_ring *r, const void *src,
			      size_t len, size_t *n_r);
void __wrap_spool_commit(struct spool *s, size_t n, uint32_t out_cons);
void __wrap_console_ring_consume(struct console_ring *r, size_t n);
void __wrap_spool_consume(struct spool *s, size_t n);
void __wrap_spool_chunk_begin(struct spool *s, size_t n);
int __wrap_console_ring_write(struct console_ring *r, const void *src,
			      size_t len, size_t *n_r);

static struct spool *the_spool;
static const struct console_ring *daemon_ring;
static bool commit_is_late;
static uint32_t late_out_cons;

void __wrap_spool_commit(struct spool *s, size_t n, uint32_t out_cons)
{
	commit_is_late = mutation == CONSUME_BEFORE_COMMIT;
	late_out_cons = out_cons;
	if (!commit_is_late)
		__real_spool_commit(s, n, out_cons);
}

void __wrap_console_ring_consume(struct console_ring *r, size_t n)
{
	__real_console_ring_consume(r, n);
	if (commit_is_late)
		__real_spool_commit(the_spool, n, late_out_cons);
	commit_is_late = false;
}

void __wrap_spool_consume(struct spool *s, size_t n)
{
	__real_spool_consume(s, n);
	if (withheld)
		send(daemon_fd, withheld, withheld_n, MSG_DONTWAIT);
	withheld = NULL;
}

void __wrap_spool_chunk_begin(struct spool *s, size_t n)
{
	if (mutation != READ_BEFORE_BEGIN)
		__real_spool_chunk_begin(s, n);
}

int __wrap_console_ring_write(struct console_ring *r, const void *src,
			      size_t len, size_t *n_r)
{
	if (mutation == DONE_BEFORE_WRITE && r == daemon_ring &&
	    spool_state(the_spool)->chunk_len)
		spool_chunk_done(the_spool);
	return __real_console_ring_write(r, src, len, n_r);
}

/*
 * The daemon
 */

static int daemon_start(struct channel *c, const struct world *w)
{
	static char somewhere;

	*c = (struct channel){
		.config.overflow = w->scenario->overflow,
		.spool = world_spool(w),
		.sink = (struct sink *)(void *)&somewhere,
		.link.page = w->page,
	};
	daemon_fd = w->daemon_fd;
	client_full = false;
	the_spool = c->spool;
	daemon_ring = &c->ring;
	return console_ring_resume_backend(&c->ring, w->page,
					   spool_state(c->spool)->out_cons) ||
	       channel_resume_chunk(c, true);
}

struct count {
	unsigned int stride, n, instructions;
};

struct exploration {
	struct world *world;
	struct count *count;
};

static void daemon_run(void *userdata)
{
	const struct world *w = ((struct exploration *)userdata)->world;
	struct channel c;

	if (daemon_start(&c, w))
		abort();
	for (unsigned int turn = w->turn; turn < TURNS; turn++) {
		raise(SIGSTOP);
		client_full = w->scenario->turns[turn].client_full;
		channel_move_bytes(&c);
	}
}

/* Lets the daemon of w live, with all turns that are left. */
static const char *live_on(struct world *w)
{
	struct spool_state st;
	struct channel c;
	const char *wrong = NULL;

	if (daemon_start(&c, w))
		wrong = "the ring is corrupt to the successor";
	while (!wrong && w->turn < TURNS) {
		wrong = world_turn(w);
		channel_move_bytes(&c);
	}
	for (unsigned int idle = 0; !wrong && idle < 3; idle++) {
		world_client_receives(w);
		wrong = world_guest_reads(w, SIZE_MAX);
		if (channel_move_bytes(&c) != MOVE_NOTHING)
			idle = 0;
	}
	st = *spool_state(c.spool);
	spool_free(c.spool);
	return wrong ? wrong : world_judge(w, &st);
}

/*
 * All deaths
 */

/* What outlives the daemon, to see whether it has changed. */
struct moment {
	uint8_t file[WORLD_FILE_MAX];
	uint8_t page[sizeof(struct console_page)];
	size_t n_got;
	int waiting;
};

static bool is_new(struct moment *m, struct world *w)
{
	const uint8_t *page = (const uint8_t *)w->page;
	int n = world_waiting(w);

	world_client_receives(w);
	if (m->n_got == w->n_got && m->waiting == n &&
	    !memcmp(m->file, w->file, w->file_size) &&
	    !memcmp(m->page, page, sizeof(m->page)))
		return false;
	memcpy(m->file, w->file, w->file_size);
	memcpy(m->page, page, sizeof(m->page));
	m->n_got = w->n_got;
	m->waiting = n;
	return true;
}

static const char *explore(struct world *w, struct count *count);

static const char *succeed(const struct world *w, struct count *count)
{
	static struct world after[DEATHS];
	struct world *a = &after[w->deaths];
	const char *wrong;

	world_after_death(a, w);
	count->n++;
	wrong = count->stride && a->deaths < DEATHS &&
				count->n % count->stride == 0
			? explore(a, count)
			: live_on(a);
	world_deinit(a);
	return wrong;
}

static struct moment moments[DEATHS + 1];

static const char *look(void *userdata)
{
	struct exploration *e = userdata;

	e->count->instructions++;
	return is_new(&moments[e->world->deaths], e->world)
		       ? succeed(e->world, e->count)
		       : NULL;
}

static const char *turn(void *userdata)
{
	return world_turn(((struct exploration *)userdata)->world);
}

static const char *explore(struct world *w, struct count *count)
{
	struct exploration e = { w, count };

	moments[w->deaths] = (struct moment){ 0 };
	return single_step(&(struct single_step){ daemon_run, look, turn, &e });
}

static unsigned int stride;

static void expect_right(const struct scenario *scenario)
{
	static struct world w;
	struct count count = { .stride = stride };
	const char *wrong;

	world_start(&w, scenario);
	wrong = explore(&w, &count);
	world_deinit(&w);
	if (wrong)
		fail_msg("%s, at death %u", wrong, count.n);
	print_message("             killed at %u different moments of %u "
		      "instructions\n",
		      count.n, count.instructions);
	/* What is moved is moved in several steps. */
	assert_true(count.n > 30);
}

static const struct scenario both_ways = {
	.limit = 200,
	.overflow = CONSOLE_BLOCK,
	.turns = {
		{ .guest_writes = 40, .client_sends = 30 },
		{ .guest_reads = 7, .guest_writes = 33, .client_sends = 5,
		  .client_full = true },
		{ .guest_reads = 100, .client_sends = 20, .guest_writes = 1 },
		{ .guest_reads = 1 },
	},
};

static void both_directions_lose_and_repeat_nothing_unsaid(void **state)
{
	expect_right(&both_ways);
}

static void a_full_spool_holds_the_guest_back(void **state)
{
	expect_right(&(struct scenario){
		.limit = 50,
		.overflow = CONSOLE_BLOCK,
		.turns = {
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 1 },
		},
	});
}

static void a_client_that_comes_late_is_repeated_a_chunk_at_most(void **state)
{
	expect_right(&(struct scenario){
		.limit = 8000,
		.overflow = CONSOLE_BLOCK,
		.backlog = 7000,
		.turns = { { .guest_writes = 50 }, { .guest_writes = 10 } },
	});
}

static void the_oldest_bytes_are_dropped_and_counted(void **state)
{
	expect_right(&(struct scenario){
		.limit = 50,
		.overflow = CONSOLE_DROP_OLDEST,
		.turns = {
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 70 },
		},
	});
}

static void the_newest_bytes_are_dropped_and_counted(void **state)
{
	expect_right(&(struct scenario){
		.limit = 50,
		.overflow = CONSOLE_DROP_NEWEST,
		.turns = {
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 60, .client_full = true },
			{ .guest_writes = 70 },
		},
	});
}

/* Each order in channel-move.c is needed: without it, a death is seen to do harm. */
static void an_order_that_is_broken_is_noticed(void **state)
{
	static struct world w;

	for (int m = MUTATION_NONE + 1; m < MUTATION_N; m++) {
		struct count count = { 0 };
		const char *wrong;

		world_start(&w, &both_ways);
		mutation = (enum mutation)m;
		wrong = explore(&w, &count);
		mutation = MUTATION_NONE;
		world_deinit(&w);
		print_message("             broken order %d: %s\n", m,
			      wrong ? wrong : "not noticed");
		assert_non_null(wrong);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			both_directions_lose_and_repeat_nothing_unsaid),
		cmocka_unit_test(a_full_spool_holds_the_guest_back),
		cmocka_unit_test(
			a_client_that_comes_late_is_repeated_a_chunk_at_most),
		cmocka_unit_test(the_oldest_bytes_are_dropped_and_counted),
		cmocka_unit_test(the_newest_bytes_are_dropped_and_counted),
		cmocka_unit_test(an_order_that_is_broken_is_noticed),
	};

	if (argc > 1)
		stride = (unsigned int)strtoul(argv[1], NULL, 10);
	if (!single_step_is_possible()) {
		puts("a process cannot be single-stepped here");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
