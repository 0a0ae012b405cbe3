/* SPDX-License-Identifier: MIT */
/*
 * From a caller's launch options to a plan: everything that can be found wrong is found wrong here,
 * before there is a child, and everything that needs memory or a descriptor of the host gets it.
 */
#include "launch_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "descriptor.h"
#include "error.h"
#include "versioned.h"

#define DEFAULT_SEARCH_PATH "/bin:/usr/bin"
#define STDIO_COUNT 3
#define LARGEST_LIST 65536
#define SIZE_OF_VERSION_0_1 sizeof(struct sdb_launch_options)

#define KNOWN_FLAGS                                                                                \
    (SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_EXEC_FD | SDB_LAUNCH_INHERIT_FDS | SDB_LAUNCH_CWD_FD |     \
     SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_TERMINAL | SDB_LAUNCH_FOREGROUND |  \
     SDB_LAUNCH_PTY | SDB_LAUNCH_SET_UMASK | SDB_LAUNCH_SET_NICE | SDB_LAUNCH_SET_GROUPS |          \
     SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_UID | SDB_LAUNCH_NO_NEW_PRIVS | SDB_LAUNCH_CGROUP |        \
     SDB_LAUNCH_RESET_IGNORED | SDB_LAUNCH_NO_ASLR | SDB_LAUNCH_TRY_NO_ASLR | SDB_LAUNCH_TIMEOUT |  \
     SDB_LAUNCH_PORTABLE)

extern char **environ;

/* An option that cannot be right. */
static int refuse(struct sdb_error *error, int code, int index, const char *why)
{
    sdb__error_set(error, code, SDB_STAGE_ARGUMENTS, index);
    sdb__error_detail(error, "(%s)", why);
    return code;
}

static bool has(const struct sdb__launch_plan *plan, uint64_t flags)
{
    return (plan->options.flags & flags) != 0;
}

/* ---- values ---- */

static int check_values(const struct sdb_launch_options *options, struct sdb_error *error)
{
    const uint64_t flags = options->flags;

    if (flags & ~(uint64_t)KNOWN_FLAGS)
        return refuse(error, -EINVAL, -1, "unknown flag");
    if ((flags & SDB_LAUNCH_NO_ASLR) && (flags & SDB_LAUNCH_TRY_NO_ASLR))
        return refuse(error, -EINVAL, -1, "NO_ASLR and TRY_NO_ASLR");
    if ((flags & SDB_LAUNCH_PTY) && (flags & SDB_LAUNCH_TERMINAL))
        return refuse(error, -EINVAL, -1, "PTY and TERMINAL");
    if ((flags & SDB_LAUNCH_CWD_FD) && options->cwd)
        return refuse(error, -EINVAL, -1, "cwd and cwd_fd");
    if ((flags & SDB_LAUNCH_EXEC_FD) && (flags & SDB_LAUNCH_SEARCH_PATH))
        return refuse(error, -EINVAL, -1, "EXEC_FD and SEARCH_PATH");
    if ((flags & SDB_LAUNCH_SET_GROUP) && options->process_group < 0)
        return refuse(error, -EINVAL, -1, "process_group");
    if ((flags & SDB_LAUNCH_SET_GROUP) &&
        (flags & (SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_TERMINAL | SDB_LAUNCH_PTY)))
        return refuse(error, -EINVAL, -1, "a session's leader cannot change its process group");
    if ((flags & SDB_LAUNCH_PTY) && !options->pty_master)
        return refuse(error, -EINVAL, -1, "pty_master");
    if ((flags & SDB_LAUNCH_SET_UMASK) && options->umask > 0777)
        return refuse(error, -EINVAL, -1, "umask");
    if ((flags & SDB_LAUNCH_SET_NICE) && (options->nice < -20 || options->nice > 19))
        return refuse(error, -EINVAL, -1, "nice");
    if ((flags & SDB_LAUNCH_TIMEOUT) && options->timeout_ms < 0)
        return refuse(error, -EINVAL, -1, "timeout_ms");
    if ((flags & SDB_LAUNCH_SET_UID) && options->uid == UINT32_MAX)
        return refuse(error, -EINVAL, -1, "uid");
    if ((flags & SDB_LAUNCH_SET_GID) && options->gid == UINT32_MAX)
        return refuse(error, -EINVAL, -1, "gid");
    if (options->death_signal < 0 || options->death_signal > SIGRTMAX)
        return refuse(error, -EINVAL, -1, "death_signal");
    return 0;
}

