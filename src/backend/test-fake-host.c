// SPDX-License-Identifier: MIT
#include "backend/test-fake-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/log.h"
#include "backend/nodes.h"
#include "backend/sink.h"

struct fake_host *fake;

uint8_t fake_byte(uint64_t i)
{
	uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	return (uint8_t)((x ^ x >> 27) >> i % 8 * 8);
}

void fake_fill(uint8_t *data, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = fake_byte(at + i);
}

static void wrong(const char *what)
{
	if (!fake->wrong[0])
		snprintf(fake->wrong, sizeof(fake->wrong), "%s", what);
}

struct fake_host *fake_new(void)
{
	struct fake_host *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		abort();
	f->be = f->fe = CONSOLE_STATE_INITIALISING;
	f->online = f->has_ring = true;
	f->ring_ref = FAKE_REF;
	f->port = FAKE_PORT;
	f->now_ms = 1000;
	f->limit = 65536;
	f->memory_end = INT32_MAX;
	return f;
}

void fake_free(struct fake_host *f)
{
	munmap(f, sizeof(*f));
}

void fake_forget_process(struct fake_host *f)
{
	f->mapped = f->bound = false;
}

void fake_guest_writes(struct fake_host *f, uint64_t at, size_t n)
{
	uint8_t data[CONSOLE_RING_OUT_SIZE];
	struct console_ring ring;
	size_t done;

	fake_fill(data, at, n);
	if (console_ring_attach_frontend(&ring, &f->page) ||
	    console_ring_write(&ring, data, n, &done) || done != n)
		abort();
}

static bool fails(unsigned int *n, int error)
{
	errno = error;
	return *n && (*n)--;
}

/*
 * Nodes
 */

int nodes_read_config(const struct channel_address *a, bool all,
		      struct channel_config *out)
{
	*out = (struct channel_config){ .name = strdup("a"),
					.path = strdup("/a"),
					.log = strdup(""),
					.kind = CONSOLE_SOCKET,
					.limit = fake->limit,
					.overflow = fake->overflow,
					.signal_client = fake->signal_client,
					.id = "0123456789abcdef" };
	return 0;
}

void channel_config_deinit(struct channel_config *c)
{
	free(c->name);
	free(c->path);
	free(c->log);
	*c = (struct channel_config){ 0 };
}

int nodes_read_view(const struct channel_address *a, struct channel_view *out)
{
	*out = (struct channel_view){
		.backend = (enum console_state)fake->be,
		.online = fake->online && fake->be != CONSOLE_STATE_CLOSING,
		.guest = fake->fe,
		.has_ring = fake->has_ring && fake->fe != LIFE_GONE,
		.ring_ref = fake->ring_ref,
		.port = fake->port,
	};
	return 0;
}

int nodes_write_state(const struct channel_address *a, enum console_state s)
{
	if (s == CONSOLE_STATE_CLOSED && (fake->mapped || fake->bound))
		wrong("the guest is told that its ring is free, and it is not");
	if (s == CONSOLE_STATE_CONNECTED && !fake->mapped)
		wrong("the guest is told that it is connected, and it is not");
	if (fails(&fake->fail_state, EIO))
		return -EIO;
	if (fake->be != CONSOLE_STATE_CLOSING || s == CONSOLE_STATE_CLOSED)
		fake->be = s;
	return 0;
}

int nodes_write_hotplug(const struct channel_address *a)
{
	if (fails(&fake->fail_tty, EIO))
		return -EIO;
	fake->hotplug = true;
	return 0;
}

int nodes_write_tty(const struct channel_address *a, const char *tty)
{
	return 0;
}

int nodes_write_error(const struct channel_address *a, const char *text)
{
	fake->n_errors += text != NULL;
	snprintf(fake->error, sizeof(fake->error), "%s", text ? text : "");
	return 0;
}

/* In place of the C library's. */
int posix_fallocate(int fd, off_t at, off_t n)
{
	if (at + n > fake->memory_end)
		return ENOSPC;
	return fallocate(fd, 0, at, n) ? errno : 0;
}

/*
 * Xen. Nothing is mapped or bound twice, and nothing let go of that is not.
 */

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref,
			      int prot)
{
	fake->n_map++;
	if (fails(&fake->fail_map, ENOMEM))
		return NULL;
	if (ref != FAKE_REF || fake->mapped) {
		errno = EINVAL;
		return NULL;
	}
	fake->mapped = true;
	return &fake->page;
}

int xengnttab_unmap(xengnttab_handle *h, void *p, uint32_t n)
{
	if (!fake->mapped || fake->bound)
		wrong("unmapped what is not, or what has a port");
	fake->mapped = false;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h,
						     uint32_t domid,
						     evtchn_port_t port)
{
	if (fails(&fake->fail_bind, EINVAL))
		return -1;
	if (port != FAKE_PORT || fake->bound) {
		errno = EINVAL;
		return -1;
	}
	fake->bound = true;
	return 77;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	if (!fake->bound || port != 77)
		wrong("unbound what is not");
	fake->bound = false;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	if (!fake->bound)
		wrong("an event to nobody");
	return 0;
}

/*
 * The client
 */

int sink_open(struct sink **out, uv_loop_t *loop,
	      const struct sink_config *config)
{
	if (fails(&fake->fail_sink, EADDRINUSE))
		return -EADDRINUSE;
	*out = (struct sink *)(void *)fake;
	return 0;
}

void sink_free(struct sink *s, bool keep)
{
}

bool sink_has_client(const struct sink *s)
{
	return !fake->client_gone;
}

const char *sink_path(const struct sink *s)
{
	return "";
}

ssize_t sink_write(struct sink *s, const void *data, size_t n)
{
	size_t room = FAKE_BYTES_MAX - fake->n_got;

	if (fake->client_full || !room)
		return -EAGAIN;
	if (n > room)
		n = room;
	memcpy(fake->got + fake->n_got, data, n);
	fake->n_got += n;
	return (ssize_t)n;
}

ssize_t sink_peek(struct sink *s, uint8_t *before, size_t max)
{
	size_t n = fake->n_sent - fake->n_taken;

	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		before[i] = (uint8_t)~fake_byte(fake->n_taken + i);
	return n ? (ssize_t)n : -EAGAIN;
}

/* All of it or nothing, as one system call. */
ssize_t sink_read(struct sink *s, void *data, size_t n)
{
	fake_fill(data, fake->n_taken, n);
	fake->n_taken += n;
	return (ssize_t)n;
}

void sink_want(struct sink *s, bool read, bool write)
{
}

/*
 * The rest
 */

uint64_t uv_now(const uv_loop_t *loop)
{
	return fake->now_ms;
}

void log_line(enum log_level level, const char *fmt, ...)
{
}

bool log_allowed(struct log_limit *l, uint64_t now_ms)
{
	return false;
}

static int port_bound(void *userdata, void *owner, uint32_t port)
{
	return 0;
}

static void port_unbound(void *userdata, void *owner)
{
}

static void again(void *userdata, void *owner)
{
}

static void event(void *userdata, const struct channel *c, const char *what,
		  const char *detail)
{
	fake->n_error_events += !strcmp(what, "error");
}

struct channel_host fake_channel_host(int run_dir)
{
	return (struct channel_host){
		.run_dir = run_dir,
		.port_bound = port_bound,
		.port_unbound = port_unbound,
		.again = again,
		.event = event,
	};
}
