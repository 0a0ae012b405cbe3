/* SPDX-License-Identifier: MIT */
/*
 * Short lives, for those who may be killed at any instant of them.  The first argument says what
 * happens, the second with which exit code it ends if nobody interferes:
 *
 *     exit       nothing
 *     threads    threads are made and joined
 *     forks      children and grandchildren are forked and waited for
 *     vforks     children are made by vfork, and execute a program or exit
 *     leader     another program is executed by the first thread, while others run
 *     thread     the same by another thread
 *     stop       it stops itself: somebody has to send it a SIGCONT
 *     all        all of it but the executing, at the same time in several threads
 *
 * Children end with LIFE_CHILD, and grandchildren too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_CHILD 40
#define TURNS      4

static char *program;
static char *code;

static void *nothing(void *argument)
{
    return argument;
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void *threads(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        pthread_t made[2];

        for (int j = 0; j < 2; j++)
            pthread_create(&made[j], NULL, nothing, NULL);
        for (int j = 0; j < 2; j++)
            pthread_join(made[j], NULL);
    }
    return argument;
}

/* An exit code that is not its own would show in whose event it is. */
static void await_child(pid_t pid)
{
    int status = 0;

    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
        WEXITSTATUS(status) != LIFE_CHILD)
        _exit(99);
}

static void *forks(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            pid = i % 2 == 0 ? fork() : -1;
            if (pid == 0)
                _exit(LIFE_CHILD);
            await_child(pid);
            _exit(LIFE_CHILD);
        }
        await_child(pid);
    }
    return argument;
}

static void *vforks(void *argument)
{
    char child_code[16];

    (void)snprintf(child_code, sizeof(child_code), "%d", LIFE_CHILD);
    for (int i = 0; i < TURNS; i++) {
        pid_t pid = vfork();

        if (pid == 0) {
            if (i % 2 == 0)
                execl(program, program, "exit", child_code, (char *)NULL);
            _exit(LIFE_CHILD);
        }
        await_child(pid);
    }
    return argument;
}

static void *stop(void *argument)
{
    kill(getpid(), SIGSTOP);
    return argument;
}

static void *execute(void *argument)
{
    execl(program, program, "exit", code, (char *)NULL);
    return argument;
}

static void run_beside(void *(*function)(void *), int join)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) == 0 && join)
        pthread_join(thread, NULL);
}

static void *all(void *argument)
{
    void *(*const lives[])(void *) = {threads, forks, vforks, stop, threads};
    pthread_t made[sizeof(lives) / sizeof(lives[0])];
    const size_t count = sizeof(lives) / sizeof(lives[0]);

    for (size_t i = 0; i < count; i++)
        pthread_create(&made[i], NULL, lives[i], NULL);
    for (size_t i = 0; i < count; i++)
        pthread_join(made[i], NULL);
    return argument;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*life)(void *);
    } lives[] = {{"threads", threads}, {"forks", forks},    {"vforks", vforks},
                 {"stop", stop},       {"leader", execute}, {"all", all}};
    const char *what = argc > 2 ? argv[1] : "";

    if (argc <= 2)
        return 98;
    program = argv[0];
    code = argv[2];
    if (strcmp(what, "leader") == 0 || strcmp(what, "thread") == 0 || strcmp(what, "stop") == 0) {
        run_beside(wait_for_ever, 0);
        run_beside(wait_for_ever, 0);
    }
    if (strcmp(what, "thread") == 0)
        run_beside(execute, 1);
    for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
        if (strcmp(what, lives[i].name) == 0)
            lives[i].life(NULL);
    }
    return atoi(code);
}
