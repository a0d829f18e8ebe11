// SPDX-License-Identifier: MIT
#include "backend/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "backend/fd-store.h"
#include "backend/log.h"
#include "backend/privilege.h"
#include "base/cleanup.h"

#define FIRST_FD 3
#define NAME_SIZE 64
#define RESTART_MS 100 /* between two starts */

/* In the environment of what a keeper starts. */
#define MARK "XENCHANNELD_KEPT"

struct kept {
	UT_hash_handle hh;
	int fd; /* owned */
	char name[NAME_SIZE];
};

struct keeper {
	char *const *argv;
	int notify, signals; /* owned */
	char notify_name[64];
	struct kept *kept;       /* owned, by name */
	struct fd_store *parent; /* who started us, if it wants to know */
	pid_t child;
	bool stopping;
};

/*
 * Descriptors
 */

static void forget(struct keeper *k, const char *name)
{
	struct kept *old;

	HASH_FIND_STR(k->kept, name, old);
	if (!old)
		return;
	HASH_DEL(k->kept, old);
	close(old->fd);
	free(old);
}

static void keep(struct keeper *k, const char *name, int fd)
{
	struct kept *new = calloc(1, sizeof(*new));

	forget(k, name);
	if (!new || strlen(name) >= sizeof(new->name)) {
		close(fd);
		free(new);
		return;
	}
	strcpy(new->name, name);
	new->fd = fd;
	HASH_ADD_STR(k->kept, name, new);
}

/* They become a list with colons between them. */
static bool is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	return n && n < NAME_SIZE && !name[n];
}

/* What who started us is to know of the daemon; the rest is between us two. */
static bool is_for_parent(const char *line)
{
	return !strcmp(line, "READY=1") || !strcmp(line, "STOPPING=1") ||
	       !strncmp(line, "STATUS=", 7);
}

/* What the daemon said: lines of KEY=VALUE, and perhaps a descriptor. */
static void take_message(struct keeper *k, char *text, int fd)
{
	_cleanup_close_ int owned = fd;
	const char *name = NULL;
	bool store = false, remove = false;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			store = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			remove = true;
		else if (!strncmp(line, "FDNAME=", 7))
			name = line + 7;
		else if (!strcmp(line, "WATCHDOG=1"))
			fd_store_feed_watchdog(k->parent);
		else if (is_for_parent(line))
			fd_store_notify(k->parent, line);
	}
	if (!name || !is_name(name))
		return;
	if (store && owned >= 0)
		keep(k, name, TAKE_FD(owned));
	else if (remove)
		forget(k, name);
}

static void close_all(const int *fds, size_t n)
{
	while (n)
		close(fds[--n]);
}

/* Who sent it, and its descriptor: one; of several, none is kept. */
static void take_control(struct msghdr *msg, pid_t *sender, int *fd)
{
	*sender = 0;
	*fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);
		struct ucred who;
		int fds[2];

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && n == sizeof(who)) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			*sender = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS && n <= sizeof(fds)) {
			memcpy(fds, CMSG_DATA(c), n);
			n /= sizeof(int);
			if (n == 1)
				*fd = fds[0];
			else
				close_all(fds, n);
		}
	}
}

/*
 * False: nothing more for now. Anybody may send to the name; only the daemon is
 * heard.
 */
static bool receive(struct keeper *k)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(sizeof(int))];
	} control;
	char text[512];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(k->notify, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	pid_t sender;
	int fd;

	if (n < 0)
		return false;
	take_control(&msg, &sender, &fd);
	text[n] = '\0';
	if (sender == k->child)
		take_message(k, text, fd);
	else if (fd >= 0)
		close(fd);
	return true;
}

static int open_notify(struct keeper *k)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	const int on = 1;

	k->notify =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A name of the kernel's choice in the abstract name space. */
	if (k->notify < 0 ||
	    setsockopt(k->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
	    bind(k->notify, (struct sockaddr *)&addr,
		 sizeof(addr.sun_family)) ||
	    getsockname(k->notify, (struct sockaddr *)&addr, &len))
		return -errno;
	snprintf(k->notify_name, sizeof(k->notify_name), "@%.*s",
		 (int)(len - sizeof(addr.sun_family) - 1), addr.sun_path + 1);
	return 0;
}

/*
 * The child
 */

