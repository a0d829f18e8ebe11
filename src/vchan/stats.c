// SPDX-License-Identifier: MIT
/*
 * Counting what a vchan does, where others can see it: stats-file.h.
 *
 * The file is made with the first vchan of a process and ends with the last. It
 * is a convenience: a process that cannot have one, or has more vchans than fit,
 * counts in memory of its own, and nobody outside sees that.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vchan/private.h"

#define HEADER_SIZE 4096
#define N_SLOTS 2048
#define FILE_SIZE (HEADER_SIZE + N_SLOTS * sizeof(struct stats_slot))

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static struct {
	pthread_mutex_t lock;
	struct stats_header *header; /* the file; NULL: there is none */
	struct stats_slot *slots;    /* in it */
	bool used[N_SLOTS];
	unsigned int n_used;
	uint32_t last_generation;
	int fd;
	pid_t pid; /* whose it is */
} file = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static int memfd_new(void)
{
	int fd = memfd_create(STATS_FILE_NAME, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	/* Before Linux 6.3 */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(STATS_FILE_NAME,
				  MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

/* Makes sure of the memory: there is no error to be had when it is touched. */
static bool reserve(int fd, size_t offset, size_t size)
{
	return !fallocate(fd, 0, (off_t)offset, (off_t)size);
}

/* To ask for more is a signal that ends the process: setrlimit(2). */
static bool size_is_allowed(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur >= FILE_SIZE;
}

static void file_open(void)
{
	_cleanup_close_ int fd = size_is_allowed() ? memfd_new() : -1;
	void *p;

	/* Sealed: a reader that maps it must not fear that it shrinks. */
	if (fd < 0 || ftruncate(fd, FILE_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) ||
	    !reserve(fd, 0, HEADER_SIZE))
		return;
	p = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return;
	file.header = p;
	*file.header = (struct stats_header){
		.magic = STATS_FILE_MAGIC,
		.slots_offset = HEADER_SIZE,
		.slot_size = sizeof(struct stats_slot),
		.n_slots = N_SLOTS,
		.pid = (uint32_t)getpid(),
	};
	file.slots = (void *)((char *)p + HEADER_SIZE);
	file.fd = TAKE_FD(fd);
	file.pid = getpid();
}

static void file_close(void)
{
	munmap(file.header, FILE_SIZE);
	close(file.fd);
	file.header = NULL;
	file.fd = -1;
}

/*
 * In a child of fork(2) the file is the parent's. It stays mapped: the vchans
 * that were inherited point into it.
 */
static void file_forget_inherited(void)
{
	if (!file.header || file.pid == getpid())
		return;
	close(file.fd);
	file.fd = -1;
	file.header = NULL;
	memset(file.used, 0, sizeof(file.used));
	file.n_used = 0;
}

static struct stats_slot *file_take_slot(void)
{
	unsigned int i = 0;

	file_forget_inherited();
	if (!file.header)
		file_open();
	while (i < N_SLOTS && file.used[i])
		i++;
	if (!file.header || i == N_SLOTS ||
	    !reserve(file.fd, HEADER_SIZE + i * sizeof(*file.slots),
		     sizeof(*file.slots)))
		return NULL;
	file.used[i] = true;
	file.n_used++;
	memset(&file.slots[i], 0, sizeof(file.slots[i]));
	return &file.slots[i];
}

/* False: it is in no file. */
static bool file_give_slot(struct stats_slot *slot)
{
	if (!file.header || slot < file.slots || slot >= file.slots + N_SLOTS)
		return false;
	__atomic_store_n(&slot->generation, 0, __ATOMIC_RELEASE);
	file.used[slot - file.slots] = false;
	if (!--file.n_used)
		file_close();
	return true;
}

static uint32_t next_generation(void)
{
	if (!++file.last_generation)
		file.last_generation++;
	return file.last_generation;
}

int vchan_stats_open(struct vchan *v)
{
	struct stats_slot *slot;

	pthread_mutex_lock(&file.lock);
	slot = file_take_slot();
	if (!slot)
		slot = calloc(1, sizeof(*slot));
	if (slot) {
		slot->is_server = v->is_server;
		slot->domain = v->domain;
		strncpy(slot->path, v->path, sizeof(slot->path) - 1);
		__atomic_store_n(&slot->generation, next_generation(),
				 __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&file.lock);
	v->stats = slot;
	return slot ? 0 : -ENOMEM;
}

void vchan_stats_close(struct vchan *v)
{
	struct stats_slot *slot = TAKE_PTR(v->stats);

	/* A child's: its memory is not worth telling a slot from a copy. */
	if (!slot || v->pid != getpid())
		return;
	pthread_mutex_lock(&file.lock);
	if (!file_give_slot(slot))
		free(slot);
	pthread_mutex_unlock(&file.lock);
}

static struct libxenvchan_flow flow_of(const struct stats_flow *f)
{
	return (struct libxenvchan_flow){
		.bytes = stats_get(&f->bytes),
		.calls = stats_get(&f->calls),
		.sleeps = stats_get(&f->sleeps),
		.spins = stats_get(&f->spins),
		.spins_won = stats_get(&f->spins_won),
		.events_sent = stats_get(&f->events_sent),
	};
}

/* Up to and with .connections */
#define SIZE_OF_FIRST_VERSION offsetof(struct libxenvchan_stats, yields)

int libxenvchan_stats(struct libxenvchan *ctrl, struct libxenvchan_stats *stats,
		      size_t size)
{
	const struct stats_slot *slot = vchan_of(ctrl)->stats;
	struct libxenvchan_stats now = {
		.received = flow_of(&slot->received),
		.sent = flow_of(&slot->sent),
		.events_received = stats_get(&slot->events_received),
		.waits = stats_get(&slot->waits),
		.connections = stats_get(&slot->connections),
		.yields = stats_get(&slot->received.yields) +
			  stats_get(&slot->sent.yields),
	};
	size_t known = size < sizeof(now) ? size : sizeof(now);

	if (size < SIZE_OF_FIRST_VERSION) {
		errno = EINVAL;
		return -1;
	}
	memcpy(stats, &now, known);
	memset((char *)stats + known, 0, size - known);
	return 0;
}
