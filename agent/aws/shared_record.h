/* SPDX-License-Identifier: Apache-2.0 */
/* The record of DynamoDB through which agents share one count: its key, the requests that read and
 * change it, and what the replies say. Pure: JSON (by jansson) out and in. A writer of the
 * table may write anything, so that every field is checked. All times are AWS's, in ms.
 *
 *     k           S  "v1#<namespace>#<hash of the Query>"
 *     v           N  1
 *     count, scanned, pages, rcu  N      of the last count that an agent published,
 *     quality     S  "exact" or "at_least"
 *     completed   N  when it was counted
 *     took        N  how long that took, in ms
 *     counted_by  S  the agent that counted
 *     owner, token  S   the agent that counts now, and a random number of this lease,
 *     since, lease  N   when it began, and when the lease ends
 *     reason      S  why its count failed: no agent counts until the lease has ended
 *     ttl         N  seconds: when DynamoDB may delete the record
 *
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html */
#ifndef TALLY_AGENT_AWS_SHARED_RECORD_H
#define TALLY_AGENT_AWS_SHARED_RECORD_H

#include "agent/query.h"
#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_RECORD_GET_TARGET    "DynamoDB_20120810.GetItem"
#define SHARED_RECORD_UPDATE_TARGET "DynamoDB_20120810.UpdateItem"
#define SHARED_RECORD_REPLY_BYTES   (16u * 1024u)

#define SHARED_RECORD_NAME_SIZE   80 /* of an agent, with its end */
#define SHARED_RECORD_TOKEN_SIZE  33
#define SHARED_RECORD_REASON_SIZE 200
#define SHARED_RECORD_KEY_SIZE    (3 + 256 + 1 + 64 + 1)

/* How far another agent's clock may be ahead of AWS's: a time beyond that is not believed. */
#define SHARED_RECORD_AHEAD_MS 5000
#define SHARED_RECORD_LEASE_MS 15000

/* The key of a Query: the same for agents that would send the same one. values: as for
 * dynamodb_query_body. namespace_: NULL: none. 0; -ENOMEM or -EMSGSIZE: then the key is "". */
int shared_record_key(char key[SHARED_RECORD_KEY_SIZE], const char *namespace_,
    const struct query *query, const char *values);

struct shared_lease {
    const char *table;
    const char *key;
    const char *owner;
    const char *token;
};

/* Request bodies. 0, -ENOMEM or -EMSGSIZE, also in body->failed. */
int shared_record_get_body(struct buffer *body, const struct shared_lease *lease);

/* Takes the lease, where no lease is in force at now_ms and the last count was completed at
 * stale_ms or earlier. */
int shared_record_take_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms, int64_t stale_ms);

/* The next ones change the record only while the lease is still this one. */
int shared_record_renew_body(struct buffer *body, const struct shared_lease *lease, int64_t now_ms);
int shared_record_give_back_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms);

/* The count failed for a cause that every agent would meet: the lease stays until it ends. */
int shared_record_fail_body(
    struct buffer *body, const struct shared_lease *lease, int64_t now_ms, const char *reason);

struct shared_number {
    uint64_t count;
    uint64_t scanned;
    double rcu;
    uint32_t pages;
    bool at_least;
    int64_t completed_ms;
    int64_t took_ms;
};
int shared_record_publish_body(
    struct buffer *body, const struct shared_lease *lease, const struct shared_number *number);

/* A record, cleaned: texts are valid UTF-8. */
struct shared_record {
    bool exists; /* else all is zero */
    bool has_number;
    struct shared_number number;
    char counted_by[SHARED_RECORD_NAME_SIZE];
    bool is_leased; /* a lease is in force, of: */
    char owner[SHARED_RECORD_NAME_SIZE];
    int64_t since_ms;
    int64_t lease_ms;
    char reason[SHARED_RECORD_REASON_SIZE]; /* "": the owner is counting */
    char fault[80]; /* what is not valid in it: then it has no number and no lease; "": it is valid
                     */
};

/* The reply to a request above, or the refusal of one; without a record it is zeroed. *units: what
 * the reply says it cost, 0 if it does not. 0; -ENOMEM; or -EPROTO if the reply is no JSON object
 * (`why` says so). */
int shared_record_parse(const void *json, size_t len, struct shared_record *record, double *units,
    char *why, size_t why_size);

/* Judges its times at now_ms: sets is_leased, and a fault where the number is from the future. */
void shared_record_settle(struct shared_record *record, int64_t now_ms);

#endif
