/* SPDX-License-Identifier: MIT */
/*
 * Places to stop at, and variables to watch.  It exits with code 5.
 *
 *     visited           from the first thread
 *     visited threads   from four more threads, too
 *     visited forks     from a child, too
 */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One function at one place, whoever calls it with what. */
#if __has_attribute(noipa)
#define ONE_PLACE __attribute__((noipa))
#else
#define ONE_PLACE __attribute__((noinline))
#endif

int counter;
static struct {
    long left;
    long right;
} pair;
char letters[3];

ONE_PLACE static int add(int number, int to)
{
    __asm__ volatile("" ::: "memory");
    return number + to; /* the line of add */
}

ONE_PLACE static void count(int by)
{
    counter += by; /* the line of count */
}

ONE_PLACE static void fill(const char *with)
{
    memcpy(letters, with, sizeof(letters));
    pair.left++;
    pair.right = -pair.left;
}

static void *work(void *unused)
{
    for (int i = 0; i < 10; i++) {
        add(i, 1);
        count(1);
    }
    return unused;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t threads[4];

    work(NULL);
    fill("abc");
    if (strcmp(what, "threads") == 0) {
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, work, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    } else if (strcmp(what, "forks") == 0) {
        if (fork() == 0) {
            work(NULL);
            _exit(0);
        }
        wait(NULL);
    }
    return add(2, 3);
}
