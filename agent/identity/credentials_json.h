/* The JSON by which credential endpoints (EKS Pod Identity, ECS, the instance metadata) hand
 * out credentials. Pure. */
#ifndef TALLY_AGENT_IDENTITY_CREDENTIALS_JSON_H
#define TALLY_AGENT_IDENTITY_CREDENTIALS_JSON_H

#include "agent/aws/aws_error.h"
#include "agent/aws/credentials.h"

#define CREDENTIALS_JSON_BYTES (64u * 1024u)

/* 0 with *credentials (owned); -ENOMEM; or -EPROTO: `why` says what is wrong, without any part
 * of a key. All four of key id, secret, token and expiry must be there and be usable. */
int credentials_json_parse(
    const void *json, size_t len, struct credentials **credentials, char *why, size_t why_size);

/* An error reply: {"code": …, "message": …}, or the Pod Identity agent's line of text; another
 * body is classified by the status. */
void credentials_json_parse_error(
    int status, const void *body, size_t len, struct aws_error *error);

/* Whether the text can be a part of AWS credentials, which travel in headers. */
bool credentials_text_valid(const char *text);

#endif
