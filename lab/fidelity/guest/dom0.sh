#!/bin/sh
# SPDX-License-Identifier: MIT
# Run each script over dom0 and domains 1 to 3; the results go to /out.
dmesg -n 1
for d in 1 2 3; do
	lab-wait $d data/boot >/dev/null || exit 1
	xenstore-rm /local/domain/$d/data/boot
done
rc=0
tty=lab-wait key=console/tty
for name in xenstore transactions events grants domains; do
	echo "# begin fidelity $name"
	cut -d" " -f1 /proc/uptime
	./fidelity -a 0=./fidelity-agent -t 1="$tty 1 $key" -t 2="$tty 2 $key" \
		-t 3="$tty 3 $key" -t 4="$tty 4 $key" -H ./host \
		"$name.ops" >"/out/$name.txt" && continue
	echo "FAIL fidelity $name"
	tail -n 5 "/out/$name.txt"
	rc=1
done
exit $rc
