#include "agent/aws/sts.h"

#include "agent/aws/xml_fields.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define VERSION       "2011-06-15"
#define TIME_BYTES    64
#define MESSAGE_BYTES 2048

/* ---- requests -------------------------------------------------------------------------------- */

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

/* ---- replies --------------------------------------------------------------------------------- */

/* Keys, tokens and ARNs are plain; a line end in one would end a header line of a request. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* Every field with a plain text in it, but for the last `optional` ones, which may be absent. */
static int check_fields(
    const struct xml_field *fields, size_t count, size_t optional, char *why, size_t why_size)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = fields[i].text;
        if ((text[0] == '\0' && i < count - optional) || !is_plain(text)) {
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
        snprintf(why, why_size, "Credentials/Expiration is no time in ISO 8601");
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
