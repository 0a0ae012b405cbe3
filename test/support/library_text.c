/* SPDX-License-Identifier: MIT */
/*
 * The machine code of loaded libraries: what is mapped is found by the dynamic linker's list, the
 * bounds of the section by the file.
 */
#include "library_text.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wanted {
    const char *name;
    struct library_text *text;
    bool found;
};

static void *read_at(int fd, off_t offset, size_t len)
{
    void *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(pread(fd, bytes, len, offset), (ssize_t)len);
    return bytes;
}

static void find_section(const struct dl_phdr_info *library, struct library_text *text)
{
    const int fd = open(library->dlpi_name, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr *header;
    Elf64_Shdr *sections;
    char *names;

    ck_assert_int_ge(fd, 0);
    header = read_at(fd, 0, sizeof(*header));
    sections = read_at(fd, (off_t)header->e_shoff, header->e_shnum * sizeof(*sections));
    names = read_at(fd, (off_t)sections[header->e_shstrndx].sh_offset,
                    sections[header->e_shstrndx].sh_size);
    for (int i = 0; i < header->e_shnum; i++) {
        if (strcmp(names + sections[i].sh_name, ".text") != 0)
            continue;
        text->bytes = (const uint8_t *)(uintptr_t)(library->dlpi_addr + sections[i].sh_addr);
        text->len = sections[i].sh_size;
    }
    free(names);
    free(sections);
    free(header);
    close(fd);
}

static int look_at(struct dl_phdr_info *library, size_t size, void *argument)
{
    struct wanted *wanted = argument;
    const char *slash = strrchr(library->dlpi_name, '/');

    (void)size;
    if (!slash || strncmp(slash + 1, wanted->name, strlen(wanted->name)) != 0)
        return 0;
    find_section(library, wanted->text);
    wanted->found = true;
    return 1;
}

bool library_text(const char *name, struct library_text *text)
{
    struct wanted wanted = {name, text, false};

    *text = (struct library_text){NULL, 0};
    dl_iterate_phdr(look_at, &wanted);
    return wanted.found && text->len > 0;
}
