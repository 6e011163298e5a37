/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_steps.h"

#include "client/cli/doctor_advice.h"
#include "proto/duration.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    OLD_SHOWN = 5, /* failures of triggers that were not counted */
    SKEW_MS = 60000,
};

/* Adds the step's failure, if it has one. */
static bool step_report_failure(struct doctor *doctor, const char *step)
{
    const struct doctor_failure *failure = doctor_failures_worst(&doctor->failures, step);

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

void doctor_check_socket(struct doctor *doctor, int r)
{
    const char *path = step_path(doctor);
    struct stat info;

    if (r == 0 && stat(doctor->answers.cli->socket != NULL ? doctor->answers.cli->socket : path,
                      &info) == 0) {
        doctor_report_add(&doctor->report, "socket", DOCTOR_OK, "", "%s, uid %u, gid %u, mode %04o",
            path, (unsigned)info.st_uid, (unsigned)info.st_gid, (unsigned)info.st_mode & 07777u);
    } else if (r == 0 || r == TALLY_EDEADLINE) {
        doctor_report_add(&doctor->report, "socket", DOCTOR_OK, "", "%s", path);
    } else {
        doctor_report_add_error(
            &doctor->report, "socket", DOCTOR_PROBLEM, "", doctor->answers.hello);
        doctor_report_worsen(&doctor->report,
            r == TALLY_ENOAGENT || r == TALLY_EPERMISSION ? EXIT_NO_AGENT : EXIT_ERROR);
    }
}

bool doctor_check_hello(struct doctor *doctor, int r)
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
    int64_t protocol = 0, uptime = 0;
    char up[32];

    json_get_integer(doctor->answers.hello, "version", &protocol);
    json_get_integer(doctor->answers.status, "uptime_ms", &uptime);
    duration_format(uptime, up, sizeof(up));
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
        doctor_report_add(&doctor->report, "agent", DOCTOR_OK, "",
            "tallyd %s, protocol %" PRId64 ", up %s", version, protocol, up);
}

static void step_add_finding(struct doctor *doctor, const struct json *findings)
{
    const struct json *first = json_at(findings, 0);
    int64_t line = 0;

    json_get_integer(first, "line", &line);
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
    int64_t failures = 0;

    json_get_integer(doctor->answers.status, "config.reload_failures", &failures);
    if (failures > 0)
        doctor_report_add(&doctor->report, "configuration", DOCTOR_PROBLEM,
            doctor_advise("configuration", "", "", ""),
            "the files are newer than what is in force, and cannot be used: %s",
            json_get_string(doctor->answers.status, "config.reload_error", "no reason given"));
    if (triggers != NULL && json_size(triggers) == 0)
        doctor_report_add(&doctor->report, "configuration", DOCTOR_PROBLEM,
            "name a file or folder with a ScaledObject or ScaledJob by --config",
            "it holds no aws-dynamodb trigger");
    if (findings != NULL && json_size(findings) > 0)
        step_add_finding(doctor, findings);
    if (step_report_failure(doctor, "configuration") || failures > 0 || triggers == NULL ||
        json_size(triggers) == 0 || (findings != NULL && json_size(findings) > 0))
        return;
    doctor_report_add(&doctor->report, "configuration", DOCTOR_OK, "", "%zu trigger%s, loaded %s",
        json_size(triggers), json_size(triggers) == 1 ? "" : "s",
        json_get_string(doctor->answers.status, "config.loaded_at", "?"));
}

static void step_check_identity(struct doctor *doctor, const struct json *identity)
{
    const char *state = json_get_string(identity, "state", "?");
    const char *arn = json_get_string(identity, "arn", json_get_string(identity, "role", ""));
    const struct json *error = json_get(identity, "last_error");
    const char *step = doctor_failures_step_of(&doctor->answers, error);
    char who[DOCTOR_TEXT_SIZE];

    snprintf(who, sizeof(who), "%s%s%s, because %s", json_get_string(identity, "kind", "?"),
        arn[0] != '\0' ? ": " : "", arn,
        json_get_string(identity, "why", "the agent does not say"));
    if (strcmp(step, "identity") == 0)
        doctor_report_add_error(&doctor->report, "identity",
            strcmp(state, "failed") == 0 ? DOCTOR_PROBLEM : DOCTOR_WARNING, who, error);
    else if (strcmp(state, "valid") == 0)
        doctor_report_add(&doctor->report, "identity", DOCTOR_OK, "", "%s", who);
    else
        doctor_report_add(&doctor->report, "identity", DOCTOR_SKIPPED, "",
            "%s; no credentials yet: see %s", who, error != NULL ? step : "below");
}

