/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/page.h"

#include "client/bridge/metrics.h"
#include "client/bridge/scaler.h"
#include "client/bridge/status.h"
#include "client/cli/json.h"
#include "client/cli/prometheus.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX    64 /* pages that wait for the agent at the same time */
#define PAGE_BYTES     (8u * 1024u * 1024u)
#define PAGE_BYTES_ALL (16u * 1024u * 1024u)
#define PAGE_BYTES_OWN 256 /* of a body that counts as a part of its stream: /healthz, an error */
#define LIST_PAGES_MAX 256
#define RETRY_SECONDS  5
#define COUNT_PATH     "/v1/count/"

static const char type_json[] = "application/json", type_text[] = "text/plain; charset=utf-8",
                  type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

enum page_kind { PAGE_READY, PAGE_COUNT, PAGE_TRIGGERS, PAGE_METRICS };

/* Of PAGE_METRICS: the answer that it waits for. */
enum page_part { PART_STATUS, PART_IDENTITIES, PART_LIST };

struct page {
    struct page_shared *shared;
    enum page_kind kind;
    enum page_part part;
    struct page_head head;
    struct buffer body;
    size_t charged; /* bytes of the body in shared->bytes */
    bool ready, pending;
    page_fn *done;
    void *data;
    struct link_waiter waiter;
    struct json *status, *identities; /* of PAGE_METRICS */
    struct buffer rows;               /* packed triggers, one behind the other */
    uint32_t row_count;
    unsigned list_pages;
};

/* ---- bodies ---- */

/* A page without memory for a part of it is none: it is finished as an error. */
static void page_spoil(struct page *page)
{
    page->body.failed = true;
    page->body.error = -ENOMEM;
}

/* A page that a slow peer has not read prevents no other call, and keeps its body alone. */
static void page_release(struct page *page)
{
    page->shared->pending -= page->pending;
    page->pending = false;
    buffer_free(&page->rows);
    json_free(page->status);
    json_free(page->identities);
    page->status = page->identities = NULL;
}

static size_t page_charge(const struct page *page)
{
    return page->body.len > PAGE_BYTES_OWN ? page->body.len : 0;
}

static void page_finish(struct page *page, int status, const char *type)
{
    struct page_shared *shared = page->shared;

    page_release(page);
    page->head = (struct page_head){
        .status = status, .type = type, .retry_after = status == 503 ? RETRY_SECONDS : 0};
    if (page->body.failed || shared->bytes + page_charge(page) > PAGE_BYTES_ALL) {
        buffer_free(&page->body);
        page->head = (struct page_head){503, type_text, RETRY_SECONDS};
        buffer_append_string(&page->body, "no memory for the answer\n");
    }
    page->charged = page_charge(page);
    shared->bytes += page->charged;
    page->ready = true;
}

static void page_finish_text(struct page *page, int status, const char *text)
{
    buffer_clear(&page->body);
    buffer_append_string(&page->body, text);
    page_finish(page, status, type_text);
}

static ssize_t on_page_text(void *data, const char *text, size_t len)
{
    struct page *page = data;

    return buffer_append(&page->body, text, len) == 0 ? (ssize_t)len : 0;
}

/* Whatever is printed into it becomes the body; what does not fit makes the body a failed one,
 * whether the printer and the C library notice or not. NULL: no memory. */
static FILE *page_open_body(struct page *page)
{
    FILE *file = fopencookie(page, "w", (cookie_io_functions_t){.write = on_page_text});

    if (file == NULL)
        page_spoil(page);
    return file;
}

static void page_close_body(struct page *page, FILE *file)
{
    if (file != NULL && fclose(file) != 0)
        page_spoil(page);
}

/* The JSON of a value, which is freed. NULL: no memory. */
static void page_put_json(struct page *page, struct json *json)
{
    FILE *file = page_open_body(page);

    if (json == NULL || (file != NULL && !json_print(file, json, true)))
        page_spoil(page);
    page_close_body(page, file);
    json_free(json);
}

static void page_finish_error(struct page *page, int error, const char *message)
{
    char clean[512];
    struct json *json = json_new_map();

    if (*message == '\0')
        message = tally_strerror(error);
    utf8_copy(clean, sizeof(clean), message, strlen(message));
    bool whole = json_set(json, "error", json_new_string(tally_error_name(error))) &&
                 json_set(json, "message", json_new_string(clean));
    buffer_clear(&page->body);
    page_put_json(page, json);
    if (!whole)
        page_spoil(page);
    page_finish(page, status_http(error), type_json);
}

static void page_finish_answer(struct page *page, const struct tally_answer *answer)
{
    int64_t count = 0;

    if (tally_answer_integer(answer, "count", &count) < 0 || count < 0) {
        page_finish_error(page, TALLY_EPROTOCOL, "the agent's answer has no count");
        return;
    }
    page_put_json(page, json_from_answer(answer));
    page_finish(page, 200, type_json);
}

