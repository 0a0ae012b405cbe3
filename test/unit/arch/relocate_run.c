/* SPDX-License-Identifier: MIT */
/*
 * Relocated instructions, by what they compute: each runs once at its own place and once in a slot,
 * from the same state (chance makes it), and must leave the same registers, memory, pc or fault.
 * The instructions are those of the libraries' text, one of each shape and some more, then rare ones,
 * then any.
 *
 * They run in a child that has nothing else to do: it is stepped, and its text and its data may be
 * spoilt.  What it works on is shared with it.
 */
#include "arch/x86_64/call.h"
#include "arch/x86_64/relocate.h"

#include <check.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include "library_text.h"
#include "puppet.h"
#include "racing.h"

#define ONE_MORE_OF 60 /* of these of a shape that is known already */
#define SHAPES      (1u << 18)
#define LEAST       15000
#define MOST_STEPS  100
#define ANY         20000

#define ALIGNMENT_CHECK 0x40000 /* among the flags */

/* ---- an instruction ---- */

struct sample {
    const uint8_t *bytes;
    uint64_t from;
    struct sdb__relocation relocation;
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool repeats;
    bool goes_by_parts; /* a step, or a fault, may end in the midst of it */
    uint64_t named;     /* what an operand relative to rip names, or 0 */
};

/*
 * Each loads or stores many elements.  Where a fault comes in its midst under a step, the trap is taken
 * instead of the fault: some elements are done, and it stands where it stood.
 */
static bool is_gather(const ZydisDecodedInstruction *instruction)
{
    switch (instruction->meta.category) {
    case ZYDIS_CATEGORY_AVX2GATHER:
    case ZYDIS_CATEGORY_GATHER:
    case ZYDIS_CATEGORY_SCATTER:
        return true;
    default:
        return false;
    }
}

static uint64_t behind(const struct sample *sample)
{
    return sample->from + sample->decoded.length;
}

static bool read_sample(const uint8_t *bytes, size_t len, uint64_t from, struct sample *sample)
{
    ZydisDecoder decoder;

    memset(sample, 0, sizeof(*sample));
    sample->bytes = bytes;
    sample->from = from;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, bytes, len, &sample->decoded, sample->operands)))
        return false;
    sample->repeats = sdb__instruction_class(bytes, len, 0) == SDB__INSTRUCTION_REPEATED;
    sample->goes_by_parts = sample->repeats || is_gather(&sample->decoded);
    for (int i = 0; i < sample->decoded.operand_count; i++) {
        if (sample->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            sample->operands[i].mem.base == ZYDIS_REGISTER_RIP)
            sample->named = behind(sample) + (uint64_t)sample->operands[i].mem.disp.value;
    }
    return true;
}

/* What does not compute the same twice, or stores where it ran: the x87's last instruction. */
static bool is_deterministic(const struct sample *sample)
{
    switch (sample->decoded.mnemonic) {
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_RDPRU:
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
    case ZYDIS_MNEMONIC_MWAITX:
    case ZYDIS_MNEMONIC_UMWAIT:
    case ZYDIS_MNEMONIC_TPAUSE:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
        return false;
    default:
        return true;
    }
}

/*
 * What the kernel carries out where the processor has UMIP: a step over one goes two instructions
 * there.  These are not stepped but run to what is behind them, as the library has all run in its
 * slots.
 */
static bool may_be_emulated(const struct sample *sample)
{
    switch (sample->decoded.mnemonic) {
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_STR:
        return true;
    default:
        return false;
    }
}

/* ---- the state to begin with ---- */

/* One of the registers that an operand can be found by, in the kernel's struct; NULL: not of those. */
static unsigned long long *general(struct user_regs_struct *registers, ZydisRegister name)
{
    switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name)) {
    case ZYDIS_REGISTER_RAX:
        return &registers->rax;
    case ZYDIS_REGISTER_RBX:
        return &registers->rbx;
    case ZYDIS_REGISTER_RCX:
        return &registers->rcx;
    case ZYDIS_REGISTER_RDX:
        return &registers->rdx;
    case ZYDIS_REGISTER_RSI:
        return &registers->rsi;
    case ZYDIS_REGISTER_RDI:
        return &registers->rdi;
    case ZYDIS_REGISTER_RBP:
        return &registers->rbp;
    case ZYDIS_REGISTER_RSP:
        return &registers->rsp;
    case ZYDIS_REGISTER_R8:
        return &registers->r8;
    case ZYDIS_REGISTER_R9:
        return &registers->r9;
    case ZYDIS_REGISTER_R10:
        return &registers->r10;
    case ZYDIS_REGISTER_R11:
        return &registers->r11;
    case ZYDIS_REGISTER_R12:
        return &registers->r12;
    case ZYDIS_REGISTER_R13:
        return &registers->r13;
    case ZYDIS_REGISTER_R14:
        return &registers->r14;
    case ZYDIS_REGISTER_R15:
        return &registers->r15;
    default:
        return NULL;
    }
}

