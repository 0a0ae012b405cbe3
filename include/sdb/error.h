/* SPDX-License-Identifier: MIT */
/**
 * Errors: what went wrong, where, and about which argument.
 *
 * Functions of libsdb return 0 or a count when they succeed and a negative errno when they fail;
 * each function's comment lists the ones it returns and when.  Results go to out-parameters, which
 * a failure leaves untouched.  errno itself is neither read nor set on purpose.
 *
 * Calls that go through several stages (launching, attaching) also fill a `struct sdb_error`, if
 * the caller passes one.  sdb_error_format() turns it into a sentence such as
 * `launch: change directory to "/nope": No such file or directory`.
 */
#ifndef SDB_ERROR_H
#define SDB_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

/**
 * The caller is not the session's tracer thread: another thread, or a forked child of the host.
 * The kernel's own word for this is ESRCH, which also means "gone" and "running"; libsdb tells the
 * three apart.  This errno is one that neither ptrace(2) nor wait(2) ever gives.  Since 0.1.
 */
#define SDB_EWRONGTHREAD 18 /* EXDEV */

/**
 * Something else in the host has taken away what a held thread did (a wait for any child in another
 * thread): see sdb_session_wait().  Neither ptrace(2) nor wait(2) ever gives this errno.  Since 0.1.
 */
#define SDB_ESTOLEN 116 /* ESTALE */

/**
 * Where an operation failed.  The stages of a launch stand in the order in which they happen: what
 * comes later in this list was not yet done when an earlier one fails.  Since 0.1.
 */
enum sdb_stage {
    SDB_STAGE_NONE = 0,

    /* A launch, in the host, before there is a child. */
    SDB_STAGE_ARGUMENTS, /* an option that cannot be right; nothing was started */
    SDB_STAGE_PREPARE,   /* memory, pipes or a terminal for the child */
    SDB_STAGE_CLONE,     /* making the child */
    SDB_STAGE_SEIZE,     /* taking hold of it (traced launches only) */
    /* A launch, in the child. */
    SDB_STAGE_GATE,         /* before its first step: it was killed, or the host is dying */
    SDB_STAGE_CGROUP,       /* moving it into its cgroup */
    SDB_STAGE_SESSION,      /* a session of its own (setsid) */
    SDB_STAGE_GROUP,        /* its process group (setpgid) */
    SDB_STAGE_TERMINAL,     /* its controlling terminal */
    SDB_STAGE_FOREGROUND,   /* making its group the terminal's foreground group */
    SDB_STAGE_UMASK,        /* its file mode creation mask */
    SDB_STAGE_CWD,          /* its working directory */
    SDB_STAGE_FDS,          /* its file descriptors; index is the entry of the fd map */
    SDB_STAGE_RLIMITS,      /* a resource limit; index is the entry of the list */
    SDB_STAGE_NICE,         /* its nice value */
    SDB_STAGE_AFFINITY,     /* the CPUs it may run on */
    SDB_STAGE_GROUPS,       /* supplementary groups */
    SDB_STAGE_GID,          /* group id */
    SDB_STAGE_UID,          /* user id */
    SDB_STAGE_ASLR,         /* switching address space randomisation off */
    SDB_STAGE_HOOK,         /* the caller's function returned an error */
    SDB_STAGE_PRIVILEGES,   /* no_new_privs */
    SDB_STAGE_DEATH_SIGNAL, /* the signal it gets when the launching thread ends */
    SDB_STAGE_SIGNALS,      /* signal dispositions and mask */
    SDB_STAGE_SECCOMP,      /* the caller's seccomp filter */
    SDB_STAGE_EXEC,         /* the execve itself */
    SDB_STAGE_START,        /* after the kernel gave up the old image: it died in the exec */

    /* An attach. */
    SDB_STAGE_FIND = 64, /* looking at the target before touching it */
    SDB_STAGE_ATTACH,    /* the PTRACE_SEIZE */
    SDB_STAGE_STOP,      /* stopping what was attached */
};

/** Why an attach was refused, as far as it is known.  Since 0.1. */
enum sdb_reason {
    SDB_REASON_NONE = 0,
    SDB_REASON_GONE,          /* -ESRCH: there is no such process, or it has ended meanwhile */
    SDB_REASON_ZOMBIE,        /* -ESRCH: it has ended, and waits to be reaped */
    SDB_REASON_THREAD,        /* -ESRCH: the number is a thread's, not a process's */
    SDB_REASON_TRACED,        /* -EBUSY: it is traced already, by other_pid */
    SDB_REASON_OWN,           /* -EDEADLK: it is the host itself */
    SDB_REASON_KERNEL_THREAD, /* -EPERM */
    SDB_REASON_OTHER_USER,    /* -EPERM: it belongs to another user */
    SDB_REASON_NOT_DUMPABLE,  /* -EPERM: it has made itself undumpable, or gained privileges */
    SDB_REASON_YAMA,          /* -EPERM: Yama's ptrace_scope forbids it */
    SDB_REASON_SECURITY,      /* -EPERM: none of these; a security module, or a sandbox */
};

/** Room for the detail text of an error, with its final NUL.  Since 0.1. */
#define SDB_ERROR_DETAIL_SIZE 256

/**
 * What a failed call has to say.  Initialise with SDB_ERROR_INIT.  A call that succeeds sets code
 * to 0 and stage to SDB_STAGE_NONE, but for a warning (see there).  Since 0.1.
 */
struct sdb_error {
    size_t size;       /* sizeof(struct sdb_error) */
    int32_t code;      /* the negative errno that the call returned */
    uint32_t stage;    /* enum sdb_stage */
    int32_t index;     /* which entry of the list at fault, or -1 */
    int32_t tid;       /* the task concerned, or 0 */
    int32_t other_pid; /* a process in the way: the one that already traces the target, or 0 */
    int32_t signal;    /* the signal that killed the child, or 0 */
    int32_t warning;   /* code is 0: the negative errno of an option, named by stage, which the
                         system refused and which the caller had allowed to be left out; or 0 */
    uint32_t reason;   /* of a refused attach: enum sdb_reason */
    char detail[SDB_ERROR_DETAIL_SIZE]; /* the argument at fault in words, or "" */
};

#define SDB_ERROR_INIT                                                                             \
    {                                                                                              \
        sizeof(struct sdb_error), 0, 0, -1, 0, 0, 0, 0, 0,                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * Write an error as a sentence without a final newline, as in
 * `launch: execute "/etc/passwd": Permission denied`.
 *
 * @param error  what a call filled
 * @param text   room for @p size bytes; always NUL-terminated when @p size > 0, cut if too small
 * @param size   size of @p text in bytes; 0 only measures, @p text may then be NULL
 * @return the length of the whole sentence without its NUL, or
 *         -EINVAL  @p error is NULL or its size is wrong, or @p text is NULL and @p size is not 0
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_error_format(const struct sdb_error *error, char *text, size_t size);

/**
 * Say in words what a negative errno of libsdb means, SDB_EWRONGTHREAD included.
 *
 * @param code  what a function of libsdb returned
 * @return a constant string in English, never NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_error_describe(int code);

/**
 * @param stage  one of enum sdb_stage
 * @return what is done at that stage, as a verb phrase ("change directory"), or "unknown stage"
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_error_stage(uint32_t stage);

SDB_END_DECLS

#endif