/* ---- the list, in parts ---- */

/* Keeps the rows of one part: all, or a negative enum tally_error. */
static int page_keep_rows(struct page *page, const struct tally_answer *answer)
{
    struct tally_cursor *cursor = NULL;
    int r = tally_cursor_new(&cursor, answer, "triggers");

    if (r < 0)
        return r == TALLY_ENOFIELD ? TALLY_EPROTOCOL : r;
    while (tally_cursor_next(cursor) > 0) {
        const void *packed = NULL;
        size_t len = 0;

        r = tally_answer_packed(tally_cursor_value(cursor), NULL, &packed, &len);
        if (r < 0)
            break;
        if (buffer_append(&page->rows, packed, len) == 0)
            page->row_count++;
    }
    tally_cursor_free(cursor);
    return page->rows.failed ? TALLY_ENOMEM : r;
}

/* {"triggers": [all rows]}; NULL: no memory. */
static struct json *page_take_list(struct page *page)
{
    struct buffer packed;
    struct json *json = NULL;

    buffer_init(&packed, PAGE_BYTES + 64);
    struct map map = map_begin(&packed);
    write_array(map_key(&map, "triggers"), page->row_count);
    buffer_append(&packed, page->rows.data, page->rows.len);
    map_end(&map);
    if (!packed.failed)
        json = json_from_msgpack(packed.data, packed.len);
    buffer_free(&packed);
    buffer_free(&page->rows);
    return json;
}

/* TALLY_ENOFIELD: `before` was the last part. */
static int page_call_list(struct page *page, const struct tally_answer *before)
{
    char after[SCALER_TRIGGER_BYTES];

    if (before == NULL)
        return agent_link_list(page->shared->link, NULL, &page->waiter);
    int r = tally_answer_string(before, "next", after, sizeof(after));
    if (r < 0)
        return r;
    if (++page->list_pages == LIST_PAGES_MAX)
        return TALLY_EPROTOCOL;
    return agent_link_list(page->shared->link, after, &page->waiter);
}

/* ---- /metrics ---- */

/* The agent's metrics and our own. Without an agent there are no counts, rather than zeros. */
static void page_finish_metrics(struct page *page, struct json *list)
{
    struct agent_link_stats link;
    FILE *file = page_open_body(page);

    if (file != NULL && page->status != NULL)
        prometheus_status(file, page->status);
    if (file != NULL && list != NULL)
        prometheus_list(file, list);
    if (file != NULL && page->identities != NULL)
        prometheus_identities(file, page->identities);
    page_close_body(page, file);
    json_free(list);
    agent_link_read_stats(page->shared->link, &link);
    metrics_write(&page->body, page->shared->stats, &link);
    page_finish(page, 200, type_metrics);
}

/* Ends it without what `error` has kept from it. */
static void page_cut_metrics(struct page *page, int error)
{
    if (error == TALLY_ENOMEM)
        page_spoil(page);
    page_finish_metrics(page, NULL);
}

/* ---- answers of the agent ---- */

static void page_finish_list(struct page *page)
{
    struct json *list = page_take_list(page);

    if (page->kind == PAGE_METRICS) {
        if (list == NULL)
            page_spoil(page);
        page_finish_metrics(page, list);
        return;
    }
    page_put_json(page, list);
    page_finish(page, 200, type_json);
}

/* A part of the list is not shown as the list. */
static void page_take_rows(struct page *page, const struct tally_answer *answer)
{
    int r = page_keep_rows(page, answer);

    if (r == 0)
        r = page_call_list(page, answer);
    if (r == 0)
        return;
    if (r == TALLY_ENOFIELD)
        page_finish_list(page);
    else if (page->kind == PAGE_METRICS)
        page_cut_metrics(page, r);
    else
        page_finish_error(page, r, "");
}

static struct json *page_copy(struct page *page, const struct tally_answer *answer)
{
    struct json *json = json_from_answer(answer);

    if (json == NULL)
        page_spoil(page);
    return json;
}

/* First `status`, then `whoami`, then the list: without the first there is no agent,
 * another one that fails is left out. */
static void page_gather(struct page *page, const struct tally_answer *answer)
{
    int r = tally_answer_error(answer);
    bool known = r == 0;

    switch (page->part) {
    case PART_STATUS:
        page->part = PART_IDENTITIES;
        page->status = known ? page_copy(page, answer) : NULL;
        if (known)
            r = agent_link_identities(page->shared->link, &page->waiter);
        break;
    case PART_IDENTITIES:
        page->part = PART_LIST;
        page->identities = known ? page_copy(page, answer) : NULL;
        r = page_call_list(page, NULL);
        break;
    case PART_LIST:
        if (known) {
            page_take_rows(page, answer);
            return;
        }
        break;
    }
    if (r < 0)
        page_cut_metrics(page, r);
}

