/* SPDX-License-Identifier: MIT */
/*
 * A thread for each of many system calls that block, in which it is until standard input ends.  Then
 * each call is given what it waits for, and the program writes a line for each: its name, how often it
 * has returned with EINTR, though no signal had come, and "right", or else what it returned.
 *
 * It writes `r` once all of its threads are about to block.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES  8
#define LONG_S 600
#define TIMEOUT                                                                                    \
    {                                                                                              \
        LONG_S, 0                                                                                  \
    }

/* A thread that is in one of them. */
struct blocked {
    pthread_t thread;
    int fds[2];
    int other;
    pid_t pid;
    _Atomic(int) word;
    atomic_bool caught; /* a signal that was sent to it */
    atomic_bool over;
    long interruptions;
    long result;
    int error;
};

static void die(const char *what)
{
    perror(what);
    _exit(2);
}

static void check(long rc, const char *what)
{
    if (rc < 0)
        die(what);
}

/* ---- pipes, and all that tells of one being readable ---- */

static void make_pipe(struct blocked *blocked)
{
    check(pipe2(blocked->fds, O_CLOEXEC), "pipe");
}

static void write_bytes(struct blocked *blocked)
{
    static const char bytes[BYTES] = {1};

    check(write(blocked->fds[1], bytes, BYTES), "write");
}

static long by_read(struct blocked *blocked)
{
    char bytes[BYTES];

    return read(blocked->fds[0], bytes, BYTES);
}

static long by_poll(struct blocked *blocked)
{
    struct pollfd polled = {.fd = blocked->fds[0], .events = POLLIN};

    return poll(&polled, 1, -1);
}

static long by_ppoll(struct blocked *blocked)
{
    struct pollfd polled = {.fd = blocked->fds[0], .events = POLLIN};
    struct timespec timeout = TIMEOUT;
    sigset_t none;

    sigemptyset(&none);
    return ppoll(&polled, 1, &timeout, &none);
}

static long by_select(struct blocked *blocked)
{
    struct timeval timeout = TIMEOUT;
    fd_set set;

    FD_ZERO(&set);
    FD_SET(blocked->fds[0], &set);
    return select(blocked->fds[0] + 1, &set, NULL, NULL, &timeout);
}

static long by_pselect(struct blocked *blocked)
{
    sigset_t none;
    fd_set set;

    sigemptyset(&none);
    FD_ZERO(&set);
    FD_SET(blocked->fds[0], &set);
    return pselect(blocked->fds[0] + 1, &set, NULL, NULL, NULL, &none);
}

static void make_epoll(struct blocked *blocked)
{
    struct epoll_event event = {.events = EPOLLIN};

    make_pipe(blocked);
    blocked->other = epoll_create1(EPOLL_CLOEXEC);
    check(blocked->other, "epoll_create1");
    check(epoll_ctl(blocked->other, EPOLL_CTL_ADD, blocked->fds[0], &event), "epoll_ctl");
}

static long by_epoll_wait(struct blocked *blocked)
{
    struct epoll_event event;

    return epoll_wait(blocked->other, &event, 1, -1);
}

static void make_eventfd(struct blocked *blocked)
{
    blocked->fds[0] = eventfd(0, EFD_CLOEXEC);
    blocked->fds[1] = blocked->fds[0];
    check(blocked->fds[0], "eventfd");
}

static void make_timerfd(struct blocked *blocked)
{
    blocked->fds[0] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    check(blocked->fds[0], "timerfd_create");
}

static void set_timer(struct blocked *blocked)
{
    const struct itimerspec soon = {.it_value = {.tv_nsec = 1}};

    check(timerfd_settime(blocked->fds[0], 0, &soon, NULL), "timerfd_settime");
}

/* ---- what is full ---- */

static void fill(struct blocked *blocked)
{
    static const char bytes[4096];

    check(fcntl(blocked->fds[1], F_SETFL, O_NONBLOCK), "fcntl");
    while (write(blocked->fds[1], bytes, sizeof(bytes)) > 0)
        continue;
    while (write(blocked->fds[1], bytes, 1) > 0)
        continue;
    check(fcntl(blocked->fds[1], F_SETFL, 0), "fcntl");
}

