/* SPDX-License-Identifier: MIT */
/*
 * loop: a session in an event loop, beside a timer and a server.
 *
 *     loop [--socket PATH] [--no-io-uring] [--] command [argument...]
 *     loop --ask PATH
 *
 * It runs a command, follows all processes that come of it, and counts their events.  Each tenth of a
 * second it says on standard error how far it is; whoever connects to the Unix socket PATH is told,
 * too, and --ask does so.  It ends with the command, and its exit code is the command's, or 128 and the
 * number of the signal that killed it.
 */
#include <sdb/sdb.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_OUR_FAULT = 125, EXIT_NOT_STARTED = 127, EXIT_KILLED = 128 };

#define TICK_NS 100000000 /* a tenth of a second */

/* What is watched, in the order of struct loop's descriptors. */
enum { SESSION, TIMER, SERVER, WATCHED };

struct loop {
    struct sdb_session *session;
    int fds[WATCHED];
    int epoll;
    int command; /* its process id */
    unsigned long processes;
    unsigned long events;
    unsigned long ticks;
    bool ended;
    int code; /* the exit code, once it has ended */
};

static bool complain(const char *what, int code)
{
    fprintf(stderr, "loop: %s: %s\n", what, sdb_error_describe(code));
    return false;
}

static bool set_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path))
        return complain(path, -ENAMETOOLONG);
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

static int open_server(const char *path)
{
    struct sockaddr_un address;
    int fd;

    if (!set_address(&address, path))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        complain(path, -errno); /* EADDRINUSE also stands for a file that is there already */
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (listen(fd, 8) < 0)
        complain("listen", -errno);
    return fd;
}

static int open_timer(void)
{
    const struct itimerspec often = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0 || timerfd_settime(fd, 0, &often, NULL) < 0)
        complain("timer", -errno);
    return fd;
}

/* Take all events that are there. */
static bool take_events(struct loop *loop)
{
    struct sdb_event event = SDB_EVENT_INIT;
    int rc;

    while (!loop->ended && (rc = sdb_session_wait(loop->session, 0, &event)) == 0) {
        loop->events++;
        if ((event.kind == SDB_EVENT_FORK || event.kind == SDB_EVENT_VFORK ||
             event.kind == SDB_EVENT_CLONE) &&
            event.new_process != event.process)
            loop->processes++;
        if (event.kind == SDB_EVENT_EXITED && sdb_process_pid(event.process) == loop->command) {
            loop->ended = true;
            loop->code = event.status->code;
            if (event.status->how == SDB_KILLED)
                loop->code += EXIT_KILLED;
        }
        rc = sdb_event_resume(&event); /* a signal reaches the process */
        if (rc < 0 && rc != -ESRCH)    /* ESRCH: it was killed just now; its end is an event */
            return complain("resume", rc);
    }
    return loop->ended || rc == -ETIMEDOUT || complain("wait", rc);
}

static bool take_tick(struct loop *loop)
{
    uint64_t ticks;

    if (read(loop->fds[TIMER], &ticks, sizeof(ticks)) != sizeof(ticks))
        return errno == EAGAIN || complain("timer", -errno);
    loop->ticks += ticks;
    fprintf(stderr, "loop: %lu.%lu s, %lu processes, %lu events\n", loop->ticks / 10,
            loop->ticks % 10, loop->processes, loop->events);
    return true;
}

static bool answer(struct loop *loop)
{
    int fd = accept(loop->fds[SERVER], NULL, NULL);
    char text[80];
    int len;

    if (fd < 0)
        return errno == EAGAIN || errno == ECONNABORTED || complain("accept", -errno);
    len =
        snprintf(text, sizeof(text), "%lu processes, %lu events\n", loop->processes, loop->events);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        complain("answer", -errno); /* that client's loss */
    close(fd);
    return true;
}

static bool watch(struct loop *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < WATCHED; i++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = i};

        if (loop->fds[i] >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->fds[i], &wanted) < 0)
            return complain("epoll", -errno);
    }
    return true;
}

