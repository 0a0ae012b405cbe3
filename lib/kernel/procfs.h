/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a process.  Nothing else in the library reads it.
 *
 * Descriptors opened here are above 2, close-on-exec, and closed on return.
 */
#ifndef SDB_LIB_KERNEL_PROCFS_H
#define SDB_LIB_KERNEL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room for a task's name: a program's has 15 bytes, a kernel thread's up to 63. */
#define SDB__PROCFS_NAME_SIZE 64

/* From the status file of a process or a thread. */
struct sdb__procfs_status {
    char state; /* R, S, D, T, t, Z, X, I, P */
    pid_t tid;
    pid_t tgid;
    pid_t parent; /* 0: none that can be seen */
    pid_t tracer; /* 0: none */
    uint32_t uid; /* real */
    uint32_t effective_uid;
    uint32_t gid; /* real */
    uint32_t effective_gid;
    bool kernel_thread;
    bool is_init;             /* of its pid namespace */
    bool has_memory;          /* not a kernel thread, and has not ended */
    bool seccomp;             /* it has a filter, or the strict mode */
    bool shadow_stack;        /* the processor keeps its return addresses, too */
    uint64_t blocked_signals; /* bit n-1 stands for signal n */
    uint64_t ignored_signals;
    uint64_t caught_signals;
    uint64_t pending_signals;         /* for that thread alone */
    long thread_count;                /* of its process */
    char name[SDB__PROCFS_NAME_SIZE]; /* any bytes but NUL */
};

/**
 * @param pid  a process's id, or a thread's
 * @return 0, -ESRCH if there is no such task, or -ENOSYS if /proc does not tell (not mounted,
 * hidden, no descriptor to read it with)
 */
int sdb__procfs_status(pid_t pid, struct sdb__procfs_status *status);

/** The same for a thread of a process; -ESRCH also if it is another process's. */
int sdb__procfs_thread_status(pid_t pid, pid_t tid, struct sdb__procfs_status *status);

/**
 * The same as sdb__procfs_status(), with the time at which the task began, of one and the same task
 * even if its id is given to another meanwhile.
 *
 * @param pid    a process's id, or with @p tid 0 also a thread's
 * @param tid    one of its threads; 0: @p pid itself
 * @param start  gets the time in clock ticks (sysconf(_SC_CLK_TCK)) since the system was started
 * @return 0, -ESRCH, -ENOSYS, -EACCES (hidden), -EMFILE, -ENFILE, or -ENOMEM
 */
int sdb__procfs_whole_status(pid_t pid, pid_t tid, struct sdb__procfs_status *status,
                             uint64_t *start);

/**
 * Go through the threads of a process once.  One that is there all the while can be passed over when
 * others end meanwhile.
 *
 * @param visit  gets each thread's id; false ends it
 * @return 0, -ESRCH, -ENOSYS (no /proc), -EACCES (hidden), -EMFILE, -ENFILE, or -ENOMEM
 */
int sdb__procfs_threads(pid_t pid, bool (*visit)(pid_t tid, void *data), void *data);

/**
 * Go through all processes that can be seen, once.
 *
 * @param visit  gets each process's id; false ends it
 * @return 0, or a negative errno: /proc does not tell
 */
int sdb__procfs_processes(bool (*visit)(pid_t pid, void *data), void *data);

/**
 * The system call in which a thread is blocked.
 *
 * @param arguments  gets its six arguments, if there is one
 * @return its number, or -1 if there is none or it cannot be told
 */
long sdb__procfs_syscall(pid_t pid, pid_t tid, uint64_t arguments[6]);

/** @return 1: the thread is on its way to its end; 0: it is not; or -ESRCH: it is gone, or cannot be seen */
int sdb__procfs_is_ending(pid_t pid, pid_t tid);

/** @return whether a thread is the kernel's own in this process, as io_uring's are */
bool sdb__procfs_is_kernels(pid_t pid, pid_t tid);

/**
 * @return whether the process is dumpable; true also where that cannot be told, as of root's own
 * processes
 */
bool sdb__procfs_is_dumpable(pid_t pid);

/**
 * The process that a pidfd of ours stands for.
 *
 * @return its pid, -EBADF (not open), -EINVAL (no pidfd), -ESRCH (the process is gone, or in a pid
 * namespace that cannot be seen), or -ENOSYS (/proc does not tell)
 */
int sdb__procfs_pid_of_pidfd(int pidfd);

