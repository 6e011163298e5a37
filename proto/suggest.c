/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/suggest.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define WORD_MAX  48
#define EDITS_MAX 2

static unsigned suggest_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int suggest_letter(const char *word, size_t at)
{
    return tolower((unsigned char)word[at]);
}

/* The Damerau-Levenshtein distance; three rows are enough for swapped neighbours. */
static unsigned suggest_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return UINT_MAX;
    for (unsigned k = 0; k <= b_len; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *two_above = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t k = 1; k <= b_len; k++) {
            unsigned change = above[k - 1] + (suggest_letter(a, i - 1) != suggest_letter(b, k - 1));

            now[k] = suggest_least(change, suggest_least(above[k], now[k - 1]) + 1);
            if (i > 1 && k > 1 && suggest_letter(a, i - 1) == suggest_letter(b, k - 2) &&
                suggest_letter(a, i - 2) == suggest_letter(b, k - 1))
                now[k] = suggest_least(now[k], two_above[k - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

/* Equal except for case and for "_", "-" and "." between the letters: AWS_REGION is awsRegion. */
static bool is_same_word(const char *a, const char *b)
{
    static const char separators[] = "_-.";

    for (;;) {
        a += strspn(a, separators);
        b += strspn(b, separators);
        if (*a == '\0' || suggest_letter(a, 0) != suggest_letter(b, 0))
            return *a == *b;
        a++;
        b++;
    }
}

const char *suggest(const char *word, const char *const *known)
{
    const char *best = NULL;
    unsigned nearest = UINT_MAX;

    for (; *known != NULL; known++) {
        unsigned distance = is_same_word(word, *known) ? 0 : suggest_distance(word, *known);

        if (distance < nearest) {
            nearest = distance;
            best = *known;
        }
    }
    bool is_near = nearest == 0 || (nearest <= EDITS_MAX && strlen(word) > 2 * (size_t)nearest);
    return is_near ? best : NULL;
}
