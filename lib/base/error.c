/* SPDX-License-Identifier: MIT */
/*
 * Errors in words.  All that libsdb says of a failure is put together here: the stage's phrase, the
 * detail that the failing call noted, and the errno's meaning.
 */
#include <sdb/error.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* The operation comes first in a sentence, then what was being done. */
struct stage_words {
    const char *operation;
    const char *phrase;
};

static const struct stage_words stages[] = {
    [SDB_STAGE_NONE] = {"sdb", "nothing"},
    [SDB_STAGE_ARGUMENTS] = {"launch", "check the options"},
    [SDB_STAGE_PREPARE] = {"launch", "prepare"},
    [SDB_STAGE_CLONE] = {"launch", "make the child"},
    [SDB_STAGE_SEIZE] = {"launch", "take hold of the child"},
    [SDB_STAGE_GATE] = {"launch", "wait for the child to begin"},
    [SDB_STAGE_CGROUP] = {"launch", "join the cgroup"},
    [SDB_STAGE_SESSION] = {"launch", "make a session"},
    [SDB_STAGE_GROUP] = {"launch", "set the process group"},
    [SDB_STAGE_TERMINAL] = {"launch", "take the controlling terminal"},
    [SDB_STAGE_FOREGROUND] = {"launch", "become the terminal's foreground group"},
    [SDB_STAGE_UMASK] = {"launch", "set the umask"},
    [SDB_STAGE_CWD] = {"launch", "change directory to"},
    [SDB_STAGE_FDS] = {"launch", "set descriptor"},
    [SDB_STAGE_RLIMITS] = {"launch", "set resource limit"},
    [SDB_STAGE_NICE] = {"launch", "set the nice value"},
    [SDB_STAGE_AFFINITY] = {"launch", "set the CPU affinity"},
    [SDB_STAGE_GROUPS] = {"launch", "set the supplementary groups"},
    [SDB_STAGE_GID] = {"launch", "set the group id"},
    [SDB_STAGE_UID] = {"launch", "set the user id"},
    [SDB_STAGE_ASLR] = {"launch", "switch address space randomisation off"},
    [SDB_STAGE_DEATH_SIGNAL] = {"launch", "set the parent-death signal"},
    [SDB_STAGE_HOOK] = {"launch", "run the caller's hook"},
    [SDB_STAGE_SIGNALS] = {"launch", "set the signals"},
    [SDB_STAGE_PRIVILEGES] = {"launch", "give up gaining privileges"},
    [SDB_STAGE_SECCOMP] = {"launch", "install the seccomp filter"},
    [SDB_STAGE_EXEC] = {"launch", "execute"},
    [SDB_STAGE_START] = {"launch", "start"},
    [SDB_STAGE_FIND] = {"attach", "look at"},
    [SDB_STAGE_ATTACH] = {"attach", "seize"},
    [SDB_STAGE_STOP] = {"attach", "stop"},
};

static const struct stage_words *find_stage(uint32_t stage)
{
    static const struct stage_words unknown = {"sdb", "unknown stage"};

    if (stage >= sizeof(stages) / sizeof(stages[0]) || !stages[stage].phrase)
        return &unknown;
    return &stages[stage];
}

const char *sdb_error_stage(uint32_t stage)
{
    return find_stage(stage)->phrase;
}

const char *sdb_error_describe(int code)
{
    const char *text;

    if (code == -SDB_EWRONGTHREAD)
        return "Not the session's tracer thread";
    if (code == -SDB_ESTOLEN)
        return "The host has taken away what a held thread did, by a wait of its own";
    if (code == INT_MIN) /* has no positive counterpart */
        return "Unknown error";
    text = strerrordesc_np(code < 0 ? -code : code);
    return text ? text : "Unknown error";
}

/* What the child died of, where that says more than "No such process". */
static const char *cause_in_words(const struct sdb_error *error, char *room, size_t size)
{
    const char *abbreviation;

    if (error->code == -ESRCH && error->signal > 0) {
        abbreviation = sigabbrev_np(error->signal);
        if (abbreviation)
            (void)snprintf(room, size, "The child was killed by SIG%s", abbreviation);
        else
            (void)snprintf(room, size, "The child was killed by signal %d", (int)error->signal);
        return room;
    }
    return sdb_error_describe(error->code != 0 ? error->code : error->warning);
}

int sdb_error_format(const struct sdb_error *error, char *text, size_t size)
{
    const struct stage_words *words;
    char room[64];
    const char *cause;
    const char *note = "";
    int len;

    if (!error || error->size < sizeof(*error) || (!text && size > 0))
        return -EINVAL;

    if (error->code == 0 && error->warning == 0) {
        len = snprintf(text, size, "Success");
        return len;
    }

    words = find_stage(error->stage);
    cause = cause_in_words(error, room, sizeof(room));
    if (error->code == 0)
        note = " (went on without)";
    len = snprintf(text, size, "%s: %s%s%s: %s%s", words->operation, words->phrase,
                   error->detail[0] ? " " : "", error->detail, cause, note);
    return len;
}

int sdb__error_check(const struct sdb_error *error)
{
    return !error || error->size >= sizeof(*error) ? 0 : -EINVAL;
}

void sdb__error_clear(struct sdb_error *error)
{
    if (!error)
        return;
    *error = (struct sdb_error){.size = error->size, .index = -1};
}

int sdb__error_set(struct sdb_error *error, int code, enum sdb_stage stage, int index)
{
    if (error) {
        sdb__error_clear(error);
        error->code = code;
        error->stage = stage;
        error->index = index;
    }
    return code;
}

void sdb__error_detail(struct sdb_error *error, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return;
    va_start(arguments, format);
    (void)vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
}
