/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as Kubernetes Secrets and DynamoDB's B have it: standard alphabet, padded; line
 * breaks and blanks are skipped. */
#ifndef TALLY_PROTO_BASE64_H
#define TALLY_PROTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* The value of one digit, -1 for another character. last_two: the digits 62 and 63 of the alphabet,
 * "+/", or "-_" of base64url. */
int base64_digit(char c, const char *last_two);

/* Decodes into `out`, which has room for at least 3 bytes per 4 characters (NULL: checks only).
 * The number of bytes, or -EINVAL. */
long base64_decode(const char *text, uint8_t *out);

/* Encodes, padded, into `text`, which has BASE64_SIZE(len) bytes for it and the NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void base64_encode(const uint8_t *data, size_t len, char *text);

#endif
