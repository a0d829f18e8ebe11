// SPDX-License-Identifier: MIT
/*
 * A hostile peer of a vchan as a process in a domain of its own: it has no
 * libxenvchan, but the pages, the port and the nodes, and lies as fast as it can.
 *
 *   vchan-liar client|server SEED [ATTACK]
 *
 * It lives again and again, each time as a new process by the next dice, until
 * standard input ends: it comes, lies from two threads, and goes as it should or
 * as it should not. With an ATTACK, by its name in liar.c, it lives once, and
 * tells nothing but that. A last line says how often it lived, and how many
 * events it has sent.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "base/clock.h"
#include "liar.h"
#include "lives.h"
#include "vchan-names.h"
#include "victim.h"

#define PAGE 4096u

const char *scene = "a life";
uint64_t seed;

static bool as_client;
static const struct attack *only_attack;
static unsigned long *n_events; /* of all lives */

struct life {
	struct liar hammer; /* its thread, and the main one's */
	struct xs_handle *xs;
	xengnttab_handle *gnttab;
	xengntshr_handle *gntshr;
	uint8_t *rings; /* or NULL */
	unsigned int n_pages;
};

static unsigned int number_of(struct life *f, const char *key)
{
	char *text, path[128];
	unsigned int n;

	snprintf(path, sizeof(path), "%s/%s", VICTIM_PATH, key);
	text = xs_read(f->xs, XBT_NULL, path, NULL);
	n = text ? (unsigned int)strtoul(text, NULL, 10) : 0;
	free(text);
	return n;
}

static unsigned int grants_of(unsigned int order)
{
	return order < 12 || order > 16 ? 0 : 1u << (order - 12);
}

/* Wherever the page says that there are rings, by now. */
static void map_rings(struct life *f)
{
	struct vchan_interface *page = f->hammer.page;
	uint32_t refs[32];

	f->n_pages = grants_of(page->left_order) + grants_of(page->right_order);
	if (!f->n_pages || f->n_pages > 32)
		return;
	memcpy(refs, (char *)page + 24, f->n_pages * sizeof(*refs));
	f->rings = xengnttab_map_domain_grant_refs(f->gnttab, f->n_pages,
						   SERVER_ID, refs, 3);
}

/* False: there is no server, or not for us. */
static bool come_as_client(struct life *f)
{
	uint32_t ref = number_of(f, "ring-ref");
	struct liar *l = &f->hammer;
	int port;

	f->gnttab = xengnttab_open(NULL, 0);
	l->page = xengnttab_map_grant_ref(f->gnttab, SERVER_ID, ref, 3);
	/* By now it may be a ring's page, of the next server. */
	if (!l->page || ref != number_of(f, "ring-ref"))
		return false;
	map_rings(f);
	l->is_client = true;
	/* Refused if there is another one: then it lies without events. */
	port = xenevtchn_bind_interdomain(l->event, SERVER_ID,
					  number_of(f, "event-channel"));
	l->port = port > 0 ? (evtchn_port_t)port : 0;
	l->page->cli_live = 1;
	l->page->srv_notify = VCHAN_NOTIFY_WRITE;
	if (!only_attack) /* finished, leaving, marked, ... */
		l->page->srv_notify |= (uint8_t)roll(&l->dice);
	liar_notify(l);
	return true;
}

static void put(struct life *f, const char *key, const char *value)
{
	struct xs_permissions perms[2] = { { SERVER_ID, XS_PERM_NONE },
					   { CLIENT_ID, XS_PERM_READ } };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", VICTIM_NAME, key);
	xs_write(f->xs, XBT_NULL, path, value, (unsigned int)strlen(value));
	xs_set_permissions(f->xs, XBT_NULL, path, perms, 2);
}

static void put_number(struct life *f, const char *key, uint32_t n)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", n);
	put(f, key, text);
}

static void describe_rings(struct life *f, const uint32_t *refs)
{
	static const uint16_t orders[][2] = { { 10, 11 }, { 11, 10 },
					      { 12, 16 }, { 16, 12 },
					      { 11, 12 }, { 10, 10 },
					      { 9, 20 },  { 12, 21 } };
	struct vchan_interface *page = f->hammer.page;
	/* Most of them are legal. */
	uint32_t n = roll(&f->hammer.dice) % 16;

	n = only_attack ? 0 : n < 8 ? n : n % 5;
	page->left_order = orders[n][0];
	page->right_order = orders[n][1];
	memcpy((char *)page + 24, refs, N_PAGES * sizeof(*refs));
	page->cli_live = 2;
	page->cli_notify = VCHAN_NOTIFY_WRITE;
	page->srv_live = 1;
}

static bool come_as_server(struct life *f)
{
	struct liar *l = &f->hammer;
	uint32_t ref, refs[N_PAGES];
	int port;

	f->gntshr = xengntshr_open(NULL, 0);
	port = xenevtchn_bind_unbound_port(l->event, CLIENT_ID);
	expect(port > 0);
	l->port = (evtchn_port_t)port;
	l->page = xengntshr_share_page_notify(
		f->gntshr, CLIENT_ID, &ref, 1,
		offsetof(struct vchan_interface, srv_live), l->port);
	f->n_pages = N_PAGES;
	f->rings =
		xengntshr_share_pages(f->gntshr, CLIENT_ID, N_PAGES, refs, 1);
	expect(l->page && f->rings);
	describe_rings(f, refs);
	put_number(f, "ring-ref", ref);
	put_number(f, "event-channel", l->port);
	return true;
}

