# SPDX-License-Identifier: MIT
# usage: watch.sh tracee-directory
# The watch example tells each write to a variable: who, where, and what.
. "${0%/*}/common.sh"
[ -x "$EXAMPLES/watch" ] || { echo "not built: libdw is missing"; exit 0; }
visited=$1/visited
line=$(grep -n 'the line of count' "$SOURCE_DIR/test/tracees/visited.c" | cut -d : -f 1)

# expect_writes number: so often it was told.
expect_writes()
{
    found=$(grep -c '^watch: thread ' err || :)
    [ "$found" -eq "$1" ] || fail "there should be $1 writes, not $found"
}

run "$EXAMPLES/watch" counter -- "$visited"
expect_code 5
expect_writes 10
sed -n 's/^watch: thread [0-9]*, .*: \([0-9]*\) -> \([0-9]*\)$/\1 \2/p' err >values
printf '%s\n' '0 1' '1 2' '2 3' '3 4' '4 5' '5 6' '6 7' '7 8' '8 9' '9 10' >expected
expect_same values expected
expect err "^watch: thread [0-9]+, count\\+0x[0-9a-f]+ at visited\\.c:$line: 0 -> 1\$"
run "$EXAMPLES/watch" -n 4 counter -- "$visited"
expect_code 5
expect_writes 4

# Of threads that come later, too, but not of a child.
run "$EXAMPLES/watch" counter -- "$visited" threads
expect_code 5
expect_writes 50
[ "$(sed -n 's/^watch: thread \([0-9]*\),.*/\1/p' err | sort -u | wc -l)" -eq 5 ] ||
    fail "there should be 5 threads"
run "$EXAMPLES/watch" counter -- "$visited" forks
expect_code 5
expect_writes 10

# What is no number, and what takes several registers.
run "$EXAMPLES/watch" -b letters -- "$visited"
expect_code 5
expect err ' -> 61 62 63$'
expect err '^    #1  0x[0-9a-f]{12} main\+0x[0-9a-f]+ at visited\.c:[0-9]+$'
run "$EXAMPLES/watch" pair -- "$visited"
expect_code 5
expect_writes 2
expect err ' -> 01 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff$'

# A variable of a library; of a program that is executed by another.
run "$EXAMPLES/watch" -o log optind -- sh -c 'exec ls -l -d /'
expect_code 0
expect out ' /$'
expect log '^watch: thread [0-9]+, .*: [0-9]+ -> 2$'

# What cannot be done.
run "$EXAMPLES/watch" nonsense -- "$visited"
expect_code 5
expect err '^watch: nonsense: there is no such variable$'
run "$EXAMPLES/watch" counter -- ./no-such-program
expect_code 127
run "$EXAMPLES/watch" counter
expect_code 125
expect err '^usage: watch'
run "$EXAMPLES/watch" counter -- sh -c 'kill -SEGV $$'
expect_code 139
