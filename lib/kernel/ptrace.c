/* SPDX-License-Identifier: MIT */
/*
 * Every ptrace request and every wait.
 */
#include "kernel/ptrace.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_64/raw_syscall.h"
#include "base/deadline.h"
#include "base/trace.h"

#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG /* from Linux 6.4 on */
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* From Linux 6.15 on a pidfd tells how its process ended even after somebody reaped it. */
struct pidfd_info {
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t ids[11];
    int32_t exit_code;
};
#define INFO_HAS_EXIT (UINT64_C(1) << 3)
#define GET_INFO      _IOWR(0xff, 11, struct pidfd_info)

static const char *name_of(int what)
{
    switch (what) {
    case PTRACE_INTERRUPT:
        return "interrupt";
    case PTRACE_CONT:
        return "continue";
    case PTRACE_SINGLESTEP:
        return "step";
    case PTRACE_SYSCALL:
        return "continue to system call";
    case PTRACE_SYSEMU:
        return "continue to system call, which is skipped,";
    case PTRACE_LISTEN:
        return "listen";
    case PTRACE_DETACH:
        return "detach";
    case PTRACE_GETSIGINFO:
        return "get siginfo";
    case PTRACE_GETEVENTMSG:
        return "get event message";
    case PTRACE_SETSIGINFO:
        return "set siginfo";
    case PTRACE_GETSIGMASK:
        return "get signal mask";
    case PTRACE_SETSIGMASK:
        return "set signal mask";
    case PTRACE_GETREGS:
    case PTRACE_GETREGSET:
        return "get registers";
    case PTRACE_SETREGS:
    case PTRACE_SETREGSET:
        return "set registers";
    case PTRACE_PEEKDATA:
        return "get word of memory";
    case PTRACE_PEEKUSER:
        return "get word of user area";
    case PTRACE_POKEUSER:
        return "set word of user area";
    case PTRACE_GET_SYSCALL_INFO:
        return "get system call";
    case PTRACE_KILL:
        return "kill";
    default:
        return "request";
    }
}

static void trace_request(int what, pid_t tid, uintptr_t data, int rc)
{
    const char *result = rc < 0 ? strerror(-rc) : "ok";

    if (what == PTRACE_SEIZE || what == PTRACE_SETOPTIONS)
        sdb__trace("%s %d (exec%s%s%s%s%s): %s", what == PTRACE_SEIZE ? "seize" : "set options of",
                   (int)tid, data & PTRACE_O_TRACEFORK ? ", fork" : "",
                   data & PTRACE_O_TRACEVFORK ? ", vfork" : "",
                   data & PTRACE_O_TRACECLONE ? ", clone" : "",
                   data & PTRACE_O_TRACESECCOMP ? ", seccomp" : "",
                   data & PTRACE_O_EXITKILL ? ", kill on exit" : "", result);
    else if (data > 0 && (what == PTRACE_CONT || what == PTRACE_SINGLESTEP ||
                          what == PTRACE_SYSCALL || what == PTRACE_DETACH))
        sdb__trace("%s %d with signal %d: %s", name_of(what), (int)tid, (int)data, result);
    else
        sdb__trace("%s %d: %s", name_of(what), (int)tid, result);
}

static int request(int what, pid_t tid, uintptr_t address, uintptr_t data)
{
    const long result = sdb__raw_syscall(SYS_ptrace, what, tid, address, data);
    const int rc = result < 0 ? (int)result : 0;

    if (sdb__tracing())
        trace_request(what, tid, data, rc);
    return rc;
}

static uintptr_t options_of(const struct sdb__ptrace_options *options)
{
    uintptr_t bits = PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD;

    if (options->follow & SDB_FOLLOW_FORK)
        bits |= PTRACE_O_TRACEFORK;
    if (options->follow & SDB_FOLLOW_VFORK)
        bits |= PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE;
    if (options->follow & SDB_FOLLOW_CLONE)
        bits |= PTRACE_O_TRACECLONE;
    if (options->kill_on_exit)
        bits |= PTRACE_O_EXITKILL;
    if (options->at_filter)
        bits |= PTRACE_O_TRACESECCOMP;
    return bits;
}

