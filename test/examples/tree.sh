# SPDX-License-Identifier: MIT
# usage: tree.sh tracee-directory project-directory
# The tree example changes nothing for the command, and prints the right tree.
. "${0%/*}/common.sh"
project=$2
unset MAKEFLAGS MAKELEVEL

# follow command...: run it in tree; the tree is in the file tree.
follow()
{
    rm -f tree
    run "$EXAMPLES/tree" -o tree -- "$@"
}

# expect_count number extended-regular-expression: so many lines of the tree are like this.
expect_count()
{
    found=$(grep -Ec -- "$2" tree || :)
    if [ "$found" -ne "$1" ]; then
        cat tree >&2
        fail "$found lines of the tree, and not $1, are like: $2"
    fi
}

# A command's output and exit code, or the signal that kills it, are what they are without tree.
same()
{
    run "$EXAMPLES/capture" -i "some input" -- "$@"
    grep -v '^used: ' out >without
    run "$EXAMPLES/capture" -i "some input" -- "$EXAMPLES/tree" -o tree -- "$@"
    grep -v '^used: ' out >with
    expect_same with without
}

same true
same false
same sh -c 'exit 3'
same sh -c 'exit 255'
for signal in KILL TERM SEGV ABRT HUP INT QUIT USR1 PIPE ALRM; do
    same sh -c 'kill -'$signal' $$'
done
same sh -c 'echo output; echo errors >&2; printf "no newline"'
same cat
same sh -c 'seq 200 | sort -rn | tee /dev/stderr | tail -n 3; exit 9'
same sh -c 'yes | head -n 1'
same sh -c 'trap "echo caught; exit 4" USR1; kill -USR1 $$; echo not reached'
same sh -c 'sh -c "kill -KILL \$\$"; echo $?; (exit 12); echo $?'
same sh -c '(kill -STOP $$; kill -CONT $$) & wait; exit 5'
[ -z "$(command -v bash)" ] || same bash -c 'diff <(seq 9) <(seq 8); echo ${PIPESTATUS[0]}; exit 77'

# What else is handed down: environment, descriptors, ignored and blocked signals, and so on.
surroundings='env | grep -v ^_=; pwd; umask; nice; ulimit -a; readlink /proc/self/fd/7
    cut -d " " -f 5-7 /proc/self/stat # group, session, terminal
    grep -E "^(Sig(Ign|Blk|Cgt)|Uid|Groups|NoNewPrivs|Cpus_allowed):" /proc/self/status'
(
    trap '' USR1 INT
    umask 027
    ulimit -n 99
    exec 7<"$0"
    sh -c "$surroundings" >without
    "$EXAMPLES/tree" -o tree -- sh -c "$surroundings" >with
)
expect_same with without

# How processes ended, and what they had executed.
follow sh -c '/bin/true; (exit 3); sh -c "kill -KILL \$\$"; sh -c "exec sh -c \"exec env true\""; exit 0'
expect_code 0
expect_count 6 .
expect_count 1 '  exit 0 +1  [0-9]+ sh -c /bin/true; '
expect_count 1 '  exit 0 +1    [0-9]+ /bin/true$'
expect_count 1 '  exit 3 +1    [0-9]+ \(sh -c /bin/true; .*\)$'
expect_count 1 '  signal 9 +1    [0-9]+ sh -c kill -KILL \$\$$'
expect_count 1 '  exit 0 +1    [0-9]+ sh -c exec .* -> sh -c exec env true -> env true -> true$'

# Everybody stands below its parent.
cat >nest.sh <<'END'
echo $$ $PPID >>pairs
if [ "$1" -gt 0 ]; then
    sh nest.sh $(($1 - 1))
    sh nest.sh $(($1 - 1)) &
    wait
fi
exit 0
END
follow sh nest.sh 4
expect_code 0
expect_count 32 .
sed 1d tree | awk '
    { line = substr($0, 42); match(line, /[0-9]+/); depth = (RSTART - 1) / 2
      pid[depth] = substr(line, RSTART, RLENGTH)
      if (depth > 0) print pid[depth], pid[depth - 1] }' | sort >out
first=$(awk 'NR == 1 { print $1 }' pairs)
grep -v "^$first " pairs | sort >err
expect_same out err

# Two hundred of them, none lost, none told twice.
follow sh -c 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done'
expect_code 0
expect_count 200 '  exit 0 +1    [0-9]+ /bin/true$'
expect_count 202 .

# What the command leaves behind is waited for, ...
follow sh -c '(sleep 0.2; echo late >late) & exit 4'
expect_code 4
[ -s late ] || fail "it should have waited"
expect_count 1 '  exit 0 .* sleep 0\.2$'

# ... or let go.
mkfifo go back
run "$EXAMPLES/tree" --detach -o tree -- \
    sh -c 'sh -c "echo here >back; read line <go; echo \$line >back" & cat back; exit 4'
