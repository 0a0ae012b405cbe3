# SPDX-License-Identifier: MIT
# usage: compare.sh library abi-file
# The library's ABI is the stored one.  Exits with 77 if there is no tool to compare them with, or
# nothing in the library to compare.

if ! command -v abidiff >/dev/null; then
    echo "there is no abidiff here (Debian: abigail-tools)"
    exit 77
fi
if ! "$READELF" -SW "$1" | grep -qF .debug_info; then
    echo "$1 has no debug information, which tells its types"
    exit 77
fi

# Both sides written by the same means: what one of them leaves out, the other does too.
now=$BUILD_DIR/test/abi/now.abi
sh -eu "${0%/*}/write.sh" "$1" "$now" "$SOURCE_DIR"
if ! abidiff --no-default-suppression --harmless "$2" "$now"; then
    echo "If this is meant: build the target abi-update, and commit what it writes." >&2
    exit 1
fi
