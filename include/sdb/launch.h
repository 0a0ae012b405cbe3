/* SPDX-License-Identifier: MIT */
/**
 * Launching a program.
 *
 * One struct says what the child shall be like; everything that is not said is as for a plain
 * exec, with three exceptions that hardly anybody regrets: descriptors other than 0, 1 and 2 are
 * not passed on unless named, no signal is blocked, and no handler of the host can ever run in the
 * child.
 *
 *     const char *argv[] = {"ls", "-l", NULL};
 *     struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
 *     struct sdb_error error = SDB_ERROR_INIT;
 *     struct sdb_child *child;
 *
 *     options.argv = argv;
 *     options.flags = SDB_LAUNCH_SEARCH_PATH;
 *     if (sdb_launch(&options, &child, &error) < 0) { ... sdb_error_format(&error, ...) ... }
 *
 * sdb_launch() starts a program that runs by itself; sdb_session_launch() takes the same options,
 * holds the program, and has it stand before its first instruction.  Either returns once the new
 * program has taken the child over, or with the stage, the argument and the errno of what failed;
 * then nothing is left: no process, descriptor, memory or changed signal mask.
 *
 * The child is made without copying the host's memory, so a launch costs the same in a host of 1 MB
 * and of 100 GB.  Where that is not possible or not polite (a hook, a change of user or group,
 * under valgrind or an emulator) the host is forked instead; the result is the same.
 *
 * What is done in the child, in this order, each with the enum sdb_stage that errors name, and with
 * the errnos that its failure usually has:
 *
 *     CGROUP        joins cgroup_fd: ENOENT (no cgroup), EACCES, EBUSY, EOPNOTSUPP
 *     SESSION       NEW_SESSION, TERMINAL, PTY: setsid
 *     GROUP         SET_GROUP: EPERM (no such group in the host's session)
 *     TERMINAL      TERMINAL, PTY: ENOTTY (no terminal), EPERM (another session has it)
 *     FOREGROUND    FOREGROUND: ENOTTY (it is not the child's controlling terminal)
 *     UMASK         umask: does not fail
 *     CWD           cwd or cwd_fd: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG
 *     FDS           the fd map, all at once; index is the entry.  Paths in it are opened now, and
 *                   fail as open(2) does; EBADF or EMFILE where RLIMIT_NOFILE is in the way
 *     RLIMITS       rlimits, in the order given; index is the entry: EPERM (above the hard limit)
 *     NICE          nice: EACCES (lower than the host's, without CAP_SYS_NICE)
 *     AFFINITY      cpu_set: EINVAL (no CPU of it is there)
 *     GROUPS        groups: EPERM (without CAP_SETGID), EINVAL (too many)
 *     GID, UID      gid, then uid (real, effective and saved): EPERM, EINVAL, EAGAIN
 *     ASLR          NO_ASLR: EPERM (a sandbox refuses it)
 *     HOOK          hook: what it returned
 *     PRIVILEGES    NO_NEW_PRIVS: does not fail
 *     DEATH_SIGNAL  death_signal: does not fail
 *     SIGNALS       RESET_IGNORED, then signal_mask: does not fail
 *     SECCOMP       caught_syscalls, then seccomp_filter: EACCES (neither NO_NEW_PRIVS nor
 *                   CAP_SYS_ADMIN), EINVAL
 *     EXEC          the exec; see sdb_launch()
 *
 * What comes early has the host's privileges, what comes late the child's: directory and files are
 * opened before the user changes, the file system's permission to execute is the new user's.
 *
 * Every relative path, the program's own too, is meant from the child's working directory, after
 * CWD.  Paths are opened in the child: a FIFO that nobody writes to makes the launch wait, not the
 * host, and a deadline ends it.
 */
#ifndef SDB_LAUNCH_H
#define SDB_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/child.h>
#include <sdb/error.h>
#include <sdb/export.h>

SDB_BEGIN_DECLS

