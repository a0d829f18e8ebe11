/* SPDX-License-Identifier: MIT */
/*
 * libxenvchan: a byte and packet stream between two Xen domains, over shared
 * memory and an event channel, found through xenstore.
 *
 * Functions, structure and wire format are those of Xen's libxenvchan (4.2 and
 * later); a program built for either runs with the other. libxenvchan(3) says
 * where this implementation departs from Xen's, xenvchan(7) specifies the wire.
 *
 * Common rules
 *  Errors    -1 or NULL, with errno set. A function that was given a logger
 *            also says there which step failed, for which path and domain, and
 *            what to do. Calls that move data, wait or shut down may also give
 *            what the event channel does when the host fails; nothing is lost.
 *  Blocking  `blocking` in the structure, 0 after init, decides whether recv,
 *            read, send and write wait. EINTR: a signal handler that was
 *            installed without SA_RESTART interrupted the wait.
 *  Threads   One thread may receive while another sends on the same vchan.
 *            Init and close of different vchans may run at the same time.
 *            Everything else on one vchan is for one thread at a time.
 *  fork      After fork(2) a child may only close what it inherited, which
 *            leaves the parent's vchan alone. exec(2) closes every descriptor.
 */
#ifndef LIBXENVCHAN_H
#define LIBXENVCHAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Programs rely on what Xen's header includes. The first has no guard: a program
 * that has included it already must not get it twice.
 */
#ifndef VCHAN_NOTIFY_WRITE
#include <xen/io/libxenvchan.h>
#endif
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From <xentoollog.h>, which only callers who log need to include. */
struct xentoollog_logger;

/* One direction of a vchan. */
struct libxenvchan_ring {
	struct ring_shared *shr; /* its indices, in the shared page */
	void *buffer;            /* its bytes, in that page or in others */
	int order;               /* it holds 1 << order bytes */
};

/*
 * One end of a vchan. The layout is Xen's ABI. Programs may read all of it and
 * write `blocking` and `server_persist`; the rest belongs to the library.
 */
struct libxenvchan {
	union {
		xengntshr_handle *gntshr; /* of a server */
		xengnttab_handle *gnttab; /* of a client */
	};
	struct vchan_interface *ring; /* the shared page: a peer can write it */
	xenevtchn_handle *event;
	uint32_t event_port;
	unsigned int is_server : 1;
	/* The server stays open for another client when one leaves. */
	unsigned int server_persist : 1;
	/* recv, read, send and write wait instead of returning 0. */
	unsigned int blocking : 1;
	struct libxenvchan_ring read, write;
	char *xs_path; /* of a server: where its nodes are */
};

/*
 * Offers a vchan to one domain: shares the rings, opens an event channel, and
 * publishes both in xenstore as xs_path/ring-ref and xs_path/event-channel,
 * readable for that domain only.
 *
 * logger      NULL, or where failures are told, until libxenvchan_close()
 * domain      id of the domain whose client may connect, 0 to 32751; it must
 *             exist, or its client will not be let in
 * xs_path     relative to this domain's home ("data/vchan/7") or absolute; at
 *             most 2034 or 3058 bytes
 * read_min    least size of the ring that the server reads (the left one) and
 * write_min   that it writes (the right one), in bytes, 0 to 1048576. Rounded
 *             up to 1024 or 2048 for at most one ring that fits into the shared
 *             page, else to a power of two from 4096. (0, 0): 1024 and 2048.
 *
 * Does not wait for the client; takes a few round trips to xenstore. Errors:
 *  EINVAL        an argument is out of its range, or xenstore refuses the path
 *  ENAMETOOLONG  xs_path is longer than xenstore takes
 *  ENODEV        xen_gntalloc or xen_evtchn is not there
 *  EACCES        no access to their device nodes, or no right to write xs_path
 *  ENOSPC        out of grants, event channels or xenstore quota
 *  ENOENT        xenstore does not answer, or does not know this domain
 *  EAGAIN        xenstore was too busy for 64 attempts at a transaction
 *  ENOMEM        out of memory
 *  EMFILE, ENFILE  out of descriptors: this process, or the system
 *  EIO           xenstore or a device failed otherwise; the logger is told how
 */
