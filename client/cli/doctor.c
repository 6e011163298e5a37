/* SPDX-License-Identifier: Apache-2.0 */
/* tally doctor: every step from the socket to the table, what is found there, and what to do. It
 * works from what the agent answers; a failed call shows by its `stage` at which step it failed. */
#include "client/cli/doctor.h"

#include "client/cli/cli.h"
#include "client/cli/count.h"
#include "client/cli/terminal.h"
#include "proto/duration.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DOCTOR_MS =
        10000,        /* --timeout: an unreachable service needs a few seconds to be known as one */
    RESERVE_MS = 500, /* of it, for the last request */
    COUNTS_MAX = 32,
    FAILURES_MAX = 3 * COUNTS_MAX,
    OLD_SHOWN = 5,
    SKEW_MS = 60000,
    TEXT_SIZE = 1024,
};

/* One count that is made. */
struct doctor_count {
    struct doctor *doctor;
    const char *trigger; /* borrowed from an answer, or from the command line */
    const char *identity, *table, *index, *region; /* likewise */
    struct json *answer;                           /* its result, or its error */
    int error;                                     /* 0, or a negative enum tally_error */
    bool done;
};

struct doctor_failure {
    const char *step; /* where it belongs */
    enum doctor_state state;
    const struct json *error; /* an error map; borrowed */
};

struct doctor {
    struct cli *cli;
    int64_t deadline; /* by cli_clock_ms */
    struct json *hello, *list, *way, *whoami, *status;
    struct doctor_count counts[COUNTS_MAX];
    size_t count;
    struct doctor_failure failures[FAILURES_MAX];
    size_t failure_count;
    size_t waiting;
    struct json *report;
    int code;
};

/* ---- what to do ---- */

#define SERVICE_FAILED                                                                             \
    "wait, the agent asks again; if it lasts: is this the reply of AWS (its Health Dashboard "     \
    "knows), "                                                                                     \
    "or of a proxy or another service in front of it?"

static const struct {
    const char *step;
    const char *code; /* of AWS, or the error's name: its beginning, or a part of the message; NULL:
                         any */
    const char *text;
} advices[] = {
    {"socket", "NOT_ALLOWED", "add this user or group to the agent's --allow-uid or --allow-gid"},
    {"socket", "PERMISSION",
        "run as a user or group that may use the socket (in a pod: fsGroup or supplementalGroups), "
        "or start tallyd with --socket-mode or --socket-group"},
    {"socket", "BUSY", "close connections: `tally status` shows whose they are"},
    {"socket", NULL,
        "start tallyd, mount the folder of its socket (not the file), and name its socket by -s or "
        "TALLY_SOCKET; `tally sockets` finds the agents of this node"},
    {"agent", NULL, "look at the log of tallyd, and whether it has processor time and memory"},
    {"configuration", "UNKNOWN_TRIGGER", "name one of the triggers that `tally list` shows"},
    {"configuration", "AMBIGUOUS_TRIGGER", "name one of the triggers that the message lists"},
    {"configuration", NULL,
        "correct the configuration; `tallyd --check --config FILE` lists all that is wrong"},
    {"identity", "ExpiredToken",
        "replace the credentials: AWS says that they have expired, and the agent reads new ones "
        "from their Secret or file by itself"},
    {"identity", "UnrecognizedClient",
        "check the access key: it was deleted, or belongs to another AWS partition"},
    {"identity", "InvalidSignature", "check the secret access key: it is not that of the key id"},
    {"identity", NULL,
        "correct the setting that the message names; `tally whoami` shows what was chosen, and "
        "why"},
    {"token", "InvalidIdentityToken",
        "compare issuer and audience of the token with the IAM OIDC provider of the role's "
        "account"},
    {"token", "ExpiredToken",
        "mount the token as a projected volume, which the kubelet renews; a copy of it expires"},
    {"token", NULL,
        "mount the service account's token at this path, readable for tallyd's user (fsGroup, or "
        "the same runAsUser), as a projected volume, which the kubelet renews"},
    {"proxy", NULL,
        "check that the proxy runs, its user and password, and that it allows these hosts; or add "
        "the hosts to NO_PROXY"},
    {"name", NULL,
        "check awsRegion and AWS_ENDPOINT_URL_…, the pod's DNS settings, and that its "
        "NetworkPolicy "
        "allows DNS (port 53, UDP and TCP)"},
    {"ca", NULL, "install ca-certificates, or set AWS_CA_BUNDLE to a readable PEM file"},
    {"tls", NULL,
        "set AWS_CA_BUNDLE to a PEM file with the authority that signed the certificate, if that "
        "is meant to be so; else some proxy intercepts the connection"},
    {"clock", NULL,
        "set the clock of this machine (chrony, systemd-timesyncd): AWS refuses requests that are "
        "five minutes off"},
    {"sts", "RegionDisabled",
        "activate STS for this region in the settings of IAM, or set AWS_REGION to another one"},
    {"sts", "ACCESS_DENIED",
        "correct the role's trust policy: `tally whoami` shows what it must allow"},
    {"sts", "throttled",
        "wait: the agent asks again; if many agents start at once, start them more slowly"},
    {"sts", "CREDENTIALS", "correct what STS does not accept, most often the role's ARN"},
    {"sts", "failed with HTTP", SERVICE_FAILED},
    {"sts", NULL,
        "allow connections to STS (TCP 443: NetworkPolicy, security group, VPC endpoint), or name "
        "a "
        "reachable one by AWS_ENDPOINT_URL_STS"},
    {"credentials", "ACCESS_DENIED",
        "check the Pod Identity association of the service account (EKS) or the task's role (ECS)"},
    {"credentials", "CREDENTIALS",
        "check the Pod Identity association of the service account (EKS), the task's role (ECS), "
        "or "
        "the instance profile"},
    {"credentials", NULL,
        "check that the Pod Identity agent (169.254.170.23 port 80) or the instance metadata "
        "(169.254.169.254, hop limit 2) runs, and that the NetworkPolicy allows it"},
    {"table", "ResourceNotFound",
        "create the table or index, or correct tableName, indexName and awsRegion; the identity's "
        "account counts, too"},
    {"table", "AccessDenied",
        "allow dynamodb:Query on the table, and on its index where there is one, in the policy of "
        "this identity; a permissions boundary, SCP or endpoint policy can deny it, too"},
    {"table", "Validation",
        "correct the trigger's expressions or key; `tally explain` shows the request"},
    {"table", "throttled",
        "raise the read capacity of the table or index, or count less often (pollingInterval, "
        "countLimit)"},
    {"table", "ACCESS_DENIED",
        "look for a proxy or firewall in front of DynamoDB: this reply is not that of AWS"},
    {"table", "AWS_REJECTED",
        "check AWS_ENDPOINT_URL_DYNAMODB and awsEndpoint: this reply is not that of DynamoDB"},
    {"table", "INVALID_REQUEST",
        "give the values that a client gives: tally doctor TRIGGER --value :placeholder=VALUE"},
    {"table", "BUSY", "wait, or ask less often: the agent is at a limit"},
    {"table", "failed with HTTP", SERVICE_FAILED},
    {"table", "still counting", "set countLimit or maxPages, or count with a longer --timeout"},
    {"table", NULL,
        "allow connections to DynamoDB (TCP 443: NetworkPolicy, security group, gateway endpoint), "
        "or name a reachable one by AWS_ENDPOINT_URL_DYNAMODB"},
    {"share", "ResourceNotFound", "create the share table, with the partition key k (a string)"},
    {"share", "AccessDenied",
        "allow dynamodb:GetItem and dynamodb:UpdateItem on the share table to this identity"},
    {"share", NULL,
        "check the share table: until it can be used, each agent counts, and pays, for itself"},
    {"cost", NULL,
        "raise --budget or the trigger's budget, or read less: countLimit, a longer "
        "pollingInterval, --share-table"},
};

