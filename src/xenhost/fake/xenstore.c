// SPDX-License-Identifier: MIT
/* libxenstore: each call makes one request of the wire protocol. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "xenhost/fake/private.h"
#include "xenhost/fake/xs-handle.h"

static void cleanup_replyp(struct store_reply *r)
{
	free(r->data);
}

/*
 * The payload of a request: strings, each with its NUL, and bytes. What does
 * not fit is refused, as by libxenstore.
 */
struct payload {
	char data[XENSTORE_PAYLOAD_MAX];
	size_t len;
	bool too_long;
};

static void put(struct payload *p, const void *data, size_t len)
{
	if (len > sizeof(p->data) - p->len) {
		p->too_long = true;
		return;
	}
	if (len)
		memcpy(p->data + p->len, data, len);
	p->len += len;
}

static void put_string(struct payload *p, const char *s)
{
	put(p, s, strlen(s) + 1);
}

static bool result(int r)
{
	if (!r)
		return true;
	errno = -r;
	return false;
}

/* false with errno */
static bool request(struct xs_handle *h, enum xsd_sockmsg_type type,
		    xs_transaction_t t, const struct payload *p,
		    struct store_reply *reply)
{
	if (p->too_long)
		return result(-E2BIG);
	return result(fake_xs_request(h, type, t, p->data, p->len, reply));
}

/* A request whose only argument is a string, answered with "OK". */
static bool request_done(struct xs_handle *h, enum fake_host_call kind,
			 enum xsd_sockmsg_type type, xs_transaction_t t,
			 const char *arg)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	if (fake_call_here(kind))
		return false;
	put_string(&p, arg);
	return request(h, type, t, &p, &reply);
}

/* The same, answered with data that becomes the caller's: NULL with errno. */
static char *request_data(struct xs_handle *h, enum fake_host_call kind,
			  enum xsd_sockmsg_type type, xs_transaction_t t,
			  const char *arg, unsigned int *len_r)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	if (fake_call_here(kind))
		return NULL;
	put_string(&p, arg);
	if (!request(h, type, t, &p, &reply))
		return NULL;
	if (len_r)
		*len_r = reply.len;
	return TAKE_PTR(reply.data);
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	return request_data(h, FAKE_XS_READ, XS_READ, t, path, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	if (fake_call_here(FAKE_XS_WRITE))
		return false;
	put_string(&p, path);
	put(&p, data, len);
	return request(h, XS_WRITE, t, &p, &reply);
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return request_done(h, FAKE_XS_MKDIR, XS_MKDIR, t, path);
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return request_done(h, FAKE_XS_RM, XS_RM, t, path);
}

/* How many strings there are in len bytes, each with its NUL. */
static unsigned int count_strings(const char *data, size_t len)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++)
		n += !data[i];
	return n;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
		    unsigned int *num)
{
	_cleanup_free_ const char **strings = NULL;
	_cleanup_free_ char *data = NULL;
	unsigned int len, n;
	const char *p;

	data = request_data(h, FAKE_XS_DIRECTORY, XS_DIRECTORY, t, path, &len);
	if (!data)
		return NULL;
	n = count_strings(data, len);
	strings = calloc(n + 1, sizeof(*strings));
	if (!strings)
		return NULL;
	p = data;
	for (unsigned int i = 0; i < n; i++, p += strlen(p) + 1)
		strings[i] = p;
	*num = n;
	return fake_xs_vector(strings, n);
}

static const char perm_letters[] = {
	[XS_PERM_NONE] = 'n',
	[XS_PERM_READ] = 'r',
	[XS_PERM_WRITE] = 'w',
	[XS_PERM_READ | XS_PERM_WRITE] = 'b',
};

/* "r7" */
static struct xs_permissions perm_parse(const char *s)
{
	struct xs_permissions perm = { .id = strtoul(s + 1, NULL, 10) };

	for (size_t i = 0; i < sizeof(perm_letters); i++)
		if (perm_letters[i] == s[0])
			perm.perms = i;
	return perm;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h,
					  xs_transaction_t t, const char *path,
					  unsigned int *num)
{
	_cleanup_free_ char *data = NULL;
	struct xs_permissions *perms;
	unsigned int len;
	const char *p;

	data = request_data(h, FAKE_XS_GET_PERMISSIONS, XS_GET_PERMS, t, path,
			    &len);
	if (!data)
		return NULL;
	*num = count_strings(data, len);
	perms = calloc(*num + 1, sizeof(*perms));
	if (!perms)
		return NULL;
	p = data;
	for (unsigned int i = 0; i < *num; i++, p += strlen(p) + 1)
		perms[i] = perm_parse(p);
	return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t,
			const char *path, struct xs_permissions *perms,
			unsigned int num_perms)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	if (fake_call_here(FAKE_XS_SET_PERMISSIONS))
		return false;
	put_string(&p, path);
	for (unsigned int i = 0; i < num_perms; i++) {
		char s[16];

		if (perms[i].perms >= sizeof(perm_letters))
			return result(-EINVAL);
		snprintf(s, sizeof(s), "%c%u", perm_letters[perms[i].perms],
			 perms[i].id);
		put_string(&p, s);
	}
	return request(h, XS_SET_PERMS, t, &p, &reply);
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	_cleanup_free_ char *id = NULL;

	id = request_data(h, FAKE_XS_TRANSACTION_START, XS_TRANSACTION_START,
			  XBT_NULL, "", NULL);
	return id ? strtoul(id, NULL, 10) : XBT_NULL;
}

static bool transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	put_string(&p, abort ? "F" : "T");
	return request(h, XS_TRANSACTION_END, t, &p, &reply);
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	int err;

	if (!fake_call_here(FAKE_XS_TRANSACTION_END))
		return transaction_end(h, t, abort);
	err = errno;
	transaction_end(h, t, true);
	return result(-err);
}

static bool watch_request(struct xs_handle *h, enum xsd_sockmsg_type type,
			  const char *path, const char *token)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	put_string(&p, path);
	put_string(&p, token);
	return request(h, type, XBT_NULL, &p, &reply);
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	return !fake_call_here(FAKE_XS_WATCH) &&
	       watch_request(h, XS_WATCH, path, token);
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	if (fake_call_here(FAKE_XS_UNWATCH))
		return false;
	if (!watch_request(h, XS_UNWATCH, path, token) && errno != EBADF)
		return false;
	fake_xs_unwatched(h, path, token);
	return true;
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
	char s[16];

	snprintf(s, sizeof(s), "%u", domid);
	return request_data(h, FAKE_XS_GET_DOMAIN_PATH, XS_GET_DOMAIN_PATH,
			    XBT_NULL, s, NULL);
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	_cleanup_free_ char *answer = NULL;
	char s[16];

	snprintf(s, sizeof(s), "%u", domid);
	answer = request_data(h, FAKE_XS_IS_DOMAIN_INTRODUCED,
			      XS_IS_DOMAIN_INTRODUCED, XBT_NULL, s, NULL);
	return answer && *answer == 'T';
}
