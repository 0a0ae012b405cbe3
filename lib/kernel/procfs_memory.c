/* SPDX-License-Identifier: MIT */
/*
 * Reading what /proc tells of a process's memory: arguments, environment, maps, auxiliary vector,
 * executable.
 *
 * It belongs to the memory, not to the process.  A descriptor stands for the memory that the process
 * had when it was opened, and reads as empty once that is gone, because the process has ended or has
 * executed another program; opening fails with ESRCH (Linux 6.13) or reads as empty if there is none
 * at all.  So "nothing" always has to be looked into.
 *
 * In the midst of execve(2) the process has a new memory of which little is known yet: the kernel puts
 * the program, its arguments and the auxiliary vector there one by one, the end of the environment at
 * the last.  sdb_launch() returns at the beginning of that.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/descriptor.h"
#include "kernel/procfs.h"

#define FIRST_SIZE ((size_t)8 << 10)

/* How often it is tried anew because the process has executed another program meanwhile. */
#define MOST_TRIES 16

/* How long an execve(2) is waited for, and how long between two looks. */
#define LONGEST_EXEC_MS 1000
#define LOOK_NS         50000

/* Of stat: proc(5) counts from 1. */
#define SIZE_FIELD            23
#define CODE_FIELD            26
#define ENVIRONMENT_END_FIELD 51

/* Never seen outside: there is no memory; it is in the making; looking again does not help. */
#define NOTHING (-ENODATA)
#define UNREADY (-EINPROGRESS)
#define FUTILE  (-EALREADY)

typedef int attempt_function(pid_t pid, pid_t tid, void *data);

struct reading {
    const char *name;
    enum sdb__procfs_way way;
    size_t limit;
    struct sdb__procfs_text text;
};

struct executable {
    char path[PATH_MAX];
    ssize_t len;
    struct sdb__procfs_file file;
};

/* ---- one attempt ---- */

static int failure(int code, pid_t pid, pid_t tid)
{
    if (code == -ENOENT || code == -ESRCH)
        return NOTHING;
    return sdb__procfs_explain(code, pid, tid);
}

