// SPDX-License-Identifier: MIT
/*
 * An end of a vchan, server or client, on the in-process host, while its peer
 * writes what the input says into the shared page, the rings and its nodes, and
 * sends events, between the calls. (Between the accesses of one call: that needs
 * a thread, test/hostile.)
 */
#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#include "fuzz.h"
#include "libxenvchan-ext.h"
#include "vchan/test-pair.h"

#define PAGE 4096u
#define LARGEST_CALL 6000u

struct world {
	struct libxenvchan *v; /* ours */
	struct vchan_interface *page;
	xenevtchn_handle *event; /* the peer's */
	evtchn_port_t port;
	unsigned int domid; /* ours */
	struct forged_server forged;
	struct iovec reserved[2], peeked[2];
};

/* What libxenvchan.h and libxenvchan-ext.h name for calls on a vchan. */
static bool is_documented(int err)
{
	switch (err) {
	case EPIPE:
	case EPROTO:
	case EMSGSIZE:
	case ENOTCONN:
	case EHOSTDOWN:
	case EINVAL:
	case EISCONN:
	case ETIMEDOUT:
	case EAGAIN:
	case EINTR: /* by libFuzzer's own clock */
		return true;
	default:
		return false;
	}
}

/* How a call that moves bytes may end. */
static void check_moved(long n, size_t size)
{
	fuzz_require(n >= -1 && (n < 0 || (size_t)n <= size));
	fuzz_require(n >= 0 || is_documented(errno));
}

static void check_span(const struct libxenvchan_ring *ring,
		       const struct iovec span[2], int n)
{
	const char *from = ring->buffer, *to = from + (1u << ring->order);

	fuzz_require(n >= -1 && (n >= 0 || is_documented(errno)));
	if (n <= 0)
		return;
	fuzz_require(span[0].iov_len + span[1].iov_len == (size_t)n);
	for (int i = 0; i < 2; i++) {
		const char *base = span[i].iov_base;

		if (!span[i].iov_len)
			continue;
		fuzz_require(base >= from && base < to);
		fuzz_require(span[i].iov_len <= (size_t)(to - base));
	}
}

static void move(struct fuzz_input *in, struct world *w, uint8_t what)
{
	size_t size = fuzz_u16(in) % LARGEST_CALL;
	char *buf = malloc(size + !size);

	if (!buf)
		abort();
	memset(buf, 'x', size);
	errno = 0;
	switch (what) {
	case 0:
		check_moved(libxenvchan_read(w->v, buf, size), size);
		break;
	case 1:
		check_moved(libxenvchan_write(w->v, buf, size), size);
		break;
	case 2:
		check_moved(libxenvchan_recv(w->v, buf, size), size);
		break;
	default:
		check_moved(libxenvchan_send(w->v, buf, size), size);
	}
	free(buf);
}

/* The bytes of a span are touched, all of them, when it has been checked. */
static void move_span(struct fuzz_input *in, struct world *w, uint8_t what)
{
	size_t size = fuzz_u16(in) % LARGEST_CALL;
	int n;

	errno = 0;
	switch (what) {
	case 0:
		n = libxenvchan_reserve(w->v, w->reserved, size);
		check_span(&w->v->write, w->reserved, n);
		for (int i = 0; i < 2 && n > 0; i++)
			if (w->reserved[i].iov_len)
				memset(w->reserved[i].iov_base, 'r',
				       w->reserved[i].iov_len);
		break;
	case 1:
		n = libxenvchan_peek(w->v, w->peeked, size);
		check_span(&w->v->read, w->peeked, n);
		for (int i = 0; i < 2 && n > 0; i++)
			if (w->peeked[i].iov_len)
				(void)!memchr(w->peeked[i].iov_base, '\n',
					      w->peeked[i].iov_len);
		break;
	case 2:
		check_moved(libxenvchan_commit(w->v, size), 0);
		break;
	default:
		check_moved(libxenvchan_consume(w->v, size), 0);
	}
}

