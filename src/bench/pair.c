// SPDX-License-Identifier: MIT
#include "bench/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/stop.h"

/* Domains of a host of our own. */
enum { CLIENT, SERVER };
static const int domains[2] = { 2, 0 };

/* Arguments of an end, after the program's name. */
enum {
	ARG_END, /* "--end" */
	ARG_SERVER,
	ARG_KIND,
	ARG_LIBRARY,
	ARG_RING,
	ARG_DOMAIN,
	ARG_PATH,
	ARG_IN,
	ARG_OUT,
	ARG_CPU,
	ARG_FIFO,
	ARG_SPIN,
	ARG_IDLE,
	ARG_N,
};

static int parse_int(const char *text, int *out)
{
	uint32_t v;

	if (!strcmp(text, "-1")) {
		*out = -1;
		return 0;
	}
	if (parse_u32(text, INT32_MAX, &v))
		return -1;
	*out = (int)v;
	return 0;
}

int end_arguments_parse(int argc, char **argv, struct end_setup *setup,
			struct end_place *place)
{
	char **a = argv + 1;
	int is_server, kind, ring, fifo;

	if (argc != ARG_N + 1 || parse_int(a[ARG_SERVER], &is_server) ||
	    parse_int(a[ARG_KIND], &kind) || parse_int(a[ARG_RING], &ring) ||
	    parse_int(a[ARG_DOMAIN], &setup->domain) ||
	    parse_int(a[ARG_IN], &setup->in) ||
	    parse_int(a[ARG_OUT], &setup->out) ||
	    parse_int(a[ARG_IDLE], &setup->idle) ||
	    parse_int(a[ARG_CPU], &place->cpu) || parse_int(a[ARG_FIFO], &fifo))
		return -1;
	setup->is_server = is_server;
	setup->kind = (enum kind)kind;
	setup->library = a[ARG_LIBRARY];
	setup->ring = (size_t)ring;
	setup->path = a[ARG_PATH];
	place->fifo = fifo;
	place->spin = *a[ARG_SPIN] ? a[ARG_SPIN] : NULL;
	return 0;
}

/* What the two ends of a pair inherit. */
struct wires {
	int in[2], out[2]; /* by end */
};

static int tcp_pair(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &size))
		return -1;
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&a, sizeof(a)))
		return -1;
	fds[1] = accept(listener, NULL, NULL);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fds[1] < 0 ? -1 : 0;
}

static int pipe_pair(struct wires *w)
{
	int there[2], back[2];

	if (pipe(there))
		return -1;
	if (pipe(back)) {
		close(there[0]);
		close(there[1]);
		return -1;
	}
	*w = (struct wires){ { back[0], there[0] }, { there[1], back[1] } };
	return 0;
}

static int make_wires(struct wires *w, enum kind kind, size_t ring)
{
	int fds[2] = { -1, -1 }, r = 0;

	switch (kind) {
	case KIND_PIPE:
		return pipe_pair(w);
	case KIND_UNIX:
		r = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
		break;
	case KIND_SEQPACKET:
		r = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
		break;
	case KIND_TCP:
		r = tcp_pair(fds);
		break;
	case KIND_IDEAL:
	case KIND_OWN_LINES:
	case KIND_ONE_LINE:
		fds[0] = fds[1] = memfd_create("ideal", 0);
		r = fds[0] < 0 ? -1
			       : ftruncate(fds[0],
					   (off_t)(IDEAL_CONTROL + 2 * ring));
		break;
	default:
		break;
	}
	*w = (struct wires){ { fds[0], fds[1] }, { fds[0], fds[1] } };
	return r;
}

static void drop_wires(struct wires *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->in[i] >= 0)
			close(w->in[i]);
		if (w->out[i] >= 0 && w->out[i] != w->in[i])
			close(w->out[i]);
	}
}

struct command {
	const struct contender *contender;
	const struct stage *stage;
	const struct wires *wires;
	size_t ring;
	unsigned int index;
	int end;
};

static void end_path(char *path, size_t size, const struct command *c)
{
	const char *base = c->stage->peer >= 0 ? c->stage->path : "data/bench";

	if (c->end == SERVER || *base == '/')
		snprintf(path, size, "%s-%u", base, c->index);
	else
		snprintf(path, size, "/local/domain/%d/%s-%u",
			 c->stage->peer >= 0 ? c->stage->peer : domains[SERVER],
			 base, c->index);
}

/* In the child. Numbers are leaked: it is about to be another program. */
static char *number(long long n)
{
	char *text;

	return asprintf(&text, "%lld", n) < 0 ? NULL : text;
}

