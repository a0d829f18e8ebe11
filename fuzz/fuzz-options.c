// SPDX-License-Identifier: MIT
/*
 * Command lines: of vchan listen, connect and proxy, of channel attach and detach,
 * of a device model, and the values within them. The first byte says which; the
 * arguments end with NULs.
 */
#include <errno.h>
#include <getopt.h>

#include "base/parse.h"
#include "cli/command.h"
#include "cli/proxy-options.h"
#include "cli/vchan-options.h"
#include "dm/args.h"
#include "fuzz.h"

#define MAX_ARGS 24

static void parse_vchan(bool is_server, int argc, char **argv)
{
	struct vchan_options o = { .command = "vchan", .is_server = is_server };

	if (vchan_options_parse(&o, argc, argv) == STATUS_DONE && !o.help) {
		fuzz_require(o.path && o.domain <= 32751);
		fuzz_require(o.left <= 1u << 20 && o.right <= 1u << 20);
		free(vchan_absolute_path(o.domain, o.path));
	}
}

static void parse_proxy(int argc, char **argv)
{
	struct proxy_options o;

	if (proxy_options_parse(&o, argc, argv) == STATUS_DONE && !o.help) {
		fuzz_require(o.path && o.domain <= 32751);
		fuzz_require(o.mode <= 0777 && o.max_sessions > 0);
		fuzz_require(o.left <= 1u << 20 && o.right <= 1u << 20);
	}
}

static void parse_device_model(char **argv)
{
	const char *const *args = (const char *const *)argv;
	const char *wrong = NULL;
	struct dm_args a;
	int r = dm_args_parse(&a, args, &wrong);

	fuzz_require(!r || r == -EINVAL || r == -ERANGE || r == -ENOMEM);
	fuzz_require(r != -EINVAL || wrong);
	fuzz_require(r || a.n_channels <= DM_CHANNELS_MAX);
	dm_args_deinit(&a);
	free(dm_args_for_qemu("qemu", args));
}

/*
 * A program parses one command line. The C library's parser remembers where in
 * the one before it has stopped, in memory that is freed here.
 */
static void forget_command_line(void)
{
	char program[] = "xenchan", *argv[] = { program, NULL };

	optind = 0;
	(void)getopt(1, argv, "");
}

/* There is no guest: the whole command, as far as it goes then. */
static void attach_or_detach(bool attach, int argc, char **argv)
{
	int status = (attach ? command_channel_attach
			     : command_channel_detach)(argc, argv);

	fuzz_require(status == STATUS_DONE || status == STATUS_FAILED ||
		     status == STATUS_USAGE);
}

static void parse_values(const char *s)
{
	unsigned int device, mode;
	size_t left, right;
	uint64_t u64;
	uint32_t u32;

	if (!parse_u64(s, 1000, &u64))
		fuzz_require(u64 <= 1000);
	if (!parse_u32(s, 1000, &u32))
		fuzz_require(u32 <= 1000);
	if (!parse_size(s, 1u << 20, &u64))
		fuzz_require(u64 <= 1u << 20);
	if (!parse_duration_ns(s, INT64_MAX, &u64))
		fuzz_require(u64 <= INT64_MAX);
	if (!vchan_parse_rings("vchan", s, &left, &right))
		fuzz_require(left <= 1u << 20 && right <= 1u << 20);
	if (!console_parse_device(s, &device))
		fuzz_require(device >= CONSOLE_DEVICE_MIN &&
			     device <= CONSOLE_DEVICE_MAX);
	if (!console_parse_mode(s, &mode))
		fuzz_require(mode <= 0777);
	if (!console_check_name(s))
		fuzz_require(*s && strlen(s) <= CONSOLE_NAME_MAX &&
			     !strchr(s, '/'));
	if (!console_check_path(s, CONSOLE_SOCKET_MAX))
		fuzz_require(*s == '/' && strlen(s) <= CONSOLE_SOCKET_MAX);
	if (!console_check_id(s))
		fuzz_require(strlen(s) == CONSOLE_ID_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char program[] = "xenchan", *argv[MAX_ARGS + 2] = { program }, *text;
	struct fuzz_input in = { data, size };
	uint8_t which = fuzz_u8(&in);
	size_t n = in.left;
	int argc = 1;

	text = malloc(n + 1);
	if (!text)
		abort();
	fuzz_take(&in, text, n);
	text[n] = '\0';
	for (size_t at = 0; at < n && argc <= MAX_ARGS; argc++) {
		argv[argc] = text + at;
		at += strlen(text + at) + 1;
	}
	argv[argc] = NULL;
	forget_command_line();
	/* Of the first 250, the five that there were keep their numbers. */
	if (which >= 250)
		attach_or_detach(which & 1, argc, argv);
	else if (which % 5 < 2)
		parse_vchan(which % 5, argc, argv);
	else if (which % 5 == 2)
		parse_proxy(argc, argv);
	else if (which % 5 == 3)
		parse_device_model(argv);
	else
		parse_values(text);
	free(text);
	return 0;
}
