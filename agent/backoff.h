/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that get longer with each failure in a row. Pure. */
#ifndef TALLY_AGENT_BACKOFF_H
#define TALLY_AGENT_BACKOFF_H

#include <stdint.h>

/* After a failure: first_ms, doubled for each earlier one in the same row, at most most_ms. */
int64_t backoff_ms(int64_t first_ms, int64_t most_ms, uint32_t earlier);

/* After a refusal: 10 s, doubling to 60 s. So long the refusal itself is the answer: it takes
 * somebody to change a policy, and asking on would change nothing. */
int64_t backoff_refused_ms(uint32_t earlier);

#endif
