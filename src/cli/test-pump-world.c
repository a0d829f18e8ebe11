// SPDX-License-Identifier: MIT
#include "cli/test-pump-world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/clock.h"

static void write_node(const char *path, const char *value)
{
	struct xs_handle *xs = xs_open(0);

	assert_true(xs_write(xs, 0, path, value, (unsigned int)strlen(value)));
	xs_close(xs);
}

static void make_pipe(int *read_end, int *write_end)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*read_end = fds[0];
	*write_end = fds[1];
}

static void serve(struct world *w)
{
	fake_host_set_domain(SERVER);
	w->server = libxenvchan_server_init(NULL, CLIENT, NAME, RING, RING);
	assert_non_null(w->server);
}

void join(struct world *w)
{
	fake_host_set_domain(CLIENT);
	w->client = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
	assert_non_null(w->client);
	w->client->blocking = 1;
	/* Rather a failed test than one that hangs. */
	libxenvchan_set_timeout(w->client, 60 * NS_PER_S);
}

int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fake_host_reset();
	fake_host_create(SERVER);
	fake_host_create(CLIENT);
	fake_host_set_domain(0);
	write_node("/local/domain/1/domid", "1");
	write_node("/local/domain/2/domid", "2");
	fake_host_set_domain(SERVER);
	write_node("data/vchan", "");
	w->live = fake_host_live_total(FAKE_HOST_ANY_DOMAIN);
	serve(w);
	w->domain = SERVER;
	w->pump.vchan = w->server;
	w->pump.progress = &w->quiet;
	w->pump.eof = PUMP_EOF_KEEP;
	w->pump.stop = -1;
	make_pipe(&w->pump.in, &w->in);
	make_pipe(&w->out, &w->pump.out);
	fcntl(w->pump.in, F_SETFL, O_NONBLOCK);
	fcntl(w->pump.out, F_SETFL, O_NONBLOCK);
	*state = w;
	return 0;
}

void close_end(struct libxenvchan **v, unsigned int domain)
{
	fake_host_set_domain(domain);
	libxenvchan_close(*v);
	*v = NULL;
}

int tear_down(void **state)
{
	struct world *w = *state;
	bool leaked;

	close_end(&w->client, CLIENT);
	close_end(&w->server, SERVER);
	close(w->pump.in);
	close(w->pump.out);
	close(w->in);
	close(w->out);
	leaked = fake_host_live_total(FAKE_HOST_ANY_DOMAIN) != w->live;
	free(w);
	return leaked;
}

static void *run_pump(void *arg)
{
	struct world *w = arg;

	fake_host_set_domain(w->domain);
	w->result = pump_run(&w->pump);
	return NULL;
}

void start(struct world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, run_pump, w), 0);
}

int finish(struct world *w)
{
	pthread_join(w->thread, NULL);
	return w->result;
}

void close_input(struct world *w)
{
	close(w->in);
	w->in = -1;
}

/* Bytes that tell their place. */
static void fill(char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 7 + i / 251);
}

void assert_filled(const char *data, size_t n)
{
	char *expected = malloc(n);

	fill(expected, n);
	assert_memory_equal(data, expected, n);
	free(expected);
}

/* The test's own end of the vchan, blocking. */
void client_sends(struct world *w, size_t n)
{
	char *data = malloc(n);

	fill(data, n);
	assert_int_equal(libxenvchan_write(w->client, data, n), n);
	free(data);
}

void client_receives(struct world *w, size_t n)
{
	char *data = malloc(n);
	size_t done = 0;

	while (done < n) {
		int r = libxenvchan_read(w->client, data + done, n - done);

		assert_true(r > 0);
		done += (size_t)r;
	}
	assert_filled(data, n);
	free(data);
}

void input_gets(struct world *w, size_t n)
{
	char *data = malloc(n);

	fill(data, n);
	assert_int_equal(write(w->in, data, n), n);
	free(data);
}

void output_has(struct world *w, size_t n)
{
	char *data = malloc(n);
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(w->out, data + done, n - done);

		assert_true(r > 0);
		done += (size_t)r;
	}
	assert_filled(data, n);
	free(data);
}
