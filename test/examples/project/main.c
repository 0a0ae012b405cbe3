/* SPDX-License-Identifier: MIT */
#include "numbers.h"
#include "project.h"

static const int numbers[] = {NUMBERS};

int main(void)
{
    for (int i = 0; i < count(); i++)
        say(numbers[i], square(i));
    return 0;
}
