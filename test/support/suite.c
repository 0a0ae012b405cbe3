/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <stdlib.h>

/* Long for any test: it is there to end a hang. */
#define TIMEOUT_S 60

const struct suite_kind plain_case;

static struct suite_item *items; /* in the order of their lines */

void suite_enter(struct suite_item *item)
{
    struct suite_item **place = &items;

    while (*place && (*place)->line < item->line)
        place = &(*place)->next;
    item->next = *place;
    *place = item;
}

static TCase *begin_case(Suite *suite, const struct suite_item *item)
{
    TCase *tcase = tcase_create(item->name);

    if (!getenv("CK_DEFAULT_TIMEOUT"))
        tcase_set_timeout(tcase, TIMEOUT_S);
    tcase_add_unchecked_fixture(tcase, item->kind->enter, item->kind->leave);
    tcase_add_checked_fixture(tcase, item->kind->set_up, item->kind->tear_down);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *make_suite(const char *name)
{
    Suite *suite = suite_create(name);
    const struct suite_kind *kind = NULL;
    TCase *tcase = NULL;

    for (const struct suite_item *item = items; item; item = item->next) {
        if (item->kind) {
            kind = item->kind;
            tcase = begin_case(suite, item);
        } else if (!tcase) {
            abort(); /* a test without a case */
        } else if (item->to > item->from) {
            tcase_add_loop_test(tcase, *item->test, item->from, item->to);
        } else {
            tcase_add_loop_test(tcase, *item->test, 0, kind->rounds > 0 ? kind->rounds : 1);
        }
    }
    return suite;
}

int run_suite(const char *name)
{
    SRunner *runner = srunner_create(make_suite(name));
    int failed;
    int run;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
