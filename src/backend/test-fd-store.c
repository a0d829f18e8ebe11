// SPDX-License-Identifier: MIT
/* What is said to a service manager that reads, late or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/fd-store.h"

static char dir_path[] = "/tmp/test-fd-store.XXXXXX";
static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static int manager;
static struct fd_store *store;

static int begin(void **state)
{
	memcpy(dir_path + sizeof(dir_path) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir_path))
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", dir_path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(manager, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	/* A hang of what is tested is the end of it. */
	alarm(60);
	return fd_store_new(&store);
}

static int end(void **state)
{
	alarm(0);
	fd_store_free(store);
	close(manager);
	unsetenv("NOTIFY_SOCKET");
	unlink(addr.sun_path);
	return rmdir(dir_path);
}

/* What was said next, and the descriptor with it, or -1. False: nothing. */
static bool hear(char *text, size_t size, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { text, size - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(manager, &msg, MSG_DONTWAIT);

	*fd = -1;
	if (n < 0)
		return false;
	text[n] = '\0';
	if (CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
	return true;
}

/* More than any queue of the kernel's holds. */
#define MANY 2000

/* As the daemon's unit does: what waits is held open. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * MANY)
		limit.rlim_cur =
			limit.rlim_max < 2 * MANY ? limit.rlim_max : 2 * MANY;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2 * MANY)
		skip();
}

static void a_stuck_manager_is_told_everything_in_order_later(void **state)
{
	char name[16], text[256], expected[64];
	struct stat heard;
	int fd, n = 0;

	allow_descriptors();
	for (int i = 0; i < MANY; i++) {
		int end = memfd_create("", 0);

		assert_int_equal(ftruncate(end, i), 0);
		snprintf(name, sizeof(name), "n%d", i);
		/* Of which one is closed when its turn comes. */
		fd_store_keep(store, name, end);
		close(end);
	}
	while (n < MANY) {
		if (!hear(text, sizeof(text), &fd)) {
			fd_store_flush(store);
			continue;
		}
		snprintf(expected, sizeof(expected),
			 "FDSTORE=1\nFDNAME=n%d\nFDPOLL=0", n);
		assert_string_equal(text, expected);
		assert_int_equal(fstat(fd, &heard), 0);
		assert_int_equal(heard.st_size, n++);
		close(fd);
	}
	fd_store_notify(store, "READY=1");
	assert_true(hear(text, sizeof(text), &fd));
	assert_string_equal(text, "READY=1");
	assert_false(hear(text, sizeof(text), &fd));
}

static void a_stuck_manager_gets_no_late_signs_of_life(void **state)
{
	char text[256];
	int fd, n_late = 0;

	for (int i = 0; i < MANY; i++)
		fd_store_drop(store, "x");
	for (int i = 0; i < MANY; i++)
		fd_store_feed_watchdog(store);
	for (int n = 0; n < MANY;) {
		if (!hear(text, sizeof(text), &fd))
			fd_store_flush(store);
		else if (!strcmp(text, "WATCHDOG=1"))
			n_late++;
		else
			n++;
	}
	assert_int_equal(n_late, 0);
	fd_store_feed_watchdog(store);
	assert_true(hear(text, sizeof(text), &fd));
	assert_string_equal(text, "WATCHDOG=1");
}

static void what_is_dropped_is_not_held_for_a_stuck_manager(void **state)
{
	int pipe_fds[2];
	char c;

	for (int i = 0; i < MANY; i++)
		fd_store_drop(store, "x");
	assert_int_equal(pipe(pipe_fds), 0);
	fd_store_keep(store, "client", pipe_fds[1]);
	close(pipe_fds[1]);
	fd_store_drop(store, "client");
	assert_int_equal(read(pipe_fds[0], &c, 1), 0);
	close(pipe_fds[0]);
}

static void nobody_needs_to_be_there(void **state)
{
	close(manager);
	manager = -1;
	fd_store_notify(store, "READY=1");
	fd_store_keep(store, "a", 0);
	fd_store_flush(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(a_stuck_manager_is_told_everything_in_order_later),
		T(a_stuck_manager_gets_no_late_signs_of_life),
		T(what_is_dropped_is_not_held_for_a_stuck_manager),
		T(nobody_needs_to_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
