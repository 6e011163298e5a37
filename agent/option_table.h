/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a program as a table: the command line, the names in the environment and --help
 * all come from it. */
#ifndef TALLY_AGENT_OPTION_TABLE_H
#define TALLY_AGENT_OPTION_TABLE_H

#include "agent/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* ---- option value ---- */

/* Option values, as users write them: each function parses a whole text, and returns
 * whether it is valid. */

/* A number of bytes, at least 64 KiB; K and M allowed. */
bool option_value_size(const char *text, size_t *size);

/* As pollingInterval and similar: a unit is required, except for 0. */
bool option_value_duration(const char *text, int64_t *ms);

/* A number above 0 and at most 1e15, with or without a fraction. */
bool option_value_units(const char *text, double *units);

bool option_value_mode(const char *text, mode_t *mode); /* octal, at most 0777 */
bool option_value_id(const char *text, uint32_t *id);   /* of a user or group */
bool option_value_group(const char *text, gid_t *gid);  /* a number, or a name of this system */
/* Case-insensitive. */
bool option_value_flag(const char *text, bool *flag); /* 1, true, yes; 0, false, no, "" */
bool option_value_level(const char *text, enum log_level *level);
bool option_value_format(const char *text, bool *is_json); /* json, logfmt */

/* ---- option table ---- */

enum option_kind {
    OPTION_TEXT,   /* const char *, borrowed */
    OPTION_FLAG,   /* bool */
    OPTION_ACTION, /* bool: such as --help, which is not read from the environment */
    OPTION_LEVEL,  /* enum log_level */
    OPTION_FORMAT, /* bool: JSON */
    OPTION_OWN,    /* the first of the program's own kinds */
};

struct option_row {
    const char *name;
    int kind;
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

    /* Of the program's own kinds: sets an option, and returns whether the value is valid; and what
     * a valid one is, for messages. */
    bool (*take)(void *options, const struct option_row *row, const char *value);
    const char *const *wanted;

    /* NULL, or: sets an option that the environment has, instead of option_table_set; and is called
     * before each option of the command line. */
    int (*set_variable)(void *options, const struct option_row *row, const char *value,
        const char *source, char *why, size_t why_size);
    void (*before_argument)(void *options, const struct option_row *row);
};

/* Sets an option; `source` names it in messages. 0, or -EINVAL with one line in `why`. */
int option_table_set(const struct option_table *table, void *options, const struct option_row *row,
    const char *value, const char *source, char *why, size_t why_size);

/* Sets what the environment has, then what the command line has; texts are borrowed from both. A
 * variable has the name of its option in capitals behind the prefix, with _ for -; if it is empty
 * it counts as unset, as AWS's own do. 0, or a negative errno with one line in `why`. */
int option_table_read(const struct option_table *table, void *options, int argc, char **argv,
    char *why, size_t why_size);

/* One line for each option. */
void option_table_help(const struct option_table *table, FILE *out);

#endif
