# SPDX-License-Identifier: MIT
# usage: static_symbols.sh library
# Nothing global in the static library can collide with a name of the program that it is linked to.

names=$("$NM" -g --defined-only "$1" | awk 'NF == 3 { print $3 }')
[ -n "$names" ]
if printf '%s\n' "$names" | grep -v '^sdb_'; then
    echo "global in the static library without the prefix sdb_" >&2
    exit 1
fi
