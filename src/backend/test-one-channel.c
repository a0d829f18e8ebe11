// SPDX-License-Identifier: MIT
#include "backend/test-one-channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct channel *channel;

static char dir_path[] = "/tmp/test-channel.XXXXXX";
static int dir;
static struct channel_host host;

int one_channel_set_up(void **state)
{
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host = fake_channel_host(dir);
	return dir < 0;
}

int one_channel_tear_down(void **state)
{
	close(dir);
	return rmdir(dir_path);
}

void one_channel_forget_spool(void)
{
	unlinkat(dir, "1-1.spool", 0);
}

int one_channel_begin(void **state)
{
	fake = fake_new();
	start();
	return 0;
}

int one_channel_end(void **state)
{
	if (channel)
		die();
	one_channel_forget_spool();
	fake_free(fake);
	return 0;
}

void start(void)
{
	assert_int_equal(channel_new(&channel, &host, 1, 1, NULL), 0);
}

void die(void)
{
	channel_free(channel);
	channel = NULL;
	fake_forget_process(fake);
}

void refresh(void)
{
	assert_int_equal(channel_refresh(channel), 0);
	assert_string_equal(fake->wrong, "");
}

/* As the server does. */
void tick(unsigned int n)
{
	while (n--) {
		fake->now_ms += 1000;
		if (channel_tick(channel))
			refresh();
	}
}
