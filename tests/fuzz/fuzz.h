/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target has: its entry, a check that works in every build, and what more than one
 * of them wants of an input or a text. */
#ifndef TALLY_TESTS_FUZZ_FUZZ_H
#define TALLY_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The target: called by libFuzzer, or by replay.c. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as a terminated text, which may have NULs inside; to be freed. */
__attribute__((unused)) static char *input_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    MUST(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Terminated, and nothing in it moves a terminal or ends a line. */
__attribute__((unused)) static void must_be_line(const char *text, size_t size)
{
    MUST(strnlen(text, size) < size);
    for (; *text != '\0'; text++)
        MUST((unsigned char)*text >= ' ' && *text != 0x7f);
}

#endif
