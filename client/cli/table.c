/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/table.h"
#include "client/cli/cli.h"
#include "client/cli/terminal.h"

#include "proto/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- bar ---- */

static size_t eighths(int64_t value, int64_t scale, size_t columns)
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
    size_t filled = eighths(value, scale, columns), used = 0;

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
static void add_owned(struct table *table, char *text)
{
    if (table->used == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = memory_need(realloc(table->cells, table->capacity * sizeof(*table->cells)));
    }
    table->cells[table->used++] = memory_need(text);
}

void table_add(struct table *table, const char *text)
{
    add_owned(table, strdup(text != NULL ? text : ""));
}

void table_addf(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        memory_exhausted();
    va_end(arguments);
    add_owned(table, text);
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

static void print_row(const struct table *table, FILE *file, const char *const *cells,
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

static size_t total_width(const struct table *table, const size_t *widths)
{
    size_t total = 0;

    for (size_t column = 0; column < table->columns; column++) {
        if (widths[column] > 0)
            total += widths[column] + (total > 0 ? 2 : 0);
    }
    return total;
}

/* The widest column of text that can be narrower; columns: none. */
static size_t widest_text(const struct table *table, const size_t *widths)
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

    while (
        total_width(table, widths) > room && (column = widest_text(table, widths)) < table->columns)
        widths[column]--;
    for (column = table->columns; column-- > 1 && total_width(table, widths) > room;)
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
    print_row(table, file, table->heads, widths, indent);
    terminal_print(file, "%s", terminal_reset(file));
    for (size_t row = 0; row < rows; row++)
        print_row(
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

static void format_grouped(int64_t number, char *text, size_t size)
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

static void format_fraction(double milliseconds, char *text, size_t size)
{
    if (milliseconds >= 1000 && milliseconds < MS_MAX)
        duration_format((int64_t)milliseconds, text, size);
    else
        snprintf(text, size, "%.3g ms", milliseconds);
}

static void append_unit(const char *key, char *text, size_t size)
{
    size_t used = strlen(text);

    if (has_suffix(key, "_kb"))
        snprintf(text + used, size - used, " kB");
    else if (has_suffix(key, "_bytes"))
        snprintf(text + used, size - used, " bytes");
}

static void join(const struct json *array, char *text, size_t size)
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

/* An error map of the protocol: shown as one sentence. */
static bool table_is_error(const struct json *value)
{
    return json_kind(value) == JSON_KIND_MAP && json_get(value, "name") != NULL &&
           json_get(value, "message") != NULL && json_get(value, "code") != NULL;
}

static void format_error(const struct json *error, char *text, size_t size)
{
    const char *code = json_get_string(error, "aws.code", "");
    const char *request_id = json_get_string(error, "aws.request_id", "");
    bool both = code[0] != '\0' && request_id[0] != '\0';
    bool any = code[0] != '\0' || request_id[0] != '\0';

    snprintf(text, size, "%s: %s%s%s%s%s%s", json_get_string(error, "name", ""),
        json_get_string(error, "message", ""), any ? " [" : "", code, both ? ", " : "", request_id,
        any ? "]" : "");
}

static void describe_map(const char *key, const struct json *value, void *data);

struct description {
    char *text;
    size_t size, used;
};

void tree_value(const char *key, const struct json *value, char *text, size_t size)
{
    int64_t integer = 0;
    double real = 0;

    text[0] = '\0';
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        snprintf(text, size, "-");
        return;
    case JSON_KIND_BOOL:
        snprintf(text, size, "%s", json_get_bool(value, "", false) ? "yes" : "no");
        return;
    case JSON_KIND_INTEGER:
        json_get_integer(value, "", &integer);
        if (has_suffix(key, "_ms"))
            duration_format(integer, text, size);
        else if (strcmp(key, "pid") == 0 || has_suffix(key, "id"))
            snprintf(text, size, "%" PRId64, integer);
        else
            format_grouped(integer, text, size);
        append_unit(key, text, size);
        return;
    case JSON_KIND_REAL:
        json_get_real(value, "", &real);
        if (has_suffix(key, "_ms"))
            format_fraction(real, text, size);
        else
            snprintf(text, size, "%.10g", real);
        return;
    case JSON_KIND_STRING:
        snprintf(text, size, "%s", json_get_string(value, "", ""));
        return;
    case JSON_KIND_ARRAY:
        join(value, text, size);
        return;
    case JSON_KIND_MAP: {
        if (table_is_error(value)) {
            format_error(value, text, size);
            return;
        }
        struct description description = {text, size, 0};
        json_each(value, describe_map, &description);
        return;
    }
    }
}

/* A map inside a table's cell or a list: "key value, key value". */
static void describe_map(const char *key, const struct json *value, void *data)
{
    struct description *description = data;
    char label[64], item[256];

    if (description->used + 1 >= description->size)
        return;
    tree_label(key, label, sizeof(label));
    tree_value(key, value, item, sizeof(item));
    int n = snprintf(description->text + description->used, description->size - description->used,
        "%s%s %s", description->used > 0 ? ", " : "", label, item);
    description->used += n > 0 ? (size_t)n : 0;
}

struct walk {
    FILE *file;
    int indent;
    bool milliseconds; /* the map's key ends in _ms: its fractions are milliseconds */
    size_t width;      /* of the labels */
    const char *const *without;
};

static bool is_left_out(const struct walk *walk, const char *key)
{
    for (const char *const *name = walk->without; name != NULL && *name != NULL; name++) {
        if (strcmp(*name, key) == 0)
            return true;
    }
    return false;
}

static bool is_section(const struct json *value)
{
    if (json_kind(value) == JSON_KIND_ARRAY)
        return json_size(value) > 0 && json_kind(json_at(value, 0)) == JSON_KIND_MAP;
    return json_kind(value) == JSON_KIND_MAP && !table_is_error(value);
}

static void table_measure(const char *key, const struct json *value, void *data)
{
    struct walk *walk = data;
    char label[64];

    if (is_section(value) || is_left_out(walk, key))
        return;
    tree_label(key, label, sizeof(label));
    size_t width = terminal_width(label);
    if (width > walk->width)
        walk->width = width;
}

static void print_scalar(const char *key, const struct json *value, void *data)
{
    const struct walk *walk = data;
    char label[64], text[1024];

    if (is_section(value) || is_left_out(walk, key))
        return;
    tree_label(key, label, sizeof(label));
    bool fraction = json_kind(value) == JSON_KIND_REAL;
    tree_value(walk->milliseconds && fraction ? "_ms" : key, value, text, sizeof(text));
    terminal_print(walk->file, "%*s", walk->indent, "");
    terminal_print(walk->file, "%s", label);
    terminal_print(walk->file, "%*s  ", (int)(walk->width - terminal_width(label)), "");
    terminal_print_wrapped(walk->file, text, (size_t)walk->indent + walk->width + 2);
    terminal_print(walk->file, "\n");
}

static void add_head(const char *key, const struct json *value, void *data)
{
    struct table *table = data;
    enum json_kind kind = json_kind(value);

    for (size_t i = 0; i < table->columns; i++) {
        if (strcmp(table->heads[i], key) == 0)
            return;
    }
    table_column(table, key, kind == JSON_KIND_INTEGER || kind == JSON_KIND_REAL);
}

void tree_table(FILE *file, const struct json *array, int indent)
{
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < json_size(array); i++)
        json_each(json_at(array, i), add_head, &table);
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

static void print_map(
    FILE *file, const struct json *map, int indent, const char *const *without, bool milliseconds);

static void print_section(const char *key, const struct json *value, void *data)
{
    const struct walk *walk = data;
    char label[64];

    if (!is_section(value) || is_left_out(walk, key))
        return;
    tree_label(key, label, sizeof(label));
    terminal_print(walk->file, "%*s%s", walk->indent, "", terminal_colour(walk->file, COLOUR_BOLD));
    terminal_print(walk->file, "%s", label);
    terminal_print(walk->file, "%s\n", terminal_reset(walk->file));
    if (json_kind(value) == JSON_KIND_ARRAY)
        tree_table(walk->file, value, walk->indent + 2);
    else
        print_map(walk->file, value, walk->indent + 2, NULL, has_suffix(key, "_ms"));
}

static void print_map(
    FILE *file, const struct json *map, int indent, const char *const *without, bool milliseconds)
{
    struct walk walk = {file, indent, milliseconds, 0, without};

    json_each(map, table_measure, &walk);
    json_each(map, print_scalar, &walk);
    json_each(map, print_section, &walk);
}

void tree_print(FILE *file, const struct json *map, int indent, const char *const *without)
{
    print_map(file, map, indent, without, false);
}
