#include "agent/ipc/pack_request.h"

#include "agent/aws/call.h"
#include "proto/utf8.h"
#include "proto/writer.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE  64
#define SHOWN_SIZE 1024
#define MASK       "(masked)"

/* Credential=AKIAIOSFODNN7EXAMPLE/20260201/…, SignedHeaders=…, Signature=5d67… */
static void mask_authorization(const char *value, char *shown, size_t size)
{
    const char *credential = strstr(value, "Credential=");
    const char *scope = credential != NULL ? strchr(credential, '/') : NULL;
    const char *signature = scope != NULL ? strstr(scope, "Signature=") : NULL;
    char id[CREDENTIALS_ID_SIZE], masked[CREDENTIALS_MASKED_SIZE];

    if (signature == NULL || (size_t)(scope - credential) - 11 >= sizeof(id)) {
        snprintf(shown, size, MASK); /* of a form that is not known here */
        return;
    }
    credential += 11;
    snprintf(id, sizeof(id), "%.*s", (int)(scope - credential), credential);
    credentials_mask_id(id, masked);
    snprintf(shown, size, "%.*s%s%.*s%s", (int)(credential - value), value, masked,
        (int)(signature + 10 - scope), scope, MASK);
}

void mask_header(const char *name, const char *value, char *shown, size_t size)
{
    if (strcmp(name, "authorization") == 0)
        mask_authorization(value, shown, size);
    else if (strcmp(name, "x-amz-security-token") == 0)
        snprintf(shown, size, MASK);
    else
        utf8_copy(shown, size, value, strlen(value));
}

/* "Name: value" */
static void pack_header(struct buffer *buffer, const char *line)
{
    const char *colon = strchr(line, ':');
    char name[NAME_SIZE], shown[SHOWN_SIZE];
    size_t len = 0;

    for (; len < NAME_SIZE - 1 && line + len < colon; len++) {
        char c = line[len];

        name[len] = c;
        if (c >= 'A' && c <= 'Z')
            name[len] = (char)(c - 'A' + 'a');
    }
    name[len] = '\0';
    mask_header(name, colon + 1 + strspn(colon + 1, " "), shown, sizeof(shown));
    write_string(buffer, name);
    write_string(buffer, shown);
}

static void pack_headers(
    struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds)
{
    struct header_lines lines;

    write_string(buffer, "headers");
    if (header_lines_build(&lines, request, unix_seconds) < 0)
        lines.count = 0;
    write_map(buffer, (uint32_t)lines.count);
    for (size_t i = 0; i < lines.count; i++)
        pack_header(buffer, lines.lines[i]);
    header_lines_free(&lines);
}

void pack_request(struct buffer *buffer, const struct aws_request *request, int64_t unix_seconds)
{
    write_map(buffer, 3);
    write_string(buffer, "target");
    write_string(buffer, request->target);
    pack_headers(buffer, request, unix_seconds);
    write_string(buffer, "body");
    write_text(buffer, request->body, request->body_len);
}
