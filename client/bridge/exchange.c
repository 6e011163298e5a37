/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/exchange.h"

#include "client/bridge/http1.h"

#include <stdlib.h>

#define HEAD_MS      5000  /* from the first byte of a request to the end of its head */
#define IDLE_MS      75000 /* between two requests: scrapers come once a minute */
#define TAKE_MS      15000 /* without progress while an answer is sent */
#define WAITING_MAX  (2 * HTTP1_HEAD_BYTES) /* bytes of requests behind the one that is answered */
#define ANSWER_BYTES 512                    /* of a head */

struct exchange {
    struct page_shared *shared;
    protocol_wake_fn *wake;
    void *wake_data;
    struct buffer in;
    struct buffer head; /* of the answer, what is yet to be given */
    struct page *page;  /* NULL: no request is being answered */
    size_t page_given, page_len;
    bool is_head, close, answering, draining;
    int64_t since; /* of what `exchange_deadline` waits for */
};

static void exchange_next(struct exchange *exchange);

static void exchange_touch(struct exchange *exchange)
{
    exchange->since = loop_now(exchange->shared->loop);
}

/* ---- answers ---- */

static void exchange_answer(struct exchange *exchange)
{
    const struct page_head *head = page_head(exchange->page);
    size_t len = page_body(exchange->page)->len;

    exchange->answering = true;
    exchange->page_given = 0;
    exchange->page_len = exchange->is_head ? 0 : len;
    exchange->close = exchange->close || exchange->draining;
    http1_write_head(&exchange->head, &(struct http1_head){.status = head->status,
                                          .type = head->type,
                                          .len = len,
                                          .retry_after = head->retry_after,
                                          .close = exchange->close});
    exchange_touch(exchange);
}

static void on_exchange_page(void *data)
{
    struct exchange *exchange = data;

    exchange_answer(exchange);
    exchange->wake(exchange->wake_data);
}

static void exchange_open_page(struct exchange *exchange, const struct page_request *request)
{
    exchange->is_head = request->is_head;
    exchange->page = page_open(exchange->shared, request, on_exchange_page, exchange);
    if (exchange->page == NULL)
        exchange->close = true;
    else if (page_is_ready(exchange->page))
        exchange_answer(exchange);
}

/* Reads the next request, if it is whole and the one before is answered. */
static void exchange_next(struct exchange *exchange)
{
    struct http1_request request;

    if (exchange->page != NULL || exchange->close || exchange->in.len == 0)
        return;
    enum http1_result result = http1_read(&request, exchange->in.data, exchange->in.len);
    if (result == HTTP1_MORE)
        return;
    exchange->close = request.close;
    exchange_open_page(exchange, &(struct page_request){.refusal = request.status,
                                     .is_get = request.is_get,
                                     .is_head = request.is_head,
                                     .path = request.path,
                                     .authorization = request.authorization});
    buffer_consume(&exchange->in, request.used);
}

/* The answer is given whole. */
static void exchange_end(struct exchange *exchange)
{
    page_close(exchange->page);
    exchange->page = NULL;
    exchange->answering = false;
    buffer_clear(&exchange->head);
    if (exchange->in.len == 0)
        buffer_free(&exchange->in); /* connections that wait for a minute keep nothing */
    exchange_touch(exchange);
}

/* ---- the protocol ---- */

static bool exchange_take(void *self, const uint8_t *data, size_t len)
{
    struct exchange *exchange = self;

    if (exchange->close)
        return true; /* what follows a request that closes is passed over */
    if (exchange->in.len == 0)
        exchange_touch(exchange);
    size_t space = WAITING_MAX - exchange->in.len;
    if (buffer_append(&exchange->in, data, len < space ? len : space) < 0)
        return false;
    exchange_next(exchange);
    return len <= space || exchange->close; /* a head that is too long was answered */
}

static size_t exchange_give(void *self, const uint8_t **data)
{
    struct exchange *exchange = self;

    while (exchange->answering) {
        size_t left = exchange->page_len - exchange->page_given;

        exchange_touch(exchange);
        if (exchange->head.failed)
            return 0;
        if (exchange->page_given == 0 && exchange->head.len > 0) {
            *data = exchange->head.data;
            left = exchange->head.len;
            exchange->head.len = 0; /* its bytes stay until the next answer */
            return left;
        }
        if (left > 0) {
            *data = page_body(exchange->page)->data + exchange->page_given;
            exchange->page_given = exchange->page_len;
            return left;
        }
        exchange_end(exchange);
        exchange_next(exchange);
    }
    return 0;
}

static bool exchange_is_over(const void *self)
{
    const struct exchange *exchange = self;

    return exchange->head.failed ||
           ((exchange->close || (exchange->draining && exchange->in.len == 0)) &&
               exchange->page == NULL);
}

static bool exchange_is_idle(const void *self)
{
    const struct exchange *exchange = self;

    return exchange->page == NULL && exchange->in.len == 0;
}

/* While a call to the agent is pending, the page has a deadline of its own. */
static int64_t exchange_deadline(const void *self)
{
    const struct exchange *exchange = self;

    if (exchange->answering)
        return exchange->since + TAKE_MS;
    if (exchange->page != NULL)
        return PROTOCOL_NEVER;
    return exchange->since + (exchange->in.len > 0 ? HEAD_MS : IDLE_MS);
}

/* A half of a request is answered, an idle connection is closed. */
static bool exchange_tick(void *self)
{
    struct exchange *exchange = self;

    if (exchange_deadline(self) > loop_now(exchange->shared->loop))
        return true;
    if (exchange->answering || exchange->in.len == 0)
        return false;
    exchange->close = true;
    exchange_open_page(exchange, &(struct page_request){.refusal = 408});
    return exchange->page != NULL;
}

static void exchange_drain(void *self)
{
    struct exchange *exchange = self;

    exchange->draining = true;
}

static void exchange_destroy(void *self)
{
    struct exchange *exchange = self;

    if (exchange == NULL)
        return;
    page_close(exchange->page);
    buffer_free(&exchange->in);
    buffer_free(&exchange->head);
    free(exchange);
}

const struct protocol exchange_protocol = {
    .take = exchange_take,
    .give = exchange_give,
    .is_over = exchange_is_over,
    .is_idle = exchange_is_idle,
    .deadline = exchange_deadline,
    .tick = exchange_tick,
    .drain = exchange_drain,
    .destroy = exchange_destroy,
};

void *exchange_create(struct page_shared *shared, protocol_wake_fn *wake, void *data)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return NULL;
    exchange->shared = shared;
    exchange->wake = wake;
    exchange->wake_data = data;
    buffer_init_secret(&exchange->in, WAITING_MAX);
    buffer_init(&exchange->head, ANSWER_BYTES);
    exchange_touch(exchange);
    return exchange;
}
