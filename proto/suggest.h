/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …?" for misspelt words. */
#ifndef TALLY_PROTO_SUGGEST_H
#define TALLY_PROTO_SUGGEST_H

/* The known word from which the fewest letters were omitted, added, changed or swapped, ignoring
 * case: at most two, and less than half of the word; NULL: none. `known` ends with NULL. */
const char *suggest(const char *word, const char *const *known);

#endif
