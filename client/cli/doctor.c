/* SPDX-License-Identifier: Apache-2.0 */
/* tally doctor: every step from the socket to the table, what is found there, and what to do. It
 * works from what the agent answers; a failed call shows by its `stage` at which step it failed. */
#include "client/cli/doctor_advice.h"
#include "client/cli/doctor_answers.h"
#include "client/cli/doctor_report.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"
#include "proto/clock.h"
#include "proto/duration.h"
#include "proto/limits.h"
#include "proto/saturating.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DOCTOR_MS = 10000, /* --timeout: enough to know that a service cannot be reached */
    OLD_SHOWN = 5,     /* failures of triggers that were not counted */
    SKEW_MS = 60000,
};

struct doctor {
    struct doctor_answers answers;
    struct doctor_report report;
};

/* ---- steps ---- */

/* A number in the answer to `status`; 0 where it is not there. */
static int64_t step_number(const struct doctor *doctor, const char *path)
{
    return json_get_integer_or(doctor->answers.status, path, 0);
}

/* Adds the step's failure, if it has one. */
static bool step_report_failure(struct doctor *doctor, const char *step)
{
    const struct doctor_failure *failure = doctor_answers_worst(&doctor->answers, step);

    if (failure != NULL)
        doctor_report_add_error(&doctor->report, step, failure->state, "", failure->error);
    return failure != NULL;
}

static const char *step_path(const struct doctor *doctor)
{
    const struct cli *cli = doctor->answers.cli;
    const char *path = cli->shown != NULL    ? cli->shown
                       : cli->socket != NULL ? cli->socket
                                             : getenv("TALLY_SOCKET");

    return path != NULL && path[0] != '\0' ? path : TALLY_SOCKET_DEFAULT;
}

/* By the outcome of `hello`: 0 or a negative enum tally_error. */
static void step_check_socket(struct doctor *doctor, int r)
{
    const char *path = step_path(doctor);
    struct stat info;

    if (r == 0 && stat(doctor->answers.cli->socket != NULL ? doctor->answers.cli->socket : path,
                      &info) == 0) {
        doctor_report_add(&doctor->report, "socket", DOCTOR_OK, NULL,
            "%s, uid %u, gid %u, mode %04o", path, (unsigned)info.st_uid, (unsigned)info.st_gid,
            (unsigned)info.st_mode & 07777u);
    } else if (r == 0 || r == TALLY_EDEADLINE) {
        doctor_report_add(&doctor->report, "socket", DOCTOR_OK, NULL, "%s", path);
    } else {
        doctor_report_add_error(
            &doctor->report, "socket", DOCTOR_PROBLEM, "", doctor->answers.hello);
        doctor_report_worsen(&doctor->report,
            r == TALLY_ENOAGENT || r == TALLY_EPERMISSION ? EXIT_NO_AGENT : EXIT_ERROR);
    }
}

/* Whether an agent answered, so that the other requests can be sent. */
static bool step_check_hello(struct doctor *doctor, int r)
{
    if (r == TALLY_EDEADLINE || r == TALLY_ETIMEOUT) {
        doctor_report_add_error(
            &doctor->report, "agent", DOCTOR_PROBLEM, "", doctor->answers.hello);
        doctor_report_worsen(&doctor->report, EXIT_DEADLINE);
    } else if (r == 0 && !cli_is_hello(doctor->answers.hello)) {
        doctor_report_add(&doctor->report, "agent", DOCTOR_PROBLEM,
            doctor_advise("socket", "", "", ""), "what answers is not a tally agent");
    }
    return r == 0 && cli_is_hello(doctor->answers.hello);
}

