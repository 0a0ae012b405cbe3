# SPDX-License-Identifier: MIT
# usage: shared_object.sh library soname
# The shared library says its SONAME, needs nothing but the C library (of which the dynamic linker is a
# part), Zydis and libseccomp, and has no relocations in its text and no executable stack.

dynamic=$("$READELF" -dW "$1")
printf '%s\n' "$dynamic" | grep -F "Library soname: [$2]"
case $dynamic in
*TEXTREL*)
    echo "$1 has text relocations" >&2
    exit 1
    ;;
esac
if printf '%s\n' "$dynamic" | grep '(NEEDED)' | grep -v '\[libc\.so\|\[ld-linux\|\[libZydis\.so\|\[libseccomp\.so'; then
    echo "$1 needs more than the C library, Zydis and libseccomp" >&2
    exit 1
fi
"$READELF" -lW "$1" | grep 'GNU_STACK.* RW '
