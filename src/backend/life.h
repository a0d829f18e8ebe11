/* SPDX-License-Identifier: MIT */
/*
 * The life of a channel, as its backend sees it: the states, what each permits,
 * and the one table that says what is done when the guest's state changes.
 *
 *              OFFER             CONNECT              BEGIN_CLOSING
 *     NEW ----------> WAITING ----------> CONNECTED ----------> CLOSING
 *    |   |             ^   |               ^ | |  |                |
 *    |   | CLOSE OFFER |   | CLOSE   CLOSE | | |  | the ring lies  | CLOSE
 *    |   +-------> CLOSED <+---------------|-+ |  +-> QUARANTINED  |
 *    |                ^                    |   |                   |
 *    |                +--------------------|---+-------------------+
 *    |    TAKE_UP, if there is a ring      |
 *    +-------------------------------------+
 *
 * The guest's part is its `state` node, a number that it may set to anything at
 * any time; `online` is the toolstack's part, and false once it wants the
 * channel to end.
 */
#ifndef XENCHAN_BACKEND_LIFE_H
#define XENCHAN_BACKEND_LIFE_H

#include <stdbool.h>

#include "console/schema.h"

enum channel_state {
	/* Its nodes have been seen, nothing else done. */
	CHANNEL_NEW,
	/* Its clients can connect; the guest has given no ring, or none that
	 * could be taken up yet. BE is 2, or what a former process left. */
	CHANNEL_WAITING,
	/* The ring is mapped, the port bound; bytes pass. BE is 4, or as above.
	 */
	CHANNEL_CONNECTED,
	/* The same, but the guest has been asked to close. BE is 5. */
	CHANNEL_CLOSING,
	/* Nothing of the guest's is held; what it wrote can still be read.
	 * BE is 6. */
	CHANNEL_CLOSED,
	/* The same, because the ring was impossible: for good. */
	CHANNEL_QUARANTINED,
	CHANNEL_STATE_N,
};

const char *channel_state_name(enum channel_state s);

/* Instead of a console_state: the guest has no such device any more. */
#define LIFE_GONE CONSOLE_STATE_N
#define LIFE_GUEST_N (CONSOLE_STATE_N + 1)

enum life_action {
	LIFE_NOTHING,
	LIFE_OFFER, /* let go of a ring; make clients possible; BE=2 */
	/* Map and bind what the guest names now; BE=4. Failing that, WAITING. */
	LIFE_CONNECT,
	/* The same without a word to the guest, so that what is in its ring is
	 * not lost with it; of a guest that closes, only a ring that a former
	 * process had. If there is none: CLOSE. */
	LIFE_TAKE_UP,
	LIFE_BEGIN_CLOSING, /* wait for the guest */
	LIFE_CLOSE,         /* take what is in the ring, let go of it; BE=6 */
	LIFE_ACTION_N,
};

enum life_action life_next(enum channel_state s, unsigned int guest,
			   bool online);

#endif
