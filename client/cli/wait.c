/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/wait.h"

#include "client/cli/cli.h"
#include "client/cli/count.h"
#include "client/cli/terminal.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- condition ---- */

enum { DEPTH_MAX = 16 };

enum field_kind {
    GROWS, /* only larger for a larger count, so that `at_least` is a lower bound of it, too */
    FIXED,
};

static const struct {
    const char *name;
    enum field_kind kind;
} fields[] = {
    {"count", GROWS},
    {"scanned", FIXED},
    {"pages", FIXED},
    {"age_ms", FIXED},
    {"consumed_rcu", FIXED},
    {"desired_replicas", GROWS},
    {"active", GROWS},
    {"fallback", FIXED},
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

enum comparison { LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, MORE_EQUAL, MORE };

/* Longer operators before their prefixes. */
static const struct {
    const char *sign;
    enum comparison comparison;
} operators[] = {
    {"<=", LESS_EQUAL},
    {">=", MORE_EQUAL},
    {"==", EQUAL},
    {"!=", NOT_EQUAL},
    {"<", LESS},
    {">", MORE},
    {"=", EQUAL},
};

struct parse {
    struct condition *condition;
    const char *text, *at;
    unsigned depth;
    char *error;
    size_t size;
    bool failed;
};

static unsigned fail(struct parse *parse, const char *what)
{
    if (!parse->failed)
        snprintf(parse->error, parse->size, "\"%s\", at character %zu: %s", parse->text,
            (size_t)(parse->at - parse->text) + 1, what);
    parse->failed = true;
    return 0;
}

static void skip_spaces(struct parse *parse)
{
    parse->at += strspn(parse->at, " \t");
}

static size_t word_length(const char *at)
{
    return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
}

static bool take_sign(struct parse *parse, const char *sign)
{
    skip_spaces(parse);
    size_t len = strlen(sign);
    bool is_word = word_length(sign) > 0;
    if (strncmp(parse->at, sign, len) != 0 || (is_word && word_length(parse->at) != len))
        return false;
    parse->at += len;
    return true;
}

static unsigned add_node(struct parse *parse, struct condition_node node)
{
    if (parse->condition->count == CONDITION_NODES_MAX)
        return fail(parse, "the condition is too long");
    parse->condition->nodes[parse->condition->count] = node;
    return parse->condition->count++;
}

static double parse_value(struct parse *parse)
{
    if (take_sign(parse, "true"))
        return 1;
    if (take_sign(parse, "false"))
        return 0;
    skip_spaces(parse);
    char *end = NULL;
    double value = strtod(parse->at, &end);
    if (end == parse->at || strspn(parse->at, "+-.0123456789eE") < (size_t)(end - parse->at)) {
        fail(parse, "write a number, true or false");
        return 0;
    }
    parse->at = end;
    return value;
}

static unsigned parse_comparison(struct parse *parse)
{
    struct condition_node node = {.kind = NODE_COMPARE, .comparison = NOT_EQUAL, .value = 0};

    skip_spaces(parse);
    size_t len = word_length(parse->at);
    while (node.field < FIELD_COUNT && (strlen(fields[node.field].name) != len ||
                                           memcmp(fields[node.field].name, parse->at, len) != 0))
        node.field++;
    if (node.field == FIELD_COUNT)
        return fail(parse, "write one of count, scanned, pages, age_ms, consumed_rcu, "
                           "desired_replicas, active, fallback");
    parse->at += len;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (!take_sign(parse, operators[i].sign))
            continue;
        node.comparison = operators[i].comparison;
        node.value = parse_value(parse);
        break;
    }
    return add_node(parse, node);
}

static unsigned parse_or(struct parse *parse);

static unsigned parse_term(struct parse *parse)
{
    if (!take_sign(parse, "("))
        return parse_comparison(parse);
    if (++parse->depth > DEPTH_MAX)
        return fail(parse, "too many parentheses");
    unsigned inner = parse_or(parse);
    parse->depth--;
    if (!parse->failed && !take_sign(parse, ")"))
        return fail(parse, "a ) is missing");
    return inner;
}

static unsigned parse_and(struct parse *parse)
{
    unsigned left = parse_term(parse);

    while (!parse->failed && (take_sign(parse, "and") || take_sign(parse, "&&"))) {
        unsigned right = parse_term(parse);

        left = add_node(
            parse, (struct condition_node){.kind = NODE_AND, .left = left, .right = right});
    }
    return left;
}

