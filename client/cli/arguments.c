/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/arguments.h"

#include "proto/duration.h"
#include "proto/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { FLAG, TEXT, DURATION, NUMBER, LIST };

struct option {
    const char *name;
    char letter;
    const char *argument;
    enum option_kind kind;
    const char *help;
};

static const struct option options[OPTION_COUNT] = {
#define OPTION_ROW(id, name, letter, argument, kind, help) {name, letter, argument, kind, help},
    OPTION_MAP(OPTION_ROW)
#undef OPTION_ROW
};

struct parse {
    struct arguments *arguments;
    char *const *argv;
    int argc;
    int next;
    char *error;
    size_t size;
};

static bool take_number(struct parse *parse, size_t id, const char *text)
{
    char *end = NULL;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0) {
        snprintf(parse->error, parse->size, "--%s: \"%s\" is not a number from 0 on",
            options[id].name, text);
        return false;
    }
    parse->arguments->number[id] = number;
    return true;
}

/* A small number without a unit, as a deadline or an interval, was probably meant in seconds, as in
 * other commands; here it would be milliseconds. */
static bool lacks_unit(size_t id, const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return (id == OPTION_TIMEOUT || id == OPTION_INTERVAL) && digits > 0 && digits < 3 &&
           text[digits] == '\0' && strspn(text, "0") < digits;
}

static bool take_argument(struct parse *parse, size_t id, const char *text)
{
    struct arguments *arguments = parse->arguments;

    arguments->text[id] = text;
    switch (options[id].kind) {
    case NUMBER:
        return take_number(parse, id, text);
    case DURATION:
        if (lacks_unit(id, text)) {
            snprintf(parse->error, parse->size, "--%s: \"%s\" has no unit: write %ss or %sms",
                options[id].name, text, text, text);
            return false;
        }
        if (duration_parse(text, &arguments->number[id]))
            return true;
        snprintf(parse->error, parse->size,
            "--%s: \"%s\" is not a duration: write milliseconds, or a number with ms, s, m or h, "
            "at most 8760h",
            options[id].name, text);
        return false;
    case LIST:
        if (arguments->list_count[id] == LIST_MAX) {
            snprintf(parse->error, parse->size, "--%s: more than %d of them", options[id].name,
                LIST_MAX);
            return false;
        }
        arguments->list[id][arguments->list_count[id]++] = text;
        return true;
    case TEXT:
        if (text[0] == '\0')
            snprintf(parse->error, parse->size, "option --%s requires a non-empty %s",
                options[id].name, options[id].argument);
        return text[0] != '\0';
    case FLAG:
        break;
    }
    return true;
}

/* `attached` is what follows in the same word, or NULL. */
static bool take_option(struct parse *parse, size_t id, const char *attached)
{
    parse->arguments->given |= 1u << id;
    if (options[id].kind == FLAG) {
        if (attached == NULL)
            return true;
        snprintf(
            parse->error, parse->size, "option --%s does not take an argument", options[id].name);
        return false;
    }
    if (attached != NULL)
        return take_argument(parse, id, attached);
    if (parse->next >= parse->argc) {
        snprintf(parse->error, parse->size, "option --%s requires an argument: %s",
            options[id].name, options[id].argument);
        return false;
    }
    return take_argument(parse, id, parse->argv[parse->next++]);
}

static bool refuse_unknown(struct parse *parse, const char *word, size_t len)
{
    const char *known[OPTION_COUNT + 1] = {NULL};
    char name[40];

    snprintf(name, sizeof(name), "%.*s", (int)len, word);
    for (size_t id = 0; id < OPTION_COUNT; id++)
        known[id] = options[id].name;
    const char *close = suggest(name, known);
    snprintf(parse->error, parse->size, "unknown option --%s%s%s%s", name,
        close != NULL ? "; did you mean --" : "", close != NULL ? close : "",
        close != NULL ? "?" : "");
    return false;
}

static bool take_long(struct parse *parse, const char *word)
{
    size_t len = strcspn(word, "=");

    for (size_t id = 0; id < OPTION_COUNT; id++) {
        if (strlen(options[id].name) == len && memcmp(options[id].name, word, len) == 0)
            return take_option(parse, id, word[len] == '=' ? word + len + 1 : NULL);
    }
    return refuse_unknown(parse, word, len);
}

static bool take_letters(struct parse *parse, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        size_t id = 0;

        while (id < OPTION_COUNT && options[id].letter != *letters)
            id++;
        if (id == OPTION_COUNT) {
            snprintf(parse->error, parse->size, "unknown option -%c", *letters);
            return false;
        }
        if (options[id].kind != FLAG)
            return take_option(parse, id, letters[1] != '\0' ? letters + 1 : NULL);
        take_option(parse, id, NULL);
    }
    return true;
}

static bool take_operand(struct parse *parse, const char *word)
{
    struct arguments *arguments = parse->arguments;

    if (arguments->operand_count == OPERANDS_MAX) {
        snprintf(parse->error, parse->size, "too many operands, from \"%s\" on", word);
        return false;
    }
    arguments->operands[arguments->operand_count++] = word;
    return true;
}

bool options_parse(
    struct arguments *arguments, int argc, char *const *argv, char *error, size_t size)
{
    struct parse parse = {arguments, argv, argc, 1, error, size};
    bool only_operands = false;

    *arguments = (struct arguments){0};
    while (parse.next < argc) {
        const char *word = argv[parse.next++];
        bool taken;

        if (only_operands || word[0] != '-' || word[1] == '\0') {
            taken = take_operand(&parse, word);
        } else if (strcmp(word, "--") == 0) {
            only_operands = taken = true;
        } else {
            taken = word[1] == '-' ? take_long(&parse, word + 2) : take_letters(&parse, word + 1);
        }
        if (!taken)
            return false;
    }
    return true;
}

const char *options_misplaced(const struct arguments *arguments, uint32_t allowed)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        if (arguments->given & ~allowed & (1u << id))
            return options[id].name;
    }
    return NULL;
}

void options_print(uint32_t set, FILE *file)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        char text[48];

        if (!(set & (1u << id)))
            continue;
        snprintf(text, sizeof(text), "%s%c%s--%s%s%s", options[id].letter ? "-" : " ",
            options[id].letter ? options[id].letter : ' ', options[id].letter ? ", " : "  ",
            options[id].name, options[id].argument != NULL ? " " : "",
            options[id].argument != NULL ? options[id].argument : "");
        fprintf(file, "  %-24s %s\n", text, options[id].help);
    }
}
