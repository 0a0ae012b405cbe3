/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leftovers.h"

#define STATE_FILE  "state"
#define PATHS_KEPT  16
#define DESCRIPTORS 4096

static char directory[256];
static char state[1 << 20];

/* ---- fixtures ---- */

void trial_enter_directory(void)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(directory, sizeof(directory), "%s/sdb-launch-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_int_eq(chdir(directory), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

void trial_leave_directory(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void trial_take_stock(void)
{
    sdb_launch_trim();
    leftovers_take_stock();
}

void trial_check_stock(void)
{
    leftovers_check_stock();
}

const struct suite_kind trial_case = {
    .rounds = WAY_COUNT,
    .enter = trial_enter_directory,
    .leave = trial_leave_directory,
    .set_up = trial_take_stock,
    .tear_down = trial_check_stock,
};

/* Tests use high numbers; the usual limit of 1,024 is too low for them, but may be raised. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whoever runs this may ignore some, as nohup does, and Check would wait for ever without SIGCHLD. */
static void reset_signals(void)
{
    static const int reset[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGXFSZ};

    for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
        (void)signal(reset[i], SIG_DFL);
}

int trial_run_suite(const char *name)
{
    raise_descriptor_limit();
    reset_signals();
    return run_suite(name);
}

const char *trial_path(const char *name)
{
    static char paths[PATHS_KEPT][512];
    static unsigned next;
    char *path = paths[next++ % PATHS_KEPT];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

void trial_write_file(const char *name, const void *bytes, size_t size, unsigned mode)
{
    const char *path = trial_path(name);
    int fd;

    (void)unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    ck_assert_int_eq(close(fd), 0);
}

void trial_copy_report(const char *name, unsigned mode)
{
    struct stat status;
    int fd = open(REPORT, O_RDONLY | O_CLOEXEC);
    char *bytes;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(read(fd, bytes, (size_t)status.st_size), status.st_size);
    close(fd);
    trial_write_file(name, bytes, (size_t)status.st_size, mode);
    free(bytes);
}

void trial_in_fork(void (*body)(void *), void *argument)
{
    int status;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(argument);
        (void)fflush(stdout);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    /* A failed assertion has said in the child what there is to say. */
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        _exit(WEXITSTATUS(status));
    ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
}

bool trial_is_root(void)
{
    if (geteuid() == 0)
        return true;
    printf("not root: changes of user are not tested\n");
    return false;
}

/* ---- launching ---- */

struct trial trial_of_nothing(int way)
{
    struct trial trial = {.options = SDB_LAUNCH_OPTIONS_INIT,
                          .error = SDB_ERROR_INIT,
                          .status = SDB_EXIT_STATUS_INIT};

    if (way == WAY_PORTABLE)
        trial.options.flags = SDB_LAUNCH_PORTABLE;
    return trial;
}

struct trial trial_of(int way, const char *what, const char *first, const char *second)
{
    struct trial trial = trial_of_nothing(way);

    trial.options.path = REPORT;
    trial.argv[0] = REPORT;
    trial.argv[1] = what;
    trial.argv[2] = first;
    trial.argv[3] = second;
    return trial;
}

struct trial trial_of_state(int way)
{
    /* Whoever the program is, it may write here. */
    trial_write_file(STATE_FILE, "", 0, 0666);
    return trial_of(way, "state", trial_path(STATE_FILE), NULL);
}

void trial_set_map(struct trial *trial, const struct sdb_fd *map, size_t count)
{
    trial->options.fds = map;
    trial->options.fd_count = count;
}

struct sdb_fd trial_dup(int target, int source)
{
    return (struct sdb_fd){.target = target, .kind = SDB_FD_DUP, .source = source};
}

void trial_set_pipes(struct trial *trial, struct trial_pipes *pipes)
{
    *pipes = (struct trial_pipes){
        .input = -1,
        .output = -1,
        .map = {{.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &pipes->input},
                {.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &pipes->output}},
    };
    trial_set_map(trial, pipes->map, 2);
}

int trial_try(struct trial *trial)
{
    int rc;

    /* Not before: a trial may have been copied. */
    if (trial->argv[0])
        trial->options.argv = trial->argv;
    rc = sdb_launch(&trial->options, &trial->child, &trial->error);
    trial->pid = rc == 0 ? sdb_child_pid(trial->child) : 0;
    return rc;
}

void trial_start(struct trial *trial)
{
    char sentence[512];
    int rc = trial_try(trial);

    sdb_error_format(&trial->error, sentence, sizeof(sentence));
    ck_assert_msg(rc == 0, "%s", sentence);
    ck_assert_ptr_nonnull(trial->child);
    ck_assert_int_eq(trial->error.code, 0);
}

void trial_end(struct trial *trial)
{
    int rc = sdb_child_wait(trial->child, PATIENCE_MS, &trial->status);

    ck_assert_msg(rc == 0, "wait: %s", sdb_error_describe(rc));
    sdb_child_close(trial->child);
    trial->child = NULL;
}

void trial_exits(struct trial *trial, int code)
{
    trial_start(trial);
    trial_end(trial);
    ck_assert_uint_eq(trial->status.how, SDB_EXITED);
    ck_assert_int_eq(trial->status.code, code);
}

void trial_dies(struct trial *trial, int signal)
{
    trial_start(trial);
    trial_end(trial);
    ck_assert_uint_eq(trial->status.how, SDB_KILLED);
    ck_assert_int_eq(trial->status.code, signal);
}

void trial_fails(struct trial *trial, int code, enum sdb_stage stage, int index, const char *words)
{
    struct sdb_child *untouched = (struct sdb_child *)&trial->options;
    struct leftovers before;
    char sentence[512];
    int rc;

    sdb_launch_trim();
    leftovers_note(&before);
    trial->child = untouched;
    rc = trial_try(trial);
    sdb_error_format(&trial->error, sentence, sizeof(sentence));
    ck_assert_msg(rc == code, "%s, not %s: %s", strerrorname_np(-rc), strerrorname_np(-code),
                  sentence);
    ck_assert_ptr_eq(trial->child, untouched);
    trial->child = NULL;

    ck_assert_int_eq(trial->error.code, code);
    ck_assert_msg(trial->error.stage == stage, "at stage %d, not %d: %s", (int)trial->error.stage,
                  (int)stage, sentence);
    ck_assert_msg(trial->error.index == index, "index %d, not %d: %s", trial->error.index, index,
                  sentence);
    ck_assert_int_eq(trial->error.warning, 0);
    ck_assert_msg(strstr(sentence, words) != NULL, "\"%s\" is not in: %s", words, sentence);

    /* Without an error struct it is the same. */
    ck_assert_int_eq(sdb_launch(&trial->options, &trial->child, NULL), code);
    ck_assert_ptr_null(trial->child);
    sdb_launch_trim();
    leftovers_check(&before);
}

void trial_is_refused(struct trial *trial, int code, int index, const char *words)
{
    trial_fails(trial, code, SDB_STAGE_ARGUMENTS, index, words);
    ck_assert_int_eq(trial->error.tid, 0);
}

/* ---- what the program tells ---- */

void trial_read_state(void)
{
    int fd = open(trial_path(STATE_FILE), O_RDONLY | O_CLOEXEC);
    ssize_t len;

    ck_assert_int_ge(fd, 0);
    len = read(fd, state, sizeof(state) - 1);
    close(fd);
    ck_assert_int_gt(len, 0);
    state[len] = '\0';
    ck_assert_msg(told("end"), "what was told has no end:\n%s", state);
}

void trial_tells(struct trial *trial)
{
    trial_exits(trial, 0);
    trial_read_state();
}

/* The first line from here on that begins with the text, or NULL. */
static const char *find_line(const char *from, const char *text)
{
    size_t len = strlen(text);

    for (const char *line = from; line && *line;) {
        if (strncmp(line, text, len) == 0)
            return line;
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return NULL;
}

bool told(const char *format, ...)
{
    char wanted[8192];
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(wanted, sizeof(wanted) - 1, format, arguments);
    va_end(arguments);
    ck_assert_int_lt(len, (int)sizeof(wanted) - 1);
    wanted[len] = '\n';
    wanted[len + 1] = '\0';
    return find_line(state, wanted) != NULL;
}

void expect_told(const char *format, ...)
{
    char wanted[8192];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(wanted, sizeof(wanted), format, arguments);
    va_end(arguments);
    if (!told("%s", wanted)) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(wanted, " "), wanted);
        ck_abort_msg("\"%s\" was not told, but \"%s %s\"", wanted, name, told_value(name));
    }
}

const char *told_value(const char *name)
{
    static char value[8192];
    char start[256];
    const char *line;

    (void)snprintf(start, sizeof(start), "%s ", name);
    line = find_line(state, start);
    value[0] = '\0';
    if (line) {
        line += strlen(start);
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\n"), line);
    }
    return value;
}

int told_count(const char *name)
{
    char start[256];
    int count = 0;

    (void)snprintf(start, sizeof(start), "%s ", name);
    for (const char *line = find_line(state, start); line; line = find_line(line, start)) {
        count++;
        line += strcspn(line, "\n");
    }
    return count;
}

void expect_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_told("fd_flags %d 0", fds[i]);
    expect_told("fds %zu", count);
}

void expect_fd_file(int fd, const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    expect_told("fd_file %d %ju:%ju", fd, (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
}
