/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include "agent/option_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXTS = OPTION_OWN, /* repeatable; in the environment separated by colons */
    KIND_DURATION,
    KIND_SIZE,
    KIND_UNITS,
    KIND_MODE,
    KIND_GROUP,
    KIND_UIDS, /* repeatable; in the environment separated by commas */
    KIND_GIDS,
};

/* One row for each option: reading, the environment's name and --help all come from it. */
static const struct option_row rows[] = {
#define AT(member) offsetof(struct options, member)
    {"config", KIND_TEXTS, AT(config), "PATH",
        "a file, or a folder with *.yaml *.yml *.json; repeatable [/etc/tally]"},
    {"check", OPTION_ACTION, AT(check), NULL,
        "read and lint the configuration, print a table, exit"},
    {"socket", OPTION_TEXT, AT(socket), "PATH", "where to listen [/run/tally/tally.sock]"},
    {"socket-mode", KIND_MODE, AT(socket_mode), "MODE", "its mode, octal [0660]"},
    {"socket-group", KIND_GROUP, AT(socket_group), "GROUP", "its group, a name or number"},
    {"allow-uid", KIND_UIDS, AT(uids), "UID", "serve this user only; repeatable"},
    {"allow-gid", KIND_GIDS, AT(gids), "GID", "serve this group only; repeatable"},
    {"secrets-dir", OPTION_TEXT, AT(secrets_dir), "DIR",
        "where Secrets are mounted, DIR/<name>/<key> [/var/run/secrets/tally]"},
    {"share-table", OPTION_TEXT, AT(share_table), "NAME",
        "count once for all agents that share this DynamoDB table"},
    {"budget", KIND_UNITS, AT(budget_rcu), "RCU/h",
        "read capacity units that all counts may use in an hour"},
    {"price-per-million-rru", KIND_UNITS, AT(price), "PRICE",
        "of a million read request units, for the cost of a month"},
    {"imds", OPTION_FLAG, AT(imds), NULL,
        "also take credentials from the instance metadata service"},
    {"allow-http", OPTION_FLAG, AT(allow_http), NULL,
        "plain http to DynamoDB endpoints that are not loopback"},
    {"allow-query", OPTION_FLAG, AT(allow_query), NULL, "clients may send ad-hoc queries"},
    {"max-stale", KIND_DURATION, AT(max_stale_ms), "TIME",
        "how old a count may be answered while AWS fails [15m]"},
    {"min-age", KIND_DURATION, AT(min_age_ms), "TIME",
        "no client gets a count fresher than this [0]"},
    {"flight-timeout", KIND_DURATION, AT(flight_timeout_ms), "TIME",
        "how long one count may take [5m]"},
    {"max-buffer", KIND_SIZE, AT(max_buffer), "BYTES",
        "what is kept for all connections together; K and M allowed [2M]"},
    {"grace", KIND_DURATION, AT(grace_ms), "TIME",
        "how long SIGTERM waits for clients that still send requests [20s]"},
    {"linger", KIND_DURATION, AT(linger_ms), "TIME",
        "how long it waits for more requests after the last one [1s]"},
    {"no-seccomp", OPTION_FLAG, AT(no_seccomp), NULL, "do not filter system calls"},
    {"log-level", OPTION_LEVEL, AT(log_level), "LEVEL", "error, warn, info or debug [info]"},
    {"log-format", OPTION_FORMAT, AT(log_json), "FORMAT", "logfmt or json [logfmt]"},
    {"help", OPTION_ACTION, AT(help), NULL, "print this, exit"},
    {"version", OPTION_ACTION, AT(version), NULL, "print the version, exit"},
#undef AT
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(ROWS <= OPTIONS_MAX, "options::from_arguments has a place for each");

/* ---- one value ---- */

/* What a value must be, for messages. */
static const char *const wanted[] = {
#define OF(kind) [(kind)-OPTION_OWN]
    OF(KIND_TEXTS) = "a path, or there are more than 64",
    OF(KIND_DURATION) = "a time such as 500ms, 30s, 5m, 2h or 0, at most 8760h",
    OF(KIND_SIZE) = "a number of bytes such as 2M, from 64K to 1024M",
    OF(KIND_UNITS) = "a number above 0, such as 50000 or 0.125",
    OF(KIND_MODE) = "an octal mode such as 0660",
    OF(KIND_GROUP) = "a group of this system, nor a number",
    OF(KIND_UIDS) = "a numeric id, or there are more than 64",
    OF(KIND_GIDS) = "a numeric id, or there are more than 64",
#undef OF
};

static bool add_text(struct options *options, const char *value)
{
    if (options->config_count == OPTIONS_LIST_MAX || *value == '\0')
        return false;
    options->config[options->config_count++] = value;
    return true;
}

static bool add_id(struct options *options, int kind, const char *value)
{
    size_t *count = kind == KIND_UIDS ? &options->uid_count : &options->gid_count;
    uint32_t id;

    if (*count == OPTIONS_LIST_MAX || !option_value_id(value, &id))
        return false;
    if (kind == KIND_UIDS)
        options->uids[*count] = id;
    else
        options->gids[*count] = id;
    (*count)++;
    return true;
}

static bool options_take(void *data, const struct option_row *row, const char *value)
{
    struct options *options = data;
    void *target = (char *)options + row->offset;

    switch ((enum kind)row->kind) {
    case KIND_TEXTS:
        return add_text(options, value);
    case KIND_DURATION:
        return option_value_duration(value, target);
    case KIND_SIZE:
        return option_value_size(value, target);
    case KIND_UNITS:
        return option_value_units(value, target);
    case KIND_MODE:
        return option_value_mode(value, target);
    case KIND_GROUP:
        options->has_socket_group = option_value_group(value, target);
        return options->has_socket_group;
    case KIND_UIDS:
    case KIND_GIDS:
        return add_id(options, row->kind, value);
    }
    return false;
}

/* ---- repeatable options ---- */

static int options_set_variable(void *data, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size);

/* A repeatable option on the command line replaces what the environment listed. */
static void forget_environment(void *data, const struct option_row *row)
{
    struct options *options = data;

    if (options->from_arguments[row - rows])
        return;
    options->from_arguments[row - rows] = true;
    if (row->kind == KIND_TEXTS)
        options->config_count = 0;
    else if (row->kind == KIND_UIDS)
        options->uid_count = 0;
    else if (row->kind == KIND_GIDS)
        options->gid_count = 0;
}

static const struct option_table table = {.program = "tallyd",
    .prefix = "TALLY_",
    .no_operands = "tallyd takes options only; files go with --config",
    .rows = rows,
    .count = ROWS,
    .take = options_take,
    .wanted = wanted,
    .set_variable = options_set_variable,
    .before_argument = forget_environment};

/* Between the values of a variable; NULL: the option is not repeatable. */
static const char *options_separators(int kind)
{
    if (kind == KIND_TEXTS)
        return ":";
    return kind == KIND_UIDS || kind == KIND_GIDS ? "," : NULL;
}

static int options_set_variable(void *data, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size)
{
    struct options *options = data;
    const char *separator = options_separators(row->kind);
    char *copy, *rest, *item;
    int r = 0;

    if (separator == NULL)
        return option_table_set(&table, options, row, value, source, why, why_size);
    rest = copy = strdup(value);
    if (copy == NULL)
        return -ENOMEM;
    while (r == 0 && (item = strsep(&rest, separator)) != NULL)
        if (*item != '\0')
            r = option_table_set(&table, options, row, item, source, why, why_size);
    if (row->kind == KIND_TEXTS)
        options->environment_lists = copy; /* the paths point into it */
    else
        free(copy);
    return r;
}

/* ---- all together ---- */

int options_read(struct options *options, int argc, char **argv, char *why, size_t why_size)
{
    int r;

    *options = (struct options){.socket = "/run/tally/tally.sock",
        .socket_mode = 0660,
        .secrets_dir = "/var/run/secrets/tally",
        .max_stale_ms = 15 * 60 * 1000,
        .flight_timeout_ms = 5 * 60 * 1000,
        .grace_ms = 20 * 1000,
        .linger_ms = 1000,
        .max_buffer = 2 * 1024 * 1024,
        .log_level = LOG_LEVEL_INFO};
    r = option_table_read(&table, options, argc, argv, why, why_size);
    if (r == 0 && options->config_count == 0)
        options->config[options->config_count++] = "/etc/tally";
    return r;
}

void options_clear(struct options *options)
{
    free(options->environment_lists);
    options->environment_lists = NULL;
}

void options_help(FILE *out)
{
    fputs(
        "Usage: tallyd [--config PATH]... [--socket PATH] [options]\n"
        "       tallyd --check [--config PATH]...\n\n"
        "Counts DynamoDB items for KEDA's aws-dynamodb triggers with the pod's own identity, and\n"
        "answers 'tally' and libtally on a Unix socket. Runs in the foreground, logs to "
        "stderr.\n\n",
        out);
    option_table_help(&table, out);
    fputs("\nTimes take ms, s, m, h, at most 8760h. Each option can also be set in the "
          "environment, as\n"
          "TALLY_CONFIG (separated by colons), TALLY_SOCKET, TALLY_MAX_STALE and so on.\n"
          "Exit status: 0 after SIGTERM, 1 on a failure, 2 on bad usage or configuration.\n\n"
          "Example:\n"
          "  tallyd --config scaledobject.yaml --socket /tmp/tally.sock &\n"
          "  tally -s /tmp/tally.sock list\n",
        out);
}
