#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What no compiler checks: each file says its licence, links between documents
# lead somewhere, and a folder of src/ includes only from folders above it. Tests
# may use the emulated host, which nothing else outside of its folder may know.
set -eu

layers="base shm xen vchan console toolstack backend guest cli bench"
status=0

fail() {
	echo "$1:"
	echo "$2" | sed 's/^/  /'
	status=1
}

found=$(find include src test lab man build-aux -type f |
	grep -E '\.([ch]|sh|py|[1-9])$' |
	xargs grep -L 'SPDX-License-Identifier: MIT' || true)
[ -z "$found" ] || fail "without a licence" "$found"

below="$layers xenhost"
for layer in $layers; do
	below=${below#"$layer "}
	pattern=$(echo "$below" | tr ' ' '|')
	found=$(grep -nE "#include \"($pattern)/" -r "src/$layer" \
		--include='*.[ch]' --exclude='test-*' 2>/dev/null || true)
	[ -z "$found" ] || fail "src/$layer includes from below" "$found"
done

for document in *.md doc/*.md lab/*.md; do
	[ -e "$document" ] || continue
	found=$(grep -oE '\]\([^):#]+' "$document" | cut -c3- | grep -v "^http" |
		while read -r link; do
			[ -e "${document%"${document##*/}"}$link" ] || echo "$link"
		done)
	[ -z "$found" ] || fail "$document links to what is not there" "$found"
done
exit $status
