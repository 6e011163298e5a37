/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of a web-identity token, decoded without any verification: for messages and
 * `whoami` only. Pure. */
#ifndef TALLY_AGENT_CREDENTIALS_WEB_IDENTITY_H
#define TALLY_AGENT_CREDENTIALS_WEB_IDENTITY_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

#include <stddef.h>
#include <stdint.h>

struct jwt_claims {
    char issuer[256]; /* "" where absent */
    char subject[256];
    char audience[256]; /* several: separated by ", " */
    int64_t expires_s;  /* 0 where absent */
};

/* 0, or -EINVAL where the bytes are not a JWT with a readable payload: then all is empty. */
int jwt_read_claims(const char *token, size_t len, struct jwt_claims *claims);

/* What the role's trust policy must contain for this token, in words. */
void jwt_explain_trust(const struct jwt_claims *claims, char *text, size_t size);

/* The token that Kubernetes mounts and rotates: read for each use. While the kubelet swaps the
 * projected volume the file is missing or empty for a moment; the reader waits for it. */

#define TOKEN_BYTES 20000 /* STS rejects longer tokens */

/* failure NULL: file->token holds the token, without white space at its end. */
typedef void token_file_done_fn(void *data, const struct failure *failure);

struct token_file {
    const struct identity_context *context;
    const char *path; /* borrowed */
    token_file_done_fn *done;
    void *data;
    struct buffer token; /* secret */
    struct loop_timer *timer;
    int64_t started_ms;
};

/* 0 or -ENOMEM. `data` is the provider that reads it: its waiters are notified while the file is
 * missing. */
int token_file_init(struct token_file *file, const struct identity_context *context,
    const char *path, token_file_done_fn *done, void *data);
void token_file_clear(struct token_file *file); /* does not call done; allowed if zeroed */

/* Calls done exactly once, as the last step, perhaps before it returns. */
void token_file_read(struct token_file *file);

/* Reads once, now. True: the file holds a new token, which is now in file->token; false: it is the
 * same, or there is none, and file->token is unchanged. */
bool token_file_changed(struct token_file *file);

/* Wipes the token. */
void token_file_forget(struct token_file *file);

/* Whether the text may be sent as one header's value. */
bool token_text_valid(const char *text);

/* The identity that Kubernetes mounts as a token (IRSA): AssumeRoleWithWebIdentity. The token file
 * is read at each fetch, because Kubernetes rotates it. */

struct web_identity_options {
    const struct identity_context *context;
    struct facts *facts;
    const char *token_file; /* the texts live as long as the provider's owner */
    struct value_ref role;
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS if the environment sets none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *web_identity_create(const struct web_identity_options *options);

/* Whether this failure is STS's refusal of the token or the role, after which podIdentity `aws`
 * tries AssumeRole; never true for a transient fault. */
bool web_identity_refused(const struct failure *failure);

#endif
