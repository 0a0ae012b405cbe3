# SPDX-License-Identifier: MIT
# usage: self.sh
# floors.sh and kernel.sh find each fault that they are there for, name it, and find none in a clean tree.

here=$(cd "$(dirname -- "$0")" && pwd)
work="$BUILD_DIR/test/architecture/a = tree" # what a folder may be called, too
tree=$work/now
summary="^[0-9]* files, "
failed=0

# put path: the standard input becomes a file of the library; what is C is compiled.
put()
{
    mkdir -p "$tree/lib/$(dirname "$1")" "$tree/objects/lib/$(dirname "$1")"
    cat >"$tree/lib/$1"
    case $1 in
    *.c) "$CC" -c -I "$tree/lib" -o "$tree/objects/lib/$1.o" "$tree/lib/$1" ;;
    esac
}

# define_calls function [called]...: a C function that calls others.
define_calls()
{
    function=$1
    shift
    for called; do
        echo "int $called(void);"
    done
    echo "int $function(void);"
    echo "int $function(void) { return 0"
    for called; do
        echo "+ $called()"
    done
    echo "; }"
}

show_floors()
{
    {
        printf 'As it stands:\n\n'
        sed '/^#/d; s/^/    /' "$tree/floors"
        printf '\nAnd so on.\n'
    } >"$tree/contributing"
}

# fault name: from here on the tree is a clean one, until it is changed.
fault()
{
    name=$1
    rm -rf "$tree"
    cp -R "$work/clean" "$tree"
}

# run script: with the tree, its output to said and errors, and how it ended to code.
run()
{
    case $1 in
    floors.sh) set -- "$1" "$tree/lib" "$tree/floors" "$tree/contributing" ;;
    kernel.sh) set -- "$1" "$tree/lib" ;;
    esac
    script=$1
    shift
    code=0
    sh -eu "$here/$script" "$@" "$tree"/objects/lib/*.o "$tree"/objects/lib/*/*.o \
        >"$work/said" 2>"$work/errors" || code=$?
}

# says script: it prints just what the standard input has, and fails if there are faults in it.  The
# summary counts only where it is expected.
says()
{
    cat >"$work/expected"
    run "$1"
    expected_code=0
    if grep -qv "$summary" "$work/expected"; then
        expected_code=1
    fi
    if ! grep -q "$summary" "$work/expected"; then
        sed -i "/$summary/d; /^from /d" "$work/said"
    fi
    if [ "$code" -ne "$expected_code" ] || ! diff "$work/expected" "$work/said"; then
        echo "$name: $1 ended with $code; < expected, > said"
        cat "$work/errors"
        failed=1
    fi
}

# The clean tree has what must not be taken for a fault.
rm -rf "$work"
mkdir -p "$tree"
cat >"$tree/floors" <<'end'
# Highest first.
top.c: the table
left, right: beside each other; one way
kernel: ptrace
base: nothing: a colon
end
show_floors
put left/left.h <<'end'
#include <stdio.h>
int sdb__left(void);
end
put top.c <<'end'
#include "left/left.h"
int sdb__right(void);
int sdb_top(void);
__attribute__((weak)) int sdb__base(void) { return 0; } /* another one is stronger */
int sdb_top(void) { return sdb__left() + sdb__right(); }
end
put left/left.c <<'end'
#include "left/left.h"
int sdb__right(void), sdb__not_here(void), __asan_ptrace(void), wait_for(void), sdb__base(void);
int sdb__not_even_here(void) __attribute__((weak));
/* ptrace(2), SYS_ptrace and "/proc/self/maps" in a comment,
   "/proc/self" on its second line */
