// SPDX-License-Identifier: MIT
/*
 * One end of a channel that lies as fast as it can: a guest's front end, or the
 * back end of the domain that serves. It has the page, the port and its own nodes.
 *
 *   channel-liar front DEVICE SEED         in the guest
 *   channel-liar back DOMID DEVICE SEED    in domain 0
 *
 * It lives again and again, each time as a new process by the next dice, until
 * standard input ends. Into the ring's bytes it writes values below LIAR_MARK only;
 * those that others write must not be there unless they were sent to it: a front
 * end ends with a status when it finds one.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "base/clock.h"
#include "liar.h"
#include "lives.h"

#define PAGE 4096u
#define RINGS 3072 /* bytes of the page: in, then out */
#define IN_SIZE 1024
#define CONNECTION 3088

const char *scene = "a life";
uint64_t seed;

static bool is_front;
static unsigned int domid, device;
static unsigned long *n_connected; /* of all lives */

struct life {
	struct dice dice;
	struct xs_handle *xs;
	xengntshr_handle *gntshr;
	xengnttab_handle *gnttab;
	xenevtchn_handle *event;
	evtchn_port_t port;
	uint8_t *page;
	pthread_t thread;
};

/*
 * Lies about the ring
 */

static uint32_t *index_of(struct life *f, unsigned int i)
{
	return (uint32_t *)(void *)(f->page + RINGS) + i % 4;
}

static void set(uint32_t *index, uint32_t v)
{
	__atomic_store_n(index, v, __ATOMIC_RELEASE);
}

static void flip_indices(struct life *f, struct dice *d)
{
	uint32_t *p = index_of(f, roll(d)), honest = *p, lie = roll(d);

	for (int i = 0; i < 200; i++) {
		set(p, honest + (lie & 2047));
		set(p, lie);
		set(p, honest);
	}
}

/* To the end of the ring, and one byte further. */
static void walk_indices(struct life *f, struct dice *d)
{
	uint32_t *p = index_of(f, roll(d)), from = *p;

	for (uint32_t i = 0; i < 64; i++)
		set(p, from + i * 32);
	set(p, from + 2048 + roll(d) % 2);
	set(p, from - 1);
	set(p, from);
}

/* What an honest one does, with more data than anybody wants. */
static void move_on(struct life *f, struct dice *d)
{
	uint32_t *in_cons = index_of(f, 0), *in_prod = index_of(f, 1);
	uint32_t *out_cons = index_of(f, 2), *out_prod = index_of(f, 3);

	for (int i = 0; i < 50; i++) {
		uint32_t n = roll(d) % 1024;

		if (is_front) {
			set(in_cons, *in_prod);
			set(out_prod, *out_cons + n);
		} else {
			set(out_cons, *out_prod);
			set(in_prod, *in_cons + n);
		}
		xenevtchn_notify(f->event, f->port);
	}
}

static void flood_with_events(struct life *f, struct dice *d)
{
	for (int i = 0; i < 500; i++)
		xenevtchn_notify(f->event, f->port);
}

static void write_anything(struct life *f, struct dice *d)
{
	for (int i = 0; i < 100; i++) {
		f->page[roll(d) % RINGS] = roll(d) % LIAR_MARK;
		f->page[RINGS + roll(d) % (PAGE - RINGS)] = (uint8_t)roll(d);
	}
}

static void change_connection(struct life *f, struct dice *d)
{
	for (unsigned int v = 0; v < 256; v++)
		f->page[CONNECTION] = (uint8_t)v;
}

static void (*const bursts[])(struct life *f, struct dice *d) = {
	flip_indices,      walk_indices,   move_on,
	flood_with_events, write_anything, change_connection,
};
#define N_BURSTS (sizeof(bursts) / sizeof(*bursts))

static void *hammer(void *arg)
{
	struct life *f = arg;
	struct dice d = { f->dice.state ^ 0x5bd1e995 };
	unsigned int which = roll(&d) % N_BURSTS;

	for (;;)
		bursts[which](f, &d);
	return NULL;
}

/*
 * Lies in the nodes
 */

struct path {
	char s[128];
};

static const char *path_of(struct path *p, bool front, const char *key)
{
	if (front)
		snprintf(p->s, sizeof(p->s),
			 "/local/domain/%u/device/console/%u/%s", domid, device,
			 key);
	else
		snprintf(p->s, sizeof(p->s),
			 "/local/domain/0/backend/console/%u/%u/%s", domid,
			 device, key);
	return p->s;
}

static void put(struct life *f, const char *key, const char *value)
{
	struct path p;

	xs_write(f->xs, XBT_NULL, path_of(&p, is_front, key), value,
		 (unsigned int)strlen(value));
}

static void put_number(struct life *f, const char *key, unsigned int n)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", n);
	put(f, key, text);
}

