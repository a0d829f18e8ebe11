// SPDX-License-Identifier: MIT
/* The wire protocol, bytes in and bytes out, and what nonsense does to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "xenhost/xenstored/server.h"

static struct xsd_server server;
static struct xsd_client *toolstack, *guest;

/* Feeds bytes in pieces of at most step, as a socket might. */
static void feed(struct xsd_client *c, const void *bytes, size_t len,
		 size_t step)
{
	const char *from = bytes;

	while (len && !c->broken) {
		void *where;
		size_t n = xsd_client_want(c, &where);

		assert_true(n > 0);
		if (n > step)
			n = step;
		if (n > len)
			n = len;
		memcpy(where, from, n);
		xsd_client_received(c, n);
		from += n;
		len -= n;
	}
}

static void send_request(struct xsd_client *c, uint32_t type,
			 const void *payload, size_t len)
{
	const struct xsd_sockmsg header = { .type = type,
					    .req_id = 42,
					    .len = (uint32_t)len };

	feed(c, &header, sizeof(header), 7);
	feed(c, payload, len, 1000);
}

/* Takes the next message; returns its type. */
static uint32_t next(struct xsd_client *c, char *payload, size_t *len)
{
	struct xsd_sockmsg header;
	struct iovec piece;

	assert_int_equal(xsd_output_peek(&c->output, &piece, 1), 1);
	memcpy(&header, piece.iov_base, sizeof(header));
	assert_int_equal(piece.iov_len, sizeof(header) + header.len);
	assert_int_equal(header.req_id, header.type == XS_WATCH_EVENT ? 0 : 42);
	memcpy(payload, (char *)piece.iov_base + sizeof(header), header.len);
	payload[header.len] = '\0';
	*len = header.len;
	xsd_output_sent(&c->output, piece.iov_len);
	return header.type;
}

static void expect(struct xsd_client *c, uint32_t type, const char *payload,
		   size_t len)
{
	char got[XENSTORE_PAYLOAD_MAX + 1];
	size_t got_len;

	assert_int_equal(next(c, got, &got_len), type);
	assert_int_equal(got_len, len);
	assert_memory_equal(got, payload, len);
}

/* Payloads as string literals, whose last NUL counts. */
#define ASK(c, type, payload, answer, answered)                  \
	do {                                                     \
		send_request(c, type, payload, sizeof(payload)); \
		expect(c, answer, answered, sizeof(answered));   \
	} while (0)

static int setup(void **state)
{
	if (xsd_server_init(&server) || xsd_server_introduce(&server, 1) ||
	    xsd_client_new(&toolstack, &server, 0) ||
	    xsd_client_new(&guest, &server, 1))
		return -1;
	ASK(toolstack, XS_MKDIR, "/local/domain/1/data", XS_MKDIR, "OK");
	ASK(toolstack, XS_SET_PERMS, "/local/domain/1/data\0n1", XS_SET_PERMS,
	    "OK");
	return 0;
}

static int teardown(void **state)
{
	xsd_client_free(toolstack);
	xsd_client_free(guest);
	xsd_server_deinit(&server);
	return 0;
}

static void values_are_bytes_without_a_nul(void **state)
{
	send_request(guest, XS_WRITE, "data/x\0a\0b", 10);
	expect(guest, XS_WRITE, "OK", 3);
	send_request(guest, XS_READ, "data/x", 7);
	expect(guest, XS_READ, "a\0b", 3);
	ASK(guest, XS_WRITE, "data/y", XS_WRITE, "OK");
	ASK(guest, XS_DIRECTORY, "data", XS_DIRECTORY, "x\0y");
	ASK(guest, XS_GET_PERMS, "data/x", XS_GET_PERMS, "n1");
}

static void errors_come_by_name(void **state)
{
	ASK(guest, XS_READ, "data/none", XS_ERROR, "ENOENT");
	ASK(guest, XS_READ, "/tool", XS_ERROR, "EACCES");
	ASK(guest, XS_READ, "data//x", XS_ERROR, "EINVAL");
	send_request(guest, XS_READ, "data", 4); /* no NUL */
	expect(guest, XS_ERROR, "EINVAL", 7);
	ASK(guest, XS_TRANSACTION_END, "T", XS_ERROR, "ENOENT");
	ASK(guest, 4711, "", XS_ERROR, "ENOSYS");
}

