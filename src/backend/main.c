// SPDX-License-Identifier: MIT
/*
 * xenchanneld: the backend of PV channels, for all guests of a domain.
 *
 * One process and one loop. server.c finds the channels of this backend domain
 * in xenstore and gives each its turn; channel.c takes one through its life,
 * which is the table in life.c; channel-move.c moves its bytes: out of the
 * guest's ring (link.c, console/ring.h) into a spool (spool.c), from there to
 * the client of a socket or a terminal (sink-*.c), and back.
 *
 * Nothing is kept but in the nodes, which the toolstack writes, and in the
 * spools: the process can be killed at any instruction, and the next one goes
 * on where it was. That is also how it ends: stopping it does nothing to the
 * channels.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/daemon.h"
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
};

static const struct option long_options[] = {
	{ "run-dir", required_argument, NULL, OPTION_RUN_DIR },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct daemon_options o = { .run_dir = CONTROL_RUN_DIR };
	int option;

	while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) !=
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
	return daemon_run(&o);
}
