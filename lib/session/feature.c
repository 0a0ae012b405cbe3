/* SPDX-License-Identifier: MIT */
/*
 * Asking the features, each at the moments that it has to do with.
 */
#include "session/feature.h"

#include <assert.h>

#include "session/session.h"

#define ALL ((1U << SDB__SLOT_COUNT) - 1)

/* @return the feature of a set, which is not empty, whose turn is first */
static const struct sdb__feature *first_of(const struct sdb_session *session, unsigned set)
{
    return session->features->by_slot[__builtin_ctz(set)];
}

/* @return the next of a set, which is taken out of it; or NULL */
static const struct sdb__feature *next_of(const struct sdb_session *session, unsigned *set)
{
    const unsigned left = *set;

    *set &= left - 1;
    return left == 0 ? NULL : first_of(session, left);
}

void sdb__feature_set_due(struct sdb_session *session, unsigned slot)
{
    session->due |= 1U << slot;
}

static unsigned bit_if(bool is_so, unsigned slot)
{
    return (unsigned)is_so << slot;
}

void sdb__features_measure(const struct sdb__features *features, struct sdb__slot_sizes *sizes,
                           struct sdb__moments *moments)
{
    *moments = (struct sdb__moments){0};
    for (unsigned slot = 0; slot < SDB__SLOT_COUNT; slot++) {
        const struct sdb__feature *feature = features->by_slot[slot];

        assert(feature && feature->slot == slot);
        sizes->of_session[slot] = feature->session_size;
        sizes->of_process[slot] = feature->process_size;
        sizes->of_thread[slot] = feature->thread_size;
        moments->look |= bit_if(feature->look, slot);
        moments->judge |= bit_if(feature->judge, slot);
        moments->resume |= bit_if(feature->resume, slot);
        moments->resumed |= bit_if(feature->resumed, slot);
        if (feature->used_by != SDB_RESUME_CONTINUE)
            moments->used_by[feature->used_by] |= 1U << slot;
    }
}

/* ---- stops ---- */

enum sdb__verdict sdb__features_look(struct sdb_thread *thread, struct sdb__stop *stop)
{
    const struct sdb_session *session = thread->process->session;
    unsigned left = thread->process->features & session->moments.look;
    enum sdb__verdict verdict = SDB__VERDICT_NONE;

    for (; left != 0 && sdb__thread_stands(thread); left &= left - 1) {
        const struct sdb__feature *feature = first_of(session, left);
        const enum sdb__verdict said = feature->look(thread, stop);

        if (said == SDB__VERDICT_TRAP)
            return said;
        if (said == SDB__VERDICT_TELL)
            thread->teller = feature;
        if (said != SDB__VERDICT_NONE)
            verdict = said;
    }
    return verdict;
}

enum sdb__verdict sdb__features_judge(struct sdb_thread *thread, struct sdb__stop *stop,
                                      const struct sdb__stop *seen, enum sdb__verdict verdict)
{
    const struct sdb_session *session = thread->process->session;
    unsigned left = thread->process->features & session->moments.judge;

    for (; left != 0 && sdb__thread_stands(thread); left &= left - 1)
        verdict = first_of(session, left)->judge(thread, stop, seen, verdict);
    return verdict;
}

enum sdb__going sdb__features_resume(struct sdb_thread *thread, struct sdb__resume *resume)
{
    const struct sdb_session *session = thread->process->session;
    unsigned left = thread->process->features & session->moments.resume;
    enum sdb__going going = SDB__GOING_READY;

    for (; left != 0 && going == SDB__GOING_READY; left &= left - 1)
        going = first_of(session, left)->resume(thread, resume);
    return going;
}

void sdb__features_resumed(struct sdb_thread *thread)
{
    const struct sdb_session *session = thread->process->session;
    unsigned left = thread->process->features & session->moments.resumed;

    for (; left != 0; left &= left - 1)
        first_of(session, left)->resumed(thread);
}

/* ---- births ---- */

