/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/fake_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 512

struct http {
    struct loop *loop;
};

struct http_transfer {
    http_done_fn *done;
    void *data;
    /* Borrowed from the caller: must still be there when the answer comes. */
    const void *body;
    char *headers[HTTP_LINES_MAX];
    size_t header_count;
    int index;
    struct http_transfer *next;
};

/* One network for the whole test, as the header says. */
static struct fake_http_request *requests[REQUESTS_MAX];
static int request_count;
static struct http_transfer *open_transfers; /* oldest first */

static void fail(const char *what)
{
    fprintf(stderr, "fake_http: %s\n", what);
    exit(1);
}

static void copy_text(char *to, size_t size, const char *text)
{
    if (strlen(text) >= size)
        fail("a text is longer than fake_http.h has room for");
    memcpy(to, text, strlen(text) + 1);
}

static void copy_headers(char *to, size_t size, char *const *headers, size_t count)
{
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        copy_text(to + used, size - used - 1, headers[i]);
        used += strlen(headers[i]);
        to[used++] = '\n';
    }
    to[used] = '\0';
}

static void check_borrowed(
    const struct http_transfer *transfer, const struct fake_http_request *request)
{
    static char headers[sizeof(request->headers)];

    if (request->body_len != 0 && memcmp(transfer->body, request->body, request->body_len) != 0)
        fail("the body of an open request was changed");
    copy_headers(headers, sizeof(headers), transfer->headers, transfer->header_count);
    if (strcmp(headers, request->headers) != 0)
        fail("the headers of an open request were changed");
}

void fake_http_reset(void)
{
    for (int i = 0; i < request_count; i++)
        free(requests[i]);
    request_count = 0;
    while (open_transfers != NULL) {
        struct http_transfer *transfer = open_transfers;

        open_transfers = transfer->next;
        free(transfer);
    }
}

int fake_http_count(void)
{
    return request_count;
}

const struct fake_http_request *fake_http_at(int index)
{
    if (index < 0 || index >= request_count)
        fail("no request has this index");
    return requests[index];
}

int fake_http_open(void)
{
    int count = 0;

    for (const struct http_transfer *transfer = open_transfers; transfer != NULL;
         transfer = transfer->next)
        count++;
    return count;
}

void fake_http_answer_with(const struct http_response *response)
{
    struct http_transfer *transfer = open_transfers;

    if (transfer == NULL)
        fail("an answer, but no request is open");
    check_borrowed(transfer, requests[transfer->index]);
    open_transfers = transfer->next;
    transfer->done(transfer->data, response);
    free(transfer);
}

void fake_http_answer(int status, const char *body)
{
    struct http_response response = {
        .outcome = HTTP_ANSWERED,
        .error = "",
        .status = status,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
        .elapsed_us = 1000,
        .server_us = 500,
    };

    fake_http_answer_with(&response);
}

struct http *http_create(
    struct loop *loop, const char *ca_bundle, const struct proxy_environment *proxies)
{
    struct http *http = calloc(1, sizeof(*http));

    (void)ca_bundle;
    (void)proxies;
    if (http != NULL)
        http->loop = loop;
    return http;
}

void http_destroy(struct http *http)
{
    if (http != NULL && open_transfers != NULL)
        fail("http_destroy with a transfer under way");
    free(http);
}

static struct fake_http_request *copy_request(const struct http_request *request)
{
    struct fake_http_request *copy = calloc(1, sizeof(*copy));

    if (copy == NULL)
        return NULL;
    copy_text(copy->method, sizeof(copy->method), request->method);
    copy_text(copy->url, sizeof(copy->url), request->url);
    copy_headers(copy->headers, sizeof(copy->headers), request->headers, request->header_count);
    if (request->body_len >= sizeof(copy->body))
        fail("a body is longer than fake_http.h has room for");
    if (request->body_len != 0)
        memcpy(copy->body, request->body, request->body_len);
    copy->body_len = request->body_len;
    copy->direct = request->direct;
    return copy;
}

struct http_transfer *http_start(
    struct http *http, const struct http_request *request, http_done_fn *done, void *data)
{
    struct http_transfer **link = &open_transfers;
    struct http_transfer *transfer;

    (void)http;
    if (request_count == REQUESTS_MAX)
        fail("too many requests");
    transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
        return NULL;
    requests[request_count] = copy_request(request);
    if (requests[request_count] == NULL) {
        free(transfer);
        return NULL;
    }
    transfer->done = done;
    transfer->data = data;
    transfer->body = request->body;
    transfer->header_count = request->header_count;
    memcpy(transfer->headers, request->headers, request->header_count * sizeof(char *));
    transfer->index = request_count++;
    while (*link != NULL)
        link = &(*link)->next;
    *link = transfer;
    return transfer;
}

void http_cancel(struct http_transfer *transfer)
{
    struct http_transfer **link = &open_transfers;

    while (*link != NULL && *link != transfer)
        link = &(*link)->next;
    if (*link == NULL)
        fail("http_cancel of a transfer that is not open");
    *link = transfer->next;
    free(transfer);
}
