#!/bin/sh
# SPDX-License-Identifier: MIT
#
# xenchan vchan listen and connect: what goes in at one end comes out at the
# other, and both end by themselves.
# shellcheck source=test/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Domain 1 serves domain 2.
listen() { dom 1 "$XENCHAN" vchan listen -d 2 "$@"; }
connect() { dom 2 "$XENCHAN" vchan connect -d 1 "$@"; }

host
"$XENHOST" create 1 >/dev/null
"$XENHOST" create 2 >/dev/null
cd "${dir:?}" || exit
head -c 30000001 /dev/urandom >sent
: >empty

# arrives WHAT SENT: the copy is there, and the other command succeeded
arrives() {
	wait "$other" || fail "$1: the other end returned $?"
	cmp "$2" copy || fail "$1: the copy differs"
	rm -f copy
}

for file in sent empty; do
	listen data/a <$file &
	other=$!
	connect data/a </dev/null >copy || fail "connect receives $file: $?"
	arrives "a server sends $file" $file

	listen data/a </dev/null >copy &
	other=$!
	connect data/a <$file || fail "connect sends $file: $?"
	arrives "a client sends $file" $file
done

# Through pipes, which may be empty at the server's end
listen data/b </dev/null | cat >copy &
other=$!
# shellcheck disable=SC2002 # a pipe is what is tested
cat sent | connect data/b || fail "connect sends a pipe: $?"
arrives "through pipes" sent
: | listen data/b >copy &
other=$!
connect data/b <sent || fail "connect sends to a server with no input: $?"
arrives "to a server with an empty pipe" sent

# Every kind of ring; the client takes what the server chose
for ring in 0 1 4K 64K,4K 0,1M 1M 1000,3000; do
	listen --ring "$ring" data/c <sent &
	other=$!
	connect --timeout 30 data/c </dev/null >copy || fail "--ring $ring: $?"
	arrives "--ring $ring" sent
done

# A question and its answer
mkfifo questions
listen --eof=close data/d <questions >asked &
other=$!
(
	exec 3>questions
	wait_for test -s asked
	echo "answer to $(cat asked)" >&3
) &
answer=$(echo question | connect --eof=keep data/d)
wait "$other" || fail "the end that answers: $?"
equal "the answer" "$answer" "answer to question"

# Both ways at once
listen --eof=keep data/e <sent >copy &
other=$!
has_come_back() { cmp sent back; }
(cat sent; wait_for has_come_back) |
	connect --eof=close data/e >back || fail "both ways: $?"
arrives "both ways, to the server" sent
cmp sent back || fail "both ways, to the client"

# The end of the faster direction does not cut off the slower one
question_came() { [ "$(cat copy)" = question ]; }
(wait_for question_came; cat sent) | listen --eof=close data/h >copy &
other=$!
echo question | connect data/h >back || fail "the slower direction: $?"
wait "$other" || fail "the slower direction: the other end returned $?"
cmp sent back || fail "the slower direction is cut off"

# What reads the end of the question may answer it
mkfifo from-sort
sort <from-sort >answers &
sort=$!
listen --eof=close data/i <empty >from-sort &
other=$!
printf 'b\na\n' | connect data/i || fail "to sort: $?"
wait "$other" || fail "to sort: the other end returned $?"
wait "$sort" || fail "sort: $?"
equal "sorted" "$(cat answers)" "$(printf 'a\nb')"

# Who has nothing to send does not wait for an input that never ends
mkfifo idle
exec 5<>idle
listen data/j <sent &
other=$!
connect data/j <&5 >copy || fail "with an idle input: $?"
exec 5>&-
arrives "with an idle input" sent

# A path is absolute, or below the home of the server
listen /local/domain/1/data/deep/er/f-1_2@3 <sent &
other=$!
connect data/deep/er/f-1_2@3 </dev/null >copy || fail "absolute path: $?"
arrives "an absolute path" sent

# Closed descriptors are nothing to send, and nowhere to write
listen data/g <&- >copy &
other=$!
connect data/g <sent >&- || fail "closed standard output: $?"
arrives "closed standard input" sent

# A second transfer at the same place, and nothing is left in xenstore
equal "nodes left" "$(dom 1 xenstore-ls data | grep -c ring-ref)" 0
for id in 1 2; do
	for what in pages_shared pages_mapped ports processes; do
		equal "domain $id: $what" "$(column "$what" "$id")" 0
	done
done
