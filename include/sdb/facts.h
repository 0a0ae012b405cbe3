/* SPDX-License-Identifier: MIT */
/**
 * Facts of a process: what the kernel tells of any process in the system, held by a session or not.
 *
 *     struct sdb_facts_status status = SDB_FACTS_STATUS_INIT;
 *     struct sdb_facts_maps *maps;
 *
 *     if (sdb_facts_read_status(pid, &status) == 0)
 *         printf("%s is %c, child of %d\n", status.name, (int)status.state, status.parent);
 *     if (sdb_facts_read_maps(pid, &maps) == 0) {
 *         const struct sdb_facts_map *map = sdb_facts_find_map(maps, address);
 *
 *         printf("that address is in %s\n", map ? map->name : "nothing");
 *         sdb_facts_free(maps);
 *     }
 *
 * A process is named by its pid; the id of any of its threads does as well.  Nothing here needs a
 * session or a stop, and any thread may ask.  Each function asks the kernel anew: what it gives is a
 * copy, which does not change when the process does.  Of a process that runs it may be out of date at
 * once, and two facts need not be of the same instant; of one that stands still they are.  A pid can
 * be given to another process once its own was waited for: start_time_ms tells two of them apart.
 *
 * Names, paths and arguments are a program's to choose: they hold any bytes but NUL, and need not be
 * text in any encoding.
 *
 * A list is one object on the heap, the caller's, with all that it refers to: free it by
 * sdb_facts_free().  The structs in it begin with the size that this version of the library gives
 * them.
 *
 * What the functions that make lists return, besides what stands with each:
 *
 *     0        and the list
 *     -EINVAL  the pid is not positive, or the result's address is NULL
 *     -ESRCH   there is no such process, or it has ended, or ends meanwhile (a zombie has no memory,
 *              and no threads but ended ones)
 *     -EACCES  this user may not know it: arguments, status and threads are for all, the rest as in
 *              attaching, for the same user and the privileged; with the hidepid option of /proc
 *              nothing is for others
 *     -ENOSYS  there is no /proc, or not the one of this pid namespace
 *     -EAGAIN  the process has been in the midst of execve(2) for a second, or executes one program
 *              after the other (not of threads and executable)
 *     -ENOMEM  no memory
 *     -EMFILE, -ENFILE  no room for a descriptor, which is needed for a moment
 */
#ifndef SDB_FACTS_H
#define SDB_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include <sdb/export.h>

SDB_BEGIN_DECLS

/* ---- processes and threads ---- */

/** What a thread is doing, in the kernel's letters.  There may be more of them.  Since 0.1. */
enum sdb_facts_state {
    SDB_FACTS_RUNNING = 'R',  /* it runs, or would if a processor were free */
    SDB_FACTS_SLEEPING = 'S', /* it waits for something, and signals wake it */
    SDB_FACTS_WAITING = 'D',  /* it waits for something, and signals do not */
    SDB_FACTS_STOPPED = 'T',  /* by SIGSTOP and its like */
    SDB_FACTS_TRACED = 't',   /* by its tracer */
    SDB_FACTS_ZOMBIE = 'Z',   /* it has ended, and waits to be reaped; or it is a first thread that
                                 has ended while others run */
    SDB_FACTS_DEAD = 'X',     /* it is being reaped */
    SDB_FACTS_IDLE = 'I',     /* a kernel thread without work */
    SDB_FACTS_PARKED = 'P',   /* a kernel thread whose processor is off */
};

/** Room for a name, with its final NUL: 15 bytes, but up to 63 of a kernel thread.  Since 0.1. */
#define SDB_FACTS_NAME_SIZE 64

/** Flag of a status: this is one of the kernel's own threads, which no program is.  Since 0.1. */
#define SDB_FACTS_KERNEL_THREAD UINT32_C(0x1)

