/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc.
 *
 * The kernel says ENOENT for a process that is gone as well as for one that is hidden (mount option
 * hidepid), and ESRCH for one that is gone as well as for a file that needs a memory which the
 * process has no more; here they are told apart.
 */
#include "kernel/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/descriptor.h"

/* Room on the stack for a status; one with many groups is read on the heap. */
#define STATUS_SIZE 4096
#define STATUS_MAX  ((size_t)2 << 20)

/* Of stat: proc(5) counts from 1. */
#define FLAGS_FIELD 9
#define START_FIELD 22
#define HEAP_FIELD  47

/* Of a task: it is one of the kernel's, with the memory of a process. */
#define FLAG_EXITING     UINT64_C(0x4)
#define FLAG_IO_WORKER   UINT64_C(0x10)
#define FLAG_SIGNALED    UINT64_C(0x400)
#define FLAG_USER_WORKER UINT64_C(0x4000)

/* ---- opening and reading ---- */

void sdb__procfs_make_path(char path[SDB__PROCFS_PATH_SIZE], pid_t pid, pid_t tid, const char *name)
{
    if (tid == 0)
        (void)snprintf(path, SDB__PROCFS_PATH_SIZE, "/proc/%d/%s", (int)pid, name);
    else
        (void)snprintf(path, SDB__PROCFS_PATH_SIZE, "/proc/%d/task/%d/%s", (int)pid, (int)tid,
                       name);
}

int sdb__procfs_open_at(int directory, const char *path, int flags)
{
    int fd = openat(directory, path, flags | O_CLOEXEC);

    return fd < 0 ? -errno : sdb__fd_above_stdio(fd);
}

/* Read until the end or until there is no more room.  @return the count or a negative errno */
static ssize_t read_on(int fd, char *bytes, size_t size)
{
    size_t len = 0;
    ssize_t count;

    do {
        count = read(fd, bytes + len, size - len);
        if (count > 0)
            len += (size_t)count;
    } while ((count > 0 && len < size) || (count < 0 && errno == EINTR));
    return count < 0 ? -errno : (ssize_t)len;
}

ssize_t sdb__procfs_read_small(int directory, const char *path, char *text, size_t size)
{
    int fd = sdb__procfs_open_at(directory, path, O_RDONLY);
    ssize_t len;

    if (fd < 0)
        return fd;
    len = read_on(fd, text, size - 1);
    sdb__fd_close(&fd);
    if (len >= 0)
        text[len] = '\0';
    return len;
}

int sdb__procfs_make_room(struct sdb__procfs_text *text, size_t size)
{
    char *bytes = realloc(text->bytes, size + 1);

    if (!bytes)
        return -ENOMEM;
    text->bytes = bytes;
    return 0;
}

void sdb__procfs_drop(struct sdb__procfs_text *text)
{
    free(text->bytes);
    *text = (struct sdb__procfs_text){0};
}

/* ---- what a failure means ---- */

/* There is no such entry: it is gone, or it is hidden, or there is no /proc. */
static int explain_absence(pid_t pid, pid_t tid)
{
    long rc;

    if (access("/proc/self/status", R_OK) < 0)
        return -ENOSYS;
    rc = tid == 0 ? kill(pid, 0) : syscall(SYS_tgkill, pid, tid, 0);
    return rc < 0 && errno == ESRCH ? -ESRCH : -EACCES;
}

int sdb__procfs_explain(int code, pid_t pid, pid_t tid)
{
    switch (-code) {
    case ENOENT:
        return explain_absence(pid, tid);
    case EPERM:
        return -EACCES;
    case ESRCH:
    case EACCES:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return code;
    default:
        return -ENOSYS;
    }
}

/* ---- status ---- */

/*
 * The value of a line "Name:\tvalue".  The first line holds the thread's own name, in which the
 * kernel escapes newlines, so no name can forge a line.
 */
