/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/sts.h"

#include "agent/aws/credentials.h"
#include "agent/library_text.h"
#include "agent/wiping_heap.h"

#include <errno.h>
#include <expat.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- xml fields ---- */

#define DEPTH_MAX    16
#define PATH_BYTES   512
#define ELEMENTS_MAX 256 /* expat keeps each name; the services send a dozen */

struct reading {
    XML_Parser parser;
    const char *const *bases;
    const char *base; /* NULL until the root element starts */
    const struct xml_field *fields;
    size_t count;
    uint32_t seen;                /* a bit for each field */
    const struct xml_field *open; /* the field whose element is open */
    size_t used;                  /* bytes of its text */
    char path[PATH_BYTES];        /* of the open element, from the root: "A/B" */
    size_t path_len;
    unsigned depth;
    unsigned elements;
    int r;
    char *why;
    size_t why_size;
};

/* ---- events ---- */

/* The first reason counts; expat may still call back after it was stopped. */
static __attribute__((format(printf, 2, 3))) void stop(
    struct reading *reading, const char *format, ...)
{
    va_list arguments;

    if (reading->r < 0)
        return;
    reading->r = -EPROTO;
    va_start(arguments, format);
    vsnprintf(reading->why, reading->why_size, format, arguments);
    va_end(arguments);
    XML_StopParser(reading->parser, XML_FALSE);
}

static void choose_base(struct reading *reading, const char *root)
{
    for (const char *const *base = reading->bases; *base != NULL; base++) {
        size_t len = strcspn(*base, "/");

        if (strlen(root) == len && memcmp(root, *base, len) == 0) {
            reading->base = *base;
            return;
        }
    }
    stop(reading, "its root element is not the expected one");
}

/* The field whose element is at the open path, or NULL. */
static const struct xml_field *field_here(const struct reading *reading)
{
    size_t base_len = strlen(reading->base);

    if (reading->path_len <= base_len || reading->path[base_len] != '/' ||
        memcmp(reading->path, reading->base, base_len) != 0)
        return NULL;
    for (size_t i = 0; i < reading->count; i++)
        if (strcmp(reading->path + base_len + 1, reading->fields[i].path) == 0)
            return &reading->fields[i];
    return NULL;
}

static void open_field(struct reading *reading, const struct xml_field *field)
{
    uint32_t bit = UINT32_C(1) << (field - reading->fields);

    if ((reading->seen & bit) != 0) {
        stop(reading, "it has %s twice", field->path);
        return;
    }
    reading->seen |= bit;
    reading->open = field;
    reading->used = 0;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = data;
    size_t len = strlen(name);

    (void)attributes;
    if (reading->r < 0)
        return;
    if (reading->open != NULL)
        stop(reading, "%s has elements inside", reading->open->path);
    else if (reading->depth == DEPTH_MAX || len + 2 > PATH_BYTES - reading->path_len)
        stop(reading, "it is nested too deeply");
    else if (reading->elements++ == ELEMENTS_MAX)
        stop(reading, "it has more than %d elements", ELEMENTS_MAX);
    else if (reading->depth == 0)
        choose_base(reading, name);
    if (reading->r < 0)
        return;

    if (reading->depth++ > 0)
        reading->path[reading->path_len++] = '/';
    memcpy(reading->path + reading->path_len, name, len + 1);
    reading->path_len += len;
    const struct xml_field *field = field_here(reading);
    if (field != NULL)
        open_field(reading, field);
}

static void on_text(void *data, const XML_Char *text, int len)
{
    struct reading *reading = data;
    const struct xml_field *field = reading->open;
    size_t more = (size_t)len;
    size_t space;

    if (reading->r < 0 || field == NULL)
        return;
    space = field->size - 1 - reading->used;
    if (more > space && !field->cut) {
        stop(reading, "%s is too long", field->path);
        return;
    }
    if (more > space)
        more = space;
    memcpy(field->text + reading->used, text, more);
    reading->used += more;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void close_field(struct reading *reading)
{
    char *text = reading->open->text;
    size_t len = reading->used;
    size_t start = 0;

    while (len > 0 && is_white(text[len - 1]))
        len--;
    while (start < len && is_white(text[start]))
        start++;
    memmove(text, text + start, len - start);
    text[len - start] = '\0';
    reading->open = NULL;
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
    struct reading *reading = data;

    if (reading->r < 0)
        return;
    if (reading->open != NULL)
        close_field(reading);
    reading->path_len -= strlen(name);
    if (--reading->depth > 0)
        reading->path_len--;
    reading->path[reading->path_len] = '\0';
}

static void XMLCALL on_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
    const XML_Char *public_id, int has_internal)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal;
    stop(data, "it has a document type, which is not accepted");
}

