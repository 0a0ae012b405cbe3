/* SPDX-License-Identifier: MIT */
/*
 * What the tests of facts look at.  The first argument says what it is; once it is that, it writes one
 * byte to standard output and waits for the end of its standard input, then exits with 0.
 *
 *     names NAME ...   it has a thread of each name, besides the first
 *     title LENGTH     it has written so many bytes "T" over its arguments, and on into its environment
 *     short TEXT       it has written TEXT over its arguments, and filled them up with NULs
 *     huge             it has had the kernel take 16 MiB of "a" for its arguments
 *     none             it has had the kernel take an empty range for its arguments
 *     leader           its first thread ends, while another waits
 *     storm COUNT      COUNT threads stay, named "stays", while others come and go
 *     leaves COUNT     it has COUNT threads, which end one after the other once it is ready, and 40
 *                      that were made after them and stay, named "stays"
 *     execs COUNT      it executes itself so many times before it is ready
 *     map FILE         it has mapped the second page of FILE; tells the address first
 *     auxv             tells some of its auxiliary vector first: see tell_auxv()
 *     (anything else)  nothing but that
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE    4096
#define STAYING 40
#define HUGE    ((size_t)16 << 20)

extern char **environ;

static pthread_barrier_t named;

static void tell(const void *bytes, size_t size)
{
    if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
        _exit(3);
}

static void wait_for_end(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        ;
}

static pthread_t start(void *(*run)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)64 << 10);
    if (pthread_create(&thread, &attributes, run, data) != 0)
        _exit(4);
    pthread_attr_destroy(&attributes);
    return thread;
}

/* ---- threads ---- */

static void *be_named(void *name)
{
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&named);
    while (pause() < 0)
        ;
    return NULL;
}

static void have_threads(char **names, unsigned count, char *same)
{
    pthread_barrier_init(&named, NULL, count + 1);
    for (unsigned i = 0; i < count; i++)
        (void)start(be_named, same ? same : names[i]);
    pthread_barrier_wait(&named);
}

static void *stay_alone(void *leader)
{
    (void)leader;
    tell("r", 1);
    wait_for_end();
    exit(0);
}

static void *come_and_go(void *data)
{
    return data;
}

static void *make_storm(void *data)
{
    pthread_t threads[8];

    do {
        for (int i = 0; i < 8; i++)
            threads[i] = start(come_and_go, data);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    } while (!data);
    return NULL;
}

static void *leave_in_turn(void *turn)
{
    sem_wait(turn);
    return NULL;
}

/* It says that it is ready itself. */
static void have_leaves(unsigned count, char *stays)
{
    sem_t *turns = calloc(count, sizeof(*turns));

    if (!turns)
        _exit(5);
    for (unsigned i = 0; i < count; i++) {
        sem_init(&turns[i], 0, 0);
        (void)pthread_detach(start(leave_in_turn, &turns[i]));
    }
    have_threads(NULL, STAYING, stays);
    tell("r", 1);
    for (unsigned i = 0; i < count; i++) {
        sem_post(&turns[i]);
        sched_yield();
    }
}

/* ---- arguments ---- */

static void write_title(char **argv, size_t len)
{
    memset(argv[0], 'T', len);
    argv[0][len] = '\0';
}

static void write_short_title(char **argv, const char *title)
{
    char text[64];
    char *last = argv[2] + strlen(argv[2]);

    (void)snprintf(text, sizeof(text), "%s", title);
    memset(argv[0], 0, (size_t)(last - argv[0]));
    memcpy(argv[0], text, strlen(text));
}

/* What the kernel has noted of this process's memory: fields of its stat. */
static void read_memory(struct prctl_mm_map *map)
{
    unsigned long long *const numbers[] = {
        [26] = (void *)&map->start_code,  [27] = (void *)&map->end_code,
        [28] = (void *)&map->start_stack, [45] = (void *)&map->start_data,
        [46] = (void *)&map->end_data,    [47] = (void *)&map->start_brk,
        [48] = (void *)&map->arg_start,   [49] = (void *)&map->arg_end,
        [50] = (void *)&map->env_start,   [51] = (void *)&map->env_end,
    };
    char text[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof(text) - 1);
    char *field;

    if (len < 0)
        _exit(5);
    close(fd);
    text[len] = '\0';
    field = strrchr(text, ')') + 1;
    for (size_t i = 3; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        unsigned long long number;

        field++;
        number = i == 3 ? 0 : strtoull(field, NULL, 10);
        field += strcspn(field, " ");
        if (numbers[i])
            *numbers[i] = number;
    }
    map->brk = (uintptr_t)sbrk(0);
    map->exe_fd = (uint32_t)-1;
}

/* Have the kernel take this range for the arguments.  It may have been built without that. */
static void point_to(char *begin, char *end)
{
    struct prctl_mm_map map = {0};

    read_memory(&map);
    map.arg_start = (uintptr_t)begin;
    map.arg_end = (uintptr_t)end;
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0) {
        perror("PR_SET_MM_MAP");
        tell("n", 1);
    }
}

static void point_elsewhere(void)
{
    char *bytes = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        _exit(5);
    memset(bytes, 'a', HUGE - 1); /* a NUL at the end, or it would be a title */
    point_to(bytes, bytes + HUGE);
}

/* ---- memory ---- */

static void map_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *address = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    uint64_t told = (uint64_t)(uintptr_t)address;

    if (address == MAP_FAILED)
        _exit(7);
    close(fd);
    tell(&told, sizeof(told));
}

static void tell_auxv(void)
{
    static const unsigned long types[] = {AT_ENTRY, AT_PHDR,   AT_PHNUM,  AT_BASE,        AT_PAGESZ,
                                          AT_UID,   AT_RANDOM, AT_EXECFN, AT_SYSINFO_EHDR};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint64_t entry[2] = {types[i], getauxval(types[i])};

        tell(entry, sizeof(entry));
    }
}

static void execute_again(char **argv)
{
    long count = strtol(argv[2], NULL, 10);
    char left[32];

    if (count == 0)
        return;
    (void)snprintf(left, sizeof(left), "%ld", count - 1);
    argv[2] = left;
    execv("/proc/self/exe", argv);
    _exit(8);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    static char stays[] = "stays";

    if (strcmp(what, "names") == 0) {
        have_threads(argv + 2, (unsigned)argc - 2, NULL);
    } else if (strcmp(what, "title") == 0) {
        write_title(argv, strtoul(argv[2], NULL, 10));
    } else if (strcmp(what, "short") == 0) {
        write_short_title(argv, argv[2]);
    } else if (strcmp(what, "huge") == 0) {
        point_elsewhere();
    } else if (strcmp(what, "none") == 0) {
        point_to(argv[0], argv[0]);
    } else if (strcmp(what, "leader") == 0) {
        (void)start(stay_alone, NULL);
        pthread_exit(NULL);
    } else if (strcmp(what, "storm") == 0) {
        have_threads(NULL, (unsigned)strtoul(argv[2], NULL, 10), stays);
        (void)start(make_storm, NULL);
    } else if (strcmp(what, "leaves") == 0) {
        have_leaves((unsigned)strtoul(argv[2], NULL, 10), stays);
        wait_for_end();
        return 0;
    } else if (strcmp(what, "execs") == 0) {
        execute_again(argv);
    } else if (strcmp(what, "map") == 0) {
        map_file(argv[2]);
    } else if (strcmp(what, "auxv") == 0) {
        tell_auxv();
    }
    tell("r", 1);
    wait_for_end();
    return 0;
}
