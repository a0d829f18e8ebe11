#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What no compiler checks: each file says its licence, links between documents
# lead somewhere, and a folder of src/ includes what it may and no more. Tests
# may use the emulated host, which nothing else outside of its folder may know.
set -eu

status=0

fail() {
	echo "$1:"
	echo "$2" | sed 's/^/  /'
	status=1
}

# folder    of which others it may include headers
layers() {
	cat <<-END
	base
	shm
	xen       base
	vchan     base shm xen
	console   base shm xen
	toolstack base xen console
	backend   base xen console toolstack
	dm        base xen console toolstack
	guest     base xen console
	cli       base xen vchan console toolstack guest
	bench     base cli
	xenhost   base
	END
}

# What only those may use that never run in a guest. (The test "needed" says the
# same of what is linked.)
not_in_guests='uv|uthash|utlist|utarray|cap-ng|json-c/.*'
host_only='backend dm xenhost'

# Generated, data, and what a test compares with have no place for it.
found=$(find . \( -name .git -o -path './build*' ! -path ./build-aux \
		-o -path ./fuzz/corpus -o -name '__pycache__' \) -prune -o -type f \
		! -name LICENSE ! -path ./doc/performance.svg \
		! -path './lab/*.txt' ! -path './test/install/symbols-*' -print0 |
	xargs -0 grep -L 'SPDX-License-Identifier: MIT' || true)
[ -z "$found" ] || fail "without a licence" "$found"

# includes FOLDER PATTERN: its lines that include what matches
includes() {
	grep -nE "#include $2" -r "src/$1" --include='*.[ch]' \
		--exclude='test-*' || true
}

for folder in src/*/; do
	folder=$(basename "$folder")
	may=$(layers | sed -nE "s/^$folder($| +)/$folder /p" | tr -s ' ' '|')
	if [ -z "$may" ]; then
		fail "build-aux/lint-sources.sh does not know" "src/$folder"
		continue
	fi
	found=$(includes "$folder" '"[a-z]+/' |
		grep -vE "#include \"(${may%|})/" || true)
	[ -z "$found" ] || fail "src/$folder includes what it may not" "$found"
	case " $host_only " in *" $folder "*) continue ;; esac
	found=$(includes "$folder" "<($not_in_guests)\\.h>")
	[ -z "$found" ] || fail "not to be had in a guest" "$found"
done

for document in *.md doc/*.md lab/*.md; do
	[ -e "$document" ] || continue
	found=$(grep -oE '\]\([^):#]+' "$document" | cut -c3- | grep -v "^http" |
		while read -r link; do
			[ -e "${document%"${document##*/}"}$link" ] || echo "$link"
		done)
	[ -z "$found" ] || fail "$document links to what is not there" "$found"
done
# A function that has moved takes its reason along.
found=$(grep -v '^#' build-aux/coverage-reasons |
	while read -r file function _; do
		[ -z "$file" ] || grep -qE "^[a-z].*[ *]$function\\(" "$file" ||
			echo "$file $function"
	done)
[ -z "$found" ] || fail "build-aux/coverage-reasons knows what is not there" "$found"
exit $status
