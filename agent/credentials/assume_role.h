/* SPDX-License-Identifier: Apache-2.0 */
/* One AssumeRole or AssumeRoleWithWebIdentity: a form body in, credentials out. */
#ifndef TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H
#define TALLY_AGENT_CREDENTIALS_ASSUME_ROLE_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"
#include "proto/buffer.h"

#define STS_FORM_BYTES (128u * 1024u) /* the longest token, each byte percent-encoded, and more */

/* Credentials (borrowed) or a failure (borrowed); `outcome` is the outcome of the STS call. */
typedef void sts_exchange_done_fn(void *data, struct credentials *credentials,
    const struct failure *failure, enum aws_outcome outcome);

struct sts_exchange {
    const struct identity_context *context;
    const char *region; /* if the environment sets none; borrowed, may be NULL */
    sts_exchange_done_fn *done;
    void *data;
    struct buffer form;    /* secret: filled by the owner before each start, wiped at its end */
    char what[256];        /* subject of messages, filled by the owner */
    struct aws_call *call; /* NULL while none is under way */
    struct credentials *credentials;
    struct retry_patience patience;
};

/* `data` is the requesting provider: its waiters are notified of trouble, too. */
void sts_exchange_init(struct sts_exchange *exchange, const struct identity_context *context,
    const char *region, sts_exchange_done_fn *done, void *data);

/* Calls done exactly once, perhaps before it returns: as the last step, so that done may start
 * another one or free the exchange. credentials sign it; NULL: unsigned. */
void sts_exchange_start(struct sts_exchange *exchange, struct credentials *credentials);

/* Ends it without calling done, and wipes what it holds. Allowed at any time. */
void sts_exchange_clear(struct sts_exchange *exchange);

/* AssumeRole, signed by the credentials of another provider. */

struct assume_role_options {
    const struct identity_context *context;
    struct facts *facts;
    struct provider *base; /* borrowed: outlives this one */
    /* Notifies the cache of the base's credentials that AWS refused them; may be NULL. */
    void (*base_refused)(void *data, const struct credentials *credentials, const char *aws_code);
    void *base_data;
    struct value_ref role; /* the texts live as long as the provider's owner */
    struct value_ref external_id;
    const char *base_role;    /* if equal to the role, the base's credentials are used; or NULL */
    const char *session_name; /* NULL: the context's */
    const char *region;       /* for STS if the environment sets none; may be NULL */
    int duration_s;           /* of the session; 0: the default of the role */
};

struct provider *assume_role_create(const struct assume_role_options *options);

/* Whether there is a role to assume. Else the role is an auth parameter that is currently unset,
 * missing or empty, and the provider passes on its base's credentials. */
bool assume_role_has_role(struct provider *provider);

#endif
