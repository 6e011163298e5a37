/* SPDX-License-Identifier: Apache-2.0 */
/* jansson without its traps: the only way JSON is read and written in the agent.
 *
 * jansson 2.14 goes on without a byte where a string cannot grow, so that a name or a key could
 * become another one, and a count a wrong one: here whatever was made in spite of a failed
 * allocation is thrown away. Its heap is wiped, because JSON carries credentials. And it makes a
 * tree of what it reads, of which a megabyte of "{}" takes 80: so values are counted before. */
#ifndef TALLY_AGENT_JSON_VALUE_H
#define TALLY_AGENT_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>

/* Values and keys of one text, at most. Replies of services have some dozens; the longest
 * expression values that DynamoDB takes have some hundreds. */
#define JSON_VALUES_MAX 4096

struct json_t;
struct json_error_t;

/* As json_loadb; the caller holds the reference. NULL: no JSON, or more than JSON_VALUES_MAX values
 * (*error says what is wrong; may be NULL), or no memory, which *no_memory (may be NULL) tells. */
struct json_t *json_read(
    const void *text, size_t len, size_t flags, struct json_error_t *error, bool *no_memory);

/* Compact heap text for free(), or NULL without memory. `flags` as for json_dumps. */
char *json_write(const struct json_t *json, size_t flags);

#endif