const char *doctor_advise(
    const char *step, const char *name, const char *aws_code, const char *message)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        const char *code = advices[i].code;
        if (strcmp(advices[i].step, step) != 0)
            continue;
        if (code == NULL || strncmp(name, code, strlen(code)) == 0 ||
            strncmp(aws_code, code, strlen(code)) == 0 || strstr(message, code) != NULL)
            return advices[i].text;
    }
    return "";
}

/* An agent older than `stage` tells the error's name alone. */
static const struct {
    const char *stage, *name, *step;
} places[] = {
    {"identity", NULL, "identity"},
    {"token", NULL, "token"},
    {"proxy", NULL, "proxy"},
    {"name", NULL, "name"},
    {"tls", NULL, "tls"},
    {"clock", NULL, "clock"},
    {"sts", NULL, "sts"},
    {"credentials", NULL, "credentials"},
    {"dynamodb", NULL, "table"},
    {"budget", NULL, "cost"},
    {NULL, "CREDENTIALS", "identity"},
    {NULL, "UNKNOWN_TRIGGER", "configuration"},
    {NULL, "AMBIGUOUS_TRIGGER", "configuration"},
    {NULL, "DEADLINE", "agent"},
    {NULL, "NOAGENT", "agent"},
    {NULL, "SHUTTING_DOWN", "agent"},
    {NULL, "INTERNAL", "agent"},
};

const char *doctor_place(const char *stage, const char *name)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *wanted = places[i].stage != NULL ? places[i].stage : places[i].name;
        if (strcmp(wanted, places[i].stage != NULL ? stage : name) == 0)
            return places[i].step;
    }
    return "table";
}

/* ---- the report ---- */

static const char *const state_names[] = {
    [DOCTOR_SKIPPED] = "skipped",
    [DOCTOR_OK] = "ok",
    [DOCTOR_WARNING] = "warning",
    [DOCTOR_PROBLEM] = "problem",
};

static void doctor_worsen(struct doctor *doctor, int code)
{
    if (code > doctor->code)
        doctor->code = code;
}

