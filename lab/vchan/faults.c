// SPDX-License-Identifier: MIT
/*
 * vchan-faults DOMID - which of the known faults does the libxenvchan show that this
 * program was given, on this host? DOMID is the domain that it runs in: both ends
 * are here. The numbers are those of libxenvchan(3). Each probe is a process of its
 * own: some crash, some hang.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxenvchan.h>
#include <xenstore.h>

#define HANG_SECONDS 5
#define CLOSE_ROUNDS 200

enum verdict { ABSENT, PRESENT, UNCLEAR };

static int self;
static const char *path = "data/faults";
static struct libxenvchan *server, *client;

static void dirty_heap(void)
{
	void *p[8];

	for (int i = 0; i < 8; i++) {
		p[i] = malloc(sizeof(struct libxenvchan));
		memset(p[i], 0xff, sizeof(struct libxenvchan));
	}
	for (int i = 0; i < 8; i++)
		free(p[i]);
}

static char *absolute(void)
{
	static char s[4096];

	snprintf(s, sizeof s, "/local/domain/%d/%s", self, path);
	return s;
}

static struct libxenvchan *join(void)
{
	return libxenvchan_client_init(NULL, self, absolute());
}

static void open_pair(size_t ring)
{
	server = libxenvchan_server_init(NULL, self, path, ring, ring);
	client = server ? join() : NULL;
	if (!client) {
		printf("cannot open a pair: %s; ", strerror(errno));
		_exit(UNCLEAR);
	}
	server->blocking = client->blocking = 0;
}

static bool node_exists(const char *key)
{
	struct xs_handle *xs = xs_open(0);
	char name[4200];
	unsigned int n;
	void *value;

	snprintf(name, sizeof name, "%s/%s", absolute(), key);
	value = xs_read(xs, XBT_NULL, name, &n);
	xs_close(xs);
	free(value);
	return value;
}

/* 513 pages a time: the third cannot be had, and server_init fails half-way */
static enum verdict failed_init_crashes(void)
{
	dirty_heap();
	for (int i = 0; i < 3; i++)
		server = libxenvchan_server_init(NULL, self, path, 1 << 20,
						 1 << 20);
	return server ? UNCLEAR : ABSENT;
}

static enum verdict failed_notify_sends_stray_bytes(void)
{
	uint8_t out[4096], in[4096];
	int n, got = 0;

	open_pair(4096);
	memset(out, 'x', sizeof out);
	client->blocking = 1;
	client->event_port = 4000; /* nobody's: the notification fails */
	n = libxenvchan_write(client, out, 2000);
	while (got < 4096 &&
	       (n = libxenvchan_read(server, in + got, 4096 - got)) > 0)
		got += n;
	printf("%d bytes came; ", got);
	for (int i = 0; i < got; i++)
		if (in[i] != 'x')
			return PRESENT;
	return got > 2000 ? PRESENT : ABSENT;
}

static enum verdict blocking_is_left_unset(void)
{
	dirty_heap();
	server = libxenvchan_server_init(NULL, self, path, 0, 0);
	return server->blocking ? PRESENT : ABSENT;
}

static enum verdict bad_index_looks_like_no_data(void)
{
	uint32_t *page;
	char c;
	int n;

	open_pair(0);
	page = (uint32_t *)client->ring;
	page[1] = page[0] + 0x80000000;
	n = libxenvchan_read(server, &c, 1);
	printf("read %d, open %d; ", n, libxenvchan_is_open(server));
	return n < 0 ? ABSENT : PRESENT;
}

static enum verdict is_open_is_the_peers_byte(void)
{
	open_pair(0);
	((uint8_t *)client->ring)[20] = 77;
	return libxenvchan_is_open(server) == 77 ? PRESENT : ABSENT;
}

static enum verdict second_client_gets_in(void)
{
	struct libxenvchan *second;

	open_pair(0);
	second = join();
	printf("%s; ", second ? "got in" : strerror(errno));
	return second ? PRESENT : ABSENT;
}

/* A ring of an order that cannot be: the client fails once it has the page. */
static enum verdict failed_client_looks_like_one_that_left(void)
{
	server = libxenvchan_server_init(NULL, self, path, 0, 0);
	((uint16_t *)server->ring)[9] = 30;
	client = join();
	printf("%s, open %d; ", client ? "got in" : "refused",
	       libxenvchan_is_open(server));
	return libxenvchan_is_open(server) == 2 ? ABSENT : PRESENT;
}

static enum verdict next_client_reads_what_was_left(void)
{
	char in[16] = "";

	open_pair(0);
	server->server_persist = 1;
	libxenvchan_write(server, "secret", 6);
	libxenvchan_close(client);
	(void)libxenvchan_is_open(server); /* the server runs in between */
	client = join();
	if (!client)
		return UNCLEAR;
	client->blocking = 0;
	(void)libxenvchan_read(client, in, 6);
	return strcmp(in, "secret") ? ABSENT : PRESENT;
}

