# SPDX-License-Identifier: MIT
# usage: kernel.sh lib object...
# Only the files of lib/kernel/ call ptrace and wait, and have paths of /proc in them.

here=$(cd "$(dirname -- "$0")" && pwd)
lib=$1
shift

symbols=$(sh -eu "$here/symbols.sh" "$lib" "$@")
found=$(
    printf '%s\n' "$symbols" | awk -F '\t' '
        $1 == "need" && $2 !~ /^kernel\// &&
            $3 ~ /^(ptrace|process_vm_(read|write)v|wait|wait[34]|waitp?id)$/ {
            print $2 ": calls " $3
        }'
    cd "$lib" || exit
    find . -type f -name '*.[chS]' ! -path './kernel/*' -exec awk -f "$here/kernel.awk" {} +
)
if [ -n "$found" ]; then
    printf '%s\n' "$found" | LC_ALL=C sort -u | LC_ALL=C sort -t : -k 1,1 -k 2,2n
    echo "Only files of lib/kernel/ may do so." >&2
    exit 1
fi
