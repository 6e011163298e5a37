/* Rows of text in aligned columns. Columns that stay empty in every row are left out. */
#ifndef TALLY_CLI_TABLE_H
#define TALLY_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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

/* Prints the rows, with a line of heads, each line behind `indent` spaces. Where people look at the
 * stream, no line is wider than the terminal: texts are cut, and columns at the right left out. */
void table_print(const struct table *table, FILE *file, int indent);

/* Prints one cell of a row that is shown before the others are known. The last one ends the line.
 */
void table_print_cell(FILE *file, const char *text, size_t width, bool right, bool last);

#endif
