#include "client/cli/table.h"

#include "client/cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

static bool has_room(struct table *table)
{
    if (table->used < table->capacity)
        return true;
    size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    char **cells = realloc(table->cells, capacity * sizeof(*cells));
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_add(struct table *table, const char *text)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL || !has_room(table)) {
        free(copy);
        table->failed = true;
        return;
    }
    table->cells[table->used++] = copy;
}

void table_addf(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text == NULL)
        table->failed = true;
    else
        table_add(table, text);
    free(text);
}

static void print_cell(FILE *file, const char *text, size_t width, bool right, bool last)
{
    size_t taken = terminal_width(text);
    int padding = (int)(width > taken ? width - taken : 0);
    if (right)
        fprintf(file, "%*s", padding, "");
    terminal_print(file, text);
    if (!right && !last)
        fprintf(file, "%*s", padding, "");
    fputs(last ? "\n" : "  ", file);
}

static void print_row(const struct table *table, FILE *file, const char *const *cells,
    const size_t *widths, int indent)
{
    size_t last = 0;
    for (size_t column = 0; column < table->columns; column++) {
        if (widths[column] > 0)
            last = column;
    }
    fprintf(file, "%*s", indent, "");
    for (size_t column = 0; column <= last; column++) {
        if (widths[column] > 0)
            print_cell(file, cells[column], widths[column], table->right[column], column == last);
    }
}

void table_print(const struct table *table, FILE *file, int indent)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    if (table->failed || table->columns == 0)
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
    fputs(terminal_colour(file, COLOUR_BOLD), file);
    print_row(table, file, table->heads, widths, indent);
    fputs(terminal_reset(file), file);
    for (size_t row = 0; row < rows; row++)
        print_row(
            table, file, (const char *const *)&table->cells[row * table->columns], widths, indent);
}
