/* SPDX-License-Identifier: MIT */
/*
 * Real programs: held whole from their beginning, with all that is born of them; and attached to, held
 * and let go many times while they work.  Their own results must be what they are without us.
 *
 * What is not installed is skipped, and said so.  Where the environment has CI set, there are fewer
 * rounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#include "host.h"
#include "racing.h"
#include "witness.h"

#define MOST_OUTPUT 4096

struct program {
    const char *argv[8];
    const char
        *ready; /* a line that it writes when it is at work, and expects a byte after; or NULL */
    const char *output; /* all that it writes after that */
    const char *over; /* a file that tells it to come to its end; NULL: the end of its input does */
};

/* Each program has a directory of its own. */
static const struct suite_kind program_case = {
    .rounds = HOLDING_WAYS,
    .enter = trial_enter_directory,
    .leave = trial_leave_directory,
    .set_up = holding_take_stock,
    .tear_down = holding_check_stock,
};

static int most_rounds(void)
{
    return rounds(getenv("CI") ? 40 : 200);
}

/* @return whether a program is there; says so if not */
static bool is_installed(const char *name)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
    if (system(command) == 0)
        return true;
    (void)printf("%s is not installed: skipped\n", name);
    return false;
}

/* ---- its streams ---- */

struct streams {
    int input;
    int output;
    char text[MOST_OUTPUT];
    size_t length;
};

static struct sdb_launch_options options_of(const struct program *program, struct sdb_fd fds[2],
                                            struct streams *streams)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;

    *streams = (struct streams){.input = -1, .output = -1};
    fds[0] = (struct sdb_fd){.target = 0, .kind = SDB_FD_READ_PIPE, .host_fd = &streams->input};
    fds[1] = (struct sdb_fd){.target = 1, .kind = SDB_FD_WRITE_PIPE, .host_fd = &streams->output};
    options.argv = program->argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    options.fds = fds;
    options.fd_count = 2;
    return options;
}

/* Take what is there.  @return whether there may be more */
static bool read_output(struct streams *streams, int timeout_ms)
{
    struct pollfd polled = {.fd = streams->output, .events = POLLIN};
    ssize_t count;

    if (poll(&polled, 1, timeout_ms) != 1)
        return true;
    count = read(streams->output, streams->text + streams->length,
                 sizeof(streams->text) - 1 - streams->length);
    if (count <= 0)
        return false;
    streams->length += (size_t)count;
    streams->text[streams->length] = '\0';
    ck_assert_uint_lt(streams->length, sizeof(streams->text) - 1);
    return true;
}

static void read_to_end(struct streams *streams)
{
    while (read_output(streams, PATIENCE_MS))
        continue;
    close(streams->output);
    if (streams->input >= 0)
        close(streams->input);
}

/* ---- held whole ---- */

/* See a program and all that is born of it from its first instruction to its end. */
static void follow(int way, const struct program *program, bool all_stop)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *process = NULL;
    struct sdb_fd fds[2];
    struct streams streams;
    const struct sdb_launch_options options = options_of(program, fds, &streams);
    struct witness witness;
    int code = -1;

    begin(way);
    ck_assert_int_eq(sdb_session_launch(session, &options, &process, NULL), 0);
    ck_assert_int_eq(sdb_process_set_follow(process, SDB_FOLLOW_ALL), 0);
    if (all_stop)
        ck_assert_int_eq(sdb_process_set_stop_mode(process, SDB_ALL_STOP), 0);
    witness_begin(&witness, session, 0);
    witness.all_stop = all_stop;
    witness_hold(&witness, process);
    witness_resume_process(&witness, process);
    close(streams.input);
    streams.input = -1;
    while (witness_next(&witness, &event)) {
        if (event.kind == SDB_EVENT_EXITED && event.process == process)
            code = event.status->code;
        witness_resume(&witness, &event);
        (void)read_output(&streams, 0); /* it shall not have to wait for us */
    }
    witness_end(&witness);
    ck_assert_int_eq(code, 0);
    read_to_end(&streams);
    if (program->ready) {
        const size_t length = strlen(program->ready);

        ck_assert(strncmp(streams.text, program->ready, length) == 0);
        memmove(streams.text, streams.text + length, strlen(streams.text + length) + 1);
    }
    ck_assert_str_eq(streams.text, program->output);
    finish();
}

/* ---- attached to while it works ---- */

