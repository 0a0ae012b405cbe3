/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of it: every ptrace request and every wait of the library goes through here.
 *
 * The kernel's ESRCH to a request means "gone", "running" or "not your tracee".  The callers know
 * which thread they are on and what they have made of the tracee, so here it is handed on as it is.
 */
#ifndef SDB_LIB_KERNEL_PTRACE_H
#define SDB_LIB_KERNEL_PTRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/user.h>

#include <sdb/child.h>
#include <sdb/process.h>

/* What the kernel shall do by itself for a held thread, and for the newborns that it holds. */
struct sdb__ptrace_options {
    uint32_t follow;   /* SDB_FOLLOW_...; an exec is always reported */
    bool kill_on_exit; /* with its tracer */
    bool at_filter;    /* stop where a seccomp filter says SECCOMP_RET_TRACE */
};

/* What it says of the system call that a thread stands in. */
struct sdb__ptrace_call {
    uint32_t architecture; /* AUDIT_ARCH_... */
    uint32_t filter_data;  /* in a filter's stop: what the filter says */
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    int64_t number; /* at the beginning, else 0 */
    uint64_t arguments[6];
    int64_t result; /* at the end, else 0 */
    bool is_error;
};

int sdb__ptrace_seize(pid_t tid, const struct sdb__ptrace_options *options);
int sdb__ptrace_set_options(pid_t tid, const struct sdb__ptrace_options *options);
int sdb__ptrace_interrupt(pid_t tid);
int sdb__ptrace_resume(pid_t tid, enum sdb_resume how, int signal);

/** Resume up to the beginning of the next system call, which is then not made. */
int sdb__ptrace_resume_to_skip(pid_t tid);

int sdb__ptrace_listen(pid_t tid);
int sdb__ptrace_detach(pid_t tid, int signal);
int sdb__ptrace_message(pid_t tid, unsigned long *message);
int sdb__ptrace_siginfo(pid_t tid, void *siginfo);

/** @return 0, or a negative errno: -ESRCH, or -EIO before Linux 5.3 */
int sdb__ptrace_call(pid_t tid, struct sdb__ptrace_call *call);

/** @return whether a signal that was sent to this thread waits to be delivered */
bool sdb__ptrace_has_pending(pid_t tid, int signal);

/** The same of one that waits for any thread of its process. */
bool sdb__ptrace_process_has_pending(pid_t tid, int signal);

/**
 * @return a harmless signal by which a thread can be brought to stand before a signal: none of it waits for
 *         the thread already, they would become one
 */
int sdb__ptrace_find_carrier(pid_t tid);

/** @return the code of the siginfo of such a signal, if there is one, else 0 */
int sdb__ptrace_pending_code(pid_t tid, int signal);

/** Have the signal that it stands before come with this siginfo_t. */
int sdb__ptrace_set_siginfo(pid_t tid, const void *siginfo);

/* Bit n-1 of a mask stands for signal n. */
#define SDB__SIGNAL_BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Those that may come from the very instruction: then their si_code is more than 0. */
#define SDB__FAULT_SIGNALS                                                                         \
    (SDB__SIGNAL_BIT(SIGSEGV) | SDB__SIGNAL_BIT(SIGBUS) | SDB__SIGNAL_BIT(SIGILL) |                \
     SDB__SIGNAL_BIT(SIGFPE) | SDB__SIGNAL_BIT(SIGTRAP) | SDB__SIGNAL_BIT(SIGSYS))

int sdb__ptrace_signal_mask(pid_t tid, uint64_t *mask);
int sdb__ptrace_set_signal_mask(pid_t tid, uint64_t mask);

/* The general registers, in their 64-bit form also of a 32-bit program. */
int sdb__ptrace_get_general(pid_t tid, struct user_regs_struct *registers);
int sdb__ptrace_set_general(pid_t tid, const struct user_regs_struct *registers);

/**
 * @param type  NT_... of <elf.h>
 * @param size  the room; gets what there was
 */
int sdb__ptrace_get_register_set(pid_t tid, unsigned type, void *registers, size_t *size);
int sdb__ptrace_set_register_set(pid_t tid, unsigned type, const void *registers, size_t size);

/** @param address  gets where the thread's struct rseq is, 0: it has none */
int sdb__ptrace_rseq(pid_t tid, uint64_t *address, uint32_t *signature);

/**
 * @return whether the thread has the kernel look from where it makes its system calls (syscall user dispatch)
 */
bool sdb__ptrace_dispatches_calls(pid_t tid);