static unsigned parse_or(struct parse *parse)
{
    unsigned left = parse_and(parse);

    while (!parse->failed && (take_sign(parse, "or") || take_sign(parse, "||"))) {
        unsigned right = parse_and(parse);

        left = add_node(
            parse, (struct condition_node){.kind = NODE_OR, .left = left, .right = right});
    }
    return left;
}

bool condition_parse(struct condition *condition, const char *text, char *error, size_t size)
{
    struct parse parse = {condition, text, text, 0, error, size, false};

    condition->count = 0;
    condition->root = parse_or(&parse);
    skip_spaces(&parse);
    if (!parse.failed && parse.at[0] != '\0')
        fail(&parse, "write <, <=, ==, !=, >=, >, and, or");
    return !parse.failed;
}

static bool holds(double left, enum comparison comparison, double right)
{
    switch (comparison) {
    case LESS:
        return left < right;
    case LESS_EQUAL:
        return left <= right;
    case EQUAL:
        return left >= right && left <= right;
    case NOT_EQUAL:
        return left < right || left > right;
    case MORE_EQUAL:
        return left >= right;
    case MORE:
        return left > right;
    }
    return false;
}

/* The true number is `left` or larger. */
static enum verdict check_lower_bound(double left, enum comparison comparison, double right)
{
    switch (comparison) {
    case MORE:
    case MORE_EQUAL:
        return holds(left, comparison, right) ? VERDICT_YES : VERDICT_UNKNOWN;
    case LESS:
    case LESS_EQUAL:
        return holds(left, comparison, right) ? VERDICT_UNKNOWN : VERDICT_NO;
    case EQUAL:
        return left > right ? VERDICT_NO : VERDICT_UNKNOWN;
    case NOT_EQUAL:
        return left > right ? VERDICT_YES : VERDICT_UNKNOWN;
    }
    return VERDICT_UNKNOWN;
}

static enum verdict check_comparison(
    const struct condition_node *node, const struct json *answer, bool at_least)
{
    const char *name = fields[node->field].name;
    double left = 0;

    if (!json_get_real(answer, name, &left)) {
        const struct json *value = json_get(answer, name);

        if (value == NULL || json_kind(value) != JSON_KIND_BOOL)
            return VERDICT_UNKNOWN;
        left = json_get_bool(value, "", false);
        at_least = at_least && left < 1; /* what is true already stays true */
    }
    if (at_least && fields[node->field].kind == GROWS)
        return check_lower_bound(left, (enum comparison)node->comparison, node->value);
    return holds(left, (enum comparison)node->comparison, node->value) ? VERDICT_YES : VERDICT_NO;
}

static enum verdict check_node(
    const struct condition *condition, unsigned at, const struct json *answer, bool at_least)
{
    const struct condition_node *node = &condition->nodes[at];

    if (node->kind == NODE_COMPARE)
        return check_comparison(node, answer, at_least);
    enum verdict left = check_node(condition, node->left, answer, at_least);
    enum verdict right = check_node(condition, node->right, answer, at_least);
    if (node->kind == NODE_AND)
        return left < right ? left : right;
    return left > right ? left : right;
}

enum verdict condition_check(const struct condition *condition, const struct json *answer)
{
    const char *quality = json_get_string(answer, "quality", "stale");
    bool exact = strcmp(quality, "exact") == 0, at_least = strcmp(quality, "at_least") == 0;

    if (!exact && !at_least)
        return VERDICT_UNKNOWN; /* stale, or a newer word, which counts as stale */
    return check_node(condition, condition->root, answer, at_least);
}

/* The least count that decides "count <comparison> value", as a lower bound. */
static int64_t enough_for_count(enum comparison comparison, double value)
{
    enum { EXACT_IN_DOUBLE = 53 };

    if (!(value < (double)(INT64_C(1) << EXACT_IN_DOUBLE)))
        return 0;
    if (value < 0)
        return 1;
    int64_t whole = (int64_t)value;
    bool is_whole = (double)whole >= value;
    bool at_value = comparison == MORE_EQUAL || comparison == LESS;
    return at_value && is_whole && whole > 0 ? whole : whole + 1;
}

int64_t condition_enough(const struct condition *condition, int64_t activation)
{
    int64_t enough = 1;

    for (unsigned i = 0; i < condition->count; i++) {
        const struct condition_node *node = &condition->nodes[i];

        if (node->kind != NODE_COMPARE)
            continue;
        const char *name = fields[node->field].name;
        int64_t wanted = 0;
        if (strcmp(name, "count") == 0)
            wanted = enough_for_count((enum comparison)node->comparison, node->value);
        else if (strcmp(name, "active") == 0)
            wanted = activation < INT64_MAX ? activation + 1 : 0;
        else if (strcmp(name, "age_ms") == 0 || strcmp(name, "fallback") == 0)
            continue; /* the same for every count */
        if (wanted == 0)
            return 0;
        if (wanted > enough)
            enough = wanted;
    }
    return enough;
}

