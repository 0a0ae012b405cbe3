/* SPDX-License-Identifier: MIT */
/*
 * From a caller's launch options to a plan: everything that can be found wrong is found wrong here,
 * before there is a child, and everything that needs memory or a descriptor of the host gets it.
 */
#include "launch/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/versioned.h"

#define DEFAULT_SEARCH_PATH "/bin:/usr/bin"
#define LARGEST_LIST        65536
#define SIZE_OF_VERSION_0_1 sizeof(struct sdb_launch_options)

#define KNOWN_FLAGS                                                                                \
    (SDB_LAUNCH_SEARCH_PATH | SDB_LAUNCH_EXEC_FD | SDB_LAUNCH_INHERIT_FDS | SDB_LAUNCH_CWD_FD |    \
     SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_TERMINAL | SDB_LAUNCH_FOREGROUND | \
     SDB_LAUNCH_PTY | SDB_LAUNCH_SET_UMASK | SDB_LAUNCH_SET_NICE | SDB_LAUNCH_SET_GROUPS |         \
     SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_UID | SDB_LAUNCH_NO_NEW_PRIVS | SDB_LAUNCH_CGROUP |       \
     SDB_LAUNCH_RESET_IGNORED | SDB_LAUNCH_NO_ASLR | SDB_LAUNCH_TRY_NO_ASLR | SDB_LAUNCH_TIMEOUT | \
     SDB_LAUNCH_PORTABLE)

/* ---- values ---- */

static int check_values(const struct sdb_launch_options *options, struct sdb_error *error)
{
    const uint64_t flags = options->flags;

    if (flags & ~(uint64_t)KNOWN_FLAGS)
        return sdb__launch_refuse(error, -EINVAL, -1, "unknown flag");
    if ((flags & SDB_LAUNCH_NO_ASLR) && (flags & SDB_LAUNCH_TRY_NO_ASLR))
        return sdb__launch_refuse(error, -EINVAL, -1, "NO_ASLR and TRY_NO_ASLR");
    if ((flags & SDB_LAUNCH_PTY) && (flags & SDB_LAUNCH_TERMINAL))
        return sdb__launch_refuse(error, -EINVAL, -1, "PTY and TERMINAL");
    if ((flags & SDB_LAUNCH_CWD_FD) && options->cwd)
        return sdb__launch_refuse(error, -EINVAL, -1, "cwd and cwd_fd");
    if ((flags & SDB_LAUNCH_EXEC_FD) && (flags & SDB_LAUNCH_SEARCH_PATH))
        return sdb__launch_refuse(error, -EINVAL, -1, "EXEC_FD and SEARCH_PATH");
    if ((flags & SDB_LAUNCH_SET_GROUP) && options->process_group < 0)
        return sdb__launch_refuse(error, -EINVAL, -1, "process_group");
    if ((flags & SDB_LAUNCH_SET_GROUP) &&
        (flags & (SDB_LAUNCH_NEW_SESSION | SDB_LAUNCH_TERMINAL | SDB_LAUNCH_PTY)))
        return sdb__launch_refuse(error, -EINVAL, -1,
                                  "a session's leader cannot change its process group");
    if ((flags & SDB_LAUNCH_PTY) && !options->pty_master)
        return sdb__launch_refuse(error, -EINVAL, -1, "pty_master");
    if ((flags & SDB_LAUNCH_SET_UMASK) && options->umask > 0777)
        return sdb__launch_refuse(error, -EINVAL, -1, "umask");
    if ((flags & SDB_LAUNCH_SET_NICE) && (options->nice < -20 || options->nice > 19))
        return sdb__launch_refuse(error, -EINVAL, -1, "nice");
    if ((flags & SDB_LAUNCH_TIMEOUT) && options->timeout_ms < 0)
        return sdb__launch_refuse(error, -EINVAL, -1, "timeout_ms");
    if ((flags & SDB_LAUNCH_SET_UID) && options->uid == UINT32_MAX)
        return sdb__launch_refuse(error, -EINVAL, -1, "uid");
    if ((flags & SDB_LAUNCH_SET_GID) && options->gid == UINT32_MAX)
        return sdb__launch_refuse(error, -EINVAL, -1, "gid");
    if (options->death_signal < 0 || options->death_signal > SIGRTMAX)
        return sdb__launch_refuse(error, -EINVAL, -1, "death_signal");
    return 0;
}

