// SPDX-License-Identifier: MIT
#include "backend/life.h"

#include <assert.h>

static const char *const names[] = {
	[CHANNEL_NEW] = "new",
	[CHANNEL_WAITING] = "waiting",
	[CHANNEL_CONNECTED] = "connected",
	[CHANNEL_CLOSING] = "closing",
	[CHANNEL_CLOSED] = "closed",
	[CHANNEL_QUARANTINED] = "quarantined",
};
static_assert(sizeof(names) / sizeof(names[0]) == CHANNEL_STATE_N,
	      "a name for each state");

const char *channel_state_name(enum channel_state s)
{
	return names[s];
}

/* clang-format off */
enum {
	no_ = LIFE_NOTHING,
	off = LIFE_OFFER,
	con = LIFE_CONNECT,
	tak = LIFE_TAKE_UP,
	beg = LIFE_BEGIN_CLOSING,
	clo = LIFE_CLOSE,
};

/*
 * While the toolstack wants the channel. 3 and 4 mean the same: some guests
 * skip 3. A guest that is at 3 while we are connected may have a new ring; at 4
 * it has no business to change it. One that goes from 6 to 4 without passing 1
 * has not been told that we are there. One that is at 5 or 6 before we have done
 * anything was served by a former process, or closed before it began.
 */
static const unsigned char online_table[CHANNEL_STATE_N][LIFE_GUEST_N] = {
				/* 0    1    2    3    4    5    6    7    8    gone */
	[CHANNEL_NEW] =		{ off, off, off, off, off, tak, tak, off, off, clo },
	[CHANNEL_WAITING] =	{ no_, no_, no_, con, con, tak, tak, no_, no_, clo },
	[CHANNEL_CONNECTED] =	{ no_, off, off, con, no_, clo, clo, no_, no_, clo },
	[CHANNEL_CLOSING] =	{ no_, clo, clo, no_, no_, no_, clo, no_, no_, clo },
	[CHANNEL_CLOSED] =	{ no_, off, off, no_, no_, no_, no_, no_, no_, no_ },
	[CHANNEL_QUARANTINED] =	{ no_, no_, no_, no_, no_, no_, no_, no_, no_, no_ },
};

/*
 * Once it wants it to end: as soon as the guest has let go, or never began. A
 * ring that is there is taken up for what is in it, if a former process was
 * serving the guest, or it named one as the end came.
 */
static const unsigned char offline_table[CHANNEL_STATE_N][LIFE_GUEST_N] = {
				/* 0    1    2    3    4    5    6    7    8    gone */
	[CHANNEL_NEW] =		{ clo, clo, clo, tak, tak, tak, tak, clo, clo, clo },
	[CHANNEL_WAITING] =	{ clo, clo, clo, tak, tak, tak, tak, clo, clo, clo },
	[CHANNEL_CONNECTED] =	{ beg, clo, clo, beg, beg, beg, clo, beg, beg, clo },
	[CHANNEL_CLOSING] =	{ no_, clo, clo, no_, no_, no_, clo, no_, no_, clo },
	[CHANNEL_CLOSED] =	{ clo, clo, clo, clo, clo, clo, clo, clo, clo, clo },
	[CHANNEL_QUARANTINED] =	{ clo, clo, clo, clo, clo, clo, clo, clo, clo, clo },
};
/* clang-format on */

enum life_action life_next(enum channel_state s, unsigned int guest,
			   bool online)
{
	assert(s < CHANNEL_STATE_N && guest < LIFE_GUEST_N);
	return (enum life_action)(online ? online_table
					 : offline_table)[s][guest];
}