static void step_check_agent(struct doctor *doctor)
{
    const char *version = json_get_string(doctor->answers.hello, "agent", "?");
    int64_t protocol = json_get_integer_or(doctor->answers.hello, "version", 0);
    char up[32];

    duration_format(step_number(doctor, "uptime_ms"), up, sizeof(up));
    if (step_report_failure(doctor, "agent"))
        return;
    if (protocol != PROTOCOL_VERSION)
        doctor_report_add(&doctor->report, "agent", DOCTOR_PROBLEM,
            "use a command and an agent of one protocol",
            "tallyd %s, protocol %" PRId64 "; this command, tally %s, is for protocol %d", version,
            protocol, tally_version(), PROTOCOL_VERSION);
    else if (json_get_bool(doctor->answers.status, "draining", false))
        doctor_report_add(&doctor->report, "agent", DOCTOR_WARNING,
            "use the agent that replaces it", "tallyd %s is shutting down", version);
    else if (strcmp(version, tally_version()) != 0)
        doctor_report_add(&doctor->report, "agent", DOCTOR_WARNING,
            "use a command and an agent of the same version: what one of them does not know is "
            "missing here",
            "tallyd %s, and this command is tally %s; both have protocol %d", version,
            tally_version(), PROTOCOL_VERSION);
    else
        doctor_report_add(&doctor->report, "agent", DOCTOR_OK, NULL,
            "tallyd %s, protocol %" PRId64 ", up %s", version, protocol, up);
}

static void step_add_finding(struct doctor *doctor, const struct json *findings)
{
    const struct json *first = json_at(findings, 0);
    int64_t line = json_get_integer_or(first, "line", 0);

    doctor_report_add(&doctor->report, "configuration", DOCTOR_WARNING,
        "correct it; `tallyd --check --config FILE` lists all findings",
        "%zu finding%s, the first: %s:%" PRId64 ": %s: %s", json_size(findings),
        json_size(findings) == 1 ? "" : "s", json_get_string(first, "file", "?"), line,
        json_get_string(first, "subject", ""), json_get_string(first, "message", ""));
}

static void step_check_configuration(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->answers.list, "triggers");
    const struct json *findings = json_get(doctor->answers.diagnosis, "findings");
    size_t count = json_size(triggers);
    int64_t failures = step_number(doctor, "config.reload_failures");

    if (failures > 0)
        doctor_report_add(&doctor->report, "configuration", DOCTOR_PROBLEM, NULL,
            "the files are newer than what is in force, and cannot be used: %s",
            json_get_string(doctor->answers.status, "config.reload_error", "no reason given"));
    if (triggers != NULL && count == 0)
        doctor_report_add(&doctor->report, "configuration", DOCTOR_PROBLEM,
            "name a file or folder with a ScaledObject or ScaledJob by --config",
            "it holds no aws-dynamodb trigger");
    if (json_size(findings) > 0)
        step_add_finding(doctor, findings);
    if (step_report_failure(doctor, "configuration") || failures > 0 || count == 0 ||
        json_size(findings) > 0)
        return;
    doctor_report_add(&doctor->report, "configuration", DOCTOR_OK, NULL, "%zu trigger%s, loaded %s",
        count, count == 1 ? "" : "s",
        json_get_string(doctor->answers.status, "config.loaded_at", "?"));
}

static void step_check_identity(struct doctor *doctor, const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    const char *arn = json_get_string(identity, "arn", json_get_string(identity, "role", ""));
    const struct json *error = json_get(identity, "last_error");
    const char *step = doctor_answers_step_of(&doctor->answers, error);
    char who[DOCTOR_TEXT_SIZE];

    snprintf(who, sizeof(who), "%s%s%s, because %s", json_get_string(identity, "kind", "?"),
        arn[0] != '\0' ? ": " : "", arn,
        json_get_string(identity, "why", "the agent gives no reason"));
    if (strcmp(step, "identity") == 0)
        doctor_report_add_error(&doctor->report, "identity",
            strcmp(state, "failed") == 0 ? DOCTOR_PROBLEM : DOCTOR_WARNING, who, error);
    else if (strcmp(state, "valid") == 0)
        doctor_report_add(&doctor->report, "identity", DOCTOR_OK, NULL, "%s", who);
    else
        doctor_report_add(&doctor->report, "identity", DOCTOR_SKIPPED, NULL,
            "%s; no credentials yet: see %s", who, error != NULL ? step : "below");
}