static void make_full_pipe(struct blocked *blocked)
{
    make_pipe(blocked);
    fill(blocked);
}

static void make_full_socket(struct blocked *blocked)
{
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, blocked->fds), "socketpair");
    fill(blocked);
}

static void drain(struct blocked *blocked)
{
    char bytes[4096];

    while (!blocked->over) {
        struct pollfd polled = {.fd = blocked->fds[0], .events = POLLIN};

        if (poll(&polled, 1, 1) == 1)
            check(read(blocked->fds[0], bytes, sizeof(bytes)), "read");
    }
}

static long by_write(struct blocked *blocked)
{
    return write(blocked->fds[1], "bytes...", BYTES);
}

static long by_send(struct blocked *blocked)
{
    return send(blocked->fds[1], "bytes...", BYTES, 0);
}

/* ---- sockets ---- */

static void make_sockets(struct blocked *blocked)
{
    check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, blocked->fds), "socketpair");
}

static long by_recv(struct blocked *blocked)
{
    char bytes[BYTES];

    return recv(blocked->fds[0], bytes, BYTES, 0);
}

static long by_recvmsg(struct blocked *blocked)
{
    char bytes[BYTES];
    struct iovec part = {bytes, BYTES};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return recvmsg(blocked->fds[0], &message, 0);
}

static void make_timed_sockets(struct blocked *blocked)
{
    const struct timeval timeout = TIMEOUT;

    make_sockets(blocked);
    check(setsockopt(blocked->fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)),
          "setsockopt");
}

static void make_listener(struct blocked *blocked)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};

    blocked->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(blocked->fds[0], "socket");
    check(bind(blocked->fds[0], (const struct sockaddr *)&any, sizeof(any.sun_family)), "bind");
    check(listen(blocked->fds[0], 1), "listen");
}

static long by_accept(struct blocked *blocked)
{
    const int fd = accept4(blocked->fds[0], NULL, NULL, SOCK_CLOEXEC);

    return fd < 0 ? -1 : 0;
}

static void connect_to(struct blocked *blocked)
{
    struct sockaddr_un address;
    socklen_t length = sizeof(address);

    blocked->fds[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(getsockname(blocked->fds[0], (struct sockaddr *)&address, &length), "getsockname");
    check(connect(blocked->fds[1], (const struct sockaddr *)&address, length), "connect");
}

/* ---- locks ---- */

static long by_futex(struct blocked *blocked)
{
    long rc = syscall(SYS_futex, &blocked->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);

    /* It was on its way back into the call when it was woken. */
    return rc < 0 && errno == EAGAIN && blocked->word == 1 ? 0 : rc;
}

static void wake(struct blocked *blocked)
{
    blocked->word = 1;
    check(syscall(SYS_futex, &blocked->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), "futex");
}

static void open_twice(struct blocked *blocked)
{
    char path[64];

    blocked->fds[0] = memfd_create("locked", MFD_CLOEXEC);
    check(blocked->fds[0], "memfd_create");
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", blocked->fds[0]);
    blocked->fds[1] = open(path, O_RDWR | O_CLOEXEC);
    check(blocked->fds[1], path);
}

static void make_flocked(struct blocked *blocked)
{
    open_twice(blocked);
    check(flock(blocked->fds[1], LOCK_EX), "flock");
}

static long by_flock(struct blocked *blocked)
{
    return flock(blocked->fds[0], LOCK_EX);
}

static void end_flock(struct blocked *blocked)
{
    check(flock(blocked->fds[1], LOCK_UN), "flock");
}

static void make_locked(struct blocked *blocked)
{
    struct flock lock = {.l_type = F_WRLCK};

    open_twice(blocked);
    check(fcntl(blocked->fds[1], F_OFD_SETLK, &lock), "fcntl");
}

static long by_lock(struct blocked *blocked)
{
    struct flock lock = {.l_type = F_WRLCK};

    return fcntl(blocked->fds[0], F_OFD_SETLKW, &lock);
}

static void end_lock(struct blocked *blocked)
{
    struct flock lock = {.l_type = F_UNLCK};

    check(fcntl(blocked->fds[1], F_OFD_SETLK, &lock), "fcntl");
}

/* ---- children ---- */

static void make_child(struct blocked *blocked)
{
    const pid_t parent = getpid();
    char bytes[BYTES];

    make_pipe(blocked);
    blocked->pid = fork();
    check(blocked->pid, "fork");
    if (blocked->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            (void)!read(blocked->fds[0], bytes, BYTES);
        _exit(0);
    }
}

static long by_waitpid(struct blocked *blocked)
{
    return waitpid(blocked->pid, NULL, 0) == blocked->pid ? 0 : -1;
}

static long by_waitid(struct blocked *blocked)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)blocked->pid, &info, WEXITED);
}

