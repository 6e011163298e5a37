#include "client/cli/table.h"

#include "client/cli/memory.h"
#include "client/cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

/* Takes over `text`. */
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

/* The widest column of text that can be narrower; columns: there is none. */
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

/* Makes the columns fit where people look: texts are cut, the widest first, and then the columns at
 * the right, which say the least, are left out. */
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