/* A token for STS needs the audience of STS; AWS does not check other tokens. */
static bool step_is_for_sts(const struct json *identity)
{
    const char *audience = json_get_string(identity, "token_file.audience", "");

    return strcmp(json_get_string(identity, "kind", ""), "web-identity") != 0 ||
           audience[0] == '\0' || strstr(audience, "sts.amazonaws.com") != NULL;
}

static void step_describe_token(const struct json *identity, char *text, size_t size)
{
    int64_t left = 0;
    char expiry[64] = "its expiry is not known";

    if (json_get_integer(identity, "token_file.expires_in_ms", &left))
        tree_expiry(left, expiry, sizeof(expiry));
    snprintf(text, size, "%s: audience %s, %s, uid %" PRId64 ", gid %" PRId64 ", mode %s",
        json_get_string(identity, "token_file.path", "?"),
        json_get_string(identity, "token_file.audience", "(none)"), expiry,
        json_get_integer_or(identity, "token_file.owner_uid", 0),
        json_get_integer_or(identity, "token_file.owner_gid", 0),
        json_get_string(identity, "token_file.mode", "?"));
}

static void step_check_token(struct doctor *doctor, const struct json *identity)
{
    const struct json *file = json_get(identity, "token_file");
    int64_t size = 0;
    char text[DOCTOR_TEXT_SIZE];

    if (file == NULL)
        return;
    step_describe_token(identity, text, sizeof(text));
    if (!json_get_integer(file, "size", &size))
        doctor_report_add(&doctor->report, "token", DOCTOR_PROBLEM, NULL,
            "%s: there is no such file for the agent", json_get_string(file, "path", "?"));
    else if (json_get_integer_or(file, "expires_in_ms", 1) <= 0)
        doctor_report_add(&doctor->report, "token", DOCTOR_PROBLEM,
            doctor_advise("token", "ExpiredToken", "", ""), "%s", text);
    else if (!step_is_for_sts(identity))
        doctor_report_add(&doctor->report, "token", DOCTOR_WARNING,
            "mount a token with the audience sts.amazonaws.com, unless the role's OIDC provider "
            "lists this one",
            "%s", text);
    else if (doctor_answers_worst(&doctor->answers, "token") == NULL)
        doctor_report_add(&doctor->report, "token", DOCTOR_OK, NULL, "%s", text);
}

static void step_check_identities(struct doctor *doctor)
{
    const struct json *identities = json_get(doctor->answers.whoami, "identities");
    size_t size = json_size(identities);
    bool found = false;

    for (size_t i = 0; i < size; i++) {
        const struct json *error = json_get(json_at(identities, i), "last_error");

        step_check_identity(doctor, json_at(identities, i));
        found = found || strcmp(doctor_answers_step_of(&doctor->answers, error), "identity") == 0;
    }
    if (!found)
        step_report_failure(doctor, "identity");
    for (size_t i = 0; i < size; i++)
        step_check_token(doctor, json_at(identities, i));
    step_report_failure(doctor, "token");
}

/* The sum of a counter of all services: of the calls, or of those that succeeded. */
static int64_t step_calls(const struct doctor *doctor, const char *what)
{
    static const char *const services[] = {"dynamodb", "sts", "credentials"};
    int64_t sum = 0;

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "aws.%s.%s", services[i], what);
        sum = saturating_add(sum, step_number(doctor, path));
    }
    return sum;
}

