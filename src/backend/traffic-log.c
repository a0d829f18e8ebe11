// SPDX-License-Identifier: MIT
#include "backend/traffic-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK 2048

static int open_file(const char *path)
{
	/* O_NONBLOCK: opening a FIFO, to find that it is one, must not wait. */
	_cleanup_close_ int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			     O_NOCTTY | O_NONBLOCK,
		     0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int traffic_log_open(struct traffic_log *l, const char *path)
{
	traffic_log_close(l);
	l->path = strdup(path);
	return l->path ? traffic_log_reopen(l) : -ENOMEM;
}

int traffic_log_reopen(struct traffic_log *l)
{
	if (!l->path)
		return 0;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = open_file(l->path);
	if (l->fd < 0) {
		int r = l->fd;

		l->fd = -1;
		return r;
	}
	return 0;
}

void traffic_log_close(struct traffic_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	*l = TRAFFIC_LOG_NONE;
}

static size_t put_byte(char *out, uint8_t c)
{
	static const char named[] = "\a\b\t\n\v\f\r\\";
	static const char letters[] = "abtnvfr\\";
	const char *p = c ? strchr(named, c) : NULL;

	if (p)
		return (size_t)sprintf(out, "\\%c", letters[p - named]);
	if (c >= 0x20 && c < 0x7f) {
		*out = (char)c;
		return 1;
	}
	return (size_t)sprintf(out, "\\x%02x", c);
}

static size_t put_time(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(out + n, size - n, ".%03ldZ ",
				    now.tv_nsec / 1000000);
}

void traffic_log_write(struct traffic_log *l, const char *direction,
		       const void *data, size_t n)
{
	char line[64 + 4 * CHUNK + 1];
	const uint8_t *p = data;

	if (l->fd < 0)
		return;
	while (n) {
		size_t step = n < CHUNK ? n : CHUNK;
		size_t len = put_time(line, sizeof(line));

		len += (size_t)sprintf(line + len, "%.8s ", direction);
		for (size_t i = 0; i < step; i++)
			len += put_byte(line + len, p[i]);
		line[len++] = '\n';
		/* One write a line. A full disk costs lines, nothing else. */
		if (write(l->fd, line, len) < 0)
			return;
		p += step;
		n -= step;
	}
}
