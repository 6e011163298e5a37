/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: every option of every verb once, with its type. Options may stand before
 * and behind the verb and its operands. */
#ifndef TALLY_CLIENT_CLI_ARGUMENTS_H
#define TALLY_CLIENT_CLI_ARGUMENTS_H

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
    XX(ALL, "all", 0, NULL, FLAG, "ask each agent that `tally sockets` finds")                     \
    XX(MAX_AGE, "max-age", 0, "D", DURATION, "how old the count may be; 0 asks AWS")               \
    XX(ENOUGH, "enough", 0, "N", NUMBER, "a count of at least N will do: reads no more")           \
    XX(EXACT, "exact", 0, NULL, FLAG, "fail unless the count is exact, not stale or at least")     \
    XX(VALUE, "value", 0, ":k=VALUE", LIST, "a placeholder's value: JSON or plain text")           \
    XX(REPLICAS, "replicas", 0, "N", NUMBER, "present replicas, for metricType Value")             \
    XX(UNTIL, "until", 'u', "CONDITION", TEXT, "what to wait for, such as 'count <= 0'")           \
    XX(INTERVAL, "interval", 'i', "D", DURATION, "time between two checks (1s)")                   \
    XX(NAME, "name", 0, "#k=NAME", LIST, "an attribute's name for a placeholder")                  \
    XX(FILTER, "filter", 0, "EXPR", TEXT, "FilterExpression")                                      \
    XX(INDEX, "index", 0, "NAME", TEXT, "the index to query")                                      \
    XX(REGION, "region", 0, "NAME", TEXT, "the table's region (the agent's own)")                  \
    XX(IDENTITY_OF, "identity-of", 0, "TRIGGER", TEXT, "ask as this trigger does")                 \
    XX(ENDPOINT, "endpoint", 0, "URL", TEXT, "in place of the region's own")                       \
    XX(CONSISTENT, "consistent", 0, NULL, FLAG, "strongly consistent reads")                       \
    XX(MAX_PAGES, "max-pages", 0, "N", NUMBER, "stop after so many pages")

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

enum { OPERANDS_MAX = 32, LIST_MAX = 32 };

/* All strings are borrowed from argv. */
struct arguments {
    uint32_t given; /* OPTION_BITs */
    const char *text[OPTION_COUNT];
    int64_t number[OPTION_COUNT];             /* durations in milliseconds */
    const char *list[OPTION_COUNT][LIST_MAX]; /* of options that may be repeated */
    size_t list_count[OPTION_COUNT];
    const char *operands[OPERANDS_MAX]; /* the verb first */
    size_t operand_count;
};

/* False if the line is wrong; `error` then says what is wrong and what to do. */
bool options_parse(
    struct arguments *arguments, int argc, char *const *argv, char *error, size_t size);

/* Finds an option that was given and is not in `allowed`; NULL if there is none. */
const char *options_misplaced(const struct arguments *arguments, uint32_t allowed);

/* Prints a help line for each option of the set. */
void options_print(uint32_t set, FILE *file);

#endif