static int check_lists(const struct sdb_launch_options *options, struct sdb_error *error)
{
    if (options->fd_count > LARGEST_LIST || (options->fd_count > 0 && !options->fds))
        return sdb__launch_refuse(error, -EINVAL, -1, "fds");
    if (options->rlimit_count > LARGEST_LIST || (options->rlimit_count > 0 && !options->rlimits))
        return sdb__launch_refuse(error, -EINVAL, -1, "rlimits");
    if ((options->flags & SDB_LAUNCH_SET_GROUPS) &&
        (options->group_count > LARGEST_LIST || (options->group_count > 0 && !options->groups)))
        return sdb__launch_refuse(error, -EINVAL, -1, "groups");
    if (options->cpu_set ? options->cpu_set_size == 0 : options->cpu_set_size > 0)
        return sdb__launch_refuse(error, -EINVAL, -1, "cpu_set");
    if (options->seccomp_filter
            ? options->seccomp_length == 0 || options->seccomp_length > BPF_MAXINSNS
            : options->seccomp_length > 0)
        return sdb__launch_refuse(error, -EINVAL, -1, "seccomp_filter");
    for (size_t i = 0; i < options->rlimit_count; i++) {
        const struct sdb_rlimit *limit = &options->rlimits[i];

        if (limit->resource < 0 || limit->resource >= (int32_t)RLIM_NLIMITS ||
            limit->reserved != 0 || limit->soft > limit->hard)
            return sdb__launch_refuse(error, -EINVAL, (int)i, "rlimits");
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
            return sdb__launch_refuse(error, -EBADF, -1, named[i].name);
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
        return sdb__launch_refuse(error, -EINVAL, -1, "argv is empty");
    plan->name = options->path ? options->path : plan->argv ? plan->argv[0] : NULL;
    if (!plan->name && !sdb__launch_plan_has(plan, SDB_LAUNCH_EXEC_FD))
        return sdb__launch_refuse(error, -EINVAL, -1, "neither path nor argv");
    if (!plan->argv) {
        plan->name_as_argv[0] = plan->name ? plan->name : "";
        plan->argv = plan->name_as_argv;
    }

    /* An empty name is not looked for: "directory/" would be found. */
    if (sdb__launch_plan_has(plan, SDB_LAUNCH_SEARCH_PATH) && plan->name && plan->name[0] &&
        !strchr(plan->name, '/'))
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

/* Take a variable out of the list, as often as it stands there.  @return the new count */
static size_t take_variable_away(const char **list, size_t count, const char *variable)
{
    size_t len = variable_name_length(variable);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (variable_name_length(list[i]) != len || memcmp(list[i], variable, len) != 0)
            list[kept++] = list[i];
    }
    return kept;
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

        if (variable_name_length(change) == 0)
            return sdb__launch_refuse(error, -EINVAL, (int)i, "env");
        count = take_variable_away(plan->merged_env, count, change);
        if (strchr(change, '='))
            plan->merged_env[count++] = change;
        plan->merged_env[count] = NULL;
    }
    plan->envp = plan->merged_env;
    return 0;
}

/* ---- caught system calls ---- */

static int plan_caught_syscalls(struct sdb__launch_plan *plan, struct sdb_error *error)
{
    const struct sdb_launch_options *options = &plan->options;
    struct sdb__call_set filtered;
    size_t wrong;

    if (options->caught_syscall_count == 0)
        return 0;
    if (options->caught_syscall_count > LARGEST_LIST || !options->caught_syscalls)
        return sdb__launch_refuse(error, -EINVAL, -1, "caught_syscalls");
    if (sdb__call_set_fill(&plan->caught, options->caught_syscalls, options->caught_syscall_count,
                           &wrong) < 0)
        return sdb__launch_refuse(error, -EINVAL, (int)wrong, "caught_syscalls");
    filtered = plan->caught;
    sdb__call_set_add(&filtered, SYS_restart_syscall);
    return sdb__call_set_filter(&filtered, &plan->caught_filter);
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
        return sdb__launch_refuse(error, -EINVAL, -1, "no options");
    rc = sdb__struct_import(&plan->options, sizeof(plan->options), SIZE_OF_VERSION_0_1, options);
    if (rc < 0)
        return sdb__launch_refuse(error, rc, -1,
                                  rc == -E2BIG ? "members of a later version" : "size");

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
        rc = plan_caught_syscalls(plan, error);
    if (rc == 0)
        rc = sdb__launch_plan_descriptors(plan, error);
    if (rc == -ENOMEM && error && error->code == 0)
        sdb__error_set(error, rc, SDB_STAGE_PREPARE, -1);
    if (rc < 0)
        return rc;

    plan->change_user =
        sdb__launch_plan_has(plan, SDB_LAUNCH_SET_GROUPS | SDB_LAUNCH_SET_GID | SDB_LAUNCH_SET_UID);
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
    free(plan->caught_filter.filter);
    plan->caught_filter = (struct sock_fprog){0};
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