int sdb__ptrace_seize(pid_t tid, const struct sdb__ptrace_options *options)
{
    return request(PTRACE_SEIZE, tid, 0, options_of(options));
}

int sdb__ptrace_set_options(pid_t tid, const struct sdb__ptrace_options *options)
{
    return request(PTRACE_SETOPTIONS, tid, 0, options_of(options));
}

int sdb__ptrace_interrupt(pid_t tid)
{
    return request(PTRACE_INTERRUPT, tid, 0, 0);
}

int sdb__ptrace_resume(pid_t tid, enum sdb_resume how, int signal)
{
    static const int requests[] = {
        [SDB_RESUME_CONTINUE] = PTRACE_CONT,
        [SDB_RESUME_STEP] = PTRACE_SINGLESTEP,
        [SDB_RESUME_SYSCALL] = PTRACE_SYSCALL,
    };

    return request(requests[how], tid, 0, (uintptr_t)signal);
}

int sdb__ptrace_resume_to_skip(pid_t tid)
{
    return request(PTRACE_SYSEMU, tid, 0, 0);
}

int sdb__ptrace_listen(pid_t tid)
{
    return request(PTRACE_LISTEN, tid, 0, 0);
}

int sdb__ptrace_detach(pid_t tid, int signal)
{
    return request(PTRACE_DETACH, tid, 0, (uintptr_t)signal);
}

int sdb__ptrace_message(pid_t tid, unsigned long *message)
{
    return request(PTRACE_GETEVENTMSG, tid, 0, (uintptr_t)message);
}

int sdb__ptrace_siginfo(pid_t tid, void *siginfo)
{
    return request(PTRACE_GETSIGINFO, tid, 0, (uintptr_t)siginfo);
}

int sdb__ptrace_call(pid_t tid, struct sdb__ptrace_call *call)
{
    struct __ptrace_syscall_info info = {0};
    long size = syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info);
    const int rc = size < 0 ? -errno : 0;

    if (sdb__tracing())
        trace_request(PTRACE_GET_SYSCALL_INFO, tid, 0, rc);
    if (rc < 0)
        return rc;
    *call = (struct sdb__ptrace_call){
        .architecture = info.arch,
        .instruction_pointer = info.instruction_pointer,
        .stack_pointer = info.stack_pointer,
    };
    switch (info.op) {
    case PTRACE_SYSCALL_INFO_SECCOMP: /* which begins as an entry does */
        call->filter_data = info.seccomp.ret_data;
        /* fall through */
    case PTRACE_SYSCALL_INFO_ENTRY:
        call->number = (int64_t)info.entry.nr;
        memcpy(call->arguments, info.entry.args, sizeof(call->arguments));
        break;
    case PTRACE_SYSCALL_INFO_EXIT:
        call->result = info.exit.rval;
        call->is_error = info.exit.is_error;
        break;
    default:
        break;
    }
    return 0;
}

/* Find a signal that waits to be delivered: to a thread, or with PTRACE_PEEKSIGINFO_SHARED to any. */
static bool find_pending(pid_t tid, uint32_t flags, int signal, siginfo_t *info)
{
    struct __ptrace_peeksiginfo_args which = {.flags = flags, .nr = 1};

    for (;; which.off++) {
        long count = syscall(SYS_ptrace, PTRACE_PEEKSIGINFO, tid, &which, info);

        if (count <= 0)
            return false;
        if (info->si_signo == signal)
            return true;
    }
}

bool sdb__ptrace_has_pending(pid_t tid, int signal)
{
    siginfo_t info;

    return find_pending(tid, 0, signal, &info);
}