/* Have the operand in the memory that is there, mostly. */
static void aim(struct user_regs_struct *registers, const ZydisDecodedOperand *operand,
                struct chance *chance)
{
    unsigned long long *base = general(registers, operand->mem.base);
    unsigned long long *index = general(registers, operand->mem.index);
    const int64_t displacement = operand->mem.disp.value;
    uint64_t offset = (uint64_t)displacement;

    if (index && index != base) {
        *index = chance_below(chance, 16);
        offset += *index * operand->mem.scale;
    }
    if (!base || (base == &registers->rsp && displacement > -1024 && displacement < 1024))
        return;
    *base = puppet_middle() + chance_below(chance, 16) * 64 - offset;
    /* Where the memory ends, so that some of the elements are there and some are not. */
    if (operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB && chance_below(chance, 2))
        *base = puppet_middle() + PUPPET_MEMORY / 2 - 48 - offset;
    if (chance_below(chance, 4) == 0)
        *base += chance_below(chance, 64);
}

static struct user_regs_struct begin_with(const struct sample *sample, struct chance *chance)
{
    static const unsigned flags[] = {0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800};
    struct user_regs_struct registers = puppet_registers(chance);

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        registers.eflags |= chance_below(chance, 2) ? flags[i] : 0;
    registers.eflags |= chance_below(chance, 16) ? 0 : ALIGNMENT_CHECK;
    for (int i = 0; i < sample->decoded.operand_count; i++) {
        if (sample->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && chance_below(chance, 16))
            aim(&registers, &sample->operands[i], chance);
    }
    if (sample->repeats || chance_below(chance, 8) == 0)
        registers.rcx = chance_below(chance, 8);
    if (sample->decoded.mnemonic == ZYDIS_MNEMONIC_SYSCALL)
        registers.rax = SYS_getpid;
    else if (sample->relocation.is_syscall)
        registers.rax = 20; /* getpid, of 32 bits */
    return registers;
}

/* ---- both ways ---- */

static const char *in_words(const struct sample *sample)
{
    static char words[256];
    int len =
        snprintf(words, sizeof(words), "%s at %#lx, bytes",
                 ZydisMnemonicGetString(sample->decoded.mnemonic), (unsigned long)sample->from);

    for (int i = 0; i < sample->decoded.length; i++)
        len += snprintf(words + len, sizeof(words) - (size_t)len, " %02x", sample->bytes[i]);
    return words;
}

static void run_in_place(const struct sample *sample, struct outcome *outcome)
{
    if (may_be_emulated(sample)) {
        puppet_run(behind(sample), outcome);
        return;
    }
    for (int i = 0; i < MOST_STEPS; i++) {
        if (!puppet_step(outcome) || !sample->goes_by_parts ||
            outcome->registers.rip != sample->from)
            return;
    }
    ck_abort_msg("without end: %s", in_words(sample));
}

static bool is_in_slot(const struct sample *sample, uint64_t address, uint64_t to)
{
    return address - to < sample->relocation.code_len;
}

static void show(const struct sample *sample, struct outcome *outcome, uint64_t to)
{
    struct user_regs_struct at_fault = {.rip = outcome->fault_address};

    if (is_in_slot(sample, outcome->registers.rip, to) &&
        !sdb__relocation_show(&sample->relocation, to, &outcome->registers))
        ck_abort_msg("stopped at no boundary: %s", in_words(sample));
    if (outcome->signal && sdb__relocation_show(&sample->relocation, to, &at_fault))
        outcome->fault_address = at_fault.rip;
}