static void doctor_add(struct doctor *doctor, const char *step, enum doctor_state state,
    const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void doctor_add(struct doctor *doctor, const char *step, enum doctor_state state,
    const char *advice, const char *format, ...)
{
    char found[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(found, sizeof(found), format, arguments);
    va_end(arguments);
    struct json *entry = json_new_map();
    json_set(entry, "step", json_new_string(step));
    json_set(entry, "state", json_new_string(state_names[state]));
    if (!json_set(entry, "found", json_new_string(found)))
        json_set(entry, "found", json_new_string("(a text that is not UTF-8)"));
    json_set(entry, "advice", json_new_string(state >= DOCTOR_WARNING ? advice : ""));
    json_append(doctor->report, entry);
    if (state == DOCTOR_PROBLEM)
        doctor_worsen(doctor, EXIT_ERROR);
}

/* An error map as text, with what AWS said. */
static void doctor_describe(const struct json *error, char *text, size_t size)
{
    const char *code = json_get_string(error, "aws.code", "");
    const char *id = json_get_string(error, "aws.request_id", "");
    int used = snprintf(text, size, "%s: %s", json_get_string(error, "name", "UNKNOWN"),
        json_get_string(error, "message", "no reason given"));
    if ((code[0] != '\0' || id[0] != '\0') && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " [%s%s%s]", code,
            code[0] != '\0' && id[0] != '\0' ? ", " : "", id);
}

static void doctor_add_failure(struct doctor *doctor, const char *step, enum doctor_state state,
    const char *subject, const struct json *error)
{
    char text[TEXT_SIZE];
    doctor_describe(error, text, sizeof(text));
    doctor_add(doctor, step, state,
        doctor_advise(step, json_get_string(error, "name", ""),
            json_get_string(error, "aws.code", ""), json_get_string(error, "message", "")),
        "%s%s%s", subject, subject[0] != '\0' ? ": " : "", text);
    const char *name = json_get_string(error, "name", "");
    if (strcmp(name, "DEADLINE") == 0 ||
        (strcmp(name, "TIMEOUT") == 0 && json_get(error, "stage") == NULL))
        doctor_worsen(doctor, EXIT_DEADLINE);
}

/* ---- the failures that were met ---- */

static int64_t doctor_number(const struct doctor *doctor, const char *path)
{
    int64_t value = 0;
    json_get_integer(doctor->status, path, &value);
    return value;
}

/* A service that was called, and has not given credentials yet. */
static bool doctor_is_waited_for(const struct doctor *doctor, const char *service)
{
    static const char *const outcomes[] = {"ok", "throttled", "failed"};
    char path[64];
    snprintf(path, sizeof(path), "aws.%s.calls", service);
    int64_t calls = doctor_number(doctor, path), answered = 0, ok = 0;
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        snprintf(path, sizeof(path), "aws.%s.%s", service, outcomes[i]);
        answered += doctor_number(doctor, path);
        if (i == 0)
            ok = answered;
    }
    return calls > 0 && (ok == 0 || answered < calls);
}

/* The step at which an error occurred; "" for none. A deadline that passed says nothing by itself.
 */
static const char *doctor_step_of(const struct doctor *doctor, const struct json *error)
{
    const char *stage = json_get_string(error, "stage", "");
    const char *name = json_get_string(error, "name", "");
    if (error == NULL)
        return "";
    if (stage[0] == '\0' && strcmp(name, "TIMEOUT") == 0)
        stage = doctor_is_waited_for(doctor, "credentials") ? "credentials"
                : doctor_is_waited_for(doctor, "sts")       ? "sts"
                                                            : "";
    return doctor_place(stage, name);
}

static void doctor_note(struct doctor *doctor, enum doctor_state state, const struct json *error)
{
    if (error == NULL || json_kind(error) != JSON_KIND_MAP || doctor->failure_count == FAILURES_MAX)
        return;
    const char *step = doctor_step_of(doctor, error);
    doctor->failures[doctor->failure_count++] = (struct doctor_failure){step, state, error};
}

/* The worst failure at this step, the first of its state; NULL: none. */
static const struct doctor_failure *doctor_failed(const struct doctor *doctor, const char *step)
{
    const struct doctor_failure *worst = NULL;
    for (size_t i = 0; i < doctor->failure_count; i++) {
        const struct doctor_failure *failure = &doctor->failures[i];
        if (strcmp(failure->step, step) == 0 && (worst == NULL || failure->state > worst->state))
            worst = failure;
    }
    return worst;
}

/* Adds the step's failure, if it has one. */
static bool doctor_report_failure(struct doctor *doctor, const char *step)
{
    const struct doctor_failure *failure = doctor_failed(doctor, step);
    if (failure != NULL)
        doctor_add_failure(doctor, step, failure->state, "", failure->error);
    return failure != NULL;
}

static void doctor_collect(struct doctor *doctor)
{
    const struct json *identities = json_get(doctor->whoami, "identities");
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_count *count = &doctor->counts[i];
        bool is_stale = strcmp(json_get_string(count->answer, "quality", ""), "stale") == 0;
        if (count->error < 0)
            doctor_note(doctor, DOCTOR_PROBLEM, count->answer);
        else
            doctor_note(doctor, is_stale ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                json_get(count->answer, "last_error"));
    }
    for (size_t i = 0; identities != NULL && i < json_size(identities); i++) {
        const struct json *identity = json_at(identities, i);
        bool is_failed = strcmp(json_get_string(identity, "state", ""), "failed") == 0;
        doctor_note(
            doctor, is_failed ? DOCTOR_PROBLEM : DOCTOR_WARNING, json_get(identity, "last_error"));
        if (!is_failed)
            doctor_note(doctor, DOCTOR_WARNING, json_get(identity, "caller_error"));
    }
}

/* ---- questions ---- */

/* The whole answer as JSON: its result, or its error map. */
static struct json *doctor_read(const struct tally_answer *answer)
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

static int doctor_left(const struct doctor *doctor)
{
    int64_t left = doctor->deadline - cli_clock_ms();
    return left > 1 ? (int)left : 1;
}

/* The error, and the answer, owned by the caller, whether it is an error or a result. */
static int doctor_ask(
    struct doctor *doctor, const char *method, const char *trigger, int ms, struct json **answer)
{
    struct tally_request *request = NULL;
    int r = tally_request_new(&request, method);
    if (r == 0 && trigger != NULL)
        r = tally_request_set_string(request, "trigger", trigger);
    tally_set_timeout(doctor->cli->tally, ms);
    if (r == 0)
        r = tally_call(doctor->cli->tally, request);
    tally_request_free(request);
    json_free(*answer);
    *answer = doctor_read(tally_last_answer(doctor->cli->tally));
    return r;
}

static int doctor_ask_list(struct doctor *doctor)
{
    tally_set_timeout(doctor->cli->tally, doctor_left(doctor));
    int r = tally_list(doctor->cli->tally);
    doctor->list = doctor_read(tally_last_answer(doctor->cli->tally));
    return r;
}

/* ---- counts ---- */

static void on_count(const struct tally_answer *answer, void *data)
{
    struct doctor_count *count = data;
    count->error = tally_answer_error(answer);
    count->answer = doctor_read(answer);
    count->done = true;
    count->doctor->waiting--;
}

/* One item costs half a read unit at most, and shows what a whole count would. */
static int doctor_start_count(
    struct doctor *doctor, struct doctor_count *count, struct tally_async *async, int ms)
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
        count_add_list(doctor->cli, request, OPTION_VALUE, "values", value_add) != EXIT_OK)
        r = TALLY_EARGUMENT;
    count->doctor = doctor;
    if (r == 0)
        r = tally_async_call(async, request, ms, on_count, count, NULL);
    if (r == 0)
        doctor->waiting++;
    tally_request_free(request);
    return r;
}

