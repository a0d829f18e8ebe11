// SPDX-License-Identifier: MIT
/*
 * One end of a vchan, on the libxenvchan that its argument names, as told by
 * lockstep.h. Sizes and results are those of the calls.
 *
 *   server DOMID PATH READ_MIN WRITE_MIN    client DOMID PATH
 *       the orders of its read and write ring, or NULL and errno
 *   write, read, send, recv N    is_open, data_ready, buffer_space, wait
 *   close
 *   blocking 0|1    persist 0|1    rewind
 *   used in|out N   until a ring holds N bytes: its size, or "late". Does not
 *                   call the library, which would ask the peer for events
 *   select, poll, epoll MS   whether the descriptor is readable
 *   loop write|read N   as often as it works: what the last one returned
 *   serve DOMID PATH   offers a vchan, writes into it, closes, for ever
 *   visits MS DOMID PATH   connects and reads until that fails, again and again
 *   handle restart|interrupt   SIGUSR1, with SA_RESTART or without
 *   state, shutdown, rearm, timeout MS    the new calls, where the library has
 *                                         them
 *   page   bytes 20 to 23 of the shared page: liveness and notify bytes
 *   pid
 *   fork   a child that closes the vchan
 *   fds    how many descriptors this process has
 *   exec   the descriptors above 2 that a program started from here inherits
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libxenvchan-ext.h"
#include "lockstep.h"

#define CALLS(X)         \
	X(server_init)   \
	X(client_init)   \
	X(close)         \
	X(recv)          \
	X(read)          \
	X(send)          \
	X(write)         \
	X(wait)          \
	X(fd_for_select) \
	X(is_open)       \
	X(data_ready)    \
	X(buffer_space)

#define NEW_CALLS(X) \
	X(state)     \
	X(shutdown)  \
	X(rearm)     \
	X(set_timeout)

static struct {
#define X(name) __typeof__(&libxenvchan_##name) name;
	CALLS(X)
	NEW_CALLS(X)
#undef X
} lib;

static struct libxenvchan *v;

static void *symbol(void *library, const char *name)
{
	void *p = dlsym(library, name);

	if (!p) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return p;
}

static void load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
#define X(name)                                                        \
	lib.name = (__typeof__(lib.name))symbol(library, "libxenvchan" \
							 "_" #name);
	CALLS(X)
#undef X
#define X(name)                                                       \
	lib.name = (__typeof__(lib.name))dlsym(library, "libxenvchan" \
							"_" #name);
	NEW_CALLS(X)
#undef X
}

static size_t size_of(const char *text)
{
	return strtoul(text, NULL, 10);
}

static void opened(bool is_server)
{
	lockstep_rewind(is_server);
	if (!v) {
		const char *name = errno ? strerrorname_np(errno) : "0";

		answer("NULL %s", name ? name : "?");
		return;
	}
	/* 4.17's leaves them as malloc() gave them: fault 4. */
	v->blocking = 0;
	v->server_persist = 0;
	answer("%d %d", v->read.order, v->write.order);
}

static void cmd_server(char **args)
{
	v = lib.server_init(NULL, atoi(args[0]), args[1], size_of(args[2]),
			    size_of(args[3]));
	opened(true);
}

static void cmd_client(char **args)
{
	v = lib.client_init(NULL, atoi(args[0]), args[1]);
	opened(false);
}

static void cmd_close(char **args)
{
	lib.close(v);
	v = NULL;
	answer("closed");
}

static void cmd_write(char **args)
{
	size_t size = size_of(args[0]);
	int n = lib.write(v, lockstep_out(size), size);

	lockstep_sent(n);
	answer_result(n);
}

static void cmd_send(char **args)
{
	size_t size = size_of(args[0]);
	int n = lib.send(v, lockstep_out(size), size);

	lockstep_sent(n);
	answer_result(n);
}

static void cmd_read(char **args)
{
	size_t size = size_of(args[0]);

	answer_received(lib.read(v, lockstep_in(size), size));
}

static void cmd_recv(char **args)
{
	size_t size = size_of(args[0]);

	answer_received(lib.recv(v, lockstep_in(size), size));
}

static void cmd_is_open(char **args)
{
	answer_result(lib.is_open(v));
}

static void cmd_data_ready(char **args)
{
	answer_result(lib.data_ready(v));
}

static void cmd_buffer_space(char **args)
{
	answer_result(lib.buffer_space(v));
}

static void cmd_wait(char **args)
{
	answer_result(lib.wait(v));
}

static void cmd_state(char **args)
{
	answer_result(lib.state(v));
}

static void cmd_shutdown(char **args)
{
	answer_result(lib.shutdown(v));
}

static void cmd_rearm(char **args)
{
	answer_result(lib.rearm(v));
}

static void cmd_timeout(char **args)
{
	lib.set_timeout(v, atoll(args[0]) * 1000000);
	answer("ok");
}

static void cmd_page(char **args)
{
	const volatile uint8_t *page = (const volatile void *)v->ring;

	answer("%02x %02x %02x %02x", page[20], page[21], page[22], page[23]);
}

static void cmd_blocking(char **args)
{
	v->blocking = args[0][0] == '1';
	answer("ok");
}

static void cmd_persist(char **args)
{
	v->server_persist = args[0][0] == '1';
	answer("ok");
}

static void cmd_rewind(char **args)
{
	lockstep_rewind(v->is_server);
	answer("ok");
}

