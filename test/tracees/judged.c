/* SPDX-License-Identifier: MIT */
/*
 * What a program that nobody trusts does: the first argument says what.  Unless it says otherwise the
 * program ends with exit code 0 if it is let to do it.
 *
 *     exit CODE       nothing bad
 *     signal N        it kills itself
 *     bomb            it forks, and its children do, for ever
 *     threads         the same with threads
 *     hog             it asks for memory and writes to it, and goes on when there is none
 *     rude            the same, but fails with exit code 1
 *     shared          the same with memory that is shared with children, had it any
 *     family          four children take memory of a fifth of a gigabyte each
 *     heap            the same as rude by brk(2)
 *     busy            it uses processor time for ever
 *     lines           its children do so for a short while each, one after the other, and it does not
 *                     wait for them
 *     sleep           it waits for ever
 *     stop            it stops itself
 *     daemon FILE     a child that leads a session of its own leaves a grandchild, which writes its
 *                     process id to FILE and waits for ever
 *     flood           it writes to its standard output for ever
 *     deaf            the same, and it ignores that it must not
 *     siblings        children kill each other and it waits for them
 *     parent          a child kills it
 *     stranger PID    it sends a signal; exit code 3 if there is no such process
 *     everybody       it sends one to all processes that there are; exit code 3 if there are none
 *     socket          it makes a socket; exit code 4 or 5 if it may not (EPERM, EACCES)
 *     local_socket    the same for use within the machine
 *     old_socket      the same as a 32-bit program does
 *     untraced        it makes a child that no tracer sees
 *     filter          it answers for system calls
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void bomb(void)
{
    for (;;)
        fork();
}

static void threads(void)
{
    pthread_t thread;

    for (;;)
        pthread_create(&thread, NULL, wait_for_ever, NULL);
}

/* @return whether all of it could be had, which is much */
static int take_memory(int flags)
{
    for (int i = 0; i < 100000; i++) {
        char *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

        if (piece == MAP_FAILED)
            return 0;
        memset(piece, 1, PIECE);
    }
    return 1;
}

static int take_heap(void)
{
    for (int i = 0; i < 100000; i++) {
        char *piece = sbrk((intptr_t)PIECE);

        if (piece == (char *)-1)
            return 0;
        memset(piece, 1, PIECE);
    }
    return 1;
}

static void family(void)
{
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            for (int j = 0; j < 200; j++) {
                char *piece = malloc(PIECE);

                if (piece)
                    memset(piece, 1, PIECE);
            }
            wait_for_ever(NULL);
        }
    }
    wait_for_ever(NULL);
}

static void be_busy(long ms)
{
    struct timespec used;

    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (ms < 0 || used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms);
}

static void lines(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fds[2];
        char byte;

        if (pipe(fds) != 0)
            exit(1);
        if (fork() == 0) {
            be_busy(30);
            _exit(0);
        }
        close(fds[1]);
        if (read(fds[0], &byte, 1) != 0)
            exit(1);
        close(fds[0]);
    }
}

static void leave_daemon(const char *path)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            char text[32];
            int fd;

            signal(SIGHUP, SIG_IGN);
            signal(SIGTERM, SIG_IGN);
            snprintf(text, sizeof(text), "%s.new", path);
            fd = open(text, O_WRONLY | O_CREAT | O_TRUNC, 0666);
            dprintf(fd, "%d\n", getpid());
            close(fd);
            rename(text, path);
            wait_for_ever(NULL);
        }
        _exit(0);
    }
    wait(NULL);
    while (access(path, F_OK) != 0)
        sched_yield();
}

static int flood(void)
{
    char line[4096];

    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 100000; i++) {
        if (write(STDOUT_FILENO, line, sizeof(line)) < 0)
            return 1;
    }
    return 0;
}

/* Each kills the one before it, which has done so then. */
static int siblings(void)
{
    pid_t before = 0;
    int fds[2];
    int status;
    int killed = 0;
    char byte = 0;

    if (pipe(fds) != 0)
        return 1;
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();

        if (child == 0) {
            if (before > 0)
                kill(before, SIGKILL);
            if (write(fds[1], &byte, 1) == 1)
                wait_for_ever(NULL);
            _exit(1);
        }
        if (read(fds[0], &byte, 1) != 1)
            return 1;
        before = child;
    }
    for (int i = 0; i < 7; i++) {
        if (wait(&status) > 0 && WIFSIGNALED(status))
            killed++;
    }
    kill(before, SIGKILL);
    wait(NULL);
    printf("%d were killed\n", killed);
    return killed == 7 ? 0 : 1;
}

static int send_signal(pid_t pid)
{
    if (kill(pid, SIGTERM) == 0)
        return 0;
    return errno == ESRCH ? 3 : 1;
}

static int make_socket(int family)
{
    if (socket(family, SOCK_STREAM, 0) >= 0)
        return 0;
    return errno == EPERM ? 4 : errno == EACCES ? 5 : 1;
}

/* socketcall(SYS_SOCKET, ...) of i386. */
static int make_old_socket(void)
{
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(1), "c"(0) : "memory");
    return result == -14 ? 0 : 1; /* EFAULT: it would look at the arguments */
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *more = argc > 2 ? argv[2] : "";

    if (strcmp(what, "exit") == 0)
        return atoi(more);
    if (strcmp(what, "signal") == 0)
        raise(atoi(more));
    else if (strcmp(what, "bomb") == 0)
        bomb();
    else if (strcmp(what, "threads") == 0)
        threads();
    else if (strcmp(what, "hog") == 0)
        return take_memory(MAP_PRIVATE);
    else if (strcmp(what, "rude") == 0)
        return !take_memory(MAP_PRIVATE);
    else if (strcmp(what, "shared") == 0)
        return take_memory(MAP_SHARED);
    else if (strcmp(what, "family") == 0)
        family();
    else if (strcmp(what, "heap") == 0)
        return !take_heap();
    else if (strcmp(what, "busy") == 0)
        be_busy(-1);
    else if (strcmp(what, "lines") == 0)
        lines();
    else if (strcmp(what, "sleep") == 0)
        wait_for_ever(NULL);
    else if (strcmp(what, "stop") == 0)
        raise(SIGSTOP);
    else if (strcmp(what, "daemon") == 0)
        leave_daemon(more);
    else if (strcmp(what, "flood") == 0)
        return flood();
    else if (strcmp(what, "deaf") == 0)
        return signal(SIGXFSZ, SIG_IGN) == SIG_ERR || flood();
    else if (strcmp(what, "siblings") == 0)
        return siblings();
    else if (strcmp(what, "parent") == 0)
        return fork() == 0 ? send_signal(getppid()) : (pause(), 1);
    else if (strcmp(what, "stranger") == 0)
        return send_signal(atoi(more));
    else if (strcmp(what, "everybody") == 0)
        return send_signal(-1);
    else if (strcmp(what, "socket") == 0)
        return make_socket(AF_INET);
    else if (strcmp(what, "local_socket") == 0)
        return make_socket(AF_UNIX);
    else if (strcmp(what, "old_socket") == 0)
        return make_old_socket();
    else if (strcmp(what, "untraced") == 0)
        return syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0) < 0;
    else if (strcmp(what, "filter") == 0)
        return syscall(SYS_seccomp, 0, 0, 0) < 0 && errno == EPERM;
    else
        return 2;
    return 0;
}
