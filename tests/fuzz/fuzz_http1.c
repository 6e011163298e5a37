/* SPDX-License-Identifier: Apache-2.0 */
/* A request of HTTP/1.1 in any pieces: what is decided does not depend on them, and what is read
 * lies within the bytes. */
#include "client/bridge/http1.h"
#include "tests/fuzz/fuzz.h"

static void check_inside(struct text text, const uint8_t *data, size_t size)
{
    MUST(text.len == 0 || ((const uint8_t *)text.data >= data &&
                              (const uint8_t *)text.data + text.len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_request request, early;
    enum http1_result result = http1_read(&request, data, size), before = HTTP1_MORE;
    size_t len = 0;

    MUST(request.used <= size);
    check_inside(request.path, data, size);
    check_inside(request.authorization, data, size);
    MUST(result != HTTP1_REFUSED || (request.close && request.status >= 400));
    MUST(result != HTTP1_REQUEST || (request.path.len > 0 && request.path.data[0] == '/'));
    for (; len <= size && before == HTTP1_MORE; len += 1 + len / 64)
        before = http1_read(&early, data, len);
    if (before == HTTP1_REQUEST)
        MUST(result == HTTP1_REQUEST && early.used == request.used);
    return 0;
}
