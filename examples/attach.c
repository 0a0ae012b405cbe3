/* SPDX-License-Identifier: MIT */
/*
 * attach: attach to a running process, show where it stands, and let it go on.
 *
 *     attach [pid]           (without a pid: to a `sleep` that it starts, and ends afterwards)
 */
#include <sdb/sdb.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int explain(const struct sdb_error *error)
{
    char text[512];

    sdb_error_format(error, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
    if (error->other_pid != 0)
        fprintf(stderr, "attach: it is traced by process %d\n", error->other_pid);
    return EXIT_FAILURE;
}

/* Print which file is mapped at an address, and at which of its offsets. */
static void print_mapping(int pid, uint64_t address)
{
    char name[64];
    char line[4096];
    FILE *maps;

    snprintf(name, sizeof(name), "/proc/%d/maps", pid);
    maps = fopen(name, "r");
    while (maps && fgets(line, sizeof(line), maps)) {
        uint64_t begin;
        uint64_t end;
        uint64_t offset;
        int path = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &begin, &end,
                   &offset, &path) < 3 ||
            address < begin || address >= end)
            continue;
        line[strcspn(line, "\n")] = '\0';
        printf("process %d stands at 0x%" PRIx64 ", %s at 0x%" PRIx64 "\n", pid, address,
               line[path] ? line + path : "anonymous memory", address - begin + offset);
    }
    if (maps)
        fclose(maps);
}

static int show(int pid)
{
    struct sdb_error error = SDB_ERROR_INIT;
    struct sdb_session *session;
    struct sdb_process *process;
    uint64_t address;
    int result = EXIT_FAILURE;
    int rc = sdb_session_create(NULL, &session);

    if (rc < 0) {
        fprintf(stderr, "attach: session: %s\n", sdb_error_describe(rc));
        return EXIT_FAILURE;
    }
    if (sdb_session_attach(session, pid, &process, &error) < 0) {
        explain(&error);
    } else if (sdb_thread_pc(sdb_process_thread(process), &address) == 0) {
        print_mapping(pid, address);
        rc = sdb_process_detach(process, SDB_DETACH_RUN, NULL);
        printf("process %d %s\n", pid, rc == 0 ? "goes on" : sdb_error_describe(rc));
        result = rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
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
    int pid;

    if (argc < 2)
        return show_a_child();
    pid = (int)strtol(argv[1], NULL, 10);
    if (argc > 2 || pid <= 0) {
        fputs("usage: attach [pid]\n", stderr);
        return EXIT_FAILURE;
    }
    return show(pid);
}
