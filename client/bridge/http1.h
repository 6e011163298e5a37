/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 requests without a body, read strictly out of untrusted bytes, and the head of an
 * answer. Pure: what is wrong with a request is the status that answers it. */
#ifndef TALLY_BRIDGE_HTTP1_H
#define TALLY_BRIDGE_HTTP1_H

#include "proto/buffer.h"
#include "proto/reader.h"

#include <stdbool.h>

#define HTTP1_HEAD_BYTES   8192 /* request line and fields together, else 431 */
#define HTTP1_TARGET_BYTES 1024 /* else 414 */

enum http1_result {
    HTTP1_MORE,    /* the head goes on behind the bytes given */
    HTTP1_REQUEST, /* `used` bytes are one request */
    HTTP1_REFUSED, /* `status` says why; the connection must be closed after the answer */
};

struct http1_request {    /* texts are borrowed from the bytes */
    int status;           /* of a refusal */
    bool is_get, is_head; /* neither: a method that is not served */
    bool close;           /* after the answer */
    struct text path;     /* without the query */
    struct text authorization;
    size_t used;
};

enum http1_result http1_read(struct http1_request *request, const uint8_t *data, size_t len);

/* The reason phrase of a status that tally-bridge answers. Static. */
const char *http1_reason(int status);

/* What an answer has besides its body. */
struct http1_head {
    int status;
    const char *type; /* Content-Type */
    size_t len;       /* Content-Length */
    int retry_after;  /* seconds; 0: absent */
    bool close;
};
void http1_write_head(struct buffer *buffer, const struct http1_head *head);

#endif
