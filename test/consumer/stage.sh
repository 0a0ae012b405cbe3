# SPDX-License-Identifier: MIT
# Install the build and move what was installed, as a whole.  Nothing in it may know where it was.

rm -rf "$WORK"
"$CMAKE" --install "$BUILD_DIR" --config "$CONFIG" --prefix "$WORK/first"
mv "$WORK/first" "$PREFIX"

if grep -rF "$WORK/first" "$PREFIX"; then
    echo "the installed files know the place where they were installed first" >&2
    exit 1
fi
# Not so the binaries: their debug information names the sources.  A path is one only where it begins:
# the sources may lie in /sdb, which is part of many.
begin='(^|[^[:alnum:]_.}/-]|-[IL])'
source_dir=$(printf %s "$SOURCE_DIR" | sed 's/[^[:alnum:]_/]/\\&/g')
build_dir=$(printf %s "$BUILD_DIR" | sed 's/[^[:alnum:]_/]/\\&/g')
if grep -rIE -e "$begin$source_dir(/|\$)" -e "$begin$build_dir(/|\$)" "$PREFIX"; then
    echo "the installed files know where the library was built" >&2
    exit 1
fi
