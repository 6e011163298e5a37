/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials from the endpoints that a container or a machine offers: never signed, never through
 * a proxy. */
#ifndef TALLY_AGENT_CREDENTIALS_METADATA_H
#define TALLY_AGENT_CREDENTIALS_METADATA_H

#include "agent/aws/aws_error.h"
#include "agent/aws/credentials.h"
#include "agent/credentials/provider.h"

#include <stdbool.h>
#include <stddef.h>

/* Credentials from a container endpoint: EKS Pod Identity and ECS. The authorization token's file
 * is read for each request. */

/* By AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN
 * or …_TOKEN_FILE. */
struct provider *container_create(const struct identity_context *context, struct facts *facts);

/* The role of the machine, from the instance metadata service, version 2: only if enabled, since
 * from a pod the service often never answers. kiam emulates this service in pods, and supports
 * version 1, too. */

/* kiam: version 1 is allowed if version 2 is refused. */
struct provider *imds_create(
    const struct identity_context *context, struct facts *facts, bool kiam);

/* ---- the document with the credentials ---- */

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

#endif
