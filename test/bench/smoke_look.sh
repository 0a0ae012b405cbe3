# SPDX-License-Identifier: MIT
# Whether the benchmark of looking runs to its end, with every row.
bench=$1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

"$bench" --quick --json "$directory/results.json" >"$directory/table"
cat "$directory/table"
for row in '64 MiB of memory' '8 bytes of memory read |' 'by another thread' 'registers of a stop' \
    'vector register' 'one that is caught' 'ends of system calls' \
    'false condition |' 'told and resumed' 'by 100 threads' 'single steps' 'planted and lifted'; do
    grep -Fq "$row" "$directory/table" || {
        echo "no row: $row" >&2
        exit 1
    }
done
grep -q '^}$' "$directory/results.json"
