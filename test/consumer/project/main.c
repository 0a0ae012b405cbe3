/* SPDX-License-Identifier: MIT */
/*
 * What somebody else may write, in C or C++: run /bin/true once traced and once not, see both end
 * well, and see a program fail to start for the right reason.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <stdio.h>

static int run_untraced(const struct sdb_launch_options *options)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child;
    int rc = sdb_launch(options, &child, &error);

    if (rc < 0)
        return rc;
    rc = sdb_child_wait(child, -1, &status);
    sdb_child_close(child);
    if (rc < 0)
        return rc;
    return status.how == SDB_EXITED ? status.code : -EIO;
}

static int run_traced(const struct sdb_launch_options *options)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_session *session;
    struct sdb_process *process;
    int code = -EIO;
    int rc = sdb_session_create(NULL, &session);

    if (rc < 0)
        return rc;
    rc = sdb_session_launch(session, options, &process, NULL);
    if (rc == 0)
        rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);
    while (rc == 0 && sdb_session_wait(session, -1, &event) == 0) {
        if (event.kind == SDB_EVENT_EXITED)
            code = event.status->how == SDB_EXITED ? event.status->code : -EIO;
        else
            rc = sdb_event_resume(&event);
    }
    sdb_session_destroy(session);
    return rc < 0 ? rc : code;
}

static int expect(const char *what, int expected, int got)
{
    printf("%s: %d (%s)\n", what, got, got < 0 ? sdb_error_describe(got) : "exit code");
    return got != expected;
}

int main(void)
{
    const char *argv[] = {"true", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    int faults = 0;

    printf("libsdb " SDB_VERSION_STRING "\n");
    options.argv = argv;
    options.path = "/bin/true";
    faults += expect("untraced", 0, run_untraced(&options));
    faults += expect("traced", 0, run_traced(&options));
    options.path = "/bin/no such program";
    faults += expect("missing", -ENOENT, run_untraced(&options));
    return faults;
}