static const char *find_value(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, "\t ");
    }
    return NULL;
}

static long number_of(const char *text, const char *name)
{
    const char *value = find_value(text, name);

    return value ? strtol(value, NULL, 10) : 0;
}

static uint64_t signals_of(const char *text, const char *name)
{
    const char *value = find_value(text, name);

    return value ? strtoull(value, NULL, 16) : 0;
}

/* @return whether a line has a word in it; none has one that is a part of another */
static bool has_word(const char *text, const char *name, const char *word)
{
    const char *value = find_value(text, name);
    const char *found = value ? strstr(value, word) : NULL;

    return found && !memchr(value, '\n', (size_t)(found - value));
}

/* "Uid:" and "Gid:": real, effective, saved, file system. */
static void find_ids(const char *text, const char *name, uint32_t *real, uint32_t *effective)
{
    const char *value = find_value(text, name);
    char *end;

    *real = *effective = 0;
    if (!value)
        return;
    *real = (uint32_t)strtoul(value, &end, 10);
    *effective = (uint32_t)strtoul(end, NULL, 10);
}

/* "Name:", a tab, and the name, in which a newline is \n and a backslash is \\. */
static void find_name(const char *text, char name[SDB__PROCFS_NAME_SIZE])
{
    const char *from = strchr(text, '\t');
    size_t len = 0;

    for (from += from != NULL; from && *from && *from != '\n'; from++) {
        char byte = *from;

        if (byte == '\\' && (from[1] == 'n' || from[1] == '\\'))
            byte = *++from == 'n' ? '\n' : '\\';
        if (len + 1 < SDB__PROCFS_NAME_SIZE)
            name[len++] = byte;
    }
    name[len] = '\0';
}

/*
 * Linux 6.8 says so itself; before, it is a task without memory that still lives, made by the kernel's
 * own process 2.
 */
static bool is_kernel_thread(const char *text, const struct sdb__procfs_status *status)
{
    if (find_value(text, "Kthread"))
        return number_of(text, "Kthread") == 1;
    return !status->has_memory && status->state != 'Z' && status->state != 'X' &&
           (status->parent == 2 || status->tgid == 2);
}

/* Whether its id is 1 in its own pid namespace, the last one that is named. */
static bool is_init(const char *text)
{
    const char *ids = find_value(text, "NSpid");
    const size_t len = ids ? strcspn(ids, "\n") : 0;

    return (len == 1 && ids[0] == '1') || (len > 1 && strncmp(ids + len - 2, "\t1", 2) == 0);
}

static void parse_status(const char *text, struct sdb__procfs_status *status)
{
    const char *state = find_value(text, "State");

    *status = (struct sdb__procfs_status){
        .state = (char)(state ? *state : '?'),
        .tid = (pid_t)number_of(text, "Pid"),
        .tgid = (pid_t)number_of(text, "Tgid"),
        .parent = (pid_t)number_of(text, "PPid"),
        .tracer = (pid_t)number_of(text, "TracerPid"),
        .has_memory = find_value(text, "VmSize") != NULL,
        .seccomp = number_of(text, "Seccomp") != 0,
        .shadow_stack = has_word(text, "x86_Thread_features", "shstk"),
        .blocked_signals = signals_of(text, "SigBlk"),
        .ignored_signals = signals_of(text, "SigIgn"),
        .caught_signals = signals_of(text, "SigCgt"),
        .pending_signals = signals_of(text, "SigPnd"),
        .thread_count = number_of(text, "Threads"),
    };
    find_ids(text, "Uid", &status->uid, &status->effective_uid);
    find_ids(text, "Gid", &status->gid, &status->effective_gid);
    find_name(text, status->name);
    status->kernel_thread = is_kernel_thread(text, status);
    status->is_init = is_init(text);
}

