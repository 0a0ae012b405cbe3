/* SPDX-License-Identifier: MIT */
/*
 * Facts of a process: its executable, arguments, environment and auxiliary vector.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sdb/facts.h>

#include "facts/facts.h"
#include "kernel/procfs.h"

/* No auxiliary vector that a kernel has made has a type as large as this. */
#define MOST_AUXV_TYPE UINT64_C(0xffff)

/* The kernel keeps some dozens of entries. */
#define AUXV_LIMIT ((size_t)64 << 10)

_Static_assert(sizeof(struct sdb_facts_file) == 40, "no padding at its end");
_Static_assert(sizeof(struct sdb_facts_auxv) == 32, "no padding at its end");

/* ---- executable ---- */

bool sdb__facts_is_deleted(pid_t pid, const char *path, size_t len,
                           const struct sdb__procfs_file *file)
{
    const size_t mark = strlen(SDB__FACTS_DELETED_MARK);

    if (len <= mark || memcmp(path + len - mark, SDB__FACTS_DELETED_MARK, mark) != 0)
        return false;
    return !sdb__procfs_path_leads_to(pid, path, file);
}

int sdb_facts_read_executable(int32_t pid, struct sdb_facts_file **executable)
{
    struct sdb__procfs_file file;
    struct sdb__procfs_text path;
    struct sdb_facts_file *read;
    uint32_t flags = 0;
    int rc;

    if (pid <= 0 || !executable)
        return -EINVAL;
    rc = sdb__procfs_executable(pid, &path, &file);
    if (rc < 0)
        return rc;
    if (sdb__facts_is_deleted(pid, path.bytes, path.len, &file)) {
        flags = SDB_FACTS_DELETED;
        path.len -= strlen(SDB__FACTS_DELETED_MARK);
    }

    read = malloc(sizeof(*read) + path.len + 1);
    if (read) {
        char *copy = (char *)(read + 1);

        memcpy(copy, path.bytes, path.len);
        copy[path.len] = '\0';
        *read = (struct sdb_facts_file){
            .size = sizeof(*read),
            .path = copy,
            .flags = flags,
            .device_major = file.device_major,
            .device_minor = file.device_minor,
            .inode = file.inode,
        };
        *executable = read;
    }
    sdb__procfs_drop(&path);
    return read ? 0 : -ENOMEM;
}

/* ---- arguments and environment ---- */

/* How many strings there are: each ends with a NUL, but the last one need not. */
static size_t count_strings(const struct sdb__procfs_text *text)
{
    const char *end = text->bytes + text->len;
    size_t count = 0;

    for (const char *at = text->bytes; at < end; at += strlen(at) + 1)
        count++;
    return count;
}

static struct sdb_facts_strings *split(const struct sdb__procfs_text *text)
{
    size_t count = count_strings(text);
    struct sdb_facts_strings *strings =
        malloc(sizeof(*strings) + (count + 1) * sizeof(char *) + text->len + 1);
    const char **list;
    char *at;

    if (!strings)
        return NULL;
    list = (const char **)(strings + 1);
    at = (char *)(list + count + 1);
    memcpy(at, text->bytes, text->len + 1);
    for (size_t i = 0; i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    list[count] = NULL;
    *strings = (struct sdb_facts_strings){sizeof(*strings), count, list};
    return strings;
}

static int read_strings(int32_t pid, const char *name, struct sdb_facts_strings **strings)
{
    struct sdb__procfs_text text;
    struct sdb_facts_strings *read;
    int rc;

    if (pid <= 0 || !strings)
        return -EINVAL;
    rc = sdb__procfs_memory_file(pid, name, SDB__PROCFS_AT_ONCE, SDB_FACTS_STRINGS_LIMIT, &text);
    if (rc < 0)
        return rc;
    read = split(&text);
    sdb__procfs_drop(&text);
    if (!read)
        return -ENOMEM;
    *strings = read;
    return 0;
}

int sdb_facts_read_arguments(int32_t pid, struct sdb_facts_strings **arguments)
{
    return read_strings(pid, "cmdline", arguments);
}

int sdb_facts_read_environment(int32_t pid, struct sdb_facts_strings **environment)
{
    return read_strings(pid, "environ", environment);
}

const char *sdb_facts_find_variable(const struct sdb_facts_strings *environment, const char *name)
{
    size_t len;

    if (!environment || !name)
        return NULL;
    len = strlen(name);
    for (size_t i = 0; i < environment->count; i++) {
        const char *string = environment->list[i];

        if (strncmp(string, name, len) == 0 && string[len] == '=')
            return string + len + 1;
    }
    return NULL;
}

/* ---- auxiliary vector ---- */

static uint64_t word_at(const struct sdb__procfs_text *text, size_t index, size_t word_size)
{
    uint64_t word = 0;

    /* x86 puts the lower bytes first, so four of them make the same number in eight. */
    memcpy(&word, text->bytes + index * word_size, word_size);
    return word;
}

static size_t count_entries(const struct sdb__procfs_text *text, size_t word_size)
{
    size_t count = 0;

    while ((count + 1) * 2 * word_size <= text->len && word_at(text, 2 * count, word_size) != 0)
        count++;
    return count;
}

/*
 * The words are as large as the program's, which nothing in the file says.  Read as words of eight
 * bytes, those of a 32-bit program have an entry's value in the upper half of a type.
 */
static size_t find_word_size(const struct sdb__procfs_text *text)
{
    size_t count = count_entries(text, sizeof(uint64_t));

    for (size_t i = 0; i < count; i++) {
        if (word_at(text, 2 * i, sizeof(uint64_t)) > MOST_AUXV_TYPE)
            return sizeof(uint32_t);
    }
    return sizeof(uint64_t);
}

static struct sdb_facts_auxv *parse_auxv(const struct sdb__procfs_text *text)
{
    size_t word_size = find_word_size(text);
    size_t count = count_entries(text, word_size);
    struct sdb_facts_auxv_entry *list;
    struct sdb_facts_auxv *auxv = malloc(sizeof(*auxv) + count * sizeof(*list));

    if (!auxv)
        return NULL;
    list = (struct sdb_facts_auxv_entry *)(auxv + 1);
    for (size_t i = 0; i < count; i++) {
        list[i].type = word_at(text, 2 * i, word_size);
        list[i].value = word_at(text, 2 * i + 1, word_size);
    }
    *auxv = (struct sdb_facts_auxv){
        .size = sizeof(*auxv),
        .count = count,
        .list = list,
        .word_size = (uint32_t)word_size,
    };
    return auxv;
}

int sdb_facts_read_auxv(int32_t pid, struct sdb_facts_auxv **auxv)
{
    struct sdb__procfs_text text;
    struct sdb_facts_auxv *read;
    int rc;

    if (pid <= 0 || !auxv)
        return -EINVAL;
    rc = sdb__procfs_memory_file(pid, "auxv", SDB__PROCFS_AT_ONCE, AUXV_LIMIT, &text);
    if (rc < 0)
        return rc == -EFBIG ? -ENOSYS : rc; /* no kernel's */
    read = parse_auxv(&text);
    sdb__procfs_drop(&text);
    if (!read)
        return -ENOMEM;
    *auxv = read;
    return 0;
}

int sdb_facts_find_auxv(const struct sdb_facts_auxv *auxv, uint64_t type, uint64_t *value)
{
    if (!auxv || !value)
        return -EINVAL;
    for (size_t i = 0; i < auxv->count; i++) {
        if (auxv->list[i].type == type) {
            *value = auxv->list[i].value;
            return 0;
        }
    }
    return -ENOENT;
}
