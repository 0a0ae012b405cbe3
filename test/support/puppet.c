/* SPDX-License-Identifier: MIT */
/*
 * A child in which single instructions are run.
 */
#include "puppet.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE       4096
#define FAR_PAGE   UINT64_C(0x300000000000) /* above the shadow of the address sanitizer */
#define LOW_SHADOW UINT64_C(0x7fff8000)     /* where it begins */
#define LOW_END    (UINT64_C(1) << 32)
#define STEP_FLAGS 0x210100u /* TF and RF, which steps and faults set; ID, which ptrace does not */

/* The parts of an XSAVE area that are not the program's: the x87's last pc, and what is in use. */
#define XSTATE_LAST_PC   8
#define XSTATE_REGISTERS 32
#define XSTATE_XMM       160
#define XSTATE_XMM_END   416
#define XSTATE_IN_USE    512
#define XSTATE_YMM_HIGH  576
#define XSTATE_AVX_SIZE  832

static struct {
    pid_t pid;
    int memory_fd; /* all of its memory */
    uint8_t *reserved;
    uint8_t *memory; /* shared, with nothing around it */
    uint8_t *near_page;
    uint8_t *far_page;
    uint8_t *text_page;
    struct user_regs_struct registers;
    uint8_t xstate[PUPPET_XSTATE];
    size_t xstate_len;
    uint64_t named;
} puppet;

/* ---- the child ---- */

static uint8_t *map_shared(void *hint, size_t len, int protection, int flags)
{
    void *page = mmap(hint, len, protection, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);

    ck_assert_ptr_ne(page, MAP_FAILED);
    return page;
}

static void stay_on_one_processor(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void start_child(void)
{
    char path[64];
    int status;

    puppet.pid = fork();
    ck_assert_int_ge(puppet.pid, 0);
    if (puppet.pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        /* What is written to an address of 32 bits must not find memory that is not put back. */
        syscall(SYS_munmap, LOW_SHADOW, LOW_END - LOW_SHADOW);
        raise(SIGSTOP);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(puppet.pid, &status, 0), puppet.pid);
    ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, puppet.pid, NULL, PTRACE_O_EXITKILL), 0);
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)puppet.pid);
    puppet.memory_fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(puppet.memory_fd, 0);
}

static void get_xstate(uint8_t *xstate)
{
    struct iovec vector = {xstate, PUPPET_XSTATE};

    if (ptrace(PTRACE_GETREGSET, puppet.pid, NT_X86_XSTATE, &vector) != 0)
        ck_abort_msg("PTRACE_GETREGSET failed");
    puppet.xstate_len = vector.iov_len;
}

static void set_xstate(const uint8_t *xstate)
{
    static uint8_t copy[PUPPET_XSTATE];
    struct iovec vector = {copy, puppet.xstate_len};

    memcpy(copy, xstate, puppet.xstate_len);
    if (ptrace(PTRACE_SETREGSET, puppet.pid, NT_X86_XSTATE, &vector) != 0)
        ck_abort_msg("PTRACE_SETREGSET failed");
}

