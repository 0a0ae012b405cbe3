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
struct sdb_process;
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
    uint64_t number; /* those that were made later have higher ones */
    bool enabled;
};

/* Memory that processes have in common although their address spaces differ (MAP_SHARED). */
struct sdb__shared_memory {
    uint64_t device;
    uint64_t inode;
    uint64_t offset;
};

/* What the program has, or had, at a site. */
struct sdb__site_text {
    uint8_t bytes[SDB__INSTRUCTION_SIZE];
    uint8_t count; /* that could be read */
};

/*
 * Whether its byte stands there is what the address space knows (held/address_space.h).  One that has
 * enabled locations and no byte is pending or lost; one that has a byte and no enabled location could not
 * be lifted, or shares its memory with another that wants it.
 */
struct sdb__site {
    struct sdb__breakpoint_sites *sites; /* whose it is */
    struct sdb__site *next_in_bucket;
    uint64_t address;
    struct sdb__location *locations;
    unsigned enabled;  /* of them */
    unsigned followed; /* of these, those that are planted whenever something is mapped there */
    bool out;          /* a byte was planted there, and not lifted since */
    bool missed; /* one that was planted there was gone once: it may stand elsewhere, before... */
    struct sdb__site_text missed_text; /* ...this */
    bool aside;      /* it was lifted for a step over its instruction, and is to be planted again */
    bool may_change; /* the program can write there without a system call */
    bool is_shared;  /* its byte stands in... */
    struct sdb__shared_memory shared; /* ...this */
    uint8_t original;                 /* the program's own byte, when it was planted last */
    bool own_trap;                    /* the program has an int3 of its own there */
    bool decoded;    /* `bytes` and what follows it say what the instruction is... */
    unsigned writes; /* ...unless more was written by callers since */
    bool placed;     /* its slot was looked for, and `slot` is it, or 0 */
    uint64_t slot;   /* where its instruction runs */
    struct sdb__site_text text;
    uint8_t length; /* of the instruction, 0 if it is none */
    uint8_t kind;   /* enum sdb__relocation_kind */
    bool is_32_bit; /* the instruction is 32-bit code */
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
    bool may_change;
    bool is_shared;
    struct sdb__shared_memory shared; /* where it begins */
};

/* All sites of an address space. */
struct sdb__breakpoint_sites {
    struct sdb__space *space; /* whose they are */
    struct sdb__site **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
    unsigned changes; /* counts what was planted and lifted, and slots that were filled */
    bool has_low;     /* there are some where there may be 32-bit code */

    unsigned most_locations; /* that a site has, or had: each thread has room for so many hits */
    uint64_t locations_made;

    unsigned followed; /* the sum of the sites' */
    bool some_shared;  /* the bytes of some may stand in shared memory */
    bool undone; /* something could not be lifted or planted again, and is to be tried again */

    struct sdb__executable_range *ranges; /* as they were when they were looked at */
    size_t range_count;
    bool ranges_known; /* nothing has run since... */
    unsigned injected; /* ...but system calls for callers: so many had been made until then */
    unsigned injected_planted; /* the same when those that are followed were looked at last */

    struct sdb__scratch *scratch; /* the pages with the slots, see scratch.h */
    bool looked_at;               /* what follows is known */
    bool shadow_stack;            /* calls cannot be moved */
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

/* ---- what is mapped (ranges.c) ---- */

/**
 * Look whether something can be executed at an address.
 *
 * @param range  gets the range that it is in, until the next look
 * @return 0, -EFAULT (nothing is mapped there), -EACCES (not executable), or another errno
 */
int sdb__sites_check(struct sdb__breakpoint_sites *sites, const struct sdb_process *process,
                     uint64_t address, const struct sdb__executable_range **range);

/** What was looked at holds no more, if a thread that has the memory runs. */
void sdb__sites_look_anew(struct sdb__breakpoint_sites *sites, const struct sdb_process *process);

/** Look at what must not be done in the process. */
void sdb__sites_look(struct sdb__breakpoint_sites *sites, pid_t pid);

/* ---- bytes (bytes.c) ---- */

/** @return whether a site's byte stands there, as far as is known */
static inline bool sdb__site_stands(const struct sdb__site *site)
{
    return sdb__space_is_planted(site->sites->space, site->address, NULL);
}

/**
 * Plant or lift a site's byte, as it has enabled locations or not.  One that the program has done away with
 * is planted anew.
 *
 * @return 0 or a negative errno: it has enabled locations, and no byte
 */
int sdb__site_update(struct sdb__site *site, struct sdb_process *process);

/**
 * Lift it, whatever it has, unless another process wants it in the same memory.  What cannot be lifted is
 * tried again before the next wait.
 */
void sdb__site_lift(struct sdb__site *site, struct sdb_process *process);

/** Lift it for a step over its instruction, with all that share the memory standing still.
 *  @return 0 or a negative errno: it stands there still */
int sdb__site_step_aside(struct sdb__site *site, struct sdb_process *process);

/** Plant it again after that. */
void sdb__site_step_back(struct sdb__site *site, struct sdb_process *process);

/** Lift and plant what could not be. */
void sdb__sites_try_again(struct sdb__breakpoint_sites *sites, struct sdb_process *process);

/** @return whether a site of the process has its byte in memory in which another wants it */
bool sdb__sites_are_wanted_by_others(const struct sdb_process *process);

/**
 * Have the bytes of a copy be as its sites say, where they were changed while it was made.
 *
 * @param from  whose memory it is a copy of
 */
void sdb__sites_settle(struct sdb_process *copy, const struct sdb_process *from);

/* ---- instructions ---- */

/** @return whether there may be 32-bit code at an address */
static inline bool sdb__is_low(uint64_t address)
{
    return address <= UINT32_MAX;
}

/** Find out what instruction a thread has there, if that is not known or may have changed. */
void sdb__site_decode(struct sdb__site *site, struct sdb_thread *thread);

/** @return of what kind its code is, and for what processor: SDB__CODE_32, SDB__SHADOW_STACK */
unsigned sdb__site_code(const struct sdb__site *site);

/** Note what the program has there.  @return whether that is what it was */
bool sdb__site_note_text(struct sdb__site *site, const struct sdb__site_text *text);

/* ---- copies and the end ---- */

/**
 * For memory that was copied (fork): the same sites, without locations.
 *
 * @return 0 or -ENOMEM
 */
int sdb__sites_copy(struct sdb__space *copy, const struct sdb__breakpoint_sites *from);

/** Free those of an address space that nobody is held with any more; there are no locations left. */
void sdb__sites_free(struct sdb__space *space);

#endif
