#!/bin/sh
# SPDX-License-Identifier: MIT
# layout.sh DOMID: the nodes of the domain's channels c.two and l.pty, with their
# permissions, as J and K of domain N; with what differs from run to run made equal.
device() {
	xenstore-ls -f "/local/domain/0/backend/console/$1" | sed -n "s|.*/\([1-7]\)/name = \"$2\".*|\1|p"
}
j=$(device "$1" c.two) k=$(device "$1" l.pty)
xenstore-ls -fp | sed -nE "
	s|/$1/device/console/$j([\"/ ])|/N/device/console/J\1|g
	s|/$1/device/console/$k([\"/ ])|/N/device/console/K\1|g
	s|backend/console/$1/$j([\"/ ])|backend/console/N/J\1|g
	s|backend/console/$1/$k([\"/ ])|backend/console/N/K\1|g
	s|libxl-channel$j|libxl-channelJ|
	s|(frontend-id = )\"$1\"|\1\"N\"|
	s|/$1-c.two\"|/N-c.two\"|
	s|([(,][nrb])$1([,)])|\1N\2|g
	s|(/id = )\"[0-9a-f]{16}\"|\1\"ID\"|
	s/((ring-ref|port) = )\"[0-9]+\"/\1\"NUMBER\"/
	s|\"/dev/pts/[0-9]+\"|\"/dev/pts/NUMBER\"|
	s|   *\(| (|
	/console\/(N\/)?[JK][/ ]/p" | LC_ALL=C sort
