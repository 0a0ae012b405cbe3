# SPDX-License-Identifier: MIT
# usage: judge.sh tracee-directory
# The judge example ends what breaks a limit, says which, and leaves nothing behind.
. "${0%/*}/common.sh"
judged=$1/judged

# judge [option...] -- what...: run it; expect_verdict text: what it was found to do.
judge()
{
    options=
    while [ "$1" != -- ]; do
        options="$options $1"
        shift
    done
    shift
    run "$EXAMPLES/judge" $options -- "$judged" "$@"
}

expect_verdict()
{
    expect err "^judge: verdict: $1\$"
    case $1 in
    ok*) expect_code 0 ;;
    *) expect_code 1 ;;
    esac
}

# What ends by itself.
judge -- exit 0
expect_verdict 'ok \(exit code 0\)'
expect err '^judge: used: [0-9]+\.[0-9]{3} s by the clock, 0\.[0-9]{3} s of processor time, [1-9][0-9]* KiB resident$'
expect err '^judge: processes: 1; with threads 1 at once; left behind and killed: 0$'
judge -- exit 3
expect_verdict 'wrong exit code 3'
judge -e 3 -- exit 3
expect_verdict 'ok \(exit code 3\)'
judge -- signal 11
expect_verdict 'killed by signal 11 \(Segmentation fault\)'
run "$EXAMPLES/judge" -- sh -c 'echo output; echo errors >&2; seq 3 | tail -n 1'
expect_verdict 'ok \(exit code 0\)'
printf 'output\n3\n' >expected
expect_same out expected
expect err '^errors$'
expect err '^judge: processes: 3;'
echo input >input
code=0
"$EXAMPLES/judge" -- cat <input >out 2>err || code=$?
expect_code 0
expect_same out input

# Too many of them, be they processes or threads.
judge -- bomb
expect_verdict 'process limit'
judge -p 200 -- bomb
expect_verdict 'process limit'
expect err 'with threads [2-4][0-9]{2} at once'
judge -- threads
expect_verdict 'process limit'
expect err 'processes: 1; with threads 17 at once'

# Too much memory: of one, of several, and of no one in particular.  What can do without it may.
judge -m 64 -- rude
expect_verdict 'memory limit'
judge -m 64 -- heap
expect_verdict 'memory limit'
judge -m 64 -- hog
expect_verdict 'ok \(exit code 0\)'
judge -w 100 -m 64 -- shared
expect_verdict 'memory limit'
judge -w 100 -c 100 -- family
expect_verdict 'memory limit'
expect err '^judge: processes: [2-5];'

# Too much time.
judge -w 0.3 -- sleep
expect_verdict 'time limit'
expect err '^judge: used: (0\.[3-9]|[1-9])'
judge -w 0.3 -- stop
expect_verdict 'time limit'
judge -w 100 -c 0.2 -- busy
expect_verdict 'processor time limit'
judge -w 100 -c 0.3 -- lines
expect_verdict 'processor time limit'
expect err '^judge: used: .*, (0\.(29.|[3-9]..)|[1-9].*) s of processor time'

# Too much output.
judge -o 10 -- flood
expect_verdict 'output limit'
[ "$(wc -c <out)" -eq 10240 ] || fail "10 KiB should be kept"
judge -o 10 -- deaf
expect_verdict 'output limit'

# What it leaves behind is killed, whatever session it is in.
rm -f daemon
judge -- daemon daemon
expect_verdict 'ok \(exit code 0\)'
expect err '^judge: processes: 3; .* left behind and killed: 1$'
[ -s daemon ] || fail "the daemon should have run"
if kill -0 "$(cat daemon)" 2>/dev/null; then
    fail "the daemon should be gone"
fi

# Signals among its own, and to others, which are not there for it.
judge -- siblings
expect_verdict 'ok \(exit code 0\)'
expect out '^7 were killed$'
judge -- parent
expect_verdict 'killed by signal 15 \(Terminated\)'
judge -- stranger 1
expect_verdict 'wrong exit code 3'
judge -- stranger $$
expect_verdict 'wrong exit code 3'
judge -- everybody
expect_verdict 'wrong exit code 3'

# Forbidden calls end it, or fail.
judge -- socket
expect_verdict 'forbidden system call: socket'
judge -r -- socket
expect_verdict 'wrong exit code 4'
judge -- local_socket
expect_verdict 'wrong exit code 5'
judge -- untraced
expect_verdict 'forbidden system call: clone'
judge -- filter
expect_verdict 'forbidden system call: seccomp'
judge -- old_socket
expect_verdict 'forbidden system call of another architecture'
judge -d pause -- sleep
expect_verdict 'forbidden system call: pause'

# As another user.
if [ "$(id -u)" -eq 0 ]; then
    cp "$judged" judged
    chmod 755 . judged
    run "$EXAMPLES/judge" -u 65534 -- sh -c 'grep ^Uid: /proc/self/status'
    expect_verdict 'ok \(exit code 0\)'
    expect out '^Uid:.65534.65534.65534.65534$'
fi

if [ -x /usr/bin/python3 ]; then
    run "$EXAMPLES/judge" -- /usr/bin/python3 -c '
import subprocess, threading
thread = threading.Thread(target=lambda: print("thread", flush=True))
thread.start(); thread.join()
print(subprocess.check_output(["echo", "child"], text=True), end="")'
    expect_verdict 'ok \(exit code 0\)'
    expect out '^thread$'
    expect out '^child$'
    expect err '^judge: processes: 2; with threads [23] at once'
fi

# What cannot be judged.
run "$EXAMPLES/judge" -- no-such-program
expect_code 127
expect err '^judge: launch: execute "no-such-program": No such file or directory$'
run "$EXAMPLES/judge" -- /
expect_code 126
run "$EXAMPLES/judge" -d nonsense -- true
expect_code 125
expect err '^judge: nonsense: no such system call$'
run "$EXAMPLES/judge"
expect_code 125
expect err '^usage: judge'
