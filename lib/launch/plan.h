/* SPDX-License-Identifier: MIT */
/*
 * The plan of a launch: the caller's options, checked, resolved and laid out so that the child has
 * nothing left to allocate, search or decide.  On the fast path the child reads it out of the
 * parent's memory while the parent waits.
 */
#ifndef SDB_LIB_LAUNCH_PLAN_H
#define SDB_LIB_LAUNCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/filter.h>

#include <sdb/launch.h>

#include "kernel/call_set.h"

/* One descriptor of the child. */
struct sdb__fd_plan {
    int target;
    int source; /* the host's descriptor, or -1 */
    int like;   /* the entry whose descriptor this is a copy of, or -1 */
    const char *path;
    int open_flags;
    uint32_t mode;
    bool move;    /* source is some other entry's target: it must be out of the way first */
    int held;     /* in the child: what target will be a copy of */
    int owned;    /* in the host: the child's end of a pipe, closed once the child has it; or -1 */
    int host_end; /* in the host: the host's end of it, the caller's if the launch succeeds; or -1
                   */
    int32_t *host_fd; /* where the caller wants it */
};

/* What the child has to say. */
struct sdb__launch_note {
    uint32_t stage;  /* the last stage that it began */
    int32_t code;    /* a negative errno: that stage failed */
    int32_t index;   /* the entry at fault, or -1 */
    int32_t warning; /* a negative errno: ASLR could not be switched off */
};

struct sdb__launch_plan {
    struct sdb_launch_options options;

    /* The program. */
    const char *name;        /* the path that the caller gave, for errors */
    const char **candidates; /* paths to try, NULL last */
    char *candidate_text;    /* their text, if a search path was gone through */
    const char *const *argv;
    const char *const *envp;
    const char *name_as_argv[2];
    const char **merged_env; /* owned: the environment with its changes, or NULL */

    /* Descriptors. */
    struct sdb__fd_plan *fds;
    size_t fd_count;
    bool move_exec_fd; /* exec_fd is some entry's target */
    int terminal;      /* the host's descriptor of the controlling terminal, or -1 */
    int pty_master;    /* owned: or -1 */
    int pty_slave;     /* owned: or -1 */
    int unshare_from;  /* >= 0: the child shares the host's table; it first leaves it, taking only
                          the descriptors below this */

    /* How it is run. */
    bool reset_handlers; /* the clone has not reset them */
    bool change_user;    /* some id is set: this drops the parent-death signal */
    pid_t host_pid;
    struct sock_fprog seccomp;
    struct sdb__call_set caught; /* the calls of caught_syscalls */
    struct sock_fprog
        caught_filter; /* owned: it picks them out; its length is 0 if there are none */

    /* The gate: the child passes once the host has opened it. */
    uint32_t gate; /* fast path: a futex; 1 is open */
    /*
     * Fast path, untraced: where the kernel has written the number of the pidfd; else NULL.  If it
     * is not 0, 1 or 2, the host has nothing to do first, and the gate is not waited for.
     */
    const int *pidfd;
    int channel_fd; /* portable path: the child's end of the channel, else -1 */
    int report_fd;  /* in the child on the portable path: where the note goes */

    struct sdb__launch_note note;
};

/**
 * Check the options and make the plan.
 *
 * @param plan   gets the plan; release it with sdb__launch_plan_release(), after a failure too
 * @param error  gets the argument at fault
 * @return 0 or a negative errno, see sdb_launch()
 */
int sdb__launch_plan_make(struct sdb__launch_plan *plan, const struct sdb_launch_options *options,
                          struct sdb_error *error);

/** An option that cannot be right: say so in the error.  @return @p code */
int sdb__launch_refuse(struct sdb_error *error, int code, int index, const char *why);

/** @return whether any of these flags is set */
static inline bool sdb__launch_plan_has(const struct sdb__launch_plan *plan, uint64_t flags)
{
    return (plan->options.flags & flags) != 0;
}

/** The part of making the plan that is about descriptors. */
int sdb__launch_plan_descriptors(struct sdb__launch_plan *plan, struct sdb_error *error);

/** Hand the host's ends of pipes and terminal to the caller: the launch has succeeded. */
void sdb__launch_plan_hand_over(struct sdb__launch_plan *plan);

/** Close and free all that the plan owns. */
void sdb__launch_plan_release(struct sdb__launch_plan *plan);

/** Put what the child noted into words. */
void sdb__launch_plan_explain(const struct sdb__launch_plan *plan,
                              const struct sdb__launch_note *note, struct sdb_error *error);

#endif
