#!/bin/bash
# SPDX-License-Identifier: MIT
# run-lab.sh - boot a real Xen 4.17 with a Linux dom0 and Linux PV domUs under
# QEMU TCG (no KVM), from Debian 12 packages only, and run a payload in it.
set -euo pipefail

usage() {
	cat >&2 <<-U
	usage: $0 [options] PAYLOAD_DIR
	  PAYLOAD_DIR/dom0.sh runs in dom0 as /payload/dom0.sh; its status is ours
	  PAYLOAD_DIR/domu.sh (optional) runs in every domU as /payload/domu.sh; without
	      it "lab-run DOMID COMMAND" in dom0 runs commands there
	  PAYLOAD_DIR/domu.cfg (optional): extra xl.cfg lines; @NAME@ is the domU's name
	 -n N    domUs to start before dom0.sh, named domu1..domuN   (default 1)
	 -t SEC  limit on the whole run, then status 124             (default 300)
	 -o DIR  copy the logs and what dom0 left in /out to DIR
	 -m MB   memory of the machine   (default 2048)   -d MB  of dom0 (default 768)
	 -u MB   memory of each domU     (default 192)    -s N   CPUs    (default 2)
	 -a ARG  extra dom0 kernel argument   -x ARG  extra Xen argument (both repeat)
	 -i      virtual time: 1 CPU and guest clocks that count instructions, so that the
	         timing hardly depends on this machine's load (about 1.7 times slower)
	 -v      stream everything (default: Xen and kernel chatter goes to the log)
	 -b      only fetch and build; print the sysroot (Debian's Xen headers, libraries)
	status: the payload's; 77 = this machine cannot run it, 124 = out of time,
	        125 = the lab itself failed
	environment: XENLAB_CACHE (default ~/.cache/xenlab)
	U
	exit 2
}

say() { printf 'xenlab: %s\n' "$*" >&2; }
cannot() { say "cannot run here: $*"; exit 77; }

here=$(cd "$(dirname "$0")" && pwd)
cache=${XENLAB_CACHE:-$HOME/.cache/xenlab}
ndomu=1 limit=300 out='' mem=2048 d0mem=768 umem=192 cpus=2 karg='' xarg='' quiet=1 only=''
clock=(-accel "tcg,thread=multi")
# Kernel options that only save time: no crypto self-tests, no read-only remapping
# of the kernel (and so no W+X scan), no speculation workarounds.
kargs="cryptomgr.notests rodata=off mitigations=off"

parse_options() {
	local f
	while getopts n:t:o:m:d:u:s:a:x:ivb f; do
		case $f in
		n) ndomu=$OPTARG ;;
		t) limit=$OPTARG ;;
		o) out=$OPTARG ;;
		m) mem=$OPTARG ;;
		d) d0mem=$OPTARG ;;
		u) umem=$OPTARG ;;
		s) cpus=$OPTARG ;;
		a) karg+=" $OPTARG" ;;
		x) xarg+=" $OPTARG" ;;
		i)
			clock=(-accel "tcg,thread=single" -icount "shift=1,sleep=off"
				-rtc "base=2026-01-01,clock=vm")
			cpus=1
			;;
		v) quiet='' ;;
		b) only=1 ;;
		*) usage ;;
		esac
	done
	shift $((OPTIND - 1))
	if [ ! "$only" ]; then
		if [ $# != 1 ] || [ ! -x "$1/dom0.sh" ]; then usage; fi
		payload=$(cd "$1" && pwd)
	fi
}

# --- 1. packages -> $cache/root (once) ---------------------------------------

PKGS=(xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils qemu-system-xen
	libxen-dev busybox-static)

