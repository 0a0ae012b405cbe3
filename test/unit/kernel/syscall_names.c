/* SPDX-License-Identifier: MIT */
/*
 * Names and numbers of system calls.
 */
#include <sdb/sdb.h>

#include <check.h>
#include <errno.h>
#include <linux/audit.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "suite.h"

static const uint32_t architectures[] = {SDB_ARCH_X86_64, SDB_ARCH_I386, SDB_ARCH_X32};

#define KNOWN(call)                                                                                \
    {                                                                                              \
#call, SYS_##call                                                                          \
    }

static const struct {
    const char *name;
    int64_t number;
} known[] = {
    KNOWN(read),
    KNOWN(write),
    KNOWN(open),
    KNOWN(close),
    KNOWN(stat),
    KNOWN(fstat),
    KNOWN(poll),
    KNOWN(lseek),
    KNOWN(mmap),
    KNOWN(mprotect),
    KNOWN(munmap),
    KNOWN(brk),
    KNOWN(rt_sigaction),
    KNOWN(rt_sigreturn),
    KNOWN(ioctl),
    KNOWN(pread64),
    KNOWN(access),
    KNOWN(pipe),
    KNOWN(select),
    KNOWN(sched_yield),
    KNOWN(mremap),
    KNOWN(dup2),
    KNOWN(pause),
    KNOWN(nanosleep),
    KNOWN(alarm),
    KNOWN(getpid),
    KNOWN(socket),
    KNOWN(connect),
    KNOWN(clone),
    KNOWN(fork),
    KNOWN(vfork),
    KNOWN(execve),
    KNOWN(exit),
    KNOWN(wait4),
    KNOWN(kill),
    KNOWN(uname),
    KNOWN(fcntl),
    KNOWN(getdents64),
    KNOWN(chdir),
    KNOWN(rename),
    KNOWN(mkdir),
    KNOWN(unlink),
    KNOWN(ptrace),
    KNOWN(prctl),
    KNOWN(arch_prctl),
    KNOWN(setrlimit),
    KNOWN(mount),
    KNOWN(gettid),
    KNOWN(futex),
    KNOWN(restart_syscall),
    KNOWN(exit_group),
    KNOWN(epoll_wait),
    KNOWN(tgkill),
    KNOWN(openat),
    KNOWN(accept4),
    KNOWN(pipe2),
    KNOWN(process_vm_readv),
    KNOWN(seccomp),
    KNOWN(getrandom),
    KNOWN(execveat),
    KNOWN(statx),
    KNOWN(io_uring_setup),
    KNOWN(clone3),
    KNOWN(close_range),
    KNOWN(openat2),
    KNOWN(pidfd_getfd),
};

SUITE_CASE(syscall_names, plain_case);

TEST(numbers_are_the_kernels)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X86_64, known[i].name), known[i].number);
        ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_X86_64, known[i].number), known[i].name);
    }
    ck_assert_uint_eq(SDB_ARCH_X86_64, AUDIT_ARCH_X86_64);
    ck_assert_uint_eq(SDB_ARCH_I386, AUDIT_ARCH_I386);
}

TEST(each_name_has_its_number)
{
    for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
        const int64_t bit = architectures[i] == SDB_ARCH_X32 ? SDB_SYSCALL_X32_BIT : 0;
        int names = 0;

        for (int64_t number = 0; number <= SDB_SYSCALL_HIGHEST; number++) {
            const char *name = sdb_syscall_name(architectures[i], number | bit);

            if (!name)
                continue;
            names++;
            ck_assert_ptr_eq(sdb_syscall_name(architectures[i], number | bit), name);
            ck_assert_msg(sdb_syscall_number(architectures[i], name) == (number | bit), "%s", name);
        }
        ck_assert_int_gt(names, 300);
    }
}

TEST(ways_to_call_are_told_apart)
{
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_I386, "getppid"), 64);
    ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_I386, 0), "restart_syscall");
    ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_I386, 102), "socketcall");
    ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_X86_64, 0), "read");
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X32, "ioctl"), SDB_SYSCALL_X32_BIT + 514);
    ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_X86_64, SDB_SYSCALL_X32_BIT + 514), "ioctl");
    ck_assert_str_eq(sdb_syscall_name(SDB_ARCH_X86_64, SDB_SYSCALL_X32_BIT), "read");
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X86_64, "socketcall"), -ENOENT);
}

TEST(what_is_none_has_no_name)
{
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, -1));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, INT64_MIN));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, INT64_MAX));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, INT64_C(1) << 32));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, SDB_SYSCALL_HIGHEST));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X86_64, SDB_SYSCALL_HIGHEST + 1));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_I386, SDB_SYSCALL_X32_BIT));
    ck_assert_ptr_null(sdb_syscall_name(SDB_ARCH_X32, 0));
    ck_assert_ptr_null(sdb_syscall_name(0, 0));
    ck_assert_ptr_null(sdb_syscall_name(AUDIT_ARCH_AARCH64, 0));
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X86_64, "no_such_call"), -ENOENT);
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X86_64, ""), -ENOENT);
    ck_assert_int_eq(sdb_syscall_number(SDB_ARCH_X86_64, NULL), -EINVAL);
    ck_assert_int_eq(sdb_syscall_number(AUDIT_ARCH_AARCH64, "read"), -EINVAL);
}

static void *ask_for_all(void *barrier)
{
    static _Thread_local const char *mine[SDB_SYSCALL_HIGHEST + 1];

    (void)pthread_barrier_wait(barrier);
    for (int i = 0; i <= SDB_SYSCALL_HIGHEST; i++)
        mine[i] = sdb_syscall_name(SDB_ARCH_I386, i);
    for (int i = 0; i <= SDB_SYSCALL_HIGHEST; i++) {
        if (sdb_syscall_name(SDB_ARCH_I386, i) != mine[i])
            return barrier;
    }
    return NULL;
}

TEST(threads_get_the_same_names)
{
    pthread_barrier_t barrier;
    pthread_t threads[8];
    void *wrong;

    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 8), 0);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_for_all, &barrier), 0);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    pthread_barrier_destroy(&barrier);
}

int main(void)
{
    return run_suite("syscall_names");
}
