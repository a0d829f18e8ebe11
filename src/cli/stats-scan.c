// SPDX-License-Identifier: MIT
#include "cli/stats-scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* As the kernel names a memfd. */
#define LINK_TARGET "/memfd:" STATS_FILE_NAME " (deleted)"

/* A file that claims more is not believed. */
#define SLOTS_MAX 65536u

static void cleanup_dirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void cleanup_filep(FILE **file)
{
	if (*file)
		fclose(*file);
}

static FILE *open_of_process(unsigned int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return fopen(path, "re");
}

static void read_program(unsigned int pid, char *name, size_t size)
{
	_cleanup_(cleanup_filep) FILE *file = open_of_process(pid, "comm");

	if (!file || !fgets(name, (int)size, file))
		snprintf(name, size, "?");
	name[strcspn(name, "\n")] = '\0';
}

/* A process's id as it sees itself: the innermost of its namespaces' ids. */
static unsigned int own_pid(unsigned int pid)
{
	_cleanup_(cleanup_filep) FILE *file = open_of_process(pid, "status");
	char line[256];
	uint32_t inner;

	while (file && fgets(line, sizeof(line), file)) {
		char *last = strrchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "NSpid:", 6) && last &&
		    !parse_u32(last + 1, UINT32_MAX, &inner))
			return inner;
	}
	return pid;
}

static bool read_at(int fd, void *data, size_t size, uint64_t offset)
{
	return pread(fd, data, size, (off_t)offset) == (ssize_t)size;
}

static int add_row(struct stats_list *list, const struct stats_row *row)
{
	if (list->n_rows == list->n_allocated) {
		size_t n = list->n_allocated ? 2 * list->n_allocated : 16;
		void *rows = reallocarray(list->rows, n, sizeof(*row));

		if (!rows)
			return -ENOMEM;
		list->rows = rows;
		list->n_allocated = n;
	}
	list->rows[list->n_rows++] = *row;
	return 0;
}

/* Whether the slot is in use; it may be taken by another vchan meanwhile. */
static bool read_slot(int fd, uint64_t offset, size_t size,
		      struct stats_slot *slot)
{
	uint32_t generation;

	memset(slot, 0, sizeof(*slot));
	if (size > sizeof(*slot))
		size = sizeof(*slot);
	if (!read_at(fd, slot, size, offset) || !slot->generation ||
	    !read_at(fd, &generation, sizeof(generation), offset))
		return false;
	slot->path[sizeof(slot->path) - 1] = '\0';
	return generation == slot->generation;
}

static bool header_is_valid(const struct stats_header *h)
{
	return h->magic == STATS_FILE_MAGIC && h->n_slots <= SLOTS_MAX &&
	       h->slot_size >= offsetof(struct stats_slot, path) + 1;
}

static int read_file(struct stats_list *list, int fd, unsigned int pid)
{
	struct stats_row row = { .pid = pid };
	struct stats_header h;
	int r = 0;

	if (!read_at(fd, &h, sizeof(h), 0) || !header_is_valid(&h) ||
	    h.pid != own_pid(pid))
		return 0;
	read_program(pid, row.program, sizeof(row.program));
	for (; row.index < h.n_slots && !r; row.index++) {
		uint64_t offset =
			h.slots_offset + (uint64_t)row.index * h.slot_size;

		if (read_slot(fd, offset, h.slot_size, &row.slot))
			r = add_row(list, &row);
	}
	return r;
}

/* Such a descriptor may be of anything that somebody has named so. */
static int open_if_stats(int dir, const char *name)
{
	char target[sizeof(LINK_TARGET)];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n != sizeof(LINK_TARGET) - 1 || memcmp(target, LINK_TARGET, n))
		return -1;
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int stats_scan_process(struct stats_list *list, unsigned int pid)
{
	_cleanup_(cleanup_dirp) DIR *dir = NULL;
	struct dirent *d;
	char path[32];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!r && (d = readdir(dir))) {
		_cleanup_close_ int fd = open_if_stats(dirfd(dir), d->d_name);

		if (fd >= 0)
			r = read_file(list, fd, pid);
	}
	return r;
}

static int by_pid_and_index(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

int stats_scan_all(struct stats_list *list)
{
	_cleanup_(cleanup_dirp) DIR *dir = opendir("/proc");
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		uint32_t pid;
		int r;

		if (parse_u32(d->d_name, UINT32_MAX, &pid))
			continue;
		r = stats_scan_process(list, pid);
		if (r == -ENOMEM)
			return r;
		if (r == -EACCES)
			list->n_denied++;
	}
	if (list->n_rows)
		qsort(list->rows, list->n_rows, sizeof(*list->rows),
		      by_pid_and_index);
	return 0;
}

const struct stats_row *stats_list_find(const struct stats_list *list,
					const struct stats_row *row)
{
	const struct stats_row *found = NULL;

	if (list->n_rows)
		found = bsearch(row, list->rows, list->n_rows,
				sizeof(*list->rows), by_pid_and_index);
	return found && found->slot.generation == row->slot.generation ? found
								       : NULL;
}

void stats_list_deinit(struct stats_list *list)
{
	free(list->rows);
	*list = (struct stats_list){ 0 };
}
