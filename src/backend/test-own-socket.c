// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/own-socket.h"

static char dir[] = "/tmp/test-sock.XXXXXX";
static char path[64], other[64];
static const struct socket_access private = { 0600, -1, -1 };

static int set_up(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int tear_down(void **state)
{
	unlink(path);
	unlink(other);
	return rmdir(dir);
}

static int listen_at(struct own_socket *own)
{
	int fd = -1, r = own_socket_listen(own, path, &private, &fd);

	return r ? r : fd;
}

static bool accepts(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	strcpy(a.sun_path, path);
	r = connect(fd, (struct sockaddr *)&a, sizeof(a));
	close(fd);
	return !r;
}

static void a_socket_appears_with_its_mode_and_goes_again(void **state)
{
	struct own_socket own = { 0 };
	const struct socket_access group = { 0660, -1, -1 };
	struct stat st;
	int fd;

	assert_int_equal(own_socket_listen(&own, path, &group, &fd), 0);
	assert_true(accepts());
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	own_socket_remove(&own);
	assert_int_equal(lstat(path, &st), -1);
	close(fd);
}

static void our_own_stale_socket_is_replaced(void **state)
{
	struct own_socket own = { 0 };

	close(listen_at(&own));
	assert_false(accepts());
	close(listen_at(&own));
	own_socket_remove(&own);
}

static void what_is_not_ours_is_neither_followed_nor_replaced(void **state)
{
	struct own_socket own = { 0 }, stranger = { 0 };
	struct stat before, after;
	int fd;

	/* a file */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(lstat(path, &before), 0);
	assert_int_equal(listen_at(&own), -EADDRINUSE);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	unlink(path);

	/* a link to nowhere */
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(listen_at(&own), -EADDRINUSE);
	assert_int_equal(lstat(other, &after), -1);
	unlink(path);

	/* a stale socket of somebody else's */
	close(listen_at(&stranger));
	assert_int_equal(listen_at(&own), -EADDRINUSE);
	own_socket_remove(&stranger);

	/* something that has taken the place of ours */
	fd = listen_at(&own);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	own_socket_remove(&own);
	assert_int_equal(lstat(path, &after), 0);
	close(fd);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct own_socket own = { 0 };
	char longest[200];
	int fd;

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(own_socket_listen(&own, longest, &private, &fd),
			 -ENAMETOOLONG);
}

static void nothing_is_left_of_one_that_fails(void **state)
{
	struct own_socket own = { 0 };
	struct rlimit before, few;
	struct stat st;
	int next = open("/", O_RDONLY), fd = -1;

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next + 1; /* for the socket, and no more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(own_socket_listen(&own, path, &private, &fd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(lstat(path, &st), -1);
	fd = listen_at(&own);
	assert_true(fd >= 0);
	close(fd);
	own_socket_remove(&own);
}

static void a_socket_without_permissions_is_ours_only_if_announced(void **state)
{
	struct own_socket own = { 0 };
	struct stat before, after;

	close(listen_at(&own));
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(lstat(path, &before), 0);
	own = (struct own_socket){ 0 };
	assert_int_equal(listen_at(&own), -EADDRINUSE);
	assert_int_equal(own.path[0], 0);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_socket_appears_with_its_mode_and_goes_again),
		T(our_own_stale_socket_is_replaced),
		T(what_is_not_ours_is_neither_followed_nor_replaced),
		T(a_path_that_is_too_long_is_refused),
		T(nothing_is_left_of_one_that_fails),
		T(a_socket_without_permissions_is_ours_only_if_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
