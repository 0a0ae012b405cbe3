# SPDX-License-Identifier: MIT
# usage: awk -f floors.awk floors part=shown contributing part=lib -
# The rules of floors.sh.  The standard input has the lines of symbols.sh, and "file <path>" and
# "include <path> <quote> <what is included>", with tabs in between; sorted.

BEGIN {
    FS = "\t"
    most = 6 # files that may go in a circle within one folder
}

function fail(text)
{
    print text
    failed = 1
}

# The folder that a file is in, as the floors name it; of a file in none, itself.
function folder_of(file)
{
    sub(/\/.*/, "", file)
    return file
}

function is_up(from, to)
{
    from = folder_of(from)
    to = folder_of(to)
    return from in floor && to in floor && floor[to] < floor[from]
}

function plural(count, word)
{
    return count " " word (count == 1 ? "" : "s")
}

part == "" && (/^#/ || /^ *$/) { next }
part == "" {
    line[++lines] = $0
    sub(/:.*/, "")
    count = split($0, word, / *, */)
    for (i = 1; i <= count; i++) {
        if (word[i] in floor) {
            fail("floors: " word[i] " stands on two of them")
            continue
        }
        floor[word[i]] = lines
        named[++names] = word[i]
    }
    next
}

part == "shown" {
    shown[++shown_lines] = $0
    place[$0] = shown_lines
    next
}

$1 == "file" {
    path[++paths] = $2
    exists[$2]
    lived_in[folder_of($2)]
    next
}
$1 == "include" {
    includes++
    includer[includes] = $2
    quote[includes] = $3
    included[includes] = $4
    next
}
$1 == "object" {
    object[++objects] = $2
    next
}
$1 == "need" {
    needs++
    needer[needs] = $2
    needed[needs] = $3
    next
}
$1 == "define" && $3 !~ /^__gnu_lto_/ { # which is all that an object says with LTO
    defines[$2]
    if (!($3 in definer) || $4 !~ /^[WV]$/)
        definer[$3] = $2
}

# Two nodes are of one circle (a strongly connected component) where each is reached from the other.  So
# walk from every node to all that it reaches, and put those together that reach each other.
function walk(from, at, node, count, edge, reached,    i)
{
    for (i = 1; i <= count; i++)
        if (!((from, i) in reached) && (node[at], node[i]) in edge) {
            reached[from, i]
            walk(from, i, node, count, edge, reached)
        }
}

# Finds the circles among sorted nodes.  Each is a list of nodes with a newline between.
function find_circles(node, count, edge, circle,    reached, done, found, i, j)
{
    split("", circle)
    found = 0
    for (i = 1; i <= count; i++)
        walk(i, i, node, count, edge, reached)
    for (i = 1; i <= count; i++) {
        if (i in done || !((i, i) in reached))
            continue
        circle[++found] = node[i]
        for (j = i + 1; j <= count; j++)
            if ((i, j) in reached && (j, i) in reached) {
                circle[found] = circle[found] "\n" node[j]
                done[j]
            }
    }
    return found
}

# The nodes of a circle, and an example of each arrow in it.
function tell_circle(member, count, edge,    i, j)
{
    for (i = 1; i <= count; i++)
        print "    " member[i]
    for (i = 1; i <= count; i++)
        for (j = 1; j <= count; j++)
            if ((member[i], member[j]) in edge)
                print "    " member[i] " -> " member[j] ": " edge[member[i], member[j]]
}

function check_list(   i, j, first)
{
    for (i = 1; i <= names; i++)
        if (!(named[i] in lived_in))
            fail("floors: there is no " named[i])
    for (i = 1; i <= paths; i++)
        if (!(folder_of(path[i]) in floor))
            fail("floors: " path[i] " is on none")

    for (i = 1; i <= lines; i++)
        if (!(("    " line[i]) in place)) {
            fail("floors: not shown: " line[i])
            j++
        }
    if (j)
        return
    first = place["    " line[1]]
    for (i = 2; i <= lines && shown[first + i - 1] == "    " line[i]; i++)
        ;
    if (i <= lines || shown[first - 1] ~ /^    / || shown[first + lines] ~ /^    /)
        fail("floors: not shown as one block, in their order, alone")
}

function check_includes(   i, from, to)
{
    for (i = 1; i <= includes; i++) {
        from = includer[i]
        to = included[i]
        if (!(to in exists) || to !~ /\//) {
            if (quote[i] == "\"")
                fail("include: " from " includes \"" to "\", which is not written from lib/")
            continue
        }
        if (is_up(from, to)) {
            fail("up: " from " includes " to)
            up_by_header[folder_of(from), folder_of(to)]++
            all_up_by_header++
        }
        from = folder_of(from)
        if (from != folder_of(to) && !((from, folder_of(to)) in folder_arrow))
            folder_arrow[from, folder_of(to)] = includer[i] " includes " to
    }
}

function find_arrows(   i, from, to)
{
    for (i = 1; i <= needs; i++) {
        if (!(needed[i] in definer))
            continue
        from = needer[i]
        to = definer[needed[i]]
        if ((from, to) in arrow)
            symbols[from, to] = symbols[from, to] ", " needed[i]
        else {
            arrow[from, to] = symbols[from, to] = needed[i]
            arrows++
            if (folder_of(from) == folder_of(to))
                inner_arrow[from, to] = needed[i]
            else if (!((folder_of(from), folder_of(to)) in folder_arrow))
                folder_arrow[folder_of(from), folder_of(to)] = from " -> " to ": " needed[i]
        }
    }
}

function check_arrows(   i, j, from, to)
{
    for (i = 1; i <= objects; i++) {
        from = object[i]
        if (!(from in defines))
            fail("objects: nothing is defined in that of " from)
        for (j = 1; j <= objects; j++) {
            to = object[j]
            if ((from, to) in arrow && is_up(from, to)) {
                fail("up: " from " -> " to ": " symbols[from, to])
                up[folder_of(from), folder_of(to)]++
                all_up++
            }
        }
    }
}

# Circles of files: those that span folders, then those within one.
function check_file_circles(   circle, member, count, i, j, spans)
{
    file_circles = find_circles(object, objects, arrow, circle)
    for (i = 1; i <= file_circles; i++) {
        count = split(circle[i], member, "\n")
        if (count > biggest)
            biggest = count
        spans = 0
        for (j = 2; j <= count; j++)
            if (folder_of(member[j]) != folder_of(member[1]))
                spans = 1
        if (spans) {
            fail("circle of " count " files, across folders:")
            tell_circle(member, count, arrow)
        }
    }

    i = find_circles(object, objects, inner_arrow, circle)
    for (j = 1; j <= i; j++) {
        count = split(circle[j], member, "\n")
        if (count > most) {
            fail("circle of " count " files in " folder_of(member[1]) ", where " most " are the most:")
            tell_circle(member, count, inner_arrow)
        }
    }
}

function check_folder_circles(   circle, member, count, i)
{
    folder_circles = find_circles(folder, folders, folder_arrow, circle)
    for (i = 1; i <= folder_circles; i++) {
        count = split(circle[i], member, "\n")
        fail("circle of " count " folders:")
        tell_circle(member, count, folder_arrow)
    }
}

function sum_up(   i, j, from, to)
{
    for (i = 1; i <= names; i++)
        for (j = 1; j <= names; j++) {
            from = named[i]
            to = named[j]
            if (up[from, to] + up_by_header[from, to])
                print "from " from " up to " to ": " plural(up[from, to] + 0, "arrow") ", " \
                    plural(up_by_header[from, to] + 0, "include")
        }
    print plural(objects, "file") ", " plural(arrows + 0, "arrow") "; up: " \
        plural(all_up + 0, "arrow") ", " plural(all_up_by_header + 0, "include") "; " \
        plural(folder_circles, "circle") " of folders; " plural(file_circles, "circle") \
        " of files" (file_circles ? ", the biggest of " biggest : "")
}

END {
    for (i = 1; i <= objects; i++)
        if (i == 1 || folder_of(object[i]) != folder[folders])
            folder[++folders] = folder_of(object[i])

    check_list()
    find_arrows()
    check_includes()
    check_arrows()
    check_folder_circles()
    check_file_circles()
    sum_up()
    exit failed
}