static ssize_t read_from(int fd, char *bytes, size_t size)
{
    ssize_t count;

    do {
        count = read(fd, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static ssize_t read_from_start(int fd, char *bytes, size_t size)
{
    ssize_t count;

    do {
        count = pread(fd, bytes, size, 0);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

/* Twice the room, but one byte more than the limit at most: that one shows that it is exceeded. */
static int grow(struct reading *reading, size_t *room)
{
    size_t size = *room == 0 ? FIRST_SIZE : 2 * *room;
    int rc;

    if (*room > reading->limit)
        return -EFBIG;
    if (size > reading->limit)
        size = reading->limit + 1;
    rc = sdb__procfs_make_room(&reading->text, size);
    if (rc == 0)
        *room = size;
    return rc;
}

static int read_at_once(int fd, struct reading *reading)
{
    size_t room = 0;
    ssize_t count;
    int rc;

    do {
        rc = grow(reading, &room);
        if (rc < 0)
            return rc;
        count = read_from_start(fd, reading->text.bytes, room);
    } while (count == (ssize_t)room);
    if (count > 0)
        reading->text.len = (size_t)count;
    return count < 0 ? (int)count : 0;
}

/*
 * The end of the file is also what is read once the memory is gone.  If it can still be read from the
 * beginning after that, it was there all the while.
 */
static int read_pieces(int fd, struct reading *reading)
{
    struct sdb__procfs_text *text = &reading->text;
    size_t room = 0;
    ssize_t count;
    char byte;
    int rc;

    do {
        if (text->len == room) {
            rc = grow(reading, &room);
            if (rc < 0)
                return rc;
        }
        count = read_from(fd, text->bytes + text->len, room - text->len);
        if (count > 0)
            text->len += (size_t)count;
    } while (count > 0);
    if (count == 0)
        count = read_from_start(fd, &byte, 1);
    if (count <= 0)
        text->len = 0;
    return count < 0 ? (int)count : 0;
}

/* Who may not know says 1 for where the code begins, and then nothing can be told. */
static bool is_being_made(pid_t pid, pid_t tid)
{
    char path[SDB__PROCFS_PATH_SIZE];
    char text[SDB__PROCFS_STAT_SIZE];

    sdb__procfs_make_path(path, pid, tid == 0 ? pid : tid, "stat");
    return sdb__procfs_read_small(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
           sdb__procfs_stat_field(text, SIZE_FIELD) != 0 &&
           sdb__procfs_stat_field(text, CODE_FIELD) != 1 &&
           sdb__procfs_stat_field(text, ENVIRONMENT_END_FIELD) == 0;
}

static int try_to_read(pid_t pid, pid_t tid, void *data)
{
    struct reading *reading = data;
    char path[SDB__PROCFS_PATH_SIZE];
    int fd;
    int rc;

    sdb__procfs_drop(&reading->text);
    sdb__procfs_make_path(path, pid, tid, reading->name);
    fd = sdb__procfs_open_at(AT_FDCWD, path, O_RDONLY);
    if (fd < 0)
        return failure(fd, pid, tid);
    /* Not before it is open: then what is ready is that memory, or it is gone. */
    if (is_being_made(pid, tid)) {
        sdb__fd_close(&fd);
        return UNREADY;
    }
    rc = reading->way == SDB__PROCFS_AT_ONCE ? read_at_once(fd, reading) : read_pieces(fd, reading);
    sdb__fd_close(&fd);
    if (rc == -EFBIG)
        return rc;
    if (rc < 0)
        return failure(rc, pid, tid);
    return reading->text.len == 0 ? NOTHING : 0;
}

/*
 * Which file it is, without asking a file server that may be the very process that is held: what the
 * kernel knows will do.
 */
static bool look_at(int directory, const char *path, int flags, struct sdb__procfs_file *file)
{
    struct statx status;

    if (statx(directory, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &status) <
        0)
        return false;
    *file = (struct sdb__procfs_file){
        .device_major = status.stx_dev_major,
        .device_minor = status.stx_dev_minor,
        .inode = status.stx_ino,
    };
    return true;
}

/* The link is opened, so that path and file are the same program's. */
static int try_to_find_executable(pid_t pid, pid_t tid, void *data)
{
    struct executable *executable = data;
    char path[SDB__PROCFS_PATH_SIZE];
    int fd;
    int rc;

    sdb__procfs_make_path(path, pid, tid, "exe");
    fd = sdb__procfs_open_at(AT_FDCWD, path, O_PATH);
    if (fd < 0)
        return failure(fd, pid, tid);
    (void)snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
    executable->len = readlink(path, executable->path, sizeof(executable->path));
    rc = executable->len < 0 ? -errno : 0;
    executable->file = (struct sdb__procfs_file){0};
    (void)look_at(fd, "", AT_EMPTY_PATH, &executable->file);
    sdb__fd_close(&fd);
    if (rc == -ENAMETOOLONG)
        return rc;
    return rc < 0 ? sdb__procfs_explain(rc, pid, tid) : 0;
}

/* ---- until it succeeds ---- */

static bool has_memory(pid_t tid, void *data)
{
    pid_t *found = data;
    struct sdb__procfs_status status;

    if (sdb__procfs_status(tid, &status) < 0 || !status.has_memory)
        return true;
    *found = tid;
    return false;
}

/*
 * Find out why there was nothing.
 *
 * @param tid  gets the thread to ask next, 0 for the process itself
 * @return 0, NOTHING of a kernel thread, or what is wrong
 */
static int look_into(pid_t pid, pid_t *tid)
{
    struct sdb__procfs_status status;
    uint64_t start;
    int rc = sdb__procfs_whole_status(pid, 0, &status, &start);

    *tid = 0;
    if (rc < 0 || status.has_memory)
        return rc;
    if (status.kernel_thread)
        return NOTHING;
    (void)sdb__procfs_threads(pid, has_memory, tid);
    return *tid == 0 ? -ESRCH : 0;
}

/*
 * Who has no memory is refused, too, as one who is not dumpable: so that is looked into as well.
 *
 * @return 0, NOTHING of a kernel thread, FUTILE if there was nothing time and again though the process
 * has memory, -EAGAIN if it does not get ready, or what is wrong
 */
static int try_in_turn(pid_t pid, attempt_function *attempt, void *data)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    const struct sdb__deadline deadline = sdb__deadline_in(LONGEST_EXEC_MS);
    pid_t tid = 0;
    pid_t next;
    int tries = 0;

    for (;;) {
        const int rc = attempt(pid, tid, data);
        int why;

        if (rc != NOTHING && rc != UNREADY && rc != -EACCES)
            return rc;
        why = look_into(pid, &next);
        if (why < 0)
            return why;
        if (rc == -EACCES && next == tid)
            return rc;
        if (rc == UNREADY && sdb__deadline_passed(&deadline))
            return -EAGAIN;
        if (rc == UNREADY)
            (void)nanosleep(&pause, NULL);
        else if (++tries == MOST_TRIES)
            return rc == -EACCES ? rc : FUTILE;
        tid = next;
    }
}

int sdb__procfs_memory_file(pid_t pid, const char *name, enum sdb__procfs_way way, size_t limit,
                            struct sdb__procfs_text *text)
{
    struct reading reading = {.name = name, .way = way, .limit = limit};
    int rc = try_in_turn(pid, try_to_read, &reading);

    /* It has memory, and this file is empty: an empty environment, say. */
    if (rc == FUTILE && way == SDB__PROCFS_PIECES)
        rc = -EAGAIN;
    if (rc == NOTHING || rc == FUTILE) {
        sdb__procfs_drop(&reading.text);
        rc = sdb__procfs_make_room(&reading.text, 0);
    }
    if (rc < 0) {
        sdb__procfs_drop(&reading.text);
        return rc;
    }
    reading.text.bytes[reading.text.len] = '\0';
    *text = reading.text;
    return 0;
}

int sdb__procfs_executable(pid_t pid, struct sdb__procfs_text *path, struct sdb__procfs_file *file)
{
    struct sdb__procfs_text found = {0};
    struct executable executable;
    int rc;

    executable.len = 0;
    rc = try_in_turn(pid, try_to_find_executable, &executable);

    if (rc == NOTHING || rc == FUTILE)
        return -ENOENT;
    if (rc < 0)
        return rc;
    rc = sdb__procfs_make_room(&found, (size_t)executable.len);
    if (rc < 0)
        return rc;
    found.len = (size_t)executable.len;
    memcpy(found.bytes, executable.path, found.len);
    found.bytes[found.len] = '\0';
    *path = found;
    *file = executable.file;
    return 0;
}

static int try_to_open_memory(pid_t pid, pid_t tid, void *data)
{
    char path[SDB__PROCFS_PATH_SIZE];
    struct sdb__procfs_status status;
    int *fd = data;

    sdb__procfs_make_path(path, pid, tid, "mem");
    *fd = sdb__procfs_open_at(AT_FDCWD, path, O_RDWR);
    if (*fd < 0)
        return failure(*fd, pid, tid);
    /* Of who has none it can be opened all the same. */
    if (sdb__procfs_status(tid == 0 ? pid : tid, &status) == 0 && status.has_memory)
        return 0;
    sdb__fd_close(fd);
    return NOTHING;
}

int sdb__procfs_open_memory(pid_t pid)
{
    int fd = -1;
    int rc = try_in_turn(pid, try_to_open_memory, &fd);

    if (rc == NOTHING || rc == FUTILE || rc == -EAGAIN)
        return -ESRCH;
    return rc < 0 ? rc : fd;
}

/* ---- files ---- */

ssize_t sdb__procfs_map_path(pid_t pid, uint64_t start, uint64_t end, char *target)
{
    char entry[SDB__PROCFS_PATH_SIZE];
    ssize_t len;

    (void)snprintf(entry, sizeof(entry), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, start,
                   end);
    len = readlink(entry, target, PATH_MAX);
    return len < 0 ? -errno : len;
}

/* Anonymous devices (major 0: btrfs, overlayfs) have another number in maps than in stat(2). */
static bool is_same_file(const struct sdb__procfs_file *a, const struct sdb__procfs_file *b)
{
    return a->inode == b->inode &&
           ((a->device_major == 0 && b->device_major == 0) ||
            (a->device_major == b->device_major && a->device_minor == b->device_minor));
}

bool sdb__procfs_path_leads_to(pid_t pid, const char *path, const struct sdb__procfs_file *file)
{
    char link[SDB__PROCFS_PATH_SIZE];
    struct sdb__procfs_file found;
    bool leads = false;
    int root;

    if (look_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &found) && is_same_file(&found, file))
        return true;
    sdb__procfs_make_path(link, pid, 0, "root");
    root = sdb__procfs_open_at(AT_FDCWD, link, O_PATH | O_DIRECTORY);
    if (root < 0)
        return false;
    path += strspn(path, "/");
    if (look_at(root, path, AT_SYMLINK_NOFOLLOW, &found))
        leads = is_same_file(&found, file);
    sdb__fd_close(&root);
    return leads;
}
