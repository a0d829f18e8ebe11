// SPDX-License-Identifier: MIT
#include "backend/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "backend/control.h"
#include "backend/fd-store.h"
#include "backend/log.h"
#include "backend/privilege.h"
#include "backend/server.h"
#include "base/cleanup.h"
#include "base/parse.h"

struct daemon {
	uv_loop_t loop;
	int run_dir, lock; /* owned */
	struct fd_store *store;
	struct control *control;
	struct server *server;
	uv_signal_t on_term, on_int, on_hup;
	uv_timer_t watchdog;
	bool failed;
};

static void on_stop(uv_signal_t *handle, int signum)
{
	uv_stop(handle->loop);
}

static void on_reopen(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	log_info("reopening the logs");
	server_reopen_logs(d->server);
}

static void on_watchdog(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	fd_store_feed_watchdog(d->store);
}

static void on_lost(void *userdata)
{
	struct daemon *d = userdata;

	log_error("xenstore is gone");
	d->failed = true;
	uv_stop(&d->loop);
}

static void on_event(void *userdata, const struct channel *c, const char *what,
		     const char *detail)
{
	struct daemon *d = userdata;

	control_tell(d->control, c, what, detail);
}

/* Its mode shall not depend on who made it; its contents are secrets. */
static int open_run_dir(struct daemon *d, const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	d->run_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->run_dir < 0 || fstat(d->run_dir, &st))
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	d->lock = openat(d->run_dir, "lock",
			 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0 || flock(d->lock, LOCK_EX | LOCK_NB))
		return -errno;
	return 0;
}

static int say(int r, const char *what, const char *path)
{
	if (r == -EWOULDBLOCK && path)
		log_error("another xenchanneld runs in %s", path);
	else if (r == -EPERM && path)
		log_error("%s: it has to be this user's, and nobody else may "
			  "write to it",
			  path);
	else
		log_error("cannot %s%s%s: %s", what, path ? " " : "",
			  path ? path : "", strerror(-r));
	return r;
}

static void start_watchdog(struct daemon *d)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t usec;

	uv_timer_init(&d->loop, &d->watchdog);
	d->watchdog.data = d;
	if (text && !parse_u64(text, UINT64_MAX, &usec) && usec >= 2000)
		uv_timer_start(&d->watchdog, on_watchdog, 0, usec / 2000);
}

static void start_signals(struct daemon *d)
{
	struct {
		uv_signal_t *handle;
		uv_signal_cb fn;
		int signum;
	} all[] = {
		{ &d->on_term, on_stop, SIGTERM },
		{ &d->on_int, on_stop, SIGINT },
		{ &d->on_hup, on_reopen, SIGHUP },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uv_signal_init(&d->loop, all[i].handle);
		all[i].handle->data = d;
		uv_signal_start(all[i].handle, all[i].fn, all[i].signum);
	}
}

static int start(struct daemon *d, const struct daemon_options *o)
{
	struct server_config config = { .all_types = o->all_types,
					.event = on_event,
					.userdata = d };
	const char *what;
	int r = open_run_dir(d, o->run_dir);

	if (r)
		return say(r, "use", o->run_dir);
	r = fd_store_new(&d->store);
	if (r)
		return say(r, "take over descriptors", NULL);
	r = control_new(&d->control, &d->loop, d->run_dir);
	if (r)
		return say(r, "listen in", o->run_dir);
	config.run_dir = d->run_dir;
	config.store = d->store;
	r = server_new(&d->server, &d->loop, &config, on_lost, &what);
	if (r)
		return say(r, what, NULL);
	control_set_server(d->control, d->server);
	r = privilege_drop();
	return r ? say(r, "drop privileges", NULL) : 0;
}

static void close_handle(uv_handle_t *handle, void *userdata)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* What is not closed here is as the next process wants to find it. */
static void stop(struct daemon *d)
{
	if (d->control)
		control_set_server(d->control, NULL);
	server_free(d->server);
	control_free(d->control);
	uv_walk(&d->loop, close_handle, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	fd_store_free(d->store);
	if (d->lock >= 0)
		close(d->lock);
	if (d->run_dir >= 0)
		close(d->run_dir);
}

int daemon_run(const struct daemon_options *o)
{
	struct daemon d = { .run_dir = -1, .lock = -1 };
	int r = uv_loop_init(&d.loop);

	if (r)
		return EXIT_FAILURE;
	if (o->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	privilege_raise_fd_limit();
	start_signals(&d);
	start_watchdog(&d);
	r = start(&d, o);
	if (!r) {
		log_debug("ready");
		fd_store_notify(d.store, "READY=1");
		uv_run(&d.loop, UV_RUN_DEFAULT);
		fd_store_notify(d.store, "STOPPING=1");
	}
	stop(&d);
	return r || d.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
