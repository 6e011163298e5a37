/* SPDX-License-Identifier: Apache-2.0 */
/* Extracts named members of a JSON object. Pure. The texts may be secrets: they are wiped by
 * fields_clear, and no message contains any of the input. */
#ifndef TALLY_AGENT_CREDENTIALS_CREDENTIALS_JSON_H
#define TALLY_AGENT_CREDENTIALS_CREDENTIALS_JSON_H

#include "agent/aws/aws_error.h"
#include "agent/aws/credentials.h"

#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_ABSENT, /* or null */
    FIELD_TEXT,   /* a string */
    FIELD_TEXTS,  /* an array of strings: `text` holds them separated by ", " */
    FIELD_NUMBER,
    FIELD_OTHER,
};

struct field {
    const char *name;
    enum field_type type;
    char *text;     /* NUL-terminated, without further NULs; NULL if not text */
    int64_t number; /* truncated to an integer; 0 if not a number */
};

/* Fills type, text and number of `count` fields by their names. 0, -ENOMEM, or -EPROTO where the
 * bytes are not a JSON object (`why` says what is wrong); then there is nothing to clear. */
int fields_read(
    const void *json, size_t len, struct field *fields, size_t count, char *why, size_t why_size);
void fields_clear(struct field *fields, size_t count);

/* The JSON by which credential endpoints (EKS Pod Identity, ECS, the instance metadata) return
 * credentials. Pure. */

#define CREDENTIALS_JSON_BYTES (64u * 1024u)

/* 0 with *credentials (owned); -ENOMEM; or -EPROTO: `why` says what is wrong, without any part of a
 * key. Key id, secret, token and expiry must all be present and usable. */
int credentials_json_parse(
    const void *json, size_t len, struct credentials **credentials, char *why, size_t why_size);

/* An error reply: {"code": …, "message": …}, or the Pod Identity agent's line of text; any other
 * body is classified by the status. */
void credentials_json_parse_error(
    int status, const void *body, size_t len, struct aws_error *error);

/* Whether the text can be part of AWS credentials, which are sent in headers. */
bool credentials_text_valid(const char *text);

#endif
