# SPDX-License-Identifier: MIT
# usage: floors.sh lib floors contributing object...
# A file uses only what is on its own floor or below: by what its object needs, and by what it includes.
# Nothing goes in circles from folder to folder, and within a folder only a few files do.  The file
# `contributing` shows the floors as they are listed.

here=$(dirname -- "$0")
lib=$1
floors=$2
contributing=$3
shift 3

symbols=$(sh -eu "$here/symbols.sh" "$lib" "$@")
sources=$(
    cd "$lib" || exit
    find . -type f ! -name CMakeLists.txt ! -name '*.map' ! -name '.*' -exec awk '
        BEGIN {
            for (i = 1; i < ARGC; i++)
                print "file\t" substr(ARGV[i], 3)
        }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            match($0, /["<][^">]*/)
            print "include\t" substr(FILENAME, 3) "\t" substr($0, RSTART, 1) "\t" \
                substr($0, RSTART + 1, RLENGTH - 1)
        }' {} + | LC_ALL=C sort
)
printf '%s\n' "$symbols" "$sources" |
    LC_ALL=C awk -f "$here/floors.awk" "$floors" part=shown "$contributing" part=lib -
