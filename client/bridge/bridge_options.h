/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of tally-bridge and the TALLY_BRIDGE_… environment. */
#ifndef TALLY_BRIDGE_BRIDGE_OPTIONS_H
#define TALLY_BRIDGE_BRIDGE_OPTIONS_H

#include "agent/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct bridge_options { /* texts are borrowed from the arguments and the environment */
    const char *socket; /* NULL: libtally's default */
    const char *listen;
    const char *namespace; /* NULL: any */
    const char *tls_cert, *tls_key, *client_ca;
    const char *token_file;
    enum log_level log_level;
    bool log_json;
    bool no_seccomp;
    bool check, help, version;
};

/* Fills *options from the defaults, then the environment, then the arguments. 0, or -EINVAL with
 * one line in `why` on what is wrong and what to do. */
int bridge_options_read(
    struct bridge_options *options, int argc, char **argv, char *why, size_t why_size);

void bridge_options_help(FILE *out);

#endif