/** What a descriptor of the child shall be.  Since 0.1. */
enum sdb_fd_kind {
    SDB_FD_DUP = 0,        /* a copy of the host's descriptor `source` */
    SDB_FD_NULL = 1,       /* /dev/null, for reading and writing */
    SDB_FD_PATH = 2,       /* the file `path`, opened with `open_flags` and `mode` */
    SDB_FD_LIKE = 3,       /* a copy of what the map gives the child as descriptor `source`
                              (`2>&1` is target 2, like 1) */
    SDB_FD_READ_PIPE = 4,  /* a new pipe that the child reads; the host gets the write end */
    SDB_FD_WRITE_PIPE = 5, /* a new pipe that the child writes; the host gets the read end */
    SDB_FD_PTY = 6,        /* the child's side of the pseudo-terminal of SDB_LAUNCH_PTY */
};

/**
 * One entry of the fd map: the child's descriptor `target` shall be this.  The entries are one
 * simultaneous assignment: their order means nothing, and sources are always the host's own
 * descriptors as they are at the call, so {0 <- 1, 1 <- 0} swaps.  Since 0.1.
 */
struct sdb_fd {
    int32_t target;     /* the number in the child */
    uint32_t kind;      /* enum sdb_fd_kind */
    int32_t source;     /* DUP: the host's descriptor, close-on-exec or not; LIKE: a target */
    int32_t open_flags; /* PATH: O_RDONLY, O_WRONLY|O_CREAT|O_TRUNC, ... as for open(2) */
    uint32_t mode;      /* PATH with O_CREAT: permission bits, less the umask */
    uint32_t reserved;  /* 0 */
    const char *path;   /* PATH */
    int32_t *host_fd;   /* READ_PIPE, WRITE_PIPE: gets the host's end, close-on-exec and never 0, 1
                           or 2; the caller closes it */
};

/** One resource limit, as for setrlimit(2).  Since 0.1. */
struct sdb_rlimit {
    int32_t resource;  /* RLIMIT_... of <sys/resource.h> */
    uint32_t reserved; /* 0 */
    uint64_t soft;     /* UINT64_MAX: no limit */
    uint64_t hard;
};

/** Look for `path`, if it has no slash, in the directories of `search_path`.  Since 0.1. */
#define SDB_LAUNCH_SEARCH_PATH UINT64_C(0x00000001)
/** Execute the file that is open as `exec_fd`; `path` is not used.  Since 0.1. */
#define SDB_LAUNCH_EXEC_FD UINT64_C(0x00000002)
/** Pass on all descriptors of the host that are not close-on-exec.  Since 0.1. */
#define SDB_LAUNCH_INHERIT_FDS UINT64_C(0x00000004)
/** Start in the directory that is open as `cwd_fd`.  Since 0.1. */
#define SDB_LAUNCH_CWD_FD UINT64_C(0x00000008)
/** Lead a new session, without a controlling terminal.  Since 0.1. */
#define SDB_LAUNCH_NEW_SESSION UINT64_C(0x00000010)
/** Join the process group `process_group`, or lead a new one if that is 0.  Since 0.1. */
#define SDB_LAUNCH_SET_GROUP UINT64_C(0x00000020)
/** Lead a new session whose controlling terminal is the one open as `terminal_fd`.  Since 0.1. */
#define SDB_LAUNCH_TERMINAL UINT64_C(0x00000040)
/** Make the child's group the foreground group of the terminal: the one of TERMINAL or PTY, else
 *  the one open as `terminal_fd`.  Nobody gets SIGTTOU for it.  Since 0.1. */
#define SDB_LAUNCH_FOREGROUND UINT64_C(0x00000080)
/** Lead a new session on a new pseudo-terminal of `pty_rows` by `pty_columns`: 0, 1 and 2 are on
 *  it where the fd map does not say otherwise; `pty_master` gets its master.  Since 0.1. */
