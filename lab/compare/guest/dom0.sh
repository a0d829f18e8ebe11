#!/bin/sh
# SPDX-License-Identifier: MIT
# The same channels of the same guests by QEMU and by xenchanneld, taking turns. Each line of
# /out/results.tsv: what, by whom, value. One line "ok NAME" or "FAIL NAME" a step: it fails
# if something could not be measured, or xenchanneld has lost something; never by a time.
D=/local/domain
XC=/payload/xenchan
DM='device_model_override="/payload/xenchan-dm"'
export LAB_RUN_LIMIT=120
failed=0
LIMIT=65536 # of the channels that lose or do not
turns=$(cat turns) # 0: each thing once, and only what can fail
if [ "$turns" = 0 ]; then seconds=0.3 pause=3; else seconds=1 pause=10; fi

now() { cut -d' ' -f1 /proc/uptime; }
begin() {
	name=$*
	echo "# begin $name"
	rm -f /tmp/t.*
	bad=''
	started=$(now)
}
end() {
	if [ -z "$bad" ]; then
		echo "ok compare: $name ($(since "$started") s)"
	else
		echo "FAIL compare: $name: $bad"
		tail -n 5 /tmp/t.* /out/daemon.log 2>/dev/null | sed 's/^/  | /'
		failed=1
	fi
}
since() { echo "$1 $(now)" | awk '{ printf "%.2f", $2 - $1 }'; }
record() { # record WHAT WHO VALUE
	case $1,$2,$3 in
	lost*,ours,0 | lost*,qemu,*) ;;
	lost*) bad="$bad $1: $3" ;;
	esac
	if [ -n "$3" ]; then
		printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>/out/results.tsv
	else
		bad="$bad $1 $2"
	fi
}
# measure WHAT WHO COMMAND...: what the command prints
measure() {
	what=$1 who=$2
	shift 2
	record "$what" "$who" "$("$@" 2>/tmp/t.measure)"
}
within() { # within SECONDS COMMAND...: until it succeeds
	limit=$(($(cut -d. -f1 /proc/uptime) + $1))
	shift
	until "$@"; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt $limit ] || return 1
		sleep 0.1
	done 2>/dev/null
}
meter() { ./channel-meter "$@"; }

# Of processes of these names: how many, their threads, their proportional memory in KiB
cost() { # cost WHAT WHO NAME...
	what=$1 who=$2 n=0 threads=0 memory=0
	shift 2
	for comm; do
		# shellcheck disable=SC2013 # a path a line, without blanks
		for p in $(grep -lx "$comm" /proc/[0-9]*/comm 2>/dev/null); do
			p=${p%/comm}
			n=$((n + 1))
			threads=$((threads + $(awk '/^Threads:/ { print $2 }' "$p/status")))
			memory=$((memory + $(awk '/^Pss:/ { print $2 }' "$p/smaps_rollup")))
		done
	done
	record "processes, $what" "$who" $n
	record "threads, $what" "$who" $threads
	record "KiB, $what" "$who" $memory
}

# guest NAME WHO: made, in $created seconds, and heard of, if it has a channel
guest() {
	channel="channel=[\"name=lost,connection=pty\",\"name=c.one,connection=socket,path=/run/$1.sock\"]"
	if [ "$2" != none ]; then
		meter first "/run/$1.sock" >/tmp/t.first 2>&1 &
		first=$!
	fi
	begun=$(now)
	case $2 in
	none) lab-domu "$1" ;;
	qemu) lab-domu "$1" "$channel" ;;
	ours) lab-domu "$1" "$channel" "$DM" ;;
	esac >/tmp/t.domu || bad="$bad $1"
	created=$(since "$begun")
	if [ "${LAB_PAUSED:-}" ]; then
		xenstore-write "$D/$(xl domid "$1")/device/console/1/limit" $LIMIT || bad="$bad limit"
		xl unpause "$1" || bad="$bad unpause"
	fi
	[ "$2" = none ] || wait "$first" || bad="$bad $1"
}
created() { # created TURN WHO...: one after the other, each alone on the machine
	begin "creation, turn $1"
	turn=$1
	shift
	for who; do
		guest "new$turn-$who" "$who"
		record "xl create" "$who" "$created"
		[ "$who" = none ] || record "first byte" "$who" "$(cat /tmp/t.first)"
		xl destroy "new$turn-$who" || bad="$bad destroy"
		sleep 1
	done
	end
}
# The limits of the channels that are slow later, before QEMU reads its own
kept() {
	begin "guest $1 of each kind"
	[ "$1" != 1 ] || export LAB_PAUSED=yes
	guest "qemu$1" qemu
	unset LAB_PAUSED
	guest "ours$1" ours
	cost "$1 guests" qemu xen-qemu-system
	cost "$1 guests" ours xenchanneld xenchan-dm
	end
}

