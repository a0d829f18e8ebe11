// SPDX-License-Identifier: MIT
/*
 * A peer that lies as fast as it can. On the in-process host a thread, the liar,
 * has its own mapping of the page that the two domains share, and its own end of
 * the event channel, and writes there without a pause, while ours makes calls.
 * What it writes comes from a seed, when it does so from the scheduler.
 *
 *   vchan-hostile CALLS [SEED]   so many calls against each attack in each role
 *
 * However it lies: our buffers, which lie between pages that cannot be touched,
 * and the rings, which do too, are not left; each call ends, at its deadline if
 * not before; what it returns is in its range, and its errno one that is
 * documented; and one vchan says no more than a few lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <xentoollog.h>

#include "libxenvchan-ext.h"
#include "vchan/test-pair.h"

#define DEADLINE_NS 500000
#define SECONDS_TO_HANG 300 /* far more than a slow machine takes */
#define PAGE 4096u
#define BUFFER_SIZE (4 * PAGE)
#define LINES_MAX 24 /* of a vchan's life */
#define N_PAGES 17   /* a forged server's: orders 12 and 16 */

static const char *scene = "";
static uint64_t seed;

#define expect(cond)                                                        \
	do {                                                                \
		if (!(cond)) {                                              \
			fprintf(stderr,                                     \
				"%s:%d: not so: %s (errno %s)\n"            \
				"in \"%s\", seed %" PRIu64 "\n",            \
				__func__, __LINE__, #cond, strerror(errno), \
				scene, seed);                               \
			_exit(1);                                           \
		}                                                           \
	} while (0)

struct dice {
	uint64_t state; /* not 0 */
};

static uint32_t roll(struct dice *d)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (uint32_t)(d->state >> 32);
}

/*
 * The liar
 */

struct liar {
	struct vchan_interface *page; /* its own mapping */
	xenevtchn_handle *event;
	evtchn_port_t port;
	unsigned int domid;
	const struct attack *attack;
	struct dice dice;
	atomic_bool stop;
	pthread_t thread;
};

