#!/bin/sh
# SPDX-License-Identifier: MIT
# The calls of libxenvchan-ext.h, and the commands made of them, in unprivileged
# domains. One line "ok NAME" or "FAIL NAME" a test.
# lab-run's commands stand in single quotes: none inside them.

log=/tmp/log
in_payload='cd /payload; export LD_LIBRARY_PATH=/payload/ours;'
begin() {
	name=$*
	echo "# begin $name"
	started=$(cut -d. -f1 /proc/uptime)
	rm -f $log.*
}
end() { # end STATUS
	took=$(($(cut -d. -f1 /proc/uptime) - started))
	if [ "$1" = 0 ]; then
		echo "ok $name ($took s)"
		return
	fi
	echo "FAIL $name ($took s)"
	tail -n 20 $log.* 2>/dev/null | sed 's/^/  | /'
	failed=1
	for d in 0 1 2; do
		lab-run $d "killall -9 vchan-calls vchan-peer xenchan socket-echo" >/dev/null 2>&1
	done
	wait
}

# run DOMID NAME COMMAND...: with our library; what it prints goes to $log.NAME
run() {
	dom=$1 to=$log.$2
	shift 2
	lab-run "$dom" "$in_payload $*" >"$to" 2>&1
}

# both_ok: the last in the background, and the one before, whose status is $rc
both_ok() { wait $! && [ $rc = 0 ]; }

# A server and five clients in another domain on one object: each way first, and two
# that are killed half-way.
successive_clients() { # SERVER CLIENT
	begin "rearm: vchan $1-$2 five clients, two killed, half-close both ways"
	p=/local/domain/$1/data/s
	run "$1" server "./vchan-calls serve $2 $p 5" &
	run "$2" clients "for how in first dies last dies first; do ./vchan-calls ask $1 $p 100000 \$how; done"
	[ "$(grep -c asked $log.clients)" = 3 ]
	rc=$?
	both_ok && [ "$(sed -n 's/^client . //p' $log.server | xargs)" = "closed died closed died closed" ]
	end $?
}

# A client's connects wait for servers; data, a close and the end of a process wake
# the loop (the end of a domain: below).
event_loop() { # ROLE poll|epoll
	begin "event_fd in $2: data, close and death wake a $1"
	other=server p=/local/domain/2/data/e$2
	if [ "$1" = server ]; then
		other=client p=/local/domain/1/data/e$2
	fi
	run 1 loop "./vchan-calls loop $1 2 $p 3 $2" &
	sleep 2
	run 2 feed "./vchan-calls feed $other 1 ${p}1 20000 close & ./vchan-calls feed $other 1 ${p}2 30000 die & ./vchan-calls feed $other 1 ${p}3 0 close & wait"
	wait $! &&
		grep -q "loop 1, 20000 bytes ended: closed" $log.loop &&
		grep -q "loop 2, 30000 bytes ended: died" $log.loop &&
		grep -q "loop 3, 0 bytes ended: closed" $log.loop
	end $?
}

early_client() {
	begin "connect: a client before its server, blocking, with a deadline"
	p=/local/domain/1/data/early
	run 2 client "./vchan-calls ask 1 $p 100000 first" &
	sleep 3
	run 1 server "./vchan-calls serve 2 $p 1"
	rc=$?
	both_ok && grep -q "waited: connecting" $log.client && grep -q "client 1 closed" $log.server
	end $?
}

time_outs() { # ROLE
	begin "ETIMEDOUT from each blocking call of a $1"
	other=server p=/local/domain/2/data/t
	if [ "$1" = server ]; then
		other=client p=/local/domain/1/data/t
	fi
	run 2 idle "./vchan-calls feed $other 1 $p 0 stay" &
	run 1 limit "./vchan-calls limit $1 2 $p </dev/null"
	rc=$?
	both_ok
	end $?
}

# Those in domain 1, in both roles, that see the others die: by which call, and with
# which library in the other domain
calls="read poll-xen loop"
export LAB_RUN_LIMIT=300

stay_and_die() { # VICTIM
	victim=$1 stay='' die=''
	# Servers first, as looking for them is much work for this machine
	for role in server client; do
		if [ $role = server ]; then
			other=client at=1 die="sleep 9;"
		else
			other=server at=$victim stay="$stay sleep 6;"
		fi
		for call in $calls; do
			p=/local/domain/$at/data/x$call
			case $call in
			loop) stay="$stay ./vchan-calls loop $role $victim $p- 1 epoll &" p=$p-1 ;;
			*) stay="$stay ./vchan-calls block $role $victim $p ${call%-xen} &" ;;
			esac
			case $call in
			*-xen) command="LD_LIBRARY_PATH= ./vchan-peer $other 1 $p 65536 idle &" ;;
			*) command="./vchan-calls feed $other 1 $p 50000 stay &" ;;
			esac
			if [ $other = server ]; then
				die="$command $die"
			else
				die="$die $command"
			fi
		done
	done
	run 1 stay "export UP=data/up; $stay wait" &
	staying=$!
	run "$victim" die "$die wait" &
	# All have connected
	for i in $(seq 150); do
		[ "$(xenstore-list /local/domain/1/data/up 2>/dev/null | wc -l)" -lt 6 ] || break
		sleep 1
	done
	xenstore-rm /local/domain/1/data/up
	sleep 1
	[ "$i" -lt 150 ]
}

