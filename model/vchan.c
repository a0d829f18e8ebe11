// SPDX-License-Identifier: MIT
/*
 * libxenvchan, checked: two ends of the real code, and every order of what they
 * do to the shared page.
 */
#include "scenarios.h"
#include "vchan-ends.h"

#define SCENARIO(text, server, client)                                \
	{                                                             \
		text, set_up, { server, client }, tear_down, 0, false \
	}
#define LARGE_SCENARIO(text, server, client)                               \
	{                                                                  \
		text, set_up_small, { server, client }, tear_down, 0, true \
	}
#define SMALL_RINGS(text, server, client)                                  \
	{                                                                  \
		text, set_up_small, { server, client }, tear_down, 0, true \
	}
/* There is much to explore from the init of one client to that of the next. */
#define SESSIONS(text, set_up, server, clients)                        \
	{                                                              \
		text, set_up, { server, clients }, tear_down, 2, false \
	}
#define LARGE_SESSIONS(text, set_up, server, clients)                 \
	{                                                             \
		text, set_up, { server, clients }, tear_down, 3, true \
	}

const struct model_scenario scenarios[] = {
	SCENARIO("half-close seen by poll", poll_sees_the_end, finishes),
	SCENARIO("packets", packet_receiver, packet_sender),
	SCENARIO("packets, then close", receives_to_the_end, sends_and_closes),
	SCENARIO("spans", span_receiver, span_sender),
	SCENARIO("the reader closes", reads_once_and_closes,
		 writes_until_refused),
	SCENARIO("poll(2) after short calls", polls_to_read, polls_to_write),
	SCENARIO("a stream", stream_reader, stream_writer),
	SCENARIO("request and answer", answers, asks),
	SCENARIO("the client writes and closes", server_reads_to_the_end,
		 client_writes_and_closes),
	SCENARIO("the server writes and closes", server_writes_and_closes,
		 client_reads_to_the_end),
	SCENARIO("the client half-closes", server_answers, client_half_closes),
	SCENARIO("the server half-closes", server_half_closes, client_answers),
	/* All of its orders are more than the explorer has room for. */
	{ "libxenvchan_poll(), 3 switches",
	  set_up_small,
	  { polled_writer, polled_reader },
	  tear_down,
	  3,
	  true },
	LARGE_SCENARIO("counting calls", counts_data, counts_space),
	SESSIONS("a server rearms, 2 switches", set_up_rearming,
		 rearms_and_answers, two_clients_and_an_answer),
	SESSIONS("a persistent server, 2 switches", set_up_persistent, persists,
		 two_clients),
	SMALL_RINGS("single bytes", small_writer, small_reader),
	SMALL_RINGS("both directions on one event", exchange_a, exchange_b),
	LARGE_SESSIONS("a server rearms, 3 switches", set_up_rearming,
		       rearms_and_answers, two_clients_and_an_answer),
	LARGE_SESSIONS("a persistent server, 3 switches", set_up_persistent,
		       persists, two_clients),
};
const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);

const struct model_exception exceptions[] = {
	{ "tell_peer", MODEL_FULL,
	  "the release of the store that follows covers it, but there is no "
	  "weaker operation" },
	{ "tell_peer", MODEL_RELEASE,
	  "the read-modify-write before it orders as much, but may fail where "
	  "it is bounded" },
	{ "read_offer", MODEL_ACQUIRE,
	  "the orders and grants that it is for are older than the scenarios" },
	{ "enter", MODEL_RELEASE,
	  "it is for the marks in srv_notify, by which a persistent server "
	  "tells two clients apart: no scenario depends on them" },
	{ "enter", MODEL_FULL,
	  "the bits order nothing, but there is no weaker operation" },
	{ "nobody_is_in", MODEL_FULL,
	  "that it is one step is what counts, the fence before it orders; but "
	  "there is no weaker operation" },
	{ "leave", MODEL_RELEASE, "as that of enter()" },
	{ "client_is_in", MODEL_ACQUIRE, "the other side of enter()" },
	{ "watch_for_swap", MODEL_FULL,
	  "the mark orders nothing, but there is no weaker operation" },
};
const size_t n_exceptions = sizeof(exceptions) / sizeof(*exceptions);
