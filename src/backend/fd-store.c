// SPDX-License-Identifier: MIT
#include "backend/fd-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/parse.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 65536
#define NAME_MAX_LEN 64

/*
 * How long a manager is waited for that has no room: it takes a burst of messages
 * faster than that. From then on it is not waited for, until it has taken what it
 * missed.
 */
#define WAIT_MS 200
#define UNTOLD_MAX 8192

struct inherited {
	UT_hash_handle hh;
	int fd; /* owned */
	char name[NAME_MAX_LEN];
};

/* What the manager had no room for; told in this order, before anything else. */
struct untold {
	struct list link;
	int fd; /* owned; or -1 */
	char text[];
};

struct fd_store {
	struct inherited *inherited; /* owned, by name */
	int socket;                  /* owned; -1: nobody listens */
	struct sockaddr_un addr;
	socklen_t addr_len;
	struct list untold; /* owned */
	unsigned int n_untold;
};

static int open_notify_socket(struct fd_store *s)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const struct timeval wait = { 0, WAIT_MS * 1000 };
	size_t n = path ? strlen(path) : 0;

	if (!n || n >= sizeof(s->addr.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return 0;
	s->addr.sun_family = AF_UNIX;
	memcpy(s->addr.sun_path, path, n);
	if (path[0] == '@')
		s->addr.sun_path[0] = '\0';
	s->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->socket < 0 ||
	    setsockopt(s->socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)))
		return -errno;
	return 0;
}

static int add_inherited(struct fd_store *s, int fd, const char *name, size_t n)
{
	struct inherited *in = calloc(1, sizeof(*in)), *old;

	if (!in)
		return -ENOMEM;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (n >= sizeof(in->name))
		n = sizeof(in->name) - 1;
	memcpy(in->name, name, n);
	in->fd = fd;
	HASH_FIND_STR(s->inherited, in->name, old);
	if (old) {
		close(fd);
		free(in);
	} else {
		HASH_ADD_STR(s->inherited, name, in);
	}
	return 0;
}

static int take_over(struct fd_store *s)
{
	const char *pid = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	uint32_t pid_value, n;
	int r = 0;

	if (!pid || !n_text || parse_u32(pid, INT32_MAX, &pid_value) ||
	    (pid_t)pid_value != getpid() ||
	    parse_u32(n_text, LISTEN_FDS_MAX, &n))
		return 0;
	for (uint32_t i = 0; i < n && !r; i++) {
		size_t len = names ? strcspn(names, ":") : 0;

		r = add_inherited(s, LISTEN_FDS_START + (int)i,
				  names ? names : "", len);
		if (names)
			names += len + (names[len] == ':');
	}
	return r;
}

static void untold_free(struct fd_store *s, struct untold *u)
{
	list_remove(&u->link);
	s->n_untold--;
	if (u->fd >= 0)
		close(u->fd);
	free(u);
}

void fd_store_free(struct fd_store *s)
{
	struct inherited *in, *tmp;

	if (!s)
		return;
	HASH_ITER (hh, s->inherited, in, tmp) {
		HASH_DEL(s->inherited, in);
		close(in->fd);
		free(in);
	}
	while (!list_empty(&s->untold))
		untold_free(s, list_entry(s->untold.next, struct untold, link));
	if (s->socket >= 0)
		close(s->socket);
	free(s);
}

DEFINE_CLEANUP(struct fd_store *, fd_store, fd_store_free)

int fd_store_new(struct fd_store **out)
{
	_cleanup_(cleanup_fd_storep) struct fd_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->socket = -1;
	list_init(&s->untold);
	r = open_notify_socket(s);
	if (!r)
		r = take_over(s);
	/* Not for our children. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!r)
		*out = TAKE_PTR(s);
	return r;
}

int fd_store_take(struct fd_store *s, const char *name)
{
	struct inherited *in;
	int fd;

	HASH_FIND_STR(s->inherited, name, in);
	if (!in)
		return -1;
	fd = in->fd;
	HASH_DEL(s->inherited, in);
	free(in);
	return fd;
}

void fd_store_return(struct fd_store *s, const char *name, int fd)
{
	if (add_inherited(s, fd, name, strlen(name))) {
		close(fd);
		fd_store_drop(s, name);
	}
}

/* False: the manager has no room. What it cannot take at all is nothing to keep. */
static bool send_now(struct fd_store *s, const char *text, int fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = {
		.msg_name = &s->addr,
		.msg_namelen = s->addr_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(s->socket, &msg, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n >= 0 || (errno != EAGAIN && errno != ETOOMANYREFS);
}

/* A descriptor may be closed before its turn comes. */
static void tell_later(struct fd_store *s, const char *text, int fd)
{
	struct untold *u;

	if (s->n_untold >= UNTOLD_MAX)
		return;
	u = calloc(1, sizeof(*u) + strlen(text) + 1);
	if (!u)
		return;
	strcpy(u->text, text);
	u->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	list_append(&s->untold, &u->link);
	s->n_untold++;
	if (fd >= 0 && u->fd < 0)
		untold_free(s, u);
}

void fd_store_flush(struct fd_store *s)
{
	while (!list_empty(&s->untold)) {
		struct untold *u =
			list_entry(s->untold.next, struct untold, link);

		if (!send_now(s, u->text, u->fd, MSG_DONTWAIT))
			return;
		untold_free(s, u);
	}
}

static void send_text(struct fd_store *s, const char *text, int fd)
{
	if (s->socket < 0)
		return;
	fd_store_flush(s);
	if (!list_empty(&s->untold) || !send_now(s, text, fd, 0))
		tell_later(s, text, fd);
}

struct text {
	char s[128];
};

/* FDPOLL=0: a client that hung up may have left bytes to be read. */
static struct text keep_text(const char *name)
{
	struct text t;

	snprintf(t.s, sizeof(t.s), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return t;
}

void fd_store_keep(struct fd_store *s, const char *name, int fd)
{
	send_text(s, keep_text(name).s, fd);
}

/* Who is at its other end shall see that we have closed it. */
static void forget_untold(struct fd_store *s, const char *name)
{
	const struct text keep = keep_text(name);
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &s->untold) {
		struct untold *u = list_entry(pos, struct untold, link);

		if (!strcmp(u->text, keep.s))
			untold_free(s, u);
	}
}

void fd_store_drop(struct fd_store *s, const char *name)
{
	char text[128];

	forget_untold(s, name);
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	send_text(s, text, -1);
}

void fd_store_drop_rest(struct fd_store *s)
{
	struct inherited *in, *tmp;

	HASH_ITER (hh, s->inherited, in, tmp) {
		fd_store_drop(s, in->name);
		HASH_DEL(s->inherited, in);
		close(in->fd);
		free(in);
	}
}

void fd_store_notify(struct fd_store *s, const char *text)
{
	send_text(s, text, -1);
}

/* One that comes late is worth nothing. */
void fd_store_feed_watchdog(struct fd_store *s)
{
	if (s->socket < 0)
		return;
	fd_store_flush(s);
	if (list_empty(&s->untold))
		send_now(s, "WATCHDOG=1", -1, MSG_DONTWAIT);
}