/* The child writes one byte and closes; a reader that spins has to see it. */
static enum verdict last_byte_is_lost_at_close(void)
{
	int lost = 0;

	for (int i = 0; i < CLOSE_ROUNDS; i++) {
		char c;
		int n;

		server = libxenvchan_server_init(NULL, self, path, 0, 0);
		server->blocking = 0;
		if (fork() == 0) {
			client = join();
			libxenvchan_write(client, "x", 1);
			libxenvchan_close(client);
			_exit(0);
		}
		while (libxenvchan_is_open(server) == 2)
			;
		while (!(n = libxenvchan_read(server, &c, 1)))
			;
		lost += n < 0;
		wait(NULL);
		libxenvchan_close(server);
	}
	printf("%d of %d lost; ", lost, CLOSE_ROUNDS);
	return lost ? PRESENT : ABSENT;
}

static void remove_nodes(void)
{
	struct xs_handle *xs = xs_open(0);

	xs_rm(xs, XBT_NULL, absolute());
	xs_close(xs);
}

static enum verdict long_path_makes_one_node_of_two(void)
{
	path = "data/"
	       "01234567890123456789012345678901234567890123456789012345678";
	remove_nodes(); /* of an earlier run */
	server = libxenvchan_server_init(NULL, self, path, 0, 0);
	printf("init %s, ring-ref %s; ", server ? "succeeds" : "fails",
	       node_exists("ring-ref") ? "there" : "not there");
	return server && !node_exists("ring-ref") ? PRESENT : ABSENT;
}

static enum verdict old_server_removes_the_nodes_of_the_new(void)
{
	struct libxenvchan *newer;

	server = libxenvchan_server_init(NULL, self, path, 0, 0);
	newer = libxenvchan_server_init(NULL, self, path, 0, 0);
	if (!server || !newer)
		return UNCLEAR;
	libxenvchan_close(server);
	return node_exists("ring-ref") ? ABSENT : PRESENT;
}

static enum verdict too_large_a_send_returns_0(void)
{
	static char data[8192];

	open_pair(4096);
	return libxenvchan_send(client, data, sizeof data) == 0 ? PRESENT
								: ABSENT;
}

static enum verdict read_of_nothing_hangs(void)
{
	char c;

	open_pair(0);
	server->blocking = 1;
	while (libxenvchan_data_ready(server)) /* no event may be left */
		;
	(void)libxenvchan_wait(server);
	(void)libxenvchan_read(server, &c, 0);
	return ABSENT;
}

static enum verdict persistent_server_never_sees_a_client_leave(void)
{
	open_pair(0);
	server->server_persist = 1;
	libxenvchan_close(client);
	printf("open %d; ", libxenvchan_is_open(server));
	return libxenvchan_is_open(server) == 1 ? PRESENT : ABSENT;
}

static const struct {
	int number;
	const char *what;
	enum verdict (*probe)(void);
	bool crash_is_fault, hang_is_fault;
} probes[] = {
	{ 1, "server_init that fails crashes", failed_init_crashes, true },
	{ 3, "a failed notify sends stray bytes",
	  failed_notify_sends_stray_bytes, true },
	{ 4, "blocking is not initialised", blocking_is_left_unset },
	{ 8, "bad indices look like no data", bad_index_looks_like_no_data,
	  true },
	{ 9, "is_open returns any byte", is_open_is_the_peers_byte },
	{ 10, "a second client gets in", second_client_gets_in },
	{ 11, "a client that fails looks like one that left",
	  failed_client_looks_like_one_that_left },
	{ 12, "the next client reads what the last one left",
	  next_client_reads_what_was_left },
	{ 13, "the last byte before a close is lost",
	  last_byte_is_lost_at_close },
	{ 17, "a path of 64 characters makes one node of two",
	  long_path_makes_one_node_of_two, true },
	{ 21, "closing an old server removes the nodes of the new one",
	  old_server_removes_the_nodes_of_the_new },
	{ 26, "a send larger than the ring returns 0",
	  too_large_a_send_returns_0 },
	{ 27, "a blocking read of nothing hangs", read_of_nothing_hangs, false,
	  true },
	{ 30, "a persistent server never sees a client leave",
	  persistent_server_never_sees_a_client_leave },
};

static void run_probe(size_t i)
{
	static const char *const words[] = { "absent", "PRESENT", "unclear" };
	int status;
	pid_t pid;

	printf("fault %d: %s: ", probes[i].number, probes[i].what);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(probes[i].number == 13 ? 120 : HANG_SECONDS);
		status = probes[i].probe();
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		printf("%s\n", words[WEXITSTATUS(status) % 3]);
	else if (WTERMSIG(status) == SIGALRM)
		printf("%s (hangs)\n", words[probes[i].hang_is_fault ? 1 : 2]);
	else
		printf("%s (%s)\n", words[probes[i].crash_is_fault ? 1 : 2],
		       strsignal(WTERMSIG(status)));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	self = atoi(argv[1]);
	for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
		run_probe(i);
	return 0;
}
