// SPDX-License-Identifier: MIT
#include "guest/relay.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

static bool is_transient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

bool relay_command_is_over(const struct relay *r)
{
	return r->command && !r->command->pid;
}

static int send_some(struct relay *r, struct endpoint *e)
{
	char buffer[CONSOLE_RING_OUT_SIZE];
	size_t space, written;
	ssize_t n;

	if (r->in < 0 || r->in_ended)
		return RELAY_DONE;
	if (console_ring_space(&e->ring, &space))
		return RELAY_CORRUPT;
	if (!space)
		return RELAY_DONE;
	n = read(r->in, buffer, space);
	if (n < 0 && is_transient(errno)) {
		/* Its children may still hold the pipe. */
		r->in_ended = errno != EINTR && relay_command_is_over(r);
		return RELAY_DONE;
	}
	/* Linux: a terminal whose other end is closed reads so. */
	if (n == 0 || (n < 0 && errno == EIO)) {
		r->in_ended = true;
		return RELAY_DONE;
	}
	if (n < 0) {
		r->error = errno;
		return RELAY_IN_FAILED;
	}
	if (console_ring_write(&e->ring, buffer, (size_t)n, &written))
		return RELAY_CORRUPT;
	r->sent += written;
	endpoint_notify(e);
	return RELAY_DONE;
}

static int judge_write_failure(struct relay *r)
{
	if (is_transient(errno))
		return RELAY_DONE;
	if (errno == EPIPE && r->command) {
		r->out = -1;
		return RELAY_DONE;
	}
	r->error = errno;
	return RELAY_OUT_FAILED;
}

int relay_receive(struct relay *r, struct endpoint *e)
{
	char buffer[CONSOLE_RING_IN_SIZE];
	size_t ready;
	ssize_t n;

	if (r->out < 0)
		return RELAY_DONE;
	if (console_ring_peek(&e->ring, buffer, sizeof(buffer), &ready))
		return RELAY_CORRUPT;
	if (!ready)
		return RELAY_DONE;
	n = write(r->out, buffer, ready);
	if (n < 0)
		return judge_write_failure(r);
	console_ring_consume(&e->ring, (size_t)n);
	r->received += (uint64_t)n;
	endpoint_notify(e);
	return RELAY_DONE;
}

int relay_move(struct relay *r, struct endpoint *e)
{
	int result = send_some(r, e);

	return result ? result : relay_receive(r, e);
}

bool relay_wants_input(const struct relay *r, struct endpoint *e)
{
	size_t space;

	/* A corrupt ring is found by the next relay_move(). */
	return r->in >= 0 && !r->in_ended &&
	       (console_ring_space(&e->ring, &space) || space);
}

bool relay_wants_output(const struct relay *r, struct endpoint *e)
{
	size_t ready;

	return r->out >= 0 && (console_ring_ready(&e->ring, &ready) || ready);
}

int relay_command_fd(const struct relay *r)
{
	return r->command && r->command->pid ? r->command->children : -1;
}

int64_t relay_command_deadline(const struct relay *r)
{
	return r->command ? r->command->deadline_ns : DEADLINE_NEVER;
}

bool relay_must_read(const struct relay *r)
{
	return relay_command_is_over(r) && r->in >= 0 && !r->in_ended;
}

void relay_look_at_command(struct relay *r)
{
	if (command_has_ended(r->command))
		r->out = -1;
}

bool relay_hang_up(struct relay *r)
{
	if (!r->command)
		return false;
	command_hang_up(r->command);
	return clock_now_ns() >= r->command->deadline_ns;
}

bool relay_is_over(const struct relay *r, bool keep)
{
	return (r->in < 0 || r->in_ended) &&
	       (!keep || relay_command_is_over(r));
}

bool relay_is_taken(struct endpoint *e)
{
	size_t space;

	return !console_ring_space(&e->ring, &space) &&
	       space == CONSOLE_RING_OUT_SIZE;
}
