/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/random.h"

#include <sys/random.h>

uint32_t random_bits(void)
{
    uint32_t bits = 0;

    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
        return 0;
    return bits;
}