/* ---- System V and POSIX ---- */

static void make_semaphore(struct blocked *blocked)
{
    blocked->other = semget(IPC_PRIVATE, 1, 0600);
    check(blocked->other, "semget");
}

/* One that is made again when the semaphore has gone already says so in its own way. */
static bool is_removed(int error)
{
    return error == EIDRM || error == EINVAL;
}

static long by_semop(struct blocked *blocked)
{
    struct sembuf down = {.sem_op = -1};

    return semop(blocked->other, &down, 1) < 0 && !is_removed(errno) ? -1 : 0;
}

static long by_semtimedop(struct blocked *blocked)
{
    struct sembuf down = {.sem_op = -1};
    const struct timespec timeout = TIMEOUT;

    return semtimedop(blocked->other, &down, 1, &timeout) < 0 && !is_removed(errno) ? -1 : 0;
}

static void remove_semaphore(struct blocked *blocked)
{
    check(semctl(blocked->other, 0, IPC_RMID), "semctl");
}

static void make_messages(struct blocked *blocked)
{
    blocked->other = msgget(IPC_PRIVATE, 0600);
    check(blocked->other, "msgget");
}

static long by_msgrcv(struct blocked *blocked)
{
    struct {
        long type;
        char bytes[BYTES];
    } message;

    return msgrcv(blocked->other, &message, BYTES, 0, 0) < 0 && !is_removed(errno) ? -1 : 0;
}

static void remove_messages(struct blocked *blocked)
{
    check(msgctl(blocked->other, IPC_RMID, NULL), "msgctl");
}

static void make_queue(struct blocked *blocked)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = BYTES};
    char name[64];

    (void)snprintf(name, sizeof(name), "/sdb-test-blocked-%d", (int)getpid());
    blocked->other = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    check(blocked->other, "mq_open");
    (void)mq_unlink(name);
}

static long by_mq_receive(struct blocked *blocked)
{
    char bytes[BYTES];

    return mq_receive(blocked->other, bytes, BYTES, NULL);
}

static void send_to_queue(struct blocked *blocked)
{
    check(mq_send(blocked->other, "bytes...", BYTES, 0), "mq_send");
}

/* ---- signals ---- */

static _Thread_local struct blocked *own;

static void catch (int signal)
{
    (void)signal;
    own->caught = true;
}

static long by_sigtimedwait(struct blocked *blocked)
{
    const struct timespec timeout = TIMEOUT;
    sigset_t set;

    (void)blocked;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2); /* all threads have it blocked */
    return sigtimedwait(&set, NULL, &timeout) == SIGUSR2 ? 0 : -1;
}

static void send_usr2(struct blocked *blocked)
{
    pthread_kill(blocked->thread, SIGUSR2);
}

/* A signal ends it, which is as it should be. */
static long unless_caught(struct blocked *blocked, int rc)
{
    return blocked->caught && rc < 0 && errno == EINTR ? 0 : rc;
}

static long by_pause(struct blocked *blocked)
{
    return unless_caught(blocked, pause());
}

static long by_sigsuspend(struct blocked *blocked)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGUSR1);
    return unless_caught(blocked, sigsuspend(&set));
}