# On one guest, whose first channel is QEMU's: a second one through the kernel's driver,
# too, and a third through our front end
prepared() {
	begin "three channels on one guest"
	id=$(xl domid qemu1)
	for n in two three; do
		$XC channel attach -d qemu1 c.$n --socket /run/$n.sock --limit $LIMIT --wait 60 >/tmp/t.attach 2>&1 || bad="attach c.$n"
	done
	meter first /run/two.sock >/tmp/t.first 2>&1 || bad="$bad c.two"
	LAB_RUN_LIMIT=900 lab-run "$id" "/payload/xenchan channel open c.three --exec cat" >/tmp/open.log 2>&1 &
	within 60 is_open || bad="$bad c.three"
	end
}
# shellcheck disable=SC2317 # called by within
is_open() { [ "$(xenstore-read "$D/$id/device/console/3/guest-open")" = 1 ]; }
carried() {
	for size in 1 256 4096; do
		begin "$size B, turn $1"
		for way in echo stream; do
			measure "$way $size" qemu meter $way /run/qemu1.sock $size $seconds
			measure "$way $size" ours meter $way /run/two.sock $size $seconds
			measure "$way $size" open meter $way /run/three.sock $size $seconds
		done
		end
	done
}

pour() { # pour TERMINAL BYTES
	LAB_RUN_LIMIT=300 lab-run "$id" "/payload/channel-meter pour $2 >/dev/$1" >"/tmp/t.pour-$1" 2>&1
}
# What QEMU has held back comes when the guest writes again, and is not to be counted later
again() { # again TERMINAL TIMES
	for _ in $(seq "$2"); do pour "$1" 8; done
}
late_client() {
	begin "the guest writes $LIMIT bytes, then a client comes"
	for who in "qemu1 hvc1 qemu" "two hvc2 ours"; do
		# shellcheck disable=SC2086 # three words
		set -- $who
		pour "$2" $LIMIT || bad="$bad pour"
		held=$(meter lost "/run/$1.sock" $LIMIT 0 5 2>/tmp/t.measure)
		record "held back" "$3" "$held"
		if [ "$3" = qemu ]; then
			meter lost "/run/$1.sock" $LIMIT 0 10 >/tmp/t.lost 2>&1 &
			client=$!
			again "$2" 3
			wait $client
			held=$(cat /tmp/t.lost)
		fi
		record "lost, late client" "$3" "$held"
	done
	end
}
slow_client() {
	begin "a client reads nothing for $pause s while the guest writes 512 KiB"
	for who in "qemu1 hvc1 qemu" "two hvc2 ours"; do
		# shellcheck disable=SC2086 # three words
		set -- $who
		meter lost "/run/$1.sock" 524288 $pause 5 >/tmp/t.lost 2>&1 &
		client=$!
		pour "$2" 524288 || bad="$bad pour"
		if [ "$3" = qemu ]; then
			sleep $pause
			again "$2" 5
		fi
		wait $client
		record "lost, slow client" "$3" "$(cat /tmp/t.lost)"
	done
	end
}
# QEMU last: nothing serves its channel after that, and the guest may wait for ever
killed() {
	begin "the backend is killed while the guest writes 256 KiB"
	served=$(awk -v k=$keeper '$4 == k { print $1 }' /proc/[0-9]*/stat 2>/dev/null)
	for who in "two hvc2 ours $served" "qemu1 hvc1 qemu $(xenstore-read "$D/$id/image/device-model-pid")"; do
		# shellcheck disable=SC2086 # four words
		set -- $who
		meter lost "/run/$1.sock" 262144 0 5 >/tmp/t.lost 2>&1 &
		client=$!
		sleep 0.5
		pour "$2" 262144 &
		sleep 0.3
		kill -9 "$4" || bad="$bad kill $3"
		wait $client
		record "lost, backend killed" "$3" "$(cat /tmp/t.lost)"
	done
	end
}

dmesg -n 1
cd /payload || exit
./xenchanneld --keeper 2>>/out/daemon.log &
keeper=$!
n=0
for order in "none qemu ours" "ours none qemu" "qemu ours none" "none ours qemu" "qemu none ours"; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # three words
	[ $n -gt "$turns" ] || created $n $order
done
kept 1
[ "$turns" = 0 ] || for n in 2 3; do kept $n; done
prepared
for n in $(seq "$turns"); do carried "$n"; done
[ "$turns" != 0 ] || carried 1
late_client
slow_client
killed
exit $failed
