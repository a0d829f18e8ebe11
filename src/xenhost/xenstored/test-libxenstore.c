// SPDX-License-Identifier: MIT
/*
 * The distribution's libxenstore, unmodified, as programs use it; and clients
 * that no library would make. Each test has a host of its own.
 *
 *	test-libxenstore TEST-XENSTORED
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>
#include <cmocka.h>

#include "xenhost/xenstored/wire.h"

#define PATIENCE_MS 30000

static const char *server_path;
static char dir[] = "/tmp/test-libxenstore.XXXXXX";
static pid_t server;
static FILE *commands, *answers;

static void expect_ok(void)
{
	char line[64];

	assert_non_null(fgets(line, sizeof(line), answers));
	assert_string_equal(line, "ok\n");
}

static void command(const char *line)
{
	fprintf(commands, "%s\n", line);
	fflush(commands);
	expect_ok();
}

static int setup(void **state)
{
	int in[2], out[2];

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir) || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	server = fork();
	if (server == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(server_path, server_path, dir, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	commands = fdopen(in[1], "w");
	answers = fdopen(out[0], "r");
	expect_ok();
	command("home 1");
	command("home 2");
	return 0;
}

/* The server must have survived, and have freed what it had. */
static int teardown(void **state)
{
	int status;

	fclose(commands);
	fclose(answers);
	waitpid(server, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return rmdir(dir);
}

static void socket_path(unsigned int domid, char out[108])
{
	snprintf(out, 108, "%s/%u", dir, domid);
}

static struct xs_handle *client_of(unsigned int domid)
{
	char path[108];
	struct xs_handle *h;

	socket_path(domid, path);
	setenv("XENSTORED_PATH", path, 1);
	h = xs_open(0);
	assert_non_null(h);
	return h;
}

static bool put(struct xs_handle *h, xs_transaction_t t, const char *path,
		const char *value)
{
	return xs_write(h, t, path, value, (unsigned int)strlen(value));
}

static void assert_value(struct xs_handle *h, xs_transaction_t t,
			 const char *path, const char *value)
{
	unsigned int len;
	char *got = xs_read(h, t, path, &len);

	assert_non_null(got);
	assert_string_equal(got, value);
	free(got);
}

static void a_conflict_is_eagain_and_the_second_try_succeeds(void **state)
{
	struct xs_handle *a = client_of(1), *b = client_of(1);
	xs_transaction_t t = xs_transaction_start(a);

	assert_int_not_equal(t, XBT_NULL);
	assert_true(put(a, t, "data/count", "1"));
	assert_true(put(b, XBT_NULL, "data/count", "7"));
	assert_false(xs_transaction_end(a, t, false));
	assert_int_equal(errno, EAGAIN);
	t = xs_transaction_start(a);
	assert_value(a, t, "data/count", "7");
	assert_true(put(a, t, "data/count", "8"));
	assert_true(xs_transaction_end(a, t, false));
	assert_value(b, XBT_NULL, "data/count", "8");
	xs_close(a);
	xs_close(b);
}

static void
transactions_count_per_domain_and_end_with_their_client(void **state)
{
	struct xs_handle *a = client_of(1), *b = client_of(1);
	struct xs_handle *other = client_of(2);

	for (int i = 0; i < 11; i++)
		assert_int_not_equal(xs_transaction_start(i % 2 ? a : b),
				     XBT_NULL);
	assert_int_equal(xs_transaction_start(b), XBT_NULL);
	assert_int_equal(errno, ENOSPC);
	assert_int_not_equal(xs_transaction_start(other), XBT_NULL);
	xs_close(a);
	/* the close is noticed in its own time */
	while (xs_transaction_start(b) == XBT_NULL)
		assert_int_equal(errno, ENOSPC);
	xs_close(b);
	xs_close(other);
}

static void permissions_come_back_as_they_were_set(void **state)
{
	struct xs_permissions perms[] = { { 1, XS_PERM_NONE },
					  { 2, XS_PERM_READ },
					  { 7, XS_PERM_WRITE } };
	struct xs_handle *h = client_of(1);
	struct xs_permissions *got;
	unsigned int n = 0;

	assert_true(put(h, XBT_NULL, "data/x", "1"));
	assert_true(xs_set_permissions(h, XBT_NULL, "data/x", perms, 3));
	got = xs_get_permissions(h, XBT_NULL, "data/x", &n);
	assert_non_null(got);
	assert_int_equal(n, 3);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(got[i].id, perms[i].id);
		assert_int_equal(got[i].perms, perms[i].perms);
	}
	free(got);
	perms[0].id = 2;
	assert_false(xs_set_permissions(h, XBT_NULL, "data/x", perms, 1));
	assert_int_equal(errno, EPERM);
	xs_close(h);
}

static void expect_event(struct xs_handle *h, const char *path,
			 const char *token)
{
	unsigned int n;
	char **event = xs_read_watch(h, &n);

	assert_non_null(event);
	assert_string_equal(event[XS_WATCH_PATH], path);
	assert_string_equal(event[XS_WATCH_TOKEN], token);
	free(event);
}

