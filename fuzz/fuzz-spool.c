// SPDX-License-Identifier: MIT
/*
 * A spool that a former daemon has left, or something else in its place: the
 * input is the file, but for its last bytes, which say what is done with it. It
 * is taken up or replaced; either way, what is in it lies in it, and what is then
 * put into it comes out.
 */
#include <fcntl.h>
#include <unistd.h>

#include "backend/spool.h"
#include "fuzz.h"

#define ID "0123456789abcdef"
#define LIMIT 5000u
#define N_STEPS 16u

static char path[] = "/dev/shm/fuzz-spool.XXXXXX";
static int directory = -1;

static void remove_directory(void)
{
	unlinkat(directory, "s", 0);
	rmdir(path);
}

static void make_directory(void)
{
	fuzz_require(mkdtemp(path));
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fuzz_require(directory >= 0);
	atexit(remove_directory);
}

static void leave_file(const uint8_t *data, size_t size)
{
	int fd = openat(directory, "s",
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fuzz_require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* Whatever is kept can be looked at. */
static void look(struct spool *s)
{
	size_t n, got = spool_chunk_got(s);
	const uint8_t *p = spool_data(s, &n);
	unsigned int sum = 0;

	fuzz_require(spool_used(s) <= LIMIT && n <= spool_used(s));
	fuzz_require(got <= SPOOL_CHUNK);
	for (size_t i = 0; i < n; i++)
		sum += p[i];
	for (size_t i = 0; i < got; i++)
		sum += spool_chunk(s)[i];
	fuzz_require(sum <= 255 * (LIMIT + SPOOL_CHUNK));
}

static void change(struct spool *s, uint8_t what, size_t n)
{
	size_t room, used = spool_used(s);
	uint8_t *p;

	switch (what % 4) {
	case 0:
		p = spool_space(s, n, &room);
		fuzz_require(room <= n && used + room <= LIMIT);
		memset(p, 'x', room);
		spool_commit(s, room, (uint32_t)n);
		fuzz_require(spool_used(s) == used + room);
		break;
	case 1:
		spool_consume(s, n < used ? n : used);
		break;
	case 2:
		spool_drop(s, n < used ? n : used);
		break;
	case 3:
		spool_skip(s, n, (uint32_t)n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t tail = size < 3 * N_STEPS ? 0 : 3 * N_STEPS;
	struct fuzz_input in = { data + size - tail, tail };
	struct spool *s = NULL;

	if (directory < 0)
		make_directory();
	leave_file(data, size - tail);
	fuzz_require(!spool_open(&s, directory, "s", ID, LIMIT));
	look(s);
	for (unsigned int i = 0; i < N_STEPS; i++) {
		uint8_t what = fuzz_u8(&in);

		change(s, what, fuzz_u16(&in) % (2 * LIMIT));
		look(s);
	}
	spool_free(s);
	fuzz_require(!spool_open(&s, directory, "s", ID, LIMIT));
	look(s);
	spool_unlink(s);
	spool_free(s);
	return 0;
}
