/* SPDX-License-Identifier: Apache-2.0 */
/* Random bits for jitter. Not for keys. */
#ifndef TALLY_AGENT_RANDOM_H
#define TALLY_AGENT_RANDOM_H

#include <stdint.h>

/* 32 uniform bits from the kernel; 0 where the kernel has none yet, which makes delays short. */
uint32_t random_bits(void);

#endif
