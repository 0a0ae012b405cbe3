/* SPDX-License-Identifier: MIT */
#ifndef PROJECT_H
#define PROJECT_H

/* How many numbers there are. */
int count(void);

/* The square of number @p index. */
int square(int index);

/* Print one line. */
void say(int number, int its_square);

#endif
