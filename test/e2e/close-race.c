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
	struct racer r = { 0 };
	bool client_writes;
	uint64_t n;

	if (argc != 7)
		return 2;
	client_writes = !strcmp(argv[2], "client");
	r.end = !strcmp(argv[1], "client") ? CLIENT_END : SERVER_END;
	r.writes = client_writes == (r.end == CLIENT_END);
	r.peer = atoi(argv[3]);
	r.path = argv[4];
	r.turns = map_turns(argv[5]);
	n = strtoull(argv[6], NULL, 10);
	race(&r, n);
	if (r.end == SERVER_END)
		print_result(r.turns, n, client_writes);
	return 0;
}
