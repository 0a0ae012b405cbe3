/* SPDX-License-Identifier: MIT */
/*
 * What the launch tests start: a program that tells what it was given.
 *
 *     state FILE ...   writes its own state to FILE, one "name value" a line, and exits with 0
 *     exit N           exits with code N
 *     kill SIG         dies of signal SIG
 *     echo TEXT        writes TEXT to its standard output
 *     touch FILE       makes FILE
 *     cat              copies its standard input to its standard output until it ends
 *     wait             writes one byte, then waits for the end of its standard input
 *     hold FILE        opens FILE for writing, then as wait
 *     (nothing)      as state, with FILE from the environment variable REPORT_STATE
 *     terminal FILE    as state, then writes one byte to its controlling terminal and waits for ever
 *
 * It is statically linked, so that all it has is what it was given.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LONGEST_STAND_S 60

extern char **environ;

static char text[1 << 20];
static FILE *out;

static void tell_descriptor(int fd)
{
    char name[64];
    char target[512];
    struct stat status;
    ssize_t len;

    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    len = readlink(name, target, sizeof(target) - 1);
    target[len < 0 ? 0 : len] = '\0';
    if (fstat(fd, &status) < 0)
        return;
    fprintf(out, "fd %d %s\n", fd, target);
    fprintf(out, "fd_file %d %ju:%ju\n", fd, (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    fprintf(out, "fd_mode %d %d\n", fd, fcntl(fd, F_GETFL) & O_ACCMODE);
    fprintf(out, "fd_append %d %d\n", fd, (fcntl(fd, F_GETFL) & O_APPEND) != 0);
    fprintf(out, "fd_flags %d %d\n", fd, fcntl(fd, F_GETFD));
}

/* Before anything is opened here. */
static void tell_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    if (!directory) {
        fprintf(out, "fds unknown\n");
        return;
    }
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
            continue;
        tell_descriptor(atoi(entry->d_name));
        count++;
    }
    closedir(directory);
    fprintf(out, "fds %d\n", count);
}

/* Lines of /proc/self/status that no system call gives. */
static void tell_status(void)
{
    static const char *const wanted[] = {"SigIgn", "SigCgt", "SigPnd", "ShdPnd", "Seccomp"};
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof(line), status)) {
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            size_t len = strlen(wanted[i]);

            if (strncmp(line, wanted[i], len) == 0 && line[len] == ':')
                fprintf(out, "%s %s", wanted[i], line + len + 2);
        }
    }
    if (status)
        fclose(status);
}

static void tell_cgroups(void)
{
    char line[512];
    FILE *cgroups = fopen("/proc/self/cgroup", "re");

    while (cgroups && fgets(line, sizeof(line), cgroups))
        fprintf(out, "cgroup %s", line);
    if (cgroups)
        fclose(cgroups);
}

static void tell_terminal(void)
{
    struct winsize size = {0};
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    for (int stdio = 0; stdio < 3; stdio++)
        fprintf(out, "isatty %d %d\n", stdio, isatty(stdio));
    fprintf(out, "controlling_terminal %d\n", fd >= 0);
    if (fd < 0)
        return;
    (void)ioctl(fd, TIOCGWINSZ, &size);
    fprintf(out, "terminal_size %u %u\n", size.ws_row, size.ws_col);
    fprintf(out, "foreground %d\n", tcgetpgrp(fd) == getpgrp());
    close(fd);
}

static void tell_identity(void)
{
    uid_t uids[3];
    gid_t gids[3];
    gid_t groups[256];
    int count = getgroups(256, groups);

    fprintf(out, "pid %d\nppid %d\npgid %d\nsid %d\n", getpid(), getppid(), getpgrp(), getsid(0));
    (void)getresuid(&uids[0], &uids[1], &uids[2]);
    (void)getresgid(&gids[0], &gids[1], &gids[2]);
    fprintf(out, "uid %u %u %u\n", uids[0], uids[1], uids[2]);
    fprintf(out, "gid %u %u %u\n", gids[0], gids[1], gids[2]);
    fprintf(out, "groups");
    for (int i = 0; i < count; i++)
        fprintf(out, " %u", groups[i]);
    fprintf(out, "\n");
}

static void tell_limits(void)
{
    struct rlimit limit;
    cpu_set_t cpus;

    for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
        if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
            fprintf(out, "rlimit %d %ju %ju\n", i, (uintmax_t)limit.rlim_cur,
                    (uintmax_t)limit.rlim_max);
    }
    CPU_ZERO(&cpus);
    (void)sched_getaffinity(0, sizeof(cpus), &cpus);
    fprintf(out, "cpus");
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &cpus))
            fprintf(out, " %zu", i);
    }
    fprintf(out, "\n");
    errno = 0;
    fprintf(out, "nice %d", getpriority(PRIO_PROCESS, 0));
    fprintf(out, "%s%s\n", errno ? " " : "", errno ? strerrorname_np(errno) : "");
}