/* The URLs of the endpoints, one after the other; those behind a proxy alone, with its name. */
static size_t step_list_endpoints(
    const struct doctor *doctor, bool by_proxy, const char *scheme, char *text, size_t size)
{
    const struct json *endpoints = json_get(doctor->answers.diagnosis, "endpoints");
    size_t used = 0, count = 0;

    text[0] = '\0';
    for (size_t i = 0; i < json_size(endpoints); i++) {
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

static void step_check_proxy(struct doctor *doctor)
{
    char text[DOCTOR_TEXT_SIZE / 2];

    if (step_report_failure(doctor, "proxy"))
        return;
    const char *no_proxy = json_get_string(doctor->answers.diagnosis, "no_proxy", "");
    if (step_list_endpoints(doctor, true, "", text, sizeof(text)) == 0)
        doctor_report_add(&doctor->report, "proxy", DOCTOR_OK, NULL, "none is used");
    else
        doctor_report_add(&doctor->report, "proxy", DOCTOR_OK, NULL, "%s%s%.200s", text,
            no_proxy[0] != '\0' ? "; NO_PROXY is " : "", no_proxy);
}

static void step_check_name(struct doctor *doctor)
{
    char text[DOCTOR_TEXT_SIZE];

    if (step_report_failure(doctor, "name"))
        return;
    step_list_endpoints(doctor, false, "", text, sizeof(text));
    if (step_calls(doctor, "calls") == 0)
        doctor_report_add(
            &doctor->report, "name", DOCTOR_SKIPPED, NULL, "no request was sent yet: %s", text);
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(&doctor->report, "name", DOCTOR_SKIPPED, NULL, "not verified: %s", text);
    else
        doctor_report_add(&doctor->report, "name", DOCTOR_OK, NULL, "%s", text);
}

static void step_check_ca(struct doctor *doctor)
{
    const struct json *ignored = json_get(doctor->answers.diagnosis, "ca.ignored");
    const char *path = json_get_string(
        doctor->answers.diagnosis, "ca.path", "the default of libcurl");
    const char *error = json_get_string(doctor->answers.diagnosis, "ca.error", "");
    bool is_default = json_get_bool(doctor->answers.diagnosis, "ca.default", true);

    if (json_get(doctor->answers.diagnosis, "ca") == NULL)
        doctor_report_add(
            &doctor->report, "ca", DOCTOR_SKIPPED, NULL, "this agent does not report it");
    else if (error[0] != '\0')
        doctor_report_add(&doctor->report, "ca", DOCTOR_PROBLEM, NULL,
            "no certificate can be verified: %s", error);
    else if (json_size(ignored) > 0)
        doctor_report_add(&doctor->report, "ca", DOCTOR_WARNING,
            "set AWS_CA_BUNDLE to the same file", "%s; %s is set, which tallyd does not read", path,
            json_get_string(ignored, "0", "?"));
    else
        doctor_report_add(&doctor->report, "ca", DOCTOR_OK, NULL, "%s%s", path,
            is_default ? " (the default)" : " (AWS_CA_BUNDLE)");
}

static void step_check_tls(struct doctor *doctor)
{
    char text[DOCTOR_TEXT_SIZE];

    if (step_report_failure(doctor, "tls"))
        return;
    if (step_list_endpoints(doctor, false, "https:", text, sizeof(text)) == 0)
        doctor_report_add(&doctor->report, "tls", DOCTOR_SKIPPED, NULL, "no endpoint uses it");
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(
            &doctor->report, "tls", DOCTOR_SKIPPED, NULL, "no call to a service has succeeded yet");
    else
        doctor_report_add(&doctor->report, "tls", DOCTOR_OK, NULL, "no certificate was refused");
}

static void step_check_clock(struct doctor *doctor)
{
    int64_t skew = step_number(doctor, "clock_skew_ms");
    char text[32];

    if (step_report_failure(doctor, "clock"))
        return;
    duration_format(skew < 0 ? -(skew + 1) : skew, text, sizeof(text));
    if (skew > SKEW_MS || skew < -SKEW_MS)
        doctor_report_add(&doctor->report, "clock", DOCTOR_WARNING, NULL,
            "this machine's clock is %s %s AWS's; requests are signed by AWS's time", text,
            skew > 0 ? "behind" : "ahead of");
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(
            &doctor->report, "clock", DOCTOR_SKIPPED, NULL, "AWS's time is not known yet");
    else
        doctor_report_add(
            &doctor->report, "clock", DOCTOR_OK, NULL, "no reply of AWS reports a wrong clock");
}

/* A service that gives credentials: its step is there where it was called. */
static void step_check_service(struct doctor *doctor, const char *step)
{
    char path[64];

    snprintf(path, sizeof(path), "aws.%s.calls", step);
    int64_t calls = step_number(doctor, path);
    snprintf(path, sizeof(path), "aws.%s.ok", step);
    int64_t ok = step_number(doctor, path);
    if (step_report_failure(doctor, step) || calls == 0)
        return;
    doctor_report_add(&doctor->report, step, ok > 0 ? DOCTOR_OK : DOCTOR_SKIPPED, NULL,
        "%" PRId64 " of %" PRId64 " call%s succeeded", ok, calls, calls == 1 ? "" : "s");
}

/* "orders/by-state in eu-west-1 (shop/small)" */
static void step_describe_table(
    const struct doctor *doctor, const struct doctor_count *count, char *text, size_t size)
{
    const struct json *trigger = doctor_answers_trigger(
        &doctor->answers, json_get_string(count->answer, "trigger", count->trigger));
    const char *name = json_get_string(trigger, "name", count->trigger);
    const char *index = json_get_string(trigger, "index", "");

    if (trigger == NULL)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s%s%s in %s (%s)", json_get_string(trigger, "table", "?"),
            index[0] != '\0' ? "/" : "", index, json_get_string(trigger, "region", "?"), name);
}

static void step_check_count(struct doctor *doctor, const struct doctor_count *count)
{
    const struct json *error = count->error < 0 ? count->answer
                                                : json_get(count->answer, "last_error");
    const char *step = doctor_answers_step_of(&doctor->answers, error);
    const char *quality = json_get_string(count->answer, "quality", "");
    int64_t items = json_get_integer_or(count->answer, "count", 0);
    double units = json_get_real_or(count->answer, "consumed_rcu", 0);
    char where[DOCTOR_TEXT_SIZE];

    step_describe_table(doctor, count, where, sizeof(where));
    if (error != NULL && strcmp(step, "table") != 0) {
        doctor_report_add(
            &doctor->report, "table", DOCTOR_SKIPPED, NULL, "%s: not reached, see %s", where, step);
    } else if (error != NULL) {
        doctor_report_add_error(&doctor->report, "table",
            count->error < 0 || strcmp(quality, "stale") == 0 ? DOCTOR_PROBLEM : DOCTOR_WARNING,
            where, error);
    } else {
        doctor_report_add(&doctor->report, "table", DOCTOR_OK, NULL,
            "%s: %s%" PRId64 " item%s, %.10g read unit%s", where,
            strcmp(quality, "at_least") == 0 ? "at least " : "", items, items == 1 ? "" : "s",
            units, units == 1 ? "" : "s");
    }
}

static void step_check_share(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->answers.list, "triggers");
    const struct json *error = json_get(doctor->answers.status, "share.last_error");
    const char *table = NULL;

    for (size_t i = 0; table == NULL && i < json_size(triggers); i++)
        table = json_get_string(json_at(triggers, i), "share_table", NULL);
    if (table == NULL)
        return;
    if (error != NULL)
        doctor_report_add_error(&doctor->report, "share", DOCTOR_WARNING, table, error);
    else
        doctor_report_add(&doctor->report, "share", DOCTOR_OK, NULL,
            "%s: %" PRId64 " answers by other agents' counts, %" PRId64 " counts for all", table,
            step_number(doctor, "share.hits"), step_number(doctor, "share.won"));
}

