/* SPDX-License-Identifier: MIT */
/*
 * libxenvchan, extended: what the twelve calls of <libxenvchan.h> cannot say.
 *
 * These work on the same object and the same wire. The peer may be of any kind;
 * where a call gives more with a peer of this implementation, it says so.
 * Errors, threads and fork as in <libxenvchan.h>.
 */
#ifndef LIBXENVCHAN_EXT_H
#define LIBXENVCHAN_EXT_H

#include <libxenvchan.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For times in nanoseconds: without a limit. */
#define LIBXENVCHAN_FOREVER (-1)

enum libxenvchan_state {
	LIBXENVCHAN_CONNECTING, /* a client: its server is not there yet */
	LIBXENVCHAN_LISTENING,  /* a server: no client is there */
	LIBXENVCHAN_OPEN,
	LIBXENVCHAN_FINISHED, /* open; the peer will send no more */
	/* From here on nothing changes, except by libxenvchan_rearm(). What the
	 * peer sent before can still be read. */
	LIBXENVCHAN_CLOSED, /* the peer has closed */
	LIBXENVCHAN_DIED, /* the peer's process ended without closing. Known of
			     * a peer of our kind; of others, this is CLOSED. */
	LIBXENVCHAN_GONE, /* the peer's domain has ended */
	LIBXENVCHAN_CORRUPT, /* the peer broke the protocol: nothing works */
};

/* The state, after a look at the peer. Does not wait. */
enum libxenvchan_state libxenvchan_state(struct libxenvchan *ctrl);

/*
 * As libxenvchan_client_init(), but the server need not be there yet: returns a
 * vchan in the state CONNECTING (or OPEN), which libxenvchan_poll() or
 * libxenvchan_event_fd() with it carry on. Until it is OPEN, all that moves data
 * fails with ENOTCONN, and libxenvchan_fd_for_select() is -1. NULL only for
 * EINVAL, ENAMETOOLONG and ENOMEM; what else is final (a server that is no
 * vchan's, a device that is missing) is libxenvchan_poll()'s error.
 */
struct libxenvchan *libxenvchan_connect(struct xentoollog_logger *logger,
					int domain, const char *xs_path);

/* What libxenvchan_poll() waits for, and returns. */
enum {
	LIBXENVCHAN_IN = 1,  /* something can be read */
	LIBXENVCHAN_OUT = 2, /* something can be written */
	LIBXENVCHAN_FIN = 4, /* all is read, and the peer will send no more */
	LIBXENVCHAN_HUP = 8, /* the peer has gone: CLOSED, DIED or GONE */
};

/*
 * Waits until one of `want` (IN, OUT or both, or 0) is so, or FIN or HUP, which
 * need not be asked for; while CONNECTING, until that has ended. At most
 * timeout_ns nanoseconds; 0: does not wait; LIBXENVCHAN_FOREVER. Returns what is
 * so; 0 at the time-out; -1: EPROTO, EINTR, or what libxenvchan_client_init()
 * gives when connecting cannot succeed any more. Asks the peer to tell of what
 * it found wanting, so that libxenvchan_event_fd() becomes readable then.
 */
int libxenvchan_poll(struct libxenvchan *ctrl, int want, int64_t timeout_ns);

/*
 * A descriptor for poll(2) and the like: when it is readable, call
 * libxenvchan_poll(ctrl, want, 0). Unlike libxenvchan_fd_for_select() it also
 * becomes readable for what no event tells: a server that appears while
 * CONNECTING, and the end of the peer's domain (within two seconds). It is made
 * at the first call and belongs to the vchan; it costs two descriptors. -1 and
 * EMFILE, ENFILE or ENOMEM.
 */
int libxenvchan_event_fd(struct libxenvchan *ctrl);

/*
 * Says that this end will write no more; it can go on reading. A peer of our
 * kind reads what was sent and then sees FIN; its old calls take it for a close,
 * but can go on writing: reading fails with EPIPE, libxenvchan_is_open() is 0.
 * Writing fails with EPIPE here from now on. May be called twice. 0; 1 if the
 * peer is of another kind and sees nothing; or -1: ENOTCONN, EPIPE, EHOSTDOWN,
 * EPROTO.
 */
int libxenvchan_shutdown(struct libxenvchan *ctrl);

/*
 * A server: takes the next client on the same object, whatever became of the
 * last, and whether server_persist is set or not. Rings and indices are reset
 * and zeroed, errors forgotten; the state is LISTENING. Does not allocate, lock
 * or wait, nor call the kernel: fit for a real-time thread; no other thread may
 * use the vchan meanwhile. 0, or -1:
 *  EISCONN  a client is connected. If it is not the one that was last seen, it
 *           came before this call could reset: what was unread has been zeroed
 *  EINVAL   not a server
 *  EHOSTDOWN  the peer's domain has ended: nobody will come
 */
int libxenvchan_rearm(struct libxenvchan *ctrl);