/*
 * Through the slot, each stop in which must be shown as one of the program's: as it was before the
 * instruction, or as it was after it.
 */
static void run_in_slot(const struct sample *sample, uint64_t to, struct outcome *outcome,
                        const struct outcome *before, const struct outcome *in_place)
{
    if (may_be_emulated(sample)) {
        puppet_run(behind(sample), outcome);
        show(sample, outcome, to);
        return;
    }
    for (int i = 0; i < MOST_STEPS; i++) {
        const bool stepped = puppet_step(outcome);
        const bool left = !is_in_slot(sample, outcome->registers.rip, to);

        show(sample, outcome, to);
        if (!stepped || left)
            return;
        if (sample->goes_by_parts && outcome->registers.rip == sample->from)
            continue;
        /* One that jumps to itself has both with the same pc. */
        if (!outcome_has_registers(outcome, in_place) &&
            !(outcome->registers.rip == sample->from && outcome_has_registers(outcome, before)))
            ck_abort_msg("shown as neither before nor after, as %s: %s",
                         outcome_differences(outcome, in_place), in_words(sample));
    }
    ck_abort_msg("without end in the slot: %s", in_words(sample));
}

/* Make a call for it.  @return whether it goes where it can be made, and pushes where that can be done */
static bool make_call(const struct sample *sample, const struct outcome *before,
                      struct outcome *outcome)
{
    const uint64_t stack = before->registers.rsp - SDB__RETURN_ADDRESS_SIZE;
    const uint64_t next = behind(sample);
    struct sdb__call call;
    uint64_t target;

    ck_assert_int_eq(sdb__call_decode(sample->bytes, SDB__INSTRUCTION_SIZE, sample->from, 0, &call),
                     0);
    if (sdb__call_is_by_memory(&call, &before->registers, &target) &&
        !puppet_read(target, &target, sizeof(target)))
        return false;
    if (target >= SDB__USER_ADDRESS_END || !puppet_write(stack, &next, sizeof(next)))
        return false;
    outcome->registers = before->registers;
    outcome->registers.rsp = stack;
    outcome->registers.rip = target;
    outcome->signal = 0;
    outcome->signal_code = 0;
    outcome->fault_address = 0;
    return true;
}

/* @return whether it ran through without a fault */
static bool run_both(const struct sample *sample, uint64_t to, struct chance *chance)
{
    static struct outcome before;
    static struct outcome in_place;
    static struct outcome moved;
    const struct sdb__relocation *relocation = &sample->relocation;

    puppet_prepare(begin_with(sample, chance), sample->named, chance, &before);
    before.registers.rip = sample->from;
    puppet_restore(&before, sample->from);
    run_in_place(sample, &in_place);
    puppet_look(&in_place);
    if (relocation->kind == SDB__RELOCATION_SLOT) {
        puppet_write_slot(to, relocation->code, relocation->code_len);
        puppet_restore(&before, to);
        run_in_slot(sample, to, &moved, &before, &in_place);
        puppet_look(&moved);
    } else if (relocation->kind == SDB__RELOCATION_CALL) {
        puppet_restore(&before, sample->from);
        if (!make_call(sample, &before, &moved))
            return false; /* it stays where it is */
        puppet_look(&moved);
    } else {
        moved = before;
        moved.registers.rip = relocation->next;
    }
    if (!outcome_is_same(&moved, &in_place))
        ck_abort_msg("%s: %s", outcome_differences(&moved, &in_place), in_words(sample));
    return in_place.signal == 0;
}

/* ---- which instructions ---- */

/* The instruction without its displacement and immediates. @return whether it is the first such */
static bool is_new_shape(const struct sample *sample, uint64_t *shapes)
{
    uint8_t shape[SDB__INSTRUCTION_SIZE] = {0};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    unsigned at;

    memcpy(shape, sample->bytes, sample->decoded.length);
    memset(shape + sample->decoded.raw.disp.offset, 0, sample->decoded.raw.disp.size / 8);
    for (int i = 0; i < 2; i++)
        memset(shape + sample->decoded.raw.imm[i].offset, 0, sample->decoded.raw.imm[i].size / 8);
    if (sample->decoded.raw.disp.offset == 0 && sample->decoded.raw.imm[0].offset == 0)
        memcpy(shape, sample->bytes, sample->decoded.length);
    for (size_t i = 0; i < sizeof(shape); i++)
        hash = (hash ^ shape[i]) * UINT64_C(0x100000001b3);
    hash += hash == 0;
    for (at = (unsigned)(hash % SHAPES); shapes[at] != 0; at = (at + 1) % SHAPES) {
        if (shapes[at] == hash)
            return false;
    }
    shapes[at] = hash;
    return true;
}

