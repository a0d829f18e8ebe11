// SPDX-License-Identifier: MIT
/* xenchan vchan listen: a server for one client. */
#include <errno.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/hold.h"
#include "cli/host-probe.h"
#include "cli/say.h"
#include "cli/transfer.h"

static const char help[] =
	"usage: xenchan vchan listen -d DOMAIN [options] PATH\n"
	"\n"
	"Offers a vchan to a client in DOMAIN at the xenstore path PATH, "
	"relative to\n"
	"this domain's home or absolute, and connects standard input and "
	"output to it.\n"
	"\n"
	"  -d, --domain DOMAIN      the domain whose client may connect\n"
	"  -t, --timeout DURATION   how long to wait for it: 10, 500ms, 2m; "
	"default never\n"
	"                           gives up\n"
	"      --ring SIZE          size of both rings, up to 1M; default "
	"256K\n"
	"      --ring LEFT,RIGHT    of the ring from and to the client\n"
	"      --eof close          at the end of input, say so, and close "
	"once "
	"the\n"
	"                           client has ended too\n"
	"      --eof keep           go on receiving until the client closes\n"
	"                           default: close if there was input, else "
	"keep\n"
	"      --progress           show progress; default on a terminal\n"
	"      --no-progress, -q, --quiet\n"
	"  -v, --verbose            show what the Xen libraries say\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage, 128+N ended by signal N. See "
	"xenchan-vchan(1).\n";

int command_vchan_listen(int argc, char **argv)
{
	struct transfer t = { .options = { .command = "vchan listen",
					   .is_server = true } };
	struct vchan_options *o = &t.options;
	_cleanup_close_ int name = -1;
	struct libxenvchan *vchan;
	int status;

	if (!transfer_begin(&t, help, argc, argv, &status))
		return status;
	name = hold_path(o->path);
	if (name == -EADDRINUSE)
		return say_failure("%s: path %s: another server of this domain "
				   "is there: stop it, or choose another PATH",
				   o->command, o->path);
	vchan = libxenvchan_server_init(&t.logger.xtl, (int)o->domain, o->path,
					o->left, o->right);
	if (!vchan && host_check(o->command, true))
		return STATUS_FAILED;
	if (!vchan)
		return transfer_say_failure(&t, "cannot serve");
	return transfer_run(&t, vchan);
}