void sdb__features_launched(struct sdb_process *process, const struct sdb__launch_plan *plan)
{
    const struct sdb__feature *feature;
    unsigned left = ALL;

    while ((feature = next_of(process->session, &left))) {
        if (feature->launched)
            feature->launched(process, plan);
    }
}

int sdb__features_process_born(struct sdb_process *newborn, const struct sdb_process *from,
                               const struct sdb_thread *parent)
{
    unsigned left = from->features;
    const struct sdb__feature *feature;
    int rc = 0;

    newborn->features = from->features;
    while (rc == 0 && (feature = next_of(newborn->session, &left))) {
        if (feature->process_born)
            rc = feature->process_born(newborn, from, parent);
    }
    return rc;
}

void sdb__features_newborn_lost(struct sdb_session *session, pid_t newborn,
                                const struct sdb_process *from)
{
    unsigned left = from->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(session, &left))) {
        if (feature->newborn_lost)
            feature->newborn_lost(newborn, from);
    }
}

int sdb__features_thread_born(struct sdb_thread *newborn)
{
    unsigned left = newborn->process->features;
    const struct sdb__feature *feature;
    int rc = 0;

    while (rc == 0 && (feature = next_of(newborn->process->session, &left))) {
        if (feature->thread_born)
            rc = feature->thread_born(newborn);
    }
    return rc;
}

void sdb__features_executed(struct sdb_thread *thread)
{
    unsigned left = thread->process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(thread->process->session, &left))) {
        if (feature->executed)
            feature->executed(thread);
    }
}

/* ---- ends ---- */

void sdb__features_thread_ended(struct sdb_thread *thread)
{
    unsigned left = thread->process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(thread->process->session, &left))) {
        if (feature->thread_ended)
            feature->thread_ended(thread);
    }
}

void sdb__features_withdraw(struct sdb_process *process)
{
    unsigned left = process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(process->session, &left))) {
        if (feature->withdraw)
            feature->withdraw(process);
    }
}

bool sdb__features_must_stay(const struct sdb_process *process)
{
    unsigned left = process->features;
    const struct sdb__feature *feature;
    bool must_stay = false;

    while (!must_stay && (feature = next_of(process->session, &left)))
        must_stay = feature->must_stay && feature->must_stay(process);
    return must_stay;
}

void sdb__features_give_back(struct sdb_process *process)
{
    unsigned left = process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(process->session, &left))) {
        if (feature->give_back)
            feature->give_back(process);
    }
}

bool sdb__features_let_go(struct sdb_thread *thread)
{
    unsigned left = thread->process->features;
    const struct sdb__feature *feature;
    bool has_trap = false;

    while ((feature = next_of(thread->process->session, &left))) {
        if (feature->let_go && feature->let_go(thread))
            has_trap = true;
    }
    return has_trap;
}

void sdb__features_process_gone(struct sdb_process *process)
{
    unsigned left = process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(process->session, &left))) {
        if (feature->process_gone)
            feature->process_gone(process);
    }
}

void sdb__features_space_gone(struct sdb_session *session, struct sdb__space *space)
{
    const struct sdb__feature *feature;
    unsigned left = ALL;

    while ((feature = next_of(session, &left))) {
        if (feature->space_gone && space->slots[feature->slot])
            feature->space_gone(space);
    }
}

/* ---- sessions ---- */

void sdb__features_due(struct sdb_session *session)
{
    unsigned left = session->due;
    const struct sdb__feature *feature;

    session->due = 0;
    while ((feature = next_of(session, &left)))
        feature->due(session);
}

void sdb__features_session_ends(struct sdb_session *session)
{
    const struct sdb__feature *feature;
    unsigned left = ALL;

    while ((feature = next_of(session, &left))) {
        if (feature->session_ends)
            feature->session_ends(session);
    }
}

void sdb__features_check(const struct sdb_process *process)
{
    unsigned left = process->features;
    const struct sdb__feature *feature;

    while ((feature = next_of(process->session, &left))) {
        if (feature->check)
            feature->check(process);
    }
}
