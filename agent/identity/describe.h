/* What `whoami` tells of an identity. */
#ifndef TALLY_AGENT_IDENTITY_DESCRIBE_H
#define TALLY_AGENT_IDENTITY_DESCRIBE_H

#include "agent/identity/supply.h"
#include "proto/buffer.h"

#include <stdint.h>

/* As identity_describe_pairs. */
uint32_t describe_pairs(
    const struct identity_spec *spec, const struct supply *supply, struct buffer *out);

#endif
