/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/activity.h"

#include "client/bridge/scaler.h"
#include "proto/saturating.h"

#include <stdlib.h>
#include <string.h>

void activity_init(
    struct activity *activity, struct agent_link *link, link_watch_fn *fn, void *data)
{
    *activity = (struct activity){.link = link, .fn = fn, .data = data};
    link_waiter_init(&activity->waiter, NULL, NULL);
}

void activity_cancel(struct activity *activity)
{
    link_waiter_cancel(&activity->waiter);
    free(activity->trigger);
    activity->trigger = NULL;
}

/* ---- ends ---- */

static void activity_finish(struct activity *activity, bool active)
{
    activity_cancel(activity);
    activity->fn(&(struct watch_state){.active = active}, activity->data);
}

static void activity_fail(struct activity *activity, int error, const char *message)
{
    activity_cancel(activity);
    activity->fn(&(struct watch_state){.error = error, .message = message}, activity->data);
}

/* ---- the count ---- */

static int64_t activity_enough(int64_t activation)
{
    return activation < 0 ? 1 : saturating_add(activation, 1);
}

static int activity_count(struct activity *activity, int64_t enough)
{
    activity->enough = enough;
    return agent_link_count(activity->link, activity->trigger, enough, &activity->waiter);
}

/* The fields that an answer must have: without one of them nothing is known, and that is not
 * inactive. */
static bool activity_read_count(
    const struct tally_answer *answer, struct trigger_entry *entry, char *full, bool *active)
{
    int64_t count = 0;
    int flag = 0;
    bool whole = tally_answer_integer(answer, "count", &count) == 0 && count >= 0 &&
                 tally_answer_bool(answer, "active", &flag) == 0 &&
                 tally_answer_integer(answer, "activation_target", &entry->activation) == 0 &&
                 tally_answer_string(answer, "trigger", full, SCALER_TRIGGER_BYTES) == 0;

    entry->full = full;
    *active = flag != 0;
    return whole;
}

/* The activation may have been raised meanwhile: then this count ended too early to say that the
 * trigger is not active. */
static void activity_take_count(struct activity *activity, const struct tally_answer *answer)
{
    char full[SCALER_TRIGGER_BYTES];
    struct trigger_entry entry;
    bool active;

    if (!activity_read_count(answer, &entry, full, &active)) {
        activity_fail(activity, TALLY_EPROTOCOL, "the agent's answer has no count");
        return;
    }
    agent_link_note(activity->link, activity->trigger, &entry);
    int64_t enough = activity_enough(entry.activation);
    if (active || enough <= activity->enough) {
        activity_finish(activity, active);
        return;
    }
    int r = activity_count(activity, enough);
    if (r < 0)
        activity_fail(activity, r, "");
}

/* ---- the trigger ---- */

bool activity_is_row(const struct tally_answer *answer)
{
    size_t rows = 0;

    return tally_answer_size(answer, "triggers", &rows) == 0 && rows == 1;
}

bool activity_read_row(const struct tally_answer *answer, struct trigger_entry *entry, char *full)
{
    entry->full = full;
    return activity_is_row(answer) &&
           tally_answer_integer(answer, "triggers.0.activation_target", &entry->activation) == 0 &&
           tally_answer_string(answer, "triggers.0.name", full, SCALER_TRIGGER_BYTES) == 0;
}

static void activity_take_row(struct activity *activity, const struct tally_answer *answer)
{
    char full[SCALER_TRIGGER_BYTES];
    struct trigger_entry entry;
    bool active = false;

    if (!activity_read_row(answer, &entry, full)) {
        activity_fail(activity, TALLY_EPROTOCOL, "the agent is too old to list one trigger");
        return;
    }
    agent_link_note(activity->link, activity->trigger, &entry);
    if (agent_link_knows(activity->link, full, &active)) {
        activity_finish(activity, active);
        return;
    }
    int r = activity_count(activity, activity_enough(entry.activation));
    if (r < 0)
        activity_fail(activity, r, "");
}

static void on_activity_answer(const struct tally_answer *answer, void *data)
{
    struct activity *activity = data;
    int error = tally_answer_error(answer);

    if (error < 0)
        activity_fail(activity, error, tally_answer_error_message(answer));
    else if (activity->enough > 0)
        activity_take_count(activity, answer);
    else
        activity_take_row(activity, answer);
}

int activity_start(struct activity *activity, const char *trigger, bool *active)
{
    const struct trigger_entry *entry = agent_link_recall(activity->link, trigger);

    if (entry != NULL && agent_link_knows(activity->link, entry->full, active))
        return ACTIVITY_KNOWN;
    activity->trigger = strdup(trigger);
    if (activity->trigger == NULL)
        return TALLY_ENOMEM;
    activity->waiter.fn = on_activity_answer;
    activity->waiter.data = activity;
    activity->enough = 0;
    int r = entry != NULL ? activity_count(activity, activity_enough(entry->activation))
                          : agent_link_find(activity->link, trigger, &activity->waiter);
    if (r < 0)
        activity_cancel(activity);
    return r;
}