expect_code 4
expect out '^here$'
expect_count 1 '  exit 4 '
expect_count 1 '  runs on +1    [0-9]+ sh -c echo here >back'
[ "$(timeout 20 sh -c 'echo on >go; cat back')" = on ] || fail "what was let go should go on"

# A signal that tree gets reaches the command.
"$EXAMPLES/tree" -o tree -- sh -c 'echo ready >go; exec sleep 1000' >out 2>err &
tree=$!
read line <go
kill -TERM $tree
code=0
wait $tree || code=$?
expect_code 143
expect_count 1 '  signal 15 .* [0-9]+ sh -c .*sleep 1000$'
"$EXAMPLES/tree" -o tree -- sh -c 'trap "echo caught; kill \$!; exit 6" USR1
    sleep 1000 & echo ready >go; wait' >out 2>err &
tree=$!
read line <go
kill -USR1 $tree
code=0
wait $tree || code=$?
expect_code 6
expect out '^caught$'

# A tracer in tree holds its own command, out of tree's sight, ...
run env ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" "$EXAMPLES/tree" -o tree -- \
    "$EXAMPLES/tree" -o inner -- sh -c 'echo inside; exit 3'
expect_code 3
expect out '^inside$'
expect inner '  exit 3 +1  [0-9]+ sh -c echo inside; exit 3$'
expect_count 2 .
# ... but one that forks cannot: its child has a tracer.
run env ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" "$EXAMPLES/tree" -o tree -- \
    "$EXAMPLES/launch" --portable -- true
expect_code 125
expect err '^launch: take hold of the child.*: Operation not permitted$'

# What cannot be done.
follow ./no-such-program
expect_code 127
expect err '^tree: launch: execute "./no-such-program": No such file or directory$'
follow /
expect_code 126
run "$EXAMPLES/tree" -o /nonexistent/file -- true
expect_code 125
expect err '^tree: /nonexistent/file: No such file or directory$'
run "$EXAMPLES/tree"
expect_code 125
expect err '^usage: tree'
run "$EXAMPLES/tree" true
expect_code 0
expect err '^ +seconds +processor +end +threads +process$'
expect err '^ +[0-9]+\.[0-9]{3} +[0-9]+\.[0-9]{3}  exit 0 +1  [0-9]+ true$'

if [ -x /usr/bin/python3 ]; then
    cat >threads.py <<'END'
import subprocess
import sys
import threading

def work():
    for _ in range(5):
        assert subprocess.run(["/bin/true"]).returncode == 0

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
died = subprocess.run("kill -SEGV $$", shell=True)
print(subprocess.check_output("echo shell | cat", shell=True, text=True), end="")
sys.exit(-died.returncode)
END
    follow /usr/bin/python3 threads.py
    expect_code 11
    expect out '^shell$'
    expect_count 1 '  exit 11 +9  [0-9]+ /usr/bin/python3 threads.py$'
    expect_count 40 '  exit 0 +1    [0-9]+ /bin/true$'
    expect_count 1 '  signal 11 +1    [0-9]+ /bin/sh -c kill -SEGV \$\$$'
    expect_count 1 '  exit 0 +1 {6}[0-9]+ cat$'

    # Ctrl-C is typed: the command gets one SIGINT.
    cat >terminal.py <<'END'
import os
import pty
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "-o", "tree", "--", sys.executable, "-c", """
import os, signal
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
print("ready", flush=True)
while not caught:
    signal.pause()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("pending" if signal.SIGINT in signal.sigpending() else "once", len(caught), flush=True)
os.kill(os.getpid(), signal.SIGQUIT)
"""])
text = b""
while b"ready" not in text:
    text += os.read(terminal, 1000)
os.write(terminal, b"\x03")
try:
    while True:
        text += os.read(terminal, 1000)
except OSError:  # nobody has the terminal any more
    pass
status = os.waitpid(pid, 0)[1]
assert b"once 1" in text, text
assert os.WTERMSIG(status) == 3, status
END
    run timeout 60 /usr/bin/python3 terminal.py "$EXAMPLES/tree"
    expect_code 0
fi

# A build: it is right, and each object was made by one compiler.
if command -v make >/dev/null; then
    cp -r "$project" project
    make -C project -s CC="$CC" check >expected
    make -C project -s clean
    follow make -C project -s -j2 CC="$CC" check
    expect_code 0
    expect_same out expected
    expect_count 1 '  exit 0 +1  [0-9]+ make -C project'
    expect_count 1 '[0-9]+ \./squares$'
    expect_count 1 '[0-9]+ tee result$'
    objects=0
    for object in project/*.o; do
        expect_count 1 " -c -o ${object#*/} "
        objects=$((objects + 1))
    done
    expect_count $objects ' -c -o [a-z]+\.o '
    [ $objects -eq 5 ] || fail "there should be 5 objects"
    if grep -q 'signal\|runs on' tree; then
        fail "nothing was killed or left behind"
    fi
fi
