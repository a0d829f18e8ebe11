#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The completions offer the commands and long options that the program has, and
# no others.
#
# usage: test-completions.sh XENCHAN BASH-FILE ZSH-FILE
set -u

xenchan=$1 bash_file=$2 zsh_file=$3
status=0

# same WHAT EXPECTED FOUND
same() {
	[ "$2" = "$3" ] && return
	printf '%s:\n the program has %s\n here stand      %s\n' "$1" "$2" "$3"
	status=1
}

sorted() {
	tr ' ' '\n' | sort -u | grep . | tr '\n' ' '
}

commands() {
	"$xenchan" --help | sed -nE 's/^  ([a-z]+( [a-z]+)?)  .*/\1/p'
}

# Long options in the help of a command
options() {
	# shellcheck disable=SC2086 # a command is one or two words
	"$xenchan" $1 --help | grep -oE -- '--[a-z-]+' | sorted
}

# What bash offers after the words given.
offered() {
	COMP_WORDS=(xenchan "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_xenchan
	echo "${COMPREPLY[@]}" | sorted
}

# The body of a function in the zsh file
zsh_function() {
	sed -n "/^$1() {/,/^}/p" "$zsh_file"
}

zsh_options() {
	{
		zsh_function "$1"
		zsh_function "$1" | grep -q _xenchan_transfer &&
			zsh_function _xenchan_transfer
	} | grep -v '^ *(-' | sed -E 's/\([^)]*\)//' | grep -oE -- '--[a-z-]+' | sorted
}

# shellcheck source=/dev/null
. "$bash_file" || exit 1

[ "$(commands | wc -l)" -ge 3 ] || { echo "no commands found"; exit 1; }

first=$(commands | cut -d ' ' -f 1 | sort -u | sorted)
same "bash: commands" "$first" "$(offered '')"
same "zsh: commands" "$first" "$(zsh_function _xenchan |
	sed -nE "s/^\t\t'([a-z]+):.*/\1/p" | sorted)"
for group in $(commands | sed -n 's/ .*//p' | sort -u); do
	second=$(commands | sed -n "s/^$group //p" | sorted)
	same "bash: $group" "$second" "$(offered "$group" '')"
	same "zsh: $group" "$second" "$(zsh_function "_xenchan_$group" |
		sed -nE "s/^\t\t'([a-z]+):.*/\1/p" | sorted)"
done
while read -ra words; do
	name="${words[*]}"
	same "bash: options of $name" "$(options "$name")" \
		"$(offered "${words[@]}" --)"
	same "zsh: options of $name" "$(options "$name")" \
		"$(zsh_options "_xenchan_${name// /_}")"
done < <(commands)
same "bash: values of --eof" "close keep " \
	"$(offered vchan listen --eof '')"
same "bash: values after =" "close " "$(offered vchan listen --eof = c)"
same "bash: no never for detach" "10 1m " \
	"$(offered channel detach --timeout '')"
dir=$(mktemp -d) || exit 1
mkdir "$dir/a directory"
: >"$dir/a file"
# Names with spaces stay whole, and only a directory is where a directory goes.
# files WORD...: what is offered after them, one a line.
files() {
	COMP_WORDS=(xenchan "$@") COMP_CWORD=$#
	_xenchan
	printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd,
}
same "bash: files" "$dir/a directory,$dir/a file" \
	"$(files vchan proxy --listen "$dir/")"
same "bash: directories" "$dir/a directory" "$(files channel open --dir "$dir/")"
# What follows the command of --exec is the command's.
same "bash: after --exec" "$dir/a directory,$dir/a file" \
	"$(files vchan proxy --exec cat "$dir/a")"
rm -r "$dir"
exit $status
