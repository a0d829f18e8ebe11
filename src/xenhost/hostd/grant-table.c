// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "grant-table.h"
#include "xenhost/board.h"

int grant_table_init(struct grant_table *t)
{
	*t = (struct grant_table){
		.mem_fd = -1,
		.lowest_free = GRANT_FIRST_REF,
		.limit = GRANT_DEFAULT_LIMIT,
	};
	t->mem_fd =
		memfd_create("xenhost-domain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->mem_fd < 0)
		return -errno;
	/* Sealed, so that no process of a domain can pull it from under us. */
	if (ftruncate(t->mem_fd, (off_t)GRANT_MAX_REFS << XEN_PAGE_SHIFT) < 0 ||
	    fcntl(t->mem_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

void grant_table_deinit(struct grant_table *t)
{
	if (t->mem_fd >= 0)
		close(t->mem_fd);
	free(t->grants);
	*t = (struct grant_table){ .mem_fd = -1 };
}

/* Makes room for references below end. */
static int table_grow(struct grant_table *t, uint32_t end)
{
	uint32_t n = t->n_grants ? t->n_grants : 64;
	struct grant *grants;

	if (end > GRANT_MAX_REFS)
		return -ENOSPC;
	while (n < end)
		n *= 2;
	if (n == t->n_grants)
		return 0;
	grants = realloc(t->grants, n * sizeof(*grants));
	if (!grants)
		return -ENOMEM;
	memset(grants + t->n_grants, 0, (n - t->n_grants) * sizeof(*grants));
	t->grants = grants;
	t->n_grants = n;
	return 0;
}

static bool ref_is_free(const struct grant_table *t, uint32_t ref)
{
	return ref >= t->n_grants || t->grants[ref].state == GRANT_FREE;
}

/* The first reference of the lowest run of n free ones. */
static uint32_t find_run(const struct grant_table *t, uint32_t n)
{
	uint32_t first = t->lowest_free;

	for (uint32_t ref = first; ref < first + n; ref++)
		if (!ref_is_free(t, ref))
			first = ref + 1;
	return first;
}

int grant_table_share(struct grant_table *t, unsigned int to, bool writable,
		      uint32_t count, uint32_t *refs)
{
	uint32_t first, n_run = t->scatter ? 2 * count : count;
	int r;

	if (count > t->limit || t->n_shared > t->limit - count)
		return -ENOSPC;
	first = find_run(t, n_run);
	r = table_grow(t, first + n_run);
	if (r < 0)
		return r;

	for (uint32_t i = 0; i < count; i++) {
		refs[i] = t->scatter ? first + 2 * (count - 1 - i) : first + i;
		t->grants[refs[i]] = (struct grant){
			.state = GRANT_SHARED,
			.to = to,
			.writable = writable,
		};
	}
	t->n_shared += count;
	while (!ref_is_free(t, t->lowest_free))
		t->lowest_free++;
	return 0;
}

static void ref_make_free(struct grant_table *t, uint32_t ref)
{
	t->grants[ref].state = GRANT_FREE;
	if (ref < t->lowest_free)
		t->lowest_free = ref;
}

/* Gives pages back to the system; whoever gets them next finds zeroes. */
static void punch(struct grant_table *t, uint32_t first, uint32_t n)
{
	if (n > 0)
		fallocate(t->mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)first << XEN_PAGE_SHIFT,
			  (off_t)n << XEN_PAGE_SHIFT);
}

/* Frees those of refs that nobody holds any more, by runs. */
static void free_unused(struct grant_table *t, const uint32_t *refs,
			uint32_t count)
{
	uint32_t first = 0, n = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct grant *g = &t->grants[refs[i]];

		if (g->state != GRANT_LINGERING || g->n_mapped > 0)
			continue;
		ref_make_free(t, refs[i]);
		if (refs[i] != first + n) {
			punch(t, first, n);
			first = refs[i];
			n = 0;
		}
		n++;
	}
	punch(t, first, n);
}

void grant_table_unshare(struct grant_table *t, const uint32_t *refs,
			 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		t->grants[refs[i]].state = GRANT_LINGERING;
	t->n_shared -= count;
	free_unused(t, refs, count);
}

int grant_table_map(struct grant_table *t, unsigned int by, bool write,
		    const uint32_t *refs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct grant *g;

		if (refs[i] >= t->n_grants)
			return -ENOENT;
		g = &t->grants[refs[i]];
		/* As Xen: a grant stays good while anybody maps it. */
		if (g->state == GRANT_FREE || g->to != by ||
		    (write && !g->writable))
			return -EINVAL;
	}
	for (uint32_t i = 0; i < count; i++)
		t->grants[refs[i]].n_mapped++;
	t->n_mapped += count;
	return 0;
}

void grant_table_unmap(struct grant_table *t, const uint32_t *refs,
		       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		t->grants[refs[i]].n_mapped--;
	t->n_mapped -= count;
	free_unused(t, refs, count);
}

void grant_table_clear_byte(struct grant_table *t, uint32_t ref,
			    uint32_t offset)
{
	(void)!pwrite(t->mem_fd, "", 1,
		      ((off_t)ref << XEN_PAGE_SHIFT) + offset);
}
