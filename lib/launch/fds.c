/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of a launch: the map checked, its pipes and terminal opened, and the order worked
 * out in which the child can assign them all without one overwriting another.
 */
#include "launch/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/descriptor.h"
#include "base/error.h"

#define STDIO_COUNT 3
#define TABLE_WORD  64 /* descriptors */

static int find_target(const struct sdb__launch_plan *plan, int target)
{
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].target == target)
            return (int)i;
    }
    return -1;
}

static int open_pipe(struct sdb__fd_plan *fd, bool child_reads)
{
    int ends[2];
    int rc = sdb__fd_pipe(ends);

    if (rc < 0)
        return rc;
    fd->owned = ends[child_reads ? 0 : 1];
    fd->host_end = ends[child_reads ? 1 : 0];
    fd->source = fd->owned;
    return 0;
}

static int open_terminal(struct sdb__launch_plan *plan)
{
    const struct winsize size = {.ws_row = plan->options.pty_rows,
                                 .ws_col = plan->options.pty_columns};
    int unlock = 0;
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    plan->pty_master = sdb__fd_above_stdio(fd);
    if (plan->pty_master < 0)
        return plan->pty_master;
    if (ioctl(plan->pty_master, TIOCSPTLCK, &unlock) < 0)
        return -errno;

    /* By the master, not by name: this works whatever is mounted on /dev/pts here. */
    fd = ioctl(plan->pty_master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    plan->pty_slave = sdb__fd_above_stdio(fd);
    if (plan->pty_slave < 0)
        return plan->pty_slave;
    if ((size.ws_row || size.ws_col) && ioctl(plan->pty_master, TIOCSWINSZ, &size) < 0)
        return -errno;
    plan->terminal = plan->pty_slave;
    return 0;
}

/* What one entry of the map says, without anything being opened yet. */
static int check_fd(const struct sdb__launch_plan *plan, const struct sdb_fd *fd)
{
    if (fd->target < 0 || fd->reserved != 0 || find_target(plan, fd->target) >= 0)
        return -EINVAL;
    switch (fd->kind) {
    case SDB_FD_DUP:
        return sdb__fd_is_open(fd->source) ? 0 : -EBADF;
    case SDB_FD_NULL:
        return 0;
    case SDB_FD_PATH:
        return fd->path && fd->mode <= 07777 ? 0 : -EINVAL;
    case SDB_FD_LIKE:
        return fd->source != fd->target ? 0 : -EINVAL;
    case SDB_FD_READ_PIPE:
    case SDB_FD_WRITE_PIPE:
        return fd->host_fd ? 0 : -EINVAL;
    case SDB_FD_PTY:
        return sdb__launch_plan_has(plan, SDB_LAUNCH_PTY) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static struct sdb__fd_plan *add_fd(struct sdb__launch_plan *plan, int target)
{
    struct sdb__fd_plan *fd = &plan->fds[plan->fd_count++];

    *fd = (struct sdb__fd_plan){
        .target = target, .source = -1, .like = -1, .held = -1, .owned = -1, .host_end = -1};
    return fd;
}

static int check_fds(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;

    plan->fds = calloc(options->fd_count + STDIO_COUNT, sizeof(*plan->fds));
    if (!plan->fds)
        return -ENOMEM;

    for (size_t i = 0; i < options->fd_count; i++) {
        const struct sdb_fd *wanted = &options->fds[i];
        struct sdb__fd_plan *fd;
        int rc = check_fd(plan, wanted);

        if (rc < 0)
            return sdb__launch_refuse(error, rc, (int)i, "fds");
        fd = add_fd(plan, wanted->target);
        fd->path = wanted->kind == SDB_FD_NULL ? "/dev/null" : wanted->path;
        fd->open_flags = wanted->kind == SDB_FD_NULL ? O_RDWR : wanted->open_flags;
        fd->mode = wanted->mode;
        fd->host_fd = wanted->host_fd;
        if (wanted->kind == SDB_FD_DUP)
            fd->source = wanted->source;
    }
    for (size_t i = 0; i < options->fd_count; i++) {
        if (options->fds[i].kind != SDB_FD_LIKE)
            continue;
        plan->fds[i].like = find_target(plan, options->fds[i].source);
        if (plan->fds[i].like < 0 || options->fds[plan->fds[i].like].kind == SDB_FD_LIKE)
            return sdb__launch_refuse(error, -EINVAL, (int)i, "fds");
    }
    return 0;
}

/* The pipes and the terminal that the map asks for. */
static int open_fds(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;
    int rc = 0;

    if (sdb__launch_plan_has(plan, SDB_LAUNCH_PTY))
        rc = open_terminal(plan);
    else if (sdb__launch_plan_has(plan, SDB_LAUNCH_TERMINAL | SDB_LAUNCH_FOREGROUND))
        plan->terminal = options->terminal_fd;
    if (rc < 0) {
        sdb__error_set(error, rc, SDB_STAGE_PREPARE, -1);
        sdb__error_detail(error, "a pseudo-terminal");
        return rc;
    }

    for (size_t i = 0; i < options->fd_count && rc == 0; i++) {
        const uint32_t kind = options->fds[i].kind;

        if (kind == SDB_FD_PTY)
            plan->fds[i].source = plan->pty_slave;
        if (kind == SDB_FD_READ_PIPE || kind == SDB_FD_WRITE_PIPE)
            rc = open_pipe(&plan->fds[i], kind == SDB_FD_READ_PIPE);
        if (rc < 0) {
            sdb__error_set(error, rc, SDB_STAGE_PREPARE, (int)i);
            sdb__error_detail(error, "a pipe for descriptor %d", plan->fds[i].target);
        }
    }
    for (int target = 0; sdb__launch_plan_has(plan, SDB_LAUNCH_PTY) && target < STDIO_COUNT;
         target++) {
        if (find_target(plan, target) < 0)
            add_fd(plan, target)->source = plan->pty_slave;
    }
    return rc;
}

/*
 * Whether close_range(2) does what the fast path needs.  Asked without harm: no descriptor has the
 * last number.  Asked each time: a host may have gone into a sandbox since.
 */
static bool can_close_range(void)
{
    return syscall(SYS_close_range, ~0u, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

static bool names_descriptor(const char *path)
{
    return path && strstr(path, "/fd/");
}

/* Whether some path is the name of a descriptor, as /proc/self/fd/5 and /dev/fd/5 are. */
static bool goes_through_descriptor(const struct sdb__launch_plan *plan)
{
    for (size_t i = 0; plan->candidates[i]; i++) {
        if (names_descriptor(plan->candidates[i]))
            return true;
    }
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (names_descriptor(plan->fds[i].path))
            return true;
    }
    return names_descriptor(plan->options.cwd);
}

/* Whether the child opens a file on its way to the exec, which may take for ever. */
static bool opens_files(const struct sdb__launch_plan *plan)
{
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].path)
            return true;
    }
    return plan->options.cwd || sdb__launch_plan_has(plan, SDB_LAUNCH_CGROUP);
}

/*
 * The child's table is a copy of the host's, which costs time for each open descriptor.  Where none
 * is to be passed on but those named, it shares the host's table at first and leaves it at once,
 * copying only up to the highest one named.
 *
 * The kernel copies whole words of the table, though, and would close the surplus at once.  A child
 * that goes straight to its exec leaves this to the exec, which does it once the host goes on; one
 * that may hang on its way must not keep the host's descriptors open meanwhile.
 */
static int unshare_limit(const struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;
    int highest = STDERR_FILENO;

    if (sdb__launch_plan_has(plan, SDB_LAUNCH_INHERIT_FDS) || goes_through_descriptor(plan) ||
        !can_close_range())
        return -1;
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].source > highest)
            highest = plan->fds[i].source;
    }
    if (sdb__launch_plan_has(plan, SDB_LAUNCH_EXEC_FD) && options->exec_fd > highest)
        highest = options->exec_fd;
    if (sdb__launch_plan_has(plan, SDB_LAUNCH_CWD_FD) && options->cwd_fd > highest)
        highest = options->cwd_fd;
    if (sdb__launch_plan_has(plan, SDB_LAUNCH_CGROUP) && options->cgroup_fd > highest)
        highest = options->cgroup_fd;
    if (plan->terminal > highest)
        highest = plan->terminal;
    return opens_files(plan) ? highest + 1 : (highest / TABLE_WORD + 1) * TABLE_WORD;
}

int sdb__launch_plan_descriptors(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    int exec_entry;
    int rc = check_fds(plan, error);

    if (rc < 0)
        return rc;
    rc = open_fds(plan, error);
    if (rc < 0)
        return rc;

    for (size_t i = 0; i < plan->fd_count; i++) {
        struct sdb__fd_plan *fd = &plan->fds[i];

        fd->move =
            fd->source >= 0 && fd->source != fd->target && find_target(plan, fd->source) >= 0;
    }
    exec_entry = sdb__launch_plan_has(plan, SDB_LAUNCH_EXEC_FD)
                     ? find_target(plan, plan->options.exec_fd)
                     : -1;
    plan->move_exec_fd = exec_entry >= 0 && plan->fds[exec_entry].source != plan->options.exec_fd;
    plan->unshare_from = unshare_limit(plan);
    return 0;
}
