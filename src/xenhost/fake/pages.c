// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <fcntl.h>

#include "xenhost/fake/private.h"

enum {
	PAGE_BITS = sizeof(void *) > 4 ? 18 : 14,
	PAGES_N = 1 << PAGE_BITS,
	REF_FIRST = 8, /* as Linux: Xen reserves the first ones */
};

static struct fake_page pages[PAGES_N];
static char *arena;
static int memfd = -1;
static unsigned int next_page, n_used;

static int arena_init(void)
{
	void *p;

	if (arena)
		return 0;
	if (memfd < 0)
		memfd = memfd_create("fake-host", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, (off_t)PAGES_N * FAKE_PAGE_SIZE) < 0)
		return -errno;
	p = mmap(NULL, (size_t)PAGES_N * FAKE_PAGE_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	arena = p;
	return 0;
}

struct fake_page *fake_page(uint32_t page)
{
	return &pages[page];
}

void *fake_page_place(uint32_t page)
{
	return arena + (size_t)page * FAKE_PAGE_SIZE;
}

static void place_close(uint32_t page, unsigned int count)
{
	void *p = mmap(fake_page_place(page), (size_t)count * FAKE_PAGE_SIZE,
		       PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		       -1, 0);

	assert(p != MAP_FAILED);
	(void)p;
}

static void contents_drop(uint32_t page, unsigned int count)
{
	int r = fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)page * FAKE_PAGE_SIZE,
			  (off_t)count * FAKE_PAGE_SIZE);

	assert(r == 0);
	(void)r;
	n_used -= count;
}

/* The first run of count unused pages in [from, to), or -1. */
static int64_t run_find(uint32_t from, uint32_t to, unsigned int count)
{
	unsigned int n = 0;

	for (uint32_t i = from; i < to; i++) {
		n = pages[i].users ? 0 : n + 1;
		if (n == count)
			return (int64_t)i + 1 - count;
	}
	return -1;
}

/*
 * Starts where the last search ended, so that an address is reused as late as
 * possible, unless the contrary is asked for. A run is taken out of the middle of a longer one, which leaves an
 * unused page on each side; no later run can take that, for the same reason.
 */
int64_t fake_pages_alloc(unsigned int count)
{
	int64_t run;
	void *p;
	int r;

	r = arena_init();
	if (r)
		return r;
	if (count > PAGES_N - 2)
		return -ENOMEM;
	run = fake_host.reuse ? -1 : run_find(next_page, PAGES_N, count + 2);
	if (run < 0)
		run = run_find(0, PAGES_N, count + 2);
	if (run < 0)
		return -ENOMEM;
	run++;
	p = mmap(fake_page_place(run), (size_t)count * FAKE_PAGE_SIZE,
		 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd,
		 (off_t)run * FAKE_PAGE_SIZE);
	if (p == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < count; i++)
		pages[run + i] =
			(struct fake_page){ .users = 1, .place_users = 1 };
	n_used += count;
	next_page = run + count;
	return run;
}

void fake_pages_use(const uint32_t *list, unsigned int count, bool at_place)
{
	for (unsigned int i = 0; i < count; i++) {
		pages[list[i]].users++;
		pages[list[i]].place_users += at_place;
	}
}

/* A run that grows page by page, and is handed to end() when it breaks. */
struct run {
	uint32_t first;
	unsigned int n;
	void (*end)(uint32_t first, unsigned int n);
};

static void run_flush(struct run *run)
{
	if (run->n)
		run->end(run->first, run->n);
	run->n = 0;
}

static void run_add(struct run *run, uint32_t page)
{
	if (run->n && page != run->first + run->n)
		run_flush(run);
	if (!run->n)
		run->first = page;
	run->n++;
}

void fake_pages_drop(const uint32_t *list, unsigned int count, bool at_place)
{
	struct run places = { .end = place_close };
	struct run contents = { .end = contents_drop };

	for (unsigned int i = 0; i < count; i++) {
		struct fake_page *page = &pages[list[i]];

		if (at_place && --page->place_users == 0)
			run_add(&places, list[i]);
		if (--page->users == 0)
			run_add(&contents, list[i]);
	}
	run_flush(&places);
	run_flush(&contents);
}

void *fake_pages_map(const uint32_t *list, unsigned int count, int prot)
{
	size_t size = ((size_t)count + 2) * FAKE_PAGE_SIZE;
	char *base = mmap(NULL, size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	base += FAKE_PAGE_SIZE;
	for (unsigned int i = 0; i < count; i++) {
		void *p = mmap(base + (size_t)i * FAKE_PAGE_SIZE,
			       FAKE_PAGE_SIZE, prot, MAP_SHARED | MAP_FIXED,
			       memfd, (off_t)list[i] * FAKE_PAGE_SIZE);

		if (p != MAP_FAILED)
			continue;
		fake_pages_unmap(base, count);
		errno = ENOMEM;
		return NULL;
	}
	return base;
}

void fake_pages_unmap(void *addr, unsigned int count)
{
	munmap((char *)addr - FAKE_PAGE_SIZE,
	       ((size_t)count + 2) * FAKE_PAGE_SIZE);
}

/* Reverses the low bits: neighbours end up far apart, and it is its own
 * inverse. */
static uint32_t bits_reverse(uint32_t v)
{
	uint32_t r = 0;

	for (int i = 0; i < PAGE_BITS; i++)
		r |= (v >> i & 1) << (PAGE_BITS - 1 - i);
	return r;
}

uint32_t fake_page_to_ref(uint32_t page)
{
	return REF_FIRST + (fake_host.scatter ? bits_reverse(page) : page);
}

int64_t fake_ref_to_page(uint32_t ref)
{
	if (ref < REF_FIRST || ref - REF_FIRST >= PAGES_N)
		return -1;
	ref -= REF_FIRST;
	return fake_host.scatter ? bits_reverse(ref) : ref;
}

unsigned int fake_host_memory_pages(void)
{
	unsigned int n;

	fake_lock();
	n = n_used;
	fake_unlock();
	return n;
}

void fake_host_reuse_references(bool on)
{
	fake_lock();
	fake_host.reuse = on;
	fake_unlock();
}

void fake_host_scatter_references(bool on)
{
	fake_lock();
	assert(n_used == 0);
	fake_host.scatter = on;
	fake_unlock();
}
