/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/option_table.h"

#include "proto/duration.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_MAX       64
#define VARIABLE_BYTES 48

#define UNITS_MAX    1e15
#define UNITS_DIGITS 40

#define SIZE_LEAST (64ul * 1024)
#define SIZE_MOST  (1024ul * 1024 * 1024)

/* ---- values ---- */

/* The number at the start of the text: what follows it, or NULL. */
static const char *option_read_digits(const char *text, int base, unsigned long *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return NULL;
    errno = 0;
    *number = strtoul(text, &end, base);
    return errno == 0 ? end : NULL;
}

/* A whole number up to the end of the text. */
static bool read_number(const char *text, int base, unsigned long max, unsigned long *number)
{
    const char *end = option_read_digits(text, base, number);

    return end != NULL && *end == '\0' && *number <= max;
}

bool option_value_size(const char *text, size_t *size)
{
    unsigned long number, unit = 1;
    const char *end = option_read_digits(text, 10, &number);

    if (end == NULL || number > SIZE_MOST)
        return false;
    if (*end == 'K' || *end == 'k')
        unit = 1024, end++;
    else if (*end == 'M' || *end == 'm')
        unit = 1024 * 1024, end++;
    if (*end != '\0' || number > SIZE_MOST / unit || number * unit < SIZE_LEAST)
        return false;
    *size = number * unit;
    return true;
}

bool option_value_duration(const char *text, int64_t *ms)
{
    size_t len = strlen(text);

    if (!duration_parse(text, ms))
        return false;
    return *ms == 0 || text[len - 1] < '0' || text[len - 1] > '9';
}

bool option_value_units(const char *text, double *units)
{
    char *end = NULL;

    if (text[strspn(text, "0123456789.")] != '\0' || strlen(text) > UNITS_DIGITS)
        return false;
    *units = strtod(text, &end);
    return end != text && *end == '\0' && *units > 0 && *units <= UNITS_MAX;
}

bool option_value_mode(const char *text, mode_t *mode)
{
    unsigned long number;

    if (!read_number(text, 8, 0777, &number))
        return false;
    *mode = (mode_t)number;
    return true;
}

/* The largest number means "no id": it never belongs to a user. */
bool option_value_id(const char *text, uint32_t *id)
{
    unsigned long number;

    if (!read_number(text, 10, UINT32_MAX - 1, &number))
        return false;
    *id = (uint32_t)number;
    return true;
}

bool option_value_group(const char *text, gid_t *gid)
{
    const struct group *group;

    if (option_value_id(text, gid))
        return true;
    group = getgrnam(text);
    if (group != NULL)
        *gid = group->gr_gid;
    return group != NULL;
}

bool option_value_flag(const char *text, bool *flag)
{
    static const char *const yes[] = {"1", "true", "yes"};
    static const char *const no[] = {"", "0", "false", "no"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (strcasecmp(text, yes[i]) == 0)
            return *flag = true;
    *flag = false;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strcasecmp(text, no[i]) == 0)
            return true;
    return false;
}

bool option_value_level(const char *text, enum log_level *level)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcasecmp(text, log_level_name((enum log_level)i)) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool option_value_format(const char *text, bool *is_json)
{
    *is_json = strcasecmp(text, "json") == 0;
    return *is_json || strcasecmp(text, "logfmt") == 0;
}

/* ---- one option ---- */

static bool option_take(const struct option_table *table, void *options,
    const struct option_row *row, const char *value)
{
    void *target = (char *)options + row->offset;

    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)target = value;
        return *value != '\0';
    case OPTION_FLAG:
    case OPTION_ACTION:
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
    static const char *const wanted[] = {[OPTION_FLAG] = "true or false",
        [OPTION_ACTION] = "true or false",
        [OPTION_LEVEL] = "error, warn, info or debug",
        [OPTION_FORMAT] = "logfmt or json"};

    if (option_take(table, options, row, value))
        return 0;
    if (row->kind == OPTION_TEXT)
        snprintf(why, why_size, "option %s requires a non-empty %s", source, row->argument);
    else
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
        if (value == NULL || *value == '\0' || row->kind == OPTION_ACTION)
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
