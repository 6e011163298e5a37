#include "agent/aws/header_lines.h"

#include "agent/aws/sigv4.h"

#include <errno.h>
#include <string.h>

#define TEXT_BYTES (48u * 1024u) /* a session token may take 16 KiB */

/* `name` may be NULL: then `value` is the whole line. A NULL value adds nothing. */
static void add(struct header_lines *lines, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (lines->count == HEADER_LINES_MAX) {
        lines->text.failed = true;
        lines->text.error = -EMSGSIZE;
        return;
    }
    lines->offsets[lines->count++] = lines->text.len;
    if (name != NULL) {
        buffer_append_string(&lines->text, name);
        buffer_append_string(&lines->text, ": ");
    }
    buffer_append_string(&lines->text, value);
    buffer_append_byte(&lines->text, '\0');
}

static const char *signing_name(enum aws_service service)
{
    return service == AWS_DYNAMODB ? "dynamodb" : "sts";
}

static int add_signature(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds)
{
    struct sigv4_header headers[3];
    struct sigv4_request to_sign = {.method = request->method,
        .path = request->endpoint->path,
        .query = "",
        .headers = headers,
        .body = request->body,
        .body_len = request->body_len};
    struct sigv4_signature signature;
    int r;

    if (request->content_type != NULL)
        headers[to_sign.header_count++] = (struct sigv4_header){
            "content-type", request->content_type};
    headers[to_sign.header_count++] = (struct sigv4_header){"host", request->endpoint->host};
    if (request->target != NULL)
        headers[to_sign.header_count++] = (struct sigv4_header){"x-amz-target", request->target};
    r = sigv4_sign(&to_sign, request->credentials, request->endpoint->region,
        signing_name(request->service), unix_seconds, &signature);
    if (r < 0)
        return r;
    add(lines, "X-Amz-Date", signature.date);
    add(lines, "X-Amz-Security-Token", request->credentials->session_token);
    add(lines, "Authorization", signature.authorization);
    return 0;
}

int header_lines_build(
    struct header_lines *lines, const struct aws_request *request, int64_t unix_seconds)
{
    int r = 0;

    lines->count = 0;
    buffer_init_secret(&lines->text, TEXT_BYTES);
    add(lines, "Host", request->endpoint->host);
    add(lines, "Content-Type", request->content_type);
    add(lines, "X-Amz-Target", request->target);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        add(lines, NULL, request->headers[i]);
    if (request->credentials != NULL)
        r = add_signature(lines, request, unix_seconds);
    if (r == 0 && lines->text.failed)
        r = lines->text.error;
    for (size_t i = 0; r == 0 && i < lines->count; i++)
        lines->lines[i] = (const char *)lines->text.data + lines->offsets[i];
    return r;
}

void header_lines_free(struct header_lines *lines)
{
    buffer_free(&lines->text);
}
