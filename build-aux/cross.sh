#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds everything for another architecture, warnings as errors, and runs the
# unit tests there, by qemu-user. Debian's packages for it are unpacked into a
# folder; nothing of them is installed. (Debian has no Xen for i386.)
#
# usage: build-aux/cross.sh arm64|armhf [MESON-TEST-OPTION...]
#
# In build-check/cross/ARCH: root, the packages; build, what was built.
set -eu -o pipefail
cd "$(dirname "$0")/.."

packages=(libxen-dev libcmocka-dev libuv1-dev uthash-dev libcap-ng-dev
	libjson-c-dev libc6-dev)

arch=${1:-}
shift $(($# > 0))
case $arch in
arm64) triplet=aarch64-linux-gnu cpu=aarch64 wrapper=qemu-aarch64-static ;;
armhf) triplet=arm-linux-gnueabihf cpu=arm wrapper=qemu-arm-static ;;
*)
	echo "usage: $0 arm64|armhf [MESON-TEST-OPTION...]" >&2
	exit 2
	;;
esac
here=$PWD/build-check/cross/$arch
root=$here/root

# The release alone, where this machine gets it: updates of it are of no use here.
sources() {
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg

	# shellcheck disable=SC2016 # they are apt's
	apt-get indextargets --format '$(LABEL) $(RELEASE) $(SITE) $(COMPONENT)' \
		'Created-By: Packages' | while read -r label release site part; do
		case "$label $release" in
		Debian\ *-*) ;;
		Debian\ *) echo "deb [signed-by=$keys] $site $release $part" ;;
		esac
	done
}

# With an empty status, apt resolves all that is needed, whatever this machine has.
fetch() {
	mkdir -p "$here"/apt/{state/lists,cache/archives}/partial "$here/apt/none"
	: >"$here/apt/empty"
	sources >"$here/apt/sources"
	cat >"$here/apt/conf" <<-END
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Sandbox::User "$(id -un)";
		APT::Install-Recommends "false";
		Dir::Etc::sourcelist "$here/apt/sources";
		Dir::Etc::sourceparts "$here/apt/none";
		Dir::State "$here/apt/state";
		Dir::State::status "$here/apt/empty";
		Dir::Cache "$here/apt/cache";
		Debug::NoLocking "true";
	END
	APT_CONFIG=$here/apt/conf apt-get -qq update
	APT_CONFIG=$here/apt/conf apt-get -qq -y --download-only install \
		"${packages[@]}"
}

unpack() {
	local deb

	rm -rf "$root.new"
	mkdir -p "$root.new"
	for deb in "$here"/apt/cache/archives/*.deb; do
		dpkg -x "$deb" "$root.new"
	done
	rm -rf "$here/apt"
	mv "$root.new" "$root"
}

cross_file() {
	cat <<-END
		[binaries]
		c = '$triplet-gcc'
		cpp = '$triplet-g++'
		ar = '$triplet-ar'
		strip = '$triplet-strip'
		pkgconfig = 'pkg-config'
		exe_wrapper = ['$wrapper', '-L', '$root']
		[built-in options]
		c_args = ['--sysroot=$root']
		c_link_args = ['--sysroot=$root']
		cpp_args = ['--sysroot=$root']
		cpp_link_args = ['--sysroot=$root']
		[properties]
		sys_root = '$root'
		pkg_config_libdir = '$root/usr/lib/$triplet/pkgconfig:$root/usr/share/pkgconfig'
		[host_machine]
		system = 'linux'
		cpu_family = '$cpu'
		cpu = '$cpu'
		endian = 'little'
	END
}

build-aux/packages.sh build test "cross-$arch"
if ! [ -d "$root" ]; then
	fetch
	unpack
fi
cross_file >"$here/cross.ini"
[ -e "$here/build/build.ninja" ] ||
	meson setup -Dwerror=true --cross-file "$here/cross.ini" "$here/build"
meson compile -C "$here/build"

# gcc's helper functions for atomics loop for as long as a peer lets them fail: shm.h.
if [ "$arch" = arm64 ] && find "$here/build/src" -name '*.o' \
	-exec "$triplet-nm" -A -u {} + | grep ' __aarch64_'; then
	echo "$0: atomics that are functions, in the objects above" >&2
	exit 1
fi

# Emulated processors are slow.
meson test -C "$here/build" --no-rebuild --print-errorlogs --suite unit \
	--no-suite long --no-suite once --timeout-multiplier 10 "$@"
