# SPDX-License-Identifier: MIT
# usage: attach.sh tracee-directory
# The attach example shows all threads of a process, leaves it as it was, and says why it cannot.
. "${0%/*}/common.sh"
tracees=$1
export EXAMPLES

# await pid state tracer: until the kernel says so of it, for it takes a moment
await()
{
    tries=2000
    until [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p; s/^TracerPid:[[:space:]]*//p' \
        "/proc/$1/status" | tr '\n' ' ')" = "$2 $3 " ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "process $1 should be $2, and traced by $3"
        sleep 0.01
    done
}

run "$EXAMPLES/attach"
expect_code 0
expect out '^process [0-9]+, threads: 1$'
expect out '^ *[0-9]+  [a-z]+ +sleep +0x[0-9a-f]{12}  '
expect out '^process [0-9]+ goes on$'

# One that waits, one that is stopped, and one that is neither, are as they were.
sleep 1000 &
sleeper=$!
until [ "$(cat /proc/$sleeper/comm)" = sleep ]; do :; done
await $sleeper S 0
run "$EXAMPLES/attach" $sleeper
cp out waiting
await $sleeper S 0
kill -STOP $sleeper
await $sleeper T 0
run "$EXAMPLES/attach" $sleeper
await $sleeper T 0
kill -KILL $sleeper
wait $sleeper || :
expect waiting "^ *$sleeper  sleeping +sleep +0x[0-9a-f]+  /.* \+ 0x[0-9a-f]+\$"
expect waiting "^process $sleeper goes on\$"
expect_code 0
expect out "^ *$sleeper  stopped +sleep +0x"
sh -c 'while :; do :; done' &
spinner=$!
run "$EXAMPLES/attach" $spinner
await $spinner R 0
kill -KILL $spinner
wait $spinner || :
expect_code 0

# Threads and their names.
mkfifo go ready
"$tracees/subject" names one 'two words' "$(printf 'three\nlines)')" <go >ready &
subject=$!
exec 7>go
head -c 1 ready >first
run "$EXAMPLES/attach" $subject
exec 7>&-
subject_code=0
wait $subject || subject_code=$?
expect_code 0
expect out "^process $subject, threads: 4\$"
expect out "^ *$subject  [a-z]+ +subject +0x[0-9a-f]+  /"
expect out '^ *[0-9]+  [a-z]+ +one +0x[0-9a-f]+  /'
expect out '^ *[0-9]+  [a-z]+ +two words +0x[0-9a-f]+  /'
expect out '^ *[0-9]+  [a-z]+ +three\?lines\) +0x[0-9a-f]+  /'
[ $subject_code -eq 0 ] || fail "the subject should have ended well"

# A first thread that has ended while another waits.
"$tracees/subject" leader <go >ready &
subject=$!
exec 7>go
head -c 1 ready >first
await $subject Z 0
run "$EXAMPLES/attach" $subject
exec 7>&-
subject_code=0
wait $subject || subject_code=$?
expect_code 0
expect out "^process $subject, threads: 2\$"
expect out "^ *$subject  ended +subject +cannot stop yet\$"
expect out '^ *[0-9]+  [a-z]+ +subject +0x[0-9a-f]+  /'
[ $subject_code -eq 0 ] || fail "the subject should have ended well"

if [ -x /usr/bin/python3 ]; then
    cat >threads.py <<'END'
import queue
import sys
import threading

todo = queue.Queue()
sums = queue.Queue()

def work():
    while (number := todo.get()) is not None:
        sums.put(sum(range(number)))

threads = [threading.Thread(target=work) for _ in range(20)]
for thread in threads:
    thread.start()
for number in range(2000):
    todo.put(number)
print("ready", flush=True)
sys.stdin.read()
for thread in threads:
    todo.put(None)
for thread in threads:
    thread.join()
sys.exit(sum(sums.get() for _ in range(2000)) != sum(sum(range(n)) for n in range(2000)))
END
    /usr/bin/python3 threads.py <go >ready &
    subject=$!
    exec 7>go
    read line <ready
    for round in 1 2 3 4 5; do
        run "$EXAMPLES/attach" $subject
        expect_code 0
        expect out "^process $subject, threads: 21\$"
        [ "$(grep -Ec '^ *[0-9]+  [a-z]+ +[^ ]+ +0x[0-9a-f]{12}  ' out)" -eq 21 ] ||
            fail "there should be 21 threads that stand somewhere"
        expect out "^process $subject goes on\$"
    done
    exec 7>&-
    subject_code=0
    wait $subject || subject_code=$?
    [ $subject_code -eq 0 ] || fail "its result should be right"
fi

# Refusals, in words.
run "$EXAMPLES/attach" 999999999
expect_code 1
expect err '^attach: .*: No such process$'
run sh -c 'exec "$EXAMPLES/attach" $$'
expect_code 1
expect err '^attach: .*\(it is the host itself\)'
if [ "$(cat /proc/2/comm 2>/dev/null)" = kthreadd ]; then
    run "$EXAMPLES/attach" 2
    expect_code 1
    expect err '^attach: .*\(it is a kernel thread\): Operation not permitted$'
fi
run "$EXAMPLES/launch" -- sh -c '"$EXAMPLES/attach" $$; exit $?'
expect_code 1
expect err '^attach: .*\(it is traced already\): Device or resource busy$'
expect err '^attach: it is traced by process [0-9]+$'
# Process 1 belongs to root; a user who may not enter the build tree cannot try.
unprivileged=
[ "$(id -u)" -ne 0 ] || unprivileged="setpriv --reuid=65534 --regid=65534 --clear-groups"
run $unprivileged "$EXAMPLES/attach" 0
if grep -q '^usage: attach' err; then
    run $unprivileged "$EXAMPLES/attach" 1
    expect_code 1
    expect err '^attach: .*\(it belongs to another user\): Operation not permitted$'
fi
for argument in 0 -1 x 1x 99999999999999999999 ''; do
    run "$EXAMPLES/attach" "$argument"
    expect_code 1
    expect err '^usage: attach'
done
