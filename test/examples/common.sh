# SPDX-License-Identifier: MIT
# What the tests of the examples share: run one, and compare what it does.
# Sourced with EXAMPLES, the directory of the built examples, and WORK, a directory of the test's own.

rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK"

# What a test that fails has left running ends with it.
end_jobs()
{
    jobs -p >jobs
    while read -r job; do
        kill -KILL "$job" || :
    done <jobs
}
trap end_jobs EXIT

# run command...: its output, errors and exit code are kept in the files out and err, and in $code.
run()
{
    code=0
    "$@" >out 2>err </dev/null || code=$?
}

# fail text: end the test, and show what the last command did.
fail()
{
    {
        echo "$1"
        echo "exit code $code; output:"
        cat out
        echo "errors:"
        cat err
    } >&2
    exit 1
}

expect_code()
{
    [ "$code" -eq "$1" ] || fail "the exit code should be $1"
}

# expect file extended-regular-expression: some line of it is like this.
expect()
{
    grep -Eq -- "$2" "$1" || fail "no line of $1 is like: $2"
}

# expect_same file file
expect_same()
{
    cmp "$1" "$2" || fail "$1 and $2 should be the same"
}