/* A task can be in 65,536 groups, which make a line of half a megabyte.  The file is made anew. */
static int read_long_status(int directory, const char *path, struct sdb__procfs_status *status)
{
    struct sdb__procfs_text text = {0};
    ssize_t len;
    int rc = sdb__procfs_make_room(&text, STATUS_MAX);

    if (rc < 0)
        return rc;
    len = sdb__procfs_read_small(directory, path, text.bytes, STATUS_MAX + 1);
    if (len >= 0)
        parse_status(text.bytes, status);
    sdb__procfs_drop(&text);
    return len < 0 ? (int)len : 0;
}

/* @return 0 or a negative errno of the kernel's */
static int read_status(int directory, const char *path, struct sdb__procfs_status *status)
{
    char text[STATUS_SIZE];
    ssize_t len = sdb__procfs_read_small(directory, path, text, sizeof(text));

    if (len < 0)
        return (int)len;
    if (len + 1 == (ssize_t)sizeof(text))
        return read_long_status(directory, path, status);
    parse_status(text, status);
    return 0;
}

static int status_of(pid_t pid, pid_t tid, struct sdb__procfs_status *status)
{
    struct sdb__procfs_status read;
    char path[SDB__PROCFS_PATH_SIZE];
    int rc;

    sdb__procfs_make_path(path, pid, tid, "status");
    rc = read_status(AT_FDCWD, path, &read);
    if (rc < 0)
        return sdb__procfs_explain(rc, pid, tid) == -ESRCH ? -ESRCH : -ENOSYS;
    *status = read;
    return 0;
}

int sdb__procfs_status(pid_t pid, struct sdb__procfs_status *status)
{
    return status_of(pid, 0, status);
}

int sdb__procfs_thread_status(pid_t pid, pid_t tid, struct sdb__procfs_status *status)
{
    return status_of(pid, tid, status);
}

/* The second field is the name in parentheses, as it is; but nothing after it holds a parenthesis. */
uint64_t sdb__procfs_stat_field(const char *text, int number)
{
    const char *field = strrchr(text, ')');

    for (int i = 2; field && i < number; i++) {
        field = strchr(field, ' ');
        field += field != NULL;
    }
    return field ? strtoull(field, NULL, 10) : 0;
}

int sdb__procfs_whole_status(pid_t pid, pid_t tid, struct sdb__procfs_status *status,
                             uint64_t *start)
{
    struct sdb__procfs_status read;
    char path[SDB__PROCFS_PATH_SIZE];
    char text[SDB__PROCFS_STAT_SIZE];
    int directory;
    int rc;

    /* What is opened below this directory is the same task's, or ESRCH. */
    sdb__procfs_make_path(path, pid, tid, "");
    directory = sdb__procfs_open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
    if (directory < 0)
        return sdb__procfs_explain(directory, pid, tid);
    rc = (int)sdb__procfs_read_small(directory, "stat", text, sizeof(text));
    if (rc >= 0)
        rc = read_status(directory, "status", &read);
    sdb__fd_close(&directory);
    if (rc < 0)
        return sdb__procfs_explain(rc, pid, tid);
    *status = read;
    *start = sdb__procfs_stat_field(text, START_FIELD);
    return 0;
}

/* ---- threads ---- */

/* @return whether to go on */
static bool visit_entries(const char *entries, size_t len, bool (*visit)(pid_t tid, void *data),
                          void *data)
{
    const struct dirent64 *entry;

    for (size_t at = 0; at < len; at += entry->d_reclen) {
        entry = (const void *)(entries + at);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            !visit((pid_t)strtol(entry->d_name, NULL, 10), data))
            return false;
    }
    return true;
}

/* Go through the tasks that a directory lists.  @return 0 or a negative errno of the kernel's */
static int visit_directory(const char *path, bool (*visit)(pid_t tid, void *data), void *data)
{
    _Alignas(struct dirent64) char entries[STATUS_SIZE];
    int fd = sdb__procfs_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    ssize_t len;
    int rc;

    if (fd < 0)
        return fd;
    do {
        len = syscall(SYS_getdents64, fd, entries, sizeof(entries));
    } while (len > 0 && visit_entries(entries, (size_t)len, visit, data));
    rc = len < 0 && errno == ENOMEM ? -ENOMEM : len < 0 ? -ESRCH : 0;
    sdb__fd_close(&fd);
    return rc;
}

