# SPDX-License-Identifier: MIT
# usage: headers.sh standard compiler language
# Every installed header is clean by itself, and all of them together in any program.
. "$CONSUMER_DIR/build.sh"

standard=$1
CC=$2
language=$3
flags="-std=$standard -pedantic-errors -Wall -Wextra -Wundef -Werror"

rm -rf "$WORK"
mkdir -p "$WORK"
include=$(dirname "$(dirname "$(find "$PREFIX" -path '*/sdb/sdb.h')")")
headers=$(find "$include/sdb" -name '*.h' -printf '%f\n')
[ -n "$headers" ]

for header in $headers; do
    printf '#include <sdb/%s>\n' "$header" >>"$WORK/all"
    # Twice: it must bear that.
    printf '#include <sdb/%s>\n#include <sdb/%s>\ntypedef int not_empty;\n' "$header" "$header" |
        "$CC" $flags -I"$include" -x "$language" -fsyntax-only -
done

# Backwards too, so that none leans on the one before it.
sort -r "$WORK/all" | cat - "$CONSUMER_DIR/project/main.c" >"$WORK/main.$language"
build_by_pkg_config "$PREFIX" "$WORK/consumer" "$WORK/main.$language" $flags
"$WORK/consumer"
