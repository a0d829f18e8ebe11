// SPDX-License-Identifier: MIT
/*
 * xenchanneld: the backend of PV channels, for all guests of a domain.
 *
 * One process and one loop. server.c finds the channels of this backend domain
 * in xenstore and gives each its turn; channel-life.c takes one through its life,
 * which is the table in life.c; channel-link.c takes up the guest's ring and lets
 * it go; channel-move.c moves its bytes: out of the ring (link.c, console/ring.h)
 * into a spool (spool.c), from there to the client of a socket or a terminal
 * (sink-*.c), and back; channel.c is what the server knows of it.
 *
 * Nothing is kept but in the nodes, which the toolstack writes, and in the
 * spools: the process can be killed at any instruction, and the next one goes
 * on where it was. That is also how it ends: stopping it does nothing to the
 * channels.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "backend/daemon.h"
#include "backend/keeper.h"
#include "toolstack/control.h"

static const char help[] =
	"usage: xenchanneld [options]\n"
	"\n"
	"Serves the PV channels of this domain's guests.\n"
	"\n"
	"      --run-dir DIR    where spools and the control socket are;\n"
	"                       default " CONTROL_RUN_DIR "\n"
	"      --all            serve devices of all types: for a driver "
	"domain, where no\n"
	"                       QEMU and no xenconsoled run\n"
	"      --keeper         start it again if it is killed, and keep its "
	"clients\n"
	"                       connected meanwhile: for where there is no "
	"systemd\n"
	"      --debug          log what happens\n"
	"  -h, --help           this text\n"
	"  -V, --version        print the version\n"
	"\n"
	"It stays in the foreground. SIGHUP makes it reopen the logs. See "
	"xenchanneld(8).\n";

enum {
	EXIT_USAGE = 2,
	OPTION_RUN_DIR = 0x100,
	OPTION_ALL,
	OPTION_DEBUG,
	OPTION_KEEPER,
};

static const struct option long_options[] = {
	{ "run-dir", required_argument, NULL, OPTION_RUN_DIR },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "keeper", no_argument, NULL, OPTION_KEEPER },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct daemon_options o = { .run_dir = CONTROL_RUN_DIR };
	bool keeper = false;
	int option;

	while ((option = getopt_long(argc, argv, "+hV", long_options, NULL)) !=
	       -1) {
		switch (option) {
		case OPTION_RUN_DIR:
			o.run_dir = optarg;
			break;
		case OPTION_ALL:
			o.all_types = true;
			break;
		case OPTION_DEBUG:
			o.debug = true;
			break;
		case OPTION_KEEPER:
			keeper = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("xenchanneld " XENCHAN_VERSION);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "xenchanneld: %s: takes options only\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	/* What the keeper starts has its options, and is not to be another. */
	if (keeper && !keeper_is_parent())
		return keeper_run(argv);
	/* What the keeper executes is /proc/self/exe, and the kernel would call us "exe". */
	prctl(PR_SET_NAME, "xenchanneld");
	return daemon_run(&o);
}
