/* The pages of one count, for those who want to see how it came about. */
#ifndef TALLY_AGENT_COUNT_PAGE_LOG_H
#define TALLY_AGENT_COUNT_PAGE_LOG_H

#include "agent/count/scan.h"

#include <stddef.h>

#define PAGE_LOG_MAX 1000 /* kept; all are counted */

struct page_log { /* zeroed: none */
    struct scan_page *pages;
    size_t count;
    size_t room;
    int64_t unix_seconds; /* "$now" of the requests */
    uint64_t first_count; /* of the first page */
};

/* Without memory the log ends here. */
void page_log_add(struct page_log *log, const struct scan_page *page);

/* `to` is replaced and `from` is empty then. */
void page_log_move(struct page_log *to, struct page_log *from);
void page_log_clear(struct page_log *log);

#endif
