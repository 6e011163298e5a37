/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the command, each in the file of its name or of its family; they return the exit
 * code. */
#ifndef TALLY_CLI_VERBS_H
#define TALLY_CLI_VERBS_H

#include "client/cli/cli.h"

int run_call(struct cli *cli);
int run_count(struct cli *cli);
int run_doctor(struct cli *cli);
int run_explain(struct cli *cli);
int run_install(struct cli *cli);
int run_list(struct cli *cli);
int run_ping(struct cli *cli);
int run_query(struct cli *cli);
int run_ready(struct cli *cli);
int run_sockets(struct cli *cli);
int run_status(struct cli *cli);
int run_top(struct cli *cli);
int run_wait(struct cli *cli);
int run_watch(struct cli *cli);
int run_whoami(struct cli *cli);

/* Runs the verb with each agent that `tally sockets` finds, under a heading for each; with -o json
 * as one object by the path of the socket. The largest of the exit codes. */
int sockets_run_all(struct cli *cli, int (*run)(struct cli *cli));

#endif
