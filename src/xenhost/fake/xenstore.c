// SPDX-License-Identifier: MIT
/*
 * libxenstore: each call makes one request of the wire protocol and hands it
 * to a store in this process. One lock serialises the store and the queues of
 * watch events.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "xenhost/fake/private.h"
#include "xenhost/fake/store.h"

struct event {
	struct list link;
	char **vec; /* as libxenstore returns it: one block */
};

/*
 * A handle acts as whoever uses it: a program shares one between all that it
 * does, and here that may be the work of several domains. So it has one
 * connection for each process that has used it.
 */
struct connection {
	struct list link; /* handle->connections */
	unsigned int domid, process;
	struct store_conn *store; /* NULL: the process died */
};

struct xs_handle {
	struct fake_handle h;
	struct list link;        /* handles */
	struct list connections; /* struct connection */
	bool unwatch_filter;
	int fd; /* made by xs_fileno; readable while there are events */
	struct list events;
	pthread_cond_t arrived;
};

/* Taken inside fake_lock(), never the other way round. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list handles = LIST_INIT(handles);
static bool introduced[FAKE_DOMIDS_N];

static void cleanup_replyp(struct store_reply *r)
{
	free(r->data);
}

static void set_readable(struct xs_handle *h)
{
	eventfd_t ignored;

	if (h->fd < 0)
		return;
	eventfd_read(h->fd, &ignored);
	if (!list_empty(&h->events))
		eventfd_write(h->fd, 1);
}

/* Pointers to n strings, and behind them the strings, in one block. */
static char **vector(const char *const *strings, unsigned int n)
{
	size_t size = n * sizeof(char *);
	char **vec, *p;

	for (unsigned int i = 0; i < n; i++)
		size += strlen(strings[i]) + 1;
	vec = malloc(size ? size : 1);
	if (!vec)
		return NULL;
	p = (char *)(vec + n);
	for (unsigned int i = 0; i < n; i++) {
		vec[i] = p;
		p = stpcpy(p, strings[i]) + 1;
	}
	return vec;
}

static void event_free(struct event *e)
{
	list_remove(&e->link);
	free(e->vec);
	free(e);
}

static void event_arrived(void *arg, const char *path, const char *token)
{
	const char *const strings[] = { path, token };
	struct xs_handle *h = arg;
	struct event *e = malloc(sizeof(*e));

	if (!e)
		return;
	e->vec = vector(strings, 2);
	list_append(&h->events, &e->link);
	set_readable(h);
	pthread_cond_broadcast(&h->arrived);
}

static struct connection *
connection_new(struct xs_handle *h, unsigned int domid, unsigned int process)
{
	_cleanup_free_ struct connection *c = calloc(1, sizeof(*c));

	if (!c || domid >= FAKE_DOMIDS_N || !introduced[domid])
		return NULL;
	c->domid = domid;
	c->process = process;
	c->store = store_connect(domid, event_arrived, h);
	if (!c->store)
		return NULL;
	list_append(&h->connections, &c->link);
	return TAKE_PTR(c);
}

/* That of the calling thread, with the lock held; NULL: it is dead. */
static struct store_conn *connection(struct xs_handle *h)
{
	unsigned int domid, process;
	struct connection *c;
	struct list *l;

	fake_current(&domid, &process);
	list_for_each (l, &h->connections) {
		c = list_entry(l, struct connection, link);
		if (c->domid == domid && c->process == process)
			return c->store;
	}
	c = connection_new(h, domid, process);
	return c ? c->store : NULL;
}

struct xs_handle *xs_open(unsigned long flags)
{
	unsigned int domid, process;
	struct xs_handle *h;

	fake_current(&domid, &process);
	if (fake_call(FAKE_XS_OPEN, domid))
		return NULL;
	h = fake_handle_open(FAKE_XS_HANDLES, sizeof(*h));
	if (!h)
		return NULL;
	h->unwatch_filter = flags & XS_UNWATCH_FILTER;
	h->fd = -1;
	list_init(&h->events);
	list_init(&h->connections);
	pthread_cond_init(&h->arrived, NULL);
	pthread_mutex_lock(&lock);
	list_append(&handles, &h->link);
	pthread_mutex_unlock(&lock);
	return h;
}

static void connection_end(struct connection *c)
{
	if (c->store)
		store_disconnect(c->store);
	c->store = NULL;
}

void fake_xs_end(unsigned int domid, int process)
{
	struct list *l, *m;

	pthread_mutex_lock(&lock);
	list_for_each (l, &handles) {
		struct xs_handle *h = list_entry(l, struct xs_handle, link);

		list_for_each (m, &h->connections) {
			struct connection *c =
				list_entry(m, struct connection, link);

			if (c->domid == domid &&
			    (process < 0 || c->process == (unsigned)process))
				connection_end(c);
		}
		pthread_cond_broadcast(&h->arrived);
	}
	pthread_mutex_unlock(&lock);
}

static void handle_end(struct xs_handle *h)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &h->connections) {
		struct connection *c = list_entry(l, struct connection, link);

		connection_end(c);
		free(c);
	}
	list_for_each_safe (l, next, &h->events)
		event_free(list_entry(l, struct event, link));
	list_remove(&h->link);
}

