/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is allocated in small pieces and freed all at once, wiped. A configuration uses one,
 * because its strings include Secrets. */
#ifndef TALLY_AGENT_CONFIG_ARENA_H
#define TALLY_AGENT_CONFIG_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;

/* NULL: out of memory. Blocks of `block` bytes are allocated on demand, `max` bytes in all. */
struct arena *arena_create(size_t block, size_t max);
void arena_destroy(struct arena *arena); /* NULL is allowed */

/* Zeroed and aligned for any type; NULL if out of memory or over the maximum. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/* Copies, NUL-terminated. NULL as above. */
char *arena_copy(struct arena *arena, const char *text, size_t len);
char *arena_copy_string(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Why an allocation failed: true, the maximum was reached; false, the system is out of memory. */
bool arena_is_full(const struct arena *arena);

#endif
