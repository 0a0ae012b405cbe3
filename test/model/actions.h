/* SPDX-License-Identifier: MIT */
/*
 * What is done to the program, at random.
 */
#ifndef SDB_TEST_MODEL_ACTIONS_H
#define SDB_TEST_MODEL_ACTIONS_H

/** Do one thing. @param number  it is the same for the same number and seed */
void act(unsigned number);

#endif
