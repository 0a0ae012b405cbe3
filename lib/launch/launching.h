/* SPDX-License-Identifier: MIT */
/*
 * A launch under way: a child between its clone and its exec.
 *
 * There are two ways to make the child, with the same result: a clone that shares the host's memory
 * (clone.c), and a fork (fork.c).  What a launch does with either is in launch.c
 * (untraced) and session/launch.c (traced).
 */
#ifndef SDB_LIB_LAUNCH_LAUNCHING_H
#define SDB_LIB_LAUNCH_LAUNCHING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "launch/plan.h"

struct sdb__launching;

/* One way to make the child. */
struct sdb__launch_path {
    /**
     * Make the child.  If it is to be traced it stops at its gate; else it may go on by itself.
     *
     * @return 0; -ENOSYS if this path cannot be taken here; or a negative errno, with the stage in
     *         the plan's note: then there is no child
     */
    int (*start)(struct sdb__launching *launching, const struct sdb__deadline *deadline);

    /** Let the child go on.  Nothing happens if it has no gate. */
    void (*open_gate)(struct sdb__launching *launching);

    /** Wait until it has executed the program or ended.  @return 0 or -ETIMEDOUT */
    int (*wait)(struct sdb__launching *launching, const struct sdb__deadline *deadline);

    /** @return what the child has noted so far */
    struct sdb__launch_note (*note)(struct sdb__launching *launching);

    /** Give back what start() took, but for the process and its pidfd. */
    void (*finish)(struct sdb__launching *launching);
};

extern const struct sdb__launch_path sdb__launch_by_clone;
extern const struct sdb__launch_path sdb__launch_by_fork;

struct sdb__launching {
    const struct sdb__launch_path *path;
    struct sdb__launch_plan plan;
    struct sdb__deadline deadline;
    bool traced;
    pid_t pid; /* 0: there is no child */
    int pidfd; /* -1: the system has none */

    /* Clone. */
    char *stack;
    uint32_t memory_shared; /* a futex: 1, and 0 once the child has left the host's memory */

    /* Fork. */
    int channel; /* the host's end */
    int report;  /* read end of the child's report pipe */
    struct sdb__launch_note reported;
};

/**
 * Check the options and make the child, on whichever path is right.
 *
 * @param begun  gets the launch; end it with sdb__launching_end()
 * @return 0 or a negative errno, with @p error filled
 */
int sdb__launching_begin(struct sdb__launching **begun, const struct sdb_launch_options *options,
                         bool traced, struct sdb_error *error);

/**
 * Put a launch that failed into words.
 *
 * @param code    a negative errno if the host knows one (-ETIMEDOUT, say); 0 to say what the child
 *                noted, or else that it was killed
 * @param signal  the signal that ended the child, or 0
 * @return the code
 */
int sdb__launching_explain(struct sdb__launching *launching, int code, int signal,
                           struct sdb_error *error);

/** Say in @p error that the launch succeeded, with its warning if there is one. */
void sdb__launching_succeed(struct sdb__launching *launching, struct sdb_error *error);

/** @return whether the child got as far as its exec without noting a failure */
bool sdb__launching_reached_exec(struct sdb__launching *launching);

/**
 * Kill the child and wait for its end, at most for a second: longer than that, it hangs in the
 * kernel, and is left to die there.
 *
 * @param signal  gets the signal that ended it, 0 if none did or none is known
 */
void sdb__launching_kill(struct sdb__launching *launching, int *signal);

/**
 * End a launch: close and free all that is left of it.  The pidfd is closed too, unless it was
 * taken (set to -1).
 */
void sdb__launching_end(struct sdb__launching *launching);

#endif
