// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host.h"

uint32_t board_take(struct host *host)
{
	uint32_t page;

	if (host->n_free_pages == 0)
		return HV_NONE;
	page = host->free_pages[--host->n_free_pages];
	memset(board_page(host, page), 0, BOARD_PAGE_SIZE);
	return page;
}

void board_give(struct host *host, uint32_t page)
{
	host->free_pages[host->n_free_pages++] = page;
}

void *board_page(struct host *host, uint32_t page)
{
	return host->board + ((size_t)page << BOARD_PAGE_SHIFT);
}

static int board_init(struct host *host)
{
	void *board;

	host->board_fd =
		memfd_create("xenhost-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (host->board_fd < 0 || ftruncate(host->board_fd, BOARD_SIZE) < 0 ||
	    fcntl(host->board_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	board = mmap(NULL, BOARD_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_NORESERVE, host->board_fd, 0);
	if (board == MAP_FAILED)
		return -errno;
	host->board = board;
	host->free_pages = calloc(BOARD_N_PAGES, sizeof(uint32_t));
	if (!host->free_pages)
		return -ENOMEM;
	for (uint32_t i = BOARD_N_PAGES; i > 0; i--)
		board_give(host, i - 1);
	return 0;
}

static bool store_domain_exists(void *user, unsigned int id)
{
	return domain_find(user, id) != NULL;
}

static const struct {
	const char *op;
	enum fault_kind kind;
} store_faults[] = {
	{ "directory", FAULT_XS_DIRECTORY },
	{ "directory_part", FAULT_XS_DIRECTORY },
	{ "read", FAULT_XS_READ },
	{ "get_perms", FAULT_XS_GET_PERMS },
	{ "watch", FAULT_XS_WATCH },
	{ "unwatch", FAULT_XS_UNWATCH },
	{ "transaction_start", FAULT_XS_TRANSACTION_START },
	{ "transaction_end", FAULT_XS_TRANSACTION_END },
	{ "get_domain_path", FAULT_XS_GET_DOMAIN_PATH },
	{ "write", FAULT_XS_WRITE },
	{ "mkdir", FAULT_XS_MKDIR },
	{ "rm", FAULT_XS_RM },
	{ "set_perms", FAULT_XS_SET_PERMS },
};

static int store_fault(void *user, unsigned int id, const char *op)
{
	struct domain *domain = domain_find(user, id);
	enum fault_kind kind = FAULT_XS_OTHER;

	for (size_t i = 0; i < sizeof(store_faults) / sizeof(*store_faults);
	     i++)
		if (strcmp(op, store_faults[i].op) == 0)
			kind = store_faults[i].kind;
	return domain ? fault_check(domain->shared, kind, NULL) : 0;
}

static void on_signal(uv_signal_t *signal, int number)
{
	host_stop(signal->data);
}

static void on_ctl(void *user)
{
	struct host *host = user;
	int fd = watch_accept(host->ctl);

	if (fd >= 0)
		ctl_accept(host, fd);
}

/* Two descriptors for each vchan, one or two for each process. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int host_init_signals(struct host *host)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	for (int i = 0; i < 2; i++) {
		int r = uv_signal_init(&host->loop, &host->signals[i]);

		host->signals[i].data = host;
		if (r == 0)
			r = uv_signal_start(&host->signals[i], on_signal,
					    numbers[i]);
		if (r < 0)
			return r;
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int host_init(struct host *host)
{
	static const struct xenstored_ops ops = {
		.domain_exists = store_domain_exists,
		.fault = store_fault,
		.linux_guests = true,
	};
	static const struct domain_options dom0 = {
		.grants = GRANT_DEFAULT_LIMIT,
		.ports = PORT_MAX,
	};
	char path[4096];
	int r;

	raise_fd_limit();
	r = board_init(host);
	if (r == 0)
		r = host_init_signals(host);
	if (r == 0)
		r = xenstored_new(&host->store, &host->loop, &ops, host);
	if (r == 0)
		r = domain_create(host, 0, "Domain-0", &dom0);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/ctl", host->dir);
	return watch_listen(&host->ctl, &host->loop, path, SOCK_SEQPACKET,
			    on_ctl, host);
}

int host_new(struct host **host_r, const char *dir)
{
	struct host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->dir = dir;
	host->board_fd = -1;
	list_init(&host->ctl_clients);
	r = uv_loop_init(&host->loop);
	if (r < 0) {
		free(host);
		return r;
	}
	r = host_init(host);
	if (r < 0) {
		host_free(host);
		return r;
	}
	*host_r = host;
	return 0;
}

void host_run(struct host *host)
{
	uv_run(&host->loop, UV_RUN_DEFAULT);
}

void host_stop(struct host *host)
{
	uv_stop(&host->loop);
}

static void close_if_open(uv_handle_t *handle, void *arg)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void host_destroy_domains(struct host *host)
{
	struct domain *domain;
	unsigned int next = 0;

	/* All at once, so that none sees another's end. */
	processes_kill(host, HV_NONE);
	while ((domain = domain_next(host, next))) {
		next = domain->id + 1;
		domain_destroy(domain);
	}
}

void host_free(struct host *host)
{
	char path[4096];

	if (!host)
		return;
	if (host->ctl) {
		snprintf(path, sizeof(path), "%s/ctl", host->dir);
		unlink(path);
	}
	watch_free(TAKE_PTR(host->ctl));
	host_destroy_domains(host);
	ctl_free_all(host);
	xenstored_free(host->store);
	uv_walk(&host->loop, close_if_open, NULL);
	uv_run(&host->loop, UV_RUN_DEFAULT);
	uv_loop_close(&host->loop);
	if (host->board)
		munmap(host->board, BOARD_SIZE);
	if (host->board_fd >= 0)
		close(host->board_fd);
	free(host->free_pages);
	free(host);
}