static int check_lists(const struct sdb_launch_options *options, struct sdb_error *error)
{
    if (options->fd_count > LARGEST_LIST || (options->fd_count > 0 && !options->fds))
        return refuse(error, -EINVAL, -1, "fds");
    if (options->rlimit_count > LARGEST_LIST || (options->rlimit_count > 0 && !options->rlimits))
        return refuse(error, -EINVAL, -1, "rlimits");
    if ((options->flags & SDB_LAUNCH_SET_GROUPS) &&
        (options->group_count > LARGEST_LIST || (options->group_count > 0 && !options->groups)))
        return refuse(error, -EINVAL, -1, "groups");
    if (options->cpu_set ? options->cpu_set_size == 0 : options->cpu_set_size > 0)
        return refuse(error, -EINVAL, -1, "cpu_set");
    if (options->seccomp_filter
            ? options->seccomp_length == 0 || options->seccomp_length > BPF_MAXINSNS
            : options->seccomp_length > 0)
        return refuse(error, -EINVAL, -1, "seccomp_filter");
    for (size_t i = 0; i < options->rlimit_count; i++) {
        const struct sdb_rlimit *limit = &options->rlimits[i];

        if (limit->resource < 0 || limit->resource >= (int32_t)RLIM_NLIMITS || limit->reserved != 0 ||
            limit->soft > limit->hard)
            return refuse(error, -EINVAL, (int)i, "rlimits");
    }
    return 0;
}

static int check_open(const struct sdb_launch_options *options, struct sdb_error *error)
{
    const struct {
        uint64_t flags;
        int fd;
        const char *name;
    } named[] = {
        {SDB_LAUNCH_EXEC_FD, options->exec_fd, "exec_fd"},
        {SDB_LAUNCH_CWD_FD, options->cwd_fd, "cwd_fd"},
        {SDB_LAUNCH_CGROUP, options->cgroup_fd, "cgroup_fd"},
        {SDB_LAUNCH_TERMINAL, options->terminal_fd, "terminal_fd"},
        {options->flags & SDB_LAUNCH_PTY ? 0 : SDB_LAUNCH_FOREGROUND, options->terminal_fd,
         "terminal_fd"},
    };

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if ((options->flags & named[i].flags) && !sdb__fd_is_open(named[i].fd))
            return refuse(error, -EBADF, -1, named[i].name);
    }
    return 0;
}

/* ---- the program ---- */

/* One candidate for each directory of the search path. */
static int search_candidates(struct sdb__launch_plan *plan)
{
    const char *directories = plan->options.search_path;
    size_t name_len = strlen(plan->name);
    size_t count = 1;
    char *text;

    if (!directories)
        directories = getenv("PATH");
    if (!directories)
        directories = DEFAULT_SEARCH_PATH;

    for (const char *at = directories; *at; at++)
        count += *at == ':';
    plan->candidates = calloc(count + 1, sizeof(*plan->candidates));
    plan->candidate_text = malloc(strlen(directories) + count * (name_len + 2));
    if (!plan->candidates || !plan->candidate_text)
        return -ENOMEM;

    text = plan->candidate_text;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(directories, ":");

        plan->candidates[i] = text;
        memcpy(text, directories, len);
        text += len;
        if (len > 0)
            *text++ = '/';
        memcpy(text, plan->name, name_len + 1);
        text += name_len + 1;
        directories += len + 1;
    }
    return 0;
}

