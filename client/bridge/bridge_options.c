/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/bridge_options.h"

#include "agent/option_table.h"
#include "agent/option_value.h"
#include "client/bridge/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum bridge_kind { KIND_TEXT, KIND_ADDRESS, KIND_FLAG, KIND_LEVEL, KIND_FORMAT };

/* One row for each option: reading, the environment's name and --help all come from it. */
static const struct option_row bridge_rows[] = {
#define AT(member) offsetof(struct bridge_options, member)
    {"socket", KIND_TEXT, AT(socket), "PATH", "the agent's socket [/run/tally/tally.sock]"},
    {"listen", KIND_ADDRESS, AT(listen), "ADDRESS:PORT",
        "where to serve; IPv6 in brackets, port 0: any [127.0.0.1:6000]"},
    {"namespace", KIND_TEXT, AT(namespace), "NAME", "serve the ScaledObjects of this one only"},
    {"tls-cert", KIND_TEXT, AT(tls_cert), "FILE", "certificate chain, PEM; with --tls-key"},
    {"tls-key", KIND_TEXT, AT(tls_key), "FILE", "its private key, PEM"},
    {"client-ca", KIND_TEXT, AT(client_ca), "FILE", "clients need a certificate of these, PEM"},
    {"token-file", KIND_TEXT, AT(token_file), "FILE",
        "the bearer token that /metrics and /v1/... need"},
    {"check", KIND_FLAG, AT(check), NULL, "try options, files and the agent, exit"},
    {"no-seccomp", KIND_FLAG, AT(no_seccomp), NULL, "do not filter system calls"},
    {"log-level", KIND_LEVEL, AT(log_level), "LEVEL", "error, warn, info or debug [info]"},
    {"log-format", KIND_FORMAT, AT(log_json), "FORMAT", "logfmt or json [logfmt]"},
    {"help", KIND_FLAG, AT(help), NULL, "print this, exit"},
    {"version", KIND_FLAG, AT(version), NULL, "print the version, exit"},
#undef AT
};

#define BRIDGE_ROWS (sizeof(bridge_rows) / sizeof(bridge_rows[0]))

/* What a value must be, for messages. */
static const char *const bridge_wanted[] = {
    [KIND_TEXT] = "a text that is not empty",
    [KIND_ADDRESS] = "an address such as 0.0.0.0:6000 or [::]:6000",
    [KIND_FLAG] = "true or false",
    [KIND_LEVEL] = "error, warn, info or debug",
    [KIND_FORMAT] = "logfmt or json",
};

static bool bridge_take_value(
    struct bridge_options *options, const struct option_row *row, const char *value)
{
    void *target = (char *)options + row->offset;
    switch ((enum bridge_kind)row->kind) {
    case KIND_TEXT:
        *(const char **)target = value;
        return *value != '\0';
    case KIND_ADDRESS:
        *(const char **)target = value;
        return listener_is_address(value);
    case KIND_FLAG:
        return option_value_flag(value, target);
    case KIND_LEVEL:
        return option_value_level(value, target);
    case KIND_FORMAT:
        return option_value_format(value, target);
    }
    return false;
}

/* `source` names the option in messages. */
static int bridge_set(void *options, const struct option_row *row, const char *value,
    const char *source, char *why, size_t why_size)
{
    if (bridge_take_value(options, row, value))
        return 0;
    snprintf(why, why_size, "%s: \"%.80s\" is not %s", source, value, bridge_wanted[row->kind]);
    return -EINVAL;
}

static const struct option_table bridge_table = {.program = "tally-bridge",
    .prefix = "TALLY_BRIDGE_",
    .no_operands = "tally-bridge takes options only",
    .rows = bridge_rows,
    .count = BRIDGE_ROWS,
    .set = bridge_set};

/* What to do, rather than how, is not in the environment. */
static bool bridge_is_act(const struct option_row *row)
{
    return row->offset == offsetof(struct bridge_options, check) ||
           row->offset == offsetof(struct bridge_options, help) ||
           row->offset == offsetof(struct bridge_options, version);
}

/* An empty variable counts as unset. */
static int bridge_read_environment(struct bridge_options *options, char *why, size_t why_size)
{
    int r = 0;
    for (size_t i = 0; i < BRIDGE_ROWS && r == 0; i++) {
        char name[OPTION_VARIABLE_BYTES];
        option_table_variable(&bridge_table, &bridge_rows[i], name, sizeof(name));
        const char *value = getenv(name);
        if (value != NULL && *value != '\0' && !bridge_is_act(&bridge_rows[i]))
            r = bridge_set(options, &bridge_rows[i], value, name, why, why_size);
    }
    return r;
}

/* What one option needs of another. */
static int bridge_check_pairs(const struct bridge_options *options, char *why, size_t why_size)
{
    if ((options->tls_cert == NULL) != (options->tls_key == NULL))
        snprintf(why, why_size, "--tls-cert and --tls-key are needed together");
    else if (options->client_ca != NULL && options->tls_cert == NULL)
        snprintf(why, why_size, "--client-ca needs --tls-cert and --tls-key");
    else
        return 0;
    return -EINVAL;
}

int bridge_options_read(
    struct bridge_options *options, int argc, char **argv, char *why, size_t why_size)
{
    *options = (struct bridge_options){.listen = "127.0.0.1:6000", .log_level = LOG_LEVEL_INFO};
    int r = bridge_read_environment(options, why, why_size);
    if (r == 0)
        r = option_table_read(&bridge_table, options, argc, argv, why, why_size);
    return r == 0 ? bridge_check_pairs(options, why, why_size) : r;
}

void bridge_options_help(FILE *out)
{
    fputs("Usage: tally-bridge [--socket PATH] [--listen ADDRESS:PORT] [options]\n\n"
          "Serves the counts of a tally agent to KEDA (external scaler, metrics-api), to\n"
          "Prometheus and to curl, on one TCP port. Runs in the foreground, logs to stderr.\n\n",
        out);
    option_table_help(&bridge_table, out);
    fputs("\nEach option but --check, --help and --version can also be set in the environment, as\n"
          "TALLY_BRIDGE_SOCKET, TALLY_BRIDGE_LISTEN and so on; the command line wins.\n"
          "Exit status: 0 after SIGTERM, 1 on a failure, 2 on bad usage.\n\n"
          "Example:\n"
          "  tally-bridge --socket /run/tally/tally.sock --listen 0.0.0.0:6000\n"
          "  curl http://127.0.0.1:6000/v1/count/shop/orders\n",
        out);
}
