/* SPDX-License-Identifier: MIT */
/*
 * The guest's daemon: each named channel of this domain gets a terminal at
 * dir/NAME, and the agent that is called like it is run on that.
 */
#ifndef XENCHAN_GUEST_SERVE_H
#define XENCHAN_GUEST_SERVE_H

#include "guest/station.h"

struct serve_options {
	struct station_env env; /* all but inotify */
	int stop;               /* readable: end, in order */
};

/*
 * Until stop, and then until all channels are closed. 0; -EBUSY: another one
 * serves the directory (*holder_r); negative errno: the daemon cannot go on.
 */
int serve_run(struct serve_options *o, struct lock_holder *holder_r);

#endif
