/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include "agent/option_table.h"
#include "agent/option_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXT,
    KIND_TEXTS, /* repeatable; in the environment separated by colons */
    KIND_FLAG,
    KIND_DURATION,
    KIND_SIZE,
    KIND_UNITS,
    KIND_MODE,
    KIND_GROUP,
    KIND_UIDS, /* repeatable; in the environment separated by commas */
    KIND_GIDS,
    KIND_LEVEL,
    KIND_FORMAT,
};

/* One row for each option: reading, the environment's name and --help all come from it. */
static const struct option_row rows[] = {
#define AT(member) offsetof(struct options, member)
    {"config", KIND_TEXTS, AT(config), "PATH",
        "a file, or a folder with *.yaml *.yml *.json; repeatable [/etc/tally]"},
    {"check", KIND_FLAG, AT(check), NULL, "read and lint the configuration, print a table, exit"},
    {"socket", KIND_TEXT, AT(socket), "PATH", "where to listen [/run/tally/tally.sock]"},
    {"socket-mode", KIND_MODE, AT(socket_mode), "MODE", "its mode, octal [0660]"},
    {"socket-group", KIND_GROUP, AT(socket_group), "GROUP", "its group, a name or number"},
    {"allow-uid", KIND_UIDS, AT(uids), "UID", "serve this user only; repeatable"},
    {"allow-gid", KIND_GIDS, AT(gids), "GID", "serve this group only; repeatable"},
    {"secrets-dir", KIND_TEXT, AT(secrets_dir), "DIR",
        "where Secrets are mounted, DIR/<name>/<key> [/var/run/secrets/tally]"},
    {"share-table", KIND_TEXT, AT(share_table), "NAME",
        "count once for all agents that share this DynamoDB table"},
    {"budget", KIND_UNITS, AT(budget_rcu), "RCU/h",
        "read capacity units that all counts may use in an hour"},
    {"price-per-million-rru", KIND_UNITS, AT(price), "PRICE",
        "of a million read request units, for the cost of a month"},
    {"imds", KIND_FLAG, AT(imds), NULL, "also take credentials from the instance metadata service"},
    {"allow-http", KIND_FLAG, AT(allow_http), NULL,
        "plain http to DynamoDB endpoints that are not loopback"},
    {"allow-query", KIND_FLAG, AT(allow_query), NULL, "clients may ask ad-hoc queries"},
    {"max-stale", KIND_DURATION, AT(max_stale_ms), "TIME",
        "how old a count may be answered while AWS fails [15m]"},
    {"min-age", KIND_DURATION, AT(min_age_ms), "TIME",
        "no client gets a count fresher than this [0]"},
    {"flight-timeout", KIND_DURATION, AT(flight_timeout_ms), "TIME",
        "how long one count may take [5m]"},
    {"max-buffer", KIND_SIZE, AT(max_buffer), "BYTES",
        "what is kept for all connections together; K and M allowed [2M]"},
    {"grace", KIND_DURATION, AT(grace_ms), "TIME",
        "how long SIGTERM waits for clients that go on asking [20s]"},
    {"linger", KIND_DURATION, AT(linger_ms), "TIME",
        "how long it waits for more requests after the last one [1s]"},
    {"no-seccomp", KIND_FLAG, AT(no_seccomp), NULL, "do not filter system calls"},
    {"log-level", KIND_LEVEL, AT(log_level), "LEVEL", "error, warn, info or debug [info]"},
    {"log-format", KIND_FORMAT, AT(log_json), "FORMAT", "logfmt or json [logfmt]"},
    {"help", KIND_FLAG, AT(help), NULL, "print this, exit"},
    {"version", KIND_FLAG, AT(version), NULL, "print the version, exit"},
#undef AT
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int set_argument(void *options, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size);

static const struct option_table table = {.program = "tallyd",
    .prefix = "TALLY_",
    .no_operands = "tallyd takes options only; files go with --config",
    .rows = rows,
    .count = ROWS,
    .set = set_argument};

_Static_assert(ROWS <= OPTIONS_MAX, "options::from_arguments has a place for each");

/* ---- one value ---- */

/* What a value must be, for messages. */
static const char *const wanted[] = {
    [KIND_TEXT] = "a path",
    [KIND_TEXTS] = "a path, or there are more than 64",
    [KIND_FLAG] = "true or false",
    [KIND_DURATION] = "a time such as 500ms, 30s, 5m, 2h or 0, at most 8760h",
    [KIND_SIZE] = "a number of bytes such as 2M, from 64K to 1024M",
    [KIND_UNITS] = "a number above 0, such as 50000 or 0.125",
    [KIND_MODE] = "an octal mode such as 0660",
    [KIND_GROUP] = "a group of this system, nor a number",
    [KIND_UIDS] = "a numeric id, or there are more than 64",
    [KIND_GIDS] = "a numeric id, or there are more than 64",
    [KIND_LEVEL] = "error, warn, info or debug",
    [KIND_FORMAT] = "logfmt or json",
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

static bool options_take(struct options *options, const struct option_row *row, const char *value)
{
    void *target = (char *)options + row->offset;

    switch ((enum kind)row->kind) {
    case KIND_TEXT:
        *(const char **)target = value;
        return *value != '\0';
    case KIND_TEXTS:
        return add_text(options, value);
    case KIND_FLAG:
        return option_value_flag(value, target);
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
    case KIND_LEVEL:
        return option_value_level(value, target);
    case KIND_FORMAT:
        return option_value_format(value, target);
    }
    return false;
}

/* Sets the option of `row`; `source` names it in messages. */
static int set(struct options *options, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size)
{
    if (options_take(options, row, value))
        return 0;
    snprintf(why, why_size, "%s: \"%.80s\" is not %s", source, value, wanted[row->kind]);
    return -EINVAL;
}

/* ---- the environment ---- */

static const char *separators(int kind)
{
    if (kind == KIND_TEXTS)
        return ":";
    return kind == KIND_UIDS || kind == KIND_GIDS ? "," : NULL;
}

static int set_list(struct options *options, const struct option_row *row, const char *value,
    const char *name, char *why, size_t why_size)
{
    char *copy = strdup(value), *rest = copy, *item;
    int r = 0;

    if (copy == NULL)
        return -ENOMEM;
    while (r == 0 && (item = strsep(&rest, separators(row->kind))) != NULL)
        if (*item != '\0')
            r = set(options, row, item, name, why, why_size);
    if (row->kind == KIND_TEXTS)
        options->environment_lists = copy; /* the paths point into it */
    else
        free(copy);
    return r;
}

/* An empty variable counts as unset, as AWS's own do. */
static int options_read_environment(struct options *options, char *why, size_t why_size)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &rows[i];
        const char *value;
        char name[OPTION_VARIABLE_BYTES];
        int r;

        option_table_variable(&table, row, name, sizeof(name));
        value = getenv(name);
        if (value == NULL || *value == '\0' || row->offset == offsetof(struct options, help) ||
            row->offset == offsetof(struct options, version) ||
            row->offset == offsetof(struct options, check))
            continue;
        r = separators(row->kind) != NULL ? set_list(options, row, value, name, why, why_size)
                                          : set(options, row, value, name, why, why_size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the arguments ---- */

/* A repeatable option on the command line replaces what the environment listed. */
static void forget_environment(struct options *options, const struct option_row *row)
{
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

static int set_argument(void *options, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size)
{
    forget_environment(options, row);
    return set(options, row, value, source, why, why_size);
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
    r = options_read_environment(options, why, why_size);
    if (r == 0)
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