# deaths NAME STATE-OF-OURS STATE-OF-XENS COMMAND...: by that. What each call tells then; how
# soon is measured by the part "ends".
deaths() {
	what=$1 ours=$2 xens=$3
	shift 3
	"$@" >$log.died
	wait $staying
	awk -v what="$what" -v ours="$ours" -v xens="$xens" '
		/ ended: / {
			match($0, /ended: [a-z]*/)
			n[substr($0, RSTART + 7, RLENGTH - 7)]++
		}
		END {
			printf "%s: %d calls told \"%s\", %d \"%s\"\n",
				what, n[ours], ours, ours == xens ? 0 : n[xens], xens
			exit n[ours] < (ours == xens ? 6 : 4) || (ours != xens && n[xens] != 2)
		}' $log.stay >$log.line
	rc=$?
	cat $log.line >>/out/measured.txt
	return $rc
}

# shellcheck disable=SC2317 # called by deaths
kill_victims() {
	lab-run "$1" "/payload/vchan-peer kill \$(pidof vchan-calls vchan-peer)"
}

# shellcheck disable=SC2317
destroy() {
	xl destroy "$1"
}

process_dies() {
	begin "kill -9 of the other end, both roles: state, read, poll, event_fd"
	stay_and_die 2 && deaths "kill -9" died closed kill_victims 2
	end $?
	wait
}

domain_dies() {
	begin "xl destroy of the other end, both roles: state, read, poll, event_fd"
	stay_and_die 2 && deaths "xl destroy" gone gone destroy 2
	end $?
	# shellcheck disable=SC2046 # what waits for the domain that was
	kill $(jobs -p) 2>/dev/null
	wait
}

# Ours at both ends: connections in domain 1, served in domain 2
proxy() {
	begin "proxy 1-2: sessions at once, half-close, a client killed"
	run 2 serve "./xenchan vchan proxy -d 1 data/p --exec cat & ./xenchan vchan proxy -d 1 data/sum --exec md5sum &"
	run 1 ask "./xenchan vchan proxy -d 2 data/p --listen /tmp/p & $wait_for_socket"
	run 1 many "for i in 1 2 3 4 5; do ./socket-echo /tmp/p 20000 & done; ./socket-echo /tmp/p 30000 dies; wait; ./socket-echo /tmp/p 15000"
	# It answers at the end of what it reads, and has to be told of that
	run 1 sum "head -c 100000 /dev/zero | ./xenchan vchan proxy -d 2 data/sum --stdio"
	run 2 left "pidof xenchan"
	rc=$?
	[ $rc = 0 ] && [ "$(grep -c "20000 bytes there and back" $log.many)" = 5 ] &&
		grep -q "15000 bytes there and back" $log.many &&
		[ "$(wc -w <$log.left)" = 2 ] &&
		[ "$(cut -d" " -f1 $log.sum)" = "$(head -c 100000 /dev/zero | md5sum | cut -d" " -f1)" ]
	end $?
	end_proxies
}
wait_for_socket='for i in 1 2 3 4 5 6 7 8 9; do [ -S /tmp/p ] && break; sleep 1; done'
end_proxies() {
	for d in 1 2; do
		run $d killed "killall xenchan vchan-socket-proxy socket-echo; sleep 1; rm -f /tmp/p /tmp/echo"
	done
}

# Xen's in one of the domains, as it comes
compat_serves() {
	begin "proxy --compat serves Xen's vchan-socket-proxy"
	run 2 serve "./socket-echo /tmp/echo serve & ./xenchan vchan proxy -d 1 data/c --compat --connect /tmp/echo &"
	lab-wait 2 data/c/event-channel >/dev/null
	run 1 ask "LD_LIBRARY_PATH= vchan-socket-proxy 2 /local/domain/2/data/c /tmp/p & $wait_for_socket; ./socket-echo /tmp/p 20000 once" &&
		grep -q "20000 bytes there and back" $log.ask
	end $?
	end_proxies
}
compat_asks() {
	begin "proxy --compat asks Xen's vchan-socket-proxy, again and again"
	run 2 serve "./socket-echo /tmp/echo serve & LD_LIBRARY_PATH= vchan-socket-proxy -m server 1 data/q /tmp/echo &"
	run 1 ask "./xenchan vchan proxy -d 2 data/q --compat --listen /tmp/p & $wait_for_socket; for i in 1 2 3; do ./socket-echo /tmp/p 20000 once; done"
	[ "$(grep -c "20000 bytes there and back" $log.ask)" = 3 ]
	end $?
	end_proxies
}

stats() {
	begin "vchan stats in a domU"
	run 1 loop "./vchan-calls loop server 2 data/st 1 epoll" &
	run 2 feed "./vchan-calls feed client 1 /local/domain/1/data/st1 20000 stay" &
	for i in 1 2 3 4 5 6 7 8 9; do
		run 1 stats "./xenchan vchan stats --json"
		grep -q "\"role\":\"server\",\"domain\":2,\"state\":\"open\".*\"bytes\":20000," $log.stats && break
		sleep 1
	done
	[ "$i" -lt 9 ]
	end $?
	lab-run 2 "killall -9 vchan-calls"
	wait
}

doctor() {
	begin "doctor in a domU and in dom0; a module that is missing"
	run 1 domu "./xenchan doctor" && run 0 dom0 "./xenchan doctor" &&
		run 1 without "rmmod xen-gntalloc; ./xenchan doctor; echo status \$?; insmod /modules/xen-gntalloc.ko" &&
		grep -q "status 1" $log.without && grep -q "modprobe xen_gntalloc" $log.without
	end $?
	cat $log.domu $log.dom0 >/out/doctor.txt
}

dmesg -n 1
failed=0
for d in 1 2; do lab-wait $d data/boot >/dev/null || exit 1; done
successive_clients 1 2
successive_clients 1 0
event_loop server epoll
event_loop client poll
early_client
time_outs server
time_outs client
doctor
stats
proxy
compat_serves
compat_asks
process_dies
domain_dies
exit $failed
