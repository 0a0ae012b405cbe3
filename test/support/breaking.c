/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints in test/tracees/places.c.
 */
#include "breaking.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

#define PLACES_PROGRAM SDB_TRACEE_DIR "/places"

static const char *const names[] = {
#define NAME(name) #name,
    PLACES(NAME) "others"
#undef NAME
};

struct target launch_places(int threads, int turns, bool strict)
{
    char first[16];
    char second[16];
    struct target target;

    (void)snprintf(first, sizeof(first), "%d", threads);
    (void)snprintf(second, sizeof(second), "%d", turns);
    target = launch_board_program(PLACES_PROGRAM, first, second, strict ? "strict" : NULL);
    resume_process(target.process);
    wait_ready(&target);
    return target;
}

struct sdb_breakpoint *plant_at(struct sdb_process *process, uint64_t address)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;
    int rc;

    options.address = address;
    rc = sdb_breakpoint_create(process, &options, &breakpoint);
    ck_assert_msg(rc == 0, "plant: %s", sdb_error_describe(rc));
    return breakpoint;
}

struct sdb_breakpoint *plant(const struct target *target, enum place place)
{
    return plant_at(target->process, address_of(target, place));
}

struct sdb_breakpoint *plant_first(const struct target *target, int count)
{
    struct sdb_breakpoint_options options = SDB_BREAKPOINT_OPTIONS_INIT;
    struct sdb_breakpoint *breakpoint = NULL;
    uint64_t addresses[PLACE_COUNT];
    int rc;

    for (int place = 0; place < count; place++)
        addresses[place] = target->board->addresses[place];
    options.addresses = addresses;
    options.address_count = (size_t)count;
    rc = sdb_breakpoint_create(target->process, &options, &breakpoint);
    ck_assert_msg(rc == 0, "plant: %s", sdb_error_describe(rc));
    return breakpoint;
}

struct sdb_breakpoint *plant_all(const struct target *target)
{
    return plant_first(target, PLACE_COUNT);
}

int count_and_pass(struct sdb_breakpoint *breakpoint, struct sdb_thread *thread, void *count)
{
    (void)breakpoint;
    (void)thread;
    ++*(uint64_t *)count;
    return 0;
}

uint64_t address_of(const struct target *target, enum place place)
{
    return target->board->addresses[place];
}

void forget_counts(const struct target *target)
{
    for (int place = 0; place < PLACE_COUNT_OF_ALL; place++)
        target->board->counts[place] = 0;
}

static void count_hit(const struct target *target, const struct sdb_event *event,
                      struct tally *tally)
{
    uint64_t pc = 0;

    ck_assert_int_eq(sdb_thread_pc(event->thread, &pc), 0);
    ck_assert_uint_eq(pc, event->address);
    ck_assert_ptr_nonnull(event->breakpoint);
    for (int place = 0; place < PLACE_COUNT_OF_ALL; place++) {
        if (target->board->addresses[place] == event->address) {
            tally->hits[place]++;
            return;
        }
    }
    tally->others++;
}

void count_event(const struct target *target, const struct sdb_event *event, struct tally *tally)
{
    if (tally->look)
        tally->look(event, tally->look_data);
    switch (event->kind) {
    case SDB_EVENT_BREAKPOINT:
        count_hit(target, event, tally);
        break;
    case SDB_EVENT_SIGNAL:
        tally->signals[event->signal]++;
        break;
    case SDB_EVENT_START:
        tally->births++;
        break;
    case SDB_EVENT_STEP:
        tally->steps++;
        break;
    case SDB_EVENT_EXITED:
    case SDB_EVENT_THREAD_EXIT:
        tally->ends++;
        break;
    default:
        break;
    }
    resume(event);
}

static bool has_answered(const struct target *target)
{
    struct pollfd output = {.fd = target->output, .events = POLLIN};

    return poll(&output, 1, 0) == 1 && (output.revents & POLLIN);
}

