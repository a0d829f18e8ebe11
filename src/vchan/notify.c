// SPDX-License-Identifier: MIT
/*
 * Notifications on demand: an end that is about to wait sets a bit, an end that
 * has changed something clears the bit and sends an event.
 */
#include <errno.h>

#include "vchan/private.h"

int vchan_ask(struct vchan *v, uint8_t what)
{
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

int vchan_tell_asked(struct vchan *v, uint8_t what)
{
	uint8_t old;

	if (!shm_try_and_u8(v->asked, (uint8_t)~what, &old))
		return vchan_corrupt(v, "keeps its notify byte busy");
	if (!(old & what))
		return 0;
	if (v->is_server)
		atomic_store_explicit(&v->client_came, true,
				      memory_order_relaxed);
	if (!xenevtchn_notify(v->event, v->port)) {
		stats_add(what == VCHAN_ASK_WRITTEN
				  ? &v->stats->sent.events_sent
				  : &v->stats->received.events_sent,
			  1);
		return 0;
	}
	/* The peer still sleeps: let the next call try again. */
	(void)shm_try_or_u8(v->asked, what);
	return -errno;
}