// "/proc/self"
const char *const sdb__text = "/proc is missing"; /* " */
const char *const sdb__more = "SYS_ptrace \" /proc/self" "see /proc/self/maps" "\\" /* "/proc" */;
const char sdb__quote[] = {'"', '\'', '"'};
int SYS_ptrace_not = 1;
int sdb__left(void)
{
    return sdb__right() + sdb__not_here() + sdb__not_even_here() + __asan_ptrace() + wait_for() +
           sdb__base();
}
end
define_calls sdb__right sdb__kernel | put right/right.c
put kernel/kernel.c <<'end'
#include <sys/ptrace.h>
#include <sys/wait.h>
long sdb__kernel(void);
const char *const sdb__path = "/proc/self/status";
const int sdb__SYS_ptrace = 101; /* SYS_ptrace */
long sdb__kernel(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0) + waitpid(-1, 0, 0); }
end
define_calls sdb__base | put base/base.c
for number in 1 2 3 4 5 6; do # as many in a circle as may be
    define_calls sdb__base$number sdb__base$((number % 6 + 1)) | put base/$number.c
done
mv "$tree/objects/lib/top.c.o" "$tree/objects/lib/top.o"
cp -R "$tree" "$work/clean"

fault "none"
says floors.sh <<'end'
11 files, 11 arrows; up: 0 arrows, 0 includes; 0 circles of folders; 1 circle of files, the biggest of 6
end
says kernel.sh </dev/null

fault "an arrow up, and another"
define_calls sdb__base sdb__kernel sdb__right sdb__left | put base/base.c
put base/lonely.h <<'end'
#  include "left/left.h"
end
says floors.sh <<'end'
up: base/lonely.h includes left/left.h
up: base/base.c -> kernel/kernel.c: sdb__kernel
up: base/base.c -> left/left.c: sdb__left
up: base/base.c -> right/right.c: sdb__right
circle of 2 folders:
    base
    left
    base -> left: base/base.c -> left/left.c: sdb__left
    left -> base: left/left.c -> base/base.c: sdb__base
circle of 2 files, across folders:
    base/base.c
    left/left.c
    base/base.c -> left/left.c: sdb__left
    left/left.c -> base/base.c: sdb__base
from base up to left: 1 arrow, 1 include
from base up to right: 1 arrow, 0 includes
from base up to kernel: 1 arrow, 0 includes
11 files, 14 arrows; up: 3 arrows, 1 include; 1 circle of folders; 2 circles of files, the biggest of 6
end

fault "an arrow up to what is weak, and to data"
put right/right.c <<'end'
int sdb__right(void);
__attribute__((weak)) int sdb__right(void) { return 0; }
int sdb__datum = 1;
end
put kernel/kernel.c <<'end'
extern int sdb__datum;
int sdb__right(void) __attribute__((weak));
int sdb__kernel(void);
int sdb__kernel(void) { return sdb__datum + sdb__right(); }
end
says floors.sh <<'end'
up: kernel/kernel.c -> right/right.c: sdb__datum, sdb__right
end

fault "a circle of folders of one floor, none of files"
define_calls sdb__right sdb__other | put right/right.c
define_calls sdb__other | put left/other.c
says floors.sh <<'end'
circle of 2 folders:
    left
    right
    left -> right: left/left.c -> right/right.c: sdb__right
    right -> left: right/right.c -> left/other.c: sdb__other
end

fault "a circle of folders by an include"
put right/right.h <<'end'
#include "left/left.h"
end
says floors.sh <<'end'
circle of 2 folders:
    left
    right
    left -> right: left/left.c -> right/right.c: sdb__right
    right -> left: right/right.h includes left/left.h
end

fault "too big a circle within a folder"
define_calls sdb__base6 sdb__base7 | put base/6.c
define_calls sdb__base7 sdb__base1 sdb__base2 | put base/7.c
says floors.sh <<'end'
circle of 7 files in base, where 6 are the most:
    base/1.c
    base/2.c
    base/3.c
    base/4.c
    base/5.c
    base/6.c
    base/7.c
    base/1.c -> base/2.c: sdb__base2
    base/2.c -> base/3.c: sdb__base3
    base/3.c -> base/4.c: sdb__base4
    base/4.c -> base/5.c: sdb__base5
    base/5.c -> base/6.c: sdb__base6
    base/6.c -> base/7.c: sdb__base7
    base/7.c -> base/1.c: sdb__base1
    base/7.c -> base/2.c: sdb__base2
