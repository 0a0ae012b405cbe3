/* SPDX-License-Identifier: MIT */
/*
 * Facts of a process: its memory.
 *
 * A line of maps is "start-end rwxp offset major:minor inode  name", numbers in hexadecimal but for
 * the inode.  In the name a newline is written \012, but a backslash is not escaped; so a name with
 * \012 in it has two meanings, between which only the link in map_files decides.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sdb/facts.h>

#include "facts/facts.h"
#include "kernel/procfs.h"

#define MAPS_LIMIT ((size_t)1 << 30)

#define NEWLINE "\\012"

_Static_assert(sizeof(struct sdb_facts_map) == 64, "no padding at its end");

/* ---- names ---- */

/* @return whether the kernel writes this path as that name */
static bool is_written_as(const char *path, size_t path_len, const char *name, size_t name_len)
{
    const size_t width = strlen(NEWLINE);
    size_t at = 0;

    for (size_t i = 0; i < path_len; i++) {
        const char *text = path[i] == '\n' ? NEWLINE : &path[i];
        const size_t len = path[i] == '\n' ? width : 1;

        if (name_len - at < len || memcmp(name + at, text, len) != 0)
            return false;
        at += len;
    }
    return at == name_len;
}

/* Make newlines of their escapes.  @return the length */
static size_t unescape(char *name)
{
    const size_t width = strlen(NEWLINE);
    char *to = name;

    for (const char *from = name; *from; to++) {
        if (strncmp(from, NEWLINE, width) == 0) {
            *to = '\n';
            from += width;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return (size_t)(to - name);
}

/* The name of a file as it is.  @return its length */
static size_t find_true_name(pid_t pid, const struct sdb_facts_map *map, char *name)
{
    char path[PATH_MAX];
    ssize_t len = sdb__procfs_map_path(pid, map->start, map->end, path);

    /* It may be another file's by now, or it may be forbidden. */
    if (len < 0 || !is_written_as(path, (size_t)len, name, strlen(name)))
        return unescape(name);
    memcpy(name, path, (size_t)len);
    name[len] = '\0';
    return (size_t)len;
}

static void name_map(pid_t pid, struct sdb_facts_map *map, char *name)
{
    const struct sdb__procfs_file file = {map->device_major, map->device_minor, map->inode};
    size_t len = strlen(name);

    map->name = name;
    if (name[0] != '/')
        return;
    if (strstr(name, NEWLINE))
        len = find_true_name(pid, map, name);
    if (sdb__facts_is_deleted(pid, name, len, &file)) {
        map->flags |= SDB_FACTS_DELETED;
        name[len - strlen(SDB__FACTS_DELETED_MARK)] = '\0';
    }
}

/* ---- lines ---- */

/* Read a number and the character behind it.  @return what follows, or NULL */
static char *read_number(char *at, int base, char end, uint64_t *number)
{
    char *after;

    if (!at)
        return NULL;
    *number = strtoull(at, &after, base);
    return after != at && *after == end ? after + 1 : NULL;
}

static uint32_t flags_of(const char *rights)
{
    return (rights[0] == 'r' ? SDB_FACTS_READ : 0) | (rights[1] == 'w' ? SDB_FACTS_WRITE : 0) |
           (rights[2] == 'x' ? SDB_FACTS_EXECUTE : 0) | (rights[3] == 's' ? SDB_FACTS_SHARED : 0);
}

/* @param line  a line without its newline; its end becomes the name.  @return whether it is one */
static bool parse_line(pid_t pid, char *line, struct sdb_facts_map *map)
{
    uint64_t major;
    uint64_t minor;
    char *at;

    *map = (struct sdb_facts_map){.size = sizeof(*map)};
    at = read_number(line, 16, '-', &map->start);
    at = read_number(at, 16, ' ', &map->end);
    if (!at || strlen(at) < strlen("rwxp ") || map->end <= map->start)
        return false;
    map->flags = flags_of(at);
    at = read_number(at + strlen("rwxp "), 16, ' ', &map->offset);
    at = read_number(at, 16, ':', &major);
    at = read_number(at, 16, ' ', &minor);
    at = read_number(at, 10, ' ', &map->inode);
    if (!at)
        return false;
    map->device_major = (uint32_t)major;
    map->device_minor = (uint32_t)minor;
    name_map(pid, map, at + strspn(at, " "));
    return true;
}

static size_t count_lines(const struct sdb__procfs_text *text)
{
    const char *end = text->bytes + text->len;
    size_t count = 0;

    for (const char *at = text->bytes; at < end; count++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        at = newline ? newline + 1 : end;
    }
    return count;
}

/* The text is copied behind the list, and becomes the names. */
static int parse_maps(pid_t pid, const struct sdb__procfs_text *text, struct sdb_facts_maps **maps)
{
    const size_t count = count_lines(text);
    struct sdb_facts_maps *read = malloc(
        sizeof(*read) + count * (sizeof(struct sdb_facts_map *) + sizeof(struct sdb_facts_map)) +
        text->len + 1);
    const struct sdb_facts_map **list;
    struct sdb_facts_map *items;
    char *line;

    if (!read)
        return -ENOMEM;
    list = (const struct sdb_facts_map **)(read + 1);
    items = (struct sdb_facts_map *)(list + count);
    line = (char *)(items + count);
    memcpy(line, text->bytes, text->len + 1);
    for (size_t i = 0; i < count; i++) {
        char *next = line + strcspn(line, "\n") + 1;

        next[-1] = '\0';
        if (!parse_line(pid, line, &items[i])) {
            free(read);
            return -ENOSYS; /* a /proc that is none of Linux's */
        }
        list[i] = &items[i];
        line = next;
    }
    *read = (struct sdb_facts_maps){sizeof(*read), count, list};
    *maps = read;
    return 0;
}

int sdb_facts_read_maps(int32_t pid, struct sdb_facts_maps **maps)
{
    struct sdb__procfs_text text;
    int rc;

    if (pid <= 0 || !maps)
        return -EINVAL;
    rc = sdb__procfs_memory_file(pid, "maps", SDB__PROCFS_PIECES, MAPS_LIMIT, &text);
    if (rc < 0)
        return rc;
    rc = parse_maps(pid, &text, maps);
    sdb__procfs_drop(&text);
    return rc;
}

const struct sdb_facts_map *sdb_facts_find_map(const struct sdb_facts_maps *maps, uint64_t address)
{
    size_t from = 0;
    size_t to = maps ? maps->count : 0;

    /* All before `from` end at the address or below; all from `to` on begin above it. */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct sdb_facts_map *map = maps->list[middle];

        if (address < map->start)
            to = middle;
        else if (address >= map->end)
            from = middle + 1;
        else
            return map;
    }
    return NULL;
}
