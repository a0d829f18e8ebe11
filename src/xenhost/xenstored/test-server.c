// SPDX-License-Identifier: MIT
/*
 * A host of its own for tests: xenstored and nothing else. Serves the Unix
 * sockets DIR/<domid>. Reads commands, a line each, and answers each with
 * "ok" or the name of an error; ends with its standard input.
 *
 *	create N	domain N exists
 *	introduce N	... and xenstored serves it
 *	home N		... and has /local/domain/N with data, as xl makes it
 *	destroy N	domain N is gone
 *	fault N OP E	answer domain N's requests OP with errno E; 0 ends it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "xenhost/xenstored/xenstored.h"

#define DOMAINS 1024

struct listener {
	uv_poll_t poll;
	unsigned int domid;
	int fd;
};

static struct {
	const char *dir;
	uv_loop_t loop;
	struct xenstored *xs;
	bool exists[DOMAINS];
	struct listener *listener[DOMAINS];
	unsigned int fault_domid;
	char fault_op[32];
	int fault_error;
} host;

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		xenstored_accept(host.xs, fd, l->domid);
}

static struct sockaddr_un address(unsigned int domid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%u", host.dir,
		 domid);
	return addr;
}

static int listen_for(unsigned int domid)
{
	struct sockaddr_un addr = address(domid);
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	host.listener[domid] = l;
	l->domid = domid;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(l->fd, 1024))
		return -errno;
	uv_poll_init(&host.loop, &l->poll, l->fd);
	l->poll.data = l;
	return uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void stop_listening(unsigned int domid)
{
	struct listener *l = host.listener[domid];

	if (!l)
		return;
	host.listener[domid] = NULL;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
	unlink(address(domid).sun_path);
}

static int introduce(unsigned int domid)
{
	int r = xenstored_introduce(host.xs, domid);

	host.exists[domid] = true;
	return r ? r : listen_for(domid);
}

/* What a toolstack makes for a domain. */
static int make_home(unsigned int domid)
{
	const struct xenstored_perm perms[] = {
		{ 0, XENSTORED_PERM_NONE },
		{ domid, XENSTORED_PERM_READ },
	};
	const struct xenstored_perm own = { domid, XENSTORED_PERM_NONE };
	char path[64];
	int r = introduce(domid);

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	if (!r)
		r = xenstored_mkdir(host.xs, path);
	if (!r)
		r = xenstored_set_perms(host.xs, path, perms, 2);
	snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
	if (!r)
		r = xenstored_mkdir(host.xs, path);
	return r ? r : xenstored_set_perms(host.xs, path, &own, 1);
}

static int destroy(unsigned int domid)
{
	host.exists[domid] = false;
	stop_listening(domid);
	return xenstored_release(host.xs, domid);
}

static int command(const char *line)
{
	char verb[16] = "";
	unsigned int domid = 0;

	if (sscanf(line, "fault %u %31s %d", &host.fault_domid, host.fault_op,
		   &host.fault_error) == 3)
		return 0;
	if (sscanf(line, "%15s %u", verb, &domid) != 2 || domid >= DOMAINS)
		return -EINVAL;
	if (!strcmp(verb, "introduce"))
		return introduce(domid);
	if (!strcmp(verb, "home"))
		return make_home(domid);
	if (!strcmp(verb, "destroy"))
		return destroy(domid);
	host.exists[domid] = true;
	return strcmp(verb, "create") ? -EINVAL : 0;
}

static void on_command(uv_poll_t *poll, int status, int events)
{
	char line[128];
	int r;

	/* Unbuffered, so that poll knows of every line. */
	if (!fgets(line, sizeof(line), stdin)) {
		uv_stop(&host.loop);
		return;
	}
	r = command(line);
	puts(r ? strerrorname_np(-r) : "ok");
}

static bool domain_exists(void *userdata, unsigned int domid)
{
	return domid < DOMAINS && host.exists[domid];
}

static int fault(void *userdata, unsigned int domid, const char *op)
{
	return domid == host.fault_domid && !strcmp(op, host.fault_op)
		       ? host.fault_error
		       : 0;
}

int main(int argc, char **argv)
{
	const struct xenstored_ops ops = { domain_exists, fault };
	uv_poll_t in;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: test-xenstored DIR\n");
		return 2;
	}
	host.dir = argv[1];
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_loop_init(&host.loop);
	r = xenstored_new(&host.xs, &host.loop, &ops, NULL);
	if (!r)
		r = listen_for(0);
	if (r) {
		fprintf(stderr, "test-xenstored: %s\n", strerror(-r));
		return 1;
	}
	uv_poll_init(&host.loop, &in, STDIN_FILENO);
	uv_poll_start(&in, UV_READABLE, on_command);
	puts("ok");
	uv_run(&host.loop, UV_RUN_DEFAULT);
	for (unsigned int i = 0; i < DOMAINS; i++)
		stop_listening(i);
	xenstored_free(host.xs);
	uv_close((uv_handle_t *)&in, NULL);
	uv_run(&host.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&host.loop) != 0;
}