/* All at once, so that they share the deadline. */
static int doctor_count(struct doctor *doctor)
{
    struct tally_async *async = NULL;
    int ms = doctor_left(doctor) - RESERVE_MS;
    int r = tally_async_open(&async, doctor->cli->socket);
    for (size_t i = 0; r == 0 && i < doctor->count; i++)
        r = doctor_start_count(doctor, &doctor->counts[i], async, ms > 1 ? ms : 1);
    while (r == 0 && doctor->waiting > 0) {
        struct pollfd fd = {tally_async_fd(async), tally_async_events(async), 0};
        poll(&fd, 1, tally_async_timeout(async));
        r = tally_async_process(async);
    }
    tally_async_close(async);
    return r;
}

/* Whether a trigger of this full name can be meant. */
static bool doctor_is_named(const char *full, const char *name)
{
    size_t len = strlen(full), part = strlen(name);
    return strcmp(full, name) == 0 ||
           (len > part && full[len - part - 1] == '/' && strcmp(full + len - part, name) == 0);
}

/* What `list` tells of it; NULL: it is not there, or cannot be told from another. */
static const struct json *doctor_trigger(const struct doctor *doctor, const char *name)
{
    const struct json *triggers = json_get(doctor->list, "triggers"), *found = NULL;
    for (size_t i = 0; triggers != NULL && i < json_size(triggers); i++) {
        const struct json *trigger = json_at(triggers, i);
        if (!doctor_is_named(json_get_string(trigger, "name", ""), name))
            continue;
        if (found != NULL)
            return NULL;
        found = trigger;
    }
    return found;
}

/* One count of each identity and table; a trigger without values of clients is preferred. */
static void doctor_choose(struct doctor *doctor, const char *identity, const struct json *trigger)
{
    struct doctor_count chosen = {.doctor = doctor,
        .identity = identity,
        .trigger = json_get_string(trigger, "name", ""),
        .table = json_get_string(trigger, "table", ""),
        .index = json_get_string(trigger, "index", ""),
        .region = json_get_string(trigger, "region", "")};
    for (size_t i = 0; i < doctor->count; i++) {
        struct doctor_count *other = &doctor->counts[i];
        if (other->identity != identity || strcmp(other->table, chosen.table) != 0 ||
            strcmp(other->index, chosen.index) != 0 || strcmp(other->region, chosen.region) != 0)
            continue;
        if (json_get(doctor_trigger(doctor, other->trigger), "client_values") != NULL)
            *other = chosen;
        return;
    }
    if (doctor->count < COUNTS_MAX)
        doctor->counts[doctor->count++] = chosen;
}

static void doctor_choose_all(struct doctor *doctor)
{
    const struct json *identities = json_get(doctor->whoami, "identities");
    const char *operand = cli_operand(doctor->cli, 0);
    if (operand != NULL) {
        doctor->counts[doctor->count++] = (struct doctor_count){.trigger = operand};
        return;
    }
    for (size_t i = 0; identities != NULL && i < json_size(identities); i++) {
        const struct json *names = json_get(json_at(identities, i), "triggers");
        const char *identity = json_get_string(json_at(identities, i), "kind", "");
        for (size_t j = 0; names != NULL && j < json_size(names); j++) {
            char at[24];
            snprintf(at, sizeof(at), "%zu", j);
            const struct json *trigger = doctor_trigger(doctor, json_get_string(names, at, ""));
            if (trigger != NULL)
                doctor_choose(doctor, identity, trigger);
        }
    }
}

/* ---- socket and agent ---- */

static const char *doctor_path(const struct doctor *doctor)
{
    const struct cli *cli = doctor->cli;
    const char *path = cli->shown != NULL    ? cli->shown
                       : cli->socket != NULL ? cli->socket
                                             : getenv("TALLY_SOCKET");
    return path != NULL && path[0] != '\0' ? path : TALLY_SOCKET_DEFAULT;
}

static void doctor_check_socket(struct doctor *doctor, int r)
{
    const char *path = doctor_path(doctor);
    struct stat info;
    if (r == 0 && stat(doctor->cli->socket != NULL ? doctor->cli->socket : path, &info) == 0) {
        doctor_add(doctor, "socket", DOCTOR_OK, "", "%s, uid %u, gid %u, mode %04o", path,
            (unsigned)info.st_uid, (unsigned)info.st_gid, (unsigned)info.st_mode & 07777u);
    } else if (r == 0 || r == TALLY_EDEADLINE) {
        doctor_add(doctor, "socket", DOCTOR_OK, "", "%s", path);
    } else {
        doctor_add_failure(doctor, "socket", DOCTOR_PROBLEM, "", doctor->hello);
        doctor_worsen(
            doctor, r == TALLY_ENOAGENT || r == TALLY_EPERMISSION ? EXIT_NO_AGENT : EXIT_ERROR);
    }
}

/* Whether the rest can be asked. */
static bool doctor_check_hello(struct doctor *doctor, int r)
{
    if (r == TALLY_EDEADLINE || r == TALLY_ETIMEOUT) {
        doctor_add_failure(doctor, "agent", DOCTOR_PROBLEM, "", doctor->hello);
        doctor_worsen(doctor, EXIT_DEADLINE);
    } else if (r == 0 && !cli_is_hello(doctor->hello)) {
        doctor_add(doctor, "agent", DOCTOR_PROBLEM, doctor_advise("socket", "", "", ""),
            "what answers is not a tally agent");
    }
    return r == 0 && cli_is_hello(doctor->hello);
}

