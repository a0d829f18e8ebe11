// SPDX-License-Identifier: MIT
/*
 * Ours, with a vchan that is attacked by processes of another domain (vchan-liar),
 * and with one that is not: both of its ends are here.
 *
 *   vchan-victim server|client SEED MS    calls by the dice, for so long
 *   vchan-victim server|client SEED MS quiet    waits for data that never come,
 *                                         while events do
 *
 * Asserted: what victim.h says of each call; that the bystander gets its bytes;
 * that a server's next session finds nothing of the last one in its rings; how much
 * is said; and, when quiet, how much is done. A line says what has been met; then
 * it waits for a line, so that others can see what it still holds.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <xenstore.h>

#include "base/clock.h"
#include "liar.h"
#include "vchan-names.h"
#include "victim.h"

#define SECONDS_TO_HANG 120 /* far more than a slow machine takes */
#define CALLS_MAX 3000      /* of a vchan's life */
#define BYSTANDER "data/vchan/bystander"

const char *scene = "";
uint64_t seed;

static struct victim victim;
static int64_t end;
static struct {
	unsigned long vchans, calls, sessions, broken, refused;
} met;

/*
 * The bystander
 */

static struct libxenvchan *near, *far;

static void open_bystander(int domid)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%d/%s", domid, BYSTANDER);
	near = libxenvchan_server_init(NULL, domid, BYSTANDER, 0, 0);
	expect(near);
	far = libxenvchan_client_init(NULL, domid, path);
	expect(far);
}

static void expect_bystander_served(void)
{
	uint32_t out = roll(&victim.dice), in = 0;

	expect(libxenvchan_send(near, &out, sizeof(out)) == sizeof(out));
	expect(libxenvchan_recv(far, &in, sizeof(in)) == sizeof(in));
	expect(in == out);
}

static void close_bystander(void)
{
	libxenvchan_close(far);
	libxenvchan_close(near);
}

/*
 * The vchan under attack
 */

/* A server's rings are nobody else's: there are a liar's bytes and zeroes. */
static void expect_liars_bytes(const struct victim *t, const char *data,
			       size_t size)
{
	for (size_t i = 0; i < size; i++)
		expect((uint8_t)data[i] < LIAR_MARK);
}

static void expect_nothing_of_before(const struct libxenvchan *v)
{
	scene = "the rings of a next session";
	expect_liars_bytes(&victim, v->read.buffer, 1u << v->read.order);
	expect_liars_bytes(&victim, v->write.buffer, 1u << v->write.order);
	scene = "a session";
}

static void count_lines(void)
{
	expect(victim.lines <= LINES_MAX);
	victim.lines = 0;
}

/* A next session on the same object; false: not now. */
static bool begin_anew(struct libxenvchan *v)
{
	int r = libxenvchan_rearm(v);

	expect_result(r, 0);
	count_lines();
	if (r)
		return false;
	expect_nothing_of_before(v);
	victim.mark = (uint8_t)(VICTIM_MARK + roll(&victim.dice) % 64);
	met.sessions++;
	return true;
}

static void use(struct libxenvchan *v)
{
	for (int i = 0; i < CALLS_MAX && clock_now_ns() < end; i++) {
		enum libxenvchan_state state;

		alarm(SECONDS_TO_HANG);
		victim_make_a_call(&victim);
		met.calls++;
		if (i % 16 == 0)
			expect_bystander_served();
		state = libxenvchan_state(v);
		if (state == LIBXENVCHAN_CORRUPT) {
			expect_dead(v);
			met.broken++;
		}
		if (state <= LIBXENVCHAN_FINISHED)
			continue;
		if (!v->is_server || roll(&victim.dice) % 8 == 0)
			return;
		if (!begin_anew(v) && state == LIBXENVCHAN_CORRUPT)
			return; /* one is in who will not go */
	}
}

static struct libxenvchan *serve(void)
{
	static const size_t sizes[] = { 0, 1024, 2048, 4096, 65536 };

	return libxenvchan_server_init(&victim.logger, CLIENT_ID, VICTIM_NAME,
				       sizes[roll(&victim.dice) % 5],
				       sizes[roll(&victim.dice) % 5]);
}

/* What the manual names, of those that a server can bring about. */
static void expect_refusal(int err)
{
	expect(err == EACCES || err == ENOENT || err == ECONNREFUSED ||
	       err == EBUSY || err == EPROTO || err == EAGAIN);
	met.refused++;
}

