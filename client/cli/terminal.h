/* What a terminal can show: colours where they are wanted, and never a control character
 * that came from elsewhere. */
#ifndef TALLY_CLI_TERMINAL_H
#define TALLY_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW };

/* Whether the stream is a terminal that takes colours: NO_COLOR is unset, TERM not "dumb". */
bool terminal_has_colours(FILE *file);

/* Escape sequences for the stream, "" where it takes none. Static. */
const char *terminal_colour(FILE *file, enum colour colour);
const char *terminal_reset(FILE *file);

/* Width and height of the terminal behind the stream; 80 and 24 where it is none. */
void terminal_size(FILE *file, size_t *columns, size_t *rows);

/* Prints text from elsewhere: control characters become \xNN. */
void terminal_print(FILE *file, const char *text);

/* How many columns terminal_print takes for the text. */
size_t terminal_width(const char *text);

#endif