/*
 * Limits every wait of this vchan's blocking calls, old and new, to timeout_ns
 * nanoseconds without progress; they then fail with ETIMEDOUT, or return what
 * they have moved until then. LIBXENVCHAN_FOREVER, the default: no limit.
 */
void libxenvchan_set_timeout(struct libxenvchan *ctrl, int64_t timeout_ns);

/*
 * How long, in nanoseconds, a blocking call polls the ring before it sleeps; 0
 * never does. The default is 20000, or $XENVCHAN_SPIN_NS. It stops by itself
 * where it does not pay.
 */
void libxenvchan_set_spin(struct libxenvchan *ctrl, int64_t spin_ns);

/* One direction of a vchan, since it was made. */
struct libxenvchan_flow {
	uint64_t bytes;
	uint64_t calls;       /* that moved at least a byte */
	uint64_t sleeps;      /* waits in the kernel, for this direction */
	uint64_t spins;       /* waits that began with polling the ring */
	uint64_t spins_won;   /* and ended with it, without a sleep */
	uint64_t events_sent; /* that told the peer of this direction */
};

struct libxenvchan_stats {
	struct libxenvchan_flow received, sent;
	uint64_t events_received; /* of both directions: they share them */
	uint64_t waits;       /* by libxenvchan_wait() and libxenvchan_poll() */
	uint64_t connections; /* a server: how many clients it has seen */
	uint64_t yields;      /* of the CPU before a sleep, both directions */
};

/*
 * What the vchan has done. May be called at any time, from any thread, in any
 * state. size is sizeof(*stats): members that a later version of this header
 * adds at the end are 0 from an older library. 0, or -1: EINVAL, a size smaller
 * than that of the first version. `xenchan vchan stats` shows the same, of all
 * processes.
 */
int libxenvchan_stats(struct libxenvchan *ctrl, struct libxenvchan_stats *stats,
		      size_t size);

/*
 * Zero copy: a span is where bytes lie, or will lie, in the ring, as one piece or,
 * where the ring wraps, two; of one piece, span[1].iov_len is 0.
 *
 * Where a span lies and how long it is cannot be changed by the peer. But it is
 * memory that the peer can write, too: what is peeked may change while it is
 * looked at, so look at each byte once, or copy what has to be checked and then
 * used. What is written to a reserved span can be seen by the peer before it is
 * committed.
 *
 * A span is good until the next call that moves data in the same direction, or
 * closes or rearms. Reading and writing have a span each.
 */

/*
 * Room for at least min bytes (0: for one), and all that is known to be there.
 * Waits for it if blocking. Returns how much; 0 if not blocking and there is less,
 * or -1: EPIPE, EHOSTDOWN, ENOTCONN, EPROTO, EINTR, ETIMEDOUT as of
 * libxenvchan_send(); EMSGSIZE, min is larger than the ring. The peer is asked
 * for an event only if there is less.
 */
int libxenvchan_reserve(struct libxenvchan *ctrl, struct iovec span[2],
			size_t min);

/*
 * Sends the first size bytes of the reserved span, at once: as many messages as
 * are in them cost what one does. The rest remains reserved. 0, or -1: EINVAL,
 * more than is reserved; EPIPE, also if the client that it was reserved for has
 * left; EHOSTDOWN, ENOTCONN, EPROTO.
 */
int libxenvchan_commit(struct libxenvchan *ctrl, size_t size);

/*
 * At least min received bytes (0: one), and all that are known to be there. They
 * stay in the ring. Waits for them if blocking. Returns how many; 0 if not
 * blocking and there are fewer; or -1: EPIPE, EHOSTDOWN, EMSGSIZE, EPROTO,
 * EINTR, ETIMEDOUT, ENOTCONN as of libxenvchan_recv().
 */
int libxenvchan_peek(struct libxenvchan *ctrl, struct iovec span[2],
		     size_t min);

/*
 * Gives the first size bytes of the peeked span back to the peer; they must not be
 * looked at any more. The rest remains. 0, or -1: EINVAL, more than was peeked;
 * ENOTCONN, EPROTO.
 */
int libxenvchan_consume(struct libxenvchan *ctrl, size_t size);

/*
 * Reads from a descriptor into the ring and sends that, by one readv(2): 1 to size
 * bytes. Waits for room first, if blocking. Returns how many; 0 at the end of the
 * file; or -1: ENOBUFS, no room and not blocking; what
 * libxenvchan_reserve() and readv(2) give.
 */
ssize_t libxenvchan_write_from(struct libxenvchan *ctrl, int fd, size_t size);

/*
 * Writes received bytes to a descriptor, by one writev(2): 1 to size. Waits for
 * them first, if blocking. Returns how many; or -1: ENODATA, none and not
 * blocking; what libxenvchan_peek() and writev(2) give. What was not written
 * stays in the ring.
 */
ssize_t libxenvchan_read_to(struct libxenvchan *ctrl, int fd, size_t size);

#ifdef __cplusplus
}
#endif

#endif
