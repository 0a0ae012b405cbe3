# SPDX-License-Identifier: MIT
# usage: launch.sh tracee-directory
# The launcher starts real programs of every kind, passes on what they do, and explains what it cannot
# start; traced and untraced, on both paths.
. "${0%/*}/common.sh"
tracees=$1

ls -l /usr >expected
printf '#!/bin/sh\necho "script $1"\nexit 6\n' >script
chmod +x script
printf '#!/nonexistent/interpreter\n' >orphan
chmod +x orphan
printf 'no program\n' >text
chmod +x text

for how in "" "-p" "-u" "-u -p"; do
    launch="$EXAMPLES/launch $how"

    # Real programs: a dynamic one, a shell and its children, a script, a static one, an interpreter.
    run $launch -- ls -l /usr
    expect_code 0
    expect_same out expected
    case $how in
    *-u*) expect err '^launch: process [0-9]+ runs$' ;;
    *) expect err '^launch: process [0-9]+ stands before its first instruction, at 0x[0-9a-f]+$' ;;
    esac
    expect err '^launch: process [0-9]+ exited with code 0$'
    run $launch -- sh -c 'echo one | cat; echo two >&2; exit 7'
    expect_code 7
    expect out '^one$'
    expect err '^two$'
    run $launch -- ./script argument
    expect_code 6
    expect out '^script argument$'
    run $launch -- "$tracees/target_static" exit 9
    expect_code 9
    if command -v bash >/dev/null; then
        run $launch -- bash -c 'for i in 1 2 3; do (exit $i) || echo $?; done'
        expect_code 0
        expect out '^3$'
    fi
    if [ -x /usr/bin/python3 ]; then
        run $launch -- /usr/bin/python3 -c 'import sys; print(6 * 7); sys.exit(5)'
        expect_code 5
        expect out '^42$'
    fi

    # Death by a signal, and a signal that is caught.
    run $launch -- sh -c 'kill -SEGV $$'
    expect_code 139
    expect err 'was killed by signal 11'
    run $launch -- sh -c 'trap "exit 3" USR1; kill -USR1 $$; sleep 10'
    expect_code 3

    # What cannot be started.
    run $launch -- no-such-program
    expect_code 127
    expect err '^launch: execute "no-such-program": No such file or directory$'
    run $launch -- ./orphan
    expect_code 127
    expect err 'interpreter is missing'
    run $launch -- /
    expect_code 126
    run $launch -- ./text
    expect_code 126
    expect err '^launch: execute "./text": Exec format error$'
    run $launch -C /nonexistent -- ls
    expect_code 125
    expect err '^launch: change directory to "/nonexistent": No such file or directory$'
    run $launch -i /nonexistent -- cat
    expect_code 125
    expect err '^launch: set descriptor 0 to "/nonexistent": No such file or directory$'

    # Options.
    echo "some input" >input
    run $launch -i input -o output -r '&1' -- sh -c 'cat; echo problem >&2'
    expect_code 0
    expect output '^some input$'
    expect output '^problem$'
    run $launch -C / -e NAME=value -e HOME -m 027 -n 3 -l nofile=50 -- \
        sh -c 'pwd; echo "$NAME:${HOME-none}"; umask; ulimit -n'
    expect_code 0
    expect out '^/$'
    expect out '^value:none$'
    expect out '^0?027$'
    expect out '^50$'
    run $launch -y -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo terminal'
    expect_code 0
    expect out '^terminal'
    mkfifo -m 600 fifo
    run $launch -t 100 -i fifo -- cat
    rm fifo
    expect_code 125
    expect err 'Connection timed out$'
done

run "$EXAMPLES/launch"
expect_code 125
expect err '^usage: launch'
