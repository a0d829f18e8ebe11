// SPDX-License-Identifier: MIT
#include "liar.h"

#define PAGE 4096u

void liar_notify(struct liar *l)
{
	xenevtchn_notify(l->event, l->port);
	l->n_events++;
}

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
	liar_notify(l);
}

static void every_live_byte(struct liar *l)
{
	uint8_t *p =
		roll(&l->dice) & 1 ? &l->page->cli_live : &l->page->srv_live;

	for (unsigned int v = 0; v < 256; v++) {
		store_u8(p, (uint8_t)v);
		if (v % 16 == 0)
			liar_notify(l);
	}
	store_u8(p, 1);
}

/* A client that is gone, and back, before anybody looked. */
static void leave_and_return(struct liar *l)
{
	uint8_t *p = l->is_client ? &l->page->cli_live : &l->page->srv_live;

	store_u8(p, 0);
	store_u8(p, 1);
	store_u8(&l->page->srv_notify, 1);
	liar_notify(l);
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
		liar_notify(l);
}

static void write_anything(struct liar *l)
{
	uint8_t *bytes = (uint8_t *)l->page;

	for (int i = 0; i < 100; i++)
		store_u8(&bytes[roll(&l->dice) % 32], (uint8_t)roll(&l->dice));
	/* The grants, and what may be rings. */
	for (int i = 0; i < 100; i++)
		store_u8(&bytes[roll(&l->dice) % PAGE],
			 roll(&l->dice) % LIAR_MARK);
}

static void all_at_once(struct liar *l);

const struct attack attacks[] = {
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
const unsigned int n_attacks = sizeof(attacks) / sizeof(*attacks);

static void all_at_once(struct liar *l)
{
	attacks[roll(&l->dice) % (n_attacks - 1)].burst(l);
}

const struct attack *attack_find(const char *name)
{
	for (unsigned int i = 0; i < n_attacks; i++)
		if (!strcmp(attacks[i].name, name))
			return &attacks[i];
	return NULL;
}
