/* SPDX-License-Identifier: MIT */
/*
 * A program that ends as its arguments say.  Where it says so, it writes one byte to standard output
 * once it is ready to be acted upon.
 *
 *     exit N         exits with code N
 *     signal N       dies of signal N
 *     wait           (ready) waits for signals for ever
 *     comply N       (ready) exits with code N once SIGTERM has come
 *     refuse         (ready) ignores SIGTERM, and waits for ever
 *     read           (ready) reads standard input to its end, and exits with 0
 *     burn MS MIB    uses the processor for MS milliseconds and that much memory, and exits with 0
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void ready(void)
{
    (void)!write(STDOUT_FILENO, "r", 1);
}

static int die_of(int signal_number)
{
    sigset_t all;

    signal(signal_number, SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    raise(signal_number);
    return 124;
}

static int comply(int code)
{
    sigset_t terminate;
    int came;

    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, NULL);
    ready();
    return sigwait(&terminate, &came) == 0 ? code : 124;
}

static _Noreturn void wait_for_ever(void)
{
    ready();
    for (;;)
        pause();
}

static int read_to_the_end(void)
{
    char bytes[256];

    ready();
    while (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
        ;
    return 0;
}

static int burn(long milliseconds, size_t mebibytes)
{
    const size_t len = mebibytes << 20;
    void *bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timespec used;

    if (bytes == MAP_FAILED)
        return 124;
    memset(bytes, 1, len);
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < milliseconds);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;

    if (strcmp(what, "exit") == 0)
        return number;
    if (strcmp(what, "signal") == 0)
        return die_of(number);
    if (strcmp(what, "wait") == 0)
        wait_for_ever();
    if (strcmp(what, "comply") == 0)
        return comply(number);
    if (strcmp(what, "refuse") == 0) {
        signal(SIGTERM, SIG_IGN);
        wait_for_ever();
    }
    if (strcmp(what, "read") == 0)
        return read_to_the_end();
    if (strcmp(what, "burn") == 0 && argc > 3)
        return burn(number, (size_t)atoi(argv[3]));
    return 125;
}