#define SDB_LAUNCH_PTY UINT64_C(0x00000100)
/** Set the file mode creation mask to `umask`.  Since 0.1. */
#define SDB_LAUNCH_SET_UMASK UINT64_C(0x00000200)
/** Set the nice value to `nice`.  Since 0.1. */
#define SDB_LAUNCH_SET_NICE UINT64_C(0x00000400)
/** Set the supplementary groups to the `group_count` ones of `groups`.  Since 0.1. */
#define SDB_LAUNCH_SET_GROUPS UINT64_C(0x00000800)
/** Set the real, effective and saved group id to `gid`.  Since 0.1. */
#define SDB_LAUNCH_SET_GID UINT64_C(0x00001000)
/** Set the real, effective and saved user id to `uid`.  Since 0.1. */
#define SDB_LAUNCH_SET_UID UINT64_C(0x00002000)
/** The program and its children can gain no privileges by exec (no_new_privs).  Since 0.1. */
#define SDB_LAUNCH_NO_NEW_PRIVS UINT64_C(0x00004000)
/** Move the child into the cgroup whose directory is open as `cgroup_fd`.  Since 0.1. */
#define SDB_LAUNCH_CGROUP UINT64_C(0x00008000)
/** Reset ignored signals too: every disposition is the default.  Since 0.1. */
#define SDB_LAUNCH_RESET_IGNORED UINT64_C(0x00010000)
/** Switch address space randomisation off; fail where the system refuses it.  Since 0.1. */
#define SDB_LAUNCH_NO_ASLR UINT64_C(0x00020000)
/** The same, but go on where the system refuses it (containers do) and say so in the warning of the
 *  struct sdb_error.  Since 0.1. */
#define SDB_LAUNCH_TRY_NO_ASLR UINT64_C(0x00040000)
/** Give the launch `timeout_ms` milliseconds.  Since 0.1. */
#define SDB_LAUNCH_TIMEOUT UINT64_C(0x00080000)
/** Fork the host rather than share its memory with the child.  Since 0.1. */
#define SDB_LAUNCH_PORTABLE UINT64_C(0x00100000)

/**
 * What to launch, and how.  Initialise with SDB_LAUNCH_OPTIONS_INIT; members that are not set have
 * the default that their comment gives.  Nothing is kept after the call.  Since 0.1.
 */
struct sdb_launch_options {
    size_t size;    /* sizeof(struct sdb_launch_options) */
    uint64_t flags; /* SDB_LAUNCH_... */

    /* The program. */
    const char *path;        /* the file to execute; NULL: argv[0] */
    const char *const *argv; /* its arguments, argv[0] first, NULL last; NULL: {path} */
    const char *const *envp; /* its environment, NULL last; NULL: the host's */
    const char *const *env;  /* changes to it: "NAME=value" sets, "NAME" takes away; NULL: none */
    const char *search_path; /* SEARCH_PATH: directories between colons, an empty one being the
                                child's working directory; NULL: the host's PATH, or "/bin:/usr/bin"
                                if it has none.  As with execvp(3), a file that may not be executed
                                (EACCES) does not end the search, and a file of unknown format is
                                ENOEXEC, not a shell script */
    int32_t exec_fd;         /* EXEC_FD.  If it holds a script (#!) it must not be close-on-exec and
                                must be in the fd map under its own number, or the interpreter could
                                not read it: ENOENT */

    /* Where it runs. */
    int32_t cwd_fd;  /* CWD_FD */
    const char *cwd; /* working directory; NULL: the host's */

    /* Descriptors. */
    const struct sdb_fd
        *fds;        /* the fd map; what it does not name is inherited if it is 0, 1 or 2 */
    size_t fd_count; /* entries of the map */

    /* Session, group and terminal. */
    int32_t process_group; /* SET_GROUP */
    int32_t terminal_fd;   /* TERMINAL, FOREGROUND: a descriptor of the host */
    int32_t *pty_master;   /* PTY: gets the master, close-on-exec, never 0, 1 or 2; caller closes */
    uint16_t pty_rows;     /* PTY: 0 leaves the size unset */
    uint16_t pty_columns;

    /* Signals. */
    int32_t
        death_signal; /* the signal that the child gets when the thread that launched it ends; 0:
                             none.  Lost when a program gains privileges by exec */
    uint64_t signal_mask; /* blocked signals, bit n-1 for signal n; 0: none.  SIGKILL and SIGSTOP
                             are never blocked */

    /* Limits and privileges. */
    const struct sdb_rlimit *rlimits; /* resource limits */
    size_t rlimit_count;
    const void *cpu_set; /* the CPUs it may run on, as for sched_setaffinity(2); NULL: the host's */
    size_t cpu_set_size; /* bytes */
    const uint32_t *groups; /* SET_GROUPS */
    size_t group_count;
    uint32_t uid;               /* SET_UID */
    uint32_t gid;               /* SET_GID */
    uint32_t umask;             /* SET_UMASK: 0 to 0777 */
    int32_t nice;               /* SET_NICE: -20 to 19 */
    int32_t cgroup_fd;          /* CGROUP */
    int32_t timeout_ms;         /* TIMEOUT: until the program must have taken over; 0 or more */
    const void *seccomp_filter; /* an array of struct sock_filter (<linux/filter.h>); NULL: none.
                                   Without NO_NEW_PRIVS it takes CAP_SYS_ADMIN.  It must let execve
                                   pass, and exit_group and write for errors to be told */
    size_t seccomp_length;      /* its instructions, 1 to 4096 */

