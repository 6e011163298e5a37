/* SPDX-License-Identifier: Apache-2.0 */
/* One AssumeRole or AssumeRoleWithWebIdentity: a form body in, credentials out. */
#ifndef TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H
#define TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/context.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

#define STS_FORM_BYTES (128u * 1024u) /* the longest token, each byte percent-encoded, and more */

/* Credentials (borrowed) or a failure (borrowed); `outcome` is what STS said to it. */
typedef void sts_exchange_done_fn(void *data, struct credentials *credentials,
    const struct failure *failure, enum aws_outcome outcome);

struct sts_exchange {
    const struct identity_context *context;
    const char *region; /* where the environment names none; borrowed, may be NULL */
    sts_exchange_done_fn *done;
    void *data;
    struct buffer form;    /* secret: filled by the owner before each start, wiped at its end */
    char what[256];        /* subject of messages, filled by the owner */
    struct aws_call *call; /* NULL while none is under way */
    struct credentials *credentials;
    struct retry_patience patience;
};

/* `data` is the provider that asks: whoever waits for it is told of trouble, too. */
void sts_exchange_init(struct sts_exchange *exchange, const struct identity_context *context,
    const char *region, sts_exchange_done_fn *done, void *data);

/* Calls done exactly once, perhaps before it returns: as the last thing, so that it may start
 * another one or free the exchange. credentials sign it; NULL: unsigned. */
void sts_exchange_start(struct sts_exchange *exchange, struct credentials *credentials);

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
void sts_exchange_clear(struct sts_exchange *exchange);

/* AssumeRole, signed by the credentials of another provider. */

struct assume_role_options {
    const struct identity_context *context;
    struct facts *facts;
    struct provider *base; /* borrowed: outlives this one */
    /* Tells whoever keeps the base's credentials that AWS refused them; may be NULL. */
    void (*base_refused)(void *data, const struct credentials *credentials, const char *aws_code);
    void *base_data;
    struct value_ref role; /* the texts stay alive with the provider's owner */
    struct value_ref external_id;
    const char *base_role;    /* where equal to the role, the base's credentials serve; or NULL */
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS where the environment names none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *assume_role_create(const struct assume_role_options *options);

/* Whether there is something to assume. Else the role is an auth parameter that is unset, missing
 * or empty at present, and the provider passes its base's credentials on. */
bool assume_role_has_role(struct provider *provider);

#endif