static void store_u32(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static void store_u8(uint8_t *p, uint8_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static uint32_t *an_index(struct liar *l)
{
	uint32_t *const all[] = { &l->page->left.cons, &l->page->left.prod,
				  &l->page->right.cons, &l->page->right.prod };

	return all[roll(&l->dice) % 4];
}

static void flip_indices(struct liar *l)
{
	uint32_t *p = an_index(l), honest = *p, lie = roll(&l->dice);

	for (int i = 0; i < 200; i++) {
		store_u32(p, honest + (lie & 1023));
		store_u32(p, lie);
		store_u32(p, honest);
	}
}

/* As far as a peer may go, and one step further, at every size of a ring. */
static void walk_indices(struct liar *l)
{
	uint32_t *p = an_index(l), from = *p;
	uint32_t size = 1u << (10 + roll(&l->dice) % 11);

	for (int i = 0; i < 200; i++)
		store_u32(p, from + (uint32_t)i * (size / 128));
	store_u32(p, from + size);
	store_u32(p, from + size + 1);
	store_u32(p, from - 1);
	store_u32(p, from);
}

/* Data that comes and goes without a mistake in the indices. */
static void move_on(struct liar *l)
{
	uint32_t left = roll(&l->dice) % 700, right = roll(&l->dice) % 700;

	store_u32(&l->page->left.cons, l->page->left.prod);
	store_u32(&l->page->right.cons, l->page->right.prod);
	store_u32(&l->page->left.prod, l->page->left.cons + left);
	store_u32(&l->page->right.prod, l->page->right.cons + right);
	xenevtchn_notify(l->event, l->port);
}

static void every_live_byte(struct liar *l)
{
	uint8_t *p =
		roll(&l->dice) & 1 ? &l->page->cli_live : &l->page->srv_live;

	for (unsigned int v = 0; v < 256; v++) {
		store_u8(p, (uint8_t)v);
		if (v % 16 == 0)
			xenevtchn_notify(l->event, l->port);
	}
	store_u8(p, 1);
}

/* A client that is gone, and back, before anybody looked. */
static void leave_and_return(struct liar *l)
{
	uint8_t *p =
		l->domid == CLIENT ? &l->page->cli_live : &l->page->srv_live;

	store_u8(p, 0);
	store_u8(p, 1);
	store_u8(&l->page->srv_notify, 1);
	xenevtchn_notify(l->event, l->port);
}

/* Bits that are never cleared, or never there, and all that are ours. */
static void hold_notify_bits(struct liar *l)
{
	uint8_t v = (uint8_t)roll(&l->dice);

	for (int i = 0; i < 500; i++) {
		store_u8(&l->page->cli_notify, v);
		store_u8(&l->page->srv_notify, (uint8_t)~v);
		store_u8(&l->page->cli_notify, 0xff);
		store_u8(&l->page->srv_notify, 0xff);
	}
}

static void change_orders_and_grants(struct liar *l)
{
	static const uint16_t orders[] = { 0,  9,  10, 11, 12,    13,
					   16, 20, 21, 32, 0x8000 };
	uint16_t order = orders[roll(&l->dice) % 11];
	uint32_t *grants = l->page->grants, at = roll(&l->dice) % N_PAGES;

	for (int i = 0; i < 200; i++) {
		__atomic_store_n(&l->page->left_order, order, __ATOMIC_RELAXED);
		__atomic_store_n(&l->page->right_order, (uint16_t)(order + 1),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&l->page->left_order, 12, __ATOMIC_RELAXED);
		__atomic_store_n(&l->page->right_order, 16, __ATOMIC_RELAXED);
		store_u32(&grants[at], grants[(at + 1) % N_PAGES]);
	}
}

static void flood_with_events(struct liar *l)
{
	for (int i = 0; i < 500; i++)
		xenevtchn_notify(l->event, l->port);
}

static void write_anything(struct liar *l)
{
	uint8_t *bytes = (uint8_t *)l->page;

	for (int i = 0; i < 100; i++)
		store_u8(&bytes[roll(&l->dice) % 32], (uint8_t)roll(&l->dice));
	for (int i = 0; i < 100; i++)
		store_u8(&bytes[roll(&l->dice) % PAGE],
			 (uint8_t)roll(&l->dice));
}

static void all_at_once(struct liar *l);

static const struct attack {
	const char *name;
	void (*burst)(struct liar *l);
} attacks[] = {
	{ "flip-flop of indices", flip_indices },
	{ "walk of indices", walk_indices },
	{ "a peer that moves on", move_on },
	{ "every live byte", every_live_byte },
	{ "leaves and returns", leave_and_return },
	{ "notify bits held", hold_notify_bits },
	{ "orders and grants change", change_orders_and_grants },
	{ "flood of events", flood_with_events },
	{ "anything", write_anything },
	{ "all at once", all_at_once },
};
#define N_ATTACKS (sizeof(attacks) / sizeof(*attacks))

static void all_at_once(struct liar *l)
{
	attacks[roll(&l->dice) % (N_ATTACKS - 1)].burst(l);
}

static void *lie(void *arg)
{
	struct liar *l = arg;

	fake_host_set_domain(l->domid);
	while (!atomic_load(&l->stop))
		l->attack->burst(l);
	return NULL;
}

static void start_lying(struct liar *l, const struct attack *attack)
{
	l->attack = attack;
	l->dice.state = seed * 2654435761u + 1;
	atomic_store(&l->stop, false);
	expect(!pthread_create(&l->thread, NULL, lie, l));
}

static void stop_lying(struct liar *l)
{
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
}

/*
 * Our end
 */

struct recorder {
	struct xentoollog_logger logger; /* first */
	unsigned int lines;
};

__attribute__((format(printf, 5, 0))) static void
record(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
       const char *context, const char *format, va_list ap)
{
	((struct recorder *)(void *)logger)->lines++;
}

static struct recorder recorder = { .logger = { .vmessage = record } };

/* Pages that fault, then BUFFER_SIZE bytes, then pages that fault. */
static char *guarded;

static void make_guarded(void)
{
	char *p = mmap(NULL, BUFFER_SIZE + 2 * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED);
	guarded = p + PAGE;
	expect(!mprotect(guarded, BUFFER_SIZE, PROT_READ | PROT_WRITE));
}

/* A buffer of this size that ends, or begins, where a page that faults is. */
static char *buffer(struct dice *d, size_t size)
{
	return roll(d) & 1 ? guarded : guarded + BUFFER_SIZE - size;
}

/* What the headers name for a vchan that is connected. */
static void expect_documented(int err)
{
	expect(err == EPIPE || err == EPROTO || err == EMSGSIZE ||
	       err == ENOTCONN || err == EHOSTDOWN || err == EINVAL ||
	       err == EISCONN || err == ETIMEDOUT);
}

static void expect_result(long n, size_t max)
{
	expect(n >= -1 && (n < 0 || (size_t)n <= max));
	if (n < 0)
		expect_documented(errno);
}

static void expect_span(const struct libxenvchan_ring *ring,
			const struct iovec span[2], int n)
{
	const char *from = ring->buffer, *to = from + (1u << ring->order);

	expect_result(n, 1u << ring->order);
	for (int i = 0; i < 2 && n > 0; i++) {
		const char *base = span[i].iov_base;

		if (!span[i].iov_len)
			continue;
		expect(base >= from && base < to);
		expect(span[i].iov_len <= (size_t)(to - base));
		memset(span[i].iov_base, 's', span[i].iov_len);
	}
}

static void make_a_call(struct libxenvchan *v, struct dice *d)
{
	size_t size = roll(d) % (BUFFER_SIZE + 1);
	char *buf = buffer(d, size);
	struct iovec span[2];

	v->blocking = roll(d) % 4 == 0;
	errno = 0;
	switch (roll(d) % 14) {
	case 0:
	case 1:
		expect_result(libxenvchan_read(v, buf, size), size);
		break;
	case 2:
	case 3:
		memset(buf, 'w', size);
		expect_result(libxenvchan_write(v, buf, size), size);
		break;
	case 4:
		expect_result(libxenvchan_recv(v, buf, size % 700), 700);
		break;
	case 5:
		memset(buf, 'w', size % 700);
		expect_result(libxenvchan_send(v, buf, size % 700), 700);
		break;
	case 6:
		expect_span(&v->read, span,
			    libxenvchan_peek(v, span, size % 700));
		expect_result(libxenvchan_consume(v, size % 100), 0);
		break;
	case 7:
		expect_span(&v->write, span,
			    libxenvchan_reserve(v, span, size % 700));
		expect_result(libxenvchan_commit(v, size % 100), 0);
		break;
	case 8:
		expect_result(libxenvchan_data_ready(v), 1u << v->read.order);
		break;
	case 9:
		expect_result(libxenvchan_buffer_space(v),
			      1u << v->write.order);
		break;
	case 10:
		expect_result(libxenvchan_is_open(v), 2);
		break;
	case 11:
		expect_result(libxenvchan_poll(v, 3, DEADLINE_NS), 15);
		break;
	case 12:
		expect(libxenvchan_state(v) <= LIBXENVCHAN_CORRUPT);
		break;
	default:
		v->server_persist = v->is_server && roll(d) & 1;
	}
}

static void be_impatient(struct libxenvchan *v)
{
	libxenvchan_set_timeout(v, DEADLINE_NS);
	libxenvchan_set_spin(v, 0);
}

/* Once corrupt, for good: whatever the peer writes then. */
static void expect_dead(struct libxenvchan *v)
{
	char b = 0;

	expect(libxenvchan_state(v) == LIBXENVCHAN_CORRUPT);
	expect(libxenvchan_read(v, &b, 1) == -1 && errno == EPROTO);
	expect(libxenvchan_write(v, &b, 1) == -1 && errno == EPROTO);
	expect(libxenvchan_is_open(v) == 0);
}

/* The page again as it is when nobody has come yet, as well as a liar can. */
static void repair(struct vchan_interface *page, unsigned int left,
		   unsigned int right)
{
	memset(page, 0, 16);
	page->left_order = (uint16_t)left;
	page->right_order = (uint16_t)right;
	page->cli_live = 2;
	page->srv_live = 1;
	page->cli_notify = VCHAN_NOTIFY_WRITE;
	page->srv_notify = 0;
}

/*
 * Scenes
 */

static struct libxenvchan *serve_logged(size_t left, size_t right)
{
	struct libxenvchan *v;

	fake_host_set_domain(SERVER);
	recorder.lines = 0;
	v = libxenvchan_server_init(&recorder.logger, CLIENT, NAME, left,
				    right);
	expect(v);
	be_impatient(v);
	return v;
}

/* A client without a library: it has found and mapped our server. */
static void infiltrate(struct liar *l, xengnttab_handle *gnttab,
		       const struct libxenvchan *v)
{
	char *ref;

	fake_host_set_domain(CLIENT);
	ref = read_node(FULL_NAME, "ring-ref");
	expect(ref);
	l->domid = CLIENT;
	l->page = xengnttab_map_grant_ref(gnttab, SERVER,
					  (uint32_t)strtoul(ref, NULL, 10), 3);
	free(ref);
	l->event = xenevtchn_open(NULL, 0);
	l->port = (evtchn_port_t)xenevtchn_bind_interdomain(l->event, SERVER,
							    v->event_port);
	expect(l->page && l->event);
	l->page->cli_live = 1;
}

/* Our server; it begins anew, as one that survives does, when it is over. */
static void attack_a_server(const struct attack *attack, unsigned int calls,
			    size_t left, size_t right)
{
	struct dice d = { seed + 1 };
	xengnttab_handle *gnttab;
	struct libxenvchan *v;
	struct liar l = { 0 };

	new_world();
	fake_host_map_apart(true);
	v = serve_logged(left, right);
	fake_host_set_domain(CLIENT);
	gnttab = xengnttab_open(NULL, 0);
	infiltrate(&l, gnttab, v);
	start_lying(&l, attack);
	fake_host_set_domain(SERVER);
	for (unsigned int i = 0; i < calls; i++) {
		make_a_call(v, &d);
		if (libxenvchan_state(v) == LIBXENVCHAN_CORRUPT)
			expect_dead(v);
		if (libxenvchan_state(v) <= LIBXENVCHAN_OPEN)
			continue;
		expect(recorder.lines <= LINES_MAX);
		recorder.lines = 0;
		if (roll(&d) % 4 == 0)
			expect_result(libxenvchan_rearm(v), 0);
	}
	expect(recorder.lines <= LINES_MAX);
	libxenvchan_close(v);
	stop_lying(&l);
	fake_host_set_domain(CLIENT);
	xengnttab_unmap(gnttab, l.page, 1);
	xengnttab_close(gnttab);
	xenevtchn_close(l.event);
	expect(!fake_host_live_total(SERVER));
}

/* Also while our client connects: again and again, it is let in or not. */
static void attack_a_client(const struct attack *attack, unsigned int calls,
			    unsigned int left, unsigned int right)
{
	struct forged_server s;
	struct dice d = { seed + 2 };
	struct liar l = { .domid = SERVER };

	new_world();
	fake_host_map_apart(true);
	forge_server(&s, left, right, N_PAGES);
	l.page = s.ring;
	l.event = s.event;
	l.port = (evtchn_port_t)s.port;
	while (calls) {
		struct libxenvchan *v;

		repair(s.ring, left, right);
		start_lying(&l, attack);
		fake_host_set_domain(CLIENT);
		recorder.lines = 0;
		errno = 0;
		v = libxenvchan_client_init(&recorder.logger, SERVER,
					    FULL_NAME);
		if (!v)
			expect(errno == EPROTO || errno == EBUSY ||
			       errno == ECONNREFUSED || errno == EAGAIN);
		else
			be_impatient(v);
		for (unsigned int i = 0; v && i < 30 && i < calls; i++)
			make_a_call(v, &d);
		if (v && libxenvchan_state(v) == LIBXENVCHAN_CORRUPT)
			expect_dead(v);
		expect(recorder.lines <= LINES_MAX);
		if (v)
			libxenvchan_close(v);
		stop_lying(&l);
		calls -= calls < 30 ? calls : 30;
	}
	expect(!fake_host_live_total(CLIENT));
	unforge_server(&s);
}

/* Nodes that change while clients read them. */
static void *change_nodes(void *arg)
{
	static const char *const values[] = { "",  "0",          "-1", "8",
					      "9", "4294967295", "x",  "1 " };
	struct liar *l = arg;

	fake_host_set_domain(SERVER);
	while (!atomic_load(&l->stop))
		write_node(NAME,
			   roll(&l->dice) & 1 ? "ring-ref" : "event-channel",
			   values[roll(&l->dice) % 8]);
	return NULL;
}

static void attack_with_nodes(unsigned int calls)
{
	struct liar l = { .dice = { seed + 3 } };
	struct forged_server s;

	new_world();
	fake_host_map_apart(true);
	forge_server(&s, 12, 16, N_PAGES);
	expect(!pthread_create(&l.thread, NULL, change_nodes, &l));
	fake_host_set_domain(CLIENT);
	for (unsigned int i = 0; i < calls; i++) {
		struct libxenvchan *v;

		errno = 0;
		v = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
		if (v)
			libxenvchan_close(v);
		else
			expect(errno == EPROTO || errno == EAGAIN ||
			       errno == ECONNREFUSED || errno == EBUSY);
	}
	stop_lying(&l);
	expect(!fake_host_live_total(CLIENT));
	unforge_server(&s);
}

int main(int argc, char **argv)
{
	unsigned int calls = argc > 1 ? (unsigned int)atoi(argv[1]) : 100;
	char name[80];

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
	printf("seed %" PRIu64 "\n", seed);
	alarm(SECONDS_TO_HANG);
	make_guarded();
	scene = name;
	for (size_t i = 0; i < N_ATTACKS; i++) {
		for (int large = 0; large < 2; large++) {
			snprintf(name, sizeof(name), "%s, %s rings",
				 attacks[i].name, large ? "large" : "small");
			printf("%s\n", name);
			fflush(stdout);
			attack_a_server(&attacks[i], calls, large ? 4096 : 0,
					large ? 65536 : 0);
			attack_a_client(&attacks[i], calls, large ? 12 : 10,
					large ? 16 : 11);
		}
	}
	snprintf(name, sizeof(name), "nodes change");
	printf("%s\n", name);
	attack_with_nodes(calls);
	return 0;
}