static void watches_fire_at_commit_once_for_each_node(void **state)
{
	struct xs_handle *h = client_of(1), *toolstack = client_of(0);
	xs_transaction_t t;

	assert_true(xs_watch(h, "data", "token"));
	expect_event(h, "data", "token");
	assert_false(xs_watch(h, "/local/domain/1/data", "token"));
	assert_int_equal(errno, EEXIST);
	t = xs_transaction_start(toolstack);
	put(toolstack, t, "/local/domain/1/data/a", "1");
	put(toolstack, t, "/local/domain/1/data/b", "1");
	put(toolstack, t, "/local/domain/1/data/a", "2");
	assert_null(xs_check_watch(h));
	assert_true(xs_transaction_end(toolstack, t, false));
	expect_event(h, "data/a", "token");
	expect_event(h, "data/b", "token");
	assert_true(xs_unwatch(h, "data", "token"));
	xs_close(h);
	xs_close(toolstack);
}

static void domain_0_knows_who_is_there(void **state)
{
	struct xs_handle *toolstack = client_of(0), *guest = client_of(1);
	char *path = xs_get_domain_path(guest, 7);

	assert_string_equal(path, "/local/domain/7");
	free(path);
	assert_true(xs_is_domain_introduced(toolstack, 2));
	command("destroy 2");
	assert_false(xs_is_domain_introduced(toolstack, 2));
	assert_false(xs_is_domain_introduced(guest, 1));
	xs_close(toolstack);
	xs_close(guest);
}

static void clients_of_a_dead_domain_are_dropped(void **state)
{
	struct xs_handle *h = client_of(2);
	unsigned int len;

	command("destroy 2");
	assert_null(xs_read(h, XBT_NULL, "data", &len));
	xs_close(h);
}

/*
 * Without the library.
 */

static int raw_client(unsigned int domid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	socket_path(domid, addr.sun_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

static void assert_alive(void)
{
	struct xs_handle *h = client_of(1);

	assert_true(put(h, XBT_NULL, "data/alive", "yes"));
	xs_close(h);
}

static void wait_until_dropped(int fd)
{
	char rest[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	do {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		n = recv(fd, rest, sizeof(rest), 0);
	} while (n > 0);
	close(fd);
}

static void a_length_beyond_the_limit_drops_the_client(void **state)
{
	static const uint32_t lengths[] = { XENSTORE_PAYLOAD_MAX + 1, INT32_MAX,
					    UINT32_MAX };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const struct xsd_sockmsg m = { XS_WRITE, 1, 0, lengths[i] };
		int fd = raw_client(1);

		assert_int_equal(write(fd, &m, sizeof(m)), sizeof(m));
		wait_until_dropped(fd);
	}
	assert_alive();
}

static void half_a_request_waits_and_hurts_nobody(void **state)
{
	const struct xsd_sockmsg m = { XS_READ, 1, 0, 5 };
	char reply[64];
	int stuck = raw_client(1), slow = raw_client(1), gone = raw_client(1);

	assert_int_equal(write(stuck, &m, 3), 3);
	assert_int_equal(write(gone, &m, sizeof(m)), sizeof(m));
	close(gone);
	assert_alive();
	for (size_t i = 0; i < sizeof(m); i++)
		assert_int_equal(write(slow, (const char *)&m + i, 1), 1);
	assert_int_equal(write(slow, "data", 5), 5);
	assert_int_equal(recv(slow, reply, sizeof(m), MSG_WAITALL), sizeof(m));
	close(slow);
	close(stuck);
}

static void random_bytes_are_answered_or_dropped(void **state)
{
	unsigned int seed = 3;

	for (int i = 0; i < 300; i++) {
		uint32_t bytes[256];
		int fd = raw_client((unsigned int)rand_r(&seed) % 3);

		for (size_t k = 0; k < 256; k++)
			bytes[k] = (uint32_t)rand_r(&seed) %
				   (rand_r(&seed) % 2 ? 24 : 100000);
		send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	assert_alive();
}

/* It asks and asks, and never reads an answer. */
static void a_client_that_never_reads_is_held_back(void **state)
{
	const struct xsd_sockmsg m = { XS_DIRECTORY, 1, 0, 7 };
	char request[sizeof(m) + 7];
	struct pollfd p = { .events = POLLOUT };
	size_t sent = 0;
	ssize_t n;

	memcpy(request, &m, sizeof(m));
	memcpy(request + sizeof(m), "/local", 7);
	p.fd = raw_client(0);
	/* held back: its socket stays full while others are served */
	while (poll(&p, 1, 200) == 1) {
		n = send(p.fd, request, sizeof(request), MSG_DONTWAIT);
		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		assert_in_range(sent, 0, 64 * 1024 * 1024);
	}
	assert_alive();
	close(p.fd);
	assert_alive();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_conflict_is_eagain_and_the_second_try_succeeds),
		T(transactions_count_per_domain_and_end_with_their_client),
		T(permissions_come_back_as_they_were_set),
		T(watches_fire_at_commit_once_for_each_node),
		T(domain_0_knows_who_is_there),
		T(clients_of_a_dead_domain_are_dropped),
		T(a_length_beyond_the_limit_drops_the_client),
		T(half_a_request_waits_and_hurts_nobody),
		T(random_bytes_are_answered_or_dropped),
		T(a_client_that_never_reads_is_held_back),
	};

	if (argc != 2)
		return 2;
	server_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
