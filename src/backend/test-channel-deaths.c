// SPDX-License-Identifier: MIT
/*
 * SIGKILL after each instruction while a channel is connected, closed, detached,
 * or begun anew by its guest: the real channel on a host of the test's. Whatever
 * has changed of what outlives the daemon by then, its successor finds, and goes
 * on. In the end each byte has passed once: out of the ring, and towards the
 * guest, or it waits for the guest's next ring. test-channel-move.c is about the
 * bytes of a channel that stays connected.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/channel-private.h"
#include "backend/test-fake-host.h"
#include "backend/test-single-step.h"

#define LIMIT 4096
#define FILE_SIZE (4096 + LIMIT)
#define TURNS 4
#define TO_GUEST 200
#define REPEATED 2048

/* What happens before the daemon looks at the nodes the next time. */
struct turn {
	unsigned int fe; /* 0: as before */
	bool detach;
	bool late;     /* more than a guest has to close */
	bool new_ring; /* with the numbers of the old one */
	size_t guest_writes, guest_reads;
};

struct scenario {
	unsigned int be; /* in the end */
	bool fresh;      /* nothing was connected before */
	struct turn turns[TURNS];
};

struct world {
	const struct scenario *scenario;
	struct fake_host *host;
	char dir_path[32];
	int dir;
	uint8_t *file; /* the spool's, mapped */
	unsigned int turn;
	size_t guest_wrote, guest_read;
	size_t died_at; /* of what the client got */
};

static void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s", what);
}

