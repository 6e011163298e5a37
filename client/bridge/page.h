/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that GET and HEAD find, over either version of HTTP:
 *
 *   /healthz         tally-bridge runs
 *   /readyz          the agent answers
 *   /metrics         for Prometheus
 *   /v1/triggers     the configured triggers, JSON
 *   /v1/count/NAME   one count, JSON
 *
 * The last three ask for the token, where there is one. An error is never a count: where the agent
 * has no number the status is 404 for an unknown trigger, 400 for an ambiguous name, and else 503
 * with Retry-After. */
#ifndef TALLY_BRIDGE_PAGE_H
#define TALLY_BRIDGE_PAGE_H

#include "agent/loop.h"
#include "client/bridge/agent_link.h"
#include "client/bridge/bridge_stats.h"
#include "client/bridge/token_file.h"
#include "proto/buffer.h"
#include "proto/reader.h"

struct page_shared { /* by all pages; zeroed, then filled */
    struct loop *loop;
    struct agent_link *link;
    struct token_file *token; /* NULL: every client may read */
    struct bridge_stats *stats;
    size_t pending; /* pages that wait for the agent now */
    size_t bytes;   /* of their bodies */
};

struct page_request { /* texts are needed until page_open returns */
    int refusal;      /* the status that answers what is no request; 0: it is one */
    bool is_get, is_head;
    struct text path;
    struct text authorization;
};

struct page;
typedef void page_fn(void *data);

/* NULL: out of memory. Where page_is_ready is false, `done` is called when it is. */
struct page *page_open(
    struct page_shared *shared, const struct page_request *request, page_fn *done, void *data);
bool page_is_ready(const struct page *page);
void page_close(struct page *page); /* also before it is ready; NULL is allowed */

struct page_head {
    int status;
    const char *type;
    int retry_after; /* seconds; 0: none */
};
const struct page_head *page_head(const struct page *page);
const struct buffer *page_body(const struct page *page);

#endif