void puppet_start(void)
{
    stay_on_one_processor();
    puppet.reserved =
        mmap(NULL, (size_t)3 * PUPPET_MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(puppet.reserved, MAP_FAILED);
    puppet.memory = map_shared(puppet.reserved + PUPPET_MEMORY, PUPPET_MEMORY,
                               PROT_READ | PROT_WRITE, MAP_FIXED);
    puppet.near_page = map_shared(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
    puppet.far_page = map_shared((void *)(uintptr_t)FAR_PAGE, PAGE,
                                 PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED_NOREPLACE);
    puppet.text_page = map_shared(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
    start_child();
    ck_assert_int_eq(ptrace(PTRACE_GETREGS, puppet.pid, NULL, &puppet.registers), 0);
    memset(puppet.xstate, 0, sizeof(puppet.xstate));
    get_xstate(puppet.xstate);
}

void puppet_end(void)
{
    int status;

    kill(puppet.pid, SIGKILL);
    ck_assert_int_eq(waitpid(puppet.pid, &status, 0), puppet.pid);
    ck_assert(WIFSIGNALED(status));
    close(puppet.memory_fd);
    munmap(puppet.reserved, (size_t)3 * PUPPET_MEMORY);
    munmap(puppet.near_page, PAGE);
    munmap(puppet.far_page, PAGE);
    munmap(puppet.text_page, PAGE);
}

uint64_t puppet_middle(void)
{
    return (uintptr_t)puppet.memory + PUPPET_MEMORY / 2;
}

uint64_t puppet_slot(bool far)
{
    return (uintptr_t)(far ? puppet.far_page : puppet.near_page);
}

void puppet_write_slot(uint64_t slot, const uint8_t *code, size_t len)
{
    memset((void *)(uintptr_t)slot, 0xcc, 64);
    memcpy((void *)(uintptr_t)slot, code, len);
}

const uint8_t *puppet_write_text(const uint8_t *bytes, size_t len)
{
    for (int i = 0; i < PAGE; i++)
        puppet.text_page[i] = (uint8_t)(i * 37 + 11);
    memcpy(puppet.text_page + PAGE / 2, bytes, len);
    return puppet.text_page + PAGE / 2;
}

/* ---- states ---- */

static uint64_t any_number(struct chance *chance)
{
    uint64_t number = 0;

    for (int i = 0; i < 3; i++)
        number = number << 24 ^ chance_below(chance, 1u << 24);
    return number;
}

static uint64_t number_by_chance(struct chance *chance)
{
    switch (chance_below(chance, 8)) {
    case 0:
    case 1:
    case 2:
        return puppet_middle() + chance_below(chance, 64) * 16;
    case 3:
        return chance_below(chance, 256);
    case 4:
        return 0;
    case 5:
        return ~(uint64_t)chance_below(chance, 256);
    default:
        return any_number(chance);
    }
}

struct user_regs_struct puppet_registers(struct chance *chance)
{
    struct user_regs_struct registers = puppet.registers;
    unsigned long long *const numbers[] = {
        &registers.rax, &registers.rbx, &registers.rcx, &registers.rdx, &registers.rsi,
        &registers.rdi, &registers.rbp, &registers.r8,  &registers.r9,  &registers.r10,
        &registers.r11, &registers.r12, &registers.r13, &registers.r14, &registers.r15};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        *numbers[i] = number_by_chance(chance);
    registers.rsp = puppet_middle() + PUPPET_MEMORY / 4 + chance_below(chance, 32) * 8;
    registers.fs_base = puppet_middle();
    registers.gs_base = puppet_middle() + 1024;
    registers.eflags = 0x202;
    registers.orig_rax = ~0ull; /* in no system call */
    return registers;
}

/* Each 16 bytes are any, or four small numbers: a mask may be any where the indices are small. */
static void numbers_by_chance(uint8_t *bytes, int len, struct chance *chance)
{
    bool small = false;

    for (int i = 0; i < len; i++) {
        if (i % 16 == 0)
            small = chance_below(chance, 2);
        if (small)
            bytes[i] = (uint8_t)(i % 4 == 0 ? chance_below(chance, 64) : 0);
        else
            bytes[i] = (uint8_t)chance_below(chance, 256);
    }
}

static void xstate_by_chance(uint8_t *xstate, struct chance *chance)
{
    static const uint8_t control[] = {0x7f, 0x03}; /* of the x87: all faults masked */
    const uint32_t mxcsr = 0x1f80;
    const uint8_t used = puppet.xstate_len >= XSTATE_AVX_SIZE ? 7 : 3;

    memcpy(xstate, puppet.xstate, puppet.xstate_len);
    memset(xstate, 0, 24);
    memcpy(xstate, control, sizeof(control));
    xstate[3] = (uint8_t)(chance_below(chance, 8) << 3); /* the top of the stack */
    xstate[4] = (uint8_t)chance_below(chance, 256);      /* which are in use */
    memcpy(xstate + 24, &mxcsr, sizeof(mxcsr));
    for (int i = 0; i < 8; i++) {
        uint8_t *number = xstate + XSTATE_REGISTERS + 16 * i;
        const uint64_t mantissa = any_number(chance) | UINT64_C(1) << 63;
        const uint16_t exponent = (uint16_t)(0x3ff8 + chance_below(chance, 16));

        memcpy(number, &mantissa, sizeof(mantissa));
        memcpy(number + 8, &exponent, sizeof(exponent));
    }
    numbers_by_chance(xstate + XSTATE_XMM, XSTATE_XMM_END - XSTATE_XMM, chance);
    if (used == 7)
        numbers_by_chance(xstate + XSTATE_YMM_HIGH, XSTATE_AVX_SIZE - XSTATE_YMM_HIGH, chance);
    xstate[XSTATE_IN_USE] |= used;
}

static void memory_by_chance(uint8_t *memory, struct chance *chance)
{
    for (size_t i = 0; i < PUPPET_MEMORY; i += sizeof(uint64_t)) {
        const uint64_t number = number_by_chance(chance);

        memcpy(memory + i, &number, sizeof(number));
    }
}

static void read_named(uint8_t *bytes, size_t *len)
{
    ssize_t count = 0;

    if (puppet.named)
        count = pread(puppet.memory_fd, bytes, PUPPET_NAMED, (off_t)puppet.named);
    *len = count > 0 ? (size_t)count : 0;
}

void puppet_prepare(struct user_regs_struct registers, uint64_t named, struct chance *chance,
                    struct outcome *before)
{
    static unsigned count;

    /* It takes its time, so what was made is used some times. */
    if (count++ % 32 == 0)
        memory_by_chance(before->memory, chance);
    xstate_by_chance(before->xstate, chance);
    before->registers = registers;
    before->signal = 0;
    puppet.named = named;
    read_named(before->named, &before->named_len);
}

void puppet_restore(const struct outcome *before, uint64_t pc)
{
    struct user_regs_struct registers = before->registers;

    registers.rip = pc;
    if (ptrace(PTRACE_SETREGS, puppet.pid, NULL, &registers) != 0)
        ck_abort_msg("PTRACE_SETREGS failed");
    set_xstate(before->xstate);
    memcpy(puppet.memory, before->memory, PUPPET_MEMORY);
    if (before->named_len > 0 && pwrite(puppet.memory_fd, before->named, before->named_len,
                                        (off_t)puppet.named) != (ssize_t)before->named_len)
        ck_abort_msg("what is named cannot be written");
}

/* Let it go on, and fill in how it stands then. @return whether by a trap, and not by a fault */
static bool go_on(enum __ptrace_request how, struct outcome *outcome)
{
    siginfo_t info;
    int status;

    if (ptrace(how, puppet.pid, NULL, NULL) != 0 || waitpid(puppet.pid, &status, 0) != puppet.pid)
        ck_abort_msg("the child cannot be run");
    if (!WIFSTOPPED(status))
        ck_abort_msg("the child has ended: %#x", status);
    if (ptrace(PTRACE_GETREGS, puppet.pid, NULL, &outcome->registers) != 0)
        ck_abort_msg("PTRACE_GETREGS failed");
    outcome->signal = 0;
    outcome->signal_code = 0;
    outcome->fault_address = 0;
    if (WSTOPSIG(status) == SIGTRAP)
        return true;
    if (ptrace(PTRACE_GETSIGINFO, puppet.pid, NULL, &info) != 0)
        ck_abort_msg("PTRACE_GETSIGINFO failed");
    outcome->signal = WSTOPSIG(status);
    outcome->signal_code = info.si_code;
    outcome->fault_address = (uintptr_t)info.si_addr;
    return false;
}

bool puppet_step(struct outcome *outcome)
{
    return go_on(PTRACE_SINGLESTEP, outcome);
}

static void exchange_byte(uint64_t address, uint8_t byte, uint8_t *old)
{
    if ((old && pread(puppet.memory_fd, old, 1, (off_t)address) != 1) ||
        pwrite(puppet.memory_fd, &byte, 1, (off_t)address) != 1)
        ck_abort_msg("no trap can be set at %#lx", (unsigned long)address);
}

void puppet_run(uint64_t end, struct outcome *outcome)
{
    uint8_t byte;

    exchange_byte(end, 0xcc, &byte);
    if (go_on(PTRACE_CONT, outcome) && outcome->registers.rip == end + 1)
        outcome->registers.rip = end;
    exchange_byte(end, byte, NULL);
}

bool puppet_read(uint64_t address, void *buffer, size_t len)
{
    const struct iovec here = {buffer, len};
    const struct iovec there = {(void *)(uintptr_t)address, len};

    return process_vm_readv(puppet.pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

bool puppet_write(uint64_t address, const void *buffer, size_t len)
{
    const struct iovec here = {(void *)(uintptr_t)buffer, len};
    const struct iovec there = {(void *)(uintptr_t)address, len};

    return process_vm_writev(puppet.pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

void puppet_look(struct outcome *outcome)
{
    get_xstate(outcome->xstate);
    memcpy(outcome->memory, puppet.memory, PUPPET_MEMORY);
    read_named(outcome->named, &outcome->named_len);
}

/* ---- comparing ---- */

/* Each way out of the kernel makes 0 of the other null selectors. */
static unsigned long long selector(unsigned long long value)
{
    return value <= 3 ? 0 : value;
}

static struct user_regs_struct to_compare(const struct outcome *outcome)
{
    struct user_regs_struct registers = outcome->registers;

    registers.eflags &= ~(unsigned long long)STEP_FLAGS;
    registers.orig_rax = 0;
    registers.ds = selector(registers.ds);
    registers.es = selector(registers.es);
    registers.fs = selector(registers.fs);
    registers.gs = selector(registers.gs);
    return registers;
}

bool outcome_has_registers(const struct outcome *one, const struct outcome *other)
{
    const struct user_regs_struct first = to_compare(one);
    const struct user_regs_struct second = to_compare(other);

    return memcmp(&first, &second, sizeof(first)) == 0;
}

static bool is_same_xstate(const uint8_t *one, const uint8_t *other)
{
    const size_t in_use_end = XSTATE_IN_USE + sizeof(uint64_t);

    return memcmp(one, other, XSTATE_LAST_PC) == 0 &&
           memcmp(one + XSTATE_LAST_PC + 8, other + XSTATE_LAST_PC + 8,
                  XSTATE_IN_USE - XSTATE_LAST_PC - 8) == 0 &&
           memcmp(one + in_use_end, other + in_use_end, puppet.xstate_len - in_use_end) == 0;
}

bool outcome_is_same(const struct outcome *one, const struct outcome *other)
{
    return outcome_has_registers(one, other) && one->signal == other->signal &&
           one->signal_code == other->signal_code && one->fault_address == other->fault_address &&
           is_same_xstate(one->xstate, other->xstate) &&
           memcmp(one->memory, other->memory, PUPPET_MEMORY) == 0 &&
           one->named_len == other->named_len &&
           memcmp(one->named, other->named, one->named_len) == 0;
}

const char *outcome_differences(const struct outcome *one, const struct outcome *other)
{
    static char text[1024];
    const struct user_regs_struct first = to_compare(one);
    const struct user_regs_struct second = to_compare(other);
    const unsigned long long *numbers[] = {(const unsigned long long *)&first,
                                           (const unsigned long long *)&second};
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(first) / sizeof(numbers[0][0]) && len < sizeof(text) / 2; i++) {
        if (numbers[0][i] != numbers[1][i])
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, "register %zu %#llx not %#llx, ",
                                 i, numbers[0][i], numbers[1][i]);
    }
    len += (size_t)snprintf(text + len, sizeof(text) - len,
                            "signal %d code %d address %#lx not %d %d %#lx%s", one->signal,
                            one->signal_code, (unsigned long)one->fault_address, other->signal,
                            other->signal_code, (unsigned long)other->fault_address,
                            is_same_xstate(one->xstate, other->xstate) ? "" : ", vectors");
    for (size_t i = 0; i < PUPPET_MEMORY; i++) {
        if (one->memory[i] != other->memory[i]) {
            snprintf(text + len, sizeof(text) - len, ", memory %zu", i);
            break;
        }
    }
    return text;
}