# Our own apt state: an empty dpkg status makes apt resolve the whole dependency
# closure, whatever this machine has installed; fresh package lists of our own
# need no root. Nothing is installed on this machine.
fetch() {
	local kernel opts
	mkdir -p "$cache"/{debs,lists}/partial "$cache/etc"
	: >"$cache/empty"
	opts=(-qq -o "Dir::State::status=$cache/empty" -o "Dir::State::lists=$cache/lists"
		-o "Dir::Cache::archives=$cache/debs" -o "Dir::Cache::pkgcache=$cache/pkgcache.bin"
		-o "Dir::Cache::srcpkgcache=" -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
	apt-get "${opts[@]}" update &&
		apt-get "${opts[@]}" -y --no-install-recommends --download-only install "${PKGS[@]}" &&
		kernel=$(apt-cache "${opts[@]}" depends linux-image-amd64 | sed -n 's/.*Depends: //p' | head -n1) &&
		(cd "$cache/debs" && apt-get "${opts[@]}" download "$kernel")
}

# libs ROOT PROG...: shared libraries, resolved inside ROOT only
libs() {
	local root=$1 path prog
	shift
	path=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
	for prog; do
		"$root/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$path" --list "$prog"
	done | awk '/not found/{print > "/dev/stderr"; exit 1} $3~/^\//{print $3}' | sort -u
}

mkcpio() {
	(cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet -R 0:0) >"$2"
}

# mkroot DIR MODULE... -- PROGRAM...: a root with busybox, modules, programs+libs
mkroot() {
	local dir=$1 root=$cache/root f
	shift
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,etc,tmp,run,mnt,out,modules,lib/x86_64-linux-gnu,lib64} \
		"$dir"/{usr/lib,usr/bin,usr/libexec,var/lib,var/log}
	ln -s /run "$dir/var/run"
	cp "$root/bin/busybox" "$dir/bin/"
	cp "$root/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$dir/lib64/"
	for f; do
		shift
		[ "$f" = -- ] && break
		cp "$(find "$root/lib/modules" -name "$f.ko")" "$dir/modules/"
	done
	for f; do
		mkdir -p "$dir/${f%/*}"
		cp -L "$root/$f" "$dir/$f"
	done
	libs "$root" "${@/#/$root/}" | while read -r f; do
		cp -L "$f" "$dir/lib/x86_64-linux-gnu/"
	done
}

# Unpack the kernel here: xz takes 5 s under TCG, once per domain
unpack_kernel() {
	local image start
	image=$(find "$cache/root/boot" -name 'vmlinuz-*' | head -n1)
	start=$(LC_ALL=C grep -aboP '\xFD7zXZ\0' "$image" | head -n1 | cut -d: -f1)
	{ tail -c+$((start + 1)) "$image" || :; } | # tail may see SIGPIPE
		xz -dc --single-stream >"$images/vmlinux"
}

unpack() {
	local root=$cache/root deb
	rm -rf "$root"
	mkdir -p "$root"
	for deb in "$cache"/debs/*.deb; do
		case ${deb##*/} in
		lib* | xen* | zlib* | qemu-system-* | busybox* | linux-image*)
			dpkg -x "$deb" "$root" ;;
		esac
	done
}

build() {
	local root=$cache/root xen=usr/lib/xen-4.17/bin lib=usr/lib/x86_64-linux-gnu
	local mods=(xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc)
	local tools=(usr/bin/xenstore-{ls,read,write,chmod,list,rm,watch})
	mkdir -p "$images"
	gunzip -c "$root"/boot/xen-4.17-amd64.gz >"$images/xen" # ELF32 multiboot
	unpack_kernel
	# libxenstore ends its thread with pthread_cancel, which wants libgcc_s
	# domU: busybox, xenstore tools, libxenvchan. dom0: + toolstack, QEMU PV backend
	mkroot "$images/u" "${mods[@]}" -- "${tools[@]}" lib/x86_64-linux-gnu/libgcc_s.so.1 $xen/vchan-socket-proxy $lib/libxenvchan.so.4.17
	mkroot "$images/0" "${mods[@]}" loop -- "${tools[@]}" lib/x86_64-linux-gnu/libgcc_s.so.1 \
		$xen/{vchan-socket-proxy,xl,libxl-save-helper,xenstored,xenconsoled,xenconsole,xen-init-dom0,lsevtchn} \
		usr/libexec/xen-qemu-system-i386 $lib/libxenvchan.so.4.17
	mkdir -p "$images/0"/{usr/share/qemu,boot,lab} "$images/u/lab"
	cp -r "$root/usr/share/qemu/keymaps" "$images/0/usr/share/qemu/" # QEMU wants en-us
	cp "$here/guest/domu-init" "$images/u/init"
	cp "$here/guest/dom0-init" "$images/0/init"
	cp "$here"/guest/lab-* "$images/0/lab/"
	cp "$here/guest/lab-serve" "$images/u/lab/"
	cp "$images/vmlinux" "$images/0/boot/"
	mkcpio "$images/u" "$images/0/boot/domu-base.cpio"
	mkcpio "$images/0" "$images/dom0.cpio"
	rm -rf "$images/u" "$images/0"
}

