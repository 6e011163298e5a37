/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the texts of named elements from a small XML document with expat, whose memory is wiped:
 * replies hold credentials. Pure. A document type is refused, so there are no entities; so are a
 * named element twice or with elements inside, nesting that is too deep, and bytes that are not
 * XML. Other elements are skipped. */
#ifndef TALLY_AGENT_AWS_STS_H
#define TALLY_AGENT_AWS_STS_H

#include "agent/aws/aws_clock.h"
#include "agent/aws/aws_error.h"
#include "proto/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct xml_field {
    const char *path; /* below the base: "Credentials/AccessKeyId" */
    char *text;       /* receives the trimmed text; "" if absent */
    size_t size;
    bool cut; /* a text that does not fit is cut (in bytes) instead of refused */
};

/* `bases`, NULL-terminated: paths from the root, "FooResponse/FooResult", of which the first that
 * has the document's root is used. At most 32 fields. 0, -ENOMEM, or -EPROTO with what is wrong in
 * `why` (no part of the document's texts). The fields' texts are set in any case. */
int xml_fields_read(const void *xml, size_t len, const char *const *bases,
    const struct xml_field *fields, size_t count, char *why, size_t why_size);

/* STS requests and replies. Pure: form bodies out, XML in. Entities and DTDs are
 * refused; so is a reply with a missing field, a field twice, or bytes that are not XML.
 * https://docs.aws.amazon.com/STS/latest/APIReference/ */

#define STS_REPLY_BYTES       (64u * 1024u)
#define STS_SESSION_NAME_SIZE 65

/* application/x-www-form-urlencoded bodies, appended to `body` (a secret buffer: the token is
 * in it). Errors stay in body->failed. Optional texts may be NULL, duration_s 0. */
void sts_web_identity_body(struct buffer *body, const char *role_arn, const char *session_name,
    const char *token, size_t token_len, int duration_s);
void sts_assume_role_body(struct buffer *body, const char *role_arn, const char *session_name,
    const char *external_id, int duration_s);
void sts_caller_identity_body(struct buffer *body);

/* The first characters that STS allows of `wanted` in a session name ([\w+=,.@-]{2,64}),
 * others as '-'. name: at least STS_SESSION_NAME_SIZE bytes. */
void sts_session_name(const char *wanted, char *name);

/* The reply of AssumeRole and AssumeRoleWithWebIdentity. Fixed sizes; wiped by the caller. */
struct sts_credentials {
    char access_key_id[132];
    char secret_access_key[132];
    char session_token[16384];
    char arn[2052];
    int64_t expires_ms; /* wall clock */
};

struct sts_identity {
    char account[32];
    char arn[2052];
    char user_id[132];
};

/* 0, -ENOMEM, or -EPROTO with what is wrong in `why` (no part of the reply's values is in it). If
 * not 0, what was read is wiped. */
int sts_parse_credentials(
    const void *xml, size_t len, struct sts_credentials *credentials, char *why, size_t why_size);
int sts_parse_identity(
    const void *xml, size_t len, struct sts_identity *identity, char *why, size_t why_size);

/* An error reply of any kind: fills *error, outcome included; bodies that are not from STS (HTML of
 * a proxy, empty) are classified by the status alone. */
void sts_parse_error(int status, const void *body, size_t len, struct aws_error *error);

#endif
