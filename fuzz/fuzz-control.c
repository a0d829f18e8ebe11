// SPDX-License-Identifier: MIT
/*
 * The daemon's control socket: two local users send the input in pieces, look at
 * what comes or do not, hang up at any moment, and come again. First a byte that
 * says who does what, then what it needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/control.h"
#include "fuzz.h"
#include "toolstack/control.h"

#define N_CLIENTS 2
#define N_TURNS 3 /* of the loop, after which it has taken what there is */

static char path[] = "/dev/shm/fuzz-control.XXXXXX";
static int directory = -1;
static int clients[N_CLIENTS];

static void remove_directory(void)
{
	unlinkat(directory, CONTROL_SOCKET, 0);
	rmdir(path);
}

static void make_directory(void)
{
	fuzz_require(mkdtemp(path));
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fuzz_require(directory >= 0);
	atexit(remove_directory);
}

static int connect_client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", path,
		 CONTROL_SOCKET);
	fuzz_require(fd >= 0);
	fuzz_require(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static void hang_up(int *client)
{
	if (*client >= 0)
		close(*client);
	*client = -1;
}

static void send_piece(int client, struct fuzz_input *in)
{
	size_t n;
	char *piece = fuzz_text(in, 300, &n);

	/* The daemon may have cut it off. */
	(void)!send(client, piece, n, MSG_NOSIGNAL);
	free(piece);
}

static void expect_answer(int client)
{
	char text[64];
	ssize_t n = recv(client, text, sizeof(text), 0);

	if (n <= 0)
		return;
	fuzz_require((n == 4 && !memcmp(text, "end\n", 4)) ||
		     (n == 8 && !memcmp(text, "unknown\n", 8)));
}

static void act(struct fuzz_input *in, uint8_t what)
{
	int *client = &clients[what & 1];

	if (*client < 0)
		*client = connect_client();
	switch ((what >> 1) % 5) {
	case 0:
	case 1:
		send_piece(*client, in);
		break;
	case 2:
		expect_answer(*client);
		break;
	case 3:
		shutdown(*client, SHUT_WR);
		break;
	case 4:
		hang_up(client);
	}
}

static void run(uv_loop_t *loop)
{
	for (int i = 0; i < N_TURNS; i++)
		uv_run(loop, UV_RUN_NOWAIT);
}

/* After all that, somebody else is served. */
static void expect_served(uv_loop_t *loop)
{
	int client = connect_client();
	char text[8];

	fuzz_require(send(client, "status\n", 7, 0) == 7);
	run(loop);
	fuzz_require(recv(client, text, sizeof(text), 0) == 4);
	close(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct control *control = NULL;
	uv_loop_t loop;

	if (directory < 0)
		make_directory();
	for (int i = 0; i < N_CLIENTS; i++)
		clients[i] = -1;
	fuzz_require(!uv_loop_init(&loop));
	fuzz_require(!control_new(&control, &loop, directory));
	while (in.left) {
		act(&in, fuzz_u8(&in));
		run(&loop);
	}
	expect_served(&loop);
	for (int i = 0; i < N_CLIENTS; i++)
		hang_up(&clients[i]);
	control_free(control);
	run(&loop);
	fuzz_require(!uv_loop_close(&loop));
	return 0;
}
