/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent said of triggers, by the names that were asked for: which trigger a name is, and
 * above which count it is active. An entry is believed for BOOK_MS, since the configuration may
 * change. Pure: the caller has the clock. */
#ifndef TALLY_BRIDGE_TRIGGER_BOOK_H
#define TALLY_BRIDGE_TRIGGER_BOOK_H

#include <stdint.h>

#define BOOK_MS 10000

struct trigger_book;

struct trigger_entry {
    const char *full; /* the trigger's full name; borrowed until the book changes */
    int64_t activation;
};

/* NULL: out of memory. */
struct trigger_book *trigger_book_create(void);
void trigger_book_destroy(struct trigger_book *book); /* NULL is allowed */

/* Keeps what a name is, in place of another name's entry where the book is full. Without memory it
 * is not kept. */
void trigger_book_note(
    struct trigger_book *book, const char *name, const struct trigger_entry *entry, int64_t now);

/* NULL: not known, or too old. Borrowed until the book changes. */
const struct trigger_entry *trigger_book_find(
    const struct trigger_book *book, const char *name, int64_t now);

/* Another agent may have another configuration. */
void trigger_book_forget(struct trigger_book *book);

#endif
