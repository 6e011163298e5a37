#include "agent/count/page_log.h"

#include <stdbool.h>
#include <stdlib.h>

#define ROOM_FIRST 4

static bool reserve(struct page_log *log)
{
    size_t wanted = log->room == 0 ? ROOM_FIRST : log->room * 2;
    struct scan_page *pages;

    if (log->count < log->room)
        return true;
    pages = reallocarray(log->pages, wanted, sizeof(*pages));
    if (pages == NULL)
        return false;
    log->pages = pages;
    log->room = wanted;
    return true;
}

void page_log_add(struct page_log *log, const struct scan_page *page)
{
    if (page->number == 1)
        log->first_count = page->count;
    /* Behind one that is missing the log would be wrong. */
    if (log->count == page->number - 1 && log->count < PAGE_LOG_MAX && reserve(log))
        log->pages[log->count++] = *page;
}

void page_log_move(struct page_log *to, struct page_log *from)
{
    page_log_clear(to);
    *to = *from;
    *from = (struct page_log){.pages = NULL};
}

void page_log_clear(struct page_log *log)
{
    free(log->pages);
    *log = (struct page_log){.pages = NULL};
}