# Packages and images, unless they are there already
prepare() {
	local tool
	for tool in qemu-system-x86_64 cpio xz apt-get dpkg; do
		command -v $tool >/dev/null || cannot "no $tool (apt-get install qemu-system-x86 cpio xz-utils)"
	done
	mkdir -p "$cache"
	exec 9>"$cache/lock" # two runs may start at once on an empty cache
	flock 9
	if [ ! -e "$cache/fetched" ]; then
		say "fetching packages to $cache"
		fetch || cannot "apt cannot get ${PKGS[*]}"
		unpack
		touch "$cache/fetched"
	fi
	# Images of another version of these scripts may be in use: they stay a while
	find "$cache" -maxdepth 1 -name 'images-*' -mtime +2 -exec rm -rf {} +
	images=$cache/images-$(cat "$0" "$here"/guest/* | cksum | tr ' ' -)
	if [ ! -e "$images/built" ]; then
		say "building the images"
		rm -rf "$images"
		build
		touch "$images/built"
	fi
	exec 9>&-
	if [ "$only" ]; then
		echo "$cache/root"
		exit 0
	fi
}

# --- 2. this run's initramfs: base + payload (payload also goes to the domUs) --

make_initrd() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/xenlab.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	mkdir -p "$tmp/p" "$tmp/b/boot" "$tmp/out"
	cp -aL "$payload" "$tmp/p/payload"
	mkcpio "$tmp/p" "$tmp/b/boot/payload.cpio"
	cat >"$tmp/b/boot/lab.env" <<-E
	LAB_DOMUS=$ndomu
	LAB_DOMU_MEM=$umem
	LAB_LIMIT=$((limit * 9 / 10 - 15))
	LAB_KARGS="$kargs"
	E
	mkcpio "$tmp/b" "$tmp/b.cpio"
	cat "$images/dom0.cpio" "$tmp/b.cpio" "$tmp/b/boot/payload.cpio" >"$tmp/initrd"
}

# --- 3. boot -----------------------------------------------------------------

# -smap: QEMU 7.2 TCG faults on IRET from ring 3 with SMAP on, as PV guests do.
# -avx,-xsave, eager-fpu: QEMU 7.2 TCG runs AVX with CR0.TS set, so with Xen's lazy
# FPU switching vector registers leak between vCPUs: random wrong bytes.
# -rdtscp: QEMU 7.2 reports its SVM intercept wrongly, which hangs PVH domUs.
# com1 = Xen + dom0 console, with the exit status; com2 = a tar of dom0's /out.
boot() {
	timeout -k 5 "$limit" qemu-system-x86_64 "${clock[@]}" \
		-cpu max,-smap,-xsave,-avx,-avx2,-rdtscp -m "$mem" -smp "$cpus" \
		-display none -monitor none -nic none -no-reboot -no-user-config \
		-serial stdio -serial "file:$tmp/out.tar" -kernel "$images/xen" \
		-append "console=com1 com1=115200,8n1 spec-ctrl=eager-fpu dom0_mem=${d0mem}M,max:${d0mem}M$xarg" \
		-initrd "$images/vmlinux console=hvc0 ${quiet:+quiet} $kargs$karg,$tmp/initrd" \
		</dev/null 2>&1 | tee "$tmp/console.log" |
		sed -u "s/\r*$//;${quiet:+/^(XEN) /d}"
	return "${PIPESTATUS[0]}"
}

# What a person wants to see of a run that failed
autopsy() {
	local last name
	last=$(sed -n 's/\r*$//; s/^# begin //p' "$tmp/out/console.log" | tail -n1)
	[ "$1" != 124 ] || say "out of time after $limit s${last:+, in: $last}"
	say "last lines of Xen and dom0:"
	sed '/^\[domu/d' "$tmp/out/console.log" | tail -n 15 | sed 's/\r*$//; s/^/  | /' >&2
	grep -ao '^\[domu[^]]*\]' "$tmp/out/console.log" | sort -u | while read -r name; do
		say "last lines of $name:"
		grep -aF "$name" "$tmp/out/console.log" | tail -n 8 | sed 's/\r*$//; s/^/  | /' >&2
	done
	if [ ! "$out" ]; then
		out=$cache/logs/$(date +%Y%m%d-%H%M%S)
	fi
}

main() {
	local start rc=0 status
	parse_options "$@"
	prepare
	make_initrd
	start=$(date +%s)
	boot || rc=$?
	times >"$tmp/times"
	say "machine ran $(($(date +%s) - start)) s, of processors: $(tail -n1 "$tmp/times")"
	tar -xf "$tmp/out.tar" -C "$tmp/out" 2>/dev/null || :
	cp "$tmp/console.log" "$tmp/out/"
	status=$(sed -n 's/\r*$//; s/.*LAB [0-9.]* dom0.sh exit status \([0-9]*\)$/\1/p' "$tmp/console.log" | tail -n1)
	if [ ! "$status" ]; then
		say "no status from dom0 (QEMU ended with $rc)"
		status=125
		[ $rc != 124 ] || status=124
	fi
	[ "$status" = 0 ] || autopsy "$status"
	if [ "$out" ]; then
		mkdir -p "$out"
		cp -a "$tmp/out/." "$out/"
		[ "$status" = 0 ] || say "logs: $out"
	fi
	exit "$status"
}

# In one piece, so that the file may be edited while it runs
main "$@"