/* ---- wait ---- */

/* tally wait. */

enum {
    WAIT_DEFAULT_MS = 5 * 60 * 1000,
    LOOK_MS_MAX = 30 * 1000, /* of one call, so that an agent that hangs is noticed */
};

struct wait {
    struct cli *cli;
    struct condition condition;
    struct tally_request *request;
    int64_t activation; /* the trigger's; 0 before the first answer */
    int64_t deadline;
    int last_error; /* of the last call; 0: it was a count */
    int64_t count;  /* the last one, where `counted` */
    bool counted;
    char quality[16];
    char last_remark[400]; /* the last remark, which is not repeated */
};

static void remark(struct wait *wait, const char *name, const char *message)
{
    if (strcmp(wait->last_remark, message) == 0)
        return;
    snprintf(wait->last_remark, sizeof(wait->last_remark), "%s", message);
    cli_note("%s: %s; asking again", name, message);
}

/* Stores the answer, for an error that may follow. */
static enum verdict judge(struct wait *wait, struct json **answer)
{
    const void *packed = NULL;
    size_t len = 0;

    tally_answer_packed(tally_last_answer(wait->cli->tally), NULL, &packed, &len);
    *answer = json_from_msgpack(packed, len);
    if (*answer == NULL || !json_get_integer(*answer, "count", &wait->count))
        return VERDICT_UNKNOWN;
    wait->counted = true;
    snprintf(wait->quality, sizeof(wait->quality), "%s", json_get_string(*answer, "quality", "?"));
    if (strcmp(wait->quality, "stale") == 0)
        remark(wait, "stale", json_get_string(*answer, "last_error.message", "no reason given"));
    return condition_check(&wait->condition, *answer);
}

/* Makes the request, which asks for no more than the condition needs. */
static int wait_prepare(struct wait *wait)
{
    int64_t enough = condition_enough(&wait->condition, wait->activation);

    tally_request_free(wait->request);
    wait->request = NULL;
    int code = count_request(wait->cli, &wait->request);
    if (code == EXIT_OK && enough > 0)
        tally_request_set_integer(wait->request, "enough", enough);
    return code;
}

/* Whether the answer has another activation than the request was made with. */
static bool wait_learn_activation(struct wait *wait, const struct json *answer)
{
    int64_t activation = wait->activation;

    if (json_get_integer(answer, "activation_target", &activation) && activation < 0)
        activation = 0;
    if (activation == wait->activation)
        return false;
    wait->activation = activation;
    return true;
}

/* One call. *done: the exit code is final. */
static int wait_look(struct wait *wait, bool *done)
{
    struct json *answer = NULL;
    struct tally *tally = wait->cli->tally;
    int64_t left = wait->deadline - cli_clock_ms();

    tally_set_timeout(tally, left > LOOK_MS_MAX ? LOOK_MS_MAX : left < 1 ? 1 : (int)left);
    int r = tally_call(tally, wait->request);
    wait->last_error = r;
    if (r < 0) {
        const struct tally_answer *last = tally_last_answer(tally);

        if (!tally_answer_retryable(last)) {
            *done = true;
            return cli_fail(last);
        }
        remark(wait, tally_error_name(r), tally_answer_error_message(last));
        return EXIT_OK;
    }
    enum verdict verdict = judge(wait, &answer);
    if (verdict == VERDICT_UNKNOWN && wait_learn_activation(wait, answer)) {
        json_free(answer);
        return wait_prepare(wait);
    }
    if (verdict == VERDICT_YES) {
        *done = true;
        if (wait->cli->output == OUTPUT_JSON)
            json_print(stdout, answer, false);
        else
            terminal_print(stdout, "%" PRId64 "\n", wait->count);
    }
    json_free(answer);
    return EXIT_OK;
}

