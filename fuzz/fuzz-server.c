// SPDX-License-Identifier: MIT
/*
 * The emulated xenstored's wire: three clients of two domains send requests that
 * are whole or torn, leave their answers unread, disconnect in the middle, and
 * their domain ends and comes back.
 */
#include <errno.h>

#include "fuzz.h"
#include "xenhost/xenstored/server.h"

#define N_CLIENTS 3

static const unsigned int domain_of[N_CLIENTS] = { 0, 1, 1 };
static struct xsd_server server;
static struct xsd_client *clients[N_CLIENTS];
static bool has_guest;

static void connect_client(unsigned int i)
{
	xsd_client_free(clients[i]);
	clients[i] = NULL;
	if (domain_of[i] == 0 || has_guest)
		fuzz_require(
			!xsd_client_new(&clients[i], &server, domain_of[i]));
}

/* Takes all that is to be sent: messages one behind the other, none too long. */
static void drain(struct xsd_client *c)
{
	struct xsd_sockmsg header;
	struct iovec piece;

	while (c && xsd_output_peek(&c->output, &piece, 1) == 1) {
		fuzz_require(piece.iov_len >= sizeof(header));
		memcpy(&header, piece.iov_base, sizeof(header));
		fuzz_require(header.len <= XENSTORE_PAYLOAD_MAX);
		fuzz_require(piece.iov_len == sizeof(header) + header.len);
		xsd_output_sent(&c->output, piece.iov_len);
	}
}

static void feed(struct xsd_client *c, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len && c && !c->broken) {
		void *where;
		size_t n;

		if (!xsd_client_ready(c))
			drain(c);
		if (!xsd_client_ready(c))
			return; /* its domain has used up its memory */
		n = xsd_client_want(c, &where);
		fuzz_require(n > 0);
		n = n < len ? n : len;
		memcpy(where, from, n);
		xsd_client_received(c, n);
		from += n;
		len -= n;
	}
}

/* A whole request, whatever is in it. */
static void send_request(struct fuzz_input *in, struct xsd_client *c)
{
	struct xsd_sockmsg header = {
		.type = fuzz_u8(in),
		.req_id = 1,
		.tx_id = fuzz_u8(in),
	};
	size_t len;
	char *payload = fuzz_text(in, XENSTORE_PAYLOAD_MAX, &len);

	header.len = (uint32_t)len;
	feed(c, &header, sizeof(header));
	feed(c, payload, len);
	free(payload);
}

static void send_anything(struct fuzz_input *in, struct xsd_client *c)
{
	size_t len;
	char *bytes = fuzz_text(in, 2 * XENSTORE_PAYLOAD_MAX, &len);

	feed(c, bytes, len);
	free(bytes);
}

static void end_guest(void)
{
	for (unsigned int i = 0; i < N_CLIENTS; i++) {
		if (domain_of[i] == 0)
			continue;
		xsd_client_free(clients[i]);
		clients[i] = NULL;
	}
	fuzz_require(xsd_server_release(&server, 1) ==
		     (has_guest ? 0 : -ENOENT));
	has_guest = false;
}

static void step(struct fuzz_input *in)
{
	uint8_t what = fuzz_u8(in);
	unsigned int i = what % N_CLIENTS;

	switch (what / N_CLIENTS % 8) {
	case 0:
		send_anything(in, clients[i]);
		break;
	case 1:
		drain(clients[i]);
		break;
	case 2:
		connect_client(i);
		break;
	case 3:
		if (has_guest)
			end_guest();
		else
			has_guest = !xsd_server_introduce(&server, 1);
		break;
	default:
		send_request(in, clients[i]);
	}
	for (i = 0; i < N_CLIENTS; i++)
		if (!clients[i] || clients[i]->broken)
			connect_client(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	fuzz_require(!xsd_server_init(&server));
	fuzz_require(!xsd_server_introduce(&server, 1));
	has_guest = true;
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		connect_client(i);
	while (in.left)
		step(&in);
	for (unsigned int i = 0; i < N_CLIENTS; i++) {
		drain(clients[i]);
		xsd_client_free(clients[i]);
		clients[i] = NULL;
	}
	xsd_server_deinit(&server);
	return 0;
}
