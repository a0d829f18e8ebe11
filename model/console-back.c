// SPDX-License-Identifier: MIT
/* The daemon: the real channel, its loop, and the client of the host. */
#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include "backend/channel-private.h"
#include "channel-host.h"
#include "console.h"

static struct channel_host host;
static struct channel *channel;

static struct {
	unsigned int delivered; /* to the client */
	unsigned int given;     /* by the client */
	bool wants_read, again, offline, client_left;
	bool repeats; /* a death may have been before the last was recorded */
} b;

static int port_bound(void *userdata, void *owner, uint32_t port)
{
	return 0;
}

static void port_unbound(void *userdata, void *owner)
{
}

static void again(void *userdata, void *owner)
{
	b.again = true;
}

static void event(void *userdata, const struct channel *c, const char *what,
		  const char *detail)
{
}

static jmp_buf life;

static void die(void)
{
	longjmp(life, 1);
}

static void begin_life(void)
{
	model_forget_heap();
	b.wants_read = b.again = false;
	expect(!channel_new(&channel, &host, 1, 1, NULL), "no channel");
	expect(!channel_refresh(channel), "no channel");
}

void back_set_up(void)
{
	model_die = die;
	memset(&b, 0, sizeof(b));
	model_forget_all();
	model_config.limit = 2;
	model_config.overflow = CONSOLE_BLOCK;
	model_config.signal_client = traffic.client_leaves;
	host = (struct channel_host){
		.xen = { NULL, model_event(BACK) },
		.port_bound = port_bound,
		.port_unbound = port_unbound,
		.again = again,
		.event = event,
	};
	begin_life();
}

void model_read_view(struct channel_view *out)
{
	struct console_node front = node_read(FRONT), back = node_read(BACK);

	out->guest = front.state;
	out->backend = back.state;
	out->online = !b.offline;
	out->has_ring = front.session > 0;
	out->ring_ref = out->port = front.session;
}

void model_write_state(enum console_state s)
{
	node_write(BACK, (struct console_node){ s, 0 });
}

/*
 * The client: it takes one byte at a time, and has all of its own at once.
 */

/* Between what the client sees and what the daemon records of it. */
static void may_die(void)
{
	(void)port_look(BACK);
}

bool sink_has_client(const struct sink *s)
{
	return !b.client_left;
}

ssize_t sink_write(struct sink *s, const void *data, size_t n)
{
	if (b.repeats && b.delivered &&
	    *(const uint8_t *)data == out_byte(b.delivered - 1)) {
		b.repeats = false;
		return 1;
	}
	expect(b.delivered < traffic.out, "the client got too much");
	expect(*(const uint8_t *)data == out_byte(b.delivered),
	       "the client got another byte");
	b.delivered++;
	b.repeats = false;
	may_die();
	return 1;
}

ssize_t sink_peek(struct sink *s, uint8_t *before, size_t max)
{
	size_t n = traffic.in - b.given;

	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		before[i] = (uint8_t)~in_byte(b.given + (unsigned int)i);
	return n ? (ssize_t)n : -EAGAIN;
}

ssize_t sink_read(struct sink *s, void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)data)[i] = in_byte(b.given++);
	may_die();
	return (ssize_t)n;
}

void sink_want(struct sink *s, bool read, bool write)
{
	b.wants_read = read;
}

/*
 * The loop
 */

/* All that matters from here on. */
static void at_loop_head(void)
{
	struct {
		struct channel c;
		struct spool_state spool;
		uint8_t data[8], chunk[SPOOL_CHUNK];
		unsigned int delivered, given, flags;
	} state;

	memset(&state, 0, sizeof(state));
	memcpy(&state.c, channel, sizeof(state.c));
	state.c.progress = 0; /* these count events */
	memset(&state.c.storm, 0, sizeof(state.c.storm));
	memcpy(&state.spool, spool_state(channel->spool), sizeof(state.spool));
	memcpy(state.data, model_file + MODEL_PAGE, sizeof(state.data));
	memcpy(state.chunk, spool_chunk(channel->spool), sizeof(state.chunk));
	state.delivered = b.delivered;
	state.given = b.given;
	state.flags =
		(unsigned int)(b.wants_read | b.again << 1 | b.offline << 2 |
			       b.client_left << 3 | b.repeats << 4);
	model_forget(&state, sizeof(state));
}

static bool is_over(void)
{
	struct console_node front = node_read(FRONT);

	if (b.offline)
		return channel->state == CHANNEL_CLOSED;
	/* Delivered is what a dead daemon had kept, too. */
	return front.session == traffic.sessions &&
	       front.state == CONSOLE_STATE_INITIALISING &&
	       channel->state == CHANNEL_WAITING;
}

static void take_event(void)
{
	(void)xenevtchn_pending(host.xen.evtchn);
	expect(channel_event(channel), "the guest was throttled");
	(void)xenevtchn_unmask(host.xen.evtchn, 1);
}

static void turn(void)
{
	unsigned int port = port_look(BACK);

	if (port & MODEL_PORT_WATCH) {
		port_take_watch(BACK);
		expect(!channel_refresh(channel), "the channel has gone");
	} else if (port == MODEL_PORT_PENDING) {
		take_event();
	} else if (b.again) {
		b.again = false;
		channel_move(channel);
	} else if (traffic.host_closes && b.given == traffic.in && !b.offline) {
		b.offline = true;
		expect(!channel_refresh(channel), "the channel has gone");
	} else if (traffic.client_leaves && !b.client_left &&
		   channel->state == CHANNEL_CONNECTED) {
		b.client_left = true;
		model_sink_event(SINK_CLOSED);
	} else if (b.wants_read && b.given < traffic.in) {
		channel_move(channel);
	} else {
		/* Pending, or a watch event of any kind. */
		model_sleep_until(model_port(BACK),
				  0xf0 | 1u << MODEL_PORT_PENDING);
	}
}

void back_thread(void)
{
	if (setjmp(life)) {
		/* Its event channel is gone; a new one is bound. */
		port_close(BACK);
		b.repeats = true;
		begin_life();
	}
	while (!is_over()) {
		at_loop_head();
		turn();
		expect(channel->state != CHANNEL_QUARANTINED,
		       "an honest guest was put in quarantine");
	}
	expect(b.delivered == traffic.out || traffic.host_closes,
	       "bytes of the guest were lost");
}