    /* A function of the caller's, run in the child.  The host is forked for it.  It may call
     * async-signal-safe functions only (signal-safety(7)), with every signal blocked, and returns 0
     * or a negative errno, which fails the launch.  A process that it forks must end or execute
     * something first: an untraced launch lasts until nobody but the child has the child's
     * close-on-exec descriptors. */
    int (*hook)(void *data);
    void *hook_data;

    /* sdb_session_launch() only: the calls that shall be told, by their numbers on x86-64, 0 to
     * SDB_SYSCALL_HIGHEST, see <sdb/syscall.h>.  A seccomp filter picks them out, all others run at full
     * speed.  It is there for good, in every newborn and through every exec, and while nobody holds the
     * process each of these calls fails with ENOSYS.  So the process begins with SDB_FOLLOW_ALL, and
     * letting it or a newborn go is refused (-EPERM) until sdb_process_permit_release().  (One that it
     * makes with CLONE_UNTRACED of clone(2) escapes, and has the filter.)  It takes NO_NEW_PRIVS or
     * CAP_SYS_ADMIN, as seccomp_filter does. */
    const int32_t *caught_syscalls;
    size_t caught_syscall_count; /* 0: no such filter */
};

#define SDB_LAUNCH_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(struct sdb_launch_options), 0, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 0,   \
            0, 0, NULL, 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, 0, NULL,    \
            NULL, NULL, 0                                                                          \
    }

/**
 * Launch a program that is not traced.
 *
 * It returns as soon as the new program has taken the child over.  A program that fails after that
 * (the kernel may still find it unfit, and ends it by a signal) has been launched, and its status
 * tells.
 *
 * @param options  what to launch
 * @param child    gets the child; close it with sdb_child_close()
 * @param error    gets stage, argument and errno of a failure; may be NULL
 * @return 0, or a negative errno.  With stage ARGUMENTS nothing was started:
 *         -EINVAL     @p options or @p child is NULL; its size is smaller than the first version's;
 *                     an unknown flag or kind; caught_syscalls, which are for sdb_session_launch(); no path and no argv[0]; a target twice or
 *                     negative; an entry that contradicts itself; a value out of its range
 *         -E2BIG      members that this version of the library does not know are set
 *         -EBADF      a descriptor that is named is not open
 *         with stage PREPARE or CLONE:
 *         -ENOMEM     no memory
 *         -EMFILE, -ENFILE  no room for a descriptor
 *         -EAGAIN     no room for a process (RLIMIT_NPROC, or the cgroup's pids.max)
 *         with stage GATE, and at any later stage of the child:
 *         -ETIMEDOUT  the deadline has passed; stage tells how far the child had come
 *         -ESRCH      somebody killed the child; signal tells by which signal
 *         with the stage of a step in the child, whatever the system call of that step gives; and
 *         with stage EXEC, as execve(2):
 *         -ENOENT     no such file, or the interpreter that it names does not exist
 *         -EACCES     a directory, no permission to execute it, or not on this file system
 *         -ENOEXEC    the kernel knows no such format: a text without #!, an empty file, another
 *                     machine's program
 *         -ETXTBSY    somebody has it open for writing
 *         -E2BIG      arguments and environment are too long
 *         -ELOOP      too many symbolic links, or interpreters of interpreters
 *         -ENOTDIR, -ENAMETOOLONG, -EIO, -ENOMEM, -EPERM  as execve(2) says
 *         -EAGAIN     RLIMIT_NPROC, after a change of user
 *
 * Any thread, several at once too.  Since 0.1.
 */
SDB_API int sdb_launch(const struct sdb_launch_options *options, struct sdb_child **child,
                       struct sdb_error *error);

/**
 * Give back the memory that is kept between launches: a small stack for each of the launches that
 * were under way at once, up to eight.  The next launch takes one anew.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_launch_trim(void);

SDB_END_DECLS

#endif