static void on_page_answer(const struct tally_answer *answer, void *data)
{
    struct page *page = data;
    int error = tally_answer_error(answer);

    if (page->kind == PAGE_METRICS)
        page_gather(page, answer);
    else if (error < 0)
        page_finish_error(page, error, tally_answer_error_message(answer));
    else if (page->kind == PAGE_READY)
        page_finish_text(page, 200, "ready\n");
    else if (page->kind == PAGE_COUNT)
        page_finish_answer(page, answer);
    else
        page_take_rows(page, answer);
    if (page->ready)
        page->done(page->data);
}

/* ---- calls ---- */

/* The trigger's name in a path, its %XX decoded. False: it is none. */
static bool page_read_name(struct text text, char *name, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.data[i];

        if (c == '%') {
            char digits[3] = "";

            if (text.len - i >= 3)
                memcpy(digits, text.data + i + 1, 2);
            if (strspn(digits, "0123456789abcdefABCDEF") != 2)
                return false;
            c = (int)strtol(digits, NULL, 16);
            i += 2;
        }
        if (c == '\0' || len + 1 >= size)
            return false;
        name[len++] = (char)c;
    }
    name[len] = '\0';
    return len > 0 && utf8_is_valid(name, len);
}

static void page_call(struct page *page, enum page_kind kind, struct text name)
{
    char trigger[SCALER_TRIGGER_BYTES];
    int r = TALLY_EBUSY;

    page->kind = kind;
    if (page->shared->pending == PENDING_MAX) {
        page_finish_error(page, r, "too many pages are asked for at once");
        return;
    }
    page->pending = true;
    page->shared->pending++;
    if (kind == PAGE_READY)
        r = agent_link_call(page->shared->link, "ping", &page->waiter);
    else if (kind == PAGE_METRICS)
        r = agent_link_call(page->shared->link, "status", &page->waiter);
    else if (kind == PAGE_TRIGGERS)
        r = page_call_list(page, NULL);
    else
        r = page_read_name(name, trigger, sizeof(trigger))
                ? agent_link_count(page->shared->link, trigger, 0, &page->waiter)
                : TALLY_EARGUMENT;
    if (r < 0)
        page_finish_error(page, r, "");
}

static bool page_is_count(struct text path, struct text *name)
{
    size_t skip = sizeof(COUNT_PATH) - 1;

    if (path.len <= skip || memcmp(path.data, COUNT_PATH, skip) != 0)
        return false;
    *name = (struct text){path.data + skip, path.len - skip};
    return true;
}

static void page_route(struct page *page, const struct page_request *request)
{
    struct text name = {"", 0};

    if (request->refusal != 0)
        page_finish_text(page, request->refusal, "the request is refused\n");
    else if (!request->is_get && !request->is_head)
        page_finish_text(page, 405, "only GET and HEAD are served\n");
    else if (text_equals(request->path, "/healthz"))
        page_finish_text(page, 200, "ok\n");
    else if (text_equals(request->path, "/readyz"))
        page_call(page, PAGE_READY, name);
    else if (page->shared->token != NULL &&
             !token_file_admits(page->shared->token, request->authorization))
        page_finish_text(page, 401, "this page needs the bearer token\n");
    else if (text_equals(request->path, "/metrics"))
        page_call(page, PAGE_METRICS, name);
    else if (text_equals(request->path, "/v1/triggers"))
        page_call(page, PAGE_TRIGGERS, name);
    else if (page_is_count(request->path, &name))
        page_call(page, PAGE_COUNT, name);
    else
        page_finish_text(page, 404, "no such page\n");
}

/* ---- life ---- */

struct page *page_open(
    struct page_shared *shared, const struct page_request *request, page_fn *done, void *data)
{
    struct page *page = calloc(1, sizeof(*page));

    if (page == NULL)
        return NULL;
    page->shared = shared;
    page->done = done;
    page->data = data;
    buffer_init(&page->body, PAGE_BYTES);
    buffer_init(&page->rows, PAGE_BYTES);
    link_waiter_init(&page->waiter, on_page_answer, page);
    shared->stats->pages += request->is_get || request->is_head;
    page_route(page, request);
    return page;
}

bool page_is_ready(const struct page *page)
{
    return page->ready;
}

void page_close(struct page *page)
{
    if (page == NULL)
        return;
    link_waiter_cancel(&page->waiter);
    page_release(page);
    page->shared->bytes -= page->charged;
    buffer_free(&page->body);
    free(page);
}

const struct page_head *page_head(const struct page *page)
{
    return &page->head;
}

const struct buffer *page_body(const struct page *page)
{
    return &page->body;
}
