/* SPDX-License-Identifier: Apache-2.0 */
/* Makes text from outside safe to show and to pack as str: valid UTF-8 that fits. */
#ifndef TALLY_PROTO_UTF8_H
#define TALLY_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies what fits of from[len] and terminates it: cut at a character boundary; '?' for each
 * byte that is not part of valid UTF-8, and for NUL. Returns the length. `size` at least 1.
 * `from` may be `to` itself. */
size_t utf8_copy(char *to, size_t size, const char *from, size_t len);

/* The length of the character at the start of text[len], and what it is; 0 where the bytes are
 * not valid UTF-8, or NUL. */
size_t utf8_character(const char *text, size_t len, uint32_t *code);

/* Whether all of text[len] is valid UTF-8; NUL is a character here. */
bool utf8_is_valid(const char *text, size_t len);

#endif
