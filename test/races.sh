# SPDX-License-Identifier: MIT
# usage: races.sh program... -- program...
# The tests of races, more often than a gate has time for, and on a busy machine: five times as often
# (or SDB_TEST_ROUNDS times), beside as many idle loops as there are processors.  The first programs
# know of rounds themselves, the others are run so often.  It tells of each how many tests were run, how
# many of them failed, and how long it took.
rounds=${SDB_TEST_ROUNDS:-5}
unset CI # there, some have fewer rounds
export CK_DEFAULT_TIMEOUT=$((60 * rounds))

loops=
end_loops()
{
    [ -z "$loops" ] || kill $loops
    loops=
}
trap end_loops EXIT
trap 'exit 1' INT TERM
for processor in $(seq "$(nproc)"); do
    sh -c 'while :; do :; done' &
    loops="$loops $!"
done

# run rounds times program: run it so often, with so many rounds each time
run()
{
    begin=$(date +%s)
    log=${3##*/}.races
    : >"$log"
    time=0
    while [ "$time" -lt "$2" ]; do
        SDB_TEST_ROUNDS=$1 "$3" >>"$log" 2>&1 || code=1
        time=$((time + 1))
    done
    awk -v name="${3##*/}" -v seconds=$(($(date +%s) - begin)) '
        /[0-9]+%: Checks: / { gsub(/[^0-9 ]/, ""); tests += $2; failures += $3 + $4 }
        END { printf "%-28s %8d %8d %8d\n", name, tests, failures, seconds }' "$log"
    grep -E ':[FE]:' "$log"
}

code=0
printf '%-28s %8s %8s %8s\n' "$rounds times" tests failures seconds
knows_rounds=true
for program; do
    if [ "$program" = -- ]; then
        knows_rounds=false
    elif $knows_rounds; then
        run "$rounds" 1 "$program"
    else
        run 1 "$rounds" "$program"
    fi
done
exit $code
