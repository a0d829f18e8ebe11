# SPDX-License-Identifier: MIT
# Completion of xenchan(1) for bash. test-completions.sh compares the commands
# and options here with what the program says.
# shellcheck shell=bash

# Sets `options` to those of a command.
_xenchan_options() {
	local transfer='--domain --timeout --eof --progress --no-progress --quiet --verbose --help'

	case $1 in
	'vchan listen') options="--ring $transfer" ;;
	'vchan connect') options=$transfer ;;
	'doctor') options='--json --help' ;;
	'vchan') options='--help' ;;
	'') options='--version --help' ;;
	esac
}

# Sets `words` to what may follow the words of a command.
_xenchan_commands() {
	case $1 in
	'') words='vchan doctor' ;;
	'vchan') words='listen connect' ;;
	esac
}

_xenchan() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options='' words=''

	COMPREPLY=()
	# The word before "=" is the option; bash gives "=" as a word.
	[ "$prev" = '=' ] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$cur" = '=' ] && cur=''
	case $prev in
	--eof) words='close keep' ;;
	--ring) words='4K 64K 256K 1M' ;;
	--timeout | -t) words='0 10 1m never' ;;
	--domain | -d) return ;;
	*)
		[ "$command" = vchan ] && [ "$COMP_CWORD" -gt 2 ] &&
			command="vchan ${COMP_WORDS[2]}"
		[ "$COMP_CWORD" = 1 ] && command=''
		_xenchan_options "$command"
		_xenchan_commands "$command"
		[[ $cur == -* ]] && words=$options
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _xenchan xenchan
