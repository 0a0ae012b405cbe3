/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc.
 */
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"

/* Read a small file whole, as a string.  @return its length or a negative errno */
static ssize_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t count;

    if (fd < 0)
        return -errno;
    do {
        count = read(fd, text + len, size - 1 - len);
        if (count > 0)
            len += (size_t)count;
    } while ((count > 0 && len < size - 1) || (count < 0 && errno == EINTR));
    if (count < 0)
        count = -errno;
    sdb__fd_close(&fd);
    text[len] = '\0';
    return count < 0 ? count : (ssize_t)len;
}

/*
 * The value of a line "Name:\tvalue".  The first line holds the thread's own name, in which the
 * kernel escapes newlines, so no name can forge a line.
 */
static const char *find_value(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, "\t ");
    }
    return NULL;
}

static long number_of(const char *text, const char *name)
{
    const char *value = find_value(text, name);

    return value ? strtol(value, NULL, 10) : 0;
}

/*
 * Linux 6.8 says so itself; before, a task without memory that still lives is one.  A text that was
 * cut, by a long list of groups, does not tell.
 */
static bool is_kernel_thread(const char *text, bool is_cut)
{
    const char *state = find_value(text, "State");

    if (find_value(text, "Kthread"))
        return number_of(text, "Kthread") == 1;
    return !is_cut && !find_value(text, "VmSize") && state && *state != 'Z';
}

int sdb__procfs_status(pid_t pid, struct sdb__procfs_status *status)
{
    char path[64];
    char text[4096];
    const char *state;
    ssize_t len;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    len = read_file(path, text, sizeof(text));
    if (len == -ENOENT)
        return access("/proc/self/status", R_OK) == 0 ? -ESRCH : -ENOSYS;
    if (len < 0)
        return len == -ESRCH ? -ESRCH : -ENOSYS;

    state = find_value(text, "State");
    *status = (struct sdb__procfs_status){
        .state = (char)(state ? *state : '?'),
        .tgid = (pid_t)number_of(text, "Tgid"),
        .tracer = (pid_t)number_of(text, "TracerPid"),
        .uid = (uint32_t)number_of(text, "Uid"),
        .kernel_thread = is_kernel_thread(text, len + 1 == (ssize_t)sizeof(text)),
        .thread_count = number_of(text, "Threads"),
    };
    return 0;
}

int sdb__procfs_yama_scope(void)
{
    char text[16];

    if (read_file("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) < 0)
        return 0;
    return (int)strtol(text, NULL, 10);
}