static int wait_fail_deadline(const struct wait *wait)
{
    char text[400], waited[32];

    duration_format(cli_number(wait->cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS), waited, sizeof(waited));
    int used = snprintf(text, sizeof(text), "%s: \"%s\" did not come true within %s",
        cli_operand(wait->cli, 0), wait->cli->arguments.text[OPTION_UNTIL], waited);
    if (wait->counted && used > 0 && (size_t)used < sizeof(text))
        snprintf(text + used, sizeof(text) - (size_t)used, "; the last count was %" PRId64 " (%s)",
            wait->count, wait->quality);
    if (!wait->counted && wait->last_error < 0)
        return cli_refuse(
            wait->last_error == TALLY_ENOAGENT ? TALLY_ENOAGENT : TALLY_EDEADLINE, text);
    return cli_refuse(TALLY_EDEADLINE, text);
}

int run_wait(struct cli *cli)
{
    struct wait wait = {.cli = cli};
    char error[400];
    bool done = false;
    int64_t interval = cli_number(cli, OPTION_INTERVAL, 1000);
    const char *until = cli->arguments.text[OPTION_UNTIL];

    if (until == NULL)
        return cli_usage("wait needs a condition: tally wait TRIGGER --until 'count <= 0'");
    if (!condition_parse(&wait.condition, until, error, sizeof(error)))
        return cli_usage("--until: %s", error);
    wait.deadline = cli_clock_ms() + cli_number(cli, OPTION_TIMEOUT, WAIT_DEFAULT_MS);
    int code = wait_prepare(&wait);
    if (code == EXIT_OK)
        code = cli_open_within(cli, LOOK_MS_MAX);
    if (code != EXIT_OK)
        goto finish;
    tally_set_wait_for_agent(cli->tally, 1); /* init containers start before their sidecar */
    for (;;) {
        code = wait_look(&wait, &done);
        if (done)
            break;
        int64_t left = wait.deadline - cli_clock_ms();
        if (left <= interval) {
            code = wait_fail_deadline(&wait);
            break;
        }
        poll(NULL, 0, (int)(interval < LOOK_MS_MAX ? interval : LOOK_MS_MAX));
    }
finish:
    tally_request_free(wait.request);
    return code;
}

/* ---- ready ---- */

/* tally ready and tally ping: does the agent answer? */

/* The same as the agent's default --max-stale: within it, probing costs no AWS call. Where there is
 * no count yet, one item shows that the agent can count. */
enum { READY_MAX_AGE_MS = 15 * 60 * 1000 };

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int run_ping(struct cli *cli)
{
    struct json *answer = NULL;
    int code = cli_open(cli);

    if (code != EXIT_OK)
        return code;
    /* The first call connects; what is measured is the round trip of the second. */
    code = cli_ask(cli, cli_request(cli, "ping"), "pid", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    json_free(answer);
    answer = NULL;
    double start = now_ms();
    code = cli_ask(cli, cli_request(cli, "ping"), "pid", JSON_KIND_INTEGER, &answer);
    if (code != EXIT_OK)
        return code;
    double taken = now_ms() - start;
    if (cli->output == OUTPUT_JSON) {
        json_set(answer, "round_trip_ms", json_new_real(taken));
        json_print(stdout, answer, false);
    } else {
        terminal_print(stdout, "%.2f ms\n", taken);
    }
    json_free(answer);
    return EXIT_OK;
}

static int ready_trigger(struct cli *cli, struct json **answer)
{
    struct tally_request *request = NULL;
    int code = count_request(cli, &request);

    if (code != EXIT_OK)
        return code;
    if (!cli_given(cli, OPTION_MAX_AGE))
        tally_request_set_integer(request, "max_age_ms", READY_MAX_AGE_MS);
    tally_request_set_integer(request, "enough", 1);
    return cli_ask(cli, request, "count", JSON_KIND_INTEGER, answer);
}

int run_ready(struct cli *cli)
{
    struct json *answer = NULL;
    int64_t count = 0;
    /* tallyd binds its socket only after it has read its configuration: an answer proves both. */
    int code = cli_operand(cli, 0) != NULL
                   ? ready_trigger(cli, &answer)
                   : cli_ask(cli, cli_request(cli, "hello"), "agent", JSON_KIND_STRING, &answer);

    if (code != EXIT_OK)
        return code;
    if (cli_operand(cli, 0) == NULL && !cli_is_hello(answer)) {
        json_free(answer);
        return cli_refuse(TALLY_EPROTOCOL, "what answers is not the agent");
    }
    if (cli->output == OUTPUT_JSON)
        json_print(stdout, answer, false);
    else if (json_get_integer(answer, "count", &count))
        terminal_print(
            stdout, "ready: %" PRId64 " (%s)\n", count, json_get_string(answer, "quality", "?"));
    else
        terminal_print(stdout, "ready\n");
    json_free(answer);
    return EXIT_OK;
}
