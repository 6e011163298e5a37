#include "agent/config/suggest.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define WORD_MAX  48
#define EDITS_MAX 2

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, a row at a time. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t len = strlen(b);

    for (unsigned i = 0; i <= len; i++)
        row[i] = i;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned k = 1; k <= len; k++) {
            unsigned above = row[k];
            int differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[k - 1]);
            row[k] = smallest(above + 1, row[k - 1] + 1, diagonal + (unsigned)differ);
            diagonal = above;
        }
    }
    return row[len];
}

const char *suggest(const char *word, const char *const *known)
{
    const char *best = NULL;
    unsigned least = EDITS_MAX + 1;
    size_t len = strlen(word);

    for (; *known != NULL && len <= WORD_MAX; known++) {
        if (strlen(*known) > WORD_MAX)
            continue;
        unsigned edits = distance(word, *known);
        /* Two edits turn any short word into any other. */
        if (edits < least && (edits == 0 || len > 2 * edits)) {
            least = edits;
            best = *known;
        }
    }
    return best;
}
