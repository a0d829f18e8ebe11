// SPDX-License-Identifier: MIT
#include "backend/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PAGE 4096u
#define MAGIC 0x32306c6f6f707358u /* "Xspool02" */

/* Memory is taken from the file system in steps, and given back if empty. */
#define GROW (4 * PAGE)
#define KEEP (16 * PAGE)

struct spool_header {
	uint64_t magic;
	uint64_t limit;
	char id[CONSOLE_ID_LEN];
	struct own_socket socket;
	uint64_t turn; /* slots[turn & 1] counts */
	struct spool_state slots[2];
	uint8_t before[SPOOL_CHUNK];
	uint8_t chunk[SPOOL_CHUNK];
};

static_assert(sizeof(struct spool_header) <= PAGE, "the header is one page");

struct spool {
	struct spool_header *header; /* owned: the mapping */
	uint8_t *data;               /* in it */
	size_t limit;                /* bytes of data that may be kept */
	size_t size;                 /* of the data area: whole pages */
	size_t backed;               /* of it, that surely has memory */
	bool is_short;               /* no more could be had */
	int fd, dir_fd;              /* owned; borrowed */
	char *name;                  /* owned */
};

const struct spool_state *spool_state(const struct spool *s)
{
	return &s->header->slots[s->header->turn & 1];
}