static void doctor_check_agent(struct doctor *doctor)
{
    const char *version = json_get_string(doctor->hello, "agent", "?");
    int64_t protocol = 0, uptime = 0;
    char up[32];
    json_get_integer(doctor->hello, "version", &protocol);
    json_get_integer(doctor->status, "uptime_ms", &uptime);
    duration_format(uptime, up, sizeof(up));
    if (doctor_report_failure(doctor, "agent"))
        return;
    if (protocol != PROTOCOL_VERSION)
        doctor_add(doctor, "agent", DOCTOR_PROBLEM, "use a command and an agent of one protocol",
            "tallyd %s, protocol %" PRId64 "; this command, tally %s, is for protocol %d", version,
            protocol, tally_version(), PROTOCOL_VERSION);
    else if (json_get_bool(doctor->status, "draining", false))
        doctor_add(doctor, "agent", DOCTOR_WARNING, "use the agent that replaces it",
            "tallyd %s is shutting down", version);
    else if (strcmp(version, tally_version()) != 0)
        doctor_add(doctor, "agent", DOCTOR_WARNING,
            "use a command and an agent of the same version: what one of them does not know is "
            "missing here",
            "tallyd %s, and this command is tally %s; both have protocol %d", version,
            tally_version(), PROTOCOL_VERSION);
    else
        doctor_add(doctor, "agent", DOCTOR_OK, "", "tallyd %s, protocol %" PRId64 ", up %s",
            version, protocol, up);
}

/* ---- configuration ---- */

static void doctor_add_finding(struct doctor *doctor, const struct json *findings)
{
    const struct json *first = json_at(findings, 0);
    int64_t line = 0;
    json_get_integer(first, "line", &line);
    doctor_add(doctor, "configuration", DOCTOR_WARNING,
        "correct it; `tallyd --check --config FILE` lists all findings",
        "%zu finding%s, the first: %s:%" PRId64 ": %s: %s", json_size(findings),
        json_size(findings) == 1 ? "" : "s", json_get_string(first, "file", "?"), line,
        json_get_string(first, "subject", ""), json_get_string(first, "message", ""));
}

static void doctor_check_configuration(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->list, "triggers");
    const struct json *findings = json_get(doctor->way, "findings");
    int64_t failures = 0;
    json_get_integer(doctor->status, "config.reload_failures", &failures);
    if (failures > 0)
        doctor_add(doctor, "configuration", DOCTOR_PROBLEM,
            doctor_advise("configuration", "", "", ""),
            "the files are newer than what is in force, and cannot be used: %s",
            json_get_string(doctor->status, "config.reload_error", "no reason given"));
    if (triggers != NULL && json_size(triggers) == 0)
        doctor_add(doctor, "configuration", DOCTOR_PROBLEM,
            "name a file or folder with a ScaledObject or ScaledJob by --config",
            "it holds no aws-dynamodb trigger");
    if (findings != NULL && json_size(findings) > 0)
        doctor_add_finding(doctor, findings);
    if (doctor_report_failure(doctor, "configuration") || failures > 0 || triggers == NULL ||
        json_size(triggers) == 0 || (findings != NULL && json_size(findings) > 0))
        return;
    doctor_add(doctor, "configuration", DOCTOR_OK, "", "%zu trigger%s, loaded %s",
        json_size(triggers), json_size(triggers) == 1 ? "" : "s",
        json_get_string(doctor->status, "config.loaded_at", "?"));
}

/* ---- identity and token ---- */

static void doctor_check_identity(struct doctor *doctor, const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    const char *arn = json_get_string(identity, "arn", json_get_string(identity, "role", ""));
    const struct json *error = json_get(identity, "last_error");
    const char *step = doctor_step_of(doctor, error);
    char who[TEXT_SIZE];
    snprintf(who, sizeof(who), "%s%s%s, because %s", json_get_string(identity, "kind", "?"),
        arn[0] != '\0' ? ": " : "", arn,
        json_get_string(identity, "why", "the agent does not say"));
    if (strcmp(step, "identity") == 0)
        doctor_add_failure(doctor, "identity",
            strcmp(state, "failed") == 0 ? DOCTOR_PROBLEM : DOCTOR_WARNING, who, error);
    else if (strcmp(state, "valid") == 0)
        doctor_add(doctor, "identity", DOCTOR_OK, "", "%s", who);
    else
        doctor_add(doctor, "identity", DOCTOR_SKIPPED, "", "%s; no credentials yet: see %s", who,
            error != NULL ? step : "below");
}

/* The token that STS gets must be for STS; the others are not looked at by AWS. */
static bool doctor_is_for_sts(const struct json *identity)
{
    const char *audience = json_get_string(identity, "token_file.audience", "");
    return strcmp(json_get_string(identity, "kind", ""), "web-identity") != 0 ||
           audience[0] == '\0' || strstr(audience, "sts.amazonaws.com") != NULL;
}

static void doctor_describe_token(const struct json *identity, char *text, size_t size)
{
    int64_t uid = 0, gid = 0, left = 0;
    char when[32], expiry[64] = "its expiry is not known";
    json_get_integer(identity, "token_file.owner_uid", &uid);
    json_get_integer(identity, "token_file.owner_gid", &gid);
    if (json_get_integer(identity, "token_file.expires_in_ms", &left)) {
        duration_format(left < 0 ? -left : left, when, sizeof(when));
        snprintf(expiry, sizeof(expiry), left < 0 ? "expired %s ago" : "expires in %s", when);
    }
    snprintf(text, size, "%s: audience %s, %s, uid %" PRId64 ", gid %" PRId64 ", mode %s",
        json_get_string(identity, "token_file.path", "?"),
        json_get_string(identity, "token_file.audience", "(none)"), expiry, uid, gid,
        json_get_string(identity, "token_file.mode", "?"));
}

static void doctor_check_token(struct doctor *doctor, const struct json *identity)
{
    const struct json *file = json_get(identity, "token_file");
    int64_t size = 0, left = 1;
    char text[TEXT_SIZE];
    if (file == NULL)
        return;
    doctor_describe_token(identity, text, sizeof(text));
    json_get_integer(file, "expires_in_ms", &left);
    if (!json_get_integer(file, "size", &size))
        doctor_add(doctor, "token", DOCTOR_PROBLEM, doctor_advise("token", "", "", ""),
            "%s: there is no such file for the agent", json_get_string(file, "path", "?"));
    else if (left <= 0)
        doctor_add(doctor, "token", DOCTOR_PROBLEM, doctor_advise("token", "ExpiredToken", "", ""),
            "%s", text);
    else if (!doctor_is_for_sts(identity))
        doctor_add(doctor, "token", DOCTOR_WARNING,
            "mount a token with the audience sts.amazonaws.com, unless the role's OIDC provider "
            "lists this one",
            "%s", text);
    else if (doctor_failed(doctor, "token") == NULL)
        doctor_add(doctor, "token", DOCTOR_OK, "", "%s", text);
}