struct libxenvchan *libxenvchan_server_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path,
					    size_t read_min, size_t write_min);

/*
 * Connects to the vchan that a server in `domain` offers at xs_path, usually
 * "/local/domain/<domain>/data/...". Arguments as for the server. Does not wait
 * for a server that is not there. Errors:
 *  EACCES        no server yet, or not for this domain: an unprivileged domain
 *                cannot tell which; or no access to the device nodes
 *  ENOENT        no server yet (told to those who may list the path), or
 *                xenstore does not answer
 *  ECONNREFUSED  the nodes are a dead server's, or another client domain's
 *  EBUSY         the server has a client already
 *  EPROTO        the nodes or the shared page are not a vchan's
 *  EHOSTDOWN     the server's domain is gone
 *  EAGAIN        the server was being replaced by another one: try again
 *  EINVAL, ENAMETOOLONG, ENODEV, ENOSPC, ENOMEM, EMFILE, ENFILE, EIO  as for
 *                the server
 */
struct libxenvchan *libxenvchan_client_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path);

/*
 * Closes this end and frees it. The peer is told and can still read what was
 * sent. A server's nodes are removed, unless a newer server has taken the path.
 * NULL is allowed.
 */
void libxenvchan_close(struct libxenvchan *ctrl);

/*
 * Receives exactly size bytes, or none. Bytes that were sent before the peer
 * closed are still received. Returns size; 0 if not blocking and there are
 * fewer; -1:
 *  EPIPE     the peer has closed or died, and fewer are left (libxenvchan_read
 *            gets them)
 *  EMSGSIZE  size is larger than the ring, so that it can never be
 *  EPROTO    the peer has broken the protocol: this vchan is dead
 *  EINTR     a signal, while waiting
 */
int libxenvchan_recv(struct libxenvchan *ctrl, void *data, size_t size);

/*
 * Receives what there is: 1 to size bytes, at most INT_MAX. Returns how many; 0
 * if not blocking and there are none, or if size is 0; -1: EPIPE (closed, and
 * all was read), EPROTO, EINTR.
 */
int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size);

/*
 * Sends size bytes, or none. Returns size; 0 if not blocking and there is no
 * room; -1: EPIPE (closed), EMSGSIZE (larger than the ring), EPROTO, EINTR.
 */
int libxenvchan_send(struct libxenvchan *ctrl, const void *data, size_t size);

/*
 * Sends size bytes, at most INT_MAX: all of them if blocking, else as many as
 * there is room for, perhaps 0. Returns how many. If a signal or a close ends
 * the wait, those that were sent count, and the next call reports the close. -1
 * with none sent: EPIPE, EPROTO, EINTR, ETIMEDOUT of libxenvchan_set_timeout().
 */
int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size);

/*
 * Waits for the peer to send, receive, connect or close, and takes one event
 * from the event channel. Returns 0, perhaps with nothing changed, or -1 and
 * EINTR. Returns at once if the peer has
 * closed: a client always, a server once, and then it waits for a client.
 */
int libxenvchan_wait(struct libxenvchan *ctrl);

/*
 * A descriptor to select, poll or epoll for reading: when it is readable,
 * libxenvchan_wait() will not block and something may have changed. Call that,
 * then read and write until they return 0 or -1: after a short read, the event
 * of a close may have been taken already.
 */
int libxenvchan_fd_for_select(struct libxenvchan *ctrl);

/*
 * 0: closed, by either end, or broken, or the peer has said that it will write
 * no more (libxenvchan_shutdown()); 1: open (always, for a server with
 * server_persist); 2: a server's first client has not come yet. A server that
 * was left by its client is 1 again when the next one comes.
 */
int libxenvchan_is_open(struct libxenvchan *ctrl);

/*
 * Bytes that can be received, or sent, without waiting; asks the peer for an
 * event when that grows. 0 with errno EPROTO if the peer broke the protocol.
 */
int libxenvchan_data_ready(struct libxenvchan *ctrl);
int libxenvchan_buffer_space(struct libxenvchan *ctrl);

#ifdef __cplusplus
}
#endif

#endif