static void tell_rest(int argc, char **argv)
{
    char path[4096];
    uint64_t blocked = 0;
    int death_signal = -1;
    mode_t mask = umask(0);
    ssize_t len;

    fprintf(out, "umask %04o\n", mask);
    fprintf(out, "cwd %s\n", getcwd(path, sizeof(path)) ? path : "?");
    len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    fprintf(out, "exe %s\n", path);
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
    fprintf(out, "SigBlk %016" PRIx64 "\n", blocked);
    (void)prctl(PR_GET_PDEATHSIG, &death_signal);
    fprintf(out, "death_signal %d\n", death_signal);
    fprintf(out, "no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    fprintf(out, "dumpable %d\n", prctl(PR_GET_DUMPABLE));
    fprintf(out, "no_aslr %d\n", (personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0);
    fprintf(out, "execfn %s\n", (const char *)getauxval(AT_EXECFN));
    fprintf(out, "argc %d\n", argc);
    for (int i = 0; i < argc; i++)
        fprintf(out, "argv %d %s\n", i, argv[i]);
    for (char **variable = environ; *variable; variable++)
        fprintf(out, "env %s\n", *variable);
    fprintf(out, "end\n");
}

static int tell_state(const char *path, int argc, char **argv)
{
    FILE *file;
    int failed;

    out = fmemopen(text, sizeof(text), "w");
    if (!out)
        return 124;
    tell_descriptors();
    tell_status();
    tell_cgroups();
    tell_terminal();
    tell_identity();
    tell_limits();
    tell_rest(argc, argv);
    if (fclose(out) != 0)
        return 123;

    file = fopen(path, "we");
    if (!file)
        return 122;
    failed = fputs(text, file) < 0;
    return fclose(file) != 0 || failed ? 121 : 0;
}

/* Whether the descriptor is as one of the arguments says. */
static bool is_expected(int fd, int count, char **expected)
{
    char name[128];
    struct stat status;

    if (fstat(fd, &status) < 0 || fcntl(fd, F_GETFD) != 0)
        return false;
    (void)snprintf(name, sizeof(name), "%d=%ju:%ju", fd, (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    for (int i = 0; i < count; i++) {
        if (strcmp(expected[i], name) == 0)
            return true;
    }
    return false;
}

static int compare_descriptors(int count, char **expected)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int seen = 0;

    if (!directory)
        return 119;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
            continue;
        if (!is_expected(atoi(entry->d_name), count, expected))
            return 1;
        seen++;
    }
    return seen == count ? 0 : 2;
}

static int copy(void)
{
    char bytes[4096];
    ssize_t count;

    while ((count = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
        if (write(STDOUT_FILENO, bytes, (size_t)count) != count)
            return 1;
    }
    return count < 0 ? 2 : 0;
}

static int wait_for_end(void)
{
    char byte;

    if (write(STDOUT_FILENO, "r", 1) != 1)
        return 1;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}

static int die_of(int signal)
{
    static const struct rlimit none;

    (void)setrlimit(RLIMIT_CORE, &none);
    raise(signal);
    return 3;
}

/* A terminal that hangs up sends SIGHUP, which ends this; a failed test may have it ignored. */
static int stand_on_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

    (void)alarm(LONGEST_STAND_S);
    if (fd < 0 || write(fd, "r", 1) != 1)
        return 4;
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *operand = argc > 2 ? argv[2] : "";
    int rc;

    if (argc <= 1 && getenv("REPORT_STATE"))
        return tell_state(getenv("REPORT_STATE"), argc, argv);
    if (strcmp(what, "state") == 0)
        return tell_state(operand, argc, argv);
    if (strcmp(what, "fds") == 0)
        return compare_descriptors(argc - 2, argv + 2);
    if (strcmp(what, "exit") == 0)
        return atoi(operand);
    if (strcmp(what, "kill") == 0)
        return die_of(atoi(operand));
    if (strcmp(what, "echo") == 0)
        return write(STDOUT_FILENO, operand, strlen(operand)) == (ssize_t)strlen(operand) ? 0 : 1;
    if (strcmp(what, "touch") == 0)
        return open(operand, O_WRONLY | O_CREAT, 0666) >= 0 ? 0 : 1;
    if (strcmp(what, "cat") == 0)
        return copy();
    if (strcmp(what, "wait") == 0)
        return wait_for_end();
    if (strcmp(what, "hold") == 0)
        return open(operand, O_WRONLY) >= 0 ? wait_for_end() : 1;
    if (strcmp(what, "terminal") == 0) {
        rc = tell_state(operand, argc, argv);
        return rc != 0 ? rc : stand_on_terminal();
    }
    return 120;
}
