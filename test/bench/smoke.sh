# SPDX-License-Identifier: MIT
# Whether the benchmark runs to its end and writes what the plot can read.
bench=$1
plot=$2

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

"$bench" --quick --json "$directory/results.json" >"$directory/table"
cat "$directory/table"
for row in 'launch, defaults' 'traced launch, to the exec stop and on' 'threads on all CPUs' \
    'descriptors open' 'memory of one launch' 'sdb_launch_trim()'; do
    grep -q "^| .*$row" "$directory/table" || {
        echo "no row: $row" >&2
        exit 1
    }
done

"$plot" "$directory/results.json" "$directory/picture.svg"
for curve in libsdb posix_spawn 'fork + exec'; do
    grep -q ">$curve</text>" "$directory/picture.svg" || {
        echo "no curve: $curve" >&2
        exit 1
    }
done
tail -n 1 "$directory/picture.svg" | grep -q '</svg>'
printf '{' >"$directory/broken.json"
if "$plot" "$directory/broken.json" "$directory/broken.svg" 2>/dev/null; then
    echo "the plot takes what is no JSON" >&2
    exit 1
fi
