/* SPDX-License-Identifier: MIT */
/*
 * Symbols and backtraces by elfutils' libdw, see symbols.h.
 *
 * libdw reads from the files that are mapped: their tables of symbols, and if they have it what the
 * compiler knows of lines.  Nothing more than .eh_frame, which nearly every file has, is needed for
 * backtraces.
 */
#include "symbols.h"

#include <sdb/sdb.h>

#include <elf.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PC_NUMBER   16 /* of the program counter, in DWARF; those below are the general registers */
#define MOST_FRAMES 64

struct symbols {
    struct sdb_process *process;
    Dwfl *dwfl;
    struct sdb_thread *thread; /* whose backtrace is being made */
};

/* ---- what libdw asks ---- */

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *data)
{
    const struct symbols *symbols = data;

    (void)dwfl;
    return sdb_memory_read(symbols->process, address, word, sizeof(*word)) == sizeof(*word);
}

static bool find_thread(Dwfl *dwfl, pid_t tid, void *data, void **thread)
{
    const struct symbols *symbols = data;

    (void)dwfl;
    *thread = symbols->thread;
    return symbols->thread && sdb_thread_tid(symbols->thread) == tid;
}

static pid_t find_next_thread(Dwfl *dwfl, void *data, void **thread)
{
    const struct symbols *symbols = data;

    (void)dwfl;
    if (*thread || !symbols->thread)
        return 0;
    *thread = symbols->thread;
    return sdb_thread_tid(symbols->thread);
}

static bool give_registers(Dwfl_Thread *dwfl_thread, void *thread)
{
    Dwarf_Word values[PC_NUMBER + 1];

    for (int32_t i = 0; i <= PC_NUMBER; i++) {
        if (sdb_thread_read_register(thread, sdb_register_find_dwarf(i), &values[i],
                                     sizeof(values[i])) < 0)
            return false;
    }
    return dwfl_thread_state_registers(dwfl_thread, 0, PC_NUMBER + 1, values);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = find_next_thread,
    .get_thread = find_thread,
    .memory_read = read_word,
    .set_initial_registers = give_registers,
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
};

/* ---- what is mapped ---- */

void symbols_refresh(struct symbols *symbols)
{
    dwfl_report_begin(symbols->dwfl);
    dwfl_linux_proc_report(symbols->dwfl, sdb_process_pid(symbols->process));
    dwfl_report_end(symbols->dwfl, NULL, NULL);
}

struct symbols *symbols_open(struct sdb_process *process)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));

    if (!symbols)
        return NULL;
    symbols->process = process;
    symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols->dwfl)
        symbols_refresh(symbols);
    if (symbols->dwfl && dwfl_attach_state(symbols->dwfl, NULL, sdb_process_pid(process),
                                           &thread_callbacks, symbols))
        return symbols;
    symbols_close(symbols);
    return NULL;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    if (symbols->dwfl)
        dwfl_end(symbols->dwfl);
    free(symbols);
}

/* ---- addresses for names ---- */

/* What is looked for in the symbols of all modules. */
struct search {
    const char *name;
    int type; /* STT_... */
    Dwfl_Module *only;
    struct places *places; /* or, of one that is found: */
    uint64_t address;
    uint64_t size;
    size_t count;
};

static size_t add_place(struct places *places, uint64_t address)
{
    uint64_t *grown;

    for (size_t i = 0; i < places->count; i++) {
        if (places->addresses[i] == address)
            return 0;
    }
    grown = realloc(places->addresses, (places->count + 1) * sizeof(*grown));
    if (!grown)
        return 0;
    places->addresses = grown;
    places->addresses[places->count++] = address;
    return 1;
}

static int search_module(Dwfl_Module *module, void **unused, const char *name, Dwarf_Addr start,
                         void *data)
{
    const int count = dwfl_module_getsymtab(module);
    struct search *search = data;

    (void)unused;
    (void)name;
    (void)start;
    if (search->only && module != search->only)
        return DWARF_CB_OK;
    for (int i = 0; i < count; i++) {
        GElf_Addr address;
        GElf_Sym symbol;
        const char *symbol_name =
            dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);

        if (!symbol_name || symbol.st_shndx == SHN_UNDEF ||
            GELF_ST_TYPE(symbol.st_info) != search->type || strcmp(symbol_name, search->name) != 0)
            continue;
        if (search->places) {
            search->count += add_place(search->places, address);
        } else {
            search->address = address;
            search->size = symbol.st_size;
            search->count = 1;
            return DWARF_CB_ABORT;
        }
    }
    return DWARF_CB_OK;
}

/* Where a line is in a module: once for each function that has it. */
struct line_search {
    const char *file;
    int line;
    struct places *places;
    size_t count;
};

