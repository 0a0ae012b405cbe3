/* SPDX-License-Identifier: MIT */
/*
 * Structs that begin with their size.
 */
#include "base/versioned.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* More than a page of options is not a newer version but a size that was never set. */
#define LARGEST_PLAUSIBLE_SIZE 4096

static size_t size_of(const void *theirs)
{
    size_t size;

    memcpy(&size, theirs, sizeof(size));
    return size;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int sdb__struct_check(const void *theirs, size_t size, size_t first)
{
    const unsigned char *bytes = theirs;
    size_t their_size = size_of(theirs);

    if (their_size < first || their_size > LARGEST_PLAUSIBLE_SIZE)
        return -EINVAL;
    for (size_t i = size; i < their_size; i++) {
        if (bytes[i] != 0)
            return -E2BIG;
    }
    return 0;
}

int sdb__struct_import(void *ours, size_t size, size_t first, const void *theirs)
{
    int rc = sdb__struct_check(theirs, size, first);

    if (rc < 0)
        return rc;

    memset(ours, 0, size);
    memcpy(ours, theirs, smaller(size, size_of(theirs)));
    memcpy(ours, &size, sizeof(size));
    return 0;
}

void sdb__struct_export(void *theirs, const void *ours, size_t size)
{
    size_t their_size = size_of(theirs);

    memcpy((unsigned char *)theirs + sizeof(size_t), (const unsigned char *)ours + sizeof(size_t),
           smaller(size, their_size) - sizeof(size_t));
}