static void events_come_before_the_reply_that_caused_them(void **state)
{
	ASK(guest, XS_WATCH, "data\0token", XS_WATCH, "OK");
	expect(guest, XS_WATCH_EVENT, "data\0token", 11);
	send_request(guest, XS_WRITE, "data/x", 7);
	expect(guest, XS_WATCH_EVENT, "data/x\0token", 13);
	expect(guest, XS_WRITE, "OK", 3);
}

static void an_event_that_still_waits_is_not_sent_twice(void **state)
{
	ASK(guest, XS_WATCH, "data\0t", XS_WATCH, "OK");
	for (int i = 0; i < 5; i++)
		ASK(toolstack, XS_WRITE, "/local/domain/1/data/x", XS_WRITE,
		    "OK");
	expect(guest, XS_WATCH_EVENT, "data\0t", 7);
	expect(guest, XS_WATCH_EVENT, "data/x\0t", 9);
	assert_int_equal(guest->output.bytes, 0);
}

static void toolstack_requests_are_not_for_guests(void **state)
{
	static const uint32_t types[] = { XS_CONTROL, XS_INTRODUCE,
					  XS_RELEASE, XS_IS_DOMAIN_INTRODUCED,
					  XS_RESUME,  XS_SET_TARGET };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		ASK(guest, types[i], "1", XS_ERROR, "EACCES");
	ASK(toolstack, XS_IS_DOMAIN_INTRODUCED, "1", XS_IS_DOMAIN_INTRODUCED,
	    "T");
	ASK(toolstack, XS_IS_DOMAIN_INTRODUCED, "2", XS_IS_DOMAIN_INTRODUCED,
	    "F");
	ASK(toolstack, XS_INTRODUCE, "2\0001\0001", XS_ERROR, "ENOSYS");
	ASK(toolstack, XS_CONTROL, "check", XS_CONTROL, "OK");
	ASK(toolstack, XS_CONTROL, "none", XS_ERROR, "EINVAL");
}

static void transactions_belong_to_their_client(void **state)
{
	struct xsd_sockmsg in_tx = { XS_READ, 42, 1, 2 };
	char id[32];
	size_t len;

	ASK(guest, XS_TRANSACTION_START, "", XS_TRANSACTION_START, "1");
	feed(toolstack, &in_tx, sizeof(in_tx), 99);
	feed(toolstack, "/", 2, 99);
	expect(toolstack, XS_ERROR, "ENOENT", 7);
	ASK(guest, XS_RESET_WATCHES, "", XS_RESET_WATCHES, "OK");
	assert_int_equal(guest->domain->n_transactions, 0);
	send_request(guest, XS_TRANSACTION_START, "", 1);
	assert_int_equal(next(guest, id, &len), XS_TRANSACTION_START);
	assert_string_equal(id, "2");
}

static int eagain_at_the_end(void *userdata, unsigned int domid, const char *op)
{
	return domid == 1 && !strcmp(op, "transaction_end") ? EAGAIN : 0;
}

static void an_injected_failure_ends_the_transaction_too(void **state)
{
	struct xsd_sockmsg end = { XS_TRANSACTION_END, 42, 1, 2 };

	server.fault = eagain_at_the_end;
	ASK(guest, XS_TRANSACTION_START, "", XS_TRANSACTION_START, "1");
	feed(guest, &end, sizeof(end), 99);
	feed(guest, "T", 2, 99);
	expect(guest, XS_ERROR, "EAGAIN", 7);
	assert_int_equal(guest->domain->n_transactions, 0);
}

static void too_long_a_payload_breaks_the_client(void **state)
{
	struct xsd_sockmsg header = { XS_WRITE, 1, 0,
				      XENSTORE_PAYLOAD_MAX + 1 };

	feed(guest, &header, sizeof(header), 99);
	assert_true(guest->broken);
	assert_false(xsd_client_ready(guest));
	ASK(toolstack, XS_DIRECTORY, "/tool", XS_DIRECTORY, "xenstored");
}

static void a_client_that_reads_nothing_is_not_fed(void **state)
{
	int n = 0;

	while (xsd_client_ready(guest) && n < 100000) {
		send_request(guest, XS_READ, "data", 5);
		n++;
	}
	assert_in_range(n, 100, 99999);
	assert_false(guest->broken);
	assert_in_range(guest->output.bytes, 1, 2 * XSD_OUTPUT_HIGH);
}

