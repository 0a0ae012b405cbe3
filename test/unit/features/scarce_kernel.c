/* SPDX-License-Identifier: MIT */
/*
 * The kernel refuses: every request of a kind that the library makes on an errand fails, one after the
 * other, with an errno that the kernel can really give; alone, and with all that come after it.  The call
 * that asked says so, or does without; nothing is left, no event is lost, and the same call works
 * afterwards.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "errands.h"
#include "intercept.h"
#include "leftovers.h"
#include "scarce.h"
#include "suite.h"

#define ANY         (-1)
#define MOST_ERRNOS 4

/* Requests of a kind. */
struct refusal {
    const char *name;
    int number; /* of the system call */
    int what;   /* its first argument, or ANY */
    int error;
    int expected[MOST_ERRNOS]; /* what a call of the library may return then, 0 last */
    bool comes_once;           /* a planted byte that can never be lifted cannot be gone on from */
    bool not_planted;          /* only on errands that plant nothing */
};

static const struct refusal refusals[] = {
    {"seize", SYS_ptrace, PTRACE_SEIZE, EPERM, {-EPERM}, false, false},
    {"get register set", SYS_ptrace, PTRACE_GETREGSET, ENOMEM, {-ENOMEM}, false, false},
    {"set register set", SYS_ptrace, PTRACE_SETREGSET, ENOMEM, {-ENOMEM}, false, false},
    {"write memory", SYS_pwrite64, ANY, ENOMEM, {-ENOMEM}, true, false},
    {"read memory", SYS_pread64, ANY, ENOMEM, {-ENOMEM}, true, false},
    {"open", SYS_openat, ANY, EMFILE, {-EMFILE, -ENOSYS, -ENOMEM}, false, true},
    {"open of a pidfd", SYS_pidfd_open, ANY, EMFILE, {-EMFILE}, false, false},
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static const struct refusal *current;

static int ask(int number, const uint64_t *arguments, void *data)
{
    (void)data;
    if (!current || number != current->number ||
        (current->what != ANY && (int)arguments[0] != current->what))
        return 0;
    return scarce_strikes() ? current->error : 0;
}

static void prepare(void *errand)
{
    errand_prepare(errand);
}

/* @return whether there was something that failed */
static bool try_at(const struct errand *errand, unsigned at, enum scarcity scarcity)
{
    struct leftovers before;
    unsigned count;

    leftovers_note_among(&before, 1 + INTERCEPT_THREADS);
    scarce_begin(at, scarcity);
    errand->run();
    count = scarce_end();
    leftovers_check(&before);
    errand_look_after(errand);
    return count >= at;
}

static void try_all(size_t index, const struct errand *errand, enum scarcity scarcity)
{
    static const int numbers[] = {SYS_ptrace, SYS_pwrite64, SYS_pread64, SYS_openat,
                                  SYS_pidfd_open};
    unsigned at = 1;

    current = &refusals[index];
    scarce_expect(current->expected);
    if ((refusals[index].comes_once && scarcity != SCARCE_ONCE) ||
        (refusals[index].not_planted && errand->plants))
        return;
    if (!intercept(numbers, sizeof(numbers) / sizeof(numbers[0]), ask, NULL))
        return; /* the system cannot do that */
    intercept_assist(prepare, (void *)(uintptr_t)errand);
    while (try_at(errand, at, scarcity))
        at++;
    errand_clear(errand);
}

SUITE_CASE(scarce_kernel, plain_case);

LOOP_TEST(each_request_is_refused, 0, REFUSALS *MOST_ERRANDS)
{
    if ((size_t)_i % MOST_ERRANDS < errand_count)
        try_all((size_t)_i / MOST_ERRANDS, &errands[_i % MOST_ERRANDS], SCARCE_ONCE);
}

LOOP_TEST(each_request_is_refused_and_all_after_it, 0, REFUSALS *MOST_ERRANDS)
{
    if ((size_t)_i % MOST_ERRANDS < errand_count)
        try_all((size_t)_i / MOST_ERRANDS, &errands[_i % MOST_ERRANDS], SCARCE_FROM_NOW);
}

int main(void)
{
    return run_suite("scarce_kernel");
}