static void open_dir(struct world *w)
{
	memcpy(w->dir_path, "/tmp/test-deaths.XXXXXX", 24);
	must(mkdtemp(w->dir_path), "directory");
	w->dir = open(w->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(w->dir >= 0, "directory");
}

static void map_spool(struct world *w, const uint8_t *contents)
{
	int fd =
		openat(w->dir, "1-1.spool", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (contents)
		must(write(fd, contents, FILE_SIZE) == FILE_SIZE, "spool");
	w->file = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	must(w->file != MAP_FAILED, "spool");
	close(fd);
}

static void world_deinit(struct world *w)
{
	munmap(w->file, FILE_SIZE);
	unlinkat(w->dir, "1-1.spool", 0);
	close(w->dir);
	rmdir(w->dir_path);
	fake_free(w->host);
}

/*
 * The daemon
 */

static struct channel_host channel_host;

static struct channel *daemon_start(const struct world *w)
{
	struct channel *c;

	fake = w->host;
	channel_host = fake_channel_host(w->dir);
	if (channel_new(&c, &channel_host, 1, 1, NULL) || channel_refresh(c))
		abort();
	return c;
}

static void daemon_turn(struct channel *c)
{
	if (channel_refresh(c))
		abort();
	channel_move(c);
	channel_tick(c);
}

static void daemon_run(void *userdata)
{
	const struct world *w = userdata;
	struct channel *c = daemon_start(w);

	for (unsigned int turn = w->turn; turn < TURNS; turn++) {
		raise(SIGSTOP);
		daemon_turn(c);
	}
}

/* A former one leaves what it had: bytes towards the guest in its ring, or,
 * if there is none yet, in its spool, where they were in another ring before. */
static void former_daemon(struct world *w)
{
	struct channel *c;

	w->host->fe = CONSOLE_STATE_CONNECTED;
	w->host->n_sent = TO_GUEST;
	c = daemon_start(w);
	must(w->host->be == CONSOLE_STATE_CONNECTED, "connected");
	if (w->scenario->fresh) {
		w->host->fe = CONSOLE_STATE_INITIALISING;
		channel_refresh(c);
		memset(&w->host->page, 0, sizeof(w->host->page));
	}
	channel_free(c);
	fake_forget_process(w->host);
}

/*
 * The guest
 */

static const char *guest_reads(struct world *w, size_t max)
{
	uint8_t data[CONSOLE_RING_IN_SIZE];
	struct console_ring ring;
	size_t n;

	if (console_ring_attach_frontend(&ring, &w->host->page) ||
	    console_ring_read(&ring, data,
			      max < sizeof(data) ? max : sizeof(data), &n))
		return "the ring is corrupt to the guest";
	for (size_t i = 0; i < n; i++) {
		if (data[i] != fake_byte(w->guest_read + i))
			return "the guest reads what the client has not sent";
	}
	w->guest_read += n;
	return NULL;
}

static const char *take_turn(void *userdata)
{
	struct world *w = userdata;
	const struct turn *t = &w->scenario->turns[w->turn++];

	if (t->new_ring)
		memset(&w->host->page, 0, sizeof(w->host->page));
	fake_guest_writes(w->host, w->guest_wrote, t->guest_writes);
	w->guest_wrote += t->guest_writes;
	if (t->fe)
		w->host->fe = t->fe;
	w->host->now_ms += t->late ? 60000 : 0;
	if (t->detach) {
		w->host->online = false;
		w->host->be = CONSOLE_STATE_CLOSING;
	}
	return guest_reads(w, t->guest_reads);
}

/*
 * The end
 */

/* A death may repeat what the client got last; apart from that, in order. */
static bool client_has_all(const struct world *w)
{
	const struct fake_host *h = w->host;
	uint8_t all[FAKE_BYTES_MAX];
	size_t rest = h->n_got - w->died_at, begin = w->guest_wrote - rest;

	fake_fill(all, 0, w->guest_wrote);
	return rest <= w->guest_wrote && begin <= w->died_at &&
	       w->died_at - begin <= REPEATED &&
	       !memcmp(all, h->got, w->died_at) &&
	       !memcmp(all + begin, h->got + w->died_at, rest);
}

static const char *judge(struct world *w, struct channel *c)
{
	const struct spool_state *st = spool_state(c->spool);
	size_t waiting = st->chunk_step == SPOOL_READY ? st->chunk_len : 0;
	uint8_t chunk[TO_GUEST];

	if (w->host->wrong[0])
		return w->host->wrong;
	if (w->host->be != w->scenario->be)
		return "the guest is told another state";
	if (w->host->be == CONSOLE_STATE_CLOSED &&
	    (w->host->mapped || w->host->bound))
		return "something of the guest's is still held";
	if (st->from_guest != w->guest_wrote)
		return "not each byte was taken out of the ring once";
	if (!client_has_all(w))
		return "the client has got something else";
	if (w->guest_read + waiting != TO_GUEST ||
	    st->to_guest != w->guest_read)
		return "bytes towards the guest are lost, or doubled";
	fake_fill(chunk, w->guest_read, waiting);
	return memcmp(chunk, spool_chunk(c->spool), waiting)
		       ? "other bytes wait for the guest"
		       : NULL;
}

static const char *live_on(struct world *w)
{
	struct channel *c = daemon_start(w);
	static char text[80];
	const char *wrong = NULL;

	while (!wrong && w->turn < TURNS) {
		wrong = take_turn(w);
		daemon_turn(c);
	}
	if (!wrong && w->host->be == CONSOLE_STATE_CONNECTED)
		wrong = guest_reads(w, SIZE_MAX);
	if (!wrong)
		wrong = judge(w, c);
	if (wrong)
		snprintf(text, sizeof(text), "%s", wrong);
	channel_free(c);
	return wrong ? text : NULL;
}

/*
 * All deaths
 */

static struct {
	struct fake_host host;
	uint8_t file[FILE_SIZE];
} moment;

static struct world world;
static unsigned int n_deaths;

static const char *succeed(void)
{
	struct world after = world;
	const char *wrong;

	open_dir(&after);
	after.host = fake_new();
	memcpy(after.host, world.host, sizeof(*world.host));
	fake_forget_process(after.host);
	map_spool(&after, world.file);
	after.died_at = after.host->n_got;
	n_deaths++;
	wrong = live_on(&after);
	world_deinit(&after);
	return wrong;
}

static const char *look(void *userdata)
{
	/* Padding is copied along. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	if (!memcmp(&moment.host, world.host, sizeof(moment.host)) &&
	    !memcmp(moment.file, world.file, FILE_SIZE))
		return NULL;
	memcpy(&moment.host, world.host, sizeof(moment.host));
	memcpy(moment.file, world.file, FILE_SIZE);
	return succeed();
}

static void expect_right(const struct scenario *scenario)
{
	const struct single_step s = { daemon_run, look, take_turn, &world };
	const char *wrong;

	world = (struct world){ .scenario = scenario, .host = fake_new() };
	world.host->limit = LIMIT;
	open_dir(&world);
	former_daemon(&world);
	map_spool(&world, NULL);
	n_deaths = 0;
	wrong = single_step(&s);
	world_deinit(&world);
	if (wrong)
		fail_msg("%s, at death %u", wrong, n_deaths);
	print_message("             killed at %u different moments\n",
		      n_deaths);
	assert_true(n_deaths > 10);
}

static void a_detach_takes_what_is_in_the_ring(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CLOSED,
		.turns = {
			{ .guest_writes = 300, .guest_reads = 30 },
			{ .guest_writes = 700, .detach = true },
			{ .guest_writes = 50, .guest_reads = 20 },
			{ .guest_writes = 10, .fe = CONSOLE_STATE_CLOSED },
		},
	});
}

static void a_detach_of_a_guest_that_closes_in_two_steps(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CLOSED,
		.turns = {
			{ .guest_writes = 700, .detach = true },
			{ .guest_writes = 50, .fe = CONSOLE_STATE_CLOSING },
			{ .guest_reads = 9, .fe = CONSOLE_STATE_CLOSED },
		},
	});
}

static void a_detach_of_a_guest_that_does_not_close(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CLOSED,
		.turns = {
			{ .guest_writes = 700, .guest_reads = 30,
			  .detach = true },
			{ .late = true },
			{ .late = true },
		},
	});
}

static void a_guest_that_closes_loses_nothing(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CLOSED,
		.turns = {
			{ .guest_writes = 300, .guest_reads = 30 },
			{ .guest_writes = 700, .fe = CONSOLE_STATE_CLOSED },
		},
	});
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CLOSED,
		.turns = {
			{ .guest_writes = 700, .fe = CONSOLE_STATE_CLOSING },
			{ .fe = CONSOLE_STATE_CLOSED },
		},
	});
}

static void a_guest_connects(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CONNECTED,
		.fresh = true,
		.turns = {
			{ .guest_writes = 700, .fe = CONSOLE_STATE_INITIALISED },
			{ .guest_reads = 60, .fe = CONSOLE_STATE_CONNECTED },
			{ .guest_writes = 5, .guest_reads = 1 },
		},
	});
}

static void a_guest_comes_again_with_a_ring_of_the_same_numbers(void **state)
{
	expect_right(&(struct scenario){
		.be = CONSOLE_STATE_CONNECTED,
		.turns = {
			{ .guest_writes = 500, .guest_reads = 40,
			  .fe = CONSOLE_STATE_CLOSED },
			{ .fe = CONSOLE_STATE_INITIALISING },
			{ .guest_writes = 400, .new_ring = true,
			  .fe = CONSOLE_STATE_INITIALISED },
			{ .guest_writes = 5, .guest_reads = 20,
			  .fe = CONSOLE_STATE_CONNECTED },
		},
	});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_detach_takes_what_is_in_the_ring),
		cmocka_unit_test(a_detach_of_a_guest_that_closes_in_two_steps),
		cmocka_unit_test(a_detach_of_a_guest_that_does_not_close),
		cmocka_unit_test(a_guest_that_closes_loses_nothing),
		cmocka_unit_test(a_guest_connects),
		cmocka_unit_test(
			a_guest_comes_again_with_a_ring_of_the_same_numbers),
	};

	if (!single_step_is_possible()) {
		puts("a process cannot be single-stepped here");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
