/* Base64 for bytes that JSON cannot hold. */
#ifndef TALLY_CLI_BASE64_H
#define TALLY_CLI_BASE64_H

#include <stddef.h>

/* To be freed by the caller; NULL where there is no memory. */
char *base64_encode(const void *data, size_t len);

#endif