bool sdb__ptrace_process_has_pending(pid_t tid, int signal)
{
    siginfo_t info;

    return find_pending(tid, PTRACE_PEEKSIGINFO_SHARED, signal, &info);
}

int sdb__ptrace_find_carrier(pid_t tid)
{
    static const int carriers[] = {SIGURG, SIGWINCH, SIGCHLD, SIGIO};

    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
        if (!sdb__ptrace_has_pending(tid, carriers[i]))
            return carriers[i];
    }
    return SIGURG;
}

int sdb__ptrace_pending_code(pid_t tid, int signal)
{
    siginfo_t info;

    return find_pending(tid, 0, signal, &info) ? info.si_code : 0;
}

int sdb__ptrace_set_siginfo(pid_t tid, const void *siginfo)
{
    return request(PTRACE_SETSIGINFO, tid, 0, (uintptr_t)siginfo);
}

int sdb__ptrace_signal_mask(pid_t tid, uint64_t *mask)
{
    return request(PTRACE_GETSIGMASK, tid, sizeof(*mask), (uintptr_t)mask);
}

int sdb__ptrace_set_signal_mask(pid_t tid, uint64_t mask)
{
    return request(PTRACE_SETSIGMASK, tid, sizeof(mask), (uintptr_t)&mask);
}

int sdb__ptrace_get_general(pid_t tid, struct user_regs_struct *registers)
{
    return request(PTRACE_GETREGS, tid, 0, (uintptr_t)registers);
}

int sdb__ptrace_set_general(pid_t tid, const struct user_regs_struct *registers)
{
    return request(PTRACE_SETREGS, tid, 0, (uintptr_t)registers);
}

int sdb__ptrace_get_register_set(pid_t tid, unsigned type, void *registers, size_t *size)
{
    struct iovec room = {.iov_base = registers, .iov_len = *size};
    int rc = request(PTRACE_GETREGSET, tid, type, (uintptr_t)&room);

    if (rc == 0)
        *size = room.iov_len;
    return rc;
}

int sdb__ptrace_set_register_set(pid_t tid, unsigned type, const void *registers, size_t size)
{
    struct iovec room = {.iov_base = (void *)(uintptr_t)registers, .iov_len = size};

    return request(PTRACE_SETREGSET, tid, type, (uintptr_t)&room);
}

int sdb__ptrace_rseq(pid_t tid, uint64_t *address, uint32_t *signature)
{
    struct __ptrace_rseq_configuration configuration = {0};
    int rc = request(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(configuration),
                     (uintptr_t)&configuration);

    if (rc == 0) {
        *address = configuration.rseq_abi_pointer;
        *signature = configuration.signature;
    }
    return rc;
}

bool sdb__ptrace_dispatches_calls(pid_t tid)
{
    uint64_t configuration[4] = {0}; /* its mode, and three more (prctl(2)) */

    return request(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, sizeof(configuration),
                   (uintptr_t)configuration) == 0 &&
           configuration[0] != 0;
}

int sdb__ptrace_peek_user(pid_t tid, size_t offset, uint64_t *word)
{
    return request(PTRACE_PEEKUSER, tid, offset, (uintptr_t)word);
}

int sdb__ptrace_poke_user(pid_t tid, size_t offset, uint64_t word)
{
    return request(PTRACE_POKEUSER, tid, offset, word);
}

int sdb__ptrace_peek_memory(pid_t tid, uint64_t address, uint64_t *word)
{
    return request(PTRACE_PEEKDATA, tid, address, (uintptr_t)word);
}

pid_t sdb__wait_tracee(pid_t tid, int *status, struct rusage *usage)
{
    pid_t found = wait4(tid, status, (int)(__WCLONE | __WNOTHREAD) | WNOHANG, usage);

    return found < 0 ? -errno : found;
}

