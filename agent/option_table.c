/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/option_table.h"

#include "agent/option_value.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX       64
#define VARIABLE_BYTES 48

/* ---- one value ---- */

static bool option_take(const struct option_table *table, void *options,
    const struct option_row *row, const char *value)
{
    void *target = (char *)options + row->offset;

    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)target = value;
        return *value != '\0';
    case OPTION_FLAG:
    case OPTION_ACT:
        return option_value_flag(value, target);
    case OPTION_LEVEL:
        return option_value_level(value, target);
    case OPTION_FORMAT:
        return option_value_format(value, target);
    default:
        return table->take(options, row, value);
    }
}

int option_table_set(const struct option_table *table, void *options, const struct option_row *row,
    const char *value, const char *source, char *why, size_t why_size)
{
    static const char *const wanted[] = {[OPTION_TEXT] = "a text of at least one character",
        [OPTION_FLAG] = "true or false",
        [OPTION_ACT] = "true or false",
        [OPTION_LEVEL] = "error, warn, info or debug",
        [OPTION_FORMAT] = "logfmt or json"};

    if (option_take(table, options, row, value))
        return 0;
    snprintf(why, why_size, "%s: \"%.80s\" is not %s", source, value,
        row->kind < OPTION_OWN ? wanted[row->kind] : table->wanted[row->kind - OPTION_OWN]);
    return -EINVAL;
}

/* ---- the environment ---- */

static void option_variable(
    const struct option_table *table, const struct option_row *row, char *name, size_t size)
{
    snprintf(name, size, "%s%s", table->prefix, row->name);
    for (char *at = name; *at != '\0'; at++) {
        if (*at == '-')
            *at = '_';
        else if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    }
}

static int read_variables(
    const struct option_table *table, void *options, char *why, size_t why_size)
{
    int r = 0;

    for (const struct option_row *row = table->rows; row < table->rows + table->count && r == 0;
         row++) {
        char name[VARIABLE_BYTES];
        const char *value;

        option_variable(table, row, name, sizeof(name));
        value = getenv(name);
        if (value == NULL || *value == '\0' || row->kind == OPTION_ACT)
            continue;
        r = table->set_variable != NULL
                ? table->set_variable(options, row, value, name, why, why_size)
                : option_table_set(table, options, row, value, name, why, why_size);
    }
    return r;
}

/* ---- the command line ---- */

static const struct option_row *find_help(const struct option_table *table)
{
    size_t i = 0;

    while (strcmp(table->rows[i].name, "help") != 0)
        i++;
    return &table->rows[i];
}

static int refuse_option(
    const struct option_table *table, int option, const char *text, char *why, size_t why_size)
{
    snprintf(why, why_size,
        option == ':' ? "option %.80s requires an argument; see %s --help"
                      : "unknown option %.80s; see %s --help",
        text, table->program);
    return -EINVAL;
}

static int read_arguments(const struct option_table *table, void *options, int argc, char **argv,
    char *why, size_t why_size)
{
    struct option long_options[ROWS_MAX + 1] = {{0}};
    int index = 0, option, r = 0;

    for (size_t i = 0; i < table->count && i < ROWS_MAX; i++)
        long_options[i] = (struct option){table->rows[i].name,
            table->rows[i].argument == NULL ? no_argument : required_argument, NULL, 1};
    optind = 1;
    opterr = 0;
    while (r == 0 && (option = getopt_long(argc, argv, ":h", long_options, &index)) != -1) {
        const struct option_row *row = option == 'h' ? find_help(table) : &table->rows[index];
        char source[40];

        if (option != 'h' && option != 1)
            return refuse_option(table, option, argv[optind - 1], why, why_size);
        snprintf(source, sizeof(source), "--%s", row->name);
        if (table->before_argument != NULL)
            table->before_argument(options, row);
        r = option_table_set(
            table, options, row, row->argument == NULL ? "true" : optarg, source, why, why_size);
    }
    if (r == 0 && optind < argc) {
        snprintf(why, why_size, "%.80s: %s", argv[optind], table->no_operands);
        return -EINVAL;
    }
    return r;
}

int option_table_read(const struct option_table *table, void *options, int argc, char **argv,
    char *why, size_t why_size)
{
    int r = read_variables(table, options, why, why_size);

    return r == 0 ? read_arguments(table, options, argc, argv, why, why_size) : r;
}

void option_table_help(const struct option_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        char left[40];

        snprintf(left, sizeof(left), "--%s%s%s", row->name, row->argument != NULL ? " " : "",
            row->argument != NULL ? row->argument : "");
        fprintf(out, "  %-22s %s\n", left, row->help);
    }
}