static int plan_program(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;

    plan->argv = options->argv;
    if (plan->argv && !plan->argv[0])
        return refuse(error, -EINVAL, -1, "argv is empty");
    plan->name = options->path ? options->path : plan->argv ? plan->argv[0] : NULL;
    if (!plan->name && !has(plan, SDB_LAUNCH_EXEC_FD))
        return refuse(error, -EINVAL, -1, "neither path nor argv");
    if (!plan->argv) {
        plan->name_as_argv[0] = plan->name ? plan->name : "";
        plan->argv = plan->name_as_argv;
    }

    /* An empty name is not looked for: "directory/" would be found. */
    if (has(plan, SDB_LAUNCH_SEARCH_PATH) && plan->name[0] && !strchr(plan->name, '/'))
        return search_candidates(plan);
    plan->candidates = calloc(2, sizeof(*plan->candidates));
    if (!plan->candidates)
        return -ENOMEM;
    plan->candidates[0] = plan->name;
    return 0;
}

/* ---- the environment ---- */

static size_t list_length(const char *const *list)
{
    size_t count = 0;

    while (list && list[count])
        count++;
    return count;
}

static size_t variable_name_length(const char *variable)
{
    return strcspn(variable, "=");
}

/* The place of a variable in the list, or its end. */
static size_t find_variable(const char *const *list, size_t count, const char *variable)
{
    size_t len = variable_name_length(variable);

    for (size_t i = 0; i < count; i++) {
        if (variable_name_length(list[i]) == len && memcmp(list[i], variable, len) == 0)
            return i;
    }
    return count;
}

static int plan_environment(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;
    size_t count;

    plan->envp = options->envp ? options->envp : (const char *const *)environ;
    if (!options->env)
        return 0;

    count = list_length(plan->envp);
    plan->merged_env = calloc(count + list_length(options->env) + 1, sizeof(*plan->merged_env));
    if (!plan->merged_env)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        plan->merged_env[i] = plan->envp[i];

    for (size_t i = 0; options->env[i]; i++) {
        const char *change = options->env[i];
        size_t at;

        if (variable_name_length(change) == 0)
            return refuse(error, -EINVAL, (int)i, "env");
        at = find_variable(plan->merged_env, count, change);
        if (strchr(change, '='))
            plan->merged_env[at] = change;
        if (strchr(change, '=') && at == count)
            count++;
        if (!strchr(change, '=') && at < count)
            plan->merged_env[at] = plan->merged_env[--count];
        plan->merged_env[count] = NULL;
    }
    plan->envp = plan->merged_env;
    return 0;
}

/* ---- descriptors ---- */

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
        return has(plan, SDB_LAUNCH_PTY) ? 0 : -EINVAL;
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
            return refuse(error, rc, (int)i, "fds");
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
            return refuse(error, -EINVAL, (int)i, "fds");
    }
    return 0;
}

/* The pipes and the terminal that the map asks for. */
static int open_fds(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;
    int rc = 0;

    if (has(plan, SDB_LAUNCH_PTY))
        rc = open_terminal(plan);
    else if (has(plan, SDB_LAUNCH_TERMINAL | SDB_LAUNCH_FOREGROUND))
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
    for (int target = 0; has(plan, SDB_LAUNCH_PTY) && target < STDIO_COUNT; target++) {
        if (find_target(plan, target) < 0)
            add_fd(plan, target)->source = plan->pty_slave;
    }
    return rc;
}

/*
 * Whether close_range(2) does what the fast path needs.  Asked without harm: no descriptor has the
 * last number.
 */
static bool can_close_range(void)
{
    static int answer; /* 0 unknown, 1 yes, -1 no; the race to set it is harmless */
    int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);

    if (known == 0) {
        known = syscall(SYS_close_range, ~0u, ~0u, CLOSE_RANGE_CLOEXEC) == 0 ? 1 : -1;
        __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
    }
    return known > 0;
}

