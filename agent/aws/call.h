/* SPDX-License-Identifier: Apache-2.0 */
/* One call of an AWS service, attempts included: signs, sends, checks, classifies, and retries
 * where that can help. The cost of a call is limited by the service's retry quota and by the
 * caller's patience.
 *
 * One retry per call is free: after a refused clock, signed again with the reply's Date. (http
 * itself resends a request that a kept connection lost.) The caller refreshes credentials
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

/* AWS's wall clock in ms: the machine's, plus the offset learned from a refusal. Requests to an
 * endpoint whose clock is known are signed with that clock. */
int64_t aws_client_wall(const struct aws_client *client);

/* How far AWS's clock is ahead of this machine's, in ms; 0 if not known. */
int64_t aws_client_skew(const struct aws_client *client);

/* Checks the expiry of newly received credentials. If it is past by AWS's clock as learned, but not
 * by this machine's clock or by STS's latest reply, switches to the clock by which it is not past:
 * the learned offset was wrong, or this machine's clock is wrong or was set. As nothing is signed
 * with expired credentials, no refusal would ever correct the offset. */
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
                         * until the call ends, as are headers and body */
    const char *method; /* NULL: "POST" */
    const struct endpoint *endpoint; /* copied */
    const char *content_type;        /* NULL: none */
    const char *target;              /* X-Amz-Target, NULL: none */
    const char *const *headers;      /* further "Name: value", unsigned; NULL-terminated */
    const void *body;
    size_t body_len;
    struct credentials *credentials; /* held; NULL: not signed */
    size_t max_reply;
    int64_t stall_ms;                      /* 0: HTTP_STALL_MS */
    int64_t retry_base_ms;                 /* 0: RETRY_BASE_MS */
    bool is_dated;                         /* the reply's Date is needed: aws_ms, made_ms */
    unsigned max_attempts;                 /* 0: as `patience` says */
    const struct retry_patience *patience; /* borrowed to the end; NULL: as max_attempts says */
    void *data;                            /* for the functions below */

    /* Reads a whole 2xx reply; negative: the service does not send such a reply (`why` says what is
     * wrong), which counts as a transient error; -ELOOP: as one that a retry does not fix. Called
     * at most once for each attempt. */
    int (*parse_reply)(void *data, const void *body, size_t len, char *why, size_t why_size);

    /* The service's error reply -> *error (sts_parse_error, dynamodb_parse_error, …). */
    void (*parse_error)(int status, const void *body, size_t len, struct aws_error *error);

    /* The body of an error reply, for callers that need more of it than aws_error has. May be NULL.
     * Called for each attempt, before it is retried. */
    void (*read_error)(void *data, const void *body, size_t len);

    /* An attempt failed, and the next one starts after delay_ms. NULL: not reported. The callback
     * must not cancel the call. */
    void (*retrying)(void *data, const struct failure *failure, int64_t delay_ms);
};

struct aws_reply {
    struct aws_error error; /* error.outcome AWS_OK: parse_reply took the reply */
    struct failure failure; /* if not AWS_OK: the error as clients get it */
    int64_t elapsed_us;     /* of the last attempt */
    unsigned attempts;
    int64_t retry_after_ms; /* requested by the service; 0: nothing */
    int64_t aws_ms;       /* AWS's time at the end of the attempt: this machine's where the reply's
                           * Date agrees, else the nearest that fits the Date; */
    int64_t aws_error_ms; /* then it may be wrong by so much either way, else 0 */
    int64_t made_ms;      /* AWS's time when it made the reply, at the latest: a process that was
                           * stopped reads it much later */
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

/* The error of an attempt without a complete reply, naming the party that failed: the host name,
 * the server, its certificate, or the proxy in front of it (by its variable, without user and
 * password). Sets outcome and message of *error; `url` is the endpoint's. */
void transport_error_set(
    struct aws_error *error, const char *url, const struct http_response *response);

/* The header lines of one attempt, signature included. */

struct header_lines {
    char *lines[HTTP_LINES_MAX]; /* "Name: value" */
    size_t count;
    size_t offsets[HTTP_LINES_MAX];
    struct buffer text; /* all lines, wiped when freed: key ids, tokens, signatures */
};

/* The header lines of the request at unix_seconds; signed if the request has credentials. *lines is
 * all zero, or was built before. 0, or a negative errno; the caller frees them in both cases. */
int header_lines_build(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds);
void header_lines_free(struct header_lines *lines);

#endif
