/* SPDX-License-Identifier: MIT */
/*
 * Sites: the places of an address space at which there are breakpoints, or were.
 *
 * A site stays until its address space goes: a thread may have trapped there before it was lifted, or
 * may still stand in its slot.
 */
#ifndef SDB_LIB_BREAKPOINT_SITE_H
#define SDB_LIB_BREAKPOINT_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/x86_64/call.h"
#include "arch/x86_64/relocate.h"
#include "held/address_space.h"

struct sdb_breakpoint;
struct sdb_thread;
struct sdb__scratch;

/* The instruction that traps, and what the kernel says of its signal: SI_KERNEL. */
#define SDB__TRAP_BYTE UINT8_C(0xcc)

/* One breakpoint at one site. */
struct sdb__location {
    struct sdb_breakpoint *breakpoint;
    struct sdb__site *site;
    struct sdb__location *next_at_site; /* oldest first */
    struct sdb__location *next_of_breakpoint;
    bool enabled;
};

struct sdb__site {
    struct sdb__breakpoint_sites *sites; /* whose it is */
    struct sdb__site *next_in_bucket;
    uint64_t address;
    struct sdb__location *locations;
    unsigned enabled; /* of them */
    uint8_t original; /* the program's own byte, when it was planted last */
    bool own_trap;    /* the program has an int3 of its own there */
    bool decoded;     /* `bytes` and what follows it say what the instruction is */
    bool placed;      /* its slot was looked for, and `slot` is it, or 0 */
    uint64_t slot;    /* where its instruction runs */
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    uint8_t byte_count; /* that could be read */
    uint8_t length;     /* of the instruction, 0 if it is none */
    uint8_t kind;       /* enum sdb__relocation_kind */
    bool is_syscall;
    bool is_repeated;       /* a string, of which a step does one element */
    bool is_ambiguous;      /* something else may trap behind its first byte */
    bool has_no_section;    /* it is in no restartable sequence... */
    uint32_t signature;     /* ...that has this signature */
    unsigned section_asked; /* how often that was asked, as far as it counts */
    uint64_t next;          /* SKIP, JUMP: where it goes on; CALL: what it pushes */
    struct sdb__call call;  /* CALL */
};

/* Where there is something to be executed: the first address and the one after the last. */
struct sdb__executable_range {
    uint64_t start;
    uint64_t end;
};

/* All sites of an address space. */
struct sdb__breakpoint_sites {
    struct sdb__space *space; /* whose they are */
    struct sdb__site **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
    unsigned changes; /* counts what was planted and lifted */

    struct sdb__executable_range *ranges; /* as they were when they were looked at */
    size_t range_count;

    struct sdb__scratch *scratch; /* the pages with the slots, see scratch.h */
    bool looked_at;               /* what follows is known */
    bool shadow_stack;            /* calls cannot be moved */
    bool filtered;                /* a seccomp filter may kill who maps memory */
};

/** Have the address space have sites.  @return them, or NULL: no memory */
struct sdb__breakpoint_sites *sdb__sites_of(struct sdb__space *space);

/** @return the site at an address, or NULL */
struct sdb__site *sdb__site_find(const struct sdb__breakpoint_sites *sites, uint64_t address);

/** @return the site at an address, made if there is none; or NULL: no memory */
struct sdb__site *sdb__site_get(struct sdb__breakpoint_sites *sites, uint64_t address);

/** Go through them: begin with a zeroed @p at.  @return the next, or NULL */
struct sdb__site *sdb__site_next(const struct sdb__breakpoint_sites *sites, size_t *at,
                                 const struct sdb__site *after);

/** @return 0, -EFAULT (nothing is mapped there), -EACCES (not executable), or another errno */
int sdb__sites_check(struct sdb__breakpoint_sites *sites, pid_t pid, uint64_t address);

/** Look at what must not be done in the process. */
void sdb__sites_look(struct sdb__breakpoint_sites *sites, pid_t pid);

/** Plant or lift a site's byte, as it has enabled locations or not.  @return 0 or a negative errno */
int sdb__site_update(struct sdb__site *site, pid_t pid);

/** Lift it, whatever it has. */
void sdb__site_lift(struct sdb__site *site, pid_t pid);

/** Find out what instruction the program has there, if that is not known. */
void sdb__site_decode(struct sdb__site *site, pid_t pid);

/**
 * For memory that was copied (fork): the same sites, without locations.
 *
 * @return 0 or -ENOMEM
 */
int sdb__sites_copy(struct sdb__space *copy, const struct sdb__breakpoint_sites *from);

/** Have the bytes of a copy be as its sites say, where they were changed while it was made. */
void sdb__sites_settle(struct sdb__breakpoint_sites *sites, pid_t pid);

/** Free those of an address space that nobody is held with any more; there are no locations left. */
void sdb__sites_free(struct sdb__space *space);

#endif