/** A thread, or a process by its first thread.  Initialise with SDB_FACTS_STATUS_INIT.  Since 0.1. */
struct sdb_facts_status {
    size_t size;            /* sizeof(struct sdb_facts_status) */
    int32_t pid;            /* the process's id */
    int32_t tid;            /* the thread's id */
    int32_t parent;         /* the parent's pid, 0 if it has none that can be seen */
    int32_t tracer;         /* id of the thread that traces it; 0 if none that can be seen */
    uint32_t state;         /* enum sdb_facts_state */
    uint32_t flags;         /* SDB_FACTS_KERNEL_THREAD */
    uint32_t thread_count;  /* of the process, ended ones that are not reaped included */
    uint32_t uid;           /* real user id */
    uint32_t effective_uid; /* the one that counts for what it may do */
    uint32_t gid;           /* real group id */
    uint32_t effective_gid; /* the one that counts */
    uint32_t reserved;      /* 0 */
    uint64_t start_time_ms; /* from the system's start to its own, milliseconds; the kernel
                                       counts hundredths of a second */
    char name
        [SDB_FACTS_NAME_SIZE]; /* at first the beginning of the program's file name; any bytes */
};

#define SDB_FACTS_STATUS_INIT                                                                      \
    {                                                                                              \
        sizeof(struct sdb_facts_status), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                    \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * Ask for the status of a process, or of one of its threads.
 *
 * @param tid     a process's pid, which is its first thread's id, or the id of any thread
 * @param status  gets the status; its size member is set by SDB_FACTS_STATUS_INIT
 * @return 0, or
 *         -EINVAL  @p tid is not positive, @p status is NULL, or its size is smaller than the first
 *                  version's
 *         -E2BIG   the size is larger than this version's, and the members beyond are not 0
 *         -ESRCH   there is no such process or thread; a zombie is one, until it is reaped
 *         -EACCES, -ENOSYS, -ENOMEM, -EMFILE, -ENFILE  as above
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_status(int32_t tid, struct sdb_facts_status *status);

/** The threads of a process, by ascending id.  Since 0.1. */
struct sdb_facts_threads {
    size_t size;
    size_t count;
    const struct sdb_facts_status *const *list; /* count of them */
};

/**
 * List the threads of a process.  A thread that is there all the while is in the list; one that
 * begins or ends meanwhile may be.  One that has ended but is not reaped is in it as a zombie.
 *
 * @param threads  gets the list, of at least one thread
 * @return as above; but a zombie still has its first thread
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_threads(int32_t pid, struct sdb_facts_threads **threads);

/* ---- program, arguments, environment ---- */

/** Flag of a file or a map: the file is no longer there under this name.  Since 0.1. */
#define SDB_FACTS_DELETED UINT32_C(0x10)

/** A file.  Since 0.1. */
struct sdb_facts_file {
    size_t size;
    const char *path;      /* as seen from the caller's root directory; any bytes */
    uint32_t flags;        /* SDB_FACTS_DELETED */
    uint32_t device_major; /* of the file system */
    uint32_t device_minor;
    uint32_t reserved; /* 0 */
    uint64_t inode;    /* 0 if it cannot be told */
};

/**
 * Ask for the program that a process executes: of a script that is its interpreter.  Whatever its
 * path, /proc/PID/exe can be opened.
 *
 * The kernel marks a deleted file by " (deleted)" behind its name; where a file of that very name is
 * the one, it is not taken for a mark.
 *
 * @param executable  gets the file
 * @return as above, or
 *         -ENOENT        it has none: it is a kernel thread
 *         -ENAMETOOLONG  its path has more than 4,095 bytes
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_executable(int32_t pid, struct sdb_facts_file **executable);

/** Strings, any of which may be empty.  Since 0.1. */
struct sdb_facts_strings {
    size_t size;
    size_t count;
    const char *const *list; /* count of them, and a NULL: fit for an argv of <sdb/launch.h> */
};

/** The most bytes of arguments, and of environment, that are read; exec allows 6 MiB for both. */
#define SDB_FACTS_STRINGS_LIMIT ((size_t)8 * 1024 * 1024)

/**
 * Ask for a process's command line.
 *
 * It lies in the process's own memory, and the process can have changed it: programs that show what
 * they do there (setproctitle(3)) leave one string, or a few and many empty ones.  A kernel thread
 * has none, and another user's process none while it is in the midst of execve(2).
 *
 * @param arguments  gets the strings
 * @return as above, or
 *         -EFBIG  the process has had the kernel look at more than SDB_FACTS_STRINGS_LIMIT bytes
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_arguments(int32_t pid, struct sdb_facts_strings **arguments);

/**
 * Ask for the environment that a process was given when its program was executed.
 *
 * Variables that it has set since are not in there, as a rule, and what a program writes over its
 * arguments may reach into it: strings without "=" are no mistake here.
 *
 * @param environment  gets the strings
 * @return as sdb_facts_read_arguments()
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_environment(int32_t pid, struct sdb_facts_strings **environment);

/**
 * @param environment  from sdb_facts_read_environment()
 * @param name         a variable's name
 * @return what follows "name=" in the first string that begins so, or NULL if none does or an
 *         argument is NULL; it lives as long as the list
 *
 * Any thread.  Since 0.1.
 */
SDB_API const char *sdb_facts_find_variable(const struct sdb_facts_strings *environment,
                                            const char *name);

/* ---- memory ---- */

/** Flags of a map; SDB_FACTS_DELETED too.  Since 0.1. */
#define SDB_FACTS_READ    UINT32_C(0x1) /* it may be read */
#define SDB_FACTS_WRITE   UINT32_C(0x2) /* it may be written */
#define SDB_FACTS_EXECUTE UINT32_C(0x4) /* it may be executed */
#define SDB_FACTS_SHARED  UINT32_C(0x8) /* writing changes the file, or what others see */

/** A range of addresses in a process.  Since 0.1. */
struct sdb_facts_map {
    size_t size;
    uint64_t start;        /* the first address */
    uint64_t end;          /* the one after the last */
    uint64_t offset;       /* where in the file it begins, bytes */
    uint64_t inode;        /* of the file, 0 if it is of none */
    uint32_t device_major; /* of the file's file system */
    uint32_t device_minor;
    uint32_t flags;    /* SDB_FACTS_READ, ... */
    uint32_t reserved; /* 0 */
    const char
        *name; /* the file's path, which begins with "/"; the kernel's word for what it is, such
                          as "[heap]", "[stack]", "[vdso]", "[anon:...]" or "anon_inode:..."; or "" */
};

/** The maps of a process, by ascending address.  Since 0.1. */
struct sdb_facts_maps {
    size_t size;
    size_t count;
    const struct sdb_facts_map *const *list; /* count of them */
};

/**
 * List the ranges of addresses in which a process has memory.  A kernel thread has none.
 *
 * The kernel gives them in pieces: if the process runs, some can be from before a change and others
 * from after it.  None overlap, none are of a program executed before, and none is missing because
 * the process has ended meanwhile.
 *
 * @param maps  gets the list
 * @return as above, or
 *         -EFBIG  the list would have more than a gigabyte
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_maps(int32_t pid, struct sdb_facts_maps **maps);

/**
 * @param maps     from sdb_facts_read_maps()
 * @param address  an address in the process
 * @return the map that it is in, which lives as long as the list; or NULL if it is in none, or
 *         @p maps is NULL
 *
 * Any thread.  Since 0.1.
 */
SDB_API const struct sdb_facts_map *sdb_facts_find_map(const struct sdb_facts_maps *maps,
                                                       uint64_t address);

/** An entry of the auxiliary vector: see getauxval(3).  Since 0.1. */
struct sdb_facts_auxv_entry {
    uint64_t type;  /* AT_... of <elf.h> */
    uint64_t value; /* a number, or an address in the process */
};

/** The auxiliary vector of a process: what the kernel has told its program at the start.  Since 0.1. */
struct sdb_facts_auxv {
    size_t size;
    size_t count;
    const struct sdb_facts_auxv_entry *list; /* count of them, without the final AT_NULL */
    uint32_t word_size; /* bytes of an address in it: 8, or 4 of a 32-bit program */
    uint32_t reserved;  /* 0 */
};

/**
 * Ask for the auxiliary vector.  A kernel thread has none.
 *
 * @param auxv  gets the entries
 * @return as above
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_read_auxv(int32_t pid, struct sdb_facts_auxv **auxv);

/**
 * @param auxv   from sdb_facts_read_auxv()
 * @param type   AT_... of <elf.h>
 * @param value  gets the value of the first such entry
 * @return 0, or
 *         -EINVAL  @p auxv or @p value is NULL
 *         -ENOENT  there is no such entry
 *
 * Any thread.  Since 0.1.
 */
SDB_API int sdb_facts_find_auxv(const struct sdb_facts_auxv *auxv, uint64_t type, uint64_t *value);

/**
 * Free what a function of this header has given: a list, or a file.  NULL is allowed.
 *
 * Any thread.  Since 0.1.
 */
SDB_API void sdb_facts_free(void *facts);

SDB_END_DECLS

#endif
