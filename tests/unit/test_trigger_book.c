/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/trigger_book.h"
#include "tests/unit/test.h"

static struct trigger_book *book;

static void note(const char *name, const char *full, int64_t activation, int64_t now)
{
    trigger_book_note(book, name, &(struct trigger_entry){full, activation}, now);
}

TEST(an_entry_is_believed_for_some_time)
{
    const struct trigger_entry *entry;

    book = trigger_book_create();
    CHECK(trigger_book_find(book, "orders", 0) == NULL);
    note("orders", "shop/orders", 30, 1000);
    entry = trigger_book_find(book, "orders", 1000 + BOOK_MS - 1);
    CHECK_STR("shop/orders", entry->full);
    CHECK_INT(30, entry->activation);
    CHECK(trigger_book_find(book, "orders", 1000 + BOOK_MS) == NULL);
    CHECK(trigger_book_find(book, "shop/orders", 1000) == NULL);
    trigger_book_destroy(book);
}

TEST(a_newer_entry_replaces_an_older_one)
{
    const struct trigger_entry *entry;

    book = trigger_book_create();
    note("orders", "shop/orders", 30, 0);
    entry = trigger_book_find(book, "orders", 0);
    trigger_book_note(book, entry->full, entry, 0);
    note("orders", "mall/orders", 7, BOOK_MS);
    entry = trigger_book_find(book, "orders", BOOK_MS);
    CHECK_STR("mall/orders", entry->full);
    CHECK_INT(7, entry->activation);
    trigger_book_destroy(book);
}

TEST(a_book_is_forgotten_as_a_whole)
{
    book = trigger_book_create();
    note("a", "shop/a", 1, 0);
    note("b", "shop/b", 1, 0);
    trigger_book_forget(book);
    CHECK(trigger_book_find(book, "a", 0) == NULL);
    CHECK(trigger_book_find(book, "b", 0) == NULL);
    trigger_book_destroy(book);
}

TEST(ten_thousand_names_do_not_mix)
{
    char name[32], full[48];
    unsigned found = 0;

    book = trigger_book_create();
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "object-%d", i);
        snprintf(full, sizeof(full), "shop/object-%d", i);
        note(name, full, i, 0);
    }
    for (int i = 0; i < 10000; i++) {
        const struct trigger_entry *entry;

        snprintf(name, sizeof(name), "object-%d", i);
        snprintf(full, sizeof(full), "shop/object-%d", i);
        entry = trigger_book_find(book, name, 0);
        if (entry == NULL)
            continue;
        found++;
        CHECK_STR(full, entry->full);
        CHECK_INT(i, entry->activation);
    }
    CHECK(found > 1000 && found <= 4096);
    trigger_book_destroy(book);
}

TEST_MAIN(RUN(an_entry_is_believed_for_some_time), RUN(a_newer_entry_replaces_an_older_one),
    RUN(a_book_is_forgotten_as_a_whole), RUN(ten_thousand_names_do_not_mix))
