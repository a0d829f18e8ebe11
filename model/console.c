// SPDX-License-Identifier: MIT
/* The console's ring, checked: the daemon against a session of a guest. */
#include "console.h"

#include "scenarios.h"

struct console_traffic traffic;

static void set_up(struct console_traffic t)
{
	traffic = t;
	console_nodes_reset();
	front_set_up();
	back_set_up();
}

static void tear_down(void)
{
}

static void set_up_out(void)
{
	set_up((struct console_traffic){
		.out = 4, .ends_with_input = true, .sessions = 1 });
}

static void set_up_in(void)
{
	set_up((struct console_traffic){ .in = 4, .sessions = 1 });
}

static void set_up_both(void)
{
	set_up((struct console_traffic){ .out = 3, .in = 3, .sessions = 1 });
}

static void set_up_host_closes(void)
{
	set_up((struct console_traffic){
		.out = 2, .in = 3, .sessions = 1, .host_closes = true });
}

static void set_up_reconnect(void)
{
	set_up((struct console_traffic){
		.out = 2, .in = 3, .first_in = 1, .sessions = 2 });
}

static void set_up_client_leaves(void)
{
	set_up((struct console_traffic){ .sessions = 1,
					 .client_leaves = true });
}

#define SCENARIO(text, set_up, switches, large)                         \
	{                                                               \
		text, set_up, { back_thread, front_thread }, tear_down, \
			switches, large                                 \
	}

#define DEATHS(text, set_up, switches, n, large)                        \
	{                                                               \
		text, set_up, { back_thread, front_thread }, tear_down, \
			switches, large, n                              \
	}

const struct model_scenario scenarios[] = {
	{ "the guest sees its client leave",
	  set_up_client_leaves,
	  { back_thread, front_that_looks },
	  tear_down,
	  2,
	  false },
	DEATHS("the daemon dies, out of the guest", set_up_out, 2, 1, false),
	DEATHS("the daemon dies, into the guest", set_up_in, 2, 1, false),
	DEATHS("the daemon dies, the host closes", set_up_host_closes, 1, 1,
	       false),
	DEATHS("the daemon dies, the guest comes again", set_up_reconnect, 1, 1,
	       false),
	DEATHS("the daemon dies twice, out of the guest", set_up_out, 1, 2,
	       true),
	SCENARIO("out of the guest, to its end", set_up_out, 2, false),
	SCENARIO("into the guest", set_up_in, 2, false),
	SCENARIO("both ways, 2 switches", set_up_both, 2, false),
	SCENARIO("the host closes, 2 switches", set_up_host_closes, 2, false),
	SCENARIO("the guest comes again, 2 switches", set_up_reconnect, 2,
		 false),
	SCENARIO("both ways, 3 switches", set_up_both, 3, true),
	SCENARIO("the host closes, 3 switches", set_up_host_closes, 3, true),
	SCENARIO("the guest comes again, 3 switches", set_up_reconnect, 3,
		 true),
};
const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);

const struct model_exception exceptions[] = {
	{ "node_read", MODEL_FULL, "xenstore orders everything" },
	{ "node_write", MODEL_FULL, "xenstore orders everything" },
	{ "bytering_resume_consumer", MODEL_RELEASE,
	  "the copies that it is for were made by a process that is dead, and "
	  "system calls lie between; not so where the ring is embedded" },
};
const size_t n_exceptions = sizeof(exceptions) / sizeof(*exceptions);