void xs_close(struct xs_handle *h)
{
	if (!h)
		return;
	fake_lock();
	fake_handle_detach(&h->h);
	fake_unlock();
	pthread_mutex_lock(&lock);
	handle_end(h);
	pthread_mutex_unlock(&lock);
	if (h->fd >= 0)
		close(h->fd);
	pthread_cond_destroy(&h->arrived);
	free(h);
}

/* In a child, on its copy of everything: the parent's is untouched. */
void xs_daemon_destroy_postfork(struct xs_handle *h)
{
	xs_close(h);
}

void fake_xs_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void fake_xs_fork_done(void)
{
	pthread_mutex_unlock(&lock);
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

static int call(enum fake_host_call kind)
{
	return fake_call(kind, fake_host_domain());
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
	struct store_conn *c;
	int r;

	if (p->too_long)
		return result(-E2BIG);
	pthread_mutex_lock(&lock);
	c = connection(h);
	r = c ? store_request(c, type, t, p->data, p->len, reply) : -EBADF;
	pthread_mutex_unlock(&lock);
	return result(r);
}

/* A request whose only argument is a string, answered with "OK". */
static bool request_done(struct xs_handle *h, enum fake_host_call kind,
			 enum xsd_sockmsg_type type, xs_transaction_t t,
			 const char *arg)
{
	_cleanup_(cleanup_replyp) struct store_reply reply = { 0 };
	struct payload p = { .len = 0 };

	if (call(kind))
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

	if (call(kind))
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

	if (call(FAKE_XS_WRITE))
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
	return vector(strings, n);
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

	if (call(FAKE_XS_SET_PERMISSIONS))
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

	if (!call(FAKE_XS_TRANSACTION_END))
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
	return !call(FAKE_XS_WATCH) && watch_request(h, XS_WATCH, path, token);
}

static void drop_events(struct xs_handle *h, const char *path,
			const char *token)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &h->events) {
		struct event *e = list_entry(l, struct event, link);
		size_t n = strlen(path);

		if (!strcmp(e->vec[XS_WATCH_TOKEN], token) &&
		    !strncmp(e->vec[XS_WATCH_PATH], path, n) &&
		    strchr("/", e->vec[XS_WATCH_PATH][n]))
			event_free(e);
	}
	set_readable(h);
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	if (call(FAKE_XS_UNWATCH))
		return false;
	if (!watch_request(h, XS_UNWATCH, path, token) && errno != EBADF)
		return false;
	if (!h->unwatch_filter)
		return true;
	pthread_mutex_lock(&lock);
	drop_events(h, path, token);
	pthread_mutex_unlock(&lock);
	return true;
}

/* As in libxenstore, from here on the descriptor follows the queue. */
int xs_fileno(struct xs_handle *h)
{
	int fd;

	pthread_mutex_lock(&lock);
	if (h->fd < 0) {
		h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		set_readable(h);
	}
	fd = h->fd;
	pthread_mutex_unlock(&lock);
	return fd;
}

static char **take_event(struct xs_handle *h, bool wait)
{
	struct event *e;
	char **vec;

	while (wait && connection(h) && list_empty(&h->events))
		pthread_cond_wait(&h->arrived, &lock);
	if (!connection(h) || list_empty(&h->events)) {
		errno = connection(h) ? EAGAIN : EBADF;
		return NULL;
	}
	e = list_entry(h->events.next, struct event, link);
	vec = TAKE_PTR(e->vec);
	event_free(e);
	set_readable(h);
	return vec;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **vec;

	if (call(FAKE_XS_CHECK_WATCH))
		return NULL;
	pthread_mutex_lock(&lock);
	vec = take_event(h, false);
	pthread_mutex_unlock(&lock);
	return vec;
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
	char **vec;

	if (call(FAKE_XS_READ_WATCH))
		return NULL;
	pthread_mutex_lock(&lock);
	vec = take_event(h, true);
	pthread_mutex_unlock(&lock);
	if (vec)
		*num = 2;
	return vec;
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

void fake_xs_domain_created(unsigned int domid)
{
	pthread_mutex_lock(&lock);
	introduced[domid] = true;
	store_domain_created(domid);
	pthread_mutex_unlock(&lock);
}

void fake_xs_domain_destroyed(unsigned int domid)
{
	pthread_mutex_lock(&lock);
	introduced[domid] = false;
	store_domain_destroyed(domid);
	pthread_mutex_unlock(&lock);
}

void fake_xs_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(introduced, 0, sizeof(introduced));
	store_reset();
	pthread_mutex_unlock(&lock);
}

unsigned int fake_xs_live(int domid, enum fake_host_resource what)
{
	unsigned int n = 0;

	pthread_mutex_lock(&lock);
	if (what == FAKE_WATCHES)
		n = store_watches(domid);
	else if (what == FAKE_TRANSACTIONS)
		n = store_transactions(domid);
	else if (what == FAKE_NODES)
		n = store_nodes(domid);
	pthread_mutex_unlock(&lock);
	return n;
}
