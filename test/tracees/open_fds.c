/* SPDX-License-Identifier: MIT */
/*
 * Exits with a bit for each argument, which is a descriptor's number: bit n is set if the n-th is
 * open.
 */
#include <fcntl.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int open_ones = 0;

    for (int i = 1; i < argc; i++) {
        if (fcntl(atoi(argv[i]), F_GETFD) >= 0)
            open_ones |= 1 << (i - 1);
    }
    return open_ones;
}
