# SPDX-License-Identifier: MIT
# usage: breakpoint.sh tracee-directory
# The breakpoint example stops at each time that a program comes to a place, and shows the way there.
. "${0%/*}/common.sh"
[ -x "$EXAMPLES/breakpoint" ] || { echo "not built: libdw is missing"; exit 0; }
visited=$1/visited
line=$(grep -n 'the line of add' "$SOURCE_DIR/test/tracees/visited.c" | cut -d : -f 1)

# expect_hits number: so often it was told.
expect_hits()
{
    found=$(grep -c '^breakpoint: thread ' err || :)
    [ "$found" -eq "$1" ] || fail "there should be $1 hits, not $found"
}

# A function of the program, and the way to it, by names and lines.
run "$EXAMPLES/breakpoint" add -- "$visited"
expect_code 5
expect_hits 11
expect err '^breakpoint: thread [0-9]+, time 11$'
expect err '^    #0  0x[0-9a-f]{12} add\+0 at visited\.c:[0-9]+$'
expect err '^    #1  0x[0-9a-f]{12} work\+0x[0-9a-f]+ at visited\.c:[0-9]+$'
expect err '^    #2  0x[0-9a-f]{12} main\+0x[0-9a-f]+ at visited\.c:[0-9]+$'
expect err ' _start\+0x[0-9a-f]+ '
run "$EXAMPLES/breakpoint" add count -- "$visited" threads
expect_code 5
expect_hits 101
run "$EXAMPLES/breakpoint" add -- "$visited" forks
expect_code 5
expect_hits 11

# A line of a file, an address; conditions, and an end to it.
run "$EXAMPLES/breakpoint" "visited.c:$line" -- "$visited"
expect_code 5
expect_hits 11
expect err " add\\+0(x[0-9a-f]+)? at visited\\.c:$line\$"
run "$EXAMPLES/breakpoint" --if 'rdi == 3' add -- "$visited"
expect_hits 1
run "$EXAMPLES/breakpoint" --if 'edi >= 8' add -- "$visited" threads
expect_hits 10
run "$EXAMPLES/breakpoint" --if 'esi!=0x1' add -- "$visited" threads
expect_hits 1
run "$EXAMPLES/breakpoint" --count 3 add -- "$visited" threads
expect_code 5
expect_hits 3

# A function of a library, and of a program that is executed by another.
run "$EXAMPLES/breakpoint" -n 1 -o log getenv -- sh -c 'exec env ls -d /'
expect_code 0
expect out '^/$'
expect log ' getenv\+0 '
printf '#include <stdio.h>\nint main(void)\n{\n    puts("hello");\n    return 3;\n}\n' >hello.c
"$CC" -g -o hello hello.c
run "$EXAMPLES/breakpoint" puts hello.c:5 -- sh -c 'exec ./hello'
expect_code 3
expect out '^hello$'
expect_hits 2
expect err ' (_IO_)?puts\+0 '
expect err '^    #0  0x[0-9a-f]+ main\+0x[0-9a-f]+ at hello\.c:5$'

# A real program, whose libraries come late; one that runs already.
if [ -x /usr/bin/python3 ]; then
    run "$EXAMPLES/breakpoint" --if 'rdi == 1' write -- /usr/bin/python3 -c 'print(6 * 7)'
    expect_code 0
    expect out '^42$'
    expect err '^breakpoint: thread [0-9]+, time 1$'
    expect err ' (__)?write\+0 '
    expect err ' _start\+0x[0-9a-f]+ '
    library=$(/usr/bin/python3 -c 'import _bz2; print(_bz2.__file__)' 2>/dev/null || :)
    if [ -e "$library" ]; then
        run "$EXAMPLES/breakpoint" PyInit__bz2 -- /usr/bin/python3 -c 'import _bz2; print("done")'
        expect_code 0
        expect out '^done$'
        expect_hits 1
    fi
    cat >loop.py <<'END'
import os
while not os.access("end", os.F_OK):
    pass
os._exit(6)
END
    /usr/bin/python3 loop.py &
    loop=$!
    "$EXAMPLES/breakpoint" access faccessat -p $loop >out 2>err &
    tracer=$!
    while ! grep -q ' f\?access\(at\)\?+0 ' err; do
        kill -0 $tracer || fail "it should have attached"
    done
    kill -TERM $tracer
    wait $tracer || fail "it should let go when it is told"
    grep -q '^TracerPid:.0$' "/proc/$loop/status" || fail "it should be let go"
    : >end
    code=0
    wait $loop || code=$?
    expect_code 6
fi

# What cannot be done.
run "$EXAMPLES/breakpoint" nonsense -- "$visited"
expect_code 5
expect err '^breakpoint: it did not come there, and there is no such place$'
run "$EXAMPLES/breakpoint" add --if 'rdi ~ 3' -- "$visited"
expect_code 125
run "$EXAMPLES/breakpoint" add --if 'nonsense == 3' -- "$visited"
expect_code 125
run "$EXAMPLES/breakpoint" add -- ./no-such-program
expect_code 127
run "$EXAMPLES/breakpoint" add
expect_code 125
expect err '^usage: breakpoint'
run "$EXAMPLES/breakpoint" add -- sh -c 'kill -SEGV $$'
expect_code 139
