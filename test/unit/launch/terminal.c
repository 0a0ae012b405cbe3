/* SPDX-License-Identifier: MIT */
/*
 * Launching: terminals.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "trial.h"

struct terminal {
    int master;
    int slave;
};

/* A terminal of the test's own. */
static struct terminal open_terminal(void)
{
    struct terminal terminal = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    const struct winsize size = {.ws_row = 11, .ws_col = 22};

    ck_assert_int_ge(terminal.master, 0);
    ck_assert_int_eq(grantpt(terminal.master), 0);
    ck_assert_int_eq(unlockpt(terminal.master), 0);
    terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(terminal.slave, 0);
    ck_assert_int_eq(ioctl(terminal.master, TIOCSWINSZ, &size), 0);
    return terminal;
}

static void close_terminal(const struct terminal *terminal)
{
    close(terminal->slave);
    close(terminal->master);
}

/* What comes out of a terminal, until so many bytes are there. */
static void read_terminal(int master, char *text, size_t count)
{
    size_t len = 0;

    while (len < count) {
        struct pollfd polled = {.fd = master, .events = POLLIN};
        ssize_t more;

        ck_assert_int_eq(poll(&polled, 1, PATIENCE_MS), 1);
        more = read(master, text + len, count - len);
        ck_assert_int_gt(more, 0);
        len += (size_t)more;
    }
    text[len] = '\0';
}

TRIAL_CASE(hosts);

TEST(program_takes_the_terminal)
{
    struct terminal terminal = open_terminal();
    struct trial trial = trial_of_state(_i);

    trial.options.flags |= SDB_LAUNCH_TERMINAL;
    trial.options.terminal_fd = terminal.slave;
    trial_tells(&trial);
    expect_told("sid %d", trial.pid);
    expect_told("pgid %d", trial.pid);
    expect_told("controlling_terminal 1");
    expect_told("terminal_size 11 22");
    /* Its descriptors are another matter. */
    expect_told("isatty 1 %d", isatty(1));
    expect_fds((const int[]){0, 1, 2}, 3);
    close_terminal(&terminal);
}

TEST(program_takes_the_terminal_that_is_mapped_too)
{
    struct terminal terminal = open_terminal();
    struct trial trial = trial_of_state(_i);
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_DUP, .source = terminal.slave},
                                 {.target = terminal.slave, .kind = SDB_FD_NULL}};

    trial.options.flags |= SDB_LAUNCH_TERMINAL | SDB_LAUNCH_FOREGROUND;
    trial.options.terminal_fd = terminal.slave;
    trial.options.fds = map;
    trial.options.fd_count = 2;
    trial_tells(&trial);
    expect_told("controlling_terminal 1");
    expect_told("foreground 1");
    expect_told("isatty 0 1");
    expect_fd_file(terminal.slave, "/dev/null");
    close_terminal(&terminal);
}

TEST(what_is_no_terminal_cannot_be_taken)
{
    struct trial trial = trial_of(_i, "exit", "0", NULL);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    trial.options.flags |= SDB_LAUNCH_TERMINAL;
    trial.options.terminal_fd = fd;
    trial_fails(&trial, -ENOTTY, SDB_STAGE_TERMINAL, -1,
                "take the controlling terminal: Inappropriate ioctl");
    close(fd);
}

TEST(terminal_that_is_not_ones_own_has_no_foreground)
{
    struct terminal terminal = open_terminal();
    struct trial trial = trial_of(_i, "exit", "0", NULL);

    /* It is nobody's controlling terminal, so it has no foreground group either. */
    trial.options.flags |= SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_FOREGROUND;
    trial.options.terminal_fd = terminal.slave;
    trial_fails(&trial, -ENOTTY, SDB_STAGE_FOREGROUND, -1,
                "become the terminal's foreground group: Inappropriate ioctl");
    close_terminal(&terminal);
}

/* The way of shells: a job in the foreground, another in the background that takes its place. */
static void launch_as_shell(void *argument)
{
    const int way = *(const int *)argument;
    struct terminal terminal = open_terminal();
    struct trial trial = trial_of_state(way);
    struct trial background = trial_of_state(way);

    ck_assert_int_ge(setsid(), 0);
    ck_assert_int_eq(ioctl(terminal.slave, TIOCSCTTY, 0), 0);
    ck_assert_int_eq(tcgetpgrp(terminal.slave), getpgrp());

    background.options.flags |= SDB_LAUNCH_SET_GROUP;
    trial_tells(&background);
    expect_told("controlling_terminal 1");
    expect_told("foreground 0");
    ck_assert_int_eq(tcgetpgrp(terminal.slave), getpgrp());

    trial.options.flags |= SDB_LAUNCH_SET_GROUP | SDB_LAUNCH_FOREGROUND;
    trial.options.terminal_fd = terminal.slave;
    trial_tells(&trial);
    expect_told("controlling_terminal 1");
    expect_told("foreground 1");
    expect_told("sid %d", getsid(0));
    ck_assert_int_eq(tcgetpgrp(terminal.slave), trial.pid);

    /* Once more, from the background now: neither the host nor the program is stopped for it. */
    trial_tells(&trial);
    expect_told("foreground 1");
    ck_assert_int_eq(tcgetpgrp(terminal.slave), trial.pid);

    /* The host's own group. */
    trial.options.flags &= ~SDB_LAUNCH_SET_GROUP;
    trial_tells(&trial);
    expect_told("foreground 1");
    ck_assert_int_eq(tcgetpgrp(terminal.slave), getpgrp());
    /* Closing the master would hang this process up. */
}

