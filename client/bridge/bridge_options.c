/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/bridge_options.h"

#include "agent/option_table.h"
#include "client/bridge/listener.h"

#include <errno.h>

#define KIND_ADDRESS OPTION_OWN

/* One row for each option: reading, the environment's name and --help all come from it. */
static const struct option_row bridge_rows[] = {
#define AT(member) offsetof(struct bridge_options, member)
    {"socket", OPTION_TEXT, AT(socket), "PATH", "the agent's socket [/run/tally/tally.sock]"},
    {"listen", KIND_ADDRESS, AT(listen), "ADDRESS:PORT",
        "where to serve; IPv6 in brackets, port 0: any [127.0.0.1:6000]"},
    {"namespace", OPTION_TEXT, AT(namespace), "NAME", "serve the ScaledObjects of this one only"},
    {"tls-cert", OPTION_TEXT, AT(tls_cert), "FILE", "certificate chain, PEM; with --tls-key"},
    {"tls-key", OPTION_TEXT, AT(tls_key), "FILE", "its private key, PEM"},
    {"client-ca", OPTION_TEXT, AT(client_ca), "FILE", "clients need a certificate of these, PEM"},
    {"token-file", OPTION_TEXT, AT(token_file), "FILE",
        "the bearer token that /metrics and /v1/... need"},
    {"check", OPTION_ACTION, AT(check), NULL, "try options, files and the agent, exit"},
    {"no-seccomp", OPTION_FLAG, AT(no_seccomp), NULL, "do not filter system calls"},
    {"log-level", OPTION_LEVEL, AT(log_level), "LEVEL", "error, warn, info or debug [info]"},
    {"log-format", OPTION_FORMAT, AT(log_json), "FORMAT", "logfmt or json [logfmt]"},
    {"help", OPTION_ACTION, AT(help), NULL, "print this, exit"},
    {"version", OPTION_ACTION, AT(version), NULL, "print the version, exit"},
#undef AT
};

#define BRIDGE_ROWS (sizeof(bridge_rows) / sizeof(bridge_rows[0]))

static bool bridge_take(void *options, const struct option_row *row, const char *value)
{
    *(const char **)((char *)options + row->offset) = value;
    return listener_is_address(value);
}

static const char *const bridge_wanted[] = {"an address such as 0.0.0.0:6000 or [::]:6000"};

static const struct option_table bridge_table = {.program = "tally-bridge",
    .prefix = "TALLY_BRIDGE_",
    .no_operands = "tally-bridge takes options only",
    .rows = bridge_rows,
    .count = BRIDGE_ROWS,
    .take = bridge_take,
    .wanted = bridge_wanted};

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
    int r = option_table_read(&bridge_table, options, argc, argv, why, why_size);
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
