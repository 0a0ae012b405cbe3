/* SPDX-License-Identifier: MIT */
#ifndef SDB_LIB_LAUNCH_IN_CHILD_H
#define SDB_LIB_LAUNCH_IN_CHILD_H

/**
 * What a child does from its first instruction to its exec.  Does not return.
 *
 * @param plan  a struct sdb__launch_plan
 */
void sdb__launch_child_run(void *plan) __attribute__((noreturn));

#endif
