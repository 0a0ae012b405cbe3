# SPDX-License-Identifier: MIT
# Read by the other scripts: how an outside project is built, and run.

# build_by_cmake directory target [option...]: build and run the outside project.
build_by_cmake()
{
    directory=$1
    target=$2
    shift 2
    "$CMAKE" -S "$CONSUMER_DIR/project" -B "$directory" -G "$GENERATOR" \
        -DCMAKE_C_COMPILER="$CC" -DSDB_TARGET="$target" "$@"
    "$CMAKE" --build "$directory"
    "$directory/consumer"
}

# build_by_pkg_config prefix program source [option...]: build and run one outside source.
build_by_pkg_config()
{
    PKG_CONFIG_PATH=$(dirname "$(find "$1" -name sdb.pc)")
    export PKG_CONFIG_PATH
    program=$2
    source=$3
    shift 3
    [ "$(pkg-config --modversion sdb)" = "$VERSION" ]
    # Unquoted, as everybody writes it.
    "$CC" "$source" -o "$program" "$@" $(pkg-config --cflags --libs sdb)
    LD_LIBRARY_PATH=$(pkg-config --variable=libdir sdb)
    export LD_LIBRARY_PATH
}

# expect_linkage shared|static program: does it load the shared library, or not?
expect_linkage()
{
    linkage=static
    if "$READELF" -d "$2" | grep -qF '[libsdb.so.'; then
        linkage=shared
    fi
    if [ "$linkage" != "$1" ]; then
        echo "$2 is linked with the $linkage library" >&2
        exit 1
    fi
}