static unsigned int peers_number(struct life *f, const char *key)
{
	struct path p;
	char *text =
		xs_read(f->xs, XBT_NULL, path_of(&p, !is_front, key), NULL);
	unsigned int n = text ? (unsigned int)strtoul(text, NULL, 10) : 0;

	free(text);
	return n;
}

static void change_nodes(struct life *f, struct dice *d)
{
	static const char *const keys[] = { "state",    "state",   "ring-ref",
					    "port",     "backend", "protocol",
					    "xen-open", "online",  "name" };
	static const char *const values[] = { "0", "1", "2",  "3",
					      "4", "5", "6",  "7",
					      "",  "x", "-1", "4294967296" };

	/* A front end's keys only; a back end is in charge of all but these. */
	put(f, keys[roll(d) % (is_front ? 7 : 2)], values[roll(d) % 12]);
}

/*
 * A life
 */

static void look_for_others(struct life *f)
{
	for (unsigned int i = 0; is_front && i < RINGS; i++)
		if (f->page[i] >= LIAR_MARK)
			_exit(LIFE_LEAKED);
}

static bool await_peer(struct life *f, unsigned int state)
{
	int64_t end = clock_now_ns() + (is_front ? 60 : 400) * NS_PER_MS;

	while (peers_number(f, "state") != state)
		if (clock_now_ns() > end)
			return false;
	return true;
}

static void come_as_front(struct life *f)
{
	uint32_t ref;
	int port;

	f->gntshr = xengntshr_open(NULL, 0);
	f->page = xengntshr_share_pages(f->gntshr, 0, 1, &ref, 1);
	port = xenevtchn_bind_unbound_port(f->event, 0);
	expect(f->page && port > 0);
	f->port = (evtchn_port_t)port;
	for (unsigned int i = 0; roll(&f->dice) % 4 == 0 && i < 4; i++)
		*index_of(f, i) = roll(&f->dice);
	put(f, "state", "1");
	(void)await_peer(f, 2);
	put_number(f, "ring-ref", ref);
	put_number(f, "port", f->port);
	put(f, "state", roll(&f->dice) % 2 ? "3" : "4");
	if (!await_peer(f, 4))
		return;
	put(f, "state", "4");
	++*n_connected;
}

static bool come_as_back(struct life *f)
{
	int port;

	put(f, "state", "2");
	if (!await_peer(f, 3))
		return false;
	f->gnttab = xengnttab_open(NULL, 0);
	f->page = xengnttab_map_grant_ref(f->gnttab, domid,
					  peers_number(f, "ring-ref"), 3);
	port = xenevtchn_bind_interdomain(f->event, domid,
					  peers_number(f, "port"));
	f->port = port > 0 ? (evtchn_port_t)port : 0;
	if (!f->page)
		return false;
	put(f, "state", "4");
	if (await_peer(f, 4))
		++*n_connected;
	return true;
}

static void lie_until(struct life *f, int64_t end)
{
	bool nodes = roll(&f->dice) % 3 == 0;

	while (clock_now_ns() < end) {
		bursts[roll(&f->dice) % N_BURSTS](f, &f->dice);
		look_for_others(f);
		if (nodes)
			change_nodes(f, &f->dice);
	}
}

static void leave(struct life *f)
{
	static const char *const states[] = { "5", "6", "1" };

	if (roll(&f->dice) % 3 == 0)
		xenevtchn_unbind(f->event, f->port);
	/* A back end that has closed will be offered a ring again. */
	if (roll(&f->dice) % 2)
		put(f, "state", is_front ? states[roll(&f->dice) % 3] : "6");
}

static int live(uint64_t n)
{
	struct life f = { .dice = { dice_state(n) } };
	int64_t span = (int64_t)(roll(&f.dice) % 80) * NS_PER_MS;

	f.xs = xs_open(0);
	f.event = xenevtchn_open(NULL, 0);
	expect(f.xs && f.event);
	if (is_front)
		come_as_front(&f);
	else if (!come_as_back(&f))
		return 0;
	expect(!pthread_create(&f.thread, NULL, hammer, &f));
	lie_until(&f, clock_now_ns() + span);
	leave(&f);
	return 0;
}

static unsigned int own_domid(void)
{
	struct xs_handle *xs = xs_open(0);
	char *text = xs ? xs_read(xs, XBT_NULL, "domid", NULL) : NULL;
	unsigned int n;

	expect(text);
	n = (unsigned int)strtoul(text, NULL, 10);
	free(text);
	xs_close(xs);
	return n;
}

int main(int argc, char **argv)
{
	int status;

	is_front = argc == 4 && !strcmp(argv[1], "front");
	if (!is_front && argc != 5)
		return 2;
	domid = is_front ? own_domid() : (unsigned int)atoi(argv[2]);
	device = (unsigned int)atoi(argv[argc - 2]);
	seed = strtoull(argv[argc - 1], NULL, 10);
	n_connected = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(n_connected != MAP_FAILED);
	status = lives_run(live);
	printf("%lu connected\n", *n_connected);
	return status;
}
