/* SPDX-License-Identifier: MIT */
/*
 * What is measured beside whole programs: a shell that starts many others, followed by a session and
 * by strace; and gdb attaching.
 */
#include "session_measures.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sdb/sdb.h>

#include "bench.h"
#include "raw_session.h"

extern char **environ;

size_t session_commands = 2000;

/* ---- running ---- */

/* Run a program to its end, its output to nowhere.  @return its exit code, or -1 */
static int run(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0;
    int rc;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    rc = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool session_has_program(const char *name)
{
    const char *const argv[] = {name, "--version", NULL};

    return run(argv) == 0;
}

static double time_run(const char *const *argv)
{
    const double begin = bench_now_us();

    if (run(argv) != 0)
        bench_die("%s has not ended well", argv[0]);
    return (bench_now_us() - begin) / 1000;
}

/* ---- the shell ---- */

static const char *shell_script(void)
{
    static char script[128];

    (void)snprintf(script, sizeof(script),
                   "i=0; while [ $i -lt %zu ]; do /bin/true; i=$((i + 1)); done", session_commands);
    return script;
}

double shell_alone(void)
{
    const char *const argv[] = {"/bin/sh", "-c", shell_script(), NULL};

    return time_run(argv);
}

double strace_shell(void)
{
    const char *const argv[] = {"strace", "-f",        "--seccomp-bpf", "-e", "trace=chroot",
                                "-o",     "/dev/null", "/bin/sh",       "-c", shell_script(),
                                NULL};

    return time_run(argv);
}

/* Resume whatever happens until the session holds nothing.  @return the shell's exit code */
static int follow(struct sdb_session *session, const struct sdb_process *shell)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int code = -1;
    int rc;

    while ((rc = sdb_session_wait(session, -1, &event)) == 0) {
        if (event.kind == SDB_EVENT_EXITED && event.process == shell)
            code = event.status->code;
        rc = sdb_event_resume(&event);
        if (rc < 0)
            bench_die("resume after %s: %s", sdb_event_name(event.kind), sdb_error_describe(rc));
    }
    if (rc != -ECHILD)
        bench_die("a wait: %s", sdb_error_describe(rc));
    return code;
}

double sdb_shell_followed(void)
{
    const char *const argv[] = {"/bin/sh", "-c", shell_script(), NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_session *session;
    struct sdb_process *shell;
    double begin;

    options.argv = argv;
    begin = bench_now_us();
    if (sdb_session_create(NULL, &session) < 0 ||
        sdb_session_set_signal_policy(session, 0, SDB_POLICY_PASS) < 0 ||
        sdb_session_launch(session, &options, &shell, NULL) < 0 ||
        sdb_process_set_follow(shell, SDB_FOLLOW_ALL) < 0 ||
        sdb_process_resume(shell, SDB_RESUME_CONTINUE) < 0)
        bench_die("a shell to follow");
    if (follow(session, shell) != 0)
        bench_die("the shell has not ended well");
    if (sdb_session_destroy(session) < 0)
        bench_die("the end of a session");
    return (bench_now_us() - begin) / 1000;
}

/* ---- gdb ---- */

static double gdb_attach(pid_t pid)
{
    char number[16];
    const char *const argv[] = {
        "gdb", "-nx",  "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off",
        "-p",  number, NULL};

    (void)snprintf(number, sizeof(number), "%d", (int)pid);
    raw_target_settle(pid);
    return time_run(argv);
}

double gdb_attach_to_all(void)
{
    static pid_t pid;

    if (pid == 0)
        pid = raw_target_start("nothing", session_idle_threads);
    return gdb_attach(pid);
}

double gdb_attach_to_one(void)
{
    static pid_t pid;

    if (pid == 0)
        pid = raw_target_start("nothing", 0);
    return gdb_attach(pid);
}
