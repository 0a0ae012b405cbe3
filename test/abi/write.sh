# SPDX-License-Identifier: MIT
# usage: write.sh library abi-file source-directory
# Write a library's ABI down, without anything that depends on where it was built, and without the
# types that the public headers only name.

abidw --headers-dir "$3/include/sdb" --drop-private-types --exported-interfaces-only \
    --no-comp-dir-path --no-corpus-path --no-show-locs --no-elf-needed --type-id-style hash \
    --out-file "$2" "$1"
sed -i "s,path='$3/,path='," "$2"
