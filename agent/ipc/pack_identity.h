/* Packs identities as `whoami` and `explain` show them. */
#ifndef TALLY_AGENT_IPC_PACK_IDENTITY_H
#define TALLY_AGENT_IPC_PACK_IDENTITY_H

#include "agent/count/counter.h"
#include "proto/buffer.h"

/* What is known of the identity, and the names of all triggers that use it, as pairs of the
 * caller's map. Returns how many. */
uint16_t pack_identity(
    struct buffer *buffer, const struct counter *counter, const struct identity *identity);

#endif
