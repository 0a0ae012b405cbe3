# SPDX-License-Identifier: MIT
# usage: awk -f kernel.awk ./file...
# Finds the numbers of ptrace and wait in C's code, and paths of /proc in its strings.  Comments, and
# strings with a space in them (messages), are left out.

FNR == 1 {
    in_comment = 0
    file = substr(FILENAME, 3)
}

{
    rest = $0
    code = ""
    while (rest != "") {
        if (in_comment) {
            end = index(rest, "*/")
            if (!end)
                break
            rest = substr(rest, end + 2)
            in_comment = 0
            continue
        }
        if (!match(rest, /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'|\/\*|\/\//)) {
            code = code rest
            break
        }
        code = code substr(rest, 1, RSTART - 1) " "
        token = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        if (token == "//")
            break
        if (token == "/*")
            in_comment = 1
        else if (token ~ /^"\/proc(\/[^ ]*)?"$/)
            print file ":" FNR ": has the path " token
    }
    while (match(code, /[A-Za-z_][A-Za-z_0-9]*/)) {
        token = substr(code, RSTART, RLENGTH)
        code = substr(code, RSTART + RLENGTH)
        if (token ~ /^(SYS|__NR)_(ptrace|process_vm_(read|write)v|wait4|waitp?id)$/)
            print file ":" FNR ": names " token
    }
}
