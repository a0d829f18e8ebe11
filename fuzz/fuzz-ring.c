// SPDX-License-Identifier: MIT
/*
 * The console's ring, either end of it, while the other rewrites every byte of
 * the page between the calls. The page is as large as the structure: what lies
 * beyond it is out of bounds.
 */
#include "console/ring.h"
#include "fuzz.h"

static void poke(struct fuzz_input *in, struct console_page *page)
{
	struct shm_u32 *const words[] = { &page->in_cons, &page->in_prod,
					  &page->out_cons, &page->out_prod };
	uint8_t what = fuzz_u8(in);
	struct shm_u32 *word = words[what % 4];

	switch (what / 4 % 4) {
	case 0:
		shm_store_u32(word, fuzz_u32(in));
		break;
	case 1: /* as a peer that moves on */
		shm_store_u32(word, shm_load_u32(word) + fuzz_u8(in));
		break;
	case 2:
		shm_store_u32(word, shm_load_u32(word) + fuzz_u16(in));
		break;
	default:
		shm_store_u8(&page->connection, fuzz_u8(in));
	}
}

static int move(struct fuzz_input *in, struct console_ring *r, uint8_t what)
{
	size_t max = fuzz_u16(in) % 5000, n = 0, space;
	char *buf = malloc(max + !max);
	int err = 0;

	if (!buf)
		abort();
	memset(buf, 'x', max);
	switch (what) {
	case 0:
		err = console_ring_read(r, buf, max, &n);
		break;
	case 1:
		err = console_ring_write(r, buf, max, &n);
		break;
	case 2:
		err = console_ring_peek(r, buf, max, &n);
		if (!err && n <= max)
			console_ring_consume(r, n - n / 3);
		break;
	default:
		err = console_ring_space(r, &space);
		if (!err)
			err = console_ring_write(r, buf, max, &n);
		fuzz_require(err || n == (max < space ? max : space));
	}
	free(buf);
	fuzz_require(!err || err == CONSOLE_RING_CORRUPT);
	fuzz_require(err || n <= max);
	return err;
}

static int look(struct console_ring *r)
{
	char *kept = malloc(CONSOLE_RING_OUT_SIZE);
	size_t n = 0, ready = 0;
	int err;

	if (!kept)
		abort();
	err = console_ring_ready(r, &ready);
	fuzz_require(err || ready <= CONSOLE_RING_OUT_SIZE);
	if (!err)
		err = console_ring_recall(r, kept, &n);
	fuzz_require(err || n <= CONSOLE_RING_OUT_SIZE);
	(void)console_ring_is_connected(r);
	free(kept);
	return err;
}

static int attach(struct fuzz_input *in, struct console_ring *r,
		  struct console_page *page)
{
	switch (fuzz_u8(in) % 4) {
	case 0:
		console_ring_create(r, page);
		return 0;
	case 1:
		return console_ring_attach_frontend(r, page);
	case 2:
		return console_ring_attach_backend(r, page);
	default:
		return console_ring_resume_backend(r, page, fuzz_u32(in));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct console_page *page = malloc(sizeof(*page));
	struct console_ring ring = { 0 };

	if (!page)
		abort();
	memset(page, 0, sizeof(*page));
	for (int i = fuzz_u8(&in) % 8; i > 0; i--)
		poke(&in, page);
	if (!attach(&in, &ring, page)) {
		while (in.left) {
			uint8_t what = fuzz_u8(&in) % 10;
			int err = 0;

			if (what < 4)
				err = move(&in, &ring, what);
			else if (what < 8)
				poke(&in, page);
			else
				err = look(&ring);
			if (err)
				break;
		}
	}
	free(page);
	return 0;
}