/** @return Yama's ptrace_scope, 0 where there is no Yama */
int sdb__procfs_yama_scope(void);

/* ---- of the memory of a process: procfs_memory.c ---- */

/* What a file held: on the heap, with a NUL beyond its end. */
struct sdb__procfs_text {
    char *bytes;
    size_t len;
};

/*
 * How a file is read.  Some are made anew at each read, for as much as is asked for: they are whole
 * when one read gets all.  maps comes in pieces of whole lines.
 */
enum sdb__procfs_way {
    SDB__PROCFS_AT_ONCE, /* by one read */
    SDB__PROCFS_PIECES,  /* by many, during which the process must not have exec'd or ended */
};

/**
 * Read a file that tells of a process's memory: of its first thread, or if that has ended, of one
 * that lives.
 *
 * @param name   the file in /proc/PID: cmdline, environ, maps, auxv
 * @param limit  the most bytes taken
 * @param text   gets what it holds; free its bytes.  Of a kernel thread it is empty
 * @return 0, or
 *         -ESRCH    there is no such process, or it has ended
 *         -EACCES   not permitted
 *         -EFBIG    it is larger than @p limit
 *         -EAGAIN   it is in the midst of executing a program, and stays so, or does it all the time
 *         -ENOSYS   no /proc
 *         -ENOMEM, -EMFILE, -ENFILE
 */
int sdb__procfs_memory_file(pid_t pid, const char *name, enum sdb__procfs_way way, size_t limit,
                            struct sdb__procfs_text *text);

/**
 * Open the memory of a process, for reading and writing.  It stands for the memory that the process
 * has now: after an exec it reads as empty.
 *
 * @return a descriptor of ours, or -ESRCH, -EACCES, -EPERM, -EMFILE, -ENFILE, -ENOMEM, -ENOSYS
 */
int sdb__procfs_open_memory(pid_t pid);

/* A file's place in the system. */
struct sdb__procfs_file {
    uint32_t device_major;
    uint32_t device_minor;
    uint64_t inode; /* 0: not known */
};

/**
 * The program that a process executes.
 *
 * @param path  gets its path as the kernel gives it, with " (deleted)"; free its bytes
 * @param file  gets which file it is
 * @return 0, -ENOENT (a kernel thread), -ENAMETOOLONG, or as sdb__procfs_memory_file()
 */
int sdb__procfs_executable(pid_t pid, struct sdb__procfs_text *path, struct sdb__procfs_file *file);

/**
 * The path of a mapped file as it is, without the escapes of maps.
 *
 * @param target  gets it; PATH_MAX bytes of room
 * @return its length, or a negative errno
 */
ssize_t sdb__procfs_map_path(pid_t pid, uint64_t start, uint64_t end, char *target);

/** @return whether a path leads to this file, from here or from the process's own root directory */
bool sdb__procfs_path_leads_to(pid_t pid, const char *path, const struct sdb__procfs_file *file);

/** @return the address from which a process's heap grows (brk(2)), or 0: it is not told */
uint64_t sdb__procfs_heap_start(pid_t pid);

/* ---- shared by the two ---- */

#define SDB__PROCFS_PATH_SIZE 128

/** Make "/proc/PID/name", or "/proc/PID/task/TID/name". */
void sdb__procfs_make_path(char path[SDB__PROCFS_PATH_SIZE], pid_t pid, pid_t tid,
                           const char *name);

/** Open one of our descriptors.  @return it, or a negative errno of the kernel's */
int sdb__procfs_open_at(int directory, const char *path, int flags);

/** Read a small file as a string, cut if it has no room.  @return its length, or as open_at */
ssize_t sdb__procfs_read_small(int directory, const char *path, char *text, size_t size);

/** Room for a stat file. */
#define SDB__PROCFS_STAT_SIZE 1024

/** @return a number in the text of a stat file; proc(5) counts them from 1 */
uint64_t sdb__procfs_stat_field(const char *text, int number);

/** @return what the kernel's errno for something in /proc/PID or /proc/PID/task/TID means */
int sdb__procfs_explain(int code, pid_t pid, pid_t tid);

/** Give a text room for this many bytes and a NUL.  @return 0 or -ENOMEM */
int sdb__procfs_make_room(struct sdb__procfs_text *text, size_t size);

/** Free it, and make it empty. */
void sdb__procfs_drop(struct sdb__procfs_text *text);

#endif
