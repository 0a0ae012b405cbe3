/* SPDX-License-Identifier: MIT */
/*
 * Launching by hand.  Nothing here is how it should be done: no signal is blocked, no descriptor is
 * closed, no error of the child is told, and a host that dies leaves the child behind.
 */
#include "raw_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>

#include "bench.h"

#define STACK_SIZE 16384

extern char **environ;

const char *const raw_argv[] = {SDB_BENCH_PROGRAM, NULL};

static void execute(void)
{
    /* execve does not write to them. */
    execve(SDB_BENCH_PROGRAM, (char *const *)(uintptr_t)raw_argv, environ);
    _exit(127);
}

pid_t raw_vfork(void)
{
    pid_t pid = vfork();

    if (pid == 0)
        execute();
    if (pid < 0)
        bench_die("vfork: %s", strerror(errno));
    return pid;
}

pid_t raw_fork(void)
{
    int ends[2];
    pid_t pid;
    char byte;

    if (pipe2(ends, O_CLOEXEC) < 0)
        bench_die("pipe: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        execute();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 0)
        bench_die("the pipe of a fork has something to say");
    close(ends[0]);
    return pid;
}

pid_t raw_spawn(void)
{
    pid_t pid;
    int rc = posix_spawn(&pid, SDB_BENCH_PROGRAM, NULL, NULL, (char *const *)(uintptr_t)raw_argv,
                         environ);

    if (rc != 0)
        bench_die("posix_spawn: %s", strerror(rc));
    return pid;
}

static void expect_exec_stop(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
        bench_die("a traced child did not stop");
}

static int pass_gate_and_execute(void *gate)
{
    while (__atomic_load_n((uint32_t *)gate, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, gate, FUTEX_WAIT_PRIVATE, 0, NULL);
    execute();
    return 127;
}

pid_t raw_seize(void)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    static uint32_t gate;
    pid_t pid;

    gate = 0;
    pid = clone(pass_gate_and_execute, stack + STACK_SIZE, CLONE_VM | SIGCHLD, &gate);
    if (pid < 0)
        bench_die("clone: %s", strerror(errno));
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
        bench_die("PTRACE_SEIZE: %s", strerror(errno));
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &gate, FUTEX_WAKE_PRIVATE, 1);
    expect_exec_stop(pid);
    return pid;
}

pid_t raw_traceme(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execute();
    }
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    expect_exec_stop(pid);
    return pid;
}

void raw_resume(pid_t pid)
{
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
        bench_die("PTRACE_CONT: %s", strerror(errno));
}

void raw_reap(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, __WALL) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("a child has not ended as it should");
}
