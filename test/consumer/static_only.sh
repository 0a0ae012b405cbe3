# SPDX-License-Identifier: MIT
# Where only the static library was installed, it serves; and nothing passes for the shared one.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
"$CMAKE" -S "$SOURCE_DIR" -B "$WORK/build" -G "$GENERATOR" -DCMAKE_C_COMPILER="$CC" \
    -DCMAKE_BUILD_TYPE=Release -DSDB_BUILD_SHARED=OFF -DSDB_BUILD_TESTS=OFF \
    -DSDB_BUILD_EXAMPLES=OFF
"$CMAKE" --build "$WORK/build"
"$CMAKE" --install "$WORK/build" --prefix "$WORK/installed"

build_by_cmake "$WORK/consumer" sdb::sdb_static -DCMAKE_PREFIX_PATH="$WORK/installed"
build_by_pkg_config "$WORK/installed" "$WORK/by_pkg_config" "$CONSUMER_DIR/project/main.c"
"$WORK/by_pkg_config"
expect_linkage static "$WORK/by_pkg_config"

if build_by_cmake "$WORK/impossible" sdb::sdb -DCMAKE_PREFIX_PATH="$WORK/installed" \
    >"$WORK/refusal" 2>&1; then
    echo "sdb::sdb exists, but there is no shared library" >&2
    exit 1
fi
grep 'sdb::sdb' "$WORK/refusal"
