# SPDX-License-Identifier: MIT
# For the end-to-end tests: a host of their own, gone when they are.
#
# XENHOST and VCHAN_PEER name the programs (meson.build). A test calls
# `host ID...` once, with the domains that it wants, then `dom ID COMMAND...`,
# and `fail TEXT` or `skip TEXT`.
# shellcheck shell=sh
set -eu

fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "SKIP: $*"; exit 77; }

host() {
	dir=$(mktemp -d "${TMPDIR:-/tmp}/xh.XXXXXX")
	XENHOST_DIR=$dir/h
	export XENHOST_DIR
	trap host_down EXIT
	trap 'exit 1' INT TERM HUP
	"$XENHOST" up
	# All before any runs: as on Xen, a node's permission for a domain that
	# does not exist yet is void.
	for id; do
		"$XENHOST" create "$id" "domu$id" >/dev/null
	done
}

host_down() {
	status=$?
	trap - EXIT
	"$XENHOST" down || status=1
	if [ -e "$XENHOST_DIR" ]; then
		echo "FAIL: down left $(ls -A "$XENHOST_DIR")" >&2
		status=1
	fi
	rm -rf "$dir"
	exit "$status"
}

dom() {
	dom_id=$1
	shift
	"$XENHOST" run -d "$dom_id" -- "$@"
}

# column NAME ID: what `xenhost list` says of a domain.
column() {
	"$XENHOST" list --tsv | awk -F '\t' -v name="$1" -v id="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
		NR > 1 && $1 == id { print $c }'
}

# wait_for COMMAND...: until it succeeds, 30 seconds at most.
wait_for() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 1500 ] || fail "timed out waiting for: $*"
		sleep 0.02
	done
}

# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"; }
