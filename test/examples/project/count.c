/* SPDX-License-Identifier: MIT */
#include "numbers.h"
#include "project.h"

int count(void)
{
    static const int numbers[] = {NUMBERS};

    return (int)(sizeof(numbers) / sizeof(numbers[0]));
}
