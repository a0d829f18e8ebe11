#!/bin/bash
# SPDX-License-Identifier: MIT
# check.sh [selftest|fidelity|traffic|ends|calls|bench|channels|channel-stall|channel-ends|life|
#           others|dm|dm-devices|compare|compare-full]...
# - the tests on a real Xen, in as many boots as there are names, without a name in all of
# these but the last; two at a time if there are processors and memory for that (or
# XENLAB_LANES). One line "ok", "FAIL" or "skip" a test, the counts at the end. Status 77: this
# machine cannot run them.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
build=./build-check/lab
logs=$build/logs
failed=0

result() {
	echo "$*"
	[ "$1" != FAIL ] || failed=$((failed + 1))
}

# Not in the form of results
tail_of() {
	tail -n 60 "$1" | sed 's/^/  | /'
}

# boot NAME OPTION...: boot with the payload in $build/payload-NAME
boot() {
	local name=$1
	shift
	rm -rf "${logs:?}/$name"
	# shellcheck disable=SC2086 # several options
	lab/run-lab.sh -o "$logs/$name" "$@" ${XENLAB_OPTIONS:-} "$build/payload-$name" >"$logs/$name.log" 2>&1
}

# payload NAME FILE...
payload() {
	local dir=$build/payload-$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -L "$@" "$dir/"
}

# libraries NAME PROGRAM...: what these need that dom0 does not have, and our libxenvchan
libraries() {
	local dir=$build/payload-$1/lib
	shift
	mkdir "$dir"
	ldd "$@" | awk '/libuv|libcap-ng|libjson-c/ { print $3 }' | sort -u |
		xargs -I{} cp -L {} "$dir/"
	cp -L $build/src/vchan/libxenvchan.so.4.17 "$dir/"
}

# The payload's own lines "ok NAME" and "FAIL NAME"; a run that fails without one, or
# ends before it is through, is a failure of its own.
adopt_results() {
	local name=$1 status=$2 before=$failed line
	while read -r line; do
		result "${line%% *}" "${line#* }"
	done < <(sed -nE 's/\r*$//; /^(ok|FAIL|skip) /p' "$logs/$name.log")
	[ "$status" = 0 ] || [ "$failed" != "$before" ] ||
		result FAIL "$name: status $status, $(sed -n 's/^xenlab: out of time/out of time/p' "$logs/$name.log")"
	[ "$failed" = "$before" ] || tail_of "$logs/$name.log"
}

