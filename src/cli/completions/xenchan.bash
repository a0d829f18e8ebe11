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
	'vchan bench')
		options='--compare --mode --size --ring --rounds --time --spin
			--cpu --no-fifo --json --plot --serve --domain --help'
		;;
	'vchan proxy')
		options='--domain --listen --stdio --connect --exec --mode
			--max-sessions --timeout --idle --ring --compat --verbose --help'
		;;
	'channel attach')
		options='--domain --pty --socket --mode --owner --limit
			--overflow --log --signal-client --backend --persist --wait --help'
		;;
	'channel detach') options='--domain --timeout --force --help' ;;
	'channel events') options='--json --run-dir --help' ;;
	'channel list') options='--domain --json --tsv --run-dir --help' ;;
	'channel log') options='--domain --to --off --help' ;;
	'channel names') options='--json --tsv --help' ;;
	'channel open')
		options='--timeout --device --eof --exec --tty --dir --help'
		;;
	'channel serve') options='--dir --agents --restart-delay --help' ;;
	'doctor') options='--json --run-dir --help' ;;
	'vchan stats') options='--json --watch --help' ;;
	'channel' | 'vchan') options='--help' ;;
	'') options='--version --help' ;;
	esac
}

# Sets `words` to what may follow the words of a command.
_xenchan_commands() {
	case $1 in
	'') words='channel vchan doctor' ;;
	'channel') words='attach detach events list log names open serve' ;;
	'vchan') words='bench listen connect proxy stats' ;;
	esac
	return 0
}

# Files, or directories: -f or -d. As names, so that a directory is not the end,
# and a space in a name is quoted; where nothing is being completed, as in a
# test, there is nothing to set.
_xenchan_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_xenchan() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options='' words='' i

	COMPREPLY=()
	# The word before "=" is the option; bash gives "=" as a word.
	[ "$prev" = '=' ] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$cur" = '=' ] && cur=''
	# All that follows --exec is another command's.
	for ((i = 3; i < COMP_CWORD - 1; i++)); do
		[ "${COMP_WORDS[i]}" = --exec ] || continue
		if declare -F _command_offset >/dev/null; then
			_command_offset $((i + 1))
		else
			_xenchan_files -f "$cur"
		fi
		return
	done
	case $prev in
	--eof) words='close keep' ;;
	--ring) words='4K 64K 256K 1M' ;;
	--mode | -m)
		[ "$command ${COMP_WORDS[2]}" = 'vchan bench' ] || return
		words='stream packet batch inplace latency'
		;;
	--overflow) words='block drop-oldest drop-newest' ;;
	--timeout | -t | --idle)
		words='0 10 1m never'
		[ "$command ${COMP_WORDS[2]}" = 'channel detach' ] && words='10 1m'
		;;
	--domain | -d | --backend | --limit | --max-sessions | --restart-delay | --wait | \
		--cpu | --rounds | --size | --spin | --time)
		return
		;;
	--device) words='1 2 3 4 5 6 7' ;;
	--exec)
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		return
		;;
	--owner)
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
		;;
	--agents | --dir | --run-dir)
		_xenchan_files -d "$cur"
		return
		;;
	--compare | --connect | --listen | --log | --plot | --socket | --to | --tty)
		_xenchan_files -f "$cur"
		return
		;;
	*)
		[ "$COMP_CWORD" -gt 2 ] && _xenchan_commands "$command" &&
			[ -n "$words" ] && command+=" ${COMP_WORDS[2]}"
		words=''
		[ "$COMP_CWORD" = 1 ] && command=''
		_xenchan_options "$command"
		_xenchan_commands "$command"
		[[ $cur == -* ]] && words=$options
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _xenchan xenchan
