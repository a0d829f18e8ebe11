#!/bin/sh
# SPDX-License-Identifier: MIT
# vchan on the real drivers. ours/ holds our libxenvchan.so.4.17; "xen" is Xen's own,
# where no library path leads elsewhere. One line "ok NAME" or "FAIL NAME" a test.
# lab-run's commands stand in single quotes: none inside them.

lib() {
	case $1 in
	ours) echo LD_LIBRARY_PATH=/payload/ours ;;
	xen) echo LD_LIBRARY_PATH=/none ;;
	esac
}

# path SERVER CLIENT NAME: as both ends may name it
path() { echo "/local/domain/$1/data/$3"; }

test_begin() {
	name=$*
	echo "# begin $name"
	started=$(cut -d. -f1 /proc/uptime)
}
test_end() { # test_end STATUS
	took=$(($(cut -d. -f1 /proc/uptime) - started))
	if [ "$1" = 0 ]; then
		echo "ok $name ($took s)"
	else
		echo "FAIL $name ($took s)"
		sed 's/^/  | /' /tmp/server.log /tmp/client.log
		failed=1
	fi
	pkill vchan-peer 2>/dev/null
}

# server DOM PEER LIB PATH RING MODE [N], client DOM PEER LIB PATH MODE [N]
server() {
	lab-run "$1" "cd /payload; $(lib "$3") $wrap ./vchan-peer server $2 $4 $5 $6 $7" >/tmp/server.log 2>&1
}
client() {
	lab-run "$1" "cd /payload; $(lib "$3") $wrap ./vchan-peer client $2 $4 0 $5 $6" >/tmp/client.log 2>&1
}

# transfer SERVER_DOM CLIENT_DOM SERVER_LIB CLIENT_LIB RING MODE BYTES
transfer() {
	test_begin "vchan $1-$2 $3-$4 ring $5 $6 $7"
	p=$(path "$1" "$2" t)
	server "$1" "$2" "$3" "$p" "$5" "$6" "$7" &
	client "$2" "$1" "$4" "$p" "$6" "$7"
	rc=$?
	wait $! && [ $rc = 0 ]
	test_end $?
}

# end_of VICTIM LIB: one end is killed in mid-transfer, the other has to notice
end_of() {
	test_begin "vchan 1-2 kill -9 of the $1, $2"
	p=$(path 1 2 k)
	server 1 2 "$2" "$p" 65536 pump &
	s=$!
	client 2 1 "$2" "$p" pump &
	c=$!
	sleep 3
	if [ "$1" = client ]; then
		lab-run 2 "killall -9 vchan-peer"
		wait $s
	else
		lab-run 1 "killall -9 vchan-peer"
		wait $c
	fi
	test_end $?
	wait
}

early_client() {
	test_begin "vchan 1-2 client looks before the server wrote, $1"
	p=$(path 1 2 e)
	client 2 1 "$1" "$p" stream 10000 &
	sleep 2
	server 1 2 "$1" "$p" 0 stream 10000
	rc=$?
	wait $! && [ $rc = 0 ] && { [ "$1" = xen ] || grep -q "not yet: Permission denied" /tmp/client.log; }
	test_end $?
}

second_client() {
	test_begin "vchan 1-2 a second client is refused, $1"
	p=$(path 1 2 s)
	server 1 2 "$1" "$p" 0 idle &
	lab-run 2 "cd /payload; $(lib "$1") ./vchan-peer client 1 $p 0 idle" >/tmp/first.log 2>&1 &
	sleep 3
	client 2 1 "$1" "$p" refused
	rc=$?
	[ "$1" = xen ] || grep -q "Device or resource busy" /tmp/client.log || rc=1
	lab-run 2 "pidof vchan-peer >/dev/null && killall -9 vchan-peer" || rc=1
	test_end $rc
	wait
}

many() {
	test_begin "vchan 1-2 15 at once, $1"
	lab-run 1 "cd /payload; export $(lib "$1"); f=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do ./vchan-peer server 2 data/m\$i 4096 stream 200000 & p=\"\$p \$!\"; done; for i in \$p; do wait \$i || f=1; done; exit \$f" >/tmp/server.log 2>&1 &
	lab-run 2 "cd /payload; export $(lib "$1"); f=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do ./vchan-peer client 1 /local/domain/1/data/m\$i 0 stream 200000 & p=\"\$p \$!\"; done; for i in \$p; do wait \$i || f=1; done; exit \$f" >/tmp/client.log 2>&1
	rc=$?
	wait $! && [ $rc = 0 ]
	test_end $?
}

# Two rings of 1 MiB take 513 of gntalloc's 1024 pages
no_pages_left() {
	test_begin "vchan 1-2 pages used up give ENOSPC and leave nothing, $1"
	server 1 2 "$1" data/big 1048576 idle &
	lab-wait 1 data/big/event-channel >/dev/null
	lab-run 1 "cd /payload; $(lib "$1") ./vchan-peer server 2 data/big2 1048576 idle" >/tmp/client.log 2>&1
	rc=$?
	grep -q "No space left" /tmp/client.log || rc=0
	if [ $rc = 1 ] && ! xenstore-ls /local/domain/1/data/big2 >/dev/null 2>&1; then rc=0; else rc=1; fi
	# 511 pages are left: 128 KiB rings 7 times take 455
	lab-run 1 "cd /payload; export $(lib "$1"); for i in 1 2 3 4 5 6 7; do ./vchan-peer server 2 data/small\$i 131072 idle >/dev/null & done; for t in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 2; n=0; for i in 1 2 3 4 5 6 7; do xenstore-read data/small\$i/ring-ref >/dev/null 2>&1 && n=\$((n + 1)); done; [ \$n = 7 ] && break; done; echo \$n have pages; killall -9 vchan-peer; [ \$n = 7 ]" >>/tmp/client.log 2>&1 || rc=1
	lab-run 1 "killall -9 vchan-peer"
	test_end $rc
	wait
}

