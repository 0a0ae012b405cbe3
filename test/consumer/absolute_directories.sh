# SPDX-License-Identifier: MIT
# Directories for the libraries and headers may be given as absolute paths.  Below the prefix they
# move with it; elsewhere they stay where they were said to be.
. "$CONSUMER_DIR/build.sh"

# install_as libdir includedir: build the library for these, and install it below $WORK.
install_as()
{
    "$CMAKE" -S "$SOURCE_DIR" -B "$WORK/build" -G "$GENERATOR" -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_BUILD_TYPE=Release -DSDB_BUILD_TESTS=OFF -DSDB_BUILD_EXAMPLES=OFF \
        -DCMAKE_INSTALL_PREFIX="$WORK/first" \
        -DCMAKE_INSTALL_LIBDIR="$1" -DCMAKE_INSTALL_INCLUDEDIR="$2"
    "$CMAKE" --build "$WORK/build"
    "$CMAKE" --install "$WORK/build"
}

# use prefix libdir: an outside project that is told this prefix finds the library in this directory.
use()
{
    for target in sdb::sdb sdb::sdb_static; do
        rm -rf "$WORK/consumer"
        build_by_cmake "$WORK/consumer" "$target" -DCMAKE_PREFIX_PATH="$1" -Dsdb_DIR="$2/cmake/sdb"
    done
    build_by_pkg_config "$2" "$WORK/consumer/by_pkg_config" "$CONSUMER_DIR/project/main.c"
    "$WORK/consumer/by_pkg_config"
}

# CMake takes no directory below the source for headers, and the build may well be there.
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

install_as "$WORK/first/lib/deep/er" "$WORK/first/include/deeper"
mv "$WORK/first" "$WORK/moved"
use "$WORK/moved" "$WORK/moved/lib/deep/er"

install_as "$WORK/elsewhere/lib" "$WORK/elsewhere/include"
use "$WORK/first" "$WORK/elsewhere/lib"

rm -rf "$WORK/first" "$WORK/elsewhere"
install_as lib "$WORK/elsewhere/include"
mv "$WORK/first" "$WORK/moved_too"
use "$WORK/moved_too" "$WORK/moved_too/lib"
