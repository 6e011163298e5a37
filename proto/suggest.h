/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …?" for misspelt words. */
#ifndef TALLY_PROTO_SUGGEST_H
#define TALLY_PROTO_SUGGEST_H

#include <stdbool.h>

/* How many letters were omitted, added, changed or swapped, ignoring case; a large number for long
 * words. */
unsigned suggest_distance(const char *a, const char *b);

/* Whether a word of this length can be a typo at this distance: at most two letters, and less than
 * half of it. */
bool suggest_is_near(const char *word, unsigned distance);

/* The nearest known word that is near enough; NULL: none. `known` ends with NULL. */
const char *suggest(const char *word, const char *const *known);

#endif