/* The token that STS gets must be for STS; the others are not looked at by AWS. */
static bool step_is_for_sts(const struct json *identity)
{
    const char *audience = json_get_string(identity, "token_file.audience", "");

    return strcmp(json_get_string(identity, "kind", ""), "web-identity") != 0 ||
           audience[0] == '\0' || strstr(audience, "sts.amazonaws.com") != NULL;
}

static void step_describe_token(const struct json *identity, char *text, size_t size)
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

static void step_check_token(struct doctor *doctor, const struct json *identity)
{
    const struct json *file = json_get(identity, "token_file");
    int64_t size = 0, left = 1;
    char text[DOCTOR_TEXT_SIZE];

    if (file == NULL)
        return;
    step_describe_token(identity, text, sizeof(text));
    json_get_integer(file, "expires_in_ms", &left);
    if (!json_get_integer(file, "size", &size))
        doctor_report_add(&doctor->report, "token", DOCTOR_PROBLEM,
            doctor_advise("token", "", "", ""), "%s: there is no such file for the agent",
            json_get_string(file, "path", "?"));
    else if (left <= 0)
        doctor_report_add(&doctor->report, "token", DOCTOR_PROBLEM,
            doctor_advise("token", "ExpiredToken", "", ""), "%s", text);
    else if (!step_is_for_sts(identity))
        doctor_report_add(&doctor->report, "token", DOCTOR_WARNING,
            "mount a token with the audience sts.amazonaws.com, unless the role's OIDC provider "
            "lists this one",
            "%s", text);
    else if (doctor_failures_worst(&doctor->failures, "token") == NULL)
        doctor_report_add(&doctor->report, "token", DOCTOR_OK, "", "%s", text);
}

static void step_check_identities(struct doctor *doctor)
{
    const struct json *identities = json_get(doctor->answers.whoami, "identities");
    size_t size = identities != NULL ? json_size(identities) : 0;
    bool found = false;

    for (size_t i = 0; i < size; i++) {
        const struct json *error = json_get(json_at(identities, i), "last_error");

        step_check_identity(doctor, json_at(identities, i));
        found = found || strcmp(doctor_failures_step_of(&doctor->answers, error), "identity") == 0;
    }
    if (!found)
        step_report_failure(doctor, "identity");
    for (size_t i = 0; i < size; i++)
        step_check_token(doctor, json_at(identities, i));
    step_report_failure(doctor, "token");
}

/* Calls that were sent to any service, and those that were answered well. */
static int64_t step_calls(const struct doctor *doctor, const char *what)
{
    static const char *const services[] = {"dynamodb", "sts", "credentials"};
    int64_t sum = 0;

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "aws.%s.%s", services[i], what);
        sum += doctor_answers_number(&doctor->answers, path);
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

static void step_check_proxy(struct doctor *doctor)
{
    char text[DOCTOR_TEXT_SIZE / 2];

    if (step_report_failure(doctor, "proxy"))
        return;
    const char *no_proxy = json_get_string(doctor->answers.diagnosis, "no_proxy", "");
    if (step_list_endpoints(doctor, true, "", text, sizeof(text)) == 0)
        doctor_report_add(&doctor->report, "proxy", DOCTOR_OK, "", "none is used");
    else
        doctor_report_add(&doctor->report, "proxy", DOCTOR_OK, "", "%s%s%.200s", text,
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
            &doctor->report, "name", DOCTOR_SKIPPED, "", "nothing was sent yet: %s", text);
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(
            &doctor->report, "name", DOCTOR_SKIPPED, "", "not known to be right: %s", text);
    else
        doctor_report_add(&doctor->report, "name", DOCTOR_OK, "", "%s", text);
}

