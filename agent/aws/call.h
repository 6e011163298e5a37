/* SPDX-License-Identifier: Apache-2.0 */
/* One call of an AWS service, attempts included: signs, sends, checks, classifies, and asks
 * again where that can help. What a call may cost is bounded by the service's retry quota and
 * by the patience of its caller.
 *
 * One repeat is free, once for a call: after a refused clock, signed anew by the reply's Date.
 * (http repeats by itself what a kept connection lost.) Refreshing credentials is the caller's
 * (AWS_EXPIRED). */
#ifndef TALLY_AGENT_AWS_CALL_H
#define TALLY_AGENT_AWS_CALL_H

#include "agent/aws/aws_error.h"
#include "agent/aws/credentials.h"
#include "agent/aws/http.h"
#include "agent/aws/retry.h"
#include "agent/endpoint.h"
#include "proto/buffer.h"

enum aws_service { AWS_DYNAMODB, AWS_STS, AWS_CREDENTIAL_ENDPOINT, AWS_SERVICE_COUNT };

/* What all calls share: the connections, the retry quotas, the clock's offset, the signing
 * keys of the day, the counters that `status` shows. */
struct aws_client;
struct aws_client *aws_client_create(struct loop *loop, struct http *http); /* NULL: no memory */
void aws_client_destroy(struct aws_client *client); /* no call may be under way; NULL allowed */

/* The wall clock as AWS sees it, ms: the machine's, plus the offset learned from a refusal. What
 * goes to an endpoint whose clock is known is signed by that. */
int64_t aws_client_wall(const struct aws_client *client);

/* By how much AWS's clock is ahead of this machine's, in ms; 0 where nothing is known. */
int64_t aws_client_skew(const struct aws_client *client);

/* Credentials that have just come expire then. Where that is past by AWS's clock as it was learned,
 * but not by this machine's, or by that of STS's latest reply, takes the one by which it is not:
 * what was learned was wrong, or this machine's clock is or has been set; and as nothing is signed
 * with expired credentials, no refusal would ever correct it. */
void aws_client_check_clock(struct aws_client *client, int64_t expires_ms);

struct aws_counters {
    uint64_t calls; /* attempts that were sent */
    uint64_t ok;
    uint64_t throttled;
    uint64_t failed; /* all other outcomes */
    uint64_t connections;
};
const struct aws_counters *aws_client_counters(
    const struct aws_client *client, enum aws_service service);

struct aws_request {
    enum aws_service service;
    const char *what;   /* subject of messages: "Query of table orders in eu-west-1"; borrowed
                         * until the call ends, as are body and credentials' reference */
    const char *method; /* NULL: "POST" */
    const struct endpoint *endpoint; /* copied */
    const char *content_type;        /* NULL: none */
    const char *target;              /* X-Amz-Target, NULL: none */
    const char *const *headers;      /* further "Name: value", unsigned; copied; NULL-terminated */
    const void *body;
    size_t body_len;
    struct credentials *credentials; /* NULL: not signed */
    size_t max_reply;
    int64_t stall_ms;                      /* 0: HTTP_STALL_MS */
    int64_t retry_base_ms;                 /* 0: RETRY_BASE_MS */
    unsigned max_attempts;                 /* 0: as `patience` says */
    const struct retry_patience *patience; /* borrowed to the end; NULL: as max_attempts says */

    /* Reads a whole 2xx reply; negative: it is none that the service sends (`why` says what is
     * wrong), which counts as a transient fault, with -ELOOP as one that another attempt does not
     * mend. Called at most once for each attempt. */
    int (*parse_reply)(void *data, const void *body, size_t len, char *why, size_t why_size);

    /* The service's error reply -> *error (sts_parse_error, dynamodb_parse_error, …). */
    void (*parse_error)(int status, const void *body, size_t len, struct aws_error *error);

    /* An attempt failed, and the next one is made after delay_ms. NULL: not reported. It may not
     * cancel the call. */
    void (*retrying)(void *data, const struct failure *failure, int64_t delay_ms);
};

struct aws_reply {
    struct aws_error error; /* error.outcome AWS_OK: parse_reply took the reply */
    struct failure failure; /* where not AWS_OK: as clients are told it */
    int64_t elapsed_us;     /* of the last attempt */
    unsigned attempts;
    int64_t retry_after_ms; /* what the service asked for, 0: nothing */
};

/* The reply is borrowed until the callback returns. */
typedef void aws_call_done_fn(void *data, const struct aws_reply *reply);

struct aws_call;

/* NULL: nothing was sent, *failure says why, and done is never called. Else done is called exactly
 * once, later. */
struct aws_call *aws_call_start(struct aws_client *client, const struct aws_request *request,
    aws_call_done_fn *done, void *data, struct failure *failure);

/* Ends the call without calling done. */
void aws_call_cancel(struct aws_call *call);

/* ---- the parts of an attempt ---- */

/* What an attempt met that got no whole reply, with the party that failed: the name, the server,
 * its certificate, or the proxy in front of it (by its variable, without user and password). Sets
 * outcome and message of *error; `url` is the endpoint's. */
void transport_error_set(
    struct aws_error *error, const char *url, const struct http_response *response);

/* The header lines of one attempt, signature included. */

#define HEADER_LINES_MAX 16

struct header_lines {
    const char *lines[HEADER_LINES_MAX]; /* "Name: value" */
    size_t count;
    size_t offsets[HEADER_LINES_MAX];
    struct buffer text; /* all lines, wiped when freed: keys' ids, tokens, signatures */
};

/* Lines for the request as it is at unix_seconds; signed where the request has credentials. 0, or a
 * negative errno; free it in both cases. */
int header_lines_build(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds);
void header_lines_free(struct header_lines *lines);

#endif
