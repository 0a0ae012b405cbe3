# SPDX-License-Identifier: MIT
# usage: pkg_config.sh shared|static
# An outside source is built by pkg-config against the moved installation; and once with the static
# library although the shared one is there too, as the README says.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
mkdir -p "$WORK"
case $1 in
shared)
    build_by_pkg_config "$PREFIX" "$WORK/consumer" "$CONSUMER_DIR/project/main.c"
    ;;
static)
    PKG_CONFIG_PATH=$(dirname "$(find "$PREFIX" -name sdb.pc)")
    export PKG_CONFIG_PATH
    "$CC" "$CONSUMER_DIR/project/main.c" -o "$WORK/consumer" $(pkg-config --cflags sdb) \
        -Wl,-Bstatic $(pkg-config --libs sdb) -Wl,-Bdynamic -lZydis -lseccomp
    ;;
esac
expect_linkage "$1" "$WORK/consumer"
"$WORK/consumer"