static void look(struct world *w, uint8_t what)
{
	enum libxenvchan_state before = libxenvchan_state(w->v);
	struct pollfd p = { .fd = libxenvchan_fd_for_select(w->v),
			    .events = POLLIN };

	errno = 0;
	switch (what) {
	case 0:
		check_moved(libxenvchan_data_ready(w->v),
			    1u << w->v->read.order);
		break;
	case 1:
		check_moved(libxenvchan_buffer_space(w->v),
			    1u << w->v->write.order);
		break;
	case 2:
		check_moved(libxenvchan_is_open(w->v), 2);
		break;
	case 3:
		check_moved(libxenvchan_shutdown(w->v), 1);
		break;
	case 4:
		check_moved(libxenvchan_poll(w->v, 3, 0), 15);
		break;
	case 5:
		if (poll(&p, 1, 0) > 0)
			check_moved(libxenvchan_wait(w->v), 0);
		break;
	case 6:
		check_moved(libxenvchan_rearm(w->v), 0);
		before = LIBXENVCHAN_LISTENING;
		break;
	default:
		w->v->server_persist = !w->v->server_persist;
		before = LIBXENVCHAN_LISTENING;
	}
	if (before == LIBXENVCHAN_CORRUPT)
		fuzz_require(libxenvchan_state(w->v) == before);
}

static void poke(struct fuzz_input *in, struct world *w, uint8_t what)
{
	uint32_t *const words[] = { &w->page->left.cons, &w->page->left.prod,
				    &w->page->right.cons,
				    &w->page->right.prod };
	uint8_t *const bytes[] = { &w->page->cli_live, &w->page->srv_live,
				   &w->page->cli_notify, &w->page->srv_notify };
	uint8_t which = fuzz_u8(in) % 4;

	switch (what) {
	case 0:
		*words[which] = fuzz_u32(in);
		break;
	case 1:
		*words[which] += fuzz_u16(in);
		break;
	case 2:
		*bytes[which] = fuzz_u8(in);
		break;
	case 3: /* orders, grants, the rings in the page */
		((uint8_t *)w->page)[fuzz_u16(in) % PAGE] = fuzz_u8(in);
		break;
	default:
		xenevtchn_notify(w->event, w->port);
	}
}

static void step(struct fuzz_input *in, struct world *w)
{
	uint8_t what = fuzz_u8(in) % 24;

	if (what < 4)
		move(in, w, what);
	else if (what < 8)
		move_span(in, w, what - 4);
	else if (what < 16)
		look(w, what - 8);
	else
		poke(in, w, (what - 16) % 5);
}

/* The server is ours, and a liar has taken its page and its port. */
static bool open_server(struct fuzz_input *in, struct world *w)
{
	size_t left = fuzz_u16(in), right = fuzz_u16(in);

	w->domid = SERVER;
	w->v = serve(left, right);
	fuzz_require(w->v);
	w->page = w->v->ring;
	fake_host_set_domain(CLIENT);
	w->event = xenevtchn_open(NULL, 0);
	w->port = (evtchn_port_t)xenevtchn_bind_interdomain(w->event, SERVER,
							    w->v->event_port);
	fake_host_set_domain(SERVER);
	return true;
}

/* The client is ours, and a liar's page may be no vchan's. */
static bool open_client(struct fuzz_input *in, struct world *w)
{
	unsigned int left = fuzz_u8(in) % 24, right = fuzz_u8(in) % 24;

	w->domid = CLIENT;
	forge_server(&w->forged, left, right, fuzz_u8(in) % 65);
	w->page = w->forged.ring;
	w->event = w->forged.event;
	w->port = (evtchn_port_t)w->forged.port;
	for (int i = fuzz_u8(in) % 4; i > 0; i--)
		poke(in, w, (uint8_t)i);
	if (fuzz_u8(in) % 8 == 7) {
		size_t len;
		char *value = fuzz_text(in, 32, &len);

		forge_node(len % 2 ? "ring-ref" : "event-channel", value);
		free(value);
	}
	errno = 0;
	w->v = join();
	if (!w->v)
		fuzz_require(errno == EPROTO || errno == EBUSY ||
			     errno == ECONNREFUSED || errno == EAGAIN ||
			     errno == EACCES || errno == ENOENT);
	return w->v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct world w = { 0 };
	uint8_t how = fuzz_u8(&in);

	new_world();
	fake_host_map_apart(how & 2);
	if (how & 1 ? open_server(&in, &w) : open_client(&in, &w)) {
		libxenvchan_set_spin(w.v, 0);
		libxenvchan_set_timeout(w.v, 0);
		w.v->blocking = how >> 2 & 1;
		fake_host_set_domain(w.domid);
		while (in.left)
			step(&in, &w);
		leave(w.v, w.domid);
	}
	if (how & 1)
		xenevtchn_close(w.event);
	else
		unforge_server(&w.forged);
	fuzz_require(!fake_host_live(CLIENT, FAKE_MAPPED_PAGES));
	fuzz_require(!fake_host_live(SERVER, FAKE_SHARED_PAGES));
	fuzz_require(!fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_PORTS));
	return 0;
}
