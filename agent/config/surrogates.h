/* JSON writes a character beyond U+FFFF as two escapes, `\ud83d\ude00`, which YAML's grammar
 * does not have: its reader refuses each half. Pure. */
#ifndef TALLY_AGENT_CONFIG_SURROGATES_H
#define TALLY_AGENT_CONFIG_SURROGATES_H

#include <stddef.h>

/* Puts the character itself in place of each such pair, and leaves all else as it is: half a
 * pair is for the reader to refuse. Returns the new length, never more than `len`. */
size_t surrogates_join(char *text, size_t len);

#endif
