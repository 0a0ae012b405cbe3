/* SPDX-License-Identifier: MIT */
/*
 * Check programs whose tests list themselves: what is written is run, in the order of the file, and
 * no test can be forgotten in a list.
 *
 *     HOLDING_CASE(strings);
 *
 *     TEST(a_long_string_is_read_whole)
 *     {
 *         begin(_i);
 *         ...
 *     }
 *
 *     int main(void)
 *     {
 *         return run_suite("memory");
 *     }
 *
 * A test belongs to the last case before it, whose kind says what is done around it and how often
 * it is run.  Kinds that many share have a macro of their own beside their fixtures:
 * HOLDING_CASE(), TRIAL_CASE(), SUBJECT_CASE(), LEFTOVERS_CASE().
 */
#ifndef SDB_TEST_SUITE_H
#define SDB_TEST_SUITE_H

#include <check.h>

struct suite_kind {
    int rounds;           /* _i goes from 0 to before this; 0 is 1 */
    void (*enter)(void);  /* once before the tests of a case, in the runner's process */
    void (*leave)(void);  /* and after them */
    void (*set_up)(void); /* before each test, in its own process: only there can tracees be made */
    void (*tear_down)(void); /* and after it */
};

/* Nothing is done around its tests. */
extern const struct suite_kind plain_case;

/* A case, or a test. */
struct suite_item {
    int line;
    const char *name;              /* of a case */
    const struct suite_kind *kind; /* of a case, else NULL */
    const TTest *const *test;      /* of a test */
    int from, to;                  /* its values of _i, or 0 and 0 for those of its case */
    struct suite_item *next;
};

/** Called before main(), by what the macros make. */
void suite_enter(struct suite_item *item);

/**
 * Run the tests of the program, CK_DEFAULT_TIMEOUT or 60 seconds each.  @return what main()
 * returns
 */
int run_suite(const char *name);

#define SUITE_ENTER(name_, ...)                                                                    \
    __attribute__((constructor)) static void enter_##name_(void)                                   \
    {                                                                                              \
        static struct suite_item item = {.line = __LINE__, __VA_ARGS__};                           \
        suite_enter(&item);                                                                        \
    }

/** Begin a case. */
#define SUITE_CASE(name_, kind_)                                                                   \
    SUITE_ENTER(name_##_case, .name = #name_, .kind = &(kind_))                                    \
    struct suite_item /* takes the semicolon */

/** A test with values of _i of its own, from `from_` to before `to_`. */
#define LOOP_TEST(name_, from_, to_)                                                               \
    static const TTest *name_;                                                                     \
    SUITE_ENTER(name_, .test = &name_, .from = (from_), .to = (to_))                               \
    START_TEST(name_)

/** A test, run as often as its case says. */
#define TEST(name_) LOOP_TEST(name_, 0, 0)

#endif
