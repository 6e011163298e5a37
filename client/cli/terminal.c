/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/terminal.h"

#include "proto/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- pager ---- */

static pid_t pager_pid; /* 0: none */

/* Size of the terminal to which a pager passes standard output; 0: there is no pager. */
static size_t paged_columns, paged_rows;

/* NULL: no pager is used. */
static const char *pager_command(void)
{
    const char *own = getenv("TALLY_PAGER");
    const char *command = own != NULL ? own : getenv("PAGER");

    if (command == NULL)
        command = "less";
    return command[0] == '\0' || strcmp(command, "cat") == 0 ? NULL : command;
}

/* Whether the program named by the command's first word is in PATH, or at its path. */
static bool pager_exists(const char *command)
{
    char path[4096];
    const char *folders = getenv("PATH");
    int word = (int)strcspn(command, " \t");

    if (memchr(command, '/', (size_t)word) != NULL)
        folders = "";
    for (const char *at = folders; at != NULL; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int folder = (int)strcspn(at, ":");
        int n = snprintf(
            path, sizeof(path), "%.*s%s%.*s", folder, at, folder > 0 ? "/" : "", word, command);

        if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Output of less than a screen is printed and the pager exits, colours are passed on. */
static _Noreturn void pager_run(const char *command, int input)
{
    dup2(input, STDIN_FILENO);
    setenv("LESS", "FRX", 0);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

void pager_begin(void)
{
    const char *command = pager_command();
    int ends[2];

    if (!isatty(STDOUT_FILENO) || terminal_is_dumb() || command == NULL || !pager_exists(command) ||
        pipe2(ends, O_CLOEXEC) < 0)
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        pager_run(command, ends[0]);
    if (pid > 0) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};

        sigaction(SIGPIPE, &ignore, NULL); /* a user who quits the pager early has seen enough */
        terminal_size(stdout, &paged_columns, &paged_rows);
        dup2(ends[1], STDOUT_FILENO);
        pager_pid = pid;
    }
    close(ends[0]);
    close(ends[1]);
}

void pager_end(void)
{
    if (pager_pid <= 0)
        return;
    fflush(stdout);
    clearerr(stdout);
    close(STDOUT_FILENO);
    while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pager_pid = 0;
}

/* ---- terminal ---- */

bool terminal_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

bool terminal_is_dumb(void)
{
    const char *term = getenv("TERM");

    return term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
}

bool terminal_is_seen(FILE *file)
{
    return isatty(fileno(file)) || (paged_columns > 0 && file == stdout);
}

static bool terminal_has_colours(FILE *file)
{
    const char *no_colour = getenv("NO_COLOR");

    if (no_colour != NULL && no_colour[0] != '\0')
        return false;
    return terminal_is_seen(file) && !terminal_is_dumb();
}

/* terminal_print recognises these by their address, which no text from outside can have. */
static const char *const styles[] = {
    [COLOUR_NONE] = "",
    [COLOUR_BOLD] = "\x1b[1m",
    [COLOUR_DIM] = "\x1b[2m",
    [COLOUR_RED] = "\x1b[31m",
    [COLOUR_GREEN] = "\x1b[32m",
    [COLOUR_YELLOW] = "\x1b[33m",
    [COLOUR_RESET] = "\x1b[0m",
};

const char *terminal_colour(FILE *file, enum colour colour)
{
    return terminal_has_colours(file) ? styles[colour] : "";
}

const char *terminal_reset(FILE *file)
{
    return terminal_colour(file, COLOUR_RESET);
}

void terminal_size(FILE *file, size_t *columns, size_t *rows)
{
    struct winsize size;

    if (paged_columns > 0 && file == stdout) {
        *columns = paged_columns;
        *rows = paged_rows;
        return;
    }
    bool known = ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    *columns = known ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

enum form { FORM_TEXT, FORM_JSON, FORM_LABEL };

/* C0 and C1 controls, DEL, line separators, and what changes the direction of the text around. */
static bool moves_terminal(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* The replacement of the character at the start of text[len] if it is not shown as it is, else "".
 * Returns how many bytes it replaces. */
static size_t escape(const char *text, size_t len, enum form form, char *shown, size_t size)
{
    uint32_t code = 0;
    size_t bytes = utf8_character(text, len, &code);
    const char *backslash = form == FORM_LABEL ? "\\\\" : "\\";

    shown[0] = '\0';
    if (form == FORM_LABEL && bytes == 1 && strchr("\n\"\\", text[0]) != NULL)
        snprintf(shown, size, "\\%c", text[0] == '\n' ? 'n' : text[0]);
    else if (form == FORM_JSON && bytes > 0 && code != '\n' && moves_terminal(code))
        snprintf(shown, size, "\\u%04x", code);
    else if (form == FORM_JSON)
        return bytes > 0 ? bytes : 1; /* jansson writes line feeds between values, and only UTF-8 */
    else if (bytes == 0)
        snprintf(shown, size, "%sx%02x", backslash, (unsigned char)text[0]);
    else if (moves_terminal(code) || (form == FORM_TEXT && code >= 0x80 && !terminal_is_utf8()))
        snprintf(shown, size, code < 0x100 ? "%sx%02x" : "%su%04x", backslash, code);
    return bytes > 0 ? bytes : 1;
}

/* Writes as many characters of text[len] as `columns` hold; NULL: only measures them. Returns how
 * many columns they take. */
static size_t write_escaped(
    FILE *file, const char *text, size_t len, enum form form, size_t columns)
{
    char shown[16];
    size_t taken = 0;

    for (size_t bytes; len > 0; text += bytes, len -= bytes) {
        bytes = escape(text, len, form, shown, sizeof(shown));
        size_t width = shown[0] != '\0' ? strlen(shown) : 1;
        if (width > columns - taken)
            break;
        taken += width;
        if (file != NULL && shown[0] != '\0')
            fputs(shown, file);
        else if (file != NULL)
            fwrite(text, 1, bytes, file);
    }
    return taken;
}

static bool is_style(const char *text)
{
    for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
        if (text == styles[i])
            return true;
    }
    return false;
}

/* A width or a precision, passed over. */
static int take_measure(const char **at, va_list *arguments)
{
    if (**at == '*') {
        ++*at;
        return va_arg(*arguments, int);
    }
    char *end;
    int measure = (int)strtol(*at, &end, 10);
    *at = end;
    return measure;
}

/* %s; its width and precision are in bytes of the text. Allocates nothing, as all of
 * terminal_print: out of memory, its output would be a part that looks whole. */
static void print_text_conversion(FILE *file, const char *conversion, va_list *arguments)
{
    bool left = conversion[1] == '-';
    const char *at = conversion + (left ? 2 : 1);
    int width = take_measure(&at, arguments);

    at += *at == '.';
    int precision = at[-1] == '.' ? take_measure(&at, arguments) : INT_MAX;
    if (*at != 's')
        abort();
    const char *text = va_arg(*arguments, const char *);
    int len = (int)strnlen(text, (size_t)precision);
    int padding = width > len ? width - len : 0;
    if (!left)
        fprintf(file, "%*s", padding, "");
    if (is_style(text))
        fputs(text, file);
    else
        write_escaped(file, text, (size_t)len, FORM_TEXT, SIZE_MAX);
    if (left)
        fprintf(file, "%*s", padding, "");
}

/* The others; their width and precision are digits. */
static void print_number_conversion(
    FILE *file, const char *conversion, size_t len, va_list *arguments)
{
    char format[32], text[512]; /* a double has up to 309 digits before its point */
    int n;

    if (len >= sizeof(format) || memchr(conversion, '*', len) != NULL)
        abort();
    memcpy(format, conversion, len);
    format[len] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    /* NOLINTBEGIN(bugprone-branch-clone): each branch reads another type */
    if (strchr("fge", format[len - 1]) != NULL)
        n = snprintf(text, sizeof(text), format, va_arg(*arguments, double));
    else if (strchr("lz", format[len - 2]) != NULL)
        n = snprintf(text, sizeof(text), format, va_arg(*arguments, long));
    else
        n = snprintf(text, sizeof(text), format, va_arg(*arguments, int));
        /* NOLINTEND(bugprone-branch-clone) */
#pragma GCC diagnostic pop
    if (n < 0 || (size_t)n >= sizeof(text))
        abort();
    write_escaped(file, text, (size_t)n, FORM_TEXT, SIZE_MAX);
}

_Static_assert(sizeof(long) == sizeof(long long) && sizeof(long) == sizeof(size_t),
    "print_number_conversion reads all of them as long");

void terminal_print(FILE *file, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    while (*format != '\0') {
        size_t len = strcspn(format, "%");

        fwrite(format, 1, len, file);
        format += len;
        if (*format == '\0')
            break;
        len = 1 + strcspn(format + 1, "%sdiucfge") + 1;
        if (format[len - 1] == '%')
            fputc('%', file);
        else if (format[len - 1] == 's')
            print_text_conversion(file, format, &arguments);
        else
            print_number_conversion(file, format, len, &arguments);
        format += len;
    }
    va_end(arguments);
}

void terminal_print_coloured(FILE *file, enum colour colour, const char *text)
{
    terminal_print(file, "%s%s%s", terminal_colour(file, colour), text, terminal_reset(file));
}

void terminal_print_json(FILE *file, const char *text, size_t len)
{
    write_escaped(file, text, len, FORM_JSON, SIZE_MAX);
}

void terminal_print_label(FILE *file, const char *value)
{
    fputc('"', file);
    write_escaped(file, value, strlen(value), FORM_LABEL, SIZE_MAX);
    fputc('"', file);
}

size_t terminal_width(const char *text)
{
    return write_escaped(NULL, text, strlen(text), FORM_TEXT, SIZE_MAX);
}

void terminal_print_cut(FILE *file, const char *text, size_t width)
{
    const char *mark = terminal_is_utf8() ? "…" : "..";
    size_t mark_width = terminal_width(mark);
    bool cut = terminal_width(text) > width && width > mark_width;

    if (cut)
        width -= mark_width;
    write_escaped(file, text, strlen(text), FORM_TEXT, width);
    fputs(cut ? mark : "", file);
}

void terminal_print_wrapped(FILE *file, const char *text, size_t indent)
{
    size_t columns, rows;

    terminal_size(file, &columns, &rows);
    if (!terminal_is_seen(file) || columns < indent + 16) {
        write_escaped(file, text, strlen(text), FORM_TEXT, SIZE_MAX);
        return;
    }
    size_t line = columns - indent, left = line;
    for (;; text++) {
        size_t len = strcspn(text, " ");
        size_t width = write_escaped(NULL, text, len, FORM_TEXT, SIZE_MAX);

        if (left < line && width + 1 > left) {
            fprintf(file, "\n%*s", (int)indent, "");
            left = line;
        } else if (left < line) {
            fputc(' ', file);
            left--;
        }
        write_escaped(file, text, len, FORM_TEXT, SIZE_MAX);
        left = width < left ? left - width : 0;
        text += len;
        if (*text == '\0')
            return;
    }
}
