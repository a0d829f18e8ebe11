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
#include <time.h>

#include "liar.h"
#include "vchan/test-pair.h"
#include "victim.h"

#define SECONDS_TO_HANG 300 /* far more than a slow machine takes */

const char *scene = "";
uint64_t seed;

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
	l->dice.state = dice_state(0);
	atomic_store(&l->stop, false);
	expect(!pthread_create(&l->thread, NULL, lie, l));
}

static void stop_lying(struct liar *l)
{
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
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

static struct victim victim;

static struct libxenvchan *serve_logged(size_t left, size_t right)
{
	struct libxenvchan *v;

	fake_host_set_domain(SERVER);
	victim.lines = 0;
	v = libxenvchan_server_init(&victim.logger, CLIENT, NAME, left, right);
	expect(v);
	victim_be_impatient(&victim, v);
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
	l->is_client = true;
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
	xengnttab_handle *gnttab;
	struct libxenvchan *v;
	struct liar l = { 0 };

	new_world();
	fake_host_map_apart(true);
	victim_init(&victim, 1);
	v = serve_logged(left, right);
	fake_host_set_domain(CLIENT);
	gnttab = xengnttab_open(NULL, 0);
	infiltrate(&l, gnttab, v);
	start_lying(&l, attack);
	fake_host_set_domain(SERVER);
	for (unsigned int i = 0; i < calls; i++) {
		victim_make_a_call(&victim);
		if (libxenvchan_state(v) == LIBXENVCHAN_CORRUPT)
			expect_dead(v);
		if (libxenvchan_state(v) <= LIBXENVCHAN_OPEN)
			continue;
		expect(victim.lines <= LINES_MAX);
		victim.lines = 0;
		if (roll(&victim.dice) % 4 == 0)
			expect_result(libxenvchan_rearm(v), 0);
	}
	expect(victim.lines <= LINES_MAX);
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
	struct liar l = { .domid = SERVER };

	new_world();
	fake_host_map_apart(true);
	victim_init(&victim, 2);
	forge_server(&s, left, right, N_PAGES);
	l.page = s.ring;
	l.event = s.event;
	l.port = (evtchn_port_t)s.port;
	while (calls) {
		struct libxenvchan *v;

		repair(s.ring, left, right);
		start_lying(&l, attack);
		fake_host_set_domain(CLIENT);
		victim.lines = 0;
		errno = 0;
		v = libxenvchan_client_init(&victim.logger, SERVER, FULL_NAME);
		if (!v)
			expect(errno == EPROTO || errno == EBUSY ||
			       errno == ECONNREFUSED || errno == EAGAIN);
		else
			victim_be_impatient(&victim, v);
		for (unsigned int i = 0; v && i < 30 && i < calls; i++)
			victim_make_a_call(&victim);
		if (v && libxenvchan_state(v) == LIBXENVCHAN_CORRUPT)
			expect_dead(v);
		expect(victim.lines <= LINES_MAX);
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
	scene = name;
	for (unsigned int i = 0; i < n_attacks; i++) {
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