/* Of triggers that were not counted now: their latest flights. */
static void step_check_failures(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->answers.list, "triggers");
    size_t shown = 0;

    for (size_t i = 0; i < json_size(triggers) && shown < OLD_SHOWN; i++) {
        const struct json *trigger = json_at(triggers, i);
        const struct json *error = json_get(trigger, "last_error");
        const char *name = json_get_string(trigger, "name", "?");

        if (error == NULL || doctor_answers_has_count(&doctor->answers, name))
            continue;
        char text[DOCTOR_TEXT_SIZE];
        tree_error(error, text, sizeof(text));
        doctor_report_add(&doctor->report, "failures", DOCTOR_WARNING,
            "check this trigger alone: tally doctor TRIGGER", "%s: %s", name, text);
        shown++;
    }
    if (shown == 0)
        doctor_report_add(&doctor->report, "failures", DOCTOR_OK, NULL,
            "no other trigger failed at its latest count; %" PRId64 " of %" PRId64
            " counts failed since the start",
            step_number(doctor, "flights.failed"), step_number(doctor, "flights.started"));
}

static void step_check_cost(struct doctor *doctor)
{
    const struct json *cost = json_get(doctor->answers.status, "cost");
    double budget = 0, month = 0, left = json_get_real_or(cost, "budget_rcu_left", 0);
    char more[160] = "";

    if (step_report_failure(doctor, "cost"))
        return;
    if (json_get_real(cost, "budget_rcu_per_hour", &budget))
        snprintf(more, sizeof(more), ", %.10g left of the budget of %.10g an hour", left, budget);
    else if (json_get_real(cost, "cost_per_month", &month))
        snprintf(more, sizeof(more), ", %.2f a month at this rate", month);
    doctor_report_add(&doctor->report, "cost",
        budget > 0 && left <= 0             ? DOCTOR_PROBLEM
        : budget > 0 && left < budget * 0.1 ? DOCTOR_WARNING
                                            : DOCTOR_OK,
        NULL, "%.10g read units in the last hour%s", json_get_real_or(cost, "rcu_last_hour", 0),
        more);
}

