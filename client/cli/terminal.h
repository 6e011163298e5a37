/* SPDX-License-Identifier: Apache-2.0 */
/* Shows long output of the command through a pager, as git and systemctl do. */
#ifndef TALLY_CLIENT_CLI_TERMINAL_H
#define TALLY_CLIENT_CLI_TERMINAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Where standard output is a terminal, what follows goes through TALLY_PAGER, else PAGER, else
 * less, which ends by itself where all fits on the screen. "cat" or "" stands for none. */
void pager_begin(void);

/* Waits until the pager was left. */
void pager_end(void);

/* What a terminal can show: colours where they are wanted, and never a control character
 * that came from elsewhere. */

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_RESET
};

/* Whether the stream is a terminal that takes colours: NO_COLOR is unset, TERM not "dumb". */
bool terminal_has_colours(FILE *file);

/* Escape sequences for the stream, "" where it takes none. Static. */
const char *terminal_colour(FILE *file, enum colour colour);
const char *terminal_reset(FILE *file);

/* Whether the environment says that text is UTF-8; else it is to be ASCII. */
bool terminal_is_utf8(void);

/* Whether TERM promises no more than lines of text. */
bool terminal_is_dumb(void);

/* Whether people look at the stream: it is a terminal, or goes to one through a pager. */
bool terminal_is_seen(FILE *file);

/* Before a pager takes the place of the terminal behind standard output, which has to be one. */
void terminal_is_paged(void);

/* Width and height of the terminal behind the stream; 80 and 24 where it is none. */
void terminal_size(FILE *file, size_t *columns, size_t *rows);

/* The only writers of what the command shows, whatever it came from: what a conversion gives is
 * escaped (\xNN and \uNNNN for controls, line feeds among them, for what is not UTF-8, for what
 * changes the direction of text, and for all that is not ASCII in a locale without UTF-8), the
 * format itself and terminal_colour are not. Conversions are those of printf: s d i u c f g e, with
 * l, ll or z. */
void terminal_print(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
void terminal_vprint(FILE *file, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* The same for whole JSON, and for a label's value of Prometheus, with its quotes. */
void terminal_print_json(FILE *file, const char *text, size_t len);
void terminal_print_label(FILE *file, const char *value);

/* As "%s" of terminal_print, of which `width` columns at most are printed, with a mark at the end
 * where the text is cut. */
void terminal_print_cut(FILE *file, const char *text, size_t width);

/* The same of words, broken into lines where people look at the stream: each further line stands
 * behind `indent` spaces. The text begins at that column; a word that is too long stays whole. */
void terminal_print_wrapped(FILE *file, const char *text, size_t indent);

/* How many columns "%s" of terminal_print takes for the text. */
size_t terminal_width(const char *text);

#endif
