/* SPDX-License-Identifier: Apache-2.0 */
/* One set of AWS credentials: immutable except for what signatures derive from it,
 * reference-counted, wiped when the last reference is dropped. A pending request holds its own
 * reference, so a refresh never frees keys that a signature still uses. */
#ifndef TALLY_AGENT_AWS_CREDENTIALS_H
#define TALLY_AGENT_AWS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_NEVER_EXPIRE INT64_MAX

/* The most recently used keys that SigV4 derived from the secret (in sigv4.c), each for a day, a
 * region and a service. They can sign like the secret, and are wiped with it. Each with the hash of
 * the latest request's front, which ends in the session token, and is the same for all pages of one
 * second. */
#define SIGNING_KEYS 4
struct signing_keys {
    struct signing_key {
        char scope[96];    /* "20260102/eu-west-1/dynamodb/aws4_request"; "": none */
        uint8_t hmac[136]; /* BearSSL's HMAC context: the key, padded and hashed already */
        struct signed_front {
            char text[256];    /* what was hashed but the token, which is the credentials' */
            size_t len;        /* 0: nothing */
            uint8_t hash[112]; /* BearSSL's SHA-256 context; it holds the token's last bytes */
        } front;
    } keys[SIGNING_KEYS];
    unsigned next; /* replaced next */
};

struct credentials {
    unsigned references;
    struct signing_keys *derived;
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* NULL: a long-lived key */
    int64_t expires_ms;  /* wall clock, or CREDENTIALS_NEVER_EXPIRE */
    char *arn;           /* of the assumed role, if STS returned it; or NULL */
};

/* Copies the texts; session_token and arn may be NULL. One reference. NULL: no memory. */
struct credentials *credentials_create(const char *access_key_id, const char *secret_access_key,
    const char *session_token, int64_t expires_ms, const char *arn);
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials); /* NULL is allowed */

/* Whether the text can be part of AWS credentials, which are sent in headers: visible ASCII. */
bool credentials_text_valid(const char *text);

/* An access key id as it may be shown: the first and the last four characters, "AKIA…MPLE". */
#define CREDENTIALS_ID_SIZE     129 /* AWS's limit, and the NUL */
#define CREDENTIALS_MASKED_SIZE 32
void credentials_mask_id(const char *id, char masked[CREDENTIALS_MASKED_SIZE]);

#endif
