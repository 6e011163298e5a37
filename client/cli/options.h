/* The command line: every option of every verb once, with its type. Options may stand before
 * and behind the verb and its operands. */
#ifndef TALLY_CLI_OPTIONS_H
#define TALLY_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* XX(id, name, letter or 0, argument or NULL, kind, help) */
#define OPTION_MAP(XX)                                                                             \
    XX(SOCKET, "socket", 's', "PATH", TEXT, "the agent's socket (TALLY_SOCKET)")                   \
    XX(OUTPUT, "output", 'o', "FORMAT", TEXT, "text, json or prometheus")                          \
    XX(TIMEOUT, "timeout", 't', "D", DURATION, "the deadline of all together (5s)")                \
    XX(HELP, "help", 'h', NULL, FLAG, "this text")                                                 \
    XX(VERSION, "version", 'V', NULL, FLAG, "the version of the command")                          \
    XX(MAX_AGE, "max-age", 0, "D", DURATION, "how old a cached count may be; 0 asks AWS")          \
    XX(VALUE, "value", 0, ":k=JSON", LIST, "a client value, as {\"S\":\"a\"} or plain text")       \
    XX(REPLICAS, "replicas", 0, "N", NUMBER, "present replicas, for metricType Value")             \
    XX(UNTIL, "until", 0, "CONDITION", TEXT, "what to wait for, such as 'count <= 0'")             \
    XX(INTERVAL, "interval", 0, "D", DURATION, "pause between two looks")

enum option_id {
#define OPTION_ENUM(id, name, letter, argument, kind, help) OPTION_##id,
    OPTION_MAP(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
};

#define OPTION_BIT(id) (1u << OPTION_##id)
#define OPTIONS_GLOBAL                                                                             \
    (OPTION_BIT(SOCKET) | OPTION_BIT(OUTPUT) | OPTION_BIT(TIMEOUT) | OPTION_BIT(HELP) |            \
        OPTION_BIT(VERSION))

enum { OPERANDS_MAX = 8, VALUES_MAX = 32 };

/* All strings are borrowed from argv. */
struct arguments {
    uint32_t given; /* OPTION_BITs */
    const char *text[OPTION_COUNT];
    int64_t number[OPTION_COUNT]; /* durations in milliseconds */
    const char *values[VALUES_MAX];
    size_t value_count;
    const char *operands[OPERANDS_MAX]; /* the verb first */
    size_t operand_count;
};

/* False where the line is wrong; `error` then says what and what to do. */
bool options_parse(
    struct arguments *arguments, int argc, char *const *argv, char *error, size_t size);

/* Finds the option that was given and is not among `allowed`; NULL where there is none. */
const char *options_misplaced(const struct arguments *arguments, uint32_t allowed);

/* Prints a help line for each option of the set. */
void options_print(uint32_t set, FILE *file);

#endif
