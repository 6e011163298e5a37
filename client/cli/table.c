/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/table.h"
#include "client/cli/cli.h"
#include "client/cli/terminal.h"

#include "proto/buffer.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- bar ---- */

static size_t bar_eighths(int64_t value, int64_t scale, size_t columns)
{
    if (value <= 0 || scale <= 0)
        return 0;
    if (value >= scale)
        return columns * 8;
    size_t filled = (size_t)((double)value / (double)scale * (double)columns * 8);
    return filled > 0 ? filled : 1;
}

void bar_draw(int64_t value, int64_t scale, size_t columns, bool utf8, char *text, size_t size)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    size_t filled = bar_eighths(value, scale, columns), used = 0;

    text[0] = '\0';
    while (filled > 0) {
        size_t part = filled < 8 ? filled : 8;
        const char *drawn = utf8 ? parts[part] : "#";
        size_t len = strlen(drawn);

        if (used + len >= size)
            return;
        memcpy(text + used, drawn, len + 1);
        used += len;
        filled -= part;
    }
}

/* ---- table ---- */

#define TABLE_CUT_LEAST 12 /* no text is cut to fewer columns */

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->used; i++)
        free(table->cells[i]);
    free(table->cells);
    table_init(table);
}

void table_column(struct table *table, const char *head, bool right)
{
    if (table->columns == TABLE_COLUMNS_MAX)
        return;
    table->heads[table->columns] = head;
    table->right[table->columns++] = right;
}

/* Takes ownership of `text`. */
static void table_add_owned(struct table *table, char *text)
{
    table->cells = memory_need(
        array_grow(table->cells, table->used, &table->capacity, sizeof(*table->cells)));
    table->cells[table->used++] = memory_need(text);
}

void table_add(struct table *table, const char *text)
{
    table_add_owned(table, strdup(text != NULL ? text : ""));
}

void table_addf(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        memory_exhausted();
    va_end(arguments);
    table_add_owned(table, text);
}

void table_add_integer(struct table *table, const struct json *map, const char *key)
{
    int64_t number = 0;

    if (json_get_integer(map, key, &number))
        table_addf(table, "%" PRId64, number);
    else
        table_add(table, "-");
}

void table_add_duration(struct table *table, const struct json *map, const char *key)
{
    char text[32] = "-";
    int64_t number = 0;

    if (json_get_integer(map, key, &number))
        duration_format(number, text, sizeof(text));
    table_add(table, text);
}

void table_print_cell(FILE *file, const char *text, size_t width, bool right, bool last)
{
    size_t taken = terminal_width(text);
    int padding = (int)(width > taken ? width - taken : 0);

    if (right)
        terminal_print(file, "%*s", padding, "");
    terminal_print_cut(file, text, width);
    if (!right && !last)
        terminal_print(file, "%*s", padding, "");
    terminal_print(file, last ? "\n" : "  ");
}

static void table_print_row(const struct table *table, FILE *file, const char *const *cells,
    const size_t *widths, int indent)
{
    size_t last = 0;

    for (size_t column = 0; column < table->columns; column++) {
        if (widths[column] > 0)
            last = column;
    }
    terminal_print(file, "%*s", indent, "");
    for (size_t column = 0; column <= last; column++) {
        if (widths[column] > 0)
            table_print_cell(
                file, cells[column], widths[column], table->right[column], column == last);
    }
}

static size_t table_width(const struct table *table, const size_t *widths)
{
    size_t total = 0;

    for (size_t column = 0; column < table->columns; column++) {
        if (widths[column] > 0)
            total += widths[column] + (total > 0 ? 2 : 0);
    }
    return total;
}

/* The widest column of text that can be narrower; columns: none. */
static size_t table_widest_text(const struct table *table, const size_t *widths)
{
    size_t widest = table->columns, least = TABLE_CUT_LEAST;

    for (size_t column = 0; column < table->columns; column++) {
        if (!table->right[column] && widths[column] > least) {
            widest = column;
            least = widths[column];
        }
    }
    return widest;
}

/* Makes the columns fit on a terminal: texts are cut, the widest first, and then the columns at the
 * right, which matter least, are omitted. */
static void table_fit(const struct table *table, size_t *widths, size_t room)
{
    size_t column;

    while (table_width(table, widths) > room &&
           (column = table_widest_text(table, widths)) < table->columns)
        widths[column]--;
    for (column = table->columns; column-- > 1 && table_width(table, widths) > room;)
        widths[column] = 0;
}

