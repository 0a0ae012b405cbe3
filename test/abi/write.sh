# SPDX-License-Identifier: MIT
# usage: write.sh library abi-file source-directory
# Write a library's ABI down, without anything that depends on where it was built, and without the
# types that the public headers only name.  Those are told by where they are defined: some of the
# library's own headers bear the same names as public ones.

private=$2.private
trap 'rm -f "$private"' EXIT
cat >"$private" <<'END'
[suppress_type]
source_location_not_regexp = include/sdb/
drop = yes
END
abidw --suppressions "$private" --exported-interfaces-only \
    --no-comp-dir-path --no-corpus-path --no-show-locs --no-elf-needed --type-id-style hash \
    --out-file "$2" "$1"
sed -i "s,path='$3/,path='," "$2"