/* One word of struct user, by its offset there. */
int sdb__ptrace_peek_user(pid_t tid, size_t offset, uint64_t *word);
int sdb__ptrace_poke_user(pid_t tid, size_t offset, uint64_t word);

/**
 * Read one word of a stopped thread's memory, planted bytes and all.  Where one word is wanted at a stop,
 * this is much cheaper than sdb__space_read(), for which the kernel takes a page.
 *
 * @return 0, -EIO (it is not mapped), or -ESRCH
 */
int sdb__ptrace_peek_memory(pid_t tid, uint64_t address, uint64_t *word);

/**
 * Look at one wait status of a tracee of this thread, or of a clone child of it whose exit signal is
 * not SIGCHLD, but of none of the thread's ordinary children.
 *
 * It stays, and is reported again, until it is taken or the tracee resumed.  Taking it asks for the
 * usage of all threads of the process, so that stops are better not taken where that can be spared.
 *
 * @param block  wait until there is one
 * @return its tid, 0 if there is none yet, -ECHILD if there is nothing to wait for, or -EINTR
 */
pid_t sdb__wait_peek(bool block, int *status);

/**
 * The same of stops alone: ends are passed over.  It does not wait; and the stops of clone children that
 * are not tracees are reported too.
 */
pid_t sdb__wait_peek_stop(int *status);

/**
 * Take the stop of a tracee of this thread.  That costs the same, however many tracees there are.
 *
 * @return whether there was one that had not been taken
 */
bool sdb__wait_take_stop(pid_t tid, int *status);

/**
 * Look at the status of one tracee of this thread, and leave it where it is.
 *
 * @return 0, -EAGAIN if it has none yet, or -ECHILD: there is no such tracee
 */
int sdb__wait_peek_one(pid_t tid, int *status);

/** Take the status of one tracee of this thread.  @return @p tid, or 0 or less if it has none */
pid_t sdb__wait_tracee(pid_t tid, int *status, struct rusage *usage);

/**
 * Wait until a tracee of any thread of this process has something to say, or a clone child of it has
 * ended, and leave that for whoever it concerns.
 *
 * @return 0 or -ECHILD
 */
int sdb__wait_for_any_tracee(void);

/**
 * Reap a tracee of another thread of this process, if it has ended.
 *
 * @return its tid, or 0 if it has not
 */
pid_t sdb__reap_sibling(pid_t tid, int *status, struct rusage *usage);

/** @return whether the memory of two live tasks is one and the same; false if it cannot be told */
bool sdb__tasks_share_memory(pid_t a, pid_t b);

/** @return whether the task exists and is a thread of the process */
bool sdb__task_is_in(pid_t pid, pid_t tid);

/** Send a signal that a stopped thread was not given, and blocks, so that it waits again. */
void sdb__signal_again(pid_t pid, pid_t tid, int signal);

/** @return whether there is such a task, of any process; one that has ended is until it is reaped */
bool sdb__task_exists(pid_t tid);

/** How sdb__wait_child() shall wait. */
enum sdb__wait_how {
    SDB__WAIT_TAKE,  /* return at once */
    SDB__WAIT_BLOCK, /* until it has ended; if it is our tracee, its stops are passed over */
};

/**
 * Wait for the end of one child by its pidfd, or by its pid if that is -1.
 *
 * @param status  gets how it ended
 * @return 0, -EAGAIN if it still runs, or -ECHILD: it was reaped by somebody else, and the kernel
 *         does not tell how it ended
 */
int sdb__wait_child(pid_t pid, int pidfd, enum sdb__wait_how how, struct sdb_exit_status *status);

/**
 * Signal one process by its pidfd, or by its pid, which must not have been reaped, if that is -1.
 *
 * @return 0 or a negative errno
 */
int sdb__send_signal(pid_t pid, int pidfd, int signal);

/** Kill a process that this thread traces, even one that it has no permission to signal. */
int sdb__kill_tracee(pid_t pid, int pidfd);

/**
 * Wait for the end of a child that was sent SIGKILL, and reap it.
 *
 * @return 0, -ETIMEDOUT if it hangs in the kernel, or -ECHILD as above
 */
int sdb__wait_killed(pid_t pid, int pidfd, int timeout_ms, struct sdb_exit_status *status);

/** Turn the status and usage of a process's end into the public form. */
void sdb__exit_status(pid_t pid, int status, const struct rusage *usage,
                      struct sdb_exit_status *out);

#endif