/*
 * The child's table is a copy of the host's, which costs time for each open descriptor.  Where none
 * is to be passed on but those named, it shares the host's table at first and leaves it at once,
 * copying only up to the highest one named.
 */
static int unshare_limit(const struct sdb__launch_plan *plan)
{
    const struct sdb_launch_options *options = &plan->options;
    int highest = STDERR_FILENO;

    if (has(plan, SDB_LAUNCH_INHERIT_FDS) || !can_close_range())
        return -1;
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].source > highest)
            highest = plan->fds[i].source;
    }
    if (has(plan, SDB_LAUNCH_EXEC_FD) && options->exec_fd > highest)
        highest = options->exec_fd;
    if (has(plan, SDB_LAUNCH_CWD_FD) && options->cwd_fd > highest)
        highest = options->cwd_fd;
    if (has(plan, SDB_LAUNCH_CGROUP) && options->cgroup_fd > highest)
        highest = options->cgroup_fd;
    if (plan->terminal > highest)
        highest = plan->terminal;
    return highest + 1;
}

static int plan_descriptors(struct sdb__launch_plan *plan, struct sdb_error *error)
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

        fd->move = fd->source >= 0 && fd->source != fd->target &&
                   find_target(plan, fd->source) >= 0;
    }
    exec_entry = has(plan, SDB_LAUNCH_EXEC_FD) ? find_target(plan, plan->options.exec_fd) : -1;
    plan->move_exec_fd = exec_entry >= 0 && plan->fds[exec_entry].source != plan->options.exec_fd;
    plan->unshare_from = unshare_limit(plan);
    return 0;
}

int sdb__launch_plan_make(struct sdb__launch_plan *plan, const struct sdb_launch_options *options,
                          struct sdb_error *error)
{
    int rc;

    *plan = (struct sdb__launch_plan){.terminal = -1,
                                      .pty_master = -1,
                                      .pty_slave = -1,
                                      .unshare_from = -1,
                                      .channel_fd = -1,
                                      .report_fd = -1,
                                      .host_pid = getpid(),
                                      .note = {.stage = SDB_STAGE_GATE, .index = -1}};
    sdb__error_clear(error);
    if (!options)
        return refuse(error, -EINVAL, -1, "no options");
    rc = sdb__struct_import(&plan->options, sizeof(plan->options), SIZE_OF_VERSION_0_1, options);
    if (rc < 0)
        return refuse(error, rc, -1, rc == -E2BIG ? "members of a later version" : "size");

    rc = check_values(&plan->options, error);
    if (rc == 0)
        rc = check_lists(&plan->options, error);
    if (rc == 0)
        rc = check_open(&plan->options, error);
    if (rc == 0)
        rc = plan_program(plan, error);
    if (rc == 0)
        rc = plan_environment(plan, error);
    if (rc == 0)
        rc = plan_descriptors(plan, error);
    if (rc == -ENOMEM && error && error->code == 0)
        sdb__error_set(error, rc, SDB_STAGE_PREPARE, -1);
    if (rc < 0)
        return rc;

    plan->change_user = has(plan, SDB_LAUNCH_SET_GROUPS | SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_UID);
    plan->seccomp = (struct sock_fprog){
        .len = (unsigned short)plan->options.seccomp_length,
        /* The kernel only reads it; its struct just cannot say so. */
        .filter = (struct sock_filter *)(uintptr_t)plan->options.seccomp_filter};
    return 0;
}

void sdb__launch_plan_hand_over(struct sdb__launch_plan *plan)
{
    for (size_t i = 0; i < plan->fd_count; i++) {
        struct sdb__fd_plan *fd = &plan->fds[i];

        if (fd->host_end >= 0) {
            *fd->host_fd = fd->host_end;
            fd->host_end = -1;
        }
    }
    if (plan->pty_master >= 0) {
        *plan->options.pty_master = plan->pty_master;
        plan->pty_master = -1;
    }
}