int sdb__procfs_threads(pid_t pid, bool (*visit)(pid_t tid, void *data), void *data)
{
    char path[SDB__PROCFS_PATH_SIZE];
    int rc;

    sdb__procfs_make_path(path, pid, 0, "task");
    rc = visit_directory(path, visit, data);
    if (rc == 0 || rc == -ENOMEM || rc == -ESRCH)
        return rc;
    rc = sdb__procfs_explain(rc, pid, 0);
    return rc == -EACCES ? -ENOSYS : rc;
}

int sdb__procfs_processes(bool (*visit)(pid_t pid, void *data), void *data)
{
    return visit_directory("/proc", visit, data);
}

/* ---- single facts ---- */

long sdb__procfs_syscall(pid_t pid, pid_t tid, uint64_t arguments[6])
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[256];
    uint64_t read[6];
    long number;

    sdb__procfs_make_path(path, pid, tid, "syscall");
    if (sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text)) < 0 ||
        sscanf(text, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &number, &read[0], &read[1], &read[2], &read[3], &read[4], &read[5]) != 7 ||
        number < 0)
        return -1;
    memcpy(arguments, read, sizeof(read));
    return number;
}

int sdb__procfs_is_ending(pid_t pid, pid_t tid)
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[SDB__PROCFS_STAT_SIZE];

    sdb__procfs_make_path(path, pid, tid, "stat");
    if (sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
        return -ESRCH;
    return (sdb__procfs_stat_field(text, FLAGS_FIELD) & (FLAG_EXITING | FLAG_SIGNALED)) != 0;
}

bool sdb__procfs_is_kernels(pid_t pid, pid_t tid)
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[SDB__PROCFS_STAT_SIZE];

    sdb__procfs_make_path(path, pid, tid, "stat");
    return sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
           (sdb__procfs_stat_field(text, FLAGS_FIELD) & (FLAG_IO_WORKER | FLAG_USER_WORKER)) != 0;
}

uint64_t sdb__procfs_heap_start(pid_t pid)
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[SDB__PROCFS_STAT_SIZE];

    sdb__procfs_make_path(path, pid, pid, "stat");
    return sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text)) < 0
               ? 0
               : sdb__procfs_stat_field(text, HEAP_FIELD);
}

/*
 * The files of a process belong to its effective user, but to root if it is not dumpable; not so its
 * directory, which is the effective user's in any case (proc(5)).
 */
bool sdb__procfs_is_dumpable(pid_t pid)
{
    struct sdb__procfs_status status;
    struct stat file;
    char path[SDB__PROCFS_PATH_SIZE];

    sdb__procfs_make_path(path, pid, 0, "status");
    if (stat(path, &file) < 0 || sdb__procfs_status(pid, &status) < 0)
        return true;
    return !status.has_memory || file.st_uid == status.effective_uid;
}

int sdb__procfs_pid_of_pidfd(int pidfd)
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[1024];
    const char *value;
    ssize_t len;
    long pid;

    if (!sdb__fd_is_open(pidfd))
        return -EBADF;
    (void)snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", pidfd);
    len = sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text));
    if (len < 0)
        return -ENOSYS;
    value = find_value(text, "Pid");
    if (!value)
        return -EINVAL;
    pid = strtol(value, NULL, 10);
    return pid > 0 ? (int)pid : -ESRCH;
}

int sdb__procfs_yama_scope(void)
{
    char text[16];

    if (sdb__procfs_read_small(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) <
        0)
        return 0;
    return (int)strtol(text, NULL, 10);
}
