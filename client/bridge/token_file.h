/* SPDX-License-Identifier: Apache-2.0 */
/* The bearer token that pages require: the content of a file, read again when the file changes. */
#ifndef TALLY_BRIDGE_TOKEN_FILE_H
#define TALLY_BRIDGE_TOKEN_FILE_H

#include "proto/reader.h"

#include <stdbool.h>
#include <stddef.h>

struct token_file;

/* NULL: it cannot be read, is empty, or too long; `why` says so. The path is borrowed. */
struct token_file *token_file_open(const char *path, char *why, size_t why_size);
void token_file_close(struct token_file *token); /* NULL is allowed */

/* Whether the value of Authorization is "Bearer " and the token. The time that it takes does not
 * depend on how much of it is right. While a changed file cannot be read, the token from before
 * stays. */
bool token_file_admits(struct token_file *token, struct text authorization);

#endif
