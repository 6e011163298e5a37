/* "Did you mean …?" for misspelt names. */
#ifndef TALLY_AGENT_CONFIG_SUGGEST_H
#define TALLY_AGENT_CONFIG_SUGGEST_H

/* The known word that is at most two edits away, letter case aside; NULL: none. `known` ends
 * with NULL. */
const char *suggest(const char *word, const char *const *known);

#endif
