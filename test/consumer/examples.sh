# SPDX-License-Identifier: MIT
# Every example that is installed builds when it is copied elsewhere, and works.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
mkdir -p "$WORK"
sources=$(find "$PREFIX" -path '*/examples/*.c')
[ -n "$sources" ]
for installed in $sources; do
    name=$(basename "$installed" .c)
    cp "$installed" "$WORK"
    build_by_pkg_config "$PREFIX" "$WORK/$name" "$WORK/$name.c" -Wall -Wextra -Werror
    echo "$name:"
    case $name in
    capture | judge | launch | loop | syscalls | tree) "$WORK/$name" -- /bin/ls / ;;
    *) "$WORK/$name" ;;
    esac
done