struct fill {
	struct ring_shared *shr;
	uint32_t used;
};

static bool is_filled(const void *arg)
{
	const struct fill *f = arg;

	return __atomic_load_n(&f->shr->prod, __ATOMIC_ACQUIRE) -
		       __atomic_load_n(&f->shr->cons, __ATOMIC_ACQUIRE) ==
	       f->used;
}

static void cmd_used(char **args)
{
	struct libxenvchan_ring *r =
		strcmp(args[0], "in") == 0 ? &v->read : &v->write;
	struct fill f = { r->shr, (uint32_t)size_of(args[1]) };

	answer(lockstep_until(is_filled, &f) ? "%u" : "late, not %u", f.used);
}

static void ready(int n)
{
	answer(n < 0 ? "failed" : n ? "ready" : "not ready");
}

static void cmd_select(char **args)
{
	int fd = lib.fd_for_select(v), ms = atoi(args[0]);
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	ready(select(fd + 1, &set, NULL, NULL, &t));
}

static void cmd_poll(char **args)
{
	struct pollfd p = { .fd = lib.fd_for_select(v), .events = POLLIN };

	ready(poll(&p, 1, atoi(args[0])));
}

static void cmd_epoll(char **args)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(fd, EPOLL_CTL_ADD, lib.fd_for_select(v), &e) < 0)
		ready(-1);
	else
		ready(epoll_wait(fd, &e, 1, atoi(args[0])));
	close(fd);
}

static void cmd_loop(char **args)
{
	bool is_write = strcmp(args[0], "write") == 0;
	size_t size = size_of(args[1]);
	bool right = true;
	int n;

	do {
		if (is_write) {
			n = lib.write(v, lockstep_out(size), size);
			lockstep_sent(n);
		} else {
			n = lib.read(v, lockstep_in(size), size);
			right = lockstep_received(n);
		}
	} while (n > 0 && right);
	if (right)
		answer_result(n);
	else
		answer("%d WRONG", n);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void cmd_visits(char **args)
{
	int64_t end = now_ms() + atoi(args[0]);
	uint8_t byte;
	int n = 0;

	while (now_ms() < end) {
		v = lib.client_init(NULL, atoi(args[1]), args[2]);
		if (!v)
			continue;
		n++;
		v->blocking = 1;
		while (lib.read(v, &byte, 1) > 0)
			;
		lib.close(v);
	}
	v = NULL;
	answer("%d", n);
}

static void cmd_serve(char **args)
{
	for (unsigned int i = 0;; i++) {
		v = lib.server_init(NULL, atoi(args[0]), args[1], 4096, 65536);
		if (!v)
			continue;
		v->blocking = 0;
		v->server_persist = 0;
		for (unsigned int n = i % 8 * 100; n; n--)
			if (lib.is_open(v) == 1)
				(void)lib.write(v, "x", 1);
		lib.close(v);
	}
}

static void ignore(int sig)
{
	(void)sig;
}

static void cmd_handle(char **args)
{
	struct sigaction sa = { .sa_handler = ignore };

	if (strcmp(args[0], "restart") == 0)
		sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	answer("ok");
}

static void cmd_pid(char **args)
{
	answer("%d", (int)getpid());
}

/* What a program that knows no better does in a child. */
static void cmd_fork(char **args)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		lib.close(v);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	answer(status ? "the child failed" : "ok");
}

static void cmd_fds(char **args)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	answer("%d", n);
}

/* What vchan-end --fds does; its line is the answer to "exec". */
static int list_fds(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	puts("inherited");
	return 0;
}

static void cmd_exec(char **args)
{
	static const char *const again[] = { "vchan-end", "--fds", NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char **)again,
			environ))
		answer("cannot exec");
	else
		waitpid(pid, NULL, 0);
}

static const struct lockstep_command commands[] = {
	{ "server", 4, cmd_server },
	{ "client", 2, cmd_client },
	{ "close", 0, cmd_close },
	{ "write", 1, cmd_write },
	{ "send", 1, cmd_send },
	{ "read", 1, cmd_read },
	{ "recv", 1, cmd_recv },
	{ "is_open", 0, cmd_is_open },
	{ "data_ready", 0, cmd_data_ready },
	{ "buffer_space", 0, cmd_buffer_space },
	{ "wait", 0, cmd_wait },
	{ "state", 0, cmd_state },
	{ "shutdown", 0, cmd_shutdown },
	{ "rearm", 0, cmd_rearm },
	{ "timeout", 1, cmd_timeout },
	{ "page", 0, cmd_page },
	{ "blocking", 1, cmd_blocking },
	{ "persist", 1, cmd_persist },
	{ "rewind", 0, cmd_rewind },
	{ "used", 2, cmd_used },
	{ "select", 1, cmd_select },
	{ "poll", 1, cmd_poll },
	{ "epoll", 1, cmd_epoll },
	{ "loop", 2, cmd_loop },
	{ "serve", 2, cmd_serve },
	{ "visits", 3, cmd_visits },
	{ "handle", 1, cmd_handle },
	{ "pid", 0, cmd_pid },
	{ "fork", 0, cmd_fork },
	{ "fds", 0, cmd_fds },
	{ "exec", 0, cmd_exec },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: vchan-end LIBRARY\n");
		return 2;
	}
	if (strcmp(argv[1], "--fds") == 0)
		return list_fds();
	load(argv[1]);
	lockstep_run(commands);
	return 0;
}
