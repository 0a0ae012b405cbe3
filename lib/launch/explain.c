/* SPDX-License-Identifier: MIT */
/*
 * A failed launch in words: which option cannot be right, or which argument the child was busy with.
 */
#include "launch/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

int sdb__launch_refuse(struct sdb_error *error, int code, int index, const char *why)
{
    sdb__error_set(error, code, SDB_STAGE_ARGUMENTS, index);
    if (index >= 0)
        sdb__error_detail(error, "(%s, entry %d)", why, index);
    else
        sdb__error_detail(error, "(%s)", why);
    return code;
}

/*
 * A file that is there and executable, yet "not found", names an interpreter that is missing: a
 * script's, or a program's dynamic linker.
 */
static bool misses_interpreter(const struct sdb__launch_plan *plan, const char *path)
{
    bool same_directory = !plan->options.cwd && !sdb__launch_plan_has(plan, SDB_LAUNCH_CWD_FD);

    return (path[0] == '/' || same_directory) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static void explain_exec(const struct sdb__launch_plan *plan, const struct sdb__launch_note *note,
                         struct sdb_error *error)
{
    const char *tried = plan->name;
    int index = -1;

    if (sdb__launch_plan_has(plan, SDB_LAUNCH_EXEC_FD)) {
        sdb__error_detail(error, "descriptor %d", (int)plan->options.exec_fd);
        return;
    }
    for (int i = 0; plan->candidates[i]; i++) {
        bool found = note->code == -ENOENT ? misses_interpreter(plan, plan->candidates[i])
                                           : i == note->index;

        if (found) {
            tried = plan->candidates[i];
            index = i;
            break;
        }
    }
    sdb__error_detail(error, "\"%s\"%s", tried,
                      note->code == -ENOENT && misses_interpreter(plan, tried)
                          ? " (its interpreter is missing)"
                          : "");
    /* The list that it counts in is the search path; without a search there is none. */
    if (error)
        error->index = plan->candidate_text ? index : -1;
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