void run_to_answer(const struct target *target, struct tally *tally)
{
    const int64_t end = host_now_ms() + PATIENCE_MS * 2;
    struct pollfd ends[2] = {
        {.fd = target->output, .events = POLLIN},
        {.fd = sdb_session_fd(session), .events = POLLIN},
    };
    unsigned count = 0;

    ck_assert_int_ge(ends[1].fd, 0);
    for (;;) {
        struct sdb_event event = SDB_EVENT_INIT;
        int rc = sdb_session_wait(session, 0, &event);

        if (rc == 0) {
            ck_assert_msg(event.kind != SDB_EVENT_EXITED || event.process != target->process,
                          "it ended: %s %d", event.status->how == SDB_EXITED ? "exited" : "killed",
                          event.status->code);
            count_event(target, &event, tally);
            if (++count % 64 != 0 || !has_answered(target))
                continue;
        } else {
            ck_assert_msg(rc == -ETIMEDOUT, "wait: %s", sdb_error_describe(rc));
        }
        if (has_answered(target))
            break;
        ck_assert_msg(host_now_ms() < end, "%d hangs in state %c", target->pid,
                      state_of(target->pid));
        (void)poll(ends, 2, 100);
    }
    wait_ready(target);
}

void obey(const struct target *target, char what, struct tally *tally)
{
    tell_target(target, what);
    run_to_answer(target, tally);
}

void expect_right(const struct target *target)
{
    for (int place = 0; place < PLACE_COUNT; place++)
        ck_assert_msg(target->board->turns[place] == 0, "%s: wrong %llu times", names[place],
                      (unsigned long long)target->board->turns[place]);
    ck_assert_uint_eq(target->board->astray, 0);
    ck_assert_uint_eq(target->board->wrong, 0);
}

void expect_exact(const struct target *target, const struct tally *tally)
{
    for (int place = 0; place < PLACE_COUNT; place++)
        ck_assert_msg(tally->hits[place] == target->board->counts[place],
                      "%s: %llu hits, %llu calls", names[place],
                      (unsigned long long)tally->hits[place],
                      (unsigned long long)target->board->counts[place]);
    ck_assert_uint_eq(tally->others, 0);
    expect_right(target);
}

void end_places(struct target *target)
{
    close_input(target);
    for (;;) {
        struct sdb_event event = next_event();

        if (event.kind == SDB_EVENT_EXITED && event.process == target->process) {
            ck_assert_uint_eq(event.status->how, SDB_EXITED);
            ck_assert_int_eq(event.status->code, 0);
            break;
        }
        resume(&event);
    }
}

void finish_places(struct target *target)
{
    end_places(target);
    finish_with(target);
}

void end_free_places(struct target *target, struct sdb_child *child)
{
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;

    close_input(target);
    ck_assert_int_eq(sdb_child_wait(child, PATIENCE_MS, &status), 0);
    ck_assert_uint_eq(status.how, SDB_EXITED);
    ck_assert_int_eq(status.code, 0);
    sdb_child_close(child);
}

/* ---- what is left in the program ---- */

static void read_maps(const struct target *target, char *maps, size_t room)
{
    char path[64];
    char line[512];
    size_t len = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    maps[0] = '\0';
    while (fgets(line, sizeof(line), file)) {
        if (!strstr(line, "r-xp") || strlen(line) >= room - len)
            continue;
        memcpy(maps + len, line, strlen(line) + 1);
        len += strlen(line);
    }
    (void)fclose(file);
}

static void read_text(const struct target *target, uint8_t *text)
{
    const uint64_t start = target->board->addresses[0] & ~UINT64_C(4095);
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", target->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(pread(fd, text, TRACES_TEXT, (off_t)start), 0);
    close(fd);
}

void note_traces(const struct target *target, struct traces *traces)
{
    memset(traces, 0, sizeof(*traces));
    read_maps(target, traces->maps, sizeof(traces->maps));
    read_text(target, traces->text);
}

void expect_no_traces(const struct target *target, const struct traces *traces)
{
    static struct traces now;

    note_traces(target, &now);
    ck_assert_str_eq(now.maps, traces->maps);
    ck_assert_int_eq(memcmp(now.text, traces->text, sizeof(now.text)), 0);
}