int sdb__wait_for_any_tracee(void)
{
    siginfo_t info;
    int rc;

    do {
        rc = waitid(P_ALL, 0, &info, (int)(WEXITED | WNOWAIT | __WCLONE));
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

pid_t sdb__reap_sibling(pid_t tid, int *status, struct rusage *usage)
{
    siginfo_t info = {0};

    /* A stop is its own thread's to take. */
    if (waitid(P_PID, (id_t)tid, &info, (int)(WEXITED | WNOHANG | WNOWAIT | __WALL)) < 0 ||
        info.si_pid == 0 || info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED)
        return 0;
    return wait4(tid, status, (int)__WALL | WNOHANG, usage) == tid ? tid : 0;
}

bool sdb__tasks_share_memory(pid_t a, pid_t b)
{
    return syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0;
}

bool sdb__task_is_in(pid_t pid, pid_t tid)
{
    return syscall(SYS_tgkill, pid, tid, 0) == 0 || errno != ESRCH;
}

bool sdb__task_exists(pid_t tid)
{
    return syscall(SYS_tkill, tid, 0) == 0 || errno != ESRCH;
}

/* What wait4() would have said. */
static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return W_EXITCODE(info->si_status, 0);
    case CLD_KILLED:
        return info->si_status;
    case CLD_DUMPED:
        return info->si_status | WCOREFLAG;
    default: /* a stop, with the event above its signal */
        return W_STOPCODE(info->si_status);
    }
}

static pid_t peek(int options, int *status)
{
    siginfo_t info; /* all of it is the kernel's, unless there is nothing */

    if (syscall(SYS_waitid, P_ALL, 0, &info, options | (int)(WNOWAIT | __WCLONE | __WNOTHREAD),
                NULL) < 0)
        return -errno;
    if (info.si_pid > 0)
        *status = status_of(&info);
    return info.si_pid;
}

pid_t sdb__wait_peek(bool block, int *status)
{
    /*
     * With __WCLONE and without __WALL the kernel reports every tracee, of whatever kind, and none of
     * the host's children whose exit signal is SIGCHLD.  A tracee's stops are reported without
     * WSTOPPED; with it, those of the host's clone children would be, too.
     */
    return peek(WEXITED | (block ? 0 : WNOHANG), status);
}

pid_t sdb__wait_peek_stop(int *status)
{
    return peek(WSTOPPED | WNOHANG, status);
}

int sdb__wait_peek_one(pid_t tid, int *status)
{
    siginfo_t info = {0};

    if (syscall(SYS_waitid, P_PID, tid, &info,
                (int)(WEXITED | WNOWAIT | __WCLONE | __WNOTHREAD) | WNOHANG, NULL) < 0)
        return -errno;
    if (info.si_pid == 0)
        return -EAGAIN;
    *status = status_of(&info);
    return 0;
}

bool sdb__wait_take_stop(pid_t tid, int *status)
{
    siginfo_t info = {0};

    if (syscall(SYS_waitid, P_PID, tid, &info, (int)(WSTOPPED | WNOHANG | __WCLONE | __WNOTHREAD),
                NULL) < 0 ||
        info.si_pid != tid)
        return false;
    *status = status_of(&info);
    return true;
}

static void copy_usage(const struct rusage *usage, struct sdb_exit_status *out)
{
    const uint64_t second = 1000000;

    out->user_time_us =
        (uint64_t)usage->ru_utime.tv_sec * second + (uint64_t)usage->ru_utime.tv_usec;
    out->system_time_us =
        (uint64_t)usage->ru_stime.tv_sec * second + (uint64_t)usage->ru_stime.tv_usec;
    out->max_resident_kib = (uint64_t)usage->ru_maxrss;
    out->minor_faults = (uint64_t)usage->ru_minflt;
    out->major_faults = (uint64_t)usage->ru_majflt;
    out->blocks_read = (uint64_t)usage->ru_inblock;
    out->blocks_written = (uint64_t)usage->ru_oublock;
    out->voluntary_switches = (uint64_t)usage->ru_nvcsw;
    out->involuntary_switches = (uint64_t)usage->ru_nivcsw;
}

