/* A bar for a number, in eighths of a character where the terminal writes UTF-8. */
#ifndef TALLY_CLI_BAR_H
#define TALLY_CLI_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Draws value / scale of `columns` characters, any value over 0 at least a sliver. */
void bar_draw(int64_t value, int64_t scale, size_t columns, bool utf8, char *text, size_t size);

#endif