static int search_line(Dwfl_Module *module, void **unused, const char *name, Dwarf_Addr start,
                       void *data)
{
    struct line_search *search = data;
    const char *last_function = NULL;
    Dwfl_Line **lines = NULL;
    size_t count = 0;

    (void)unused;
    (void)name;
    (void)start;
    if (dwfl_module_getsrc_file(module, search->file, search->line, 0, &lines, &count) != 0)
        return DWARF_CB_OK;
    for (size_t i = 0; i < count; i++) {
        Dwarf_Addr address;
        const char *function;

        if (!dwfl_lineinfo(lines[i], &address, NULL, NULL, NULL, NULL))
            continue;
        function = dwfl_module_addrname(module, address);
        if (i == 0 || function != last_function)
            search->count += add_place(search->places, address);
        last_function = function;
    }
    free(lines);
    return DWARF_CB_OK;
}

size_t symbols_find_places(struct symbols *symbols, const char *text, struct places *places)
{
    const char *colon = strrchr(text, ':');
    size_t count;

    if (strncmp(text, "0x", 2) == 0) {
        count = add_place(places, strtoull(text, NULL, 16));
    } else if (colon && colon[1] >= '0' && colon[1] <= '9') {
        char *file = strndup(text, (size_t)(colon - text));
        struct line_search search = {.file = file, .line = atoi(colon + 1), .places = places};

        if (file)
            dwfl_getmodules(symbols->dwfl, search_line, &search, 0);
        free(file);
        count = search.count;
    } else {
        struct search search = {.name = text, .type = STT_FUNC, .places = places};

        dwfl_getmodules(symbols->dwfl, search_module, &search, 0);
        count = search.count;
    }
    return count;
}

bool symbols_find_variable(struct symbols *symbols, const char *name, uint64_t *address,
                           uint64_t *size)
{
    struct search search = {.name = name, .type = STT_OBJECT};

    dwfl_getmodules(symbols->dwfl, search_module, &search, 0);
    if (search.count == 0)
        return false;
    *address = search.address;
    *size = search.size;
    return true;
}

/*
 * The linker tells its place in r_brk of struct r_debug (<link.h>), but only once it runs, and by then
 * it may have been there.  It is a function that both glibc's and musl's have under the same name.
 */
uint64_t symbols_find_loader_place(struct symbols *symbols)
{
    struct search search = {.name = "_dl_debug_state", .type = STT_FUNC};
    struct sdb_facts_auxv *auxv;
    uint64_t base = 0;

    if (sdb_facts_read_auxv(sdb_process_pid(symbols->process), &auxv) < 0)
        return 0;
    sdb_facts_find_auxv(auxv, AT_BASE, &base);
    sdb_facts_free(auxv);
    search.only = base ? dwfl_addrmodule(symbols->dwfl, base) : NULL;
    if (!search.only)
        return 0;
    dwfl_getmodules(symbols->dwfl, search_module, &search, 0);
    return search.address;
}

/* ---- names for addresses ---- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The instruction before may be the last one of its function, so its own address is looked up. */
const char *symbols_describe(struct symbols *symbols, uint64_t address, bool is_behind, char *text,
                             size_t size)
{
    const Dwarf_Addr inside = address - is_behind;
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, inside);
    const char *file = NULL;
    const char *function;
    Dwfl_Line *line;
    Dwarf_Addr start = 0;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    int number;

    if (!module) {
        snprintf(text, size, "?");
        return text;
    }
    function = dwfl_module_addrinfo(module, inside, &offset, &symbol, NULL, NULL, NULL);
    line = dwfl_module_getsrc(module, inside);
    if (line)
        file = dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
    if (file) {
        file = last_part(file);
    } else {
        file = last_part(dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL));
        number = 0;
    }
    if (!function && number > 0)
        snprintf(text, size, "%s:%d", file, number);
    else if (!function)
        snprintf(text, size, "%s+%#" PRIx64, file, address - start);
    else if (number > 0)
        snprintf(text, size, "%s+%#" PRIx64 " at %s:%d", function, offset + is_behind, file,
                 number);
    else
        snprintf(text, size, "%s+%#" PRIx64 " in %s", function, offset + is_behind, file);
    return text;
}

struct backtrace {
    struct symbols *symbols;
    FILE *file;
    int depth;
};

static int print_frame(Dwfl_Frame *frame, void *data)
{
    struct backtrace *backtrace = data;
    bool is_activation;
    Dwarf_Addr pc;
    char text[512];

    if (!dwfl_frame_pc(frame, &pc, &is_activation) || backtrace->depth == MOST_FRAMES)
        return DWARF_CB_ABORT;
    symbols_describe(backtrace->symbols, pc, !is_activation, text, sizeof(text));
    fprintf(backtrace->file, "    #%-2d 0x%012" PRIx64 " %s\n", backtrace->depth++, pc, text);
    return DWARF_CB_OK;
}

void symbols_print_backtrace(struct symbols *symbols, struct sdb_thread *thread, FILE *file)
{
    struct backtrace backtrace = {.symbols = symbols, .file = file};

    symbols->thread = thread;
    dwfl_getthread_frames(symbols->dwfl, sdb_thread_tid(thread), print_frame, &backtrace);
    symbols->thread = NULL;
}