check_fidelity() {
	local status=0 name expected
	payload fidelity lab/fidelity/guest/* lab/fidelity/scripts/*.ops \
		$build/lab/fidelity/fidelity{,-agent}
	boot fidelity -n 3 -u 128 -t 900 || status=$?
	for expected in lab/fidelity/expected/*.txt; do
		name=$(basename "$expected" .txt)
		if diff -u "$expected" "$logs/fidelity/$name.txt"; then
			result ok "fidelity $name ($(grep -c ' -> ' "$expected") operations)"
		else
			result FAIL "fidelity $name: real Xen says something else now"
		fi
	done
	adopt_results fidelity $status
}

# vchan PART: what lab/vchan/guest/dom0.sh has under that name
vchan() {
	local status=0 part=$1
	payload "$part" lab/vchan/guest/* $build/lab/vchan/{vchan-peer,vchan-faults,count-events.so}
	mkdir "$build/payload-$part/ours"
	cp -L $build/src/vchan/libxenvchan.so.4.17 "$build/payload-$part/ours/"
	echo "$part" >"$build/payload-$part/part"
	steps_of doc/admin.md "$build/payload-$part/admin"
	cp -L $build/src/cli/xenchan "$build/payload-$part/admin/"
	boot "$part" -n 2 -u 128 -t 900 || status=$?
	adopt_results "$part" $status
}

# steps_of FILE DIR: the commands in it, one file a block; its first line says where it runs
steps_of() {
	mkdir "$2"
	awk -v dir="$2" '
		/^```$/ { file = "" }
		file { print >file }
		/^```sh / {
			file = sprintf("%s/step-%02d", dir, ++n)
			sub(/^```sh/, "#")
			print >file
		}' "$1"
}

# Calls a message, of 200; as in doc/performance.md
print_events() {
	echo "| messages | library | writer: notify | pending | reader: notify | pending |"
	echo "|---|---|---|---|---|---|"
	awk '{ n[$2 " " $3 " " $1 " " $4] = sprintf("%.3f | %.3f", $5 / 200, $6 / 200) }
		END {
			split("send echo", kinds)
			split("64 4096 65536", sizes)
			split("ours xen", libs)
			for (k = 1; k <= 2; k++) for (s = 1; s <= 3; s++) for (l = 1; l <= 2; l++) {
				key = kinds[k] " " sizes[s] " " libs[l] " "
				print "| " kinds[k] ", " sizes[s] " B | " (libs[l] == "xen" ? "Xen\047s" : "ours") \
					" | " n[key "client"] " | " n[key "server"] " |"
			}
		}' "$1"
}

check_traffic() {
	vchan traffic
	[ ! -e $logs/traffic/events.txt ] || print_events $logs/traffic/events.txt
}

check_ends() {
	vchan ends
	cat $logs/ends/{deaths,faults-*}.txt 2>/dev/null | sed 's/^/     /'
}

check_calls() {
	local status=0
	payload calls lab/calls/guest/* $build/lab/calls/{vchan-calls,socket-echo} \
		$build/lab/vchan/vchan-peer $build/src/cli/xenchan
	mkdir "$build/payload-calls/ours"
	cp -L $build/src/vchan/libxenvchan.so.4.17 "$build/payload-calls/ours/"
	boot calls -n 2 -u 128 -t 900 || status=$?
	adopt_results calls $status
	sed 's/^/     /' $logs/calls/measured.txt 2>/dev/null
}

check_bench() {
	local status=0
	payload bench lab/bench/guest/*
	mkdir "$build"/payload-bench/{bin,bench,ours}
	cp -L $build/src/cli/xenchan "$build/payload-bench/bin/"
	cp -L $build/src/bench/xenchan-vchan-bench "$build/payload-bench/bench/"
	cp -L $build/src/vchan/libxenvchan.so.4.17 "$build/payload-bench/ours/"
	boot bench -n 2 -u 128 -t 900 || status=$?
	adopt_results bench $status
	[ -s $logs/bench/64K.json ] && [ -s $logs/bench/1M.json ] || return
	# Times of an emulator are shown, not judged
	bench/run --results $logs/bench/64K.json --results $logs/bench/1M.json \
		T1 T4 T8 T14 2>&1 | sed 's/^/     /'
}

# channels PART [OPTION...]: what lab/channels/guest/dom0.sh has under that name
channels() {
	local status=0 part=$1
	shift
	payload "$part" lab/channels/lib.sh lab/channels/guest/* lab/channels/layout.txt \
		$build/lab/channels/channel-peer $build/src/cli/xenchan $build/src/backend/xenchanneld
	echo "$part" >"$build/payload-$part/part"
	libraries "$part" $build/src/backend/xenchanneld
	steps_of doc/admin-channels.md "$build/payload-$part/admin"
	boot "$part" "$@" -n 2 -u 128 -t 900 || status=$?
	adopt_results "$part" $status
	sed 's/^/     /' "$logs/$part/measured.txt" 2>/dev/null
}

# channel_life PART: lab/channel-life/PART
channel_life() {
	local status=0 part=$1
	payload "$part" lab/channels/lib.sh lab/channel-life/"$part"/* lab/channels/guest/agent \
		$build/lab/channels/channel-peer $build/test/e2e/channel-front \
		$build/src/cli/xenchan $build/src/backend/xenchanneld
	libraries "$part" $build/src/backend/xenchanneld
	boot "$part" -i -n 2 -u 96 -t 900 || status=$?
	adopt_results "$part" $status
	sed 's/^/     /' "$logs/$part/measured.txt" 2>/dev/null
}

# The commands of the page, one file each
migration_steps() {
	mkdir "$2"
	awk -v dir="$2" '
		/^    / { printf "%s\n", substr($0, 5) > sprintf("%s/step-%02d", dir, ++n); next }
		n { exit }' "$1"
}

# check_dm PART: what lab/dm/dom0.sh has under that name
check_dm() {
	local status=0 part=$1
	payload "$part" lab/channels/lib.sh lab/dm/* "$(command -v script)" \
		$build/lab/channels/channel-peer $build/src/cli/xenchan \
		$build/src/backend/xenchanneld $build/src/dm/xenchan-dm
	echo "$part" >"$build/payload-$part/part"
	libraries "$part" $build/src/{backend/xenchanneld,dm/xenchan-dm}
	migration_steps doc/migrating-from-qemu-channels.md "$build/payload-$part/admin"
	boot "$part" -i -n 0 -u 96 -t 900 || status=$?
	adopt_results "$part" $status
	sed 's/^/     /' "$logs/$part/measured.txt" 2>/dev/null
}

# check_compare PART TURNS: on a clock that counts instructions, so that ratios repeat
check_compare() {
	local status=0 part=$1
	payload "$part" lab/compare/guest/* $build/lab/compare/channel-meter $build/src/cli/xenchan \
		$build/src/backend/xenchanneld $build/src/dm/xenchan-dm
	echo "$2" >"$build/payload-$part/turns"
	libraries "$part" $build/src/{backend/xenchanneld,dm/xenchan-dm}
	boot "$part" -i -n 0 -u 96 -t 1500 || status=$?
	adopt_results "$part" $status
	lab/compare/table "$logs/$part/results.tsv" | sed 's/^/     /'
}

check_selftest() {
	if lab/selftest.sh -t 400 -o $logs/selftest >$logs/selftest.log 2>&1; then
		result ok "the lab itself: Xen's vchan, xl's channels"
	else
		result FAIL "the lab itself"
		tail_of $logs/selftest.log
	fi
}

# Everything that any part needs
build_all() {
	local again=()
	[ ! -e $build/build.ninja ] || again=(--reconfigure)
	meson setup "${again[@]}" -Dsoname=4.17 $build && ninja -C $build \
		lab/fidelity/fidelity lab/fidelity/fidelity-agent lab/vchan/vchan-peer lab/vchan/vchan-faults \
		lab/vchan/count-events.so src/vchan/libxenvchan.so.4.17.0 \
		lab/calls/vchan-calls lab/calls/socket-echo src/bench/xenchan-vchan-bench \
		lab/channels/channel-peer lab/compare/channel-meter test/e2e/channel-front src/cli/xenchan src/backend/xenchanneld \
		src/dm/xenchan-dm
}

check_part() {
	case $1 in
	selftest) check_selftest ;;
	fidelity) check_fidelity ;;
	traffic) check_traffic ;;
	ends) check_ends ;;
	calls) check_calls ;;
	bench) check_bench ;;
	channels) channels "$1" ;;
	channel-stall | channel-ends) channels "$1" -i ;;
	compare) check_compare compare 0 ;;
	compare-full) check_compare compare-full 5 ;;
	dm | dm-devices) check_dm "$1" ;;
	life | others) channel_life "$1" ;;
	*) result FAIL "no part named $1" ;;
	esac
}

# A part's lines stay together, and come when it has ended
run_part() {
	local start=$SECONDS
	check_part "$1" >"$logs/$1.out" 2>&1
	echo "     $1: $((SECONDS - start)) s,$(sed -n 's/^xenlab: machine ran//p' "$logs/$1.log" 2>/dev/null)" >>"$logs/$1.out"
	flock "$logs/lock" cat "$logs/$1.out"
}

# How many machines at once: most of a run is waiting for something within it
lanes() {
	local memory
	memory=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	if [ "$(nproc)" -ge 2 ] && [ "$memory" -ge 6000000 ]; then echo 2; else echo 1; fi
}

count() {
	local part files=()
	for part in "${parts[@]}"; do files+=("$logs/$part.out"); done
	cat "${files[@]}" /dev/null | grep -c "^$1 "
}

# In one piece, so that the file may be edited while it runs
main() {
	local status=0 part parts passed skipped running=0 lanes=${XENLAB_LANES:-$(lanes)}
	mkdir -p $logs
	lab/run-lab.sh -b >$logs/packages.log 2>&1 || status=$?
	if [ $status != 0 ]; then
		tail -n 3 $logs/packages.log
		exit $status
	fi
	# The longest first, so that the last ones end together
	parts=("$@")
	[ $# != 0 ] || parts=(dm dm-devices compare ends life others channel-stall calls traffic fidelity
		channel-ends channels bench selftest)
	rm -f $logs/*.out
	if ! build_all >$logs/build.log 2>&1; then
		tail -n 30 $logs/build.log
		echo "FAIL build"
		echo "0 passed, 1 failed"
		exit 1
	fi
	# A background process of a script does not get the terminal's signals
	trap 'trap "" TERM; kill 0; exit 1' INT TERM
	for part in "${parts[@]}"; do
		[ $running -lt "$lanes" ] || { wait -n; running=$((running - 1)); }
		run_part "$part" &
		running=$((running + 1))
	done
	wait
	passed=$(count ok) failed=$(count FAIL) skipped=$(count skip)
	printf '%d passed, %d failed' "$passed" "$failed"
	[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
	echo
	[ "$failed" = 0 ]
	exit
}

main "$@"
