/* SPDX-License-Identifier: MIT */
#include "intercept.h"

#include <check.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_CALLS 32

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int listener = -1;
static pid_t intercepted;
static intercept_function *ask_about;
static void *ask_data;
static void (*assignment)(void *data);
static void *assignment_data;

/* ---- who answers ---- */

static void answer(const struct seccomp_notif *call)
{
    struct seccomp_notif_resp response = {.id = call->id,
                                          .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    uint64_t arguments[6];
    int error = 0;

    for (size_t i = 0; i < 6; i++)
        arguments[i] = call->data.args[i];
    if ((pid_t)call->pid == intercepted)
        error = ask_about(call->data.nr, arguments, ask_data);
    if (error > 0) {
        response.flags = 0;
        response.error = -error;
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response); /* it may have been killed */
}

static void *answer_all(void *unused)
{
    pthread_mutex_lock(&lock);
    while (listener < 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (;;) {
        struct seccomp_notif call = {0};

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0)
            answer(&call);
        else if (errno != EINTR && errno != ENOENT)
            break;
    }
    return unused;
}

/* ---- the assistant ---- */

static void *assist(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!assignment)
            pthread_cond_wait(&changed, &lock);
        assignment(assignment_data);
        assignment = NULL;
        pthread_cond_broadcast(&changed);
    }
    return unused;
}

void intercept_assist(void (*function)(void *data), void *data)
{
    pthread_mutex_lock(&lock);
    assignment = function;
    assignment_data = data;
    pthread_cond_broadcast(&changed);
    while (assignment)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* ---- the filter ---- */

static int install(const int *numbers, size_t count)
{
    struct sock_filter filter[MOST_CALLS + 3];
    struct sock_fprog program = {.filter = filter};
    size_t length = 0;

    ck_assert_uint_le(count, MOST_CALLS);
    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++)
        filter[length++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], (uint8_t)(count - i), 0);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    program.len = (unsigned short)length;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

bool intercept(const int *numbers, size_t count, intercept_function *ask, void *data)
{
    pthread_t thread;
    int fd;

    intercepted = (pid_t)syscall(SYS_gettid);
    ask_about = ask;
    ask_data = data;
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_all, NULL), 0);
    pthread_detach(thread);
    ck_assert_int_eq(pthread_create(&thread, NULL, assist, NULL), 0);
    pthread_detach(thread);
    fd = install(numbers, count);
    if (fd < 0)
        return false;
    pthread_mutex_lock(&lock);
    listener = fd;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return true;
}
