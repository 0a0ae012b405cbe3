# SPDX-License-Identifier: MIT
# An outside project takes the source in by add_subdirectory: the same names, and nothing of ours in
# its own compiler flags, tests or installation.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
for target in sdb::sdb sdb::sdb_static; do
    build_by_cmake "$WORK" "$target" -DSDB_SUBDIRECTORY="$SOURCE_DIR" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
done

command=$(grep '"command".*main\.c' "$WORK/compile_commands.json")
case $command in
*-W* | *_GNU_SOURCE* | *-std=* | *-fvisibility*)
    echo "our flags are in the outside project's: $command" >&2
    exit 1
    ;;
esac
"$CTEST" --test-dir "$WORK" -N | grep 'Total Tests: 0'
"$CMAKE" --install "$WORK" --prefix "$WORK/installed"
[ ! -e "$WORK/installed" ]
