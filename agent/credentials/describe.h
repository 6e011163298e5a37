/* SPDX-License-Identifier: Apache-2.0 */
/* What `whoami` reports about an identity. */
#ifndef TALLY_AGENT_CREDENTIALS_DESCRIBE_H
#define TALLY_AGENT_CREDENTIALS_DESCRIBE_H

#include "agent/credentials/source.h"
#include "proto/writer.h"

#include <stdint.h>

/* As identity_describe. */
void describe_source(
    const struct identity_spec *spec, const struct source *source, struct map *map);

#endif
