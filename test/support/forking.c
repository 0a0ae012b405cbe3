/* SPDX-License-Identifier: MIT */
#include "forking.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t fork_child(void)
{
    const pid_t parent = getpid();
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(99);
    }
    return pid;
}

pid_t fork_ready(bool (*prepare)(void *data), void *data)
{
    const pid_t parent = getpid();
    int ends[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork_child();
    if (pid == 0) {
        if (prepare && !prepare(data))
            _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user has forgotten it */
        if (getppid() != parent)
            _exit(99);
        (void)!write(ends[1], "r", 1);
        close(ends[0]);
        close(ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

struct tracing {
    pid_t pid;
    unsigned long options;
};

static bool seize(void *data)
{
    const struct tracing *tracing = data;

    return ptrace(PTRACE_SEIZE, tracing->pid, NULL, tracing->options) == 0;
}

pid_t fork_tracer(pid_t pid, unsigned long options)
{
    struct tracing tracing = {pid, options};

    return fork_ready(seize, &tracing);
}

void reap(pid_t pid)
{
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

int exit_code_of(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "child's status is %#x", (unsigned)status);
    return WEXITSTATUS(status);
}

void expect_success(pid_t pid)
{
    ck_assert_int_eq(exit_code_of(pid), 0);
}

void end_child(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    reap(pid);
}