/* First out of the way of each other, then where they belong. */
static int place_descriptors(const struct keeper *k)
{
	unsigned int n = HASH_COUNT(k->kept), i = 0;
	struct kept *each, *tmp;

	HASH_ITER (hh, k->kept, each, tmp) {
		each->fd = fcntl(each->fd, F_DUPFD, FIRST_FD + (int)n);
		if (each->fd < 0)
			return -errno;
	}
	HASH_ITER (hh, k->kept, each, tmp) {
		if (dup2(each->fd, FIRST_FD + (int)i++) < 0)
			return -errno;
		close(each->fd);
	}
	return 0;
}

static int set_environment(const struct keeper *k)
{
	unsigned int n = HASH_COUNT(k->kept);
	_cleanup_free_ char *names = calloc(n + 1, NAME_SIZE + 1);
	struct kept *each, *tmp;
	char text[16];
	char *end = names;

	if (!names)
		return -ENOMEM;
	HASH_ITER (hh, k->kept, each, tmp)
		end += sprintf(end, "%s%s", end == names ? "" : ":",
			       each->name);
	snprintf(text, sizeof(text), "%u", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	setenv("NOTIFY_SOCKET", k->notify_name, 1);
	setenv(MARK, "1", 1);
	return 0;
}

static void become_daemon(const struct keeper *k)
{
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A daemon without its keeper would keep others from starting. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = set_environment(k);
	if (!r)
		r = place_descriptors(k);
	if (!r) {
		execv("/proc/self/exe", k->argv);
		r = -errno;
	}
	log_error("keeper: cannot start the daemon: %s", strerror(-r));
	_exit(EXIT_FAILURE);
}

static int start_child(struct keeper *k)
{
	k->child = fork();
	if (k->child < 0)
		return -errno;
	if (!k->child)
		become_daemon(k);
	return 0;
}

/* True if it is to be started again; otherwise *status is ours. */
static bool child_ended(struct keeper *k, int wait_status, int *status)
{
	static const struct timespec pause = { 0, RESTART_MS * 1000000L };

	k->child = 0;
	if (WIFEXITED(wait_status) || k->stopping) {
		*status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
						 : EXIT_SUCCESS;
		return false;
	}
	log_warning("keeper: the daemon was killed by signal %d; starting it "
		    "again",
		    WTERMSIG(wait_status));
	nanosleep(&pause, NULL);
	return true;
}

static void take_signal(struct keeper *k)
{
	struct signalfd_siginfo info;

	if (read(k->signals, &info, sizeof(info)) != sizeof(info) ||
	    info.ssi_signo == SIGCHLD)
		return;
	k->stopping |= info.ssi_signo != SIGHUP;
	if (k->child)
		kill(k->child, (int)info.ssi_signo);
}

static int serve(struct keeper *k)
{
	int status = EXIT_FAILURE, wait_status;

	for (;;) {
		struct pollfd p[2] = { { k->notify, POLLIN, 0 },
				       { k->signals, POLLIN, 0 } };

		poll(p, 2, -1);
		while (receive(k))
			;
		if (p[1].revents)
			take_signal(k);
		if (waitpid(k->child, &wait_status, WNOHANG) != k->child)
			continue;
		/* Its last words came before its end. */
		while (receive(k))
			;
		if (!child_ended(k, wait_status, &status) || start_child(k))
			return status;
	}
}

static int open_signals(struct keeper *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signals < 0 ? -errno : 0;
}

bool keeper_is_parent(void)
{
	bool is = getenv(MARK);

	unsetenv(MARK);
	return is;
}

int keeper_run(char *const *argv)
{
	struct keeper k = { .argv = argv, .notify = -1, .signals = -1 };
	struct kept *each, *tmp;
	int status = EXIT_FAILURE, r = fd_store_new(&k.parent);

	privilege_raise_fd_limit();
	if (!r)
		r = open_notify(&k);
	if (!r)
		r = open_signals(&k);
	if (!r)
		r = start_child(&k);
	if (r)
		log_error("keeper: cannot start: %s", strerror(-r));
	else
		status = serve(&k);
	HASH_ITER (hh, k.kept, each, tmp)
		forget(&k, each->name);
	fd_store_free(k.parent);
	if (k.notify >= 0)
		close(k.notify);
	if (k.signals >= 0)
		close(k.signals);
	return status;
}
