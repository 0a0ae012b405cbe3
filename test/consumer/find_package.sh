# SPDX-License-Identifier: MIT
# usage: find_package.sh target shared|static
# An outside project finds the moved installation by find_package, and links this target.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
build_by_cmake "$WORK" "$1" -DCMAKE_PREFIX_PATH="$PREFIX"
grep "^sdb_DIR:PATH=$PREFIX/" "$WORK/CMakeCache.txt"
expect_linkage "$2" "$WORK/consumer"

# The next minor version may break it, so this is not the package that is meant by that.
mkdir "$WORK/newer"
cat >"$WORK/newer/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(newer LANGUAGES C)
find_package(sdb 0.2 QUIET)
if(sdb_FOUND OR NOT sdb_CONSIDERED_VERSIONS STREQUAL "$VERSION")
    message(FATAL_ERROR "found: \${sdb_FOUND}; considered: \${sdb_CONSIDERED_VERSIONS}")
endif()
END
"$CMAKE" -S "$WORK/newer" -B "$WORK/newer/build" -G "$GENERATOR" -DCMAKE_C_COMPILER="$CC" \
    -DCMAKE_PREFIX_PATH="$PREFIX"