static bool run(struct loop *loop)
{
    static bool (*const take[WATCHED])(struct loop *) = {
        [SESSION] = take_events, [TIMER] = take_tick, [SERVER] = answer};
    struct epoll_event ready;

    if (!take_events(loop)) /* what has come before the first wait */
        return false;
    while (!loop->ended) {
        int count = epoll_wait(loop->epoll, &ready, 1, -1);

        if (count < 0 && errno != EINTR)
            return complain("epoll", -errno);
        if (count > 0 && !take[ready.data.u32](loop))
            return false;
    }
    return true;
}

/* Launch the command.  Returns 0, or the exit code that tells of the failure. */
static int start(struct loop *loop, char **argv)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_process *process;
    char text[512];
    int rc;

    options.argv = (const char *const *)argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    if (sdb_session_launch(loop->session, &options, &process, &error) < 0) {
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "loop: %s\n", text);
        return EXIT_NOT_STARTED;
    }
    loop->command = sdb_process_pid(process);
    loop->processes = 1;
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the command, whose end we tell */
    signal(SIGQUIT, SIG_IGN);
    rc = sdb_process_set_follow(process, SDB_FOLLOW_ALL);
    if (rc == 0) /* what the command leaves behind shall go on */
        rc = sdb_process_set_release(process, SDB_RELEASE_RUN);
    if (rc == 0)
        rc = sdb_process_resume(process, SDB_RESUME_CONTINUE);
    if (rc == 0 || rc == -ESRCH) /* ESRCH: it was killed already; its end is an event */
        return 0;
    complain("launch", rc);
    return EXIT_OUR_FAULT;
}

static int run_command(struct loop *loop, uint64_t flags, const char *path, char **argv)
{
    struct sdb_session_options options = SDB_SESSION_OPTIONS_INIT;
    int code;

    options.flags = flags;
    code = sdb_session_create(&options, &loop->session);
    if (code < 0) {
        complain("session", code);
        return EXIT_OUR_FAULT;
    }
    loop->fds[SESSION] = sdb_session_fd(loop->session);
    loop->fds[TIMER] = open_timer();
    loop->fds[SERVER] = path ? open_server(path) : -1;
    code = EXIT_OUR_FAULT;
    if (loop->fds[SESSION] < 0)
        complain("session", loop->fds[SESSION]);
    else if (loop->fds[TIMER] >= 0 && (!path || loop->fds[SERVER] >= 0) && watch(loop))
        code = start(loop, argv);
    if (code == 0)
        code = run(loop) ? loop->code : EXIT_OUR_FAULT;
    if (path && loop->fds[SERVER] >= 0)
        unlink(path);
    sdb_session_destroy(loop->session); /* the other descriptors go with the process */
    return code;
}

static int ask(const char *path)
{
    struct sockaddr_un address;
    char text[80];
    ssize_t len;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!set_address(&address, path))
        return EXIT_FAILURE;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        complain(path, -errno);
        return EXIT_FAILURE;
    }
    while ((len = read(fd, text, sizeof(text))) > 0)
        fwrite(text, 1, (size_t)len, stdout);
    close(fd);
    return len == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"no-io-uring", no_argument, NULL, 'n'},
                                            {"ask", required_argument, NULL, 'a'},
                                            {0}};
    struct loop loop = {0};
    const char *path = NULL;
    uint64_t flags = 0;
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'a')
            return ask(optarg);
        if (option == 's')
            path = optarg;
        else if (option == 'n')
            flags = SDB_SESSION_NO_IO_URING;
        else
            optind = argc;
    }
    if (optind >= argc) {
        fputs("usage: loop [--socket PATH] [--no-io-uring] [--] command [argument...]\n"
              "       loop --ask PATH\n",
              stderr);
        return EXIT_OUR_FAULT;
    }
    return run_command(&loop, flags, path, argv + optind);
}
