// SPDX-License-Identifier: MIT
/*
 * The ring of a PV console against an end that lies, in both roles.
 *
 *   console-hostile CALLS [SEED]
 *
 * First by a table: every combination of what the four indices may be, seen when
 * ours takes the ring up, and then each that the peer's may change to. What is
 * possible is taken for what it says, byte for byte; all else is corruption. Then
 * by a thread that writes indices and bytes without a pause, while ours makes so
 * many calls. The page and the buffers lie between pages that cannot be touched.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "console/ring.h"
#include "expect.h"

#define SECONDS_TO_HANG 300 /* far more than a slow machine takes */
#define PAGE 4096u
#define BUFFER_SIZE PAGE /* more than a ring has */
#define MARK 0x80        /* of what ours writes; nothing else writes it */
#define INDICES (CONSOLE_RING_IN_SIZE + CONSOLE_RING_OUT_SIZE)
#define SECRET 0xf1 /* what is not to be written lies around that */

const char *scene = "";
uint64_t seed;

static struct console_page *page;
static uint8_t *buffer;

static void *guarded(void)
{
	uint8_t *p = mmap(NULL, 3 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED);
	expect(!mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE));
	return p + PAGE;
}

/* Of ours, by its role: what it may read of the ring, and where the words are. */
struct role {
	const char *name;
	int (*attach)(struct console_ring *r, struct console_page *page);
	uint32_t rx_size, tx_size;
	struct shm_u32 *rx_own, *rx_peer, *tx_own, *tx_peer;
};

static struct role role(bool is_backend)
{
	if (is_backend)
		return (struct role){ "backend",
				      console_ring_attach_backend,
				      CONSOLE_RING_OUT_SIZE,
				      CONSOLE_RING_IN_SIZE,
				      &page->out_cons,
				      &page->out_prod,
				      &page->in_prod,
				      &page->in_cons };
	return (struct role){
		"front end",          console_ring_attach_frontend,
		CONSOLE_RING_IN_SIZE, CONSOLE_RING_OUT_SIZE,
		&page->in_cons,       &page->in_prod,
		&page->out_prod,      &page->out_cons
	};
}

/*
 * The table
 */

static const uint32_t values[] = {
	0,          1,          2,          1023,       1024,       1025,
	2047,       2048,       2049,       0x7fffffff, 0x80000000, 0x80000001,
	0xfffff800, 0xfffffc00, 0xfffffffe, 0xffffffff,
};
#define N_VALUES (sizeof(values) / sizeof(*values))

static void set_indices(const struct role *o, uint32_t rx_own, uint32_t rx_peer,
			uint32_t tx_own, uint32_t tx_peer)
{
	shm_store_u32(o->rx_own, rx_own);
	shm_store_u32(o->rx_peer, rx_peer);
	shm_store_u32(o->tx_own, tx_own);
	shm_store_u32(o->tx_peer, tx_peer);
}

/* All that can be read, and all that can be written, is. */
static void expect_moved(struct console_ring *r, const struct role *o,
			 uint32_t n_in, uint32_t n_room)
{
	size_t n = 0;

	expect(!console_ring_read(r, buffer, BUFFER_SIZE, &n) && n == n_in);
	expect(!console_ring_write(r, buffer, BUFFER_SIZE, &n) && n == n_room);
	expect(!console_ring_read(r, buffer, BUFFER_SIZE, &n) && !n);
	expect(!console_ring_write(r, buffer, BUFFER_SIZE, &n) && !n);
	expect(shm_load_u32(o->rx_own) == shm_load_u32(o->rx_peer));
	expect(shm_load_u32(o->tx_own) ==
	       shm_load_u32(o->tx_peer) + o->tx_size);
}

/* The peer's index changes from one value of the table to another. */
static void change_rx(const struct role *o, uint32_t own, uint32_t peer,
		      uint32_t next)
{
	bool good = next - own <= o->rx_size && next - own >= peer - own;
	struct console_ring r;
	size_t n = 0;

	set_indices(o, own, peer, 0, 0);
	expect(!o->attach(&r, page));
	shm_store_u32(o->rx_peer, next);
	shm_store_u32(o->rx_own, ~own); /* which is not looked at again */
	expect(console_ring_ready(&r, &n) == (good ? 0 : CONSOLE_RING_CORRUPT));
	expect(!good || n == next - own);
}

static void change_tx(const struct role *o, uint32_t own, uint32_t peer,
		      uint32_t next)
{
	bool good = own - next <= o->tx_size && own - next <= own - peer;
	struct console_ring r;
	size_t n = 0;

	set_indices(o, 0, 0, own, peer);
	expect(!o->attach(&r, page));
	shm_store_u32(o->tx_peer, next);
	shm_store_u32(o->tx_own, ~own);
	expect(console_ring_space(&r, &n) == (good ? 0 : CONSOLE_RING_CORRUPT));
	expect(!good || n == o->tx_size - (own - next));
}

static void try_four(const struct role *o, uint32_t a, uint32_t b, uint32_t c,
		     uint32_t d)
{
	bool good = b - a <= o->rx_size && c - d <= o->tx_size;
	struct console_ring r;

	set_indices(o, a, b, c, d);
	expect(o->attach(&r, page) == (good ? 0 : CONSOLE_RING_CORRUPT));
	if (good)
		expect_moved(&r, o, b - a, o->tx_size - (c - d));
}

