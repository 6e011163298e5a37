/* Base64 as Kubernetes Secrets and DynamoDB's B have it: standard alphabet, padded; line
 * breaks and blanks are skipped. */
#ifndef TALLY_AGENT_CONFIG_BASE64_H
#define TALLY_AGENT_CONFIG_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Decodes into `out`, which has room for at least 3 bytes per 4 characters (NULL: checks only).
 * The number of bytes, or -EINVAL. */
long base64_decode(const char *text, uint8_t *out);

#endif
