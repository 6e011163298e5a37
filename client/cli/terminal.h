/* SPDX-License-Identifier: Apache-2.0 */
/* Shows long output of the command through a pager, as git and systemctl do. */
#ifndef TALLY_CLIENT_CLI_TERMINAL_H
#define TALLY_CLIENT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* If standard output is a terminal, subsequent output goes through TALLY_PAGER, else PAGER, else
 * less, which exits by itself if all fits on the screen. "cat" or "" means no pager. */
void pager_begin(void);

/* Waits until the pager exits. */
void pager_end(void);

/* What a terminal can show: colours, unless NO_COLOR is set, and never a control character from
 * outside. */

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_RESET
};

/* Escape sequences for the stream, "" if it takes none. Static. */
const char *terminal_colour(FILE *file, enum colour colour);
const char *terminal_reset(FILE *file);

/* The text as "%s" of terminal_print, in this colour. */
void terminal_print_coloured(FILE *file, enum colour colour, const char *text);

/* Whether the environment says that text is UTF-8; else it must be ASCII. */
bool terminal_is_utf8(void);

/* Whether TERM supports no more than lines of text. */
bool terminal_is_dumb(void);

/* Whether a user sees the stream: it is a terminal, or goes to one through a pager. */
bool terminal_is_seen(FILE *file);

/* Width and height of the terminal behind the stream; 80 and 24 if it is not a terminal. */
void terminal_size(FILE *file, size_t *columns, size_t *rows);

/* All output of the command goes through these, whatever its source: the result of a conversion is
 * escaped (\xNN and \uNNNN for controls, line feeds among them, for what is not UTF-8, for what
 * changes the direction of text, and for all that is not ASCII in a locale without UTF-8), the
 * format itself and terminal_colour are not. Conversions are those of printf: s d i u c f g e, with
 * l, ll or z. */
void terminal_print(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for whole JSON, and for a label's value of Prometheus, with its quotes. */
void terminal_print_json(FILE *file, const char *text, size_t len);
void terminal_print_label(FILE *file, const char *value);

/* As "%s" of terminal_print, but prints at most `width` columns, with a mark at the end if the text
 * is cut. */
void terminal_print_cut(FILE *file, const char *text, size_t width);

/* The same for words, wrapped into lines if a user sees the stream: each further line stands behind
 * `indent` spaces. The text begins at that column; a word that is too long stays whole. */
void terminal_print_wrapped(FILE *file, const char *text, size_t indent);

/* How many columns "%s" of terminal_print takes for the text. */
size_t terminal_width(const char *text);

#endif