void sdb__launch_plan_release(struct sdb__launch_plan *plan)
{
    for (size_t i = 0; i < plan->fd_count; i++) {
        sdb__fd_close(&plan->fds[i].owned);
        sdb__fd_close(&plan->fds[i].host_end);
    }
    sdb__fd_close(&plan->pty_master);
    sdb__fd_close(&plan->pty_slave);
    free(plan->fds);
    free(plan->merged_env);
    free(plan->candidates);
    free(plan->candidate_text);
    plan->fds = NULL;
    plan->fd_count = 0;
    plan->merged_env = NULL;
    plan->candidates = NULL;
    plan->candidate_text = NULL;
}

/* ---- in words ---- */

/*
 * A file that is there and executable, yet "not found", names an interpreter that is missing: a
 * script's, or a program's dynamic linker.
 */
static bool misses_interpreter(const struct sdb__launch_plan *plan, const char *path)
{
    bool same_directory = !plan->options.cwd && !has(plan, SDB_LAUNCH_CWD_FD);

    return (path[0] == '/' || same_directory) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static void explain_exec(const struct sdb__launch_plan *plan, const struct sdb__launch_note *note,
                         struct sdb_error *error)
{
    const char *tried = plan->name;

    if (has(plan, SDB_LAUNCH_EXEC_FD)) {
        sdb__error_detail(error, "descriptor %d", (int)plan->options.exec_fd);
        return;
    }
    for (size_t i = 0; plan->candidates[i]; i++) {
        bool found = note->code == -ENOENT ? misses_interpreter(plan, plan->candidates[i])
                                           : (int)i == note->index;

        if (found) {
            tried = plan->candidates[i];
            break;
        }
    }
    sdb__error_detail(error, "\"%s\"%s", tried,
                      note->code == -ENOENT && misses_interpreter(plan, tried)
                          ? " (its interpreter is missing)"
                          : "");
}

static void explain_fd(const struct sdb__launch_plan *plan, int index, struct sdb_error *error)
{
    const struct sdb__fd_plan *fd;

    if (index < 0 || (size_t)index >= plan->fd_count)
        return;
    fd = &plan->fds[index];
    if (fd->source >= 0)
        sdb__error_detail(error, "%d to the host's %d", fd->target, fd->source);
    else if (fd->like >= 0)
        sdb__error_detail(error, "%d like %d", fd->target, plan->fds[fd->like].target);
    else
        sdb__error_detail(error, "%d to \"%s\"", fd->target, fd->path);
}

void sdb__launch_plan_explain(const struct sdb__launch_plan *plan,
                              const struct sdb__launch_note *note, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;

    switch (note->stage) {
    case SDB_STAGE_GROUP:
        sdb__error_detail(error, "to %d", (int)options->process_group);
        break;
    case SDB_STAGE_CWD:
        if (options->cwd)
            sdb__error_detail(error, "\"%s\"", options->cwd);
        else
            sdb__error_detail(error, "descriptor %d", (int)options->cwd_fd);
        break;
    case SDB_STAGE_FDS:
        explain_fd(plan, note->index, error);
        break;
    case SDB_STAGE_RLIMITS:
        if (note->index >= 0)
            sdb__error_detail(error, "%d", (int)options->rlimits[note->index].resource);
        break;
    case SDB_STAGE_NICE:
        sdb__error_detail(error, "to %d", (int)options->nice);
        break;
    case SDB_STAGE_GID:
        sdb__error_detail(error, "to %u", (unsigned)options->gid);
        break;
    case SDB_STAGE_UID:
        sdb__error_detail(error, "to %u", (unsigned)options->uid);
        break;
    case SDB_STAGE_EXEC:
    case SDB_STAGE_START:
        explain_exec(plan, note, error);
        break;
    default:
        break;
    }
}
