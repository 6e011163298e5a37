/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts of libraries (libcurl, jansson, libyaml, expat), sanitized for replies, logs and
 * output: the only way such a text becomes part of a message. A library quotes its input, which may
 * be a URL with a password in it, or a token. Pure. */
#ifndef TALLY_AGENT_LIBRARY_TEXT_H
#define TALLY_AGENT_LIBRARY_TEXT_H

#include <stddef.h>

/* Copies the text without what is between "://" and the last "@", without tokens, and with a space
 * for each control character; cut at a character boundary to what fits. NULL is "". */
void library_text_copy(char *to, size_t size, const char *text);

/* Replaces each JSON web token in the text by "*". */
void library_text_hide_tokens(char *text);

#endif
