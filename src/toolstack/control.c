// SPDX-License-Identifier: MIT
#include "toolstack/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* How long a daemon that is stopped, or hangs, is waited for. */
#define ANSWER_S 2

static int limit(int fd, int option)
{
	struct timeval t = { .tv_sec = ANSWER_S };

	return setsockopt(fd, SOL_SOCKET, option, &t, sizeof(t)) ? -errno : 0;
}

/* By the directory's descriptor: its path may be too long for a socket's. */
static int connect_in(const char *run_dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int dir =
		open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	if (dir < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
		 dir, CONTROL_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || limit(fd, SO_SNDTIMEO) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return TAKE_FD(fd);
}

int toolstack_control(const char *run_dir, const char *request)
{
	_cleanup_close_ int fd = connect_in(run_dir);
	char line[32];
	int n = snprintf(line, sizeof(line), "%s\n", request);

	if (fd < 0)
		return TAKE_FD(fd);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return -errno;
	return TAKE_FD(fd);
}

char *toolstack_control_field(char **rest)
{
	return *rest ? strsep(rest, "\t") : NULL;
}

static int take_u64(char **rest, uint64_t *out)
{
	char *text = toolstack_control_field(rest);

	return text ? parse_u64(text, UINT64_MAX, out) : -EINVAL;
}

static struct toolstack_channel *find_device(struct toolstack_list *list,
					     unsigned int own, uint64_t domid,
					     uint64_t device)
{
	for (size_t i = 0; i < list->n_channels; i++) {
		struct toolstack_channel *c = &list->channels[i];

		if (c->backend == own && c->domid == domid &&
		    c->device == device && c->ours)
			return c;
	}
	return NULL;
}

static int take_status(struct toolstack_list *list, unsigned int own,
		       char *rest)
{
	uint64_t domid, device, client;
	struct toolstack_status s = { .known = true };
	struct toolstack_channel *c;

	if (take_u64(&rest, &domid) || take_u64(&rest, &device) ||
	    !toolstack_control_field(&rest) || take_u64(&rest, &client) ||
	    take_u64(&rest, &s.from_guest) || take_u64(&rest, &s.to_guest) ||
	    take_u64(&rest, &s.dropped) || take_u64(&rest, &s.waiting))
		return -EPROTO;
	s.has_client = client;
	c = find_device(list, own, domid, device);
	if (c)
		c->status = s;
	return 0;
}

int toolstack_list_add_status(struct toolstack_list *list, unsigned int own,
			      const char *run_dir)
{
	char line[CONTROL_LINE_MAX];
	int r, fd = toolstack_control(run_dir, CONTROL_STATUS);
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (!in)
		return fd < 0 ? fd : -ENOMEM;
	(void)limit(fd, SO_RCVTIMEO);
	r = -EPROTO; /* unless the end is seen */
	while (fgets(line, sizeof(line), in)) {
		char *rest = line, *word;

		line[strcspn(line, "\n")] = '\0';
		word = toolstack_control_field(&rest);
		if (!strcmp(word, "end"))
			r = 0;
		else if (strcmp(word, "channel") ||
			 take_status(list, own, rest))
			break;
	}
	fclose(in);
	return r;
}