/* ---- the document ---- */

static int sts_parse(struct reading *reading, const void *xml, size_t len)
{
    enum XML_Status status;
    char reason[80];

    XML_SetUserData(reading->parser, reading);
    XML_SetElementHandler(reading->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
    status = XML_Parse(reading->parser, xml, (int)len, 1);
    if (reading->r < 0)
        return reading->r;
    if (status == XML_STATUS_OK)
        return 0;
    library_text_copy(reason, sizeof(reason), XML_ErrorString(XML_GetErrorCode(reading->parser)));
    snprintf(reading->why, reading->why_size, "it is not valid XML (%s in line %lu)", reason,
        (unsigned long)XML_GetCurrentLineNumber(reading->parser));
    return XML_GetErrorCode(reading->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EPROTO;
}

int xml_fields_read(const void *xml, size_t len, const char *const *bases,
    const struct xml_field *fields, size_t count, char *why, size_t why_size)
{
    static const XML_Memory_Handling_Suite memory = {wiping_malloc, wiping_realloc, wiping_free};
    struct reading reading = {
        .bases = bases, .fields = fields, .count = count, .why = why, .why_size = why_size};
    int r;

    for (size_t i = 0; i < count; i++)
        memset(fields[i].text, 0, fields[i].size);
    if (len > INT32_MAX) {
        snprintf(why, why_size, "it is too long");
        return -EPROTO;
    }
    /* The services send UTF-8, whatever the document declares. */
    reading.parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    if (reading.parser == NULL) {
        snprintf(why, why_size, "no memory");
        return -ENOMEM;
    }
    r = sts_parse(&reading, xml, len);
    XML_ParserFree(reading.parser);
    return r;
}

/* ---- sts ---- */

#define VERSION       "2011-06-15"
#define TIME_BYTES    64
#define MESSAGE_BYTES 2048

/* ---- requests ---- */

static bool is_alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* ARNs, session names and external ids may hold + = , . @ : / - */
static void append_encoded(struct buffer *body, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (is_alphanumeric(text[i]) || (text[i] != '\0' && strchr("-._~", text[i]) != NULL))
            buffer_append_byte(body, (uint8_t)text[i]);
        else
            buffer_printf(body, "%%%02X", (unsigned char)text[i]);
    }
}

static void append_field(struct buffer *body, const char *name, const char *text, size_t len)
{
    buffer_printf(body, "&%s=", name);
    append_encoded(body, text, len);
}

static void append_action(struct buffer *body, const char *action)
{
    buffer_printf(body, "Action=%s&Version=" VERSION, action);
}

static void append_role(struct buffer *body, const char *role_arn, const char *session_name)
{
    append_field(body, "RoleArn", role_arn, strlen(role_arn));
    append_field(body, "RoleSessionName", session_name, strlen(session_name));
}

static void append_duration(struct buffer *body, int duration_s)
{
    if (duration_s > 0)
        buffer_printf(body, "&DurationSeconds=%d", duration_s);
}

void sts_web_identity_body(struct buffer *body, const char *role_arn, const char *session_name,
    const char *token, size_t token_len, int duration_s)
{
    append_action(body, "AssumeRoleWithWebIdentity");
    append_role(body, role_arn, session_name);
    append_field(body, "WebIdentityToken", token, token_len);
    append_duration(body, duration_s);
}

void sts_assume_role_body(struct buffer *body, const char *role_arn, const char *session_name,
    const char *external_id, int duration_s)
{
    append_action(body, "AssumeRole");
    append_role(body, role_arn, session_name);
    if (external_id != NULL)
        append_field(body, "ExternalId", external_id, strlen(external_id));
    append_duration(body, duration_s);
}

void sts_caller_identity_body(struct buffer *body)
{
    append_action(body, "GetCallerIdentity");
}

void sts_session_name(const char *wanted, char *name)
{
    size_t len = 0;

    for (; len < STS_SESSION_NAME_SIZE - 1 && wanted[len] != '\0'; len++) {
        bool allowed = is_alphanumeric(wanted[len]) || strchr("_+=,.@-", wanted[len]) != NULL;

        name[len] = wanted[len];
        if (!allowed)
            name[len] = '-';
    }
    while (len < 2)
        name[len++] = '-';
    name[len] = '\0';
}

/* ---- replies ---- */

/* Every field with a valid text in it, as a line end would end a header line of a request; but for
 * the last `optional` ones, which may be absent. */
static int check_fields(
    const struct xml_field *fields, size_t count, size_t optional, char *why, size_t why_size)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = fields[i].text;

        if ((text[0] == '\0' && i < count - optional) || !credentials_text_valid(text)) {
            snprintf(why, why_size, "%s is %s", fields[i].path,
                text[0] == '\0' ? "missing" : "not plain ASCII");
            return -EPROTO;
        }
    }
    return 0;
}