void table_print(const struct table *table, FILE *file, int indent)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    if (table->columns == 0)
        return;
    size_t rows = table->used / table->columns;
    for (size_t i = 0; i < rows * table->columns; i++) {
        size_t width = terminal_width(table->cells[i]);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t column = 0; column < table->columns; column++) {
        size_t width = terminal_width(table->heads[column]);

        if (widths[column] > 0 && width > widths[column])
            widths[column] = width;
    }
    if (terminal_is_seen(file)) {
        size_t columns, lines;

        terminal_size(file, &columns, &lines);
        table_fit(table, widths, columns > (size_t)indent ? columns - (size_t)indent : 1);
    }
    terminal_print(file, "%s", terminal_colour(file, COLOUR_BOLD));
    table_print_row(table, file, table->heads, widths, indent);
    terminal_print(file, "%s", terminal_reset(file));
    for (size_t row = 0; row < rows; row++)
        table_print_row(
            table, file, (const char *const *)&table->cells[row * table->columns], widths, indent);
}

/* ---- tree ---- */

#define MS_MAX 1e15 /* 30,000 years: longer times, and NaN, are not valid */

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static const char *const units[] = {"_ms", "_kb", "_bytes"};

void tree_label(const char *key, char *text, size_t size)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (has_suffix(key, units[i]))
            len -= strlen(units[i]);
    }
    snprintf(text, size, "%.*s", (int)len, key);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '_')
            *at = ' ';
    }
}

static void tree_format_grouped(int64_t number, char *text, size_t size)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, number);
    int start = number < 0;
    size_t used = 0;

    for (int i = 0; i < len && used + 2 < size; i++) {
        if (i > start && (len - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

static void tree_format_fraction(double milliseconds, char *text, size_t size)
{
    if (milliseconds >= 1000 && milliseconds < MS_MAX)
        duration_format((int64_t)milliseconds, text, size);
    else
        snprintf(text, size, "%.3g ms", milliseconds);
}

static void tree_append_unit(const char *key, char *text, size_t size)
{
    size_t used = strlen(text);

    if (has_suffix(key, "_kb"))
        snprintf(text + used, size - used, " kB");
    else if (has_suffix(key, "_bytes"))
        snprintf(text + used, size - used, " bytes");
}

static void tree_join(const struct json *array, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < json_size(array) && used + 1 < size; i++) {
        char item[256];

        tree_value("", json_at(array, i), item, sizeof(item));
        int n = snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", item);
        used += n > 0 ? (size_t)n : 0;
    }
}

void tree_expiry(int64_t left_ms, char *text, size_t size)
{
    int64_t magnitude = left_ms >= 0 ? left_ms : left_ms == INT64_MIN ? INT64_MAX : -left_ms;
    char when[32];

    duration_format(magnitude, when, sizeof(when));
    snprintf(text, size, left_ms < 0 ? "expired %s ago" : "expires in %s", when);
}

/* An error map of the protocol: shown as one sentence. */
static bool tree_is_error(const struct json *value)
{
    return json_kind(value) == JSON_KIND_MAP && json_get(value, "name") != NULL &&
           json_get(value, "message") != NULL && json_get(value, "code") != NULL;
}

void tree_error(const struct json *error, char *text, size_t size)
{
    const char *code = json_get_string(error, "aws.code", "");
    const char *request_id = json_get_string(error, "aws.request_id", "");
    bool both = code[0] != '\0' && request_id[0] != '\0';
    bool any = code[0] != '\0' || request_id[0] != '\0';

    snprintf(text, size, "%s: %s%s%s%s%s%s", json_get_string(error, "name", "UNKNOWN"),
        json_get_string(error, "message", "no reason given"), any ? " [" : "", code,
        both ? ", " : "", request_id, any ? "]" : "");
}

/* A map inside a table's cell or a list: "key value, key value". */
static void tree_join_map(const struct json *map, char *text, size_t size)
{
    const struct json *value;
    const char *key;
    size_t used = 0;

    for (void *at = NULL; used + 1 < size && json_next(map, &at, &key, &value);) {
        char label[64], item[256];

        tree_label(key, label, sizeof(label));
        tree_value(key, value, item, sizeof(item));
        int n = snprintf(text + used, size - used, "%s%s %s", used > 0 ? ", " : "", label, item);
        used += n > 0 ? (size_t)n : 0;
    }
}

void tree_value(const char *key, const struct json *value, char *text, size_t size)
{
    int64_t integer = json_get_integer_or(value, "", 0);
    double real = json_get_real_or(value, "", 0);

    text[0] = '\0';
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        snprintf(text, size, "-");
        return;
    case JSON_KIND_BOOL:
        snprintf(text, size, "%s", json_get_bool(value, "", false) ? "yes" : "no");
        return;
    case JSON_KIND_INTEGER:
        if (has_suffix(key, "_ms"))
            duration_format(integer, text, size);
        else if (strcmp(key, "pid") == 0 || has_suffix(key, "id"))
            snprintf(text, size, "%" PRId64, integer);
        else
            tree_format_grouped(integer, text, size);
        tree_append_unit(key, text, size);
        return;
    case JSON_KIND_REAL:
        if (has_suffix(key, "_ms"))
            tree_format_fraction(real, text, size);
        else
            snprintf(text, size, "%.10g", real);
        return;
    case JSON_KIND_STRING:
        snprintf(text, size, "%s", json_get_string(value, "", ""));
        return;
    case JSON_KIND_ARRAY:
        tree_join(value, text, size);
        return;
    case JSON_KIND_MAP:
        if (tree_is_error(value))
            tree_error(value, text, size);
        else
            tree_join_map(value, text, size);
        return;
    }
}

/* `without` ends with NULL; NULL: nothing is left out. */
static bool tree_is_left_out(const char *const *without, const char *key)
{
    for (; without != NULL && *without != NULL; without++) {
        if (strcmp(*without, key) == 0)
            return true;
    }
    return false;
}

static bool tree_is_section(const struct json *value)
{
    if (json_kind(value) == JSON_KIND_ARRAY)
        return json_size(value) > 0 && json_kind(json_at(value, 0)) == JSON_KIND_MAP;
    return json_kind(value) == JSON_KIND_MAP && !tree_is_error(value);
}

static void tree_add_heads(struct table *table, const struct json *map)
{
    const struct json *value;
    const char *key;

    for (void *at = NULL; json_next(map, &at, &key, &value);) {
        enum json_kind kind = json_kind(value);
        size_t i = 0;

        while (i < table->columns && strcmp(table->heads[i], key) != 0)
            i++;
        if (i == table->columns)
            table_column(table, key, kind == JSON_KIND_INTEGER || kind == JSON_KIND_REAL);
    }
}

void tree_table(FILE *file, const struct json *array, int indent)
{
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < json_size(array); i++)
        tree_add_heads(&table, json_at(array, i));
    for (size_t i = 0; i < json_size(array); i++) {
        for (size_t column = 0; column < table.columns; column++) {
            char text[256] = "";
            const struct json *value = json_get(json_at(array, i), table.heads[column]);

            if (value != NULL)
                tree_value(table.heads[column], value, text, sizeof(text));
            table_add(&table, text);
        }
    }
    char labels[TABLE_COLUMNS_MAX][64];
    for (size_t column = 0; column < table.columns; column++) {
        tree_label(table.heads[column], labels[column], sizeof(labels[column]));
        table.heads[column] = labels[column];
    }
    table_print(&table, file, indent);
    table_free(&table);
}

