/* SPDX-License-Identifier: MIT */
/*
 * Facts of processes: maps.
 */
#include <sdb/facts.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host.h"
#include "subject.h"
#include "trial.h"

#define PAGE 4096

static struct sdb_facts_maps *maps_of(int pid)
{
    struct sdb_facts_maps *maps = NULL;

    ck_assert_int_eq(sdb_facts_read_maps(pid, &maps), 0);
    ck_assert_uint_eq(maps->size, sizeof(*maps));
    for (size_t i = 0; i < maps->count; i++) {
        const struct sdb_facts_map *map = maps->list[i];

        ck_assert_uint_eq(map->size, sizeof(*map));
        ck_assert_uint_lt(map->start, map->end);
        ck_assert_ptr_nonnull(map->name);
        if (i > 0)
            ck_assert_uint_ge(map->start, maps->list[i - 1]->end);
    }
    return maps;
}

static const struct sdb_facts_map *find(const struct sdb_facts_maps *maps, const void *address)
{
    return sdb_facts_find_map(maps, (uintptr_t)address);
}

static const struct sdb_facts_map *named(const struct sdb_facts_maps *maps, const char *name)
{
    for (size_t i = 0; i < maps->count; i++) {
        if (strcmp(maps->list[i]->name, name) == 0)
            return maps->list[i];
    }
    return NULL;
}

SUBJECT_CASE(own);

static int data = 1;

TEST(what_the_own_addresses_are_is_told)
{
    struct sdb_facts_maps *maps = maps_of(getpid());
    const void *code = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    const struct sdb_facts_map *map;
    int local;

    map = find(maps, &data);
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_eq(map->flags, SDB_FACTS_READ | SDB_FACTS_WRITE);
    ck_assert_ptr_nonnull(strstr(map->name, "/unit_facts_maps"));
    ck_assert_uint_ne(map->inode, 0);

    map = find(maps, "a string");
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_eq(map->flags & (SDB_FACTS_READ | SDB_FACTS_WRITE), SDB_FACTS_READ);

    if (!host_on_valgrind()) { /* where the program's stack and kernel code are valgrind's */
        ck_assert_str_eq(find(maps, &local)->name, "[stack]");
        map = find(maps, code);
        ck_assert_str_eq(map->name, "[vdso]");
        ck_assert_uint_eq(map->flags, SDB_FACTS_READ | SDB_FACTS_EXECUTE);
        ck_assert_uint_eq(map->inode, 0);
        ck_assert_ptr_eq(named(maps, "[stack]"), find(maps, &local));
    }
    sdb_facts_free(maps);
}

TEST(addresses_are_found_to_the_byte)
{
    char *bytes = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct sdb_facts_map *map;
    struct sdb_facts_maps *maps;

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    ck_assert_int_eq(munmap(bytes, PAGE), 0);
    ck_assert_int_eq(munmap(bytes + 4 * PAGE, PAGE), 0);
    ck_assert_int_eq(mprotect(bytes + 2 * PAGE, PAGE, PROT_READ), 0);
    maps = maps_of(getpid());
    ck_assert_ptr_null(find(maps, bytes + PAGE - 1));
    ck_assert_uint_eq(find(maps, bytes + PAGE)->start, (uintptr_t)bytes + PAGE);
    ck_assert_ptr_eq(find(maps, bytes + 2 * PAGE - 1), find(maps, bytes + PAGE));
    map = find(maps, bytes + 2 * PAGE);
    ck_assert_uint_eq(map->start, (uintptr_t)bytes + 2 * PAGE);
    ck_assert_uint_eq(map->end, (uintptr_t)bytes + 3 * PAGE);
    ck_assert_uint_eq(map->flags, SDB_FACTS_READ);
    ck_assert_str_eq(map->name, "");
    ck_assert_uint_eq(map->inode, 0);
    ck_assert_uint_eq(find(maps, bytes + 4 * PAGE - 1)->flags, 0);
    ck_assert_ptr_null(find(maps, bytes + 4 * PAGE));
    ck_assert_ptr_null(sdb_facts_find_map(maps, 0));
    ck_assert_ptr_null(sdb_facts_find_map(maps, UINT64_MAX));
    for (size_t i = 0; i < maps->count; i++) {
        ck_assert_ptr_eq(sdb_facts_find_map(maps, maps->list[i]->start), maps->list[i]);
        ck_assert_ptr_eq(sdb_facts_find_map(maps, maps->list[i]->end - 1), maps->list[i]);
    }
    sdb_facts_free(maps);
    ck_assert_int_eq(munmap(bytes + PAGE, 3 * PAGE), 0);
}

