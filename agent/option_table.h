/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a program as a table: the command line, the names in the environment and --help
 * all come from it. What a value may be is the program's own. */
#ifndef TALLY_AGENT_OPTION_TABLE_H
#define TALLY_AGENT_OPTION_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct option_row {
    const char *name;
    int kind;             /* the program's own */
    size_t offset;        /* of the value in the program's options */
    const char *argument; /* in --help; NULL: a flag */
    const char *help;
};

struct option_table {
    const char *program;           /* in messages */
    const char *prefix;            /* of the variables, such as "TALLY_" */
    const char *no_operands;       /* why an operand is refused */
    const struct option_row *rows; /* one is named "help", which -h is, too */
    size_t count;

    /* Sets an option that the command line has; `source` names it in messages. Flags have the value
     * "true". 0, or a negative errno with a reason in `why`. */
    int (*set)(void *options, const struct option_row *row, const char *value, const char *source,
        char *why, size_t why_size);
};

#define OPTION_VARIABLE_BYTES 48

/* The variable of a row: its name in capitals behind the prefix, with _ for -. */
void option_table_variable(
    const struct option_table *table, const struct option_row *row, char *name, size_t size);

/* 0, or a negative errno with one line in `why`. */
int option_table_read(const struct option_table *table, void *options, int argc, char **argv,
    char *why, size_t why_size);

/* One line for each option. */
void option_table_help(const struct option_table *table, FILE *out);

#endif