TEST(program_becomes_the_foreground_without_a_stop)
{
    int way = _i;

    trial_in_fork(launch_as_shell, &way);
}

TRIAL_CASE(own);

static struct trial trial_of_pty(struct trial trial, int32_t *master)
{
    trial.options.flags |= SDB_LAUNCH_PTY;
    trial.options.pty_master = master;
    return trial;
}

TEST(program_has_a_terminal_of_its_own)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_state(_i), &master);

    trial.options.pty_rows = 33;
    trial.options.pty_columns = 44;
    trial_tells(&trial);
    ck_assert_int_gt(master, 2);
    ck_assert_int_eq(fcntl(master, F_GETFD), FD_CLOEXEC);
    close(master);
    expect_fds((const int[]){0, 1, 2}, 3);
    expect_told("isatty 0 1");
    expect_told("isatty 1 1");
    expect_told("isatty 2 1");
    expect_told("controlling_terminal 1");
    expect_told("terminal_size 33 44");
    expect_told("foreground 1");
    expect_told("sid %d", trial.pid);
    expect_told("fd_mode 0 %d", O_RDWR);
}

TEST(terminal_without_a_size_has_none)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_state(_i), &master);

    trial_tells(&trial);
    expect_told("terminal_size 0 0");
    close(master);
}

TEST(map_goes_before_the_terminal)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_state(_i), &master);
    const struct sdb_fd map[] = {{.target = 1, .kind = SDB_FD_NULL},
                                 {.target = 9, .kind = SDB_FD_PTY},
                                 {.target = 2, .kind = SDB_FD_LIKE, .source = 9}};

    trial.options.fds = map;
    trial.options.fd_count = 3;
    trial_tells(&trial);
    close(master);
    expect_fds((const int[]){0, 1, 2, 9}, 4);
    expect_told("isatty 0 1");
    expect_told("isatty 1 0");
    expect_told("isatty 2 1");
    ck_assert_int_eq(strncmp(told_value("fd 9"), "/dev/pts/", 9), 0);
}

TEST(terminal_stays_the_programs_though_nothing_is_open_on_it)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_state(_i), &master);
    const struct sdb_fd map[] = {{.target = 0, .kind = SDB_FD_NULL},
                                 {.target = 1, .kind = SDB_FD_NULL},
                                 {.target = 2, .kind = SDB_FD_NULL}};

    trial.options.fds = map;
    trial.options.fd_count = 3;
    trial_tells(&trial);
    close(master);
    expect_told("isatty 0 0");
    expect_told("controlling_terminal 1");
    expect_told("foreground 1");
}

TEST(master_carries_output_and_then_its_end)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of(_i, "echo", "hello", NULL), &master);
    char text[16];

    trial_start(&trial);
    read_terminal(master, text, 5);
    ck_assert_str_eq(text, "hello");
    trial_end(&trial);
    /* Nobody has the other side any more, the host least of all. */
    ck_assert_int_eq(read(master, text, sizeof(text)), -1);
    ck_assert_int_eq(errno, EIO);
    close(master);
}

TEST(interrupt_key_reaches_the_program)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of(_i, "wait", NULL, NULL), &master);
    char text[16];

    trial_start(&trial);
    read_terminal(master, text, 1);
    ck_assert_int_eq(write(master, "\003", 1), 1);
    trial_end(&trial);
    ck_assert_uint_eq(trial.status.how, SDB_KILLED);
    ck_assert_int_eq(trial.status.code, SIGINT);
    close(master);
}

TEST(program_is_hung_up_when_its_master_is_closed)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_state(_i), &master);
    char text[16];

    trial.argv[1] = "terminal";
    trial_start(&trial);
    read_terminal(master, text, 1);
    close(master);
    trial_end(&trial);
    ck_assert_uint_eq(trial.status.how, SDB_KILLED);
    ck_assert_int_eq(trial.status.code, SIGHUP);
}

TEST(failed_launch_hands_no_master_over)
{
    int32_t master = -7;
    struct trial trial = trial_of_pty(trial_of_nothing(_i), &master);

    trial.options.path = "/nowhere";
    trial_fails(&trial, -ENOENT, SDB_STAGE_EXEC, -1, "execute \"/nowhere\": No such file");
    ck_assert_int_eq(master, -7);
}

int main(void)
{
    return trial_run_suite("launch: terminals");
}
