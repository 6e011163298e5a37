/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_answers.h"

#include "client/cli/count.h"
#include "client/cli/doctor_advice.h"
#include "proto/clock.h"
#include "proto/saturating.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { RESERVE_MS = 500 }; /* of the deadline, for the last request */

/* The whole answer as JSON: its result, or its error map. */
static struct json *answers_read(const struct tally_answer *answer)
{
    struct json *json = json_from_answer(answer);

    if (json != NULL && json_kind(json) == JSON_KIND_MAP &&
        (tally_answer_error(answer) == 0 || json_get(json, "name") != NULL))
        return json;
    json_free(json);
    json = json_new_map();
    if (tally_answer_error(answer) < 0) {
        json_set(json, "name", json_new_string(tally_answer_error_name(answer)));
        json_set(json, "message", json_new_string(tally_answer_error_message(answer)));
    }
    return json;
}

static int answers_left(const struct doctor_answers *answers)
{
    int64_t left = answers->cli->deadline - clock_ms();

    return left > 1 ? (int)left : 1;
}

/* Sends the request, and frees it; NULL: `list`, with all its pages. Returns its error, and the
 * answer, owned by the caller, whether it is an error or a result. */
static int answers_ask(
    struct doctor_answers *answers, struct tally_request *request, int ms, struct json **answer)
{
    struct tally *tally = answers->cli->tally;

    tally_set_timeout(tally, ms);
    int r = request != NULL ? tally_call(tally, request) : tally_list(tally);
    tally_request_free(request);
    *answer = answers_read(tally_last_answer(tally));
    return r;
}

/* ---- counts ---- */

static void on_count(const struct tally_answer *answer, void *data)
{
    struct doctor_count *count = data;

    count->error = tally_answer_error(answer);
    count->answer = answers_read(answer);
    count->answers->pending--;
}

/* One item costs half a read unit at most, and shows what a whole count would. */
static int answers_start_count(
    struct doctor_answers *answers, struct doctor_count *count, struct tally_async *async, int ms)
{
    struct tally_request *request = count_request(answers->cli, "count", NULL);

    if (request == NULL)
        return TALLY_EARGUMENT;
    tally_request_set_string(request, "trigger", count->trigger);
    tally_request_set_integer(request, "enough", 1);
    tally_request_set_integer(request, "max_age_ms", 0);
    count->answers = answers;
    int r = tally_async_call(async, request, ms, on_count, count, NULL);
    answers->pending += r == 0;
    tally_request_free(request);
    return r;
}

/* All at once, so that they share the deadline. */
static int answers_count(struct doctor_answers *answers)
{
    struct tally_async *async = NULL;
    int ms = answers_left(answers) - RESERVE_MS;
    int r = tally_async_open(&async, answers->cli->socket);

    for (size_t i = 0; r == 0 && i < answers->count_size; i++)
        r = answers_start_count(answers, &answers->counts[i], async, ms > 1 ? ms : 1);
    while (r == 0 && answers->pending > 0) {
        struct pollfd fd = {tally_async_fd(async), tally_async_events(async), 0};

        poll(&fd, 1, tally_async_timeout(async));
        r = tally_async_process(async);
    }
    tally_async_close(async);
    return r;
}

/* Whether `name` is this full name, or the end of it. */
static bool answers_is_named(const char *full, const char *name)
{
    size_t len = strlen(full), part = strlen(name);

    return strcmp(full, name) == 0 ||
           (len > part && full[len - part - 1] == '/' && strcmp(full + len - part, name) == 0);
}

const struct json *doctor_answers_trigger(const struct doctor_answers *answers, const char *name)
{
    const struct json *triggers = json_get(answers->list, "triggers"), *found = NULL;

    for (size_t i = 0; i < json_size(triggers); i++) {
        const struct json *trigger = json_at(triggers, i);

        if (!answers_is_named(json_get_string(trigger, "name", ""), name))
            continue;
        if (found != NULL)
            return NULL;
        found = trigger;
    }
    return found;
}

/* One count of each identity and table; a trigger without values of clients is preferred. */
static void answers_choose(
    struct doctor_answers *answers, const char *identity, const struct json *trigger)
{
    struct doctor_count chosen = {.identity = identity,
        .trigger = json_get_string(trigger, "name", ""),
        .table = json_get_string(trigger, "table", ""),
        .index = json_get_string(trigger, "index", ""),
        .region = json_get_string(trigger, "region", "")};

    for (size_t i = 0; i < answers->count_size; i++) {
        struct doctor_count *other = &answers->counts[i];

        if (other->identity != identity || strcmp(other->table, chosen.table) != 0 ||
            strcmp(other->index, chosen.index) != 0 || strcmp(other->region, chosen.region) != 0)
            continue;
        if (json_get(doctor_answers_trigger(answers, other->trigger), "client_values") != NULL)
            *other = chosen;
        return;
    }
    if (answers->count_size < DOCTOR_COUNTS_MAX)
        answers->counts[answers->count_size++] = chosen;
}