# proxy SERVER_LIB CLIENT_LIB: what goes in at one end comes out at the other
proxy() {
	test_begin "vchan-socket-proxy 1-2 $1-$2"
	lab-run 1 "cd /tmp; dd if=/dev/urandom of=in bs=1k count=500 2>/dev/null; md5sum <in; (cat in; sleep 3) | $(lib "$1") vchan-socket-proxy -m server 2 data/proxy - >/dev/null" >/tmp/server.log 2>&1 &
	lab-wait 1 data/proxy/event-channel >/dev/null
	lab-run 2 "mkfifo /tmp/open; sleep 60 >/tmp/open & $(lib "$2") vchan-socket-proxy -m client 1 /local/domain/1/data/proxy - </tmp/open | md5sum; kill \$!; rm /tmp/open" >/tmp/client.log 2>&1
	wait $!
	[ "$(sed -n '/-$/p' /tmp/server.log)" = "$(sed -n '/-$/p' /tmp/client.log)" ] && grep -q -e -$ /tmp/client.log
	test_end $?
}

# events LIB SIZE: how many calls 200 messages took
events() {
	test_begin "vchan events 0-1 $1 $2 B"
	wrap=LD_PRELOAD=/payload/count-events.so
	p=$(path 0 1 ev)
	server 0 1 "$1" "$p" 65536 send "$2" &
	client 1 0 "$1" "$p" send "$2"
	rc=$?
	wait $! && [ $rc = 0 ]
	test_end $?
	wrap=
	echo "$1 $2 reader $(sed -n 's/events: //p' /tmp/server.log) writer $(sed -n 's/events: //p' /tmp/client.log)" >>/out/events.txt
}

# domain_dies CLIENT|SERVER DOMID: its domain goes in mid-transfer. No event comes;
# what is left, in domain 1, has to notice all the same.
domain_dies() {
	test_begin "vchan xl destroy of the $1's domain"
	if [ "$1" = client ]; then
		p=$(path 1 "$2" d)
		client "$2" 1 ours "$p" pump &
		dead=$!
		server 1 "$2" ours "$p" 65536 pump &
	else
		p=$(path "$2" 1 d)
		server "$2" 1 ours "$p" 65536 pump &
		dead=$!
		client 1 "$2" ours "$p" pump &
	fi
	left=$!
	sleep 5
	rc=0
	kill -0 $left || rc=1 # it ended before its time
	xl destroy "$2"
	wait $left || rc=1
	kill $dead
	test_end $rc
}

faults() {
	test_begin "faults of $1"
	LAB_RUN_LIMIT=200 lab-run 0 "cd /payload; $(lib "$1") ./vchan-faults 0" >"/out/faults-$1.txt" 2>/tmp/server.log
	rc=$?
	# 30 is what is_open means by Xen's header; new calls tell more
	[ "$1" = xen ] || ! grep -v "fault 30" "/out/faults-$1.txt" | grep -q "PRESENT\|unclear" || rc=1
	test_end $rc
	cat "/out/faults-$1.txt"
}

# What goes well: each way, each kind, with either library at either end
part_traffic() {
	for pair in "0 1" "1 0" "1 2"; do
		# shellcheck disable=SC2086 # two words
		set -- $pair
		for libs in "ours ours" "ours xen" "xen ours"; do
			# shellcheck disable=SC2086 # two words
			transfer "$@" $libs 0 stream 131072
			# shellcheck disable=SC2086
			transfer "$@" $libs 1048576 packet 2097152
		done
		transfer "$@" ours ours 0 packet 131072
		transfer "$@" ours ours 1048576 stream 16777216
	done
	transfer 1 2 xen ours 1048576 stream 16777216
	transfer 1 2 ours xen 1048576 stream 16777216
	many ours
	for lib in ours xen; do
		for size in 64 4096 65536; do events $lib $size; done
	done
	cat /out/events.txt
	early_client ours
	for libs in "ours ours" "xen ours" "ours xen"; do
		# shellcheck disable=SC2086 # two words
		proxy $libs
	done
}

# What does not go on: ends that die, clients that are too many, pages that are too few
part_ends() {
	second_client ours
	end_of client ours
	end_of server ours
	no_pages_left ours
	faults ours
	faults xen
}

# Domains that go in mid-transfer
part_deaths() {
	domain_dies client 2
	three=$(lab-domu domu3) && lab-wait "$three" data/boot >/dev/null
	domain_dies server "$three"
}

dmesg -n 1
failed=0 wrap=
for d in 1 2; do lab-wait $d data/boot >/dev/null || exit 1; done
case $(cat part) in
traffic) part_traffic ;;
ends) part_ends ;;
deaths) part_deaths ;;
esac
exit $failed
