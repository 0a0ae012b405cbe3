# SPDX-License-Identifier: MIT
# usage: exported_symbols.sh library map header...
# The library exports what its version script lists, under the version that stands there, and what
# the public headers declare; and nothing without our prefix.

library=$1
map=$2
shift 2
work=$BUILD_DIR/test/abi/symbols
rm -rf "$work"
mkdir -p "$work"

awk '
    /^[A-Z0-9_.]+ *\{/ { version = $1 }
    /^}/ { version = "" }
    version && /^ *sdb_[a-z0-9_]+;/ { gsub(/[ ;]/, ""); print $0 "@@" version }
' "$map" | sort >"$work/map"

# The versions themselves are absolute symbols (A).
"$NM" -D --defined-only "$library" |
    awk '$2 != "A" { print $3 }' | sort >"$work/library"

# In place of export.h, which makes SDB_API disappear: functions are the names behind it and before
# a parenthesis.
for header in "$@"; do
    echo "#include \"$header\""
done | "$CC" -E -P -DSDB_EXPORT_H -DSDB_API=EXPORTED -DSDB_BEGIN_DECLS= -DSDB_END_DECLS= \
    -I"$SOURCE_DIR/include" -I"$BUILD_DIR/include" -x c - |
    tr '\n' ' ' | grep -o 'EXPORTED[^(;]*(' | sed 's/ *($//; s/.*[ *]//' | sort >"$work/headers"
sed 's/@.*//' "$work/map" | sort >"$work/map_names"

[ -s "$work/library" ]
echo "< version script, > library"
diff "$work/map" "$work/library"
echo "< version script, > headers"
diff "$work/map_names" "$work/headers"
if grep -v '^sdb_[a-z]' "$work/library"; then
    echo "exported without the prefix sdb_" >&2
    exit 1
fi