/* The dynamic linker knows what it has loaded, and where. */
static int look_at_object(struct dl_phdr_info *info, size_t size, void *data_of_maps)
{
    const struct sdb_facts_maps *maps = data_of_maps;
    char path[PATH_MAX];

    (void)size;
    if (info->dlpi_name[0] != '/' || !realpath(info->dlpi_name, path))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const struct sdb_facts_map *map;

        if (segment->p_type != PT_LOAD || segment->p_filesz == 0)
            continue;
        map = sdb_facts_find_map(maps, info->dlpi_addr + segment->p_vaddr);
        ck_assert_ptr_nonnull(map);
        ck_assert_str_eq(map->name, path);
        ck_assert_uint_eq(info->dlpi_addr + segment->p_vaddr - map->start + map->offset,
                          segment->p_offset);
        ck_assert_int_eq((map->flags & SDB_FACTS_EXECUTE) != 0, (segment->p_flags & PF_X) != 0);
    }
    return 0;
}

TEST(what_was_loaded_is_where_the_linker_put_it)
{
    struct sdb_facts_maps *maps = maps_of(getpid());

    (void)dl_iterate_phdr(look_at_object, maps);
    sdb_facts_free(maps);
}

TEST(a_name_given_to_memory_is_told)
{
    void *bytes = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sdb_facts_maps *maps;

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, bytes, PAGE, "of mine (deleted)") == 0) {
        maps = maps_of(getpid());
        ck_assert_str_eq(find(maps, bytes)->name, "[anon:of mine (deleted)]");
        ck_assert_uint_eq(find(maps, bytes)->flags, SDB_FACTS_READ);
        sdb_facts_free(maps);
    }
    ck_assert_int_eq(munmap(bytes, PAGE), 0);
}

TEST(memory_that_is_shared_has_a_file_that_never_was)
{
    char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = memfd_create("odd (deleted)", MFD_CLOEXEC);
    char *memfd;
    struct sdb_facts_maps *maps;

    ck_assert_ptr_ne(shared, MAP_FAILED);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, PAGE), 0);
    memfd = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(memfd, MAP_FAILED);
    maps = maps_of(getpid());
    ck_assert_str_eq(find(maps, shared)->name, "/dev/zero");
    ck_assert_uint_eq(find(maps, shared)->flags,
                      SDB_FACTS_READ | SDB_FACTS_WRITE | SDB_FACTS_SHARED | SDB_FACTS_DELETED);
    ck_assert_str_eq(find(maps, memfd)->name, "/memfd:odd (deleted)");
    ck_assert_uint_eq(find(maps, memfd)->flags, SDB_FACTS_READ | SDB_FACTS_DELETED);
    sdb_facts_free(maps);
    ck_assert_int_eq(munmap(memfd, PAGE), 0);
    ck_assert_int_eq(munmap(shared, PAGE), 0);
    close(fd);
}

#define MANY 20000

TEST(twenty_thousand_maps_are_listed)
{
    const size_t size = (size_t)MANY * PAGE;
    char *bytes = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sdb_facts_maps *maps;

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    for (size_t i = 0; i < MANY; i += 2)
        ck_assert_int_eq(mprotect(bytes + i * PAGE, PAGE, PROT_READ), 0);
    maps = maps_of(getpid());
    for (size_t i = 0; i < MANY; i++) {
        const struct sdb_facts_map *map = find(maps, bytes + i * PAGE);

        ck_assert_ptr_nonnull(map);
        ck_assert_uint_eq(map->flags & SDB_FACTS_READ, i % 2 == 0 ? SDB_FACTS_READ : 0);
    }
    sdb_facts_free(maps);
    ck_assert_int_eq(munmap(bytes, size), 0);
}

SUBJECT_CASE(files);