void spool_publish(struct spool *s, const struct spool_state *next)
{
	struct spool_header *h = s->header;

	/*
	 * These pair with nothing that runs: whoever reads this does so after
	 * our death, when all stores of the processor's are done. They keep the
	 * compiler from moving stores past the one that counts: the chunk and
	 * the slot to after it, and what the next change does to before it,
	 * which would be into the slot that still counts.
	 */
	h->slots[(h->turn + 1) & 1] = *next;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&h->turn, h->turn + 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static bool is_consistent(const struct spool_state *st, size_t limit,
			  size_t size)
{
	return st->head <= st->tail && st->tail - st->head <= limit &&
	       st->size && st->size <= size &&
	       st->tail - st->head <= st->size && st->origin <= st->head &&
	       st->chunk_len <= SPOOL_CHUNK && st->chunk_step < SPOOL_STEP_N;
}

static bool can_be_resumed(const struct spool *s, const char *id)
{
	const struct spool_header *h = s->header;

	return h->magic == MAGIC && h->limit == s->limit &&
	       !memcmp(h->id, id, CONSOLE_ID_LEN) &&
	       is_consistent(spool_state(s), s->limit, s->size);
}

/* 0 or a positive errno. */
static int allocate(const struct spool *s, size_t at, size_t n)
{
	int err;

	do
		err = posix_fallocate(s->fd, (off_t)at, (off_t)n);
	while (err == EINTR);
	return err;
}

/* The page of the header has to exist, or touching it is SIGBUS. */
static int map(struct spool *s)
{
	size_t size = PAGE + s->size;
	int r = ftruncate(s->fd, (off_t)size) ? -errno : 0;
	void *p;

	if (!r)
		r = -allocate(s, 0, PAGE);
	if (r)
		return r;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->header = p;
	s->data = (uint8_t *)p + PAGE;
	return 0;
}

static void unmap(struct spool *s)
{
	if (s->header)
		munmap(s->header, PAGE + s->size);
	s->header = NULL;
}

static int open_file(struct spool *s, int flags)
{
	s->fd = openat(s->dir_fd, s->name,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return s->fd < 0 ? -errno : 0;
}

struct own_socket *spool_socket(struct spool *s)
{
	return &s->header->socket;
}

/* The old file may have another size: a new one, so that none is cut. */
static int start_afresh(struct spool *s, const char *id)
{
	int r;

	if (s->header->magic == MAGIC)
		own_socket_remove(&s->header->socket);
	unmap(s);
	close(TAKE_FD(s->fd));
	unlinkat(s->dir_fd, s->name, 0);
	r = open_file(s, O_EXCL);
	if (!r)
		r = map(s);
	if (r)
		return r;
	s->header->limit = s->limit;
	s->header->slots[0].size = s->size;
	memcpy(s->header->id, id, CONSOLE_ID_LEN);
	__atomic_store_n(&s->header->magic, MAGIC, __ATOMIC_RELEASE);
	return 0;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	unmap(s);
	if (s->fd >= 0)
		close(s->fd);
	free(s->name);
	free(s);
}

void spool_unlink(struct spool *s)
{
	own_socket_remove(&s->header->socket);
	unlinkat(s->dir_fd, s->name, 0);
}

void spool_sweep(int dir_fd, const char *name)
{
	struct spool_header h;
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && read(fd, &h, sizeof(h)) == sizeof(h) && h.magic == MAGIC)
		own_socket_remove(&h.socket);
	unlinkat(dir_fd, name, 0);
}

DEFINE_CLEANUP(struct spool *, spool, spool_free)

int spool_open(struct spool **out, int dir_fd, const char *name, const char *id,
	       size_t limit)
{
	_cleanup_(cleanup_spoolp) struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->dir_fd = dir_fd;
	s->limit = limit;
	s->size = (limit + PAGE - 1) / PAGE * PAGE;
	s->name = strdup(name);
	if (!s->name)
		return -ENOMEM;
	r = open_file(s, 0);
	if (!r)
		r = map(s);
	if (!r && !can_be_resumed(s, id))
		r = start_afresh(s, id);
	if (r)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

size_t spool_used(const struct spool *s)
{
	const struct spool_state *st = spool_state(s);

	return (size_t)(st->tail - st->head);
}

bool spool_is_short(const struct spool *s)
{
	return s->is_short || spool_state(s)->size < s->size;
}

static size_t capacity(const struct spool *s)
{
	uint64_t size = spool_state(s)->size;

	return size < s->limit ? (size_t)size : s->limit;
}

bool spool_is_full(const struct spool *s)
{
	return spool_used(s) == capacity(s);
}

static size_t offset_of(const struct spool *s, uint64_t position)
{
	const struct spool_state *st = spool_state(s);

	return (size_t)((position - st->origin) % st->size);
}

/* Memory for the data area up to there. False: the file system is full. */
static bool back(struct spool *s, size_t end)
{
	while (s->backed < end) {
		size_t step = s->size - s->backed;

		if (step > GROW)
			step = GROW;
		s->is_short = allocate(s, PAGE + s->backed, step) != 0;
		if (s->is_short)
			return false;
		s->backed += step;
	}
	return true;
}

/*
 * The data area ends where memory does, until the spool is empty: so the oldest
 * bytes can give way to the newest, as if that were the limit. Nothing that is
 * kept moves, since the area has not been filled to that end yet.
 */
static bool shorten(struct spool *s)
{
	struct spool_state next = *spool_state(s);

	if (!s->backed || next.tail - next.origin > s->backed)
		return false;
	next.size = s->backed;
	spool_publish(s, &next);
	return true;
}

/* Behind the tail, where it is one piece. */
static size_t room_behind(const struct spool *s, size_t max, size_t *at)
{
	size_t room = capacity(s) - spool_used(s), n;

	*at = offset_of(s, spool_state(s)->tail);
	n = (size_t)spool_state(s)->size - *at;
	n = n < room ? n : room;
	return n < max ? n : max;
}

void *spool_space(struct spool *s, size_t max, size_t *n)
{
	size_t at;

	*n = room_behind(s, max, &at);
	if (!back(s, at + *n))
		*n = shorten(s) ? room_behind(s, max, &at) : 0;
	return s->data + at;
}

void spool_commit(struct spool *s, size_t n, uint32_t out_cons)
{
	struct spool_state next = *spool_state(s);

	next.tail += n;
	next.from_guest += n;
	next.out_cons = out_cons;
	spool_publish(s, &next);
}

void spool_skip(struct spool *s, size_t n, uint32_t out_cons)
{
	struct spool_state next = *spool_state(s);

	next.from_guest += n;
	next.dropped += n;
	next.out_cons = out_cons;
	spool_publish(s, &next);
}

const void *spool_data(const struct spool *s, size_t *n)
{
	const struct spool_state *st = spool_state(s);
	size_t at = offset_of(s, st->head);
	size_t used = (size_t)(st->tail - st->head);

	*n = st->size - at < used ? (size_t)st->size - at : used;
	return s->data + at;
}

/*
 * An empty spool begins at its first page again, which most channels then never
 * leave, and gives back what a backlog made it take.
 */
static void rewind_if_empty(struct spool *s, struct spool_state *next)
{
	if (next->head != next->tail)
		return;
	next->origin = next->head;
	next->size = s->size;
	s->is_short = false;
}

static void give_back(struct spool *s)
{
	if (spool_used(s) || s->backed <= KEEP)
		return;
	if (!fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       PAGE + KEEP, (off_t)(s->size - KEEP)))
		s->backed = KEEP;
}

static void remove_oldest(struct spool *s, size_t n, uint64_t dropped)
{
	struct spool_state next = *spool_state(s);

	assert(n <= next.tail - next.head);
	next.head += n;
	next.dropped += dropped;
	rewind_if_empty(s, &next);
	spool_publish(s, &next);
	give_back(s);
}

void spool_consume(struct spool *s, size_t n)
{
	remove_oldest(s, n, 0);
}

void spool_drop(struct spool *s, size_t n)
{
	remove_oldest(s, n, n);
}

uint8_t *spool_chunk_before(struct spool *s)
{
	return s->header->before;
}

uint8_t *spool_chunk(struct spool *s)
{
	return s->header->chunk;
}

static void set_step(struct spool *s, enum spool_step step, size_t n,
		     uint32_t in_prod)
{
	struct spool_state next = *spool_state(s);

	next.chunk_step = step;
	next.chunk_len = (uint32_t)n;
	next.chunk_in_prod = in_prod;
	spool_publish(s, &next);
}

void spool_chunk_begin(struct spool *s, size_t n)
{
	assert(n <= SPOOL_CHUNK);
	memcpy(s->header->chunk, s->header->before, n);
	set_step(s, SPOOL_READING, n, 0);
}

void spool_chunk_ready(struct spool *s, size_t n, uint32_t in_prod)
{
	set_step(s, n ? SPOOL_READY : SPOOL_IDLE, n, in_prod);
}

void spool_chunk_done(struct spool *s)
{
	struct spool_state next = *spool_state(s);

	next.to_guest += next.chunk_len;
	next.chunk_step = SPOOL_IDLE;
	next.chunk_len = 0;
	spool_publish(s, &next);
}

void spool_chunk_return(struct spool *s, size_t n, uint32_t in_prod)
{
	struct spool_state next = *spool_state(s);

	assert(next.chunk_step == SPOOL_IDLE && n && n <= SPOOL_CHUNK);
	next.to_guest -= n < next.to_guest ? n : next.to_guest;
	next.chunk_step = SPOOL_READY;
	next.chunk_len = (uint32_t)n;
	next.chunk_in_prod = in_prod;
	spool_publish(s, &next);
}

size_t spool_chunk_got(const struct spool *s)
{
	size_t n = spool_state(s)->chunk_len;

	while (n && s->header->chunk[n - 1] == s->header->before[n - 1])
		n--;
	return n;
}
