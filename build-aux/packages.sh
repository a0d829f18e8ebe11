#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Debian packages that this project uses, and why; installs the missing
# ones when run as root, otherwise names them and the command, and fails.
#
# usage: build-aux/packages.sh SET...      sets: those of the table
set -eu

# set     package               why
packages() {
	cat <<-END
	build     gcc                   the compiler
	build     libc6-dev             C library headers
	build     meson                 the build system; brings ninja and python3
	build     ninja-build           runs the build
	build     pkg-config            finds libraries, for us and in the README
	build     libxen-dev            Xen's headers, libxen{store,gnttab,evtchn}
	build     libuv1-dev            xenhost, xenchanneld: event loop
	build     uthash-dev            xenhost, xenchanneld: tables
	build     libcap-ng-dev         xenchanneld: gives up privileges
	build     libjson-c-dev         xenchan-dm: QMP
	build     xenstore-utils        xenstore-ls and others, shown by ./demo
	test      libcmocka-dev         unit tests
	test      clang                 the second compiler
	test      g++                   the public header in C++
	test      clang-format          layout of the sources
	test      valgrind              memory errors in the unit tests
	test      mandoc                lint of the manual pages
	test      shellcheck            lint of the scripts
	test      abigail-tools         abidiff of the drop-in library
	test      libxenmisc4.17        Debian's libxenvchan, to compare with
	test      xen-utils-4.17        Debian's vchan-socket-proxy, run unmodified
	test      gnuplot-nox           plots of xenchan vchan bench
	test      systemd               systemd-analyze: the units and their sandbox
	test      systemd-container     systemd-nspawn: the units on a systemd
	matrix    musl-tools            musl-gcc: another C library
	matrix    gcc-multilib          gcc -m32, and what i386 has of glibc
	matrix    clang-tidy            mistakes that the sources show
	matrix    cppcheck              the same, by other means
	coverage  gcovr                 lines that the tests reach
	fuzz      clang                 compiles the targets of fuzz/run
	fuzz      libclang-rt-14-dev    libFuzzer and its sanitizers
	cross-arm64 gcc-aarch64-linux-gnu  compiles for it
	cross-arm64 g++-aarch64-linux-gnu  the public header in C++
	cross-arm64 qemu-user-static    runs its unit tests
	cross-armhf gcc-arm-linux-gnueabihf  compiles for it
	cross-armhf g++-arm-linux-gnueabihf  the public header in C++
	cross-armhf qemu-user-static    runs its unit tests
	lab       qemu-system-x86       runs the real Xen
	lab       cpio                  builds the guests' file systems
	lab       xz-utils              unpacks the guests' kernel
	END
}

say() {
	echo "packages: $*" >&2
}

is_installed() {
	dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

# Prints the packages of the sets given that are not installed.
missing() {
	for set; do
		packages | while read -r in name _; do
			[ "$in" = "$set" ] || continue
			is_installed "$name" || echo "$name"
		done
	done
}

has_lists() {
	ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1
}

# Lists may be absent or name packages that the mirror has replaced: then
# the first try fails, and a second one with fresh lists counts.
install() {
	apt="apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # $apt is a list of words
	if has_lists && $apt install "$@" >&2; then
		return
	fi
	say "fetching fresh package lists"
	# shellcheck disable=SC2086
	$apt update >&2 && $apt install "$@" >&2
}

main() {
	[ $# -gt 0 ] || { say "usage: $0 SET ..., as build test lab"; exit 2; }
	if ! command -v dpkg-query >/dev/null; then
		say "not a Debian system; the equivalents of these are needed:"
		packages >&2
		return
	fi
	names=$(missing "$@" | tr '\n' ' ')
	[ -n "$names" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		say "missing: $names"
		say "as root: apt-get install --no-install-recommends $names"
		exit 1
	fi
	say "installing $names"
	# shellcheck disable=SC2086 # $names is a list of words
	install $names || { say "installing failed: $names"; exit 1; }
}

main "$@"
