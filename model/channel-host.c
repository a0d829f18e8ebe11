// SPDX-License-Identifier: MIT
#include "channel-host.h"

#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#include "backend/channel-private.h"
#include "backend/traffic-log.h"

_Alignas(16) uint8_t model_file[MODEL_FILE_SIZE];
struct channel_config model_config;

static char empty[] = "";

static _Alignas(16) uint8_t heap[16384];
static size_t heap_used;

void model_forget_heap(void)
{
	heap_used = 0;
}

void model_forget_all(void)
{
	model_forget_heap();
	memset(model_file, 0, sizeof(model_file));
	model_config = (struct channel_config){ .name = empty,
						.path = empty,
						.log = empty,
						.id = "0123456789abcdef" };
}

/*
 * Under the names that the code under test is compiled with.
 */

void *model_calloc(size_t n, size_t size);
char *model_strdup(const char *s);
void model_free(void *p);
int model_openat(int dir, const char *name, int flags, ...);
int model_ftruncate(int fd, off_t size);
int model_posix_fallocate(int fd, off_t at, off_t size);
int model_fallocate(int fd, int mode, off_t at, off_t size);
void *model_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
int model_munmap(void *p, size_t n);
int model_close(int fd);
int model_unlinkat(int dir, const char *name, int flags);

/* The same addresses in each run. */
void *model_calloc(size_t n, size_t size)
{
	void *p = heap + heap_used;

	size = (n * size + 15) / 16 * 16;
	if (heap_used + size > sizeof(heap))
		return NULL;
	heap_used += size;
	return memset(p, 0, size);
}

char *model_strdup(const char *s)
{
	char *p = model_calloc(1, strlen(s) + 1);

	return p ? strcpy(p, s) : NULL;
}

void model_free(void *p)
{
}

int model_openat(int dir, const char *name, int flags, ...)
{
	return 100;
}

int model_ftruncate(int fd, off_t size)
{
	return size <= MODEL_FILE_SIZE ? 0 : -1;
}

int model_posix_fallocate(int fd, off_t at, off_t size)
{
	return 0;
}

int model_fallocate(int fd, int mode, off_t at, off_t size)
{
	return 0;
}

void *model_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return model_file;
}

int model_munmap(void *p, size_t n)
{
	return 0;
}

int model_close(int fd)
{
	return 0;
}

/* The file is made anew. */
int model_unlinkat(int dir, const char *name, int flags)
{
	memset(model_file, 0, sizeof(model_file));
	return 0;
}

/*
 * Nodes
 */

int nodes_read_config(const struct channel_address *a, bool all,
		      struct channel_config *out)
{
	*out = model_config;
	return 0;
}

void channel_config_deinit(struct channel_config *c)
{
}

int nodes_read_view(const struct channel_address *a, struct channel_view *out)
{
	*out = (struct channel_view){ .online = true };
	model_read_view(out);
	return 0;
}

int nodes_write_state(const struct channel_address *a, enum console_state s)
{
	model_write_state(s);
	return 0;
}

int nodes_write_hotplug(const struct channel_address *a)
{
	return 0;
}

int nodes_write_tty(const struct channel_address *a, const char *tty)
{
	return 0;
}

int nodes_write_error(const struct channel_address *a, const char *text)
{
	return 0;
}

/*
 * The rest
 */

uint64_t uv_now(const uv_loop_t *loop)
{
	return 1;
}

void own_socket_remove(struct own_socket *own)
{
}

static struct sink_config sink_config;

int sink_open(struct sink **out, uv_loop_t *loop,
	      const struct sink_config *config)
{
	sink_config = *config;
	*out = (struct sink *)(void *)model_file; /* that there is one */
	return 0;
}

void sink_free(struct sink *s, bool keep)
{
}

void model_sink_event(enum sink_event event)
{
	sink_config.fn(sink_config.userdata, event);
}

const char *sink_path(const struct sink *s)
{
	return "";
}

void log_line(enum log_level level, const char *fmt, ...)
{
}

bool log_allowed(struct log_limit *l, uint64_t now_ms)
{
	return false;
}

int traffic_log_open(struct traffic_log *l, const char *path)
{
	return 0;
}

int traffic_log_reopen(struct traffic_log *l)
{
	return 0;
}

void traffic_log_close(struct traffic_log *l)
{
}

void traffic_log_write(struct traffic_log *l, const char *direction,
		       const void *data, size_t n)
{
}
