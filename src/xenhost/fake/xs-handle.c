// SPDX-License-Identifier: MIT
#include "xenhost/fake/xs-handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xenhost/fake/private.h"

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

static void set_readable(struct xs_handle *h)
{
	eventfd_t ignored;

	if (h->fd < 0)
		return;
	eventfd_read(h->fd, &ignored);
	if (!list_empty(&h->events))
		eventfd_write(h->fd, 1);
}

char **fake_xs_vector(const char *const *strings, unsigned int n)
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
	e->vec = fake_xs_vector(strings, 2);
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
	struct xs_handle *h;

	if (fake_call_here(FAKE_XS_OPEN))
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

int fake_xs_request(struct xs_handle *h, enum xsd_sockmsg_type type,
		    xs_transaction_t t, const char *data, size_t len,
		    struct store_reply *reply)
{
	struct store_conn *c;
	int r;

	pthread_mutex_lock(&lock);
	c = connection(h);
	r = c ? store_request(c, type, t, data, len, reply) : -EBADF;
	pthread_mutex_unlock(&lock);
	return r;
}

void fake_xs_unwatched(struct xs_handle *h, const char *path, const char *token)
{
	size_t n = strlen(path);
	struct list *l, *next;

	if (!h->unwatch_filter)
		return;
	pthread_mutex_lock(&lock);
	list_for_each_safe (l, next, &h->events) {
		struct event *e = list_entry(l, struct event, link);

		if (!strcmp(e->vec[XS_WATCH_TOKEN], token) &&
		    !strncmp(e->vec[XS_WATCH_PATH], path, n) &&
		    strchr("/", e->vec[XS_WATCH_PATH][n]))
			event_free(e);
	}
	set_readable(h);
	pthread_mutex_unlock(&lock);
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

	if (fake_call_here(FAKE_XS_CHECK_WATCH))
		return NULL;
	pthread_mutex_lock(&lock);
	vec = take_event(h, false);
	pthread_mutex_unlock(&lock);
	return vec;
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
	char **vec;

	if (fake_call_here(FAKE_XS_READ_WATCH))
		return NULL;
	pthread_mutex_lock(&lock);
	vec = take_event(h, true);
	pthread_mutex_unlock(&lock);
	if (vec)
		*num = 2;
	return vec;
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
