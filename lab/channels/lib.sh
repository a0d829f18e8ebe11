# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2034,SC2154 # variables are shared with who sources it
# What the tests of channels share; sourced by a dom0.sh. One line "ok PART: NAME" or
# "FAIL PART: NAME" a test. lab-run's commands stand in single quotes: none inside them.
XC=/payload/xenchan
D=/local/domain
failed=0
export LAB_RUN_LIMIT=120

test_begin() {
	name=$*
	echo "# begin $name"
	rm -f /tmp/t.*
	started=$(seconds)
}
bad() { # bad WHAT: this one has failed, but goes on
	echo "  | $*" | tee -a /tmp/t.bad
}
test_end() { # test_end [STATUS]: 0 and nothing bad
	took=$(($(seconds) - started))
	if [ "${1:-0}" = 0 ] && [ ! -e /tmp/t.bad ]; then
		echo "ok $part: $name ($took s)"
	else
		echo "FAIL $part: $name ($took s)"
		tail -n 8 /tmp/t.* 2>/dev/null | sed 's/^/  | /'
		$XC channel list 2>&1 | sed 's/^/  | /'
		autopsy 2>&1 | sed 's/^/  | /'
		failed=1
	fi
}
measured() { echo "$*" | tee -a /out/measured.txt; }
seconds() { cut -d. -f1 /proc/uptime; }

# within SECONDS COMMAND...: until it succeeds
within() {
	end=$(($(seconds) + $1))
	shift
	until "$@"; do
		[ "$(seconds)" -lt $end ] || return 1
		sleep 0.1
	done 2>/dev/null
}
absent() { ! xenstore-ls "$1" >/dev/null 2>&1; }
is() { [ "$(xenstore-read "$1" 2>/dev/null)" = "$2" ]; }

# attach DOMID NAME [OPTION...]: a socket
attach() {
	d=$1 n=$2
	shift 2
	$XC channel attach -d "$d" "$n" --socket "/run/$d-$n" "$@" >>/tmp/t.attach 2>&1
}
detach() { $XC channel detach -t 60 -d "$1" "$2" >>/tmp/t.detach 2>&1; }

# The guest's end is held by a process of ours for as long as the channel is there
opened() { # opened DOMID NAME
	LAB_RUN_LIMIT=900 lab-run "$1" "cd /payload; ./xenchan channel open -t 60 $2 --exec ./agent" >>/tmp/open.log 2>&1 &
}
