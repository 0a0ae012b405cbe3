/* SPDX-License-Identifier: MIT */
/*
 * attach: attach to a running process, show where each of its threads stands, and let it go on.
 *
 *     attach [pid]           (without a pid: to a `sleep` that it starts, and ends afterwards)
 *
 * A line for each thread: its id, what it was doing before it was stopped, its name, and where it
 * stands: the address of its next instruction, and the file that is mapped there.
 */
#include <sdb/sdb.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, int code)
{
    fprintf(stderr, "attach: %s: %s\n", what, sdb_error_describe(code));
    return EXIT_FAILURE;
}

static int explain(const struct sdb_error *error)
{
    char text[512];

    sdb_error_format(error, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
    if (error->reason == SDB_REASON_TRACED)
        fprintf(stderr, "attach: it is traced by process %d\n", error->other_pid);
    return EXIT_FAILURE;
}

static const char *describe_state(uint32_t state)
{
    switch (state) {
    case SDB_FACTS_RUNNING:
        return "running";
    case SDB_FACTS_SLEEPING:
        return "sleeping";
    case SDB_FACTS_WAITING:
        return "waiting"; /* and no signal wakes it: for a disk, or for its child in vfork */
    case SDB_FACTS_STOPPED:
        return "stopped";
    case SDB_FACTS_ZOMBIE:
    case SDB_FACTS_DEAD:
        return "ended"; /* a first thread, while others run */
    default:
        return "new"; /* it began while we attached */
    }
}

/* What a thread was doing. */
static uint32_t find_state(const struct sdb_facts_threads *threads, int tid)
{
    for (size_t i = 0; threads && i < threads->count; i++) {
        if (threads->list[i]->tid == tid)
            return threads->list[i]->state;
    }
    return 0;
}

static void print_place(struct sdb_thread *thread, const struct sdb_facts_maps *maps)
{
    const struct sdb_facts_map *map;
    uint64_t address;

    if (!thread || sdb_thread_pc(thread, &address) < 0) {
        printf("cannot stop yet\n");
        return;
    }
    map = sdb_facts_find_map(maps, address);
    printf("0x%012" PRIx64, address);
    if (map && map->name[0] == '/')
        printf("  %s + 0x%" PRIx64, map->name, address - map->start + map->offset);
    else if (map)
        printf("  %s", map->name[0] ? map->name : "memory without a name");
    putchar('\n');
}

/* A name can hold anything. */
static void print_name(const char *name)
{
    int width = 0;

    for (; *name; name++, width++)
        putchar(iscntrl((unsigned char)*name) ? '?' : *name);
    printf("%*s", width < 17 ? 17 - width : 1, "");
}

/* Print where the threads of a held process stand; before it was held they were as in @p before. */
static int print_threads(struct sdb_session *session, int pid,
                         const struct sdb_facts_threads *before)
{
    struct sdb_facts_threads *threads;
    struct sdb_facts_maps *maps = NULL;
    int rc = sdb_facts_read_threads(pid, &threads);

    if (rc < 0)
        return complain("threads", rc);
    /* A first thread that has ended has no maps any more, the others have. */
    for (size_t i = 0; i < threads->count && !maps; i++)
        sdb_facts_read_maps(threads->list[i]->tid, &maps);
    printf("process %d, threads: %zu\n", pid, threads->count);
    for (size_t i = 0; i < threads->count; i++) {
        const struct sdb_facts_status *status = threads->list[i];

        printf("%9d  %-8s  ", status->tid, describe_state(find_state(before, status->tid)));
        print_name(status->name);
        print_place(sdb_session_find_thread(session, status->tid), maps);
    }
    sdb_facts_free(maps);
    sdb_facts_free(threads);
    return EXIT_SUCCESS;
}

static int show(int pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_facts_threads *before = NULL;
    struct sdb_session *session;
    struct sdb_process *process;
    int result;
    int rc = sdb_session_create(NULL, &session);

    if (rc < 0)
        return complain("session", rc);
    sdb_facts_read_threads(pid, &before); /* where this fails, attaching says why */
    if (sdb_session_attach(session, pid, &process, &error) < 0) {
        result = explain(&error);
    } else {
        result = print_threads(session, pid, before);
        rc = sdb_process_detach(process, SDB_RELEASE_RUN, NULL);
        printf("process %d %s\n", pid, rc == 0 ? "goes on" : "has ended meanwhile");
    }
    sdb_facts_free(before);
    sdb_session_destroy(session);
    return result;
}

/* Nothing to attach to was named: start something. */
static int show_a_child(void)
{
    const char *argv[] = {"sleep", "1000", NULL};
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_child *child;
    int result;

    options.argv = argv;
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    if (sdb_launch(&options, &child, &error) < 0)
        return explain(&error);
    result = show(sdb_child_pid(child));
    if (sdb_child_wait(child, 0, NULL) == 0) {
        fprintf(stderr, "attach: the child should have gone on\n");
        result = EXIT_FAILURE;
    }
    sdb_child_terminate(child, 1000, -1, NULL);
    sdb_child_close(child);
    return result;
}

int main(int argc, char **argv)
{
    char *end;
    long pid;

    if (argc < 2)
        return show_a_child();
    pid = strtol(argv[1], &end, 10);
    if (argc > 2 || *end != '\0' || pid <= 0 || pid > INT32_MAX) {
        fputs("usage: attach [pid]\n", stderr);
        return EXIT_FAILURE;
    }
    return show((int)pid);
}