static void hold_once(int32_t pid, int round)
{
    struct sdb_event event = SDB_EVENT_INIT;
    struct sdb_process *process = attach(pid);
    struct witness witness;

    witness_begin(&witness, session, 0);
    witness_hold(&witness, process);
    if (round % 3 > 0) {
        witness_resume_process(&witness, process);
        ck_assert_msg(!witness_run(&witness, 20, 1), "it has ended in the middle of its work");
    }
    if (round % 3 == 2) {
        stop_process(process);
        witness_stopped(&witness, process);
    }
    detach(process);
    witness_let_go(&witness, process);
    witness_end(&witness);
    /* What waits in vfork is let go by those who wait. */
    ck_assert_int_eq(sdb_session_wait(session, PATIENCE_MS, &event), -ECHILD);
}

static void attach_often(int way, const struct program *program)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *child = NULL;
    struct sdb_fd fds[2];
    struct streams streams;
    struct sdb_launch_options options = options_of(program, fds, &streams);
    const int64_t end = host_now_ms() + PATIENCE_MS;

    options.death_signal = SIGKILL;
    ck_assert_int_eq(sdb_launch(&options, &child, NULL), 0);
    while (!strchr(streams.text, '\n')) {
        ck_assert_msg(host_now_ms() < end, "it does not begin");
        ck_assert_msg(read_output(&streams, 100), "it has ended too early");
    }
    ck_assert_str_eq(streams.text, program->ready);
    streams.length = 0;
    streams.text[0] = '\0';

    begin(way);
    for (int round = 0; round < most_rounds(); round++)
        hold_once(sdb_child_pid(child), round);
    if (program->over)
        trial_write_file(program->over, "", 0, 0600);
    close(streams.input); /* now it shall come to its end */
    streams.input = -1;
    for (int round = 0; round < 3; round++) {
        struct sdb_process *process = NULL;

        if (sdb_session_attach(session, sdb_child_pid(child), &process, NULL) == 0)
            (void)sdb_process_detach(process, SDB_RELEASE_RUN, NULL);
    }
    finish();
    read_to_end(&streams);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    ck_assert_str_eq(streams.text, program->output);
    sdb_child_close(child);
}

SUITE_CASE(python_with_threads_and_subprocesses_is_held_whole, program_case);

static const char python_text[] =
    "import hashlib, subprocess, sys, threading\n"
    "over = False\n"
    "wrong = []\n"
    "def hashes(seed):\n"
    "    while True:\n"
    "        text = seed\n"
    "        for i in range(2000):\n"
    "            text = hashlib.sha256(text).digest()\n"
    "        if text != first[seed]: wrong.append(seed)\n"
    "        if over: return\n"
    "def echoes(word):\n"
    "    while True:\n"
    "        done = subprocess.run(['/bin/echo', word], stdin=subprocess.DEVNULL,\n"
    "                              capture_output=True, text=True)\n"
    "        if done.returncode != 0 or done.stdout != word + '\\n': wrong.append(word)\n"
    "        if over: return\n"
    "first = {}\n"
    "for seed in (b'a', b'b', b'c'):\n"
    "    text = seed\n"
    "    for i in range(2000): text = hashlib.sha256(text).digest()\n"
    "    first[seed] = text\n"
    "threads = [threading.Thread(target=hashes, args=(seed,)) for seed in first]\n"
    "threads += [threading.Thread(target=echoes, args=(word,)) for word in ('one', 'two')]\n"
    "for thread in threads: thread.start()\n"
    "print('at work', flush=True)\n"
    "sys.stdin.read()\n"
    "over = True\n"
    "for thread in threads: thread.join()\n"
    "print('wrong:', wrong)\n";

static const struct program python = {
    .argv = {"python3", "-c", python_text, NULL},
    .ready = "at work\n",
    .output = "wrong: []\n",
};

TEST(python_with_threads_and_subprocesses_is_held_whole)
{
    if (!is_installed("python3"))
        return;
    follow(_i, &python, false);
    follow(_i, &python, true);
}

SUITE_CASE(python_with_threads_and_subprocesses_is_attached_to, program_case);

TEST(python_with_threads_and_subprocesses_is_attached_to)
{
    if (!is_installed("python3"))
        return;
    attach_often(_i, &python);
}

SUITE_CASE(bash_pipelines_are_held_whole, program_case);

static const struct program bash_pipelines = {
    .argv = {"bash", "-c",
             "for turn in 1 2 3 4 5; do\n"
             "  seq 1 2000 | sort -n | tail -n 1 | tr 0 o\n"
             "  (seq 1 100 | while read n; do echo $((n * n)); done) | cat | tail -n 1\n"
             "  false | true; echo ${PIPESTATUS[0]} $(echo $(echo deep))\n"
             "done | sort | uniq -c | tr -s ' '\n"
             "sleep 100 & kill $!; wait $!; echo $?\n",
             NULL},
    .output = " 5 1 deep\n 5 10000\n 5 2ooo\n143\n",
};

