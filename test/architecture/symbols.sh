# SPDX-License-Identifier: MIT
# usage: symbols.sh lib object...
# What objects define and need: sorted lines "object <file>", "define <file> <symbol> <type of nm>" and
# "need <file> <symbol>", with tabs in between.  The file is an object's source, as seen from lib.

lib=$1
shift
if [ $# -eq 0 ]; then
    echo "no object was given" >&2
    exit 1
fi

objects=$(
    for object in "$@"; do
        # The source's path is the end of the object's: the longest end that there is in lib.
        file=${object%.o}
        file=${file%.c}.c
        until [ -f "$lib/$file" ]; do
            case $file in
            */*) file=${file#*/} ;;
            *)
                echo "$object: no file of $lib belongs to it" >&2
                exit 1
                ;;
            esac
        done
        printf 'object\t%s\t%s\n' "$file" "$object"
    done
)
symbols=$("$NM" -A -P -g "$@") # lines "path: symbol type ..."
printf '%s\n' "$objects" "$symbols" | awk -F '\t' '
    $1 == "object" {
        file[$3] = $2
        print "object\t" $2
        next
    }
    match($0, /.*: /) {
        source = file[substr($0, 1, RLENGTH - 2)]
        split(substr($0, RLENGTH + 1), word, " ")
        if (word[2] ~ /^[Uwv]$/) # undefined, or undefined and weak
            print "need\t" source "\t" word[1]
        else
            print "define\t" source "\t" word[1] "\t" word[2]
    }' | LC_ALL=C sort -u
