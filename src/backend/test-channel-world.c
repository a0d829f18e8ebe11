// SPDX-License-Identifier: MIT
#include "backend/test-channel-world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID "0123456789abcdef"
#define CLIENT_CHUNK 2048 /* what a death may repeat */
#define SURE 12           /* bytes by which a place in a stream is known */

static uint8_t byte_at(uint64_t i)
{
	uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	return (uint8_t)((x ^ x >> 27) >> i % 8 * 8);
}

static void fill(uint8_t *data, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(at + i);
}

static void world_map_file(struct world *w)
{
	int fd = openat(w->dir, "s", O_RDWR | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	w->file_size = (size_t)size;
	w->file = mmap(NULL, w->file_size, PROT_READ, MAP_SHARED, fd, 0);
	must(size > 0 && size <= WORLD_FILE_MAX && w->file != MAP_FAILED,
	     "spool");
	close(fd);
}

static void world_init(struct world *w)
{
	int fds[2];

	memcpy(w->dir_path, "/tmp/test-channel-move.XXXXXX", 30);
	must(mkdtemp(w->dir_path), "directory");
	w->dir = open(w->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->page = mmap(NULL, sizeof(*w->page), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(w->dir >= 0 && w->page != MAP_FAILED, "page");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
	     "socketpair");
	w->daemon_fd = fds[0];
	w->client_fd = fds[1];
}

void world_deinit(struct world *w)
{
	if (w->file)
		munmap(w->file, w->file_size);
	munmap(w->page, sizeof(*w->page));
	close(w->daemon_fd);
	close(w->client_fd);
	unlinkat(w->dir, "s", 0);
	close(w->dir);
	rmdir(w->dir_path);
}

struct spool *world_spool(const struct world *w)
{
	struct spool *s = NULL;

	must(!spool_open(&s, w->dir, "s", ID, w->scenario->limit), "spool");
	return s;
}

static void put(struct spool *s, uint64_t *at, size_t n)
{
	while (n) {
		size_t room;
		uint8_t *p = spool_space(s, n, &room);

		must(room, "room in the spool");
		fill(p, *at, room);
		*at += room;
		n -= room;
		spool_commit(s, room, 0);
	}
}

/* A spool that has been in use: its end is 20 bytes away. */
static void start_spool(struct world *w, struct spool *s)
{
	size_t end = (w->scenario->limit + 4095) / 4096 * 4096 - 20;
	uint64_t tail = 0;

	put(s, &tail, 1);
	while (tail < end) {
		put(s, &tail, end - tail < 32 ? end - tail : 32);
		spool_consume(s, spool_used(s) - 1);
	}
	put(s, &tail, w->scenario->backlog);
	spool_consume(s, 1);
	w->start = end;
	w->guest_wrote = tail;
}

/* A ring whose indices are about to pass 2^32. */
static void start_ring(struct world *w, struct spool *s)
{
	struct spool_state st = *spool_state(s);
	uint32_t start = (uint32_t)0 - 10;

	shm_store_u32(&w->page->in_cons, start);
	shm_store_u32(&w->page->in_prod, start);
	shm_store_u32(&w->page->out_cons, start);
	shm_store_u32(&w->page->out_prod, start);
	st.out_cons = start;
	spool_publish(s, &st);
}

void world_start(struct world *w, const struct scenario *scenario)
{
	struct spool *s;

	*w = (struct world){ .scenario = scenario };
	world_init(w);
	s = world_spool(w);
	start_spool(w, s);
	start_ring(w, s);
	spool_free(s);
	assert_int_equal(console_ring_attach_frontend(&w->front, w->page), 0);
	world_map_file(w);
}

static void client_sends(const struct world *w, uint64_t at, size_t n)
{
	uint8_t data[WORLD_BYTES_MAX];

	fill(data, at, n);
	must(n <= WORLD_BYTES_MAX &&
		     send(w->client_fd, data, n, 0) == (ssize_t)n,
	     "the client's send");
}

int world_waiting(const struct world *w)
{
	int n;

	must(!ioctl(w->daemon_fd, FIONREAD, &n), "FIONREAD");
	return n;
}

void world_after_death(struct world *after, const struct world *w)
{
	int fd, left = world_waiting(w);

	*after = *w;
	world_init(after);
	*after->page = *w->page;
	fd = openat(after->dir, "s", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	must(write(fd, w->file, w->file_size) == (ssize_t)w->file_size,
	     "copy of the spool");
	close(fd);
	world_map_file(after);
	assert_int_equal(
		console_ring_attach_frontend(&after->front, after->page), 0);
	client_sends(after, w->client_sent - (uint64_t)left, (size_t)left);
	must(after->deaths < DEATHS, "room for a death");
	after->died_at[after->deaths++] = after->n_got;
}

void world_client_receives(struct world *w)
{
	ssize_t n;

	do {
		n = recv(w->client_fd, w->got + w->n_got,
			 WORLD_BYTES_MAX - w->n_got, MSG_DONTWAIT);
		w->n_got += n > 0 ? (size_t)n : 0;
	} while (n > 0);
}

const char *world_guest_reads(struct world *w, size_t max)
{
	uint8_t data[CONSOLE_RING_IN_SIZE];
	size_t n;

	if (console_ring_read(&w->front, data,
			      max < sizeof(data) ? max : sizeof(data), &n))
		return "the ring is corrupt to the guest";
	for (size_t i = 0; i < n; i++) {
		if (data[i] != byte_at(w->guest_read + i))
			return "the guest reads what the client has not sent";
	}
	w->guest_read += n;
	return NULL;
}

const char *world_turn(struct world *w)
{
	const struct turn *t = &w->scenario->turns[w->turn++];
	uint8_t data[CONSOLE_RING_OUT_SIZE];
	size_t n;

	fill(data, w->guest_wrote, t->guest_writes);
	if (console_ring_write(&w->front, data, t->guest_writes, &n))
		return "the ring is corrupt to the guest";
	w->guest_wrote += n;
	client_sends(w, w->client_sent, t->client_sends);
	w->client_sent += t->client_sends;
	return world_guest_reads(w, t->guest_reads);
}

/*
 * What has become of the streams
 */

static bool runs(const uint8_t *data, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n && i < SURE; i++) {
		if (data[i] != byte_at(at + i))
			return false;
	}
	return true;
}

/* Where in the stream the n bytes begin. False: nowhere that is allowed. */
static bool find(const struct world *w, const uint8_t *data, size_t n,
		 size_t back, uint64_t *at)
{
	uint64_t last =
		w->scenario->overflow == CONSOLE_BLOCK ? *at : w->guest_wrote;

	for (size_t i = 0; i <= back && i <= *at - w->start; i++) {
		if (runs(data, n, *at - i)) {
			*at -= i;
			return true;
		}
	}
	for (uint64_t p = *at + 1; p < last; p++) {
		if (runs(data, n, p)) {
			*at = p;
			return true;
		}
	}
	/* The next gap is nearer than that. */
	return last > *at && data[0] == byte_at(*at);
}

/* How many bytes of the stream never came, as far as it has come; -1: nonsense did. */
static int64_t missing(const struct world *w)
{
	uint64_t at = w->start, end = w->start;
	int64_t n = 0;
	size_t i = 0;

	for (unsigned int life = 0; life <= w->deaths; life++) {
		size_t stop = life < w->deaths ? w->died_at[life] : w->n_got;
		size_t back = life ? CLIENT_CHUNK : 0;

		for (; i < stop; i++, at++, back = 0) {
			if (!find(w, w->got + i, stop - i, back, &at))
				return -1;
			n += at > end ? (int64_t)(at - end) : 0;
			end = at >= end ? at + 1 : end;
		}
	}
	return n + (int64_t)(w->guest_wrote - end);
}

const char *world_judge(const struct world *w, const struct spool_state *st)
{
	int64_t n = missing(w);

	if (n < 0)
		return "the client reads what the guest has not written";
	if (w->scenario->overflow == CONSOLE_BLOCK && n)
		return "bytes of the guest are lost";
	if ((uint64_t)n > st->dropped ||
	    st->dropped > (uint64_t)n + w->deaths * CLIENT_CHUNK)
		return "bytes are dropped and not counted, or not dropped";
	if (st->from_guest != w->guest_wrote)
		return "the guest's bytes are miscounted";
	if (w->guest_read != w->client_sent)
		return "bytes of the client are lost";
	return st->to_guest == w->client_sent
		       ? NULL
		       : "the client's bytes are miscounted";
}
