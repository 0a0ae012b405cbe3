/* SPDX-License-Identifier: MIT */
#include "project.h"

#include <stdio.h>

void say(int number, int its_square)
{
    printf("%d squared is %d\n", number, its_square);
}
