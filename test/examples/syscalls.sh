# SPDX-License-Identifier: MIT
# usage: syscalls.sh tracee-directory project-directory
# The syscalls example changes nothing for the command, and shows what it does.
. "${0%/*}/common.sh"
project=$2
unset MAKEFLAGS MAKELEVEL
syscalls="$EXAMPLES/syscalls"

# expect_count number extended-regular-expression: so many lines of the log are like this.
expect_count()
{
    found=$(grep -Ec -- "$2" log || :)
    [ "$found" -eq "$1" ] || fail "$found lines of the log, and not $1, are like: $2"
}

# A command's output and exit code, or the signal that kills it, are what they are without.
same()
{
    run "$EXAMPLES/capture" -i "some input" -- "$@"
    grep -v '^used: ' out >without
    for options in "" "-f" "-f -e openat,close" "-e openat,close" "-c"; do
        run "$EXAMPLES/capture" -i "some input" -- "$syscalls" $options -o log -- "$@"
        grep -v '^used: ' out >with
        expect_same with without
    done
}

same sh -c 'exit 3'
for signal in KILL TERM SEGV INT QUIT PIPE; do
    same sh -c 'kill -'$signal' $$'
done
same cat
same sh -c 'echo output; echo errors >&2; seq 200 | sort -rn | tail -n 3; exit 9'
same sh -c 'trap "echo caught; exit 4" USR1; kill -USR1 $$; echo not reached'
same sh -c 'sh -c "kill -KILL \$\$"; echo $?; (kill -STOP $$; kill -CONT $$) & wait; exit 5'

# Names, arguments, results; signals and ends.
mkdir -p directory
printf 'two\nlines' >directory/file
run "$syscalls" -o log -- cat directory/file
expect_code 0
expect_same out directory/file
expect_count 1 '^[0-9]+ openat\(AT_FDCWD, "directory/file", 0, 0\) = [0-9]+$'
expect_count 1 '^[0-9]+ exit_group\(0\) = \?$'
expect_count 1 '^[0-9]+ \+\+\+ exited with 0 \+\+\+$'
run "$syscalls" -f -o log -- sh -c 'printf "two\nlines" | tail -n 3'
expect_code 0
expect_same out directory/file
expect_count 1 '^[0-9]+ read\(0, "two\\nlines", [0-9]+\) = 9$'
expect_count 2 '^[0-9]+ write\(1, "two\\nlines", 9\) = 9$'
run "$syscalls" -o log -- cat nothing
expect_code 1
expect_count 1 'openat\(AT_FDCWD, "nothing", 0, 0\) = -1 ENOENT \(No such file or directory\)$'
run "$syscalls" -o log -- sh -c 'trap : USR1; kill -USR1 $$; kill -TERM $$'
expect_count 1 '^[0-9]+ --- SIGUSR1 ---$'
expect_count 1 '^[0-9]+ \+\+\+ killed by Terminated \+\+\+$'

# Children: not without -f, and all with it.
run "$syscalls" -o log -- sh -c '/bin/true; /bin/true; exit 2'
expect_code 2
expect_count 1 '\+\+\+ exited with '
expect_count 0 'execve\("/bin/true"'
run "$syscalls" -f -o log -- sh -c '/bin/true; /bin/true; exit 2'
expect_code 2
expect_count 2 'execve\("/bin/true", \["/bin/true"\], 0x[0-9a-f]+\) = 0$'
expect_count 2 '\+\+\+ exited with 0 \+\+\+'
expect_count 1 '\+\+\+ exited with 2 \+\+\+'

# Some calls only; with and without children.
run "$syscalls" -f -e execve,exit_group -o log -- sh -c '/bin/true; /bin/true; exit 2'
expect_code 2
expect_count 2 'execve\("/bin/true"'
expect_count 3 ' exit_group\('
expect_count 0 ' (openat|read|close|brk)\('
run "$syscalls" -e execve,exit_group -o log -- sh -c '/bin/true; /bin/true; exit 2'
expect_code 2
expect_count 0 ' execve\('
expect_count 1 ' exit_group\(2\) = \?$'
expect_count 1 '\+\+\+ exited with '

# The table.  What the loader and the shell do for themselves, by the environment that they have, is in
# it too: what counts is the difference.
count_looks()
{
    awk '$3 ~ /^(stat|newfstatat|faccessat2?)$/ { calls += $1; errors += $2 }
        END { print calls + 0, errors + 0 }' log
}
run "$syscalls" -c -o log -- sh -c 'exit 1'
expect_code 1
set -- $(count_looks)
run "$syscalls" -c -o log -- sh -c '[ -e nothing ]; [ -e directory ]; [ -e nothing ]'
expect_code 1
expect_count 1 '^ +calls +errors +name$'
expect_count 1 '^ +1 +0  exit_group$'
[ "$(count_looks)" = "$(($1 + 3)) $(($2 + 2))" ] || fail "3 more looks and 2 more errors are expected"

# A process that runs already shows what it does, and runs on.
cat >stepper.sh <<'END'
while [ ! -e end ]; do
    [ -e nothing ] || :
done
exit 6
END
sh stepper.sh &
stepper=$!
"$syscalls" -p $stepper >out 2>err &
tracer=$!
while ! grep -q '"nothing", .* = -1 ENOENT (No such file or directory)$' err; do
    kill -0 $tracer || fail "it should have attached"
done
kill -TERM $tracer
wait $tracer || fail "it should let go when it is told"
grep -q '^TracerPid:.0$' "/proc/$stepper/status" || fail "it should be let go"
: >end
code=0
wait $stepper || code=$?
expect_code 6

if [ -x /usr/bin/python3 ]; then
    run "$syscalls" -e openat -o log -- /usr/bin/python3 -c '
import threading
threads = [threading.Thread(target=lambda i=i: open("/dev/null", "rb").read()) for i in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()'
    expect_code 0
    expect_count 20 'openat\(AT_FDCWD, "/dev/null", 0x80000, 0\) = [0-9]+$'
fi

# A build: it is right, and all that was executed is told.
if command -v make >/dev/null; then
    cp -r "$project" project
    make -C project -s CC="$CC" check >expected
    make -C project -s clean
    run "$syscalls" -f -o log -- make -C project -s -j2 CC="$CC" check
    expect_code 0
    expect_same out expected
    expect_count 5 'execve\("[^"]*", \["[^"]*", "-c", "-o", "[a-z]+\.o", .*\) = 0$'
    expect_count 1 'execve\("\./squares", .*\) = 0$'
    ! grep -q 'syscall_\|killed by' log || fail "every call has a name, and nothing was killed"
    born=$(grep -Ec ' (clone|clone3|vfork|fork)\(.*\) = [1-9]' log)
    expect_count $((born + 1)) '\+\+\+ exited with 0 \+\+\+'
fi

# What cannot be done.
run "$syscalls" -- ./no-such-program
expect_code 127
expect err '^syscalls: launch: execute "./no-such-program": No such file or directory$'
run "$syscalls" -e nonsense -- true
expect_code 125
expect err '^syscalls: nonsense: no such system call$'
run "$syscalls" -p $$ true
expect_code 125
run "$syscalls"
expect_code 125
expect err '^usage: syscalls'