static void unread_events_have_a_limit(void **state)
{
	char path[2100];

	ASK(toolstack, XS_MKDIR, "/all", XS_MKDIR, "OK");
	ASK(toolstack, XS_SET_PERMS, "/all\0r0", XS_SET_PERMS, "OK");
	ASK(guest, XS_WATCH, "/all\0t", XS_WATCH, "OK");
	ASK(toolstack, XS_WATCH, "/\0t", XS_WATCH, "OK");
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(path, sizeof(path), "/all/%02000d", i);
		const struct xsd_sockmsg mkdir = { XS_MKDIR, 42, 0,
						   (uint32_t)n + 1 };
		const struct xsd_sockmsg rm = { XS_RM, 42, 0, (uint32_t)n + 1 };

		feed(toolstack, &mkdir, sizeof(mkdir), 99);
		feed(toolstack, path, mkdir.len, 9999);
		feed(toolstack, &rm, sizeof(rm), 99);
		feed(toolstack, path, rm.len, 9999);
	}
	assert_true(guest->output.bytes <= XSD_QUOTA_MEMORY);
	assert_false(guest->broken);
	assert_true(toolstack->output.bytes <= 2 * XSD_OUTPUT_MAX);
	assert_true(toolstack->broken);
}

/* Requests that are made of plausible and implausible pieces. */
static void any_bytes_get_an_answer_or_break_the_client(void **state)
{
	static const char *const pieces[] = { "/",  "data", "data/x",
					      "",   "t",    "@releaseDomain",
					      "n1", "r0x7", "T",
					      "F",  "-1",   "99999999999" };
	unsigned int seed = 1;

	for (int i = 0; i < 100000; i++) {
		struct xsd_sockmsg header = {
			.type = (uint32_t)rand_r(&seed) % 26,
			.req_id = 42,
			.tx_id = rand_r(&seed) % 4
					 ? 0
					 : (uint32_t)rand_r(&seed) % 5,
		};
		struct xsd_client *c = rand_r(&seed) % 2 ? guest : toolstack;
		char payload[256];

		while (header.len < sizeof(payload) - 20 && rand_r(&seed) % 4) {
			const char *piece =
				pieces[(size_t)rand_r(&seed) %
				       (sizeof(pieces) / sizeof(*pieces))];

			memcpy(payload + header.len, piece, strlen(piece) + 1);
			header.len += (uint32_t)strlen(piece) + 1;
		}
		if (header.len && rand_r(&seed) % 8 == 0)
			header.len--;
		if (header.len && rand_r(&seed) % 8 == 0)
			payload[(uint32_t)rand_r(&seed) % header.len] =
				(char)rand_r(&seed);
		feed(c, &header, sizeof(header), 99);
		feed(c, payload, header.len, 9999);
		assert_true(c->output.bytes > 0);
		assert_int_equal(c->received, 0);
		xsd_output_sent(&guest->output, guest->output.bytes);
		xsd_output_sent(&toolstack->output, toolstack->output.bytes);
	}
}

static void random_bytes_break_nothing_but_their_client(void **state)
{
	unsigned int seed = 7;

	for (int i = 0; i < 2000; i++) {
		struct xsd_client *c;
		unsigned char bytes[64];

		assert_int_equal(xsd_client_new(&c, &server, 1), 0);
		for (int n = 0; n < 100 && !c->broken; n++) {
			for (size_t k = 0; k < sizeof(bytes); k++)
				bytes[k] =
					rand_r(&seed) % 3
						? 0
						: (unsigned char)rand_r(&seed);
			feed(c, bytes, sizeof(bytes), 99);
			xsd_output_sent(&c->output, c->output.bytes);
		}
		xsd_client_free(c);
	}
	assert_int_equal(guest->domain->n_watches, 0);
	assert_int_equal(guest->domain->n_transactions, 0);
	ASK(guest, XS_WRITE, "data/x", XS_WRITE, "OK");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_are_bytes_without_a_nul),
		T(errors_come_by_name),
		T(events_come_before_the_reply_that_caused_them),
		T(an_event_that_still_waits_is_not_sent_twice),
		T(toolstack_requests_are_not_for_guests),
		T(transactions_belong_to_their_client),
		T(an_injected_failure_ends_the_transaction_too),
		T(too_long_a_payload_breaks_the_client),
		T(a_client_that_reads_nothing_is_not_fed),
		T(unread_events_have_a_limit),
		T(any_bytes_get_an_answer_or_break_the_client),
		T(random_bytes_break_nothing_but_their_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
