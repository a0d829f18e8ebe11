// SPDX-License-Identifier: MIT
/*
 * The counters of a program's vchans, as `xenchan vchan stats` reads them of any
 * process whose descriptors it may look at: the input is the file, of which the
 * process's number, without which it is not looked at, is put right.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "cli/stats-scan.h"
#include "fuzz.h"

static void write_file(int fd, const uint8_t *data, size_t size)
{
	uint32_t pid = (uint32_t)getpid();

	fuzz_require(write(fd, data, size) == (ssize_t)size);
	if (size >= sizeof(struct stats_header))
		fuzz_require(pwrite(fd, &pid, sizeof(pid),
				    offsetof(struct stats_header, pid)) ==
			     sizeof(pid));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create(STATS_FILE_NAME, MFD_CLOEXEC);
	struct stats_list list = { 0 };

	fuzz_require(fd >= 0);
	write_file(fd, data, size);
	fuzz_require(!stats_scan_process(&list, (unsigned int)getpid()));
	for (size_t i = 0; i < list.n_rows; i++) {
		const struct stats_row *row = &list.rows[i];

		fuzz_require(strlen(row->program) < sizeof(row->program));
		fuzz_require(strlen(row->slot.path) < sizeof(row->slot.path));
		fuzz_require(row->slot.generation);
		fuzz_require(stats_list_find(&list, row) == row);
	}
	stats_list_deinit(&list);
	close(fd);
	return 0;
}
