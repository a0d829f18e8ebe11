// SPDX-License-Identifier: MIT
/*
 * The interface as the distribution's header declares it, for test-abi.sh: this
 * is compiled against <libxenvchan.h> of the system, never against ours.
 */
#include <libxenvchan.h>

struct libxenvchan *libxenvchan_server_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path,
					    size_t read_min, size_t write_min)
{
	return 0;
}

struct libxenvchan *libxenvchan_client_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path)
{
	return 0;
}

void libxenvchan_close(struct libxenvchan *ctrl)
{
}

int libxenvchan_recv(struct libxenvchan *ctrl, void *data, size_t size)
{
	return 0;
}

int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size)
{
	return 0;
}

int libxenvchan_send(struct libxenvchan *ctrl, const void *data, size_t size)
{
	return 0;
}

int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size)
{
	return 0;
}

int libxenvchan_wait(struct libxenvchan *ctrl)
{
	return 0;
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
	return 0;
}

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
	return 0;
}

int libxenvchan_data_ready(struct libxenvchan *ctrl)
{
	return 0;
}

int libxenvchan_buffer_space(struct libxenvchan *ctrl)
{
	return 0;
}