void sdb__exit_status(pid_t pid, int status, const struct rusage *usage,
                      struct sdb_exit_status *out)
{
    *out = (struct sdb_exit_status){.size = sizeof(*out), .pid = pid};
    out->how = WIFSIGNALED(status) ? SDB_KILLED : SDB_EXITED;
    out->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    if (WIFSIGNALED(status) && WCOREDUMP(status))
        out->flags |= SDB_EXIT_CORE_DUMPED;
    if (usage)
        copy_usage(usage, out);
    else
        out->flags |= SDB_EXIT_NO_USAGE;
}

int sdb__send_signal(pid_t pid, int pidfd, int signal)
{
    if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
        return 0;
    /* EPERM is also what a sandbox says to a call that it does not know. */
    if (pidfd >= 0 && errno != ENOSYS && errno != EPERM)
        return -errno;
    return kill(pid, signal) < 0 ? -errno : 0;
}

void sdb__signal_again(pid_t pid, pid_t tid, int signal)
{
    (void)syscall(SYS_tgkill, pid, tid, signal);
}

int sdb__kill_tracee(pid_t pid, int pidfd)
{
    int rc = sdb__send_signal(pid, pidfd, SIGKILL);

    /* A tracer needs no permission. */
    return rc == -EPERM ? request(PTRACE_KILL, pid, 0, 0) : rc;
}

int sdb__wait_killed(pid_t pid, int pidfd, int timeout_ms, struct sdb_exit_status *status)
{
    const struct sdb__deadline deadline = sdb__deadline_in(timeout_ms);
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};
    struct timespec left;
    int ready;

    do {
        ready = pidfd < 0 ? 1 : ppoll(&polled, 1, sdb__deadline_left(&deadline, &left), NULL);
    } while (ready < 0 && errno == EINTR);
    return ready == 0 ? -ETIMEDOUT : sdb__wait_child(pid, pidfd, SDB__WAIT_BLOCK, status);
}

/* How a child ended that somebody else has reaped. */
static int ask_pidfd(pid_t pid, int pidfd, struct sdb_exit_status *status)
{
    struct pidfd_info info = {.mask = INFO_HAS_EXIT};

    if (pidfd < 0 || ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_HAS_EXIT))
        return -ECHILD;
    sdb__exit_status(pid, info.exit_code, NULL, status);
    return 0;
}

/* The C library's waitid() has no way to ask for the usage. */
static int wait_by_id(pid_t pid, int pidfd, int options, siginfo_t *info, struct rusage *usage)
{
    long rc;

    do {
        rc = syscall(SYS_waitid, pidfd >= 0 ? P_PIDFD : P_PID, pidfd >= 0 ? pidfd : pid, info,
                     options, usage);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

int sdb__wait_child(pid_t pid, int pidfd, enum sdb__wait_how how, struct sdb_exit_status *status)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    int code;
    int rc;

    /* The stops of a tracee are reported whatever is asked for, and they are its session's. */
    if (how == SDB__WAIT_TAKE) {
        rc = wait_by_id(pid, pidfd, WEXITED | WNOHANG | WNOWAIT | __WALL, &info, &usage);
        if (rc == 0 && (info.si_pid == 0 || info.si_code == CLD_TRAPPED))
            return -EAGAIN;
    }
    do {
        rc = wait_by_id(pid, pidfd, WEXITED | __WALL, &info, &usage);
    } while (rc == 0 && info.si_code == CLD_TRAPPED);
    if (rc < 0)
        return ask_pidfd(pid, pidfd, status);

    code = info.si_status;
    if (info.si_code == CLD_EXITED)
        code = W_EXITCODE(code, 0);
    else if (info.si_code == CLD_DUMPED)
        code |= WCOREFLAG;
    sdb__exit_status(pid, code, &usage, status);
    return 0;
}