static void try_table(const struct role *o)
{
	for (size_t i = 0; i < N_VALUES * N_VALUES * N_VALUES * N_VALUES; i++) {
		size_t k = i / N_VALUES;
		uint32_t a = values[i % N_VALUES], b = values[k % N_VALUES];
		uint32_t c = values[k / N_VALUES % N_VALUES];
		uint32_t d = values[k / N_VALUES / N_VALUES];

		try_four(o, a, b, c, d);
		if (k / N_VALUES / N_VALUES) /* three of them are enough */
			continue;
		if (b - a <= o->rx_size)
			change_rx(o, a, b, c);
		if (a - b <= o->tx_size)
			change_tx(o, a, b, c);
	}
}

/*
 * The liar
 */

static atomic_bool stop;
static atomic_uint n_lies;

static void *lie(void *arg)
{
	struct shm_u32 *const words[] = { &page->in_cons, &page->in_prod,
					  &page->out_cons, &page->out_prod };
	struct dice d = { dice_state(*(const bool *)arg) };

	for (; !atomic_load(&stop); atomic_fetch_add(&n_lies, 1)) {
		struct shm_u32 *word = words[roll(&d) % 4];
		uint8_t byte = roll(&d) % MARK;

		switch (roll(&d) % 4) {
		case 0: /* as one that moves on, or back */
			shm_store_u32(word,
				      shm_load_u32(word) + roll(&d) % 64 - 16);
			break;
		case 1:
			shm_store_u32(word, values[roll(&d) % N_VALUES]);
			break;
		case 2:
			shm_store_u8(&page->connection, byte);
			break;
		default:
			shm_copy_to((struct shm_byte *)(void *)page +
					    roll(&d) % INDICES,
				    &byte, 1);
		}
	}
	return NULL;
}

/* What is to be written ends, or begins, where a page that faults is. */
static int make_a_call(struct console_ring *r, struct dice *d)
{
	size_t size = roll(d) % (BUFFER_SIZE + 1), n = 0;
	uint8_t *p = roll(d) & 1 ? buffer : buffer + BUFFER_SIZE - size;
	int err;

	memset(buffer, SECRET, BUFFER_SIZE);
	switch (roll(d) % 6) {
	case 0:
		err = console_ring_read(r, p, size, &n);
		break;
	case 1:
		memset(p, MARK, size);
		err = console_ring_write(r, p, size, &n);
		break;
	case 2:
		err = console_ring_peek(r, p, size, &n);
		if (!err)
			console_ring_consume(r, n / 2);
		break;
	case 3:
		err = console_ring_ready(r, &n);
		expect(err || n <= r->rx.size);
		return err;
	case 4:
		err = console_ring_space(r, &n);
		expect(err || n <= r->tx.size);
		return err;
	default:
		err = console_ring_recall(
			r, buffer + BUFFER_SIZE - CONSOLE_RING_OUT_SIZE, &n);
		expect(err || n <= r->tx.size);
		(void)console_ring_is_connected(r);
		return err;
	}
	expect(err || n <= size);
	return err;
}

/* A ring that is corrupt is given up, and taken up anew by the next. */
static void meet_liar(const struct role *o, bool is_backend, unsigned int calls)
{
	struct dice d = { dice_state(2 + is_backend) };
	unsigned int n_corrupt = 0;
	struct console_ring r;
	pthread_t liar;

	set_indices(o, 0, 0, 0, 0);
	memset((void *)page, 0, PAGE);
	expect(!o->attach(&r, page));
	atomic_store(&stop, false);
	atomic_store(&n_lies, 0);
	expect(!pthread_create(&liar, NULL, lie, &is_backend));
	/* However the two are scheduled, that many of either. */
	for (unsigned int i = 0; i < calls || atomic_load(&n_lies) < calls;
	     i++) {
		int err = make_a_call(&r, &d);

		expect(!err || err == CONSOLE_RING_CORRUPT);
		while (err) {
			n_corrupt++;
			err = is_backend && roll(&d) & 1
				      ? console_ring_resume_backend(
						&r, page,
						values[roll(&d) % N_VALUES])
				      : o->attach(&r, page);
		}
	}
	atomic_store(&stop, true);
	pthread_join(liar, NULL);
	expect(!memchr((const void *)page->in, SECRET, CONSOLE_RING_IN_SIZE));
	expect(!memchr((const void *)page->out, SECRET, CONSOLE_RING_OUT_SIZE));
	printf("%s: %u rings given up\n", o->name, n_corrupt);
}

int main(int argc, char **argv)
{
	unsigned int calls = argc > 1 ? (unsigned int)atoi(argv[1]) : 10000;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	printf("seed %" PRIu64 "\n", seed);
	alarm(SECONDS_TO_HANG);
	page = guarded();
	buffer = guarded();
	for (int is_backend = 0; is_backend < 2; is_backend++) {
		struct role o = role(is_backend);

		scene = o.name;
		try_table(&o);
		meet_liar(&o, is_backend, calls);
	}
	return 0;
}