/* The width of the labels of what tree_print_map prints in lines. */
static size_t tree_label_width(const struct json *map, const char *const *without)
{
    const struct json *value;
    const char *key;
    size_t widest = 0;

    for (void *at = NULL; json_next(map, &at, &key, &value);) {
        char label[64];

        if (tree_is_section(value) || tree_is_left_out(without, key))
            continue;
        tree_label(key, label, sizeof(label));
        size_t width = terminal_width(label);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* `milliseconds`: the map's key ends in _ms, so that its fractions are milliseconds. */
static void tree_print_map(
    FILE *file, const struct json *map, int indent, const char *const *without, bool milliseconds)
{
    const struct json *value;
    const char *key;
    size_t width = tree_label_width(map, without);

    for (void *at = NULL; json_next(map, &at, &key, &value);) {
        bool fraction = json_kind(value) == JSON_KIND_REAL;
        char label[64], text[1024];

        if (tree_is_section(value) || tree_is_left_out(without, key))
            continue;
        tree_label(key, label, sizeof(label));
        tree_value(milliseconds && fraction ? "_ms" : key, value, text, sizeof(text));
        terminal_print(file, "%*s%s", indent, "", label);
        terminal_print(file, "%*s  ", (int)(width - terminal_width(label)), "");
        terminal_print_wrapped(file, text, (size_t)indent + width + 2);
        terminal_print(file, "\n");
    }
    for (void *at = NULL; json_next(map, &at, &key, &value);) {
        char label[64];

        if (!tree_is_section(value) || tree_is_left_out(without, key))
            continue;
        tree_label(key, label, sizeof(label));
        terminal_print(file, "%*s", indent, "");
        terminal_print_coloured(file, COLOUR_BOLD, label);
        terminal_print(file, "\n");
        if (json_kind(value) == JSON_KIND_ARRAY)
            tree_table(file, value, indent + 2);
        else
            tree_print_map(file, value, indent + 2, NULL, has_suffix(key, "_ms"));
    }
}

void tree_print(FILE *file, const struct json *map, int indent, const char *const *without)
{
    tree_print_map(file, map, indent, without, false);
}
