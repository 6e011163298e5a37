#include "client/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_has_colours(FILE *file)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_colour != NULL && no_colour[0] != '\0')
        return false;
    return isatty(fileno(file)) && (term == NULL || strcmp(term, "dumb") != 0);
}

const char *terminal_colour(FILE *file, enum colour colour)
{
    if (!terminal_has_colours(file))
        return "";
    switch (colour) {
    case COLOUR_BOLD:
        return "\x1b[1m";
    case COLOUR_DIM:
        return "\x1b[2m";
    case COLOUR_RED:
        return "\x1b[31m";
    case COLOUR_GREEN:
        return "\x1b[32m";
    case COLOUR_YELLOW:
        return "\x1b[33m";
    case COLOUR_NONE:
        break;
    }
    return "";
}

const char *terminal_reset(FILE *file)
{
    return terminal_has_colours(file) ? "\x1b[0m" : "";
}

void terminal_size(FILE *file, size_t *columns, size_t *rows)
{
    struct winsize size;
    bool known = ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    *columns = known ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* C0 controls, DEL, and the C1 controls that UTF-8 writes as c2 80 to c2 9f. */
static size_t control_bytes(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
    if (first < 0x20 || first == 0x7f)
        return 1;
    return first == 0xc2 && second >= 0x80 && second <= 0x9f ? 2 : 0;
}

void terminal_print(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        size_t bytes = control_bytes(text);
        if (bytes == 0) {
            fputc(*text, file);
            continue;
        }
        fprintf(file, "\\x%02x", (unsigned char)text[bytes - 1]);
        text += bytes - 1;
    }
}

size_t terminal_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        size_t bytes = control_bytes(text);
        if (bytes > 0) {
            width += 4;
            text += bytes - 1;
        } else if (((unsigned char)*text & 0xc0) != 0x80) {
            width++; /* one for each character, none for its further bytes */
        }
    }
    return width;
}
