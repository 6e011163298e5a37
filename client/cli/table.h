/* SPDX-License-Identifier: Apache-2.0 */
/* A bar for a number, in eighths of a character where the terminal writes UTF-8. */
#ifndef TALLY_CLIENT_CLI_TABLE_H
#define TALLY_CLIENT_CLI_TABLE_H

#include "client/cli/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Draws value / scale of `columns` characters; any value over 0 shows at least a sliver. */
void bar_draw(int64_t value, int64_t scale, size_t columns, bool utf8, char *text, size_t size);

/* Rows of text in aligned columns. Columns that stay empty in every row are left out. */

#define TABLE_COLUMNS_MAX 16

struct table {
    size_t columns;
    const char *heads[TABLE_COLUMNS_MAX]; /* borrowed */
    bool right[TABLE_COLUMNS_MAX];        /* numbers: aligned at the right */
    char **cells;                         /* rows * columns, owned */
    size_t used, capacity;
};

void table_init(struct table *table);
void table_free(struct table *table);
void table_column(struct table *table, const char *head, bool right); /* `head` borrowed */

/* Fills the next cell, row by row. NULL is an empty cell. */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a field of a map; "-" where it has none. */
void table_add_integer(struct table *table, const struct json *map, const char *key);
void table_add_duration(struct table *table, const struct json *map, const char *key);

/* Prints the rows, with a line of heads, each line behind `indent` spaces. If the stream is shown
 * on a terminal, no line is wider than it: texts are cut, and columns at the right omitted. */
void table_print(const struct table *table, FILE *file, int indent);

/* Prints one cell of a row that is printed before the others are there. The last one ends the line.
 */
void table_print_cell(FILE *file, const char *text, size_t width, bool right, bool last);

/* Shows any answer in readable form: maps as aligned names and values, maps inside as indented
 * sections, arrays of maps as tables. Fields that a newer agent adds appear by themselves. */

/* Prints the fields of a map behind `indent` spaces, without those whose keys are in
 * `without` (ends with NULL; may be NULL). */
void tree_print(FILE *file, const struct json *map, int indent, const char *const *without);

/* Prints an array of maps as a table. */
void tree_table(FILE *file, const struct json *array, int indent);

/* A field in readable form: durations for keys that end in _ms, yes and no, 1,234,567 for large
 * numbers, words joined by commas. */
void tree_value(const char *key, const struct json *value, char *text, size_t size);

/* An error map as one sentence, with AWS's code and request id. */
void tree_error(const struct json *error, char *text, size_t size);

/* "expires in 12 m 5 s", or "expired 3 s ago" where less than 0 is left. */
void tree_expiry(int64_t left_ms, char *text, size_t size);

/* The key in readable form: without its unit, with spaces. */
void tree_label(const char *key, char *text, size_t size);

#endif
