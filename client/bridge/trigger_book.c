/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/trigger_book.h"

#include "agent/fnv.h"

#include <stdlib.h>
#include <string.h>

#define BOOK_SLOTS 4096 /* a name has one; the last name of a slot is kept */

struct book_slot {
    int64_t noted_at;
    struct trigger_entry entry; /* `full` is behind the name */
    char name[];
};

struct trigger_book {
    struct book_slot *slots[BOOK_SLOTS];
};

struct trigger_book *trigger_book_create(void)
{
    return calloc(1, sizeof(struct trigger_book));
}

void trigger_book_forget(struct trigger_book *book)
{
    for (size_t i = 0; i < BOOK_SLOTS; i++) {
        free(book->slots[i]);
        book->slots[i] = NULL;
    }
}

void trigger_book_destroy(struct trigger_book *book)
{
    if (book == NULL)
        return;
    trigger_book_forget(book);
    free(book);
}

static size_t book_place(const char *name)
{
    return fnv_text(FNV_START, name) % BOOK_SLOTS;
}

static struct book_slot *book_slot_create(
    const char *name, const struct trigger_entry *entry, int64_t now)
{
    size_t name_size = strlen(name) + 1, full_size = strlen(entry->full) + 1;
    struct book_slot *slot = malloc(sizeof(*slot) + name_size + full_size);

    if (slot == NULL)
        return NULL;
    slot->noted_at = now;
    slot->entry = (struct trigger_entry){slot->name + name_size, entry->activation};
    memcpy(slot->name, name, name_size);
    memcpy(slot->name + name_size, entry->full, full_size);
    return slot;
}

/* `entry` and `name` may be those of the slot. */
void trigger_book_note(
    struct trigger_book *book, const char *name, const struct trigger_entry *entry, int64_t now)
{
    struct book_slot **place = &book->slots[book_place(name)];
    struct book_slot *slot = book_slot_create(name, entry, now);

    free(*place);
    *place = slot;
}

const struct trigger_entry *trigger_book_find(
    const struct trigger_book *book, const char *name, int64_t now)
{
    const struct book_slot *slot = book->slots[book_place(name)];

    if (slot == NULL || now - slot->noted_at >= BOOK_MS || strcmp(slot->name, name) != 0)
        return NULL;
    return &slot->entry;
}
