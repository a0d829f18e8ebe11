#!/bin/sh
# SPDX-License-Identifier: MIT
# The distribution's vchan-socket-proxy, unmodified, at both ends: a Unix
# socket in domain 2 leads to one in domain 1.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
proxy=vchan-socket-proxy
[ -x "/usr/lib/xen-4.17/bin/$proxy" ] || skip "no $proxy (xen-utils-4.17)"
command -v python3 >/dev/null || skip "no python3"
host 1 2
# The distribution's libxenvchan leaves `blocking` as malloc gave it, and the
# proxies rely on that being 0.
unset MALLOC_PERTURB_

# Sends a megabyte to the socket $1 and prints what comes back, as checksums.
cat >"$dir/client.py" <<'END'
import hashlib, random, socket, sys, threading
data = random.Random(7).randbytes(1 << 20)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
got = b""
while len(got) < len(data):
    part = s.recv(65536)
    if not part:
        break
    got += part
print(hashlib.sha256(data).hexdigest() == hashlib.sha256(got).hexdigest())
END
# Echoes one connection.
cat >"$dir/echo.py" <<'END'
import socket, sys
l = socket.socket(socket.AF_UNIX)
l.bind(sys.argv[1])
l.listen(1)
s = l.accept()[0]
while True:
    part = s.recv(65536)
    if not part:
        break
    s.sendall(part)
END

# Found through Debian's wrapper, which by itself wants a running Xen.
python3 "$dir/echo.py" "$dir/echo" &
wait_for test -S "$dir/echo"
dom 1 $proxy -m server 2 data/proxy "$dir/echo" &
dom 2 $proxy -m client 1 /local/domain/1/data/proxy "$dir/front" &
wait_for test -S "$dir/front"
equal "echo through the proxies" \
	"$(timeout 20 python3 "$dir/client.py" "$dir/front")" True