struct tally {
    unsigned samples;
    unsigned shapes;
    unsigned whole; /* without a fault */
    unsigned far;   /* in the slot that is out of reach */
};

/* In the near slot, or in the far one where it can be. */
static void take(struct sample *sample, struct chance *chance, struct tally *tally)
{
    const bool far = chance_below(chance, 5) == 0;
    struct sdb__relocation *relocation = &sample->relocation;
    uint64_t to = puppet_slot(far);

    ck_assert_int_eq(
        sdb__relocate(sample->bytes, SDB__INSTRUCTION_SIZE, sample->from, to, 0, relocation), 0);
    if (far && relocation->kind == SDB__RELOCATION_NONE) {
        to = puppet_slot(false);
        sdb__relocate(sample->bytes, SDB__INSTRUCTION_SIZE, sample->from, to, 0, relocation);
    }
    if (relocation->kind == SDB__RELOCATION_NONE)
        return;
    tally->samples++;
    tally->far += to == puppet_slot(true);
    tally->whole += run_both(sample, to, chance);
}

static void take_library(const struct library_text *text, struct chance *chance,
                         struct tally *tally)
{
    uint64_t *shapes = calloc(SHAPES, sizeof(*shapes));
    size_t at = 0;

    ck_assert_ptr_nonnull(shapes);
    tally->shapes = 0;
    while (at + SDB__INSTRUCTION_SIZE < text->len) {
        struct sample sample;
        const uint8_t *bytes = text->bytes + at;

        if (!read_sample(bytes, text->len - at, (uintptr_t)bytes, &sample)) {
            at++;
            continue;
        }
        at += sample.decoded.length;
        if (!is_deterministic(&sample))
            continue;
        if (is_new_shape(&sample, shapes))
            tally->shapes++;
        else if (chance_below(chance, ONE_MORE_OF) != 0)
            continue;
        take(&sample, chance, tally);
    }
    free(shapes);
}

static struct chance seeded(void)
{
    const char *seed = getenv("SDB_TEST_SEED");

    return chance_of(seed ? (unsigned)atoi(seed) : 1);
}

static const char *const libraries[] = {"libc.so", "libstdc++.so"};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

START_TEST(what_is_moved_computes_the_same)
{
    struct chance chance = seeded();
    struct tally tally = {0};
    struct library_text text;

    if (!library_text(libraries[_i], &text)) {
        ck_assert_int_ne(_i, 0);
        return; /* no C++ on this machine */
    }
    for (int i = rounds(1); i > 0; i--)
        take_library(&text, &chance, &tally);
    printf("%s: %u samples of %u shapes ran both ways, %u without a fault, %u out of reach\n",
           libraries[_i], tally.samples, tally.shapes, tally.whole, tally.far);
    if (_i == 0)
        ck_assert_uint_gt(tally.samples, LEAST);
    ck_assert_uint_gt(tally.whole, tally.samples / 2);
}
END_TEST