/* All others, with all answers. */
static void step_check_all(struct doctor *doctor)
{
    step_check_agent(doctor);
    step_check_configuration(doctor);
    step_check_identities(doctor);
    step_check_proxy(doctor);
    step_check_name(doctor);
    step_check_ca(doctor);
    step_check_tls(doctor);
    step_check_clock(doctor);
    step_check_service(doctor, "credentials");
    step_check_service(doctor, "sts");
    for (size_t i = 0; i < doctor->answers.count_size; i++)
        step_check_count(doctor, &doctor->answers.counts[i]);
    step_check_share(doctor);
    step_check_failures(doctor);
    step_check_cost(doctor);
}

/* Instead of all others: the agent stopped answering, with this error. */
static void step_report_silence(struct doctor *doctor, int error)
{
    doctor_report_add(&doctor->report, "agent", DOCTOR_PROBLEM, NULL, "it stopped answering: %s",
        tally_strerror(error));
    doctor_report_worsen(&doctor->report, error == TALLY_EDEADLINE ? EXIT_DEADLINE : EXIT_ERROR);
}

/* ---- the verb ---- */

/* EXIT_OK: the result is in the report. */
static int doctor_examine(struct doctor *doctor)
{
    int r = doctor_answers_ask_hello(&doctor->answers);

    step_check_socket(doctor, r);
    if (!step_check_hello(doctor, r))
        return EXIT_OK;
    r = doctor_answers_ask_rest(&doctor->answers);
    if (r == TALLY_EARGUMENT)
        return EXIT_USAGE;
    if (r < 0)
        step_report_silence(doctor, r);
    else
        step_check_all(doctor);
    return EXIT_OK;
}

int run_doctor(struct cli *cli)
{
    struct doctor doctor = {.answers.cli = cli};
    int64_t timeout = cli_number(cli, OPTION_TIMEOUT, DOCTOR_MS);

    if (cli_given(cli, OPTION_VALUE) && cli_operand(cli, 0) == NULL)
        return cli_usage("--value is for one trigger: tally doctor TRIGGER --value :k=VALUE");
    int code = cli_open(cli, timeout);
    if (code != EXIT_OK)
        return code;
    cli->deadline = clock_ms() + timeout;
    doctor.report.entries = json_new_list();
    code = doctor_examine(&doctor);
    if (code == EXIT_OK) {
        doctor_report_print(&doctor.report, cli->output);
        code = doctor.report.code;
    }
    doctor_answers_free(&doctor.answers);
    json_free(doctor.report.entries);
    return code;
}
