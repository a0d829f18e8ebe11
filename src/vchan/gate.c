// SPDX-License-Identifier: MIT
#include "vchan/gate.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Events without progress that are taken at full speed, and then one a ms. */
#define CREDIT_MAX 256

int gate_init(struct gate *g, xenevtchn_handle *event, uint32_t port,
	      stats_counter *n_taken)
{
	*g = (struct gate){ .event = event,
			    .port = port,
			    .n_taken = n_taken,
			    .credit = CREDIT_MAX,
			    .credit_time = clock_now_ns() };
	return -pthread_mutex_init(&g->lock, NULL);
}

void gate_deinit(struct gate *g)
{
	pthread_mutex_destroy(&g->lock);
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S,
				  .tv_nsec = ns % NS_PER_S };
}

/*
 * A read(2) of the event channel is restarted by the kernel for the other handlers,
 * but poll(2) never is, nor a futex with a time-out: programs whose handlers all say
 * "restart" must not see the difference.
 */
bool gate_signals_interrupt(void)
{
	sigset_t faults;

	/* These come from an instruction, not out of a wait. */
	sigemptyset(&faults);
	sigaddset(&faults, SIGSEGV);
	sigaddset(&faults, SIGBUS);
	sigaddset(&faults, SIGILL);
	sigaddset(&faults, SIGFPE);
	sigaddset(&faults, SIGTRAP);
	sigaddset(&faults, SIGSYS);
	sigaddset(&faults, SIGABRT);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;

		if (sigismember(&faults, sig) || sigaction(sig, NULL, &sa))
			continue;
		if (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN &&
		    !(sa.sa_flags & SA_RESTART))
			return true;
	}
	return false;
}

/* 0 when an event is there, -ETIMEDOUT, -EINTR, or another negative errno */
static int poll_event(struct gate *g, int64_t deadline)
{
	struct pollfd p = { .fd = xenevtchn_fd(g->event), .events = POLLIN };

	for (;;) {
		struct timespec left, *timeout = NULL;
		int64_t now;
		int r;

		if (deadline != DEADLINE_NEVER) {
			now = clock_now_ns();
			left = timespec_of(deadline > now ? deadline - now : 0);
			timeout = &left;
		}
		r = ppoll(&p, 1, timeout, NULL);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		if (gate_signals_interrupt())
			return -EINTR;
	}
}

/* One credit comes back every millisecond. */
static unsigned int refill(struct gate *g, int64_t now)
{
	int64_t ms = (now - g->credit_time) / NS_PER_MS;

	g->credit_time += ms * NS_PER_MS;
	return ms < CREDIT_MAX ? (unsigned int)ms : CREDIT_MAX;
}

/* The port is masked here: nothing more arrives until it is unmasked. */
static void spend_credit(struct gate *g)
{
	unsigned int credit =
		atomic_load_explicit(&g->credit, memory_order_relaxed);
	struct timespec ms = { .tv_nsec = NS_PER_MS };

	if (!credit)
		credit = refill(g, clock_now_ns());
	if (credit) {
		credit--;
	} else {
		nanosleep(&ms, NULL);
		/* That time is paid for: it gives no credit, too. */
		g->credit_time = clock_now_ns();
	}
	/* A reset by gate_progress() in between is lost: it comes again. */
	atomic_store_explicit(&g->credit, credit, memory_order_relaxed);
}

void gate_progress(struct gate *g)
{
	/* Read first: the other thread uses the cache line too. */
	if (atomic_load_explicit(&g->credit, memory_order_relaxed) !=
	    CREDIT_MAX)
		atomic_store_explicit(&g->credit, CREDIT_MAX,
				      memory_order_relaxed);
}

/* Takes the event that poll_event() saw, but for the unmasking. */
static int take_event(struct gate *g)
{
	if (xenevtchn_pending(g->event) < 0)
		return -errno;
	spend_credit(g);
	return 0;
}

/* Until this has worked the event is not taken, and no other comes. */
static int unmask(struct gate *g)
{
	bool fails = xenevtchn_unmask(g->event, g->port) < 0;
	int r = fails ? -errno : 0;

	if (gate_is_masked(g) != fails)
		atomic_store(&g->masked, fails);
	return r;
}

static int poll_and_take(struct gate *g, int64_t deadline)
{
	int r = 0;

	if (!gate_is_masked(g))
		r = poll_event(g, deadline);
	if (!r && !gate_is_masked(g))
		r = take_event(g);
	return r ? r : unmask(g);
}

/* Where the C library's time has 64 bits and the processor 32, it is another call. */
static long futex(atomic_uint *word, int op, unsigned int value,
		  const struct timespec *until)
{
	long call = SYS_futex;

#ifdef SYS_futex_time64
	if (sizeof(until->tv_sec) > sizeof(long))
		call = SYS_futex_time64;
#endif
	return syscall(call, word, op | FUTEX_PRIVATE_FLAG, value, until, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

/*
 * With the lock held, released while asleep: another thread polls; its event is ours
 * too. Not by a condition variable, out of whose wait no signal brings a thread.
 */
static int follow(struct gate *g, int64_t deadline)
{
	unsigned int turn =
		atomic_load_explicit(&g->turn, memory_order_relaxed);
	struct timespec until = { 0 };
	bool timed = deadline != DEADLINE_NEVER;
	int r;

	if (timed)
		until = timespec_of(deadline);
	g->n_followers++;
	pthread_mutex_unlock(&g->lock);
	r = futex(&g->turn, FUTEX_WAIT_BITSET, turn, timed ? &until : NULL) < 0
		    ? -errno
		    : 0;
	pthread_mutex_lock(&g->lock);
	g->n_followers--;
	if (r == -EINTR && gate_signals_interrupt())
		return r;
	return r == -ETIMEDOUT ? r : 0;
}

/* With the lock held: those who follow look again. */
static void wake_followers(struct gate *g)
{
	atomic_fetch_add_explicit(&g->turn, 1, memory_order_relaxed);
	if (g->n_followers)
		(void)futex(&g->turn, FUTEX_WAKE_BITSET, INT_MAX, NULL);
}

/* With the lock held, released while polling. */
static int lead(struct gate *g, int64_t deadline)
{
	int r;

	g->polling = true;
	pthread_mutex_unlock(&g->lock);
	r = poll_and_take(g, deadline);
	pthread_mutex_lock(&g->lock);
	g->polling = false;
	if (!r) {
		atomic_fetch_add_explicit(&g->n_events, 1,
					  memory_order_release);
		stats_add(g->n_taken, 1);
	}
	wake_followers(g);
	return r;
}

int gate_wait(struct gate *g, uint64_t seen, int64_t deadline)
{
	int r = 0;

	pthread_mutex_lock(&g->lock);
	while (!r && gate_seen(g) == seen)
		r = g->polling ? follow(g, deadline) : lead(g, deadline);
	pthread_mutex_unlock(&g->lock);
	return r;
}

int gate_drain(struct gate *g)
{
	int r = gate_wait(g, gate_seen(g), 0);

	return r == -ETIMEDOUT ? 0 : r;
}