int sts_parse_credentials(
    const void *xml, size_t len, struct sts_credentials *credentials, char *why, size_t why_size)
{
    static const char *const bases[] = {
        "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult",
        "AssumeRoleResponse/AssumeRoleResult", NULL};
    struct sts_credentials *c = credentials;
    char expiration[TIME_BYTES];
    const struct xml_field fields[] = {
        {"Credentials/AccessKeyId", c->access_key_id, sizeof(c->access_key_id), false},
        {"Credentials/SecretAccessKey", c->secret_access_key, sizeof(c->secret_access_key), false},
        {"Credentials/SessionToken", c->session_token, sizeof(c->session_token), false},
        {"Credentials/Expiration", expiration, sizeof(expiration), false},
        {"AssumedRoleUser/Arn", c->arn, sizeof(c->arn), false},
    };
    const size_t count = sizeof(fields) / sizeof(fields[0]);
    int r;

    r = xml_fields_read(xml, len, bases, fields, count, why, why_size);
    if (r == 0)
        r = check_fields(fields, count, 1, why, why_size);
    if (r == 0 && iso8601_parse(expiration, strlen(expiration), &c->expires_ms) < 0) {
        snprintf(why, why_size, "Credentials/Expiration is not a time in ISO 8601");
        r = -EPROTO;
    }
    if (r < 0)
        wipe(credentials, sizeof(*credentials));
    return r;
}

int sts_parse_identity(
    const void *xml, size_t len, struct sts_identity *identity, char *why, size_t why_size)
{
    static const char *const bases[] = {"GetCallerIdentityResponse/GetCallerIdentityResult", NULL};
    const struct xml_field fields[] = {
        {"Account", identity->account, sizeof(identity->account), false},
        {"Arn", identity->arn, sizeof(identity->arn), false},
        {"UserId", identity->user_id, sizeof(identity->user_id), false},
    };
    const size_t count = sizeof(fields) / sizeof(fields[0]);
    int r;

    r = xml_fields_read(xml, len, bases, fields, count, why, why_size);
    if (r == 0)
        r = check_fields(fields, count, 0, why, why_size);
    if (r < 0)
        wipe(identity, sizeof(*identity));
    return r;
}

/* <ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse> */
void sts_parse_error(int status, const void *body, size_t len, struct aws_error *error)
{
    static const char *const bases[] = {"ErrorResponse", NULL};
    char code[sizeof(error->code)];
    char message[MESSAGE_BYTES];
    char request_id[sizeof(error->request_id)];
    char why[1];
    const struct xml_field fields[] = {
        {"Error/Code", code, sizeof(code), false},
        {"Error/Message", message, sizeof(message), true},
        {"RequestId", request_id, sizeof(request_id), false},
    };

    if (xml_fields_read(body, len, bases, fields, 3, why, sizeof(why)) < 0)
        code[0] = message[0] = request_id[0] = '\0';
    if (code[0] != '\0')
        aws_error_set(error, status, code, strlen(code), message, strlen(message));
    else
        aws_error_set_page(error, status, body, len);
    aws_error_set_request_id(error, request_id, strlen(request_id));
    wipe(message, sizeof(message)); /* it may repeat a part of the request */
}
