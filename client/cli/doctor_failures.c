/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_failures.h"

#include "client/cli/doctor_advice.h"

#include <stdio.h>
#include <string.h>

/* A service that was called, and has not given credentials yet. */
static bool failures_is_waited_for(const struct doctor_answers *answers, const char *service)
{
    static const char *const outcomes[] = {"ok", "throttled", "failed"};
    char path[64];

    snprintf(path, sizeof(path), "aws.%s.calls", service);
    int64_t calls = doctor_answers_number(answers, path), answered = 0, ok = 0;
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        snprintf(path, sizeof(path), "aws.%s.%s", service, outcomes[i]);
        answered += doctor_answers_number(answers, path);
        if (i == 0)
            ok = answered;
    }
    return calls > 0 && (ok == 0 || answered < calls);
}

const char *doctor_failures_step_of(const struct doctor_answers *answers, const struct json *error)
{
    const char *stage = json_get_string(error, "stage", "");
    const char *name = json_get_string(error, "name", "");

    if (error == NULL)
        return "";
    if (stage[0] == '\0' && strcmp(name, "TIMEOUT") == 0)
        stage = failures_is_waited_for(answers, "credentials") ? "credentials"
                : failures_is_waited_for(answers, "sts")       ? "sts"
                                                               : "";
    return doctor_place(stage, name);
}

static void failures_note(struct doctor_failures *failures, const struct doctor_answers *answers,
    enum doctor_state state, const struct json *error)
{
    if (error == NULL || json_kind(error) != JSON_KIND_MAP || failures->size == DOCTOR_FAILURES_MAX)
        return;
    const char *step = doctor_failures_step_of(answers, error);
    failures->list[failures->size++] = (struct doctor_failure){step, state, error};
}

const struct doctor_failure *doctor_failures_worst(
    const struct doctor_failures *failures, const char *step)
{
    const struct doctor_failure *worst = NULL;

    for (size_t i = 0; i < failures->size; i++) {
        const struct doctor_failure *failure = &failures->list[i];

        if (strcmp(failure->step, step) == 0 && (worst == NULL || failure->state > worst->state))
            worst = failure;
    }
    return worst;
}

void doctor_failures_collect(struct doctor_failures *failures, const struct doctor_answers *answers)
{
    const struct json *identities = json_get(answers->whoami, "identities");

    for (size_t i = 0; i < answers->count_size; i++) {
        const struct doctor_count *count = &answers->counts[i];
        bool is_stale = strcmp(json_get_string(count->answer, "quality", ""), "stale") == 0;

        if (count->error < 0)
            failures_note(failures, answers, DOCTOR_PROBLEM, count->answer);
        else
            failures_note(failures, answers, is_stale ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                json_get(count->answer, "last_error"));
    }
    for (size_t i = 0; identities != NULL && i < json_size(identities); i++) {
        const struct json *identity = json_at(identities, i);
        bool is_failed = strcmp(json_get_string(identity, "state", ""), "failed") == 0;

        failures_note(failures, answers, is_failed ? DOCTOR_PROBLEM : DOCTOR_WARNING,
            json_get(identity, "last_error"));
        if (!is_failed)
            failures_note(failures, answers, DOCTOR_WARNING, json_get(identity, "caller_error"));
    }
}