static void run_end(const struct command *c)
{
	const struct stage *s = c->stage;
	const struct contender *t = c->contender;
	bool here = s->peer < 0 && t->kind == KIND_VCHAN;
	char path[4096];
	const char *argv[8 + ARG_N + 1], **a = argv;

	end_path(path, sizeof(path), c);
	if (here) {
		const char *prefix[] = { s->xenhost,  "--dir",
					 s->host_dir, "run",
					 "-d",        number(domains[c->end]),
					 "--" };

		memcpy(a, prefix, sizeof(prefix));
		a += sizeof(prefix) / sizeof(*prefix);
	}
	*a++ = s->self;
	a[ARG_END] = "--end";
	a[ARG_SERVER] = number(c->end);
	a[ARG_KIND] = number(t->kind);
	a[ARG_LIBRARY] = t->libraries[c->end] ? t->libraries[c->end] : "";
	a[ARG_RING] = number((long long)c->ring);
	a[ARG_DOMAIN] = number(s->peer >= 0 ? s->peer : domains[!c->end]);
	a[ARG_PATH] = path;
	a[ARG_IN] = number(c->wires->in[c->end]);
	a[ARG_OUT] = number(c->wires->out[c->end]);
	a[ARG_CPU] = number(s->cpus[c->end]);
	a[ARG_FIFO] = s->fifo ? "1" : "0";
	a[ARG_SPIN] = t->spin ? t->spin : "";
	a[ARG_IDLE] = number(t->idle);
	a[ARG_N] = NULL;
	execvp(argv[0], (char **)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t start_end(const struct command *c, int in, int out)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (in >= 0)
		dup2(in, STDIN_FILENO);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (c->wires->in[!c->end] >= 0 &&
	    c->wires->in[!c->end] != c->wires->in[c->end]) {
		close(c->wires->in[!c->end]);
		if (c->wires->out[!c->end] != c->wires->in[!c->end])
			close(c->wires->out[!c->end]);
	}
	run_end(c);
	return -1;
}

/* -1: the end is gone, or we are to stop. */
static int read_all(int fd, void *data, size_t n)
{
	struct pollfd both[] = { { .fd = fd, .events = POLLIN },
				 { .fd = stop_fd(), .events = POLLIN } };
	char *p = data;

	while (n) {
		ssize_t r;

		if (poll(both, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (stop_signal())
			return -1;
		if (!both[0].revents)
			continue;
		r = read(fd, p, n);
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

pid_t pair_serve(const struct contender *c, const struct stage *stage,
		 size_t ring, unsigned int index)
{
	struct wires none = { { -1, -1 }, { -1, -1 } };
	struct command command = { c, stage, &none, ring, index, SERVER };

	return start_end(&command, -1, -1);
}

static int start_both(struct pair *p, struct command *command, int job,
		      int answer)
{
	if (command->stage->peer < 0) {
		command->end = SERVER;
		p->pids[SERVER] = start_end(command, -1, -1);
	}
	command->end = CLIENT;
	p->pids[CLIENT] = start_end(command, job, answer);
	return p->pids[CLIENT] < 0 || p->pids[SERVER] < 0 ? -1 : 0;
}

int pair_start(struct pair *p, const struct contender *c,
	       const struct stage *stage, size_t ring, unsigned int index)
{
	struct wires wires;
	struct command command = { c, stage, &wires, ring, index, CLIENT };
	int to[2], from[2], r;

	*p = (struct pair){ .to = -1, .from = -1 };
	if (make_wires(&wires, c->kind, ring) || pipe2(to, O_CLOEXEC) ||
	    pipe2(from, O_CLOEXEC)) {
		fprintf(stderr, "%s: %s\n", c->name, strerror(errno));
		return -1;
	}
	p->to = to[1];
	p->from = from[0];
	r = start_both(p, &command, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	drop_wires(&wires);
	return r ? r : read_all(p->from, &p->hellos, sizeof(p->hellos));
}

int pair_do(struct pair *p, const struct job *job, struct outcome *outcome)
{
	if (write(p->to, job, sizeof(*job)) != sizeof(*job))
		return -1;
	return read_all(p->from, outcome, sizeof(*outcome));
}

/* Whether it has ended within two seconds. */
static bool ends(pid_t pid)
{
	const struct timespec look = { .tv_nsec = 5 * NS_PER_MS };
	int64_t deadline = deadline_in(2 * NS_PER_S);

	for (;;) {
		if (waitpid(pid, NULL, WNOHANG))
			return true;
		if (clock_now_ns() >= deadline)
			return false;
		nanosleep(&look, NULL);
	}
}

/* An end whose other end has never come, or has gone, may wait for ever. */
static void end_process(pid_t pid)
{
	if (ends(pid))
		return;
	kill(pid, SIGTERM);
	if (ends(pid))
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void pair_stop(struct pair *p)
{
	static const struct job quit = { .work = WORK_QUIT };

	if (p->to < 0)
		return;
	/* If it has ended already, that is what was wanted. */
	(void)!write(p->to, &quit, sizeof(quit));
	close(p->to);
	close(p->from);
	for (int i = 0; i < 2; i++) {
		if (p->pids[i] > 0)
			end_process(p->pids[i]);
	}
	p->to = p->from = -1;
}