/* One that comes just before the call would be missed by it. */
static void send_usr1(struct blocked *blocked)
{
    while (!blocked->over) {
        pthread_kill(blocked->thread, SIGUSR1);
        usleep(1000);
    }
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void (*prepare)(struct blocked *blocked);
    long (*call)(struct blocked *blocked); /* negative with errno, as system calls */
    void (*release)(struct blocked *blocked);
    long expected;
} calls[] = {
    {"read", make_pipe, by_read, write_bytes, BYTES},
    {"poll", make_pipe, by_poll, write_bytes, 1},
    {"ppoll", make_pipe, by_ppoll, write_bytes, 1},
    {"select", make_pipe, by_select, write_bytes, 1},
    {"pselect", make_pipe, by_pselect, write_bytes, 1},
    {"epoll_wait", make_epoll, by_epoll_wait, write_bytes, 1},
    {"read eventfd", make_eventfd, by_read, write_bytes, BYTES},
    {"read timerfd", make_timerfd, by_read, set_timer, BYTES},
    {"write", make_full_pipe, by_write, drain, BYTES},
    {"send", make_full_socket, by_send, drain, BYTES},
    {"recv", make_sockets, by_recv, write_bytes, BYTES},
    {"recvmsg", make_sockets, by_recvmsg, write_bytes, BYTES},
    {"recv SO_RCVTIMEO", make_timed_sockets, by_recv, write_bytes, BYTES},
    {"accept", make_listener, by_accept, connect_to, 0},
    {"futex", NULL, by_futex, wake, 0},
    {"flock", make_flocked, by_flock, end_flock, 0},
    {"fcntl", make_locked, by_lock, end_lock, 0},
    {"waitpid", make_child, by_waitpid, write_bytes, 0},
    {"waitid", make_child, by_waitid, write_bytes, 0},
    {"semop", make_semaphore, by_semop, remove_semaphore, 0},
    {"semtimedop", make_semaphore, by_semtimedop, remove_semaphore, 0},
    {"msgrcv", make_messages, by_msgrcv, remove_messages, 0},
    {"mq_receive", make_queue, by_mq_receive, send_to_queue, BYTES},
    {"sigtimedwait", NULL, by_sigtimedwait, send_usr2, 0},
    {"pause", NULL, by_pause, send_usr1, 0},
    {"sigsuspend", NULL, by_sigsuspend, send_usr1, 0},
};

#define COUNT (sizeof(calls) / sizeof(calls[0]))

static struct blocked all[COUNT];
static pthread_barrier_t all_there;

static void *block(void *argument)
{
    own = argument;
    (void)pthread_barrier_wait(&all_there);
    while ((own->result = calls[own - all].call(own)) < 0 && errno == EINTR)
        own->interruptions++;
    own->error = own->result < 0 ? errno : 0;
    own->over = true;
    return NULL;
}

static void start(void)
{
    struct sigaction action = {.sa_handler = catch};
    sigset_t usr2;

    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    (void)pthread_barrier_init(&all_there, NULL, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++) {
        if (calls[i].prepare)
            calls[i].prepare(&all[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (pthread_create(&all[i].thread, NULL, block, &all[i]) != 0)
            die("pthread_create");
    }
    (void)pthread_barrier_wait(&all_there);
}

int main(void)
{
    char byte;

    start();
    check(write(STDOUT_FILENO, "r", 1), "write");
    while (read(STDIN_FILENO, &byte, 1) == 1)
        continue;
    for (size_t i = 0; i < COUNT; i++)
        calls[i].release(&all[i]);
    for (size_t i = 0; i < COUNT; i++) {
        const struct blocked *blocked = &all[i];

        pthread_join(blocked->thread, NULL);
        if (blocked->result == calls[i].expected)
            (void)printf("%s: %ld, right\n", calls[i].name, blocked->interruptions);
        else
            (void)printf("%s: %ld, %ld, %s\n", calls[i].name, blocked->interruptions,
                         blocked->result, strerror(blocked->error));
    }
    return 0;
}
