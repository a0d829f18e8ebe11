#!/bin/sh
# SPDX-License-Identifier: MIT
# xl.cfg's channels: the file "part" says which tests. One line "ok NAME" or "FAIL NAME" a
# test.
# shellcheck disable=SC2034 # lib.sh's
part=$(cat /payload/part)
cd /payload || exit
# shellcheck source=lab/channels/lib.sh
. ./lib.sh
# shellcheck source=lab/dm/dm-lib.sh
. ./dm-lib.sh
dmesg -n 1
: >/tmp/guest.log
mkdir -p /usr/bin
ln -s /payload/xenchan-dm /payload/xenchan /payload/systemctl /usr/bin/
if [ "$part" = dm ]; then
	# shellcheck source=lab/dm/migrate.sh
	. ./migrate.sh
else
	# shellcheck source=lab/dm/devices.sh
	. ./devices.sh
fi
exit $failed
