/* SPDX-License-Identifier: Apache-2.0 */
/* What --help prints, of the command and of each verb. */
#ifndef TALLY_CLIENT_CLI_VERBS_H
#define TALLY_CLIENT_CLI_VERBS_H

#include "client/cli/cli.h"

void help_print(FILE *file);
void help_print_verb(const struct verb *verb, FILE *file);

#endif