static const char *const odd_files[] = {
    "plain",        "with  two spaces", " in front",
    "at the end ",  "with\nnewline",    "\n\n",
    "literal\\012", "both\\012and\n",   "\\",
    "\\01",         "was (deleted)",    "new\nand (deleted)",
    " (deleted)",   "\xff\xfe\x01",     "7f0000000000-7f0000001000 rwxp 00000000 00:00 0",
};
#define ODD_FILES ((int)(sizeof(odd_files) / sizeof(odd_files[0])))

static struct subject map_in_subject(const char *name, uint64_t *address)
{
    const char *argv[] = {"subject", "map", trial_path(name), NULL};
    struct subject subject = subject_of(NULL);
    char bytes[2 * PAGE] = {0};

    trial_write_file(name, bytes, sizeof(bytes), 0600);
    subject_launch(&subject, argv);
    subject_read(&subject, address, sizeof(*address));
    subject_ready(&subject);
    return subject;
}

static void expect_map(int pid, uint64_t address, const char *name, uint32_t flags)
{
    struct sdb_facts_maps *maps = maps_of(pid);
    const struct sdb_facts_map *map = sdb_facts_find_map(maps, address);

    ck_assert_ptr_nonnull(map);
    ck_assert_str_eq(map->name, trial_path(name));
    ck_assert_uint_eq(map->flags, flags);
    ck_assert_uint_eq(map->offset, PAGE);
    ck_assert_uint_eq(map->start, address);
    ck_assert_uint_eq(map->end, address + PAGE);
    sdb_facts_free(maps);
}

LOOP_TEST(a_mapped_file_is_found_under_any_name, 0, ODD_FILES)
{
    const char *name = odd_files[_i];
    uint64_t address;
    struct subject subject = map_in_subject(name, &address);
    struct sdb_facts_maps *maps = maps_of(subject.pid);
    const struct sdb_facts_map *map = sdb_facts_find_map(maps, address);
    struct stat file;

    ck_assert_int_eq(stat(trial_path(name), &file), 0);
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_eq(map->inode, file.st_ino);
    if (major(file.st_dev) != 0) {
        ck_assert_uint_eq(map->device_major, major(file.st_dev));
        ck_assert_uint_eq(map->device_minor, minor(file.st_dev));
    }
    sdb_facts_free(maps);
    expect_map(subject.pid, address, name, SDB_FACTS_READ | SDB_FACTS_SHARED);
    subject_end(&subject);
}

LOOP_TEST(a_deleted_mapped_file_is_known_as_such, 0, ODD_FILES)
{
    const uint32_t flags = SDB_FACTS_READ | SDB_FACTS_SHARED | SDB_FACTS_DELETED;
    const char *name = odd_files[_i];
    uint64_t address;
    struct subject subject = map_in_subject(name, &address);

    ck_assert_int_eq(unlink(trial_path(name)), 0);
    expect_map(subject.pid, address, name, flags);
    trial_write_file(name, "x", 1, 0600);
    expect_map(subject.pid, address, name, flags);
    subject_end(&subject);
}

SUBJECT_CASE(changing);

