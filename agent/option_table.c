/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/option_table.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define ROWS_MAX 64

void option_table_variable(
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

int option_table_read(const struct option_table *table, void *options, int argc, char **argv,
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
        r = table->set(
            options, row, row->argument == NULL ? "true" : optarg, source, why, why_size);
    }
    if (r == 0 && optind < argc) {
        snprintf(why, why_size, "%.80s: %s", argv[optind], table->no_operands);
        return -EINVAL;
    }
    return r;
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
