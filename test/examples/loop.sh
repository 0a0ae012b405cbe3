# SPDX-License-Identifier: MIT
# A session in an event loop: the loop example counts, tells of it, and ends with its command.
. "${0%/*}/common.sh"
unset MAKEFLAGS MAKELEVEL
# Its client is one of the processes that it holds, where leaks cannot be looked for.
export ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0"
export loop="$EXAMPLES/loop"

for how in "" "--no-io-uring"; do
    # The command's output and exit code are its own.
    run "$loop" $how sh -c 'echo output; exit 7'
    expect_code 7
    expect out '^output$'
    run "$loop" $how -- sh -c 'kill -KILL $$'
    expect_code 137

    # The timer ticks while the command runs, and the server answers; to the command, too.
    run "$loop" $how --socket socket -- \
        sh -c '/bin/true; /bin/true; "$loop" --ask socket; until grep -q "^loop: " err; do :; done'
    expect_code 0
    expect out '^4 processes, [1-9][0-9]+ events$'
    expect err '^loop: [0-9]+\.[0-9] s, [0-9]+ processes, [0-9]+ events$'
    [ ! -e socket ] || fail "the socket should be gone"

    # Many clients at once, and one that goes without having listened.
    cat >clients.sh <<'END'
for i in 1 2 3 4 5 6 7 8 9 10; do
    "$loop" --ask socket &
done
wait
exit 5
END
    run "$loop" $how --socket socket -- sh clients.sh
    expect_code 5
    [ "$(grep -Ec '^[0-9]+ processes, [0-9]+ events$' out)" -eq 10 ] || fail "ten should be told"

    # Many events.
    run "$loop" $how --socket socket -- \
        sh -c 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done; "$loop" --ask socket; exit'
    expect_code 0
    expect out '^102 processes, [4-9][0-9]{2} events$'

    # What it leaves behind goes on.
    mkfifo go back
    run "$loop" $how -- sh -c '{ echo here >back; read line <go; echo $line >back; } & cat back'
    expect_code 0
    expect out '^here$'
    [ "$(timeout 20 sh -c 'echo on >go; cat back')" = on ] || fail "what was left should go on"
    rm go back

    # What cannot be done.
    run "$loop" $how -- ./no-such-program
    expect_code 127
    expect err '^loop: launch: execute "./no-such-program": No such file or directory$'
    : >file
    run "$loop" $how --socket file -- echo hello
    expect_code 125
    expect err '^loop: file: Address already in use$'
    [ -e file ] || fail "the file is not its own"
done
run "$loop" --ask nowhere
expect_code 1
expect err '^loop: nowhere: No such file or directory$'
run "$loop"
expect_code 125
expect err '^usage: loop'
