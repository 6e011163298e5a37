/* "Did you mean": the known word that is nearest to a mistyped one. */
#ifndef TALLY_CLI_SUGGEST_H
#define TALLY_CLI_SUGGEST_H

#include <stddef.h>

/* How many letters were left out, added, changed or swapped; a large number for long words. */
size_t suggest_distance(const char *a, const char *b);

/* Whether the distance is small enough for words of this length to be a slip. */
int suggest_is_near(const char *word, size_t distance);

#endif