/* What compilers write seldom or never. */
static const uint8_t rare[][SDB__INSTRUCTION_SIZE] = {
    {0xe0, 0x10},                                   /* loopne */
    {0xe1, 0x10},                                   /* loope */
    {0xf2, 0xe1, 0x10},                             /* a prefix that makes it loopne */
    {0xf3, 0xe0, 0x10},                             /* and one for loope */
    {0xe2, 0x80},                                   /* loop */
    {0xe2, 0xfe},                                   /* loop to itself */
    {0x67, 0xe2, 0x10},                             /* by ecx */
    {0xe3, 0x7f},                                   /* jrcxz */
    {0x67, 0xe3, 0x10},                             /* jecxz */
    {0x3e, 0x74, 0x10},                             /* je with a hint */
    {0xf2, 0x0f, 0x85, 1, 2, 3, 0},                 /* bnd jne */
    {0xe8, 0, 0, 0, 0},                             /* call next */
    {0x67, 0xe8, 1, 2, 3, 0},                       /* addr32 call */
    {0x66, 0x66, 0x48, 0xe8, 1, 2, 0, 0},           /* data16 rex.W call */
    {0xff, 0xd0},                                   /* call rax */
    {0x41, 0xff, 0xd4},                             /* call r12 */
    {0xff, 0x14, 0x24},                             /* call [rsp] */
    {0xff, 0x54, 0x24, 0x78},                       /* call [rsp+120] */
    {0xff, 0x54, 0x24, 0xf0},                       /* call [rsp-16] */
    {0xff, 0x14, 0xdc},                             /* call [rsp+rbx*8] */
    {0xff, 0x94, 0x24, 0, 1, 0, 0},                 /* call [rsp+256] */
    {0x41, 0xff, 0x54, 0x24, 8},                    /* call [r12+8] */
    {0xff, 0x54, 0xcb, 16},                         /* call [rbx+rcx*8+16] */
    {0x64, 0xff, 0x14, 0x25, 16, 0, 0, 0},          /* call fs:[16] */
    {0xff, 0x15, 0x10, 0, 0, 0},                    /* call [rip] */
    {0xff, 0x25, 0x10, 0, 0, 0},                    /* jmp [rip] */
    {0xff, 0x64, 0x24, 8},                          /* jmp [rsp+8] */
    {0xff, 0x35, 0x10, 0, 0, 0},                    /* push [rip] */
    {0x8f, 0x05, 0x10, 0, 0, 0},                    /* pop [rip] */
    {0x48, 0xc7, 0x05, 0x20, 0, 0, 0, 1, 2, 3, 4},  /* mov qword [rip], imm32 */
    {0xf0, 0x48, 0x0f, 0xc1, 0x05, 0x20, 0, 0, 0},  /* lock xadd [rip], rax */
    {0x0f, 0xba, 0x2d, 0x20, 0, 0, 0, 5},           /* bts dword [rip], 5 */
    {0x66, 0x0f, 0x70, 0x05, 1, 0, 0, 0, 1},        /* pshufd xmm0, [rip], 1, not aligned */
    {0xc4, 0xe3, 0x75, 0x46, 0x05, 16, 0, 0, 0, 1}, /* vperm2i128 ymm0, ymm1, [rip], 1 */
    {0xc3},                                         /* ret */
    {0xc2, 8, 0},                                   /* ret 8 */
    {0xcb},                                         /* retf */
    {0x66, 0xc3},                                   /* ret of 16 bits, or not */
    {0xc8, 0x20, 0, 0},                             /* enter 32, 0 */
    {0xc8, 0x20, 0, 3},                             /* enter 32, 3 */
    {0xc9},                                         /* leave */
    {0x9c},                                         /* pushfq */
    {0x9d},                                         /* popfq */
    {0x66, 0x9d},                                   /* popf */
    {0x5c},                                         /* pop rsp */
    {0x54},                                         /* push rsp */
    {0xd7},                                         /* xlat */
    {0xf3, 0xa4},                                   /* rep movsb */
    {0xf3, 0x48, 0xab},                             /* rep stosq */
    {0xf3, 0xa6},                                   /* repe cmpsb */
    {0xf2, 0xae},                                   /* repne scasb */
    {0xf3, 0xac},                                   /* rep lodsb */
    {0x67, 0xf3, 0xa4},                             /* by 32 bits */
    {0x0f, 0x05},                                   /* syscall */
    {0x48, 0x0f, 0x05},                             /* with a prefix */
    {0xcd, 0x80},                                   /* int 0x80 */
    {0xcd, 0x04},                                   /* int 4 */
    {0xcd, 0x21},                                   /* int 0x21 */
    {0xf4},                                         /* hlt */
    {0xfa},                                         /* cli */
    {0x0f, 0x0b},                                   /* ud2 */
    {0x0f, 0x20, 0xc0},                             /* mov rax, cr0 */
    {0xe4, 0x60},                                   /* in al, 0x60 */
    {0x8e, 0xd8},                                   /* mov ds, eax */
    {0x8c, 0xd0},                                   /* mov eax, ss */
    {0x0f, 0xa2},                                   /* cpuid */
    {0x0f, 0x01, 0xd0},                             /* xgetbv */
    {0x0f, 0x01, 0x43, 0x08},                       /* sgdt [rbx+8] */
    {0x0f, 0x01, 0x0d, 0x20, 0, 0, 0},              /* sidt [rip] */
    {0x0f, 0x00, 0xc1},                             /* sldt ecx */
    {0x0f, 0x00, 0x0d, 0x20, 0, 0, 0},              /* str [rip] */
    {0x48, 0x0f, 0x01, 0xe0},                       /* smsw rax */
    {0x0f, 0x01, 0x64, 0x24, 0xf0},                 /* smsw [rsp-16] */
    {0xf3, 0x48, 0x0f, 0xae, 0xd0},                 /* wrfsbase rax */
    {0xf3, 0x48, 0x0f, 0xae, 0xc0},                 /* rdfsbase rax */
    {0xf3, 0x48, 0x0f, 0x1e, 0xc8},                 /* rdsspq rax */
    {0xc4, 0xe2, 0x75, 0x90, 0x04, 0x23},           /* vpgatherdd ymm0, [rbx], ymm1 */
    {0xdd, 0x05, 0x20, 0, 0, 0},                    /* fld qword [rip] */
    {0xd9, 0xfa},                                   /* fsqrt */
    {0xf7, 0xf1},                                   /* div ecx */
    {0xa1, 1, 2, 3, 4, 5, 6, 7, 8},                 /* mov eax, moffs */
    {0xeb, 0xfe},                                   /* jmp to itself */
    {0xe9, 1, 2, 3, 0},                             /* jmp */
    {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},  /* nop */
    {0xf3, 0x0f, 0x1e, 0xfa},                       /* endbr64 */
    {0xf3, 0x90},                                   /* pause */
    {0x0f, 0x1a, 0x05, 1, 0, 0, 0},                 /* a hint that is a nop */
    {0x87, 0xc0},                                   /* xchg eax, eax */
};
#define RARE (sizeof(rare) / sizeof(rare[0]))

