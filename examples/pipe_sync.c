/* SPDX-License-Identifier: MIT */
/*
 * pipe_sync: two ways to synchronise a parent and the child that it forks by hand.
 *
 *     pipe_sync [program [argument...]]        (the program is `echo` by default)
 *
 * 1. The child says that it is traced.  Without this the parent could wait for a stop that the
 *    child has not asked for yet, or look at it before it is traced.
 * 2. The child waits at a gate.  The parent takes hold of it, then opens the gate, so that not one
 *    instruction of the program is missed.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(const char *what, int code)
{
    fprintf(stderr, "pipe_sync: %s: %s\n", what, sdb_error_describe(code));
    return EXIT_FAILURE;
}

/* In the child: execute the program, or send the errno to the parent. */
static void execute(struct sdb_pipe *pipe, char **argv)
{
    int code;

    execvp(argv[0], argv);
    code = errno;
    sdb_pipe_send(pipe, &code, sizeof(code));
    _exit(127);
}

static void be_traced(struct sdb_pipe *pipe, char **argv)
{
    sdb_pipe_close_read(pipe);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        _exit(127); /* the end of the pipe tells the parent */
    sdb_pipe_notify(pipe);
    execute(pipe, argv);
}

static int child_says_that_it_is_traced(char **argv)
{
    struct sdb_pipe *pipe;
    int failure = 0;
    int status;
    int rc = sdb_pipe_open(0, &pipe);
    pid_t pid;

    if (rc < 0)
        return complain("pipe", rc);
    pid = fork();
    if (pid < 0)
        return complain("fork", -errno);
    if (pid == 0)
        be_traced(pipe, argv);

    sdb_pipe_close_write(pipe);
    rc = sdb_pipe_wait(pipe, 5000);
    if (rc < 0)
        return complain("the child did not get traced", rc);
    printf("1. process %d says that it is traced\n", (int)pid);

    /* The pipe is close-on-exec: its end says that the exec has worked. */
    rc = sdb_pipe_receive(pipe, &failure, sizeof(failure), 5000);
    sdb_pipe_close(pipe);
    if (rc == (int)sizeof(failure)) {
        waitpid(pid, &status, 0);
        return complain(argv[0], -failure);
    }

    waitpid(pid, &status, 0);
    printf("1. it stands after its exec, by signal %d\n",
           WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    fflush(stdout);
    ptrace(PTRACE_CONT, pid, 0, 0);
    waitpid(pid, &status, 0);
    printf("1. exit code %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return EXIT_SUCCESS;
}

static void wait_at_gate(struct sdb_pipe *gate, struct sdb_pipe *report, char **argv)
{
    sdb_pipe_close_write(gate);
    sdb_pipe_close_read(report);
    if (sdb_pipe_wait(gate, -1) < 0)
        _exit(127); /* the parent has failed, and closed the gate for ever */
    execute(report, argv);
}

/* Follow the program, from before its first instruction to its end. */
static int follow(struct sdb_session *session)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while ((rc = sdb_session_wait(session, 10000, &event)) == 0) {
        if (event.kind == SDB_EVENT_EXITED) {
            printf("2. exit code %d\n", event.status->how == SDB_EXITED ? event.status->code : -1);
            return EXIT_SUCCESS;
        }
        printf("2. process %d: %s\n", sdb_process_pid(event.process), sdb_event_name(event.kind));
        fflush(stdout);
        sdb_event_resume(&event);
    }
    return complain("wait", rc);
}

static int child_waits_at_gate(char **argv)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_session *session;
    struct sdb_process *process;
    struct sdb_pipe *gate;
    struct sdb_pipe *report;
    int failure = 0;
    char text[256];
    int result;
    pid_t pid;

    if (sdb_pipe_open(0, &gate) < 0 || sdb_pipe_open(0, &report) < 0 ||
        sdb_session_create(NULL, &session) < 0)
        return complain("gate", -ENOMEM);
    pid = fork();
    if (pid < 0)
        return complain("fork", -errno);
    if (pid == 0)
        wait_at_gate(gate, report, argv);

    sdb_pipe_close_read(gate);
    sdb_pipe_close_write(report);
    if (sdb_session_attach(session, pid, &process, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "%s\n", text);
        return EXIT_FAILURE;
    }
    printf("2. holding process %d at the gate\n", (int)pid);
    fflush(stdout);

    sdb_pipe_notify(gate); /* open it; the child moves once it is resumed */
    sdb_process_resume(process, SDB_RESUME_CONTINUE);
    result = follow(session);
    if (sdb_pipe_receive(report, &failure, sizeof(failure), 0) == (int)sizeof(failure))
        result = complain(argv[0], -failure);

    sdb_session_destroy(session);
    sdb_pipe_close(gate);
    sdb_pipe_close(report);
    return result;
}

int main(int argc, char **argv)
{
    char name[] = "echo";
    char text[] = "   the program itself";
    char *echo[] = {name, text, NULL};
    char **program = argc > 1 ? argv + 1 : echo;
    int result;

    setvbuf(stdout, NULL, _IOLBF, 0); /* so that fork copies no text that was not written yet */
    result = child_says_that_it_is_traced(program);
    return result != EXIT_SUCCESS ? result : child_waits_at_gate(program);
}