static const struct program bash_at_work = {
    .argv = {"bash", "-c",
             "sums=; echo at work\n"
             "until read -t 0.001; [ $? -le 128 ]; do\n"
             "  sum=$(seq 1 300 | sort -rn | (n=0; while read x; do n=$((n + x)); done; echo $n))\n"
             "  [ \"$sum\" = 45150 ] || sums=\"$sums $sum\"\n"
             "done\n"
             "echo \"wrong:$sums\"\n",
             NULL},
    .ready = "at work\n",
    .output = "wrong:\n",
};

TEST(bash_pipelines_are_held_whole)
{
    if (!is_installed("bash"))
        return;
    follow(_i, &bash_pipelines, false);
    follow(_i, &bash_pipelines, true);
}

SUITE_CASE(bash_pipelines_are_attached_to, program_case);

TEST(bash_pipelines_are_attached_to)
{
    if (!is_installed("bash"))
        return;
    attach_often(_i, &bash_at_work);
}

SUITE_CASE(make_with_two_jobs_is_held_whole, program_case);

/* A project of eight parts, generated and compiled, and a program that is made of them and run. */
static const char makefile_text[] = "PARTS := part1 part2 part3 part4 part5 part6 part7 part8\n"
                                    "run: whole\n"
                                    "\t@./whole\n"
                                    "whole: main.o $(PARTS:%=%.o)\n"
                                    "\t@cc $^ -o $@\n"
                                    "%.o: %.c\n"
                                    "\t@cc -c $< -o $@\n"
                                    "part%.c: Makefile\n"
                                    "\t@echo 'int part'$*'(void) { return 1 << '$*'; }' > $@\n";

static const char main_text[] =
    "#include <stdio.h>\n"
    "int part1(void), part2(void), part3(void), part4(void);\n"
    "int part5(void), part6(void), part7(void), part8(void);\n"
    "int main(void)\n"
    "{\n"
    "    return printf(\"%d\\n\", part1() + part2() + part3() + part4() + part5() + part6() +\n"
    "                  part7() + part8()) < 0;\n"
    "}\n";

TEST(make_with_two_jobs_is_held_whole)
{
    const struct program make = {
        .argv = {"make", "-s", "-j2", NULL},
        .output = "510\n",
    };

    if (!is_installed("make") || !is_installed("cc"))
        return;
    trial_write_file("Makefile", makefile_text, strlen(makefile_text), 0644);
    trial_write_file("main.c", main_text, strlen(main_text), 0644);
    for (int all_stop = 0; all_stop < 2; all_stop++) {
        ck_assert_int_eq(system("rm -f part* main.o whole"), 0);
        follow(_i, &make, all_stop == 1);
    }
    ck_assert_int_eq(system("rm -f part* main.* whole Makefile"), 0);
}

/*
 * It makes eight files by four jobs, compares them with what they should be, and begins anew: it
 * executes itself, as make does when it has made a makefile.
 */
static const char endless_makefile_text[] =
    "PARTS := $(addprefix part,1 2 3 4 5 6 7 8)\n"
    "ifndef MAKE_RESTARTS\n"
    "$(info at work)\n"
    "endif\n"
    "all:\n"
    "\t@echo \"wrong: $$(cat wrong)\"\n"
    "ifeq ($(wildcard over),)\n"
    "include turn.mk\n"
    "endif\n"
    "turn.mk: $(PARTS)\n"
    "\t@sum=$$(cat $(PARTS) | sort -n | tr '\\n' ' '); rm -f $(PARTS); \\\n"
    "\t[ \"$$sum\" = '2 4 8 16 32 64 128 256 ' ] || echo \"$$sum\" >>wrong\n"
    "\t@echo '# again' >$@\n"
    "part%: again\n"
    "\t@expr $$((1 << $*)) | cat >$@\n"
    "again:\n";

SUITE_CASE(make_with_four_jobs_is_attached_to, program_case);

TEST(make_with_four_jobs_is_attached_to)
{
    const struct program make = {
        .argv = {"make", "-s", "-j4", NULL},
        .ready = "at work\n",
        .output = "wrong: \n",
        .over = "over",
    };

    if (!is_installed("make"))
        return;
    trial_write_file("Makefile", endless_makefile_text, strlen(endless_makefile_text), 0644);
    trial_write_file("wrong", "", 0, 0644);
    attach_often(_i, &make);
    ck_assert_int_eq(system("rm -f part* turn.mk over wrong Makefile"), 0);
}

