/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of tallyd and the TALLY_… environment. */
#ifndef TALLY_AGENT_OPTIONS_H
#define TALLY_AGENT_OPTIONS_H

#include "agent/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define OPTIONS_LIST_MAX 64 /* for each repeatable option */
#define OPTIONS_MAX      64

struct options {
    const char *config[OPTIONS_LIST_MAX]; /* files and folders; at least one */
    size_t config_count;
    const char *socket;
    mode_t socket_mode;
    bool has_socket_group;
    gid_t socket_group;
    uid_t uids[OPTIONS_LIST_MAX];
    size_t uid_count;
    gid_t gids[OPTIONS_LIST_MAX];
    size_t gid_count;
    const char *secrets_dir;
    double budget_rcu;       /* for an hour; 0: none */
    double price;            /* of a million read request units; 0: not given */
    const char *share_table; /* NULL: counts are not shared */
    bool imds;
    bool allow_http;
    bool allow_query;
    bool no_seccomp;
    int64_t max_stale_ms;
    int64_t min_age_ms;
    int64_t flight_timeout_ms;
    int64_t grace_ms;
    int64_t linger_ms;
    size_t max_buffer;
    enum log_level log_level;
    bool log_json;
    bool check;
    bool help;
    bool version;
    bool from_arguments[OPTIONS_MAX]; /* by row: the command line has the option */
    char *environment_lists;          /* the environment's lists point into it; owned */
};

/* Fills *options from the defaults, then the environment, then the arguments. 0, or -EINVAL with
 * one line in `why` on what is wrong and what to do. Texts are borrowed from both. */
int options_read(struct options *options, int argc, char **argv, char *why, size_t why_size);
void options_clear(struct options *options);

void options_help(FILE *out);

#endif
