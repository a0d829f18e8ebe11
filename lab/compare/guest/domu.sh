#!/bin/sh
# SPDX-License-Identifier: MIT
# In each guest, whoever serves its channels: the kernel's terminals say "up" until a line
# comes, then echo.
serve() {
	# The node is there before the channel is
	until true <>"$1"; do sleep 0.05; done 2>/dev/null
	exec <>"$1" >&0
	stty raw -echo
	while :; do
		echo up
		sleep 0.1
	done &
	read -r _
	kill $!
	exec cat
}
serve /dev/hvc1 &
serve /dev/hvc2 &
exec /lab/lab-serve