static void answers_choose_all(struct doctor_answers *answers)
{
    const struct json *identities = json_get(answers->whoami, "identities");
    const char *operand = cli_operand(answers->cli, 0);

    if (operand != NULL) {
        answers->counts[answers->count_size++] = (struct doctor_count){.trigger = operand};
        return;
    }
    for (size_t i = 0; i < json_size(identities); i++) {
        const struct json *names = json_get(json_at(identities, i), "triggers");
        const char *identity = json_get_string(json_at(identities, i), "kind", "");

        for (size_t j = 0; j < json_size(names); j++) {
            const struct json *trigger = doctor_answers_trigger(
                answers, json_get_string(json_at(names, j), "", ""));

            if (trigger != NULL)
                answers_choose(answers, identity, trigger);
        }
    }
}

bool doctor_answers_has_count(const struct doctor_answers *answers, const char *trigger)
{
    for (size_t i = 0; i < answers->count_size; i++) {
        const struct doctor_count *count = &answers->counts[i];

        if (answers_is_named(trigger, count->trigger) ||
            strcmp(json_get_string(count->answer, "trigger", ""), trigger) == 0)
            return true;
    }
    return false;
}

/* ---- failures ---- */

/* Whether a service was called, and has not given credentials yet. */
static bool answers_await(const struct doctor_answers *answers, const char *service)
{
    char path[64];

    snprintf(path, sizeof(path), "aws.%s", service);
    const struct json *counters = json_get(answers->status, path);
    int64_t calls = json_get_integer_or(counters, "calls", 0);
    int64_t ok = json_get_integer_or(counters, "ok", 0);
    int64_t answered = saturating_add(
        ok, saturating_add(json_get_integer_or(counters, "throttled", 0),
                json_get_integer_or(counters, "failed", 0)));

    return calls > 0 && (ok == 0 || answered < calls);
}

const char *doctor_answers_step_of(const struct doctor_answers *answers, const struct json *error)
{
    const char *stage = json_get_string(error, "stage", "");
    const char *name = json_get_string(error, "name", "");

    if (error == NULL)
        return "";
    if (stage[0] == '\0' && strcmp(name, "TIMEOUT") == 0)
        stage = answers_await(answers, "credentials") ? "credentials"
                : answers_await(answers, "sts")       ? "sts"
                                                      : "";
    return doctor_place(stage, name);
}

static void answers_add_failure(
    struct doctor_answers *answers, enum doctor_state state, const struct json *error)
{
    if (error == NULL || json_kind(error) != JSON_KIND_MAP ||
        answers->failure_size == DOCTOR_FAILURES_MAX)
        return;
    answers->failures[answers->failure_size++] = (struct doctor_failure){
        doctor_answers_step_of(answers, error), state, error};
}

static void answers_collect_failures(struct doctor_answers *answers)
{
    const struct json *identities = json_get(answers->whoami, "identities");

    for (size_t i = 0; i < answers->count_size; i++) {
        const struct doctor_count *count = &answers->counts[i];
        bool is_stale = strcmp(json_get_string(count->answer, "quality", ""), "stale") == 0;

        answers_add_failure(answers, count->error < 0 || is_stale ? DOCTOR_PROBLEM : DOCTOR_WARNING,
            count->error < 0 ? count->answer : json_get(count->answer, "last_error"));
    }
    for (size_t i = 0; i < json_size(identities); i++) {
        const struct json *identity = json_at(identities, i);
        bool is_failed = strcmp(json_get_string(identity, "state", ""), "failed") == 0;

        answers_add_failure(
            answers, is_failed ? DOCTOR_PROBLEM : DOCTOR_WARNING, json_get(identity, "last_error"));
        if (!is_failed)
            answers_add_failure(answers, DOCTOR_WARNING, json_get(identity, "caller_error"));
    }
}

const struct doctor_failure *doctor_answers_worst(
    const struct doctor_answers *answers, const char *step)
{
    const struct doctor_failure *worst = NULL;

    for (size_t i = 0; i < answers->failure_size; i++) {
        const struct doctor_failure *failure = &answers->failures[i];

        if (strcmp(failure->step, step) == 0 && (worst == NULL || failure->state > worst->state))
            worst = failure;
    }
    return worst;
}

/* ---- all ---- */

int doctor_answers_ask_hello(struct doctor_answers *answers)
{
    return answers_ask(
        answers, cli_request(answers->cli, "hello", NULL), answers_left(answers), &answers->hello);
}

int doctor_answers_ask_rest(struct doctor_answers *answers)
{
    const struct cli *cli = answers->cli;
    int r = answers_ask(answers, NULL, answers_left(answers), &answers->list);

    if (r < 0)
        return r;
    answers_ask(
        answers, cli_request(cli, "diagnose", NULL), answers_left(answers), &answers->diagnosis);
    /* An unknown trigger shows at the count. */
    answers_ask(answers, cli_request(cli, "whoami", "trigger"), answers_left(answers) / 2 + 1,
        &answers->whoami);
    answers_choose_all(answers);
    r = answers_count(answers);
    if (r == 0)
        r = answers_ask(
            answers, cli_request(cli, "status", NULL), answers_left(answers), &answers->status);
    if (r == 0)
        answers_collect_failures(answers);
    return r;
}

void doctor_answers_free(struct doctor_answers *answers)
{
    for (size_t i = 0; i < answers->count_size; i++)
        json_free(answers->counts[i].answer);
    json_free(answers->hello);
    json_free(answers->list);
    json_free(answers->diagnosis);
    json_free(answers->whoami);
    json_free(answers->status);
}
