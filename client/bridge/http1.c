/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/http1.h"

#include <strings.h>

/* ---- characters ---- */

static bool http1_is_token(struct text text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr(others, c) != NULL);

        if (!known)
            return false;
    }
    return text.len > 0;
}

static bool http1_is_visible(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e)
            return false;
    }
    return true;
}

/* A field's value: no control character but the tab. */
static bool http1_is_value(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool http1_equals(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

/* ---- the request line ---- */

/* The text up to the character, which is passed over. False: it is not there. */
static bool http1_split(struct text *rest, char at, struct text *part)
{
    const char *found = rest->len > 0 ? memchr(rest->data, at, rest->len) : NULL;

    if (found == NULL)
        return false;
    *part = (struct text){rest->data, (size_t)(found - rest->data)};
    rest->data = found + 1;
    rest->len -= part->len + 1;
    return true;
}

static int http1_read_target(struct http1_request *request, struct text target)
{
    const char *query;

    if (target.len > HTTP1_TARGET_BYTES)
        return 414;
    if (target.len == 0 || target.data[0] != '/' || !http1_is_visible(target))
        return 400;
    query = memchr(target.data, '?', target.len);
    if (query != NULL)
        target.len = (size_t)(query - target.data);
    request->path = target;
    return 0;
}

/* Each of these returns 0, or the status of a refusal. */
static int http1_read_line(struct http1_request *request, struct text line, bool *is_old)
{
    struct text method, target;

    if (!http1_split(&line, ' ', &method) || !http1_split(&line, ' ', &target) ||
        !http1_is_token(method))
        return 400;
    *is_old = text_equals(line, "HTTP/1.0");
    if (!*is_old && !text_equals(line, "HTTP/1.1"))
        return line.len == 8 && strncmp(line.data, "HTTP/", 5) == 0 ? 505 : 400;
    request->close = *is_old;
    request->is_get = text_equals(method, "GET");
    request->is_head = text_equals(method, "HEAD");
    return http1_read_target(request, target);
}

/* ---- the fields ---- */

struct field_counts {
    unsigned host, authorization;
};

static int http1_read_field(
    struct http1_request *request, struct text line, struct field_counts *counts)
{
    struct text name;

    if (!http1_split(&line, ':', &name) || !http1_is_token(name))
        return 400; /* also a continuation line, and a blank in front of the colon */
    for (; line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t'); line.len--)
        line.data++;
    while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t'))
        line.len--;
    if (!http1_is_value(line))
        return 400;
    if (http1_equals(name, "transfer-encoding") ||
        (http1_equals(name, "content-length") && !text_equals(line, "0")))
        return 413; /* nothing here takes a body */
    if (http1_equals(name, "expect"))
        return 417;
    if (http1_equals(name, "host") && ++counts->host > 1)
        return 400;
    if (http1_equals(name, "connection") && http1_equals(line, "close"))
        request->close = true;
    if (!http1_equals(name, "authorization"))
        return 0;
    request->authorization = line;
    return ++counts->authorization > 1 ? 400 : 0;
}

/* `head` ends behind the empty line. */
static int http1_read_head(struct http1_request *request, struct text head)
{
    struct field_counts counts = {0, 0};
    bool is_first = true, is_old = false;
    int status = 0;

    while (status == 0) {
        struct text line;

        if (!http1_split(&head, '\n', &line) || line.len == 0 || line.data[line.len - 1] != '\r')
            return 400;
        line.len--;
        if (line.len == 0 && !is_first)
            break;
        status = is_first ? http1_read_line(request, line, &is_old)
                          : http1_read_field(request, line, &counts);
        is_first = false;
    }
    return status == 0 && counts.host == 0 && !is_old ? 400 : status;
}

/* ---- all of it ---- */

static enum http1_result http1_refuse(struct http1_request *request, int status)
{
    request->status = status;
    request->close = true;
    return HTTP1_REFUSED;
}

/* Whether what is there cannot become a request: bytes of another protocol are answered at once. */
static bool http1_is_foreign(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len && data[i] != ' '; i++) {
        if (!http1_is_token((struct text){(const char *)&data[i], 1}))
            return true;
    }
    return len > 0 && data[0] == ' ';
}

enum http1_result http1_read(struct http1_request *request, const uint8_t *data, size_t len)
{
    size_t seen = len < HTTP1_HEAD_BYTES ? len : HTTP1_HEAD_BYTES;
    const uint8_t *end = seen > 0 ? memmem(data, seen, "\r\n\r\n", 4) : NULL;

    *request = (struct http1_request){.path = {"", 0}, .authorization = {"", 0}};
    if (http1_is_foreign(data, seen))
        return http1_refuse(request, 400);
    if (end == NULL && seen < HTTP1_HEAD_BYTES)
        return HTTP1_MORE;
    if (end == NULL)
        return http1_refuse(request, memchr(data, '\n', seen) != NULL ? 431 : 414);
    request->used = (size_t)(end - data) + 4;
    int status = http1_read_head(request, (struct text){(const char *)data, request->used});
    return status == 0 ? HTTP1_REQUEST : http1_refuse(request, status);
}

/* ---- answers ---- */

const char *http1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Error";
}

void http1_write_head(struct buffer *buffer, const struct http1_head *head)
{
    buffer_printf(buffer,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n",
        head->status, http1_reason(head->status), head->type, head->len);
    if (head->status == 401)
        buffer_append_string(buffer, "WWW-Authenticate: Bearer\r\n");
    if (head->status == 405)
        buffer_append_string(buffer, "Allow: GET, HEAD\r\n");
    if (head->retry_after > 0)
        buffer_printf(buffer, "Retry-After: %d\r\n", head->retry_after);
    buffer_append_string(buffer, head->close ? "Connection: close\r\n\r\n" : "\r\n");
}