/* A burst upon nodes of its own, which ours reads while it connects. */
static void change_nodes(struct life *f, struct dice *d)
{
	static const char *const values[] = {
		"",  "0",  "-1",  "4294967295", "8",   "9",
		"x", "1 ", "1e9", "07",         "0x8", "99999999999"
	};

	put(f, roll(d) & 1 ? "ring-ref" : "event-channel",
	    values[roll(d) % (sizeof(values) / sizeof(*values))]);
	if (roll(d) % 8 == 0)
		xs_rm(f->xs, XBT_NULL, VICTIM_NAME);
}

/* Where, and between what: it may be long until it is seen again. */
static void tell_of_secret(const uint8_t *memory, size_t size, size_t at)
{
	size_t from = at < 32 ? 0 : at - 32;

	dprintf(STDOUT_FILENO, "at %zu of %zu:", at, size);
	for (size_t i = from; i < from + 96 && i < size; i++)
		dprintf(STDOUT_FILENO, " %02x", memory[i]);
	dprintf(STDOUT_FILENO, "\n");
}

static void look_for_secret(const void *memory, size_t size)
{
	const uint8_t *at =
		memory ? memmem(memory, size, VICTIM_SECRET, 8) : NULL;

	if (!at)
		return;
	tell_of_secret(memory, size, (size_t)(at - (const uint8_t *)memory));
	_exit(LIFE_LEAKED);
}

static void release(struct life *f, void *pages, unsigned int n)
{
	if (f->gntshr)
		xengntshr_unshare(f->gntshr, pages, n);
	else
		xengnttab_unmap(f->gnttab, pages, n);
}

/* While ours uses them. */
static void take_rings_away(struct life *f)
{
	if (f->rings)
		release(f, f->rings, f->n_pages);
	f->rings = NULL;
}

static void *hammer(void *arg)
{
	struct liar *l = arg;

	for (;;)
		l->attack->burst(l);
	return NULL;
}

/* Other lies at the same time, until this life is over. */
static void lie_until(struct life *f, int64_t end)
{
	struct liar here = f->hammer;
	bool nodes = f->gntshr && !only_attack && roll(&here.dice) % 3 == 0;

	here.dice.state = f->hammer.dice.state ^ 0x5bd1e995;
	here.n_events = 0;
	while (clock_now_ns() < end) {
		here.attack->burst(&here);
		if (!only_attack)
			here.attack = &attacks[roll(&here.dice) % n_attacks];
		look_for_secret(here.page, PAGE);
		look_for_secret(f->rings, f->n_pages * (size_t)PAGE);
		if (nodes)
			change_nodes(f, &here.dice);
		if (!only_attack && roll(&here.dice) % 64 == 0)
			take_rings_away(f);
		__atomic_add_fetch(n_events, here.n_events, __ATOMIC_RELAXED);
		here.n_events = 0;
	}
}

/* Good manners, in some order, some of them. */
static void leave(struct life *f)
{
	struct liar *l = &f->hammer;

	for (int i = 0; i < 3; i++) {
		switch (roll(&l->dice) % 4) {
		case 0:
			take_rings_away(f);
			break;
		case 1:
			xenevtchn_unbind(l->event, l->port);
			break;
		case 2:
			(l->is_client ? &l->page->cli_live
				      : &l->page->srv_live)[0] = 0;
			liar_notify(l);
			break;
		default:
			return;
		}
	}
}

/* Honest until one is in, or not. */
static void bide_time(struct life *f)
{
	int64_t end = clock_now_ns() + 40 * NS_PER_MS;

	if (!only_attack && roll(&f->hammer.dice) % 4 == 0)
		return;
	while ((only_attack || clock_now_ns() < end) &&
	       __atomic_load_n(&f->hammer.page->cli_live, __ATOMIC_ACQUIRE) !=
		       1)
		;
}

static int live(uint64_t n)
{
	struct life f = { .hammer.dice.state = dice_state(n) };
	struct liar *l = &f.hammer;
	int64_t span = 2 * NS_PER_MS;

	span += (int64_t)(roll(&l->dice) % 60) * NS_PER_MS;
	f.xs = xs_open(0);
	l->event = xenevtchn_open(NULL, 0);
	expect(f.xs && l->event);
	if (!(as_client ? come_as_client(&f) : come_as_server(&f)))
		return 0;
	l->attack = only_attack ? only_attack
				: &attacks[roll(&l->dice) % n_attacks];
	bide_time(&f);
	/* Two threads at once do not flood faster. */
	if (!only_attack)
		expect(!pthread_create(&l->thread, NULL, hammer, l));
	lie_until(&f, only_attack ? INT64_MAX : clock_now_ns() + span);
	leave(&f);
	return 0;
}

int main(int argc, char **argv)
{
	int64_t start = clock_now_ns();
	int status;

	if (argc < 3)
		return 2;
	as_client = !strcmp(argv[1], "client");
	seed = strtoull(argv[2], NULL, 10);
	only_attack = argc > 3 ? attack_find(argv[3]) : NULL;
	n_events = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(n_events != MAP_FAILED && (argc == 3 || only_attack));
	status = lives_run(live);
	printf("%lu events, %.0f a second\n", *n_events,
	       (double)*n_events * NS_PER_S / (double)(clock_now_ns() - start));
	return status;
}