end

fault "includes that are not written from lib/"
put left/other.h <<'end'
#include "left.h"
#include "../base/base.h"
#include "left/missing.h"
#include "top.h"
end
put top.h </dev/null
echo 'top.h: its header' >>"$tree/floors"
show_floors
says floors.sh <<'end'
include: left/other.h includes "../base/base.h", which is not written from lib/
include: left/other.h includes "left.h", which is not written from lib/
include: left/other.h includes "left/missing.h", which is not written from lib/
include: left/other.h includes "top.h", which is not written from lib/
end

fault "an include up in angle brackets"
put kernel/kernel.h </dev/null
put base/lonely.h <<'end'
#include <kernel/kernel.h>
end
says floors.sh <<'end'
up: base/lonely.h includes kernel/kernel.h
end

fault "files on no floor, floors with no file, a folder on two"
define_calls sdb__cellar | put cellar/cellar.c
put attic.h </dev/null
{
    echo 'roof: nothing'
    echo 'left: again'
} >>"$tree/floors"
show_floors
says floors.sh <<'end'
floors: left stands on two of them
floors: there is no roof
floors: attic.h is on none
floors: cellar/cellar.c is on none
end

fault "floors that are not shown"
sed -i '/ptrace/s/$/ and wait/; /^    left/d' "$tree/contributing"
says floors.sh <<'end'
floors: not shown: left, right: beside each other; one way
floors: not shown: kernel: ptrace
end

for place in "s/^    top/    cellar: wine\\n&/" \
    "s/^    kernel/    cellar: wine\\n&/" \
    "s/^    base.*/&\\n    cellar: wine/"; do
    fault "floors that are shown with one too many"
    sed -i "$place" "$tree/contributing"
    says floors.sh <<'end'
floors: not shown as one block, in their order, alone
end
done

fault "an object that tells nothing"
: | put base/1.c
says floors.sh <<'end'
objects: nothing is defined in that of base/1.c
end

fault "an object of no file"
rm "$tree/lib/base/1.c"
for script in floors.sh kernel.sh; do
    run $script
    if [ "$code" -eq 0 ] || ! grep -qF 'base/1.c.o: no file of ' "$work/errors"; then
        echo "$name: $script ended with $code"
        cat "$work/errors"
        failed=1
    fi
done

fault "calls and paths outside kernel/"
put left/left.c <<'end'
#include <sys/syscall.h>
int ptrace(void), process_vm_readv(void), process_vm_writev(void);
int wait(void), wait3(void), wait4(void), waitid(void), waitpid(void);
int sdb__left(void);
#define TRACE __NR_ptrace + SYS_wait4 + __NR_wait4 /* about
"/proc/self" */ + SYS_waitid + __NR_waitid
int sdb__left(void)
{
    return ptrace() + process_vm_readv() + process_vm_writev() + wait() + wait3() + wait4() +
           waitid() + waitpid() + (SYS_ptrace);
}
const char *const sdb__path = /* the path: */ "/proc/%d/" "stat", *const sdb__all = "/proc";
end
put left/path.h <<'end'
#define PATH "\"" "/proc/self"
end
says kernel.sh <<'end'
left/left.c: calls process_vm_readv
left/left.c: calls process_vm_writev
left/left.c: calls ptrace
left/left.c: calls wait
left/left.c: calls wait3
left/left.c: calls wait4
left/left.c: calls waitid
left/left.c: calls waitpid
left/left.c:5: names SYS_wait4
left/left.c:5: names __NR_ptrace
left/left.c:5: names __NR_wait4
left/left.c:6: names SYS_waitid
left/left.c:6: names __NR_waitid
left/left.c:10: names SYS_ptrace
left/left.c:12: has the path "/proc"
left/left.c:12: has the path "/proc/%d/"
left/path.h:1: has the path "/proc/self"
end

exit "$failed"