static void doctor_check_identities(struct doctor *doctor)
{
    const struct json *identities = json_get(doctor->whoami, "identities");
    size_t size = identities != NULL ? json_size(identities) : 0;
    bool told = false;
    for (size_t i = 0; i < size; i++) {
        const struct json *error = json_get(json_at(identities, i), "last_error");
        doctor_check_identity(doctor, json_at(identities, i));
        told = told || strcmp(doctor_step_of(doctor, error), "identity") == 0;
    }
    if (!told)
        doctor_report_failure(doctor, "identity");
    for (size_t i = 0; i < size; i++)
        doctor_check_token(doctor, json_at(identities, i));
    doctor_report_failure(doctor, "token");
}

/* ---- the way to AWS ---- */

/* Calls that were sent to any service, and those that were answered well. */
static int64_t doctor_calls(const struct doctor *doctor, const char *what)
{
    static const char *const services[] = {"dynamodb", "sts", "credentials"};
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "aws.%s.%s", services[i], what);
        sum += doctor_number(doctor, path);
    }
    return sum;
}

/* The URLs of the endpoints, one after the other; those behind a proxy alone, with its name. */
static size_t doctor_list_endpoints(
    const struct doctor *doctor, bool by_proxy, const char *scheme, char *text, size_t size)
{
    const struct json *endpoints = json_get(doctor->way, "endpoints");
    size_t used = 0, count = 0;
    text[0] = '\0';
    for (size_t i = 0; endpoints != NULL && i < json_size(endpoints); i++) {
        const struct json *endpoint = json_at(endpoints, i);
        const char *url = json_get_string(endpoint, "url", "");
        const char *proxy = json_get_string(endpoint, "proxy", "");
        if ((by_proxy && proxy[0] == '\0') || strncmp(url, scheme, strlen(scheme)) != 0)
            continue;
        int more =
            by_proxy ? snprintf(text + used, size - used, "%s%s by %s (%s)", count > 0 ? ", " : "",
                           url, proxy, json_get_string(endpoint, "proxy_variable", "?"))
                     : snprintf(text + used, size - used, "%s%s", count > 0 ? ", " : "", url);
        count++;
        if (more < 0 || (size_t)more >= size - used)
            break;
        used += (size_t)more;
    }
    return count;
}

static void doctor_check_proxy(struct doctor *doctor)
{
    char text[TEXT_SIZE / 2];
    if (doctor_report_failure(doctor, "proxy"))
        return;
    const char *no_proxy = json_get_string(doctor->way, "no_proxy", "");
    if (doctor_list_endpoints(doctor, true, "", text, sizeof(text)) == 0)
        doctor_add(doctor, "proxy", DOCTOR_OK, "", "none is used");
    else
        doctor_add(doctor, "proxy", DOCTOR_OK, "", "%s%s%.200s", text,
            no_proxy[0] != '\0' ? "; NO_PROXY is " : "", no_proxy);
}

static void doctor_check_name(struct doctor *doctor)
{
    char text[TEXT_SIZE];
    if (doctor_report_failure(doctor, "name"))
        return;
    doctor_list_endpoints(doctor, false, "", text, sizeof(text));
    if (doctor_calls(doctor, "calls") == 0)
        doctor_add(doctor, "name", DOCTOR_SKIPPED, "", "nothing was sent yet: %s", text);
    else if (doctor_calls(doctor, "ok") == 0)
        doctor_add(doctor, "name", DOCTOR_SKIPPED, "", "not known to be right: %s", text);
    else
        doctor_add(doctor, "name", DOCTOR_OK, "", "%s", text);
}

static void doctor_check_ca(struct doctor *doctor)
{
    const struct json *ignored = json_get(doctor->way, "ca.ignored");
    const char *path = json_get_string(doctor->way, "ca.path", "the default of libcurl");
    const char *error = json_get_string(doctor->way, "ca.error", "");
    bool is_default = json_get_bool(doctor->way, "ca.default", true);
    if (json_get(doctor->way, "ca") == NULL)
        doctor_add(doctor, "ca", DOCTOR_SKIPPED, "", "this agent does not say");
    else if (error[0] != '\0')
        doctor_add(doctor, "ca", DOCTOR_PROBLEM, doctor_advise("ca", "", "", ""),
            "no certificate can be verified: %s", error);
    else if (ignored != NULL && json_size(ignored) > 0)
        doctor_add(doctor, "ca", DOCTOR_WARNING, "set AWS_CA_BUNDLE to the same file",
            "%s; %s is set, which tallyd does not read", path, json_get_string(ignored, "0", "?"));
    else
        doctor_add(doctor, "ca", DOCTOR_OK, "", "%s%s", path,
            is_default ? " (the default)" : " (AWS_CA_BUNDLE)");
}

static void doctor_check_tls(struct doctor *doctor)
{
    char text[TEXT_SIZE];
    if (doctor_report_failure(doctor, "tls"))
        return;
    if (doctor_list_endpoints(doctor, false, "https:", text, sizeof(text)) == 0)
        doctor_add(doctor, "tls", DOCTOR_SKIPPED, "", "no endpoint uses it");
    else if (doctor_calls(doctor, "ok") == 0)
        doctor_add(doctor, "tls", DOCTOR_SKIPPED, "", "no service has answered well yet");
    else
        doctor_add(doctor, "tls", DOCTOR_OK, "", "no certificate was refused");
}

