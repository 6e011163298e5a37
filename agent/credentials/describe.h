/* What `whoami` tells of an identity. */
#ifndef TALLY_AGENT_CREDENTIALS_DESCRIBE_H
#define TALLY_AGENT_CREDENTIALS_DESCRIBE_H

#include "agent/credentials/source.h"
#include "proto/buffer.h"

#include <stdint.h>

/* As identity_describe_pairs. */
uint32_t describe_pairs(
    const struct identity_spec *spec, const struct source *source, struct buffer *out);

#endif