static void step_check_ca(struct doctor *doctor)
{
    const struct json *ignored = json_get(doctor->answers.diagnosis, "ca.ignored");
    const char *path = json_get_string(
        doctor->answers.diagnosis, "ca.path", "the default of libcurl");
    const char *error = json_get_string(doctor->answers.diagnosis, "ca.error", "");
    bool is_default = json_get_bool(doctor->answers.diagnosis, "ca.default", true);

    if (json_get(doctor->answers.diagnosis, "ca") == NULL)
        doctor_report_add(&doctor->report, "ca", DOCTOR_SKIPPED, "", "this agent does not say");
    else if (error[0] != '\0')
        doctor_report_add(&doctor->report, "ca", DOCTOR_PROBLEM, doctor_advise("ca", "", "", ""),
            "no certificate can be verified: %s", error);
    else if (ignored != NULL && json_size(ignored) > 0)
        doctor_report_add(&doctor->report, "ca", DOCTOR_WARNING,
            "set AWS_CA_BUNDLE to the same file", "%s; %s is set, which tallyd does not read", path,
            json_get_string(ignored, "0", "?"));
    else
        doctor_report_add(&doctor->report, "ca", DOCTOR_OK, "", "%s%s", path,
            is_default ? " (the default)" : " (AWS_CA_BUNDLE)");
}

static void step_check_tls(struct doctor *doctor)
{
    char text[DOCTOR_TEXT_SIZE];

    if (step_report_failure(doctor, "tls"))
        return;
    if (step_list_endpoints(doctor, false, "https:", text, sizeof(text)) == 0)
        doctor_report_add(&doctor->report, "tls", DOCTOR_SKIPPED, "", "no endpoint uses it");
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(
            &doctor->report, "tls", DOCTOR_SKIPPED, "", "no service has answered well yet");
    else
        doctor_report_add(&doctor->report, "tls", DOCTOR_OK, "", "no certificate was refused");
}

static void step_check_clock(struct doctor *doctor)
{
    int64_t skew = doctor_answers_number(&doctor->answers, "clock_skew_ms");
    char text[32];

    if (step_report_failure(doctor, "clock"))
        return;
    duration_format(skew < 0 ? -(skew + 1) : skew, text, sizeof(text));
    if (skew > SKEW_MS || skew < -SKEW_MS)
        doctor_report_add(&doctor->report, "clock", DOCTOR_WARNING,
            doctor_advise("clock", "", "", ""),
            "this machine's clock is %s %s AWS's; requests are signed by AWS's time", text,
            skew > 0 ? "behind" : "ahead of");
    else if (step_calls(doctor, "ok") == 0)
        doctor_report_add(
            &doctor->report, "clock", DOCTOR_SKIPPED, "", "AWS's time is not known yet");
    else
        doctor_report_add(
            &doctor->report, "clock", DOCTOR_OK, "", "no reply of AWS says that it is wrong");
}

/* A service that gives credentials: its step is there where it was called. */
static void step_check_service(struct doctor *doctor, const char *step)
{
    char path[64];

    snprintf(path, sizeof(path), "aws.%s.calls", step);
    int64_t calls = doctor_answers_number(&doctor->answers, path);
    snprintf(path, sizeof(path), "aws.%s.ok", step);
    int64_t ok = doctor_answers_number(&doctor->answers, path);
    if (step_report_failure(doctor, step) || calls == 0)
        return;
    doctor_report_add(&doctor->report, step, ok > 0 ? DOCTOR_OK : DOCTOR_SKIPPED, "",
        "%" PRId64 " of %" PRId64 " call%s answered well", ok, calls, calls == 1 ? "" : "s");
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
    const char *step = doctor_failures_step_of(&doctor->answers, error);
    bool is_stale = strcmp(json_get_string(count->answer, "quality", ""), "stale") == 0;
    int64_t items = 0;
    double units = 0;
    char where[DOCTOR_TEXT_SIZE];

    step_describe_table(doctor, count, where, sizeof(where));
    json_get_integer(count->answer, "count", &items);
    json_get_real(count->answer, "consumed_rcu", &units);
    if (error != NULL && strcmp(step, "table") != 0) {
        doctor_report_add(
            &doctor->report, "table", DOCTOR_SKIPPED, "", "%s: not reached, see %s", where, step);
    } else if (error != NULL) {
        doctor_report_add_error(&doctor->report, "table",
            count->error < 0 || is_stale ? DOCTOR_PROBLEM : DOCTOR_WARNING, where, error);
    } else {
        doctor_report_add(&doctor->report, "table", DOCTOR_OK, "",
            "%s: %s%" PRId64 " item%s, %.10g read unit%s", where,
            strcmp(json_get_string(count->answer, "quality", ""), "at_least") == 0 ? "at least "
                                                                                   : "",
            items, items == 1 ? "" : "s", units, units == 1 ? "" : "s");
    }
}

