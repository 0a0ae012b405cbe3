/* SPDX-License-Identifier: MIT */
/*
 * Where a process has an instruction that makes system calls.
 *
 * The vDSO has some, for what it cannot do by itself; else the C library.  The bytes may as well be a
 * part of another instruction.  The program's text is not written to: other threads run in it.
 */
#include <errno.h>
#include <string.h>

#include <sdb/facts.h>

#include "held/address_space.h"
#include "held/process.h"
#include "inject/inject.h"

#define PIECE 4096

#define LENGTH SDB__INJECT_INSTRUCTION_SIZE

static const uint8_t instructions[2][LENGTH] = {{0x0f, 0x05}, {0xcd, 0x80}};

bool sdb__inject_is_system_call(struct sdb_process *process, bool is_i386, uint64_t address)
{
    uint8_t bytes[LENGTH];

    return sdb__space_read(process->space, process->pid, address, bytes, LENGTH) == LENGTH &&
           memcmp(bytes, instructions[is_i386], LENGTH) == 0;
}

/* An instruction that something is planted in reads as the program's own, but is not that. */
static bool is_planted(struct sdb__space *space, uint64_t address)
{
    return sdb__space_is_planted(space, address, NULL) ||
           sdb__space_is_planted(space, address + 1, NULL);
}

/* @return where it is in this range, or 0 */
static uint64_t find_between(struct sdb_process *process, bool is_i386, uint64_t start,
                             uint64_t end)
{
    uint8_t bytes[PIECE + LENGTH - 1];

    while (start < end) {
        const size_t wanted = end - start < sizeof(bytes) ? (size_t)(end - start) : sizeof(bytes);
        ssize_t count = sdb__space_read(process->space, process->pid, start, bytes, wanted);
        const uint8_t *at = bytes;

        if (count < (ssize_t)LENGTH)
            return 0;
        while ((at = memmem(at, (size_t)(bytes + count - at), instructions[is_i386], LENGTH)) !=
               NULL) {
            const uint64_t found = start + (uint64_t)(at - bytes);

            if (!is_planted(process->space, found))
                return found;
            at++;
        }
        start += (uint64_t)count - (LENGTH - 1);
        if ((size_t)count < wanted || count <= (ssize_t)LENGTH - 1 || wanted < sizeof(bytes))
            return 0;
    }
    return 0;
}

static uint64_t find_in(struct sdb_process *process, bool is_i386,
                        const struct sdb_facts_maps *maps, bool in_vdso)
{
    uint64_t found = 0;

    for (size_t i = 0; i < maps->count && found == 0; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        if ((map->flags & SDB_FACTS_EXECUTE) && (strcmp(map->name, "[vdso]") == 0) == in_vdso)
            found = find_between(process, is_i386, map->start, map->end);
    }
    return found;
}

int sdb__inject_place(struct sdb_process *process, bool is_i386, uint64_t *address)
{
    struct sdb__space *space = process->space;
    uint64_t *known = is_i386 ? &space->system_call_32 : &space->system_call;
    struct sdb_facts_maps *maps;
    int rc;

    if (*known != 0 && !is_planted(space, *known) &&
        sdb__inject_is_system_call(process, is_i386, *known)) {
        *address = *known;
        return 0;
    }
    rc = sdb_facts_read_maps(process->pid, &maps);
    if (rc < 0)
        return rc == -ESRCH || rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE ? rc : -ENOSYS;
    *known = find_in(process, is_i386, maps, true);
    if (*known == 0)
        *known = find_in(process, is_i386, maps, false);
    sdb_facts_free(maps);
    if (*known == 0)
        return -ENOSYS;
    *address = *known;
    return 0;
}
