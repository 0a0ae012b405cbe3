# SPDX-License-Identifier: MIT
# Whether the benchmark of sessions runs to its end, with the rows that need no other program.
bench=$1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

"$bench" --quick --json "$directory/results.json" >"$directory/table"
cat "$directory/table"
for row in 'system-call stops |' 'system-call stops, 20 idle threads held' 'signal stops |' \
    'without io_uring' 'attach to 20 threads and detach' 'memory for each held thread' \
    '/bin/true, all followed'; do
    grep -Fq "$row" "$directory/table" || {
        echo "no row: $row" >&2
        exit 1
    }
done
grep -q '^}$' "$directory/results.json"
