/* SPDX-License-Identifier: Apache-2.0 */
/* Configured access keys: in metadata, the environment, a mounted Secret. Returns them at once, and
 * reads files again only when they have changed. */
#ifndef TALLY_AGENT_CREDENTIALS_STATIC_H
#define TALLY_AGENT_CREDENTIALS_STATIC_H

#include "agent/config/identity_spec.h"
#include "agent/credentials/provider.h"

struct static_options {
    const struct identity_context *context;
    struct facts *facts;
    struct value_ref key_id; /* the refs' targets live as long as the provider's owner */
    struct value_ref secret_key;
    struct value_ref session_token;
};

struct provider *static_create(const struct static_options *options); /* NULL: out of memory */

#endif
