// SPDX-License-Identifier: MIT
/*
 * An end of sessions that a writer closes at once, as a process.
 *
 *	close-race server|client server|client PEER PATH FILE SESSIONS
 *
 * Which end this is, which one writes; the other's domain; FILE is where the two tell each
 * other whose turn it is, beside the vchan.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vchan/test-close-race.h"

static struct turns *map_turns(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	check(fd >= 0 && !ftruncate(fd, sizeof(struct turns)), path, 0);
	p = mmap(NULL, sizeof(struct turns), PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	check(p != MAP_FAILED, path, 0);
	close(fd);
	return p;
}

int main(int argc, char **argv)
{
	bool is_client, client_writes;
	struct turns *t;
	uint64_t n;
	int peer;

	if (argc != 7)
		return 2;
	is_client = !strcmp(argv[1], "client");
	client_writes = !strcmp(argv[2], "client");
	peer = atoi(argv[3]);
	t = map_turns(argv[5]);
	n = strtoull(argv[6], NULL, 10);
	if (is_client)
		run_client(t, client_writes, peer, argv[4], n);
	else if (client_writes)
		run_reading_server(t, peer, argv[4], n);
	else
		run_writing_server(t, peer, argv[4], n);
	return 0;
}
