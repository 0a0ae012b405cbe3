/* SPDX-License-Identifier: MIT */
/* generate N: write the header with the first N numbers. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;

    printf("#define NUMBERS");
    for (int i = 1; i <= count; i++)
        printf("%s %d", i > 1 ? "," : "", i);
    printf("\n");
    return count > 0 ? 0 : 1;
}