static void doctor_check_clock(struct doctor *doctor)
{
    int64_t skew = doctor_number(doctor, "clock_skew_ms");
    char text[32];
    if (doctor_report_failure(doctor, "clock"))
        return;
    duration_format(skew < 0 ? -(skew + 1) : skew, text, sizeof(text));
    if (skew > SKEW_MS || skew < -SKEW_MS)
        doctor_add(doctor, "clock", DOCTOR_WARNING, doctor_advise("clock", "", "", ""),
            "this machine's clock is %s %s AWS's; requests are signed by AWS's time", text,
            skew > 0 ? "behind" : "ahead of");
    else if (doctor_calls(doctor, "ok") == 0)
        doctor_add(doctor, "clock", DOCTOR_SKIPPED, "", "AWS's time is not known yet");
    else
        doctor_add(doctor, "clock", DOCTOR_OK, "", "no reply of AWS says that it is wrong");
}

/* A service that gives credentials: its step is there where it was called. */
static void doctor_check_service(struct doctor *doctor, const char *step)
{
    char path[64];
    snprintf(path, sizeof(path), "aws.%s.calls", step);
    int64_t calls = doctor_number(doctor, path);
    snprintf(path, sizeof(path), "aws.%s.ok", step);
    int64_t ok = doctor_number(doctor, path);
    if (doctor_report_failure(doctor, step) || calls == 0)
        return;
    doctor_add(doctor, step, ok > 0 ? DOCTOR_OK : DOCTOR_SKIPPED, "",
        "%" PRId64 " of %" PRId64 " call%s answered well", ok, calls, calls == 1 ? "" : "s");
}

/* ---- the tables ---- */

/* "orders/by-state in eu-west-1 (shop/small)" */
static void doctor_describe_table(
    const struct doctor *doctor, const struct doctor_count *count, char *text, size_t size)
{
    const struct json *trigger = doctor_trigger(
        doctor, json_get_string(count->answer, "trigger", count->trigger));
    const char *name = json_get_string(trigger, "name", count->trigger);
    const char *index = json_get_string(trigger, "index", "");
    if (trigger == NULL)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s%s%s in %s (%s)", json_get_string(trigger, "table", "?"),
            index[0] != '\0' ? "/" : "", index, json_get_string(trigger, "region", "?"), name);
}

static void doctor_check_count(struct doctor *doctor, const struct doctor_count *count)
{
    const struct json *error = count->error < 0 ? count->answer
                                                : json_get(count->answer, "last_error");
    const char *step = doctor_step_of(doctor, error);
    bool is_stale = strcmp(json_get_string(count->answer, "quality", ""), "stale") == 0;
    int64_t items = 0;
    double units = 0;
    char where[TEXT_SIZE];
    doctor_describe_table(doctor, count, where, sizeof(where));
    json_get_integer(count->answer, "count", &items);
    json_get_real(count->answer, "consumed_rcu", &units);
    if (error != NULL && strcmp(step, "table") != 0) {
        doctor_add(doctor, "table", DOCTOR_SKIPPED, "", "%s: not reached, see %s", where, step);
    } else if (error != NULL) {
        doctor_add_failure(doctor, "table",
            count->error < 0 || is_stale ? DOCTOR_PROBLEM : DOCTOR_WARNING, where, error);
    } else {
        doctor_add(doctor, "table", DOCTOR_OK, "", "%s: %s%" PRId64 " item%s, %.10g read unit%s",
            where,
            strcmp(json_get_string(count->answer, "quality", ""), "at_least") == 0 ? "at least "
                                                                                   : "",
            items, items == 1 ? "" : "s", units, units == 1 ? "" : "s");
    }
}

static void doctor_check_share(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->list, "triggers");
    const struct json *error = json_get(doctor->status, "share.last_error");
    const char *table = NULL;
    for (size_t i = 0; table == NULL && triggers != NULL && i < json_size(triggers); i++)
        table = json_get_string(json_at(triggers, i), "share_table", NULL);
    if (table == NULL)
        return;
    if (error != NULL)
        doctor_add_failure(doctor, "share", DOCTOR_WARNING, table, error);
    else
        doctor_add(doctor, "share", DOCTOR_OK, "",
            "%s: %" PRId64 " answers by other agents' counts, %" PRId64 " counts for all", table,
            doctor_number(doctor, "share.hits"), doctor_number(doctor, "share.won"));
}

/* ---- what was, and what it costs ---- */

static bool doctor_was_counted(const struct doctor *doctor, const char *trigger)
{
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_count *count = &doctor->counts[i];
        if (doctor_is_named(trigger, count->trigger) ||
            strcmp(json_get_string(count->answer, "trigger", ""), trigger) == 0)
            return true;
    }
    return false;
}

/* Of triggers that were not counted now: their latest flights. */
static void doctor_check_failures(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->list, "triggers");
    size_t shown = 0;
    for (size_t i = 0; triggers != NULL && i < json_size(triggers) && shown < OLD_SHOWN; i++) {
        const struct json *trigger = json_at(triggers, i);
        const struct json *error = json_get(trigger, "last_error");
        const char *name = json_get_string(trigger, "name", "?");
        if (error == NULL || doctor_was_counted(doctor, name))
            continue;
        char text[TEXT_SIZE];
        doctor_describe(error, text, sizeof(text));
        doctor_add(doctor, "failures", DOCTOR_WARNING,
            "look at this trigger alone: tally doctor TRIGGER", "%s: %s", name, text);
        shown++;
    }
    if (shown == 0)
        doctor_add(doctor, "failures", DOCTOR_OK, "",
            "no other trigger failed at its latest count; %" PRId64 " of %" PRId64
            " counts failed since the start",
            doctor_number(doctor, "flights.failed"), doctor_number(doctor, "flights.started"));
}

static void doctor_check_cost(struct doctor *doctor)
{
    double hour = 0, budget = 0, left = 0, month = 0;
    char more[160] = "";
    if (doctor_report_failure(doctor, "cost"))
        return;
    json_get_real(doctor->status, "cost.rcu_last_hour", &hour);
    json_get_real(doctor->status, "cost.budget_rcu_left", &left);
    if (json_get_real(doctor->status, "cost.budget_rcu_per_hour", &budget))
        snprintf(more, sizeof(more), ", %.10g left of the budget of %.10g an hour", left, budget);
    else if (json_get_real(doctor->status, "cost.cost_per_month", &month))
        snprintf(more, sizeof(more), ", %.2f a month at this rate", month);
    doctor_add(doctor, "cost",
        budget > 0 && left <= 0             ? DOCTOR_PROBLEM
        : budget > 0 && left < budget * 0.1 ? DOCTOR_WARNING
                                            : DOCTOR_OK,
        doctor_advise("cost", "", "", ""), "%.10g read units in the last hour%s", hour, more);
}

