# SPDX-License-Identifier: MIT
# Every example that is installed builds when it is copied elsewhere, and works.
. "$CONSUMER_DIR/build.sh"

rm -rf "$WORK"
mkdir -p "$WORK"
sources=$(find "$PREFIX" -path '*/examples/*.c')
[ -n "$sources" ]
cp $(find "$PREFIX" -path '*/examples/*.[ch]') "$WORK"
for installed in $sources; do
    name=$(basename "$installed" .c)
    others=
    case $name in
    symbols) continue ;; # a part of the two that follow
    breakpoint | watch)
        echo '#include <elfutils/libdwfl.h>' | "$CC" -E - >/dev/null 2>&1 || continue
        others="$WORK/symbols.c -ldw -lelf"
        ;;
    esac
    build_by_pkg_config "$PREFIX" "$WORK/$name" "$WORK/$name.c" -Wall -Wextra -Werror $others
    echo "$name:"
    case $name in
    breakpoint) "$WORK/$name" readdir -- /bin/ls / ;;
    watch) "$WORK/$name" optind -- /bin/ls -l / ;;
    capture | judge | launch | loop | syscalls | tree) "$WORK/$name" -- /bin/ls / ;;
    *) "$WORK/$name" ;;
    esac
done