SUITE_CASE(java_is_held_whole, program_case);

static const char java_text[] =
    "import java.util.*;\n"
    "public class Work {\n"
    "  static volatile boolean over;\n"
    "  static volatile int wrong;\n"
    "  static long sum(int seed) {\n"
    "    List<Long> list = new ArrayList<>();\n"
    "    for (int i = 0; i < 20000; i++) list.add((long) i * seed % 1009);\n"
    "    long sum = 0;\n"
    "    for (long x : list) sum += x;\n"
    "    return sum;\n"
    "  }\n"
    "  public static void main(String[] args) throws Exception {\n"
    "    List<Thread> threads = new ArrayList<>();\n"
    "    for (int i = 1; i <= 8; i++) {\n"
    "      final int seed = i;\n"
    "      final long first = sum(seed);\n"
    "      threads.add(new Thread(() -> { do { if (sum(seed) != first) wrong++; } while (!over); "
    "}));\n"
    "    }\n"
    "    for (Thread t : threads) t.start();\n"
    "    System.out.println(\"at work\");\n"
    "    while (System.in.read() >= 0) { }\n"
    "    over = true;\n"
    "    for (Thread t : threads) t.join();\n"
    "    System.out.println(\"wrong: \" + wrong);\n"
    "  }\n"
    "}\n";

static const struct program java = {
    .argv = {"java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", ".", "Work", NULL},
    .ready = "at work\n",
    .output = "wrong: 0\n",
};

static bool compile_java(void)
{
    if (!is_installed("java") || !is_installed("javac"))
        return false;
    trial_write_file("Work.java", java_text, strlen(java_text), 0644);
    return system("javac Work.java") == 0;
}

TEST(java_is_held_whole)
{
    if (compile_java())
        follow(_i, &java, false);
    ck_assert_int_eq(system("rm -f Work*"), 0);
}

SUITE_CASE(java_is_attached_to, program_case);

TEST(java_is_attached_to)
{
    if (compile_java())
        attach_often(_i, &java);
    ck_assert_int_eq(system("rm -f Work*"), 0);
}

SUITE_CASE(redis_is_attached_to_while_it_serves, program_case);

/* The shell asks for it over and over again; what it counts must be what was asked. */
static const struct program redis_client = {
    .argv = {"sh", "-c",
             "n=0\n"
             "while [ $n -lt 200 ]; do\n"
             "  redis-cli -s redis.sock incr turns > /dev/null && n=$((n + 1))\n"
             "done\n"
             "redis-cli -s redis.sock get turns\n",
             NULL},
};

static struct sdb_child *start(const char *const *argv, const char *output)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    const struct sdb_fd fds[] = {{.target = 1,
                                  .kind = SDB_FD_PATH,
                                  .path = output,
                                  .open_flags = O_WRONLY | O_CREAT | O_TRUNC,
                                  .mode = 0600}};
    struct sdb_child *child = NULL;

    options.argv = argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    options.death_signal = SIGKILL;
    options.fds = fds;
    options.fd_count = 1;
    ck_assert_int_eq(sdb_launch(&options, &child, NULL), 0);
    return child;
}

TEST(redis_is_attached_to_while_it_serves)
{
    const char *const argv[] = {"redis-server", "--port", "0", "--unixsocket",
                                "redis.sock",   "--save", "",  NULL};
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_child *server;
    struct sdb_child *client;
    int round = 0;

    if (!is_installed("redis-server") || !is_installed("redis-cli"))
        return;
    server = start(argv, "log");
    for (int i = 0; i < PATIENCE_MS && access("redis.sock", F_OK) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    client = start(redis_client.argv, "output");
    begin(_i);
    while (sdb_child_wait(client, 0, &status) == -ETIMEDOUT || round < most_rounds())
        hold_once(sdb_child_pid(server), round++);
    finish();
    ck_assert_int_eq(status.code, 0);
    ck_assert_int_eq(system("test \"$(cat output)\" = 200"), 0);
    ck_assert_int_eq(sdb_child_terminate(server, PATIENCE_MS, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(client);
    sdb_child_close(server);
    ck_assert_int_eq(system("rm -f log output redis.sock"), 0);
}

int main(void)
{
    setenv("LC_ALL", "C", 1); /* sort(1) sorts by it */
    return run_suite("session_programs");
}