static void step_check_share(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->answers.list, "triggers");
    const struct json *error = json_get(doctor->answers.status, "share.last_error");
    const char *table = NULL;

    for (size_t i = 0; table == NULL && triggers != NULL && i < json_size(triggers); i++)
        table = json_get_string(json_at(triggers, i), "share_table", NULL);
    if (table == NULL)
        return;
    if (error != NULL)
        doctor_report_add_error(&doctor->report, "share", DOCTOR_WARNING, table, error);
    else
        doctor_report_add(&doctor->report, "share", DOCTOR_OK, "",
            "%s: %" PRId64 " answers by other agents' counts, %" PRId64 " counts for all", table,
            doctor_answers_number(&doctor->answers, "share.hits"),
            doctor_answers_number(&doctor->answers, "share.won"));
}

/* Of triggers that were not counted now: their latest flights. */
static void step_check_failures(struct doctor *doctor)
{
    const struct json *triggers = json_get(doctor->answers.list, "triggers");
    size_t shown = 0;

    for (size_t i = 0; triggers != NULL && i < json_size(triggers) && shown < OLD_SHOWN; i++) {
        const struct json *trigger = json_at(triggers, i);
        const struct json *error = json_get(trigger, "last_error");
        const char *name = json_get_string(trigger, "name", "?");

        if (error == NULL || doctor_answers_has_count(&doctor->answers, name))
            continue;
        char text[DOCTOR_TEXT_SIZE];
        doctor_report_describe(error, text, sizeof(text));
        doctor_report_add(&doctor->report, "failures", DOCTOR_WARNING,
            "look at this trigger alone: tally doctor TRIGGER", "%s: %s", name, text);
        shown++;
    }
    if (shown == 0)
        doctor_report_add(&doctor->report, "failures", DOCTOR_OK, "",
            "no other trigger failed at its latest count; %" PRId64 " of %" PRId64
            " counts failed since the start",
            doctor_answers_number(&doctor->answers, "flights.failed"),
            doctor_answers_number(&doctor->answers, "flights.started"));
}

static void step_check_cost(struct doctor *doctor)
{
    double hour = 0, budget = 0, left = 0, month = 0;
    char more[160] = "";

    if (step_report_failure(doctor, "cost"))
        return;
    json_get_real(doctor->answers.status, "cost.rcu_last_hour", &hour);
    json_get_real(doctor->answers.status, "cost.budget_rcu_left", &left);
    if (json_get_real(doctor->answers.status, "cost.budget_rcu_per_hour", &budget))
        snprintf(more, sizeof(more), ", %.10g left of the budget of %.10g an hour", left, budget);
    else if (json_get_real(doctor->answers.status, "cost.cost_per_month", &month))
        snprintf(more, sizeof(more), ", %.2f a month at this rate", month);
    doctor_report_add(&doctor->report, "cost",
        budget > 0 && left <= 0             ? DOCTOR_PROBLEM
        : budget > 0 && left < budget * 0.1 ? DOCTOR_WARNING
                                            : DOCTOR_OK,
        doctor_advise("cost", "", "", ""), "%.10g read units in the last hour%s", hour, more);
}

void doctor_check_all(struct doctor *doctor)
{
    doctor_failures_collect(&doctor->failures, &doctor->answers);
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

void doctor_check_silence(struct doctor *doctor, int error)
{
    doctor_report_add(&doctor->report, "agent", DOCTOR_PROBLEM, doctor_advise("agent", "", "", ""),
        "it stopped answering: %s", tally_strerror(error));
    doctor_report_worsen(&doctor->report, error == TALLY_EDEADLINE ? EXIT_DEADLINE : EXIT_ERROR);
}
