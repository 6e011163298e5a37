/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_answers.h"

#include "client/cli/count.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { RESERVE_MS = 500 }; /* of the deadline, for the last request */

/* The whole answer as JSON: its result, or its error map. */
static struct json *answers_read(const struct tally_answer *answer)
{
    const void *packed = NULL;
    size_t len = 0;
    struct json *json = NULL;

    if (tally_answer_packed(answer, NULL, &packed, &len) == 0)
        json = json_from_msgpack(packed, len);
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
    int64_t left = answers->deadline - cli_clock_ms();

    return left > 1 ? (int)left : 1;
}

/* The error, and the answer, owned by the caller, whether it is an error or a result. */
static int answers_ask(struct doctor_answers *answers, const char *method, const char *trigger,
    int ms, struct json **answer)
{
    struct tally_request *request = NULL;
    int r = tally_request_new(&request, method);

    if (r == 0 && trigger != NULL)
        r = tally_request_set_string(request, "trigger", trigger);
    tally_set_timeout(answers->cli->tally, ms);
    if (r == 0)
        r = tally_call(answers->cli->tally, request);
    tally_request_free(request);
    json_free(*answer);
    *answer = answers_read(tally_last_answer(answers->cli->tally));
    return r;
}

static int answers_ask_list(struct doctor_answers *answers)
{
    tally_set_timeout(answers->cli->tally, answers_left(answers));
    int r = tally_list(answers->cli->tally);
    answers->list = answers_read(tally_last_answer(answers->cli->tally));
    return r;
}

static void on_count(const struct tally_answer *answer, void *data)
{
    struct doctor_count *count = data;

    count->error = tally_answer_error(answer);
    count->answer = answers_read(answer);
    count->answers->waiting--;
}

/* One item costs half a read unit at most, and shows what a whole count would. */
static int answers_start_count(
    struct doctor_answers *answers, struct doctor_count *count, struct tally_async *async, int ms)
{
    struct tally_request *request = NULL;
    int r = tally_request_new(&request, "count");

    if (r == 0)
        r = tally_request_set_string(request, "trigger", count->trigger);
    if (r == 0)
        r = tally_request_set_integer(request, "enough", 1);
    if (r == 0)
        r = tally_request_set_integer(request, "max_age_ms", 0);
    if (r == 0 &&
        count_add_list(answers->cli, request, OPTION_VALUE, "values", value_add) != EXIT_OK)
        r = TALLY_EARGUMENT;
    count->answers = answers;
    if (r == 0)
        r = tally_async_call(async, request, ms, on_count, count, NULL);
    if (r == 0)
        answers->waiting++;
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
    while (r == 0 && answers->waiting > 0) {
        struct pollfd fd = {tally_async_fd(async), tally_async_events(async), 0};

        poll(&fd, 1, tally_async_timeout(async));
        r = tally_async_process(async);
    }
    tally_async_close(async);
    return r;
}

/* Whether a trigger of this full name can be meant. */
static bool answers_is_named(const char *full, const char *name)
{
    size_t len = strlen(full), part = strlen(name);

    return strcmp(full, name) == 0 ||
           (len > part && full[len - part - 1] == '/' && strcmp(full + len - part, name) == 0);
}

const struct json *doctor_answers_trigger(const struct doctor_answers *answers, const char *name)
{
    const struct json *triggers = json_get(answers->list, "triggers"), *found = NULL;

    for (size_t i = 0; triggers != NULL && i < json_size(triggers); i++) {
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
    struct doctor_count chosen = {.answers = answers,
        .identity = identity,
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
    for (size_t i = 0; identities != NULL && i < json_size(identities); i++) {
        const struct json *names = json_get(json_at(identities, i), "triggers");
        const char *identity = json_get_string(json_at(identities, i), "kind", "");

        for (size_t j = 0; names != NULL && j < json_size(names); j++) {
            char at[24];

            snprintf(at, sizeof(at), "%zu", j);
            const struct json *trigger = doctor_answers_trigger(
                answers, json_get_string(names, at, ""));
            if (trigger != NULL)
                answers_choose(answers, identity, trigger);
        }
    }
}

int64_t doctor_answers_number(const struct doctor_answers *answers, const char *path)
{
    int64_t value = 0;

    json_get_integer(answers->status, path, &value);
    return value;
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

int doctor_answers_ask_hello(struct doctor_answers *answers)
{
    return answers_ask(answers, "hello", NULL, answers_left(answers), &answers->hello);
}

int doctor_answers_ask_rest(struct doctor_answers *answers)
{
    int r = answers_ask_list(answers);

    if (r == 0)
        answers_ask(answers, "diagnose", NULL, answers_left(answers), &answers->diagnosis);
    /* An unknown trigger shows at the count. */
    if (r == 0)
        answers_ask(answers, "whoami", cli_operand(answers->cli, 0), answers_left(answers) / 2 + 1,
            &answers->whoami);
    if (r == 0) {
        answers_choose_all(answers);
        r = answers_count(answers);
    }
    if (r == 0)
        r = answers_ask(answers, "status", NULL, answers_left(answers), &answers->status);
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
