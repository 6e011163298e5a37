/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests on the loop, by libcurl: connections are kept and shared, TLS is always verified,
 * redirects are never followed, and every transfer ends: by its reply, by the stall limit, or by
 * the size limit. libcurl itself resends a request on another connection if it fails on a kept one
 * before any byte of its reply. */
#ifndef TALLY_AGENT_AWS_HTTP_H
#define TALLY_AGENT_AWS_HTTP_H

#include "agent/aws/aws_error.h"
#include "agent/aws/proxy.h"
#include "agent/aws/tls.h"
#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_STALL_MS     3000 /* an attempt ends after this time without progress */
#define HTTP_HEADER_BYTES (64u * 1024u)
#define HTTP_LINES_MAX    16 /* header lines of a request */

struct http;
struct http_transfer;

/* ca_bundle: a PEM file, or NULL for the system's. proxies: checked, and borrowed for life; NULL:
 * no proxy, whatever the environment says. NULL result: out of memory. */
struct http *http_create(
    struct loop *loop, const char *ca_bundle, const struct proxy_environment *proxies);
void http_destroy(struct http *http); /* no transfer may be under way; NULL is allowed */

struct http_request {
    const char *method; /* "GET", "POST", "PUT" */
    const char *url;
    char *const *headers; /* "Name: value"; at most HTTP_LINES_MAX texts, borrowed as is the body */
    size_t header_count;
    const void *body; /* borrowed until the transfer ends; NULL: none */
    size_t body_len;
    size_t max_body;  /* of the reply; a longer one is HTTP_BROKEN */
    int64_t stall_ms; /* 0: HTTP_STALL_MS */
    bool direct;      /* never through a proxy: credential endpoints */
    bool dated;       /* parse the Date header of good replies, too */
};

enum http_outcome {
    HTTP_ANSWERED,    /* a complete reply of any status */
    HTTP_UNREACHABLE, /* no connection: name, route, refused, TLS */
    HTTP_BROKEN,      /* connected, but no complete valid reply arrived */
    HTTP_STALLED,     /* no progress for stall_ms */
};

struct http_response {
    enum http_outcome outcome;
    const char *error; /* for people, "" where answered */
    int status;
    const uint8_t *body;
    size_t body_len;
    int64_t date_ms; /* the Date header on the wall clock; 0: absent, or not read */
    struct reply_headers headers;
    bool refused_tls;          /* the certificate was rejected: a retry does not help */
    char issuer[128];          /* of that certificate, if known: "Corp CA"; "": unknown */
    bool unresolved;           /* the name of the server has no address */
    const struct proxy *proxy; /* that the request was sent through; NULL: none */
    bool proxy_failed;         /* the proxy itself: no connection, or no tunnel through it */
    int proxy_status;          /* the proxy's status for CONNECT; 0: none */
    int64_t elapsed_us;        /* from start to end, as libcurl measured it */
    int64_t server_us;         /* part of it: from request sent to first byte of the reply */
    int64_t connections;       /* new connections that this transfer opened */
};

/* The response is borrowed until the callback returns. */
typedef void http_done_fn(void *data, const struct http_response *response);

/* NULL: the transfer could not be started, and done is never called. Else done is called
 * exactly once, later, from the loop. All of *request but the body and the texts of the headers is
 * copied. */
struct http_transfer *http_start(
    struct http *http, const struct http_request *request, http_done_fn *done, void *data);

/* Ends the transfer without calling done. */
void http_cancel(struct http_transfer *transfer);

#endif
