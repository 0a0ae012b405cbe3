# SPDX-License-Identifier: MIT
# usage: child_objects.sh object...
# What runs in a child that shares its parent's memory calls nothing: its objects, which go into
# both libraries as they are, have no undefined symbol.

for object in "$@"; do
    case $("$NM" -g --defined-only "$object") in
    *sdb__*_child_run*) ;;
    *)
        echo "$object defines none of the functions that it should" >&2
        exit 1
        ;;
    esac
    undefined=$("$NM" -u "$object")
    if [ -n "$undefined" ]; then
        printf '%s needs\n%s\n' "$object" "$undefined" >&2
        exit 1
    fi
done
