// SPDX-License-Identifier: MIT
/*
 * Notifications on demand: an end that is about to wait sets a bit, an end that
 * has changed something clears the bit and sends an event. An event that could
 * not be sent is owed: the peer may sleep until it comes. Whichever call looks,
 * moves or waits next, in either direction, sends it.
 */
#include <errno.h>

#include "vchan/private.h"

int vchan_ask(struct vchan *v, uint8_t what)
{
	/* The program may go and wait for our descriptor. */
	(void)vchan_tell_again(v);
	if (gate_is_masked(&v->gate))
		(void)gate_drain(&v->gate);
	/*
	 * A bit that still stands need not be set again: the peer clears it
	 * only to send an event. If this load is stale, that event has been
	 * sent after what it tells of was published, and we have not taken it
	 * yet (taking it would have made the load fresh): our wait returns at
	 * once, and the next look sees it.
	 */
	if (shm_load_u8(v->ask) & what)
		return 0;
	/*
	 * As a full fence it orders the request before the caller's next look
	 * at the index. Pairs with the fence of shm_publish_u32() in the
	 * peer's bytering_advance().
	 */
	if (!shm_try_or_u8(v->ask, what))
		return vchan_corrupt(v, "keeps its notify byte busy");
	return 0;
}

/* The event itself. Returns -errno, and owes it, if the host refuses. */
static int notify(struct vchan *v, uint8_t what)
{
	if (!xenevtchn_notify(v->event, v->port)) {
		stats_add(what == VCHAN_ASK_CONSUMED
				  ? &v->stats->received.events_sent
				  : &v->stats->sent.events_sent,
			  1);
		return 0;
	}
	atomic_fetch_or(&v->untold, what);
	return -errno;
}

int vchan_tell_asked(struct vchan *v, uint8_t what)
{
	uint8_t old;
	int r;

	if (!shm_try_and_u8(v->asked, (uint8_t)~what, &old))
		return vchan_corrupt(v, "keeps its notify byte busy");
	if (!(old & what))
		return 0;
	if (v->is_server)
		atomic_store_explicit(&v->client_came, true,
				      memory_order_relaxed);
	r = notify(v, what);
	if (r) /* it still sleeps */
		(void)shm_try_or_u8(v->asked, what);
	return r;
}

int vchan_tell_untold(struct vchan *v)
{
	static const uint8_t each[] = { VCHAN_ASK_WRITTEN, VCHAN_ASK_CONSUMED };
	unsigned int untold = atomic_exchange(&v->untold, 0);
	int r = 0;

	for (size_t i = 0; i < sizeof(each); i++) {
		int e = untold & each[i] ? vchan_tell_asked(v, each[i]) : 0;

		r = r ? r : e;
	}
	/* Nobody asks for this one. */
	if (untold & VCHAN_SAYS_FIN) {
		int e = notify(v, VCHAN_SAYS_FIN);

		r = r ? r : e;
	}
	return r;
}