/* ---- the command ---- */

static void doctor_check_all(struct doctor *doctor)
{
    doctor_collect(doctor);
    doctor_check_agent(doctor);
    doctor_check_configuration(doctor);
    doctor_check_identities(doctor);
    doctor_check_proxy(doctor);
    doctor_check_name(doctor);
    doctor_check_ca(doctor);
    doctor_check_tls(doctor);
    doctor_check_clock(doctor);
    doctor_check_service(doctor, "credentials");
    doctor_check_service(doctor, "sts");
    for (size_t i = 0; i < doctor->count; i++)
        doctor_check_count(doctor, &doctor->counts[i]);
    doctor_check_share(doctor);
    doctor_check_failures(doctor);
    doctor_check_cost(doctor);
}

/* Asks all there is to ask. An agent that stops answering ends it. */
static int doctor_examine(struct doctor *doctor)
{
    int r = doctor_ask(doctor, "hello", NULL, doctor_left(doctor), &doctor->hello);
    doctor_check_socket(doctor, r);
    if (!doctor_check_hello(doctor, r))
        return EXIT_OK;
    r = doctor_ask_list(doctor);
    if (r == 0)
        doctor_ask(doctor, "diagnose", NULL, doctor_left(doctor), &doctor->way);
    /* An unknown trigger shows at the count. */
    if (r == 0)
        doctor_ask(doctor, "whoami", cli_operand(doctor->cli, 0), doctor_left(doctor) / 2 + 1,
            &doctor->whoami);
    if (r == 0) {
        doctor_choose_all(doctor);
        r = doctor_count(doctor);
    }
    if (r == TALLY_EARGUMENT)
        return EXIT_USAGE; /* --value, which was reported */
    if (r == 0)
        r = doctor_ask(doctor, "status", NULL, doctor_left(doctor), &doctor->status);
    if (r < 0) {
        doctor_add(doctor, "agent", DOCTOR_PROBLEM, doctor_advise("agent", "", "", ""),
            "it stopped answering: %s", tally_strerror(r));
        doctor_worsen(doctor, r == TALLY_EDEADLINE ? EXIT_DEADLINE : EXIT_ERROR);
        return EXIT_OK;
    }
    doctor_check_all(doctor);
    return EXIT_OK;
}

static enum doctor_state doctor_state_of(const struct json *entry)
{
    const char *name = json_get_string(entry, "state", "");
    enum doctor_state state = DOCTOR_SKIPPED;
    while (state < DOCTOR_PROBLEM && strcmp(state_names[state], name) != 0)
        state++;
    return state;
}

static void doctor_print_entry(const struct json *entry)
{
    static const enum colour colours[] = {[DOCTOR_SKIPPED] = COLOUR_DIM,
        [DOCTOR_OK] = COLOUR_GREEN,
        [DOCTOR_WARNING] = COLOUR_YELLOW,
        [DOCTOR_PROBLEM] = COLOUR_RED};
    enum { INDENT = 24 };
    enum doctor_state state = doctor_state_of(entry);
    const char *advice = json_get_string(entry, "advice", "");
    terminal_print(stdout, "%s", terminal_colour(stdout, colours[state]));
    terminal_print(stdout, "%-9s", state_names[state]);
    terminal_print(stdout, "%s%-15s", terminal_reset(stdout), json_get_string(entry, "step", "?"));
    terminal_print_wrapped(stdout, json_get_string(entry, "found", ""), INDENT);
    terminal_print(stdout, "\n");
    if (advice[0] == '\0')
        return;
    terminal_print(stdout, "%*sto do: ", INDENT, "");
    terminal_print_wrapped(stdout, advice, INDENT + strlen("to do: "));
    terminal_print(stdout, "\n");
}

static void doctor_print(const struct json *report)
{
    size_t counts[DOCTOR_PROBLEM + 1] = {0};
    for (size_t i = 0; i < json_size(report); i++) {
        doctor_print_entry(json_at(report, i));
        counts[doctor_state_of(json_at(report, i))]++;
    }
    terminal_print(stdout, "\n%zu problem%s, %zu warning%s, %zu ok\n", counts[DOCTOR_PROBLEM],
        counts[DOCTOR_PROBLEM] == 1 ? "" : "s", counts[DOCTOR_WARNING],
        counts[DOCTOR_WARNING] == 1 ? "" : "s", counts[DOCTOR_OK]);
}

static void doctor_free(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++)
        json_free(doctor->counts[i].answer);
    json_free(doctor->hello);
    json_free(doctor->list);
    json_free(doctor->way);
    json_free(doctor->whoami);
    json_free(doctor->status);
    json_free(doctor->report);
}

int run_doctor(struct cli *cli)
{
    struct doctor doctor = {.cli = cli};
    int64_t timeout = cli_number(cli, OPTION_TIMEOUT, DOCTOR_MS);
    if (cli_given(cli, OPTION_VALUE) && cli_operand(cli, 0) == NULL)
        return cli_usage("--value is for one trigger: tally doctor TRIGGER --value :k=VALUE");
    int code = cli_open_within(cli, timeout);
    if (code != EXIT_OK)
        return code;
    doctor.deadline = cli_clock_ms() + timeout;
    doctor.report = json_new_list();
    code = doctor_examine(&doctor);
    if (code == EXIT_OK) {
        if (cli->output == OUTPUT_JSON)
            json_print(stdout, doctor.report, false);
        else
            doctor_print(doctor.report);
        code = doctor.code;
    }
    doctor_free(&doctor);
    return code;
}