static struct libxenvchan *join_asynchronously(void)
{
	struct libxenvchan *v =
		libxenvchan_connect(&victim.logger, SERVER_ID, VICTIM_PATH);
	int r;

	expect(v);
	r = libxenvchan_poll(v, 0, 20 * NS_PER_MS);
	if (r >= 0 && libxenvchan_state(v) != LIBXENVCHAN_CONNECTING)
		return v;
	if (r < 0)
		expect_refusal(errno);
	libxenvchan_close(v);
	return NULL;
}

static struct libxenvchan *join(void)
{
	struct libxenvchan *v;

	if (roll(&victim.dice) % 2)
		return join_asynchronously();
	v = libxenvchan_client_init(&victim.logger, SERVER_ID, VICTIM_PATH);
	if (!v)
		expect_refusal(errno);
	return v;
}

static void live(bool is_server)
{
	struct libxenvchan *v;

	errno = 0;
	victim.lines = 0;
	v = is_server ? serve() : join();
	if (!v) {
		expect(!is_server);
		count_lines();
		return;
	}
	met.vchans++;
	victim_be_impatient(&victim, v);
	if (is_server)
		victim.check_received = expect_liars_bytes;
	use(v);
	libxenvchan_close(v);
	count_lines();
}

/*
 * Quiet: events that bring nothing
 */

static struct libxenvchan *open_quiet(bool is_server)
{
	struct libxenvchan *v = NULL;

	alarm(SECONDS_TO_HANG);
	while (!v)
		v = is_server ? serve() : join();
	while (libxenvchan_state(v) == LIBXENVCHAN_LISTENING)
		expect(libxenvchan_poll(v, 0, NS_PER_MS) >= 0);
	return v;
}

static int64_t cpu_ns(void)
{
	struct rusage u;

	expect(!getrusage(RUSAGE_SELF, &u));
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static uint64_t events_of(struct libxenvchan *v)
{
	struct libxenvchan_stats s;

	expect(!libxenvchan_stats(v, &s, sizeof(s)));
	return s.events_received;
}

/*
 * As xenvchan(7) promises: one a millisecond after a burst. What they cost is far
 * below what the time would allow, also with sanitizers.
 */
static void stay_quiet(bool is_server, int64_t ns)
{
	/* Credit for events accrues from when the vchan is made. */
	int64_t made = clock_now_ns(), start, cpu, wall, credit;
	struct libxenvchan *v = open_quiet(is_server);
	uint64_t events = events_of(v);

	met.vchans++;
	start = clock_now_ns();
	cpu = cpu_ns();
	expect(libxenvchan_poll(v, LIBXENVCHAN_IN, ns) == 0);
	cpu = cpu_ns() - cpu;
	wall = clock_now_ns() - start;
	credit = 256 + (clock_now_ns() - made) / NS_PER_MS + 1;
	events = events_of(v) - events;
	printf("quiet: %" PRIu64 " events taken in %" PRId64 " ms, "
	       "%" PRId64 " ms of processor\n",
	       events, wall / NS_PER_MS, cpu / NS_PER_MS);
	expect(events <= (uint64_t)credit);
	expect(cpu <= wall / 2);
	libxenvchan_close(v);
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	expect(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The stand-ins' own connection and the shared xenstore handle come once. */
static int warm_up(int domid)
{
	open_bystander(domid);
	expect_bystander_served();
	return open_descriptors();
}

int main(int argc, char **argv)
{
	bool is_server = argc > 3 && !strcmp(argv[1], "server");
	int64_t ms = argc > 3 ? atoll(argv[3]) : 0;
	int before;

	if (argc < 4)
		return 2;
	scene = argv[1];
	seed = strtoull(argv[2], NULL, 10);
	victim_init(&victim, 1);
	before = warm_up(is_server ? SERVER_ID : CLIENT_ID);
	end = clock_now_ns() + ms * NS_PER_MS;
	if (argc > 4)
		stay_quiet(is_server, ms * NS_PER_MS);
	else
		while (clock_now_ns() < end)
			live(is_server);
	expect_bystander_served();
	expect(open_descriptors() == before);
	close_bystander();
	alarm(0);
	printf("%lu vchans, %lu sessions more, %lu calls, %lu broken, "
	       "%lu refused\n",
	       met.vchans, met.sessions, met.calls, met.broken, met.refused);
	fflush(stdout);
	(void)getchar();
	return 0;
}
