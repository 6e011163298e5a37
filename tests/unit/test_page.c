/* SPDX-License-Identifier: Apache-2.0 */
/* Pages while peers leave others unread, so that no memory is left for bodies. */
#include "client/bridge/page.h"
#include "tests/unit/test.h"

#define ALL_BYTES (16u * 1024u * 1024u)

static void on_done(void *data)
{
    (void)data;
}

static int status_of(struct page_shared *shared, const char *path)
{
    const struct page_request request = {.is_get = true, .path = {path, strlen(path)}};
    struct page *page = page_open(shared, &request, on_done, NULL);
    int status = page_head(page)->status;

    CHECK(page_is_ready(page));
    page_close(page);
    return status;
}

TEST(the_probe_is_answered_where_unread_pages_hold_all_memory)
{
    struct bridge_stats stats = {0};
    struct page_shared shared = {.stats = &stats, .bytes = ALL_BYTES};

    CHECK_INT(200, status_of(&shared, "/healthz"));
    CHECK_INT(404, status_of(&shared, "/nothing"));
    CHECK_INT(ALL_BYTES, shared.bytes);
}

TEST_MAIN(RUN(the_probe_is_answered_where_unread_pages_hold_all_memory))
