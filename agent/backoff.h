/* SPDX-License-Identifier: Apache-2.0 */
/* Backoff delays, which grow with each consecutive failure. Pure. */
#ifndef TALLY_AGENT_BACKOFF_H
#define TALLY_AGENT_BACKOFF_H

#include <stdint.h>

/* After a failure: first_ms, doubled for each earlier consecutive failure, at most most_ms. */
int64_t backoff_ms(int64_t first_ms, int64_t most_ms, uint32_t earlier);

/* After a refusal: 10 s, doubling to 60 s. For that time the refusal itself is the answer: a retry
 * cannot succeed until a policy changes. */
int64_t backoff_refused_ms(uint32_t earlier);

#endif