START_TEST(what_is_rare_computes_the_same)
{
    struct chance chance = seeded();
    struct tally tally = {0};

    for (int i = rounds(50); i > 0; i--) {
        struct sample sample;
        const uint8_t *bytes = puppet_write_text(rare[_i], SDB__INSTRUCTION_SIZE);

        ck_assert(read_sample(bytes, SDB__INSTRUCTION_SIZE, (uintptr_t)bytes, &sample));
        take(&sample, &chance, &tally);
    }
    ck_assert_uint_ge(tally.samples, 50);
}
END_TEST

/* What nobody writes: bytes by chance. */
START_TEST(any_instruction_computes_the_same)
{
    static const uint8_t telling[] = {0x0f, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x48, 0x41,
                                      0x64, 0xff, 0x05, 0x24, 0x14, 0xc4, 0xc5, 0x3e};
    struct chance chance = seeded();
    struct tally tally = {0};

    for (int i = rounds(ANY); i > 0; i--) {
        uint8_t bytes[SDB__INSTRUCTION_SIZE];
        struct sample sample;

        for (size_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = chance_below(&chance, 3) ? (uint8_t)chance_below(&chance, 256)
                                                : telling[chance_below(&chance, sizeof(telling))];
        if (!read_sample(bytes, sizeof(bytes), 0, &sample) || !is_deterministic(&sample))
            continue;
        sample.bytes = puppet_write_text(bytes, sizeof(bytes));
        read_sample(sample.bytes, sizeof(bytes), (uintptr_t)sample.bytes, &sample);
        take(&sample, &chance, &tally);
    }
    printf("any bytes: %u samples ran both ways, %u without a fault\n", tally.samples, tally.whole);
    ck_assert_uint_gt(tally.samples, ANY / 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relocate_run");
    TCase *tests = tcase_create("relocate_run");
    SRunner *runner;
    int failed;

    dlopen("libstdc++.so.6", RTLD_NOW);
    tcase_add_checked_fixture(tests, puppet_start, puppet_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_is_moved_computes_the_same, 0, LIBRARIES);
    tcase_add_loop_test(tests, what_is_rare_computes_the_same, 0, RARE);
    tcase_add_test(tests, any_instruction_computes_the_same);
    suite_add_tcase(suite, tests);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    if (srunner_ntests_run(runner) == 0)
        failed = 1;
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