TEST(a_name_longer_than_a_path_can_be_is_told)
{
    char name[256];
    char told[6 * 256];
    size_t len = 0;
    uint64_t address;
    struct subject subject;
    struct sdb_facts_maps *maps;
    const struct sdb_facts_map *map;
    char bytes[2 * PAGE] = {0};
    const char *argv[] = {"subject", "map", "file", NULL};
    int depth = 20;

    /* Directories in directories: 20 times 250 bytes. */
    memset(name, 'd', 250);
    name[250] = '\0';
    for (int i = 0; i < depth; i++) {
        ck_assert_int_eq(mkdir(name, 0700), 0);
        ck_assert_int_eq(chdir(name), 0);
    }
    {
        int fd = open("file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
        close(fd);
    }
    subject = subject_of(NULL);
    subject_launch(&subject, argv);
    subject_read(&subject, &address, sizeof(address));
    subject_ready(&subject);
    maps = maps_of(subject.pid);
    map = sdb_facts_find_map(maps, address);
    ck_assert_ptr_nonnull(map);
    len = strlen(map->name);
    ck_assert_uint_gt(len, PATH_MAX);
    (void)snprintf(told, sizeof(told), "/%s/file", name);
    ck_assert_str_eq(map->name + len - strlen(told), told);
    sdb_facts_free(maps);
    subject_end(&subject);
    for (int i = 0; i < depth; i++) {
        (void)unlink("file");
        ck_assert_int_eq(chdir(".."), 0);
        ck_assert_int_eq(rmdir(name), 0);
    }
}

/* ---- processes that change meanwhile ---- */

/* The last map of every whole list, where the system has it. */
static bool is_whole(const struct sdb_facts_maps *maps, const struct sdb_facts_maps *own)
{
    return maps->count > 0 &&
           strcmp(maps->list[maps->count - 1]->name, own->list[own->count - 1]->name) == 0;
}

#define FEWER 6000

static volatile unsigned long spins;

static void end_soon(void)
{
    for (volatile unsigned long i = 0; i < spins; i++)
        ;
    _exit(0);
}

/* The kernel gives the maps in pieces, and when the process has ended, simply no more of them. */
TEST(a_process_that_ends_meanwhile_has_all_of_its_maps_or_none)
{
    const size_t size = (size_t)FEWER * PAGE;
    char *bytes = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sdb_facts_maps *own;

    ck_assert_ptr_ne(bytes, MAP_FAILED);
    for (size_t i = 0; i < FEWER; i += 2)
        ck_assert_int_eq(mprotect(bytes + i * PAGE, PAGE, PROT_READ), 0);
    own = maps_of(getpid());
    for (int i = 0; i < 200; i++) {
        struct sdb_facts_maps *maps = NULL;
        int pid;
        int rc;

        spins = (unsigned long)i * 50000;
        pid = subject_fork(end_soon);
        while ((rc = sdb_facts_read_maps(pid, &maps)) == 0) {
            ck_assert(is_whole(maps, own));
            ck_assert_uint_ge(maps->count, FEWER);
            sdb_facts_free(maps);
        }
        ck_assert_int_eq(rc, -ESRCH);
        subject_reap(pid);
    }
    sdb_facts_free(own);
    ck_assert_int_eq(munmap(bytes, size), 0);
}

TEST(a_process_that_executes_meanwhile_has_all_that_belongs_to_one_program)
{
    struct sdb_facts_maps *own = maps_of(getpid());
    const char *argv[] = {"subject", "execs", "300", NULL};
    struct subject subject = subject_of(NULL);
    struct sdb_facts_strings *strings = NULL;
    struct sdb_facts_file *executable;
    struct sdb_facts_auxv *auxv;
    int rounds = 0;
    bool done;

    subject_launch(&subject, argv);
    do {
        struct sdb_facts_maps *maps = maps_of(subject.pid);

        ck_assert(is_whole(maps, own));
        ck_assert_ptr_nonnull(named(maps, "[stack]"));
        ck_assert_ptr_nonnull(named(maps, "[vdso]"));
        ck_assert_ptr_nonnull(named(maps, SUBJECT));
        sdb_facts_free(maps);
        ck_assert_int_eq(sdb_facts_read_auxv(subject.pid, &auxv), 0);
        ck_assert_uint_gt(auxv->count, 10);
        sdb_facts_free(auxv);
        ck_assert_int_eq(sdb_facts_read_environment(subject.pid, &strings), 0);
        ck_assert_ptr_nonnull(sdb_facts_find_variable(strings, "PATH"));
        sdb_facts_free(strings);
        ck_assert_int_eq(sdb_facts_read_executable(subject.pid, &executable), 0);
        ck_assert_str_eq(executable->path, SUBJECT);
        sdb_facts_free(executable);
        ck_assert_int_eq(sdb_facts_read_arguments(subject.pid, &strings), 0);
        ck_assert_uint_eq(strings->count, 3);
        done = strcmp(strings->list[2], "0") == 0;
        sdb_facts_free(strings);
        rounds++;
    } while (!done);
    ck_assert_int_gt(rounds, 1);
    subject_ready(&subject);
    subject_end(&subject);
    sdb_facts_free(own);
}

int main(void)
{
    return trial_run_suite("facts_maps");
}
