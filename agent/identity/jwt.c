#include "agent/identity/jwt.h"

#include "agent/identity/fields.h"
#include "proto/buffer.h"
#include "proto/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAYLOAD_BYTES (32u * 1024u)
#define EXPIRES_MAX   INT64_C(253402300799) /* the year 9999: RFC 3339 has no other */

static int base64url_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* Unpadded, as RFC 7515 has it. */
static int base64url_decode(const char *text, size_t len, struct buffer *out)
{
    unsigned bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = base64url_digit(text[i]);
        if (digit < 0)
            return -EINVAL;
        bits = (bits << 6 | (unsigned)digit) & 0xffffu;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_append_byte(out, (uint8_t)(bits >> count));
        }
    }
    return out->failed ? -EINVAL : 0;
}

static void copy_claim(char *to, size_t size, const struct field *field)
{
    if (field->text != NULL)
        utf8_copy(to, size, field->text, strlen(field->text));
}

static int read_payload(const struct buffer *payload, struct jwt_claims *claims)
{
    enum { ISSUER, SUBJECT, AUDIENCE, EXPIRES, COUNT };
    struct field fields[COUNT] = {
        [ISSUER] = {.name = "iss"},
        [SUBJECT] = {.name = "sub"},
        [AUDIENCE] = {.name = "aud"},
        [EXPIRES] = {.name = "exp"},
    };
    char why[80];

    if (fields_read(payload->data, payload->len, fields, COUNT, why, sizeof(why)) < 0)
        return -EINVAL;
    copy_claim(claims->issuer, sizeof(claims->issuer), &fields[ISSUER]);
    copy_claim(claims->subject, sizeof(claims->subject), &fields[SUBJECT]);
    copy_claim(claims->audience, sizeof(claims->audience), &fields[AUDIENCE]);
    if (fields[EXPIRES].number > 0 && fields[EXPIRES].number <= EXPIRES_MAX)
        claims->expires_s = fields[EXPIRES].number;
    fields_clear(fields, COUNT);
    return 0;
}

int jwt_read_claims(const char *token, size_t len, struct jwt_claims *claims)
{
    const char *first = memchr(token, '.', len);
    const char *second;
    struct buffer payload;
    int r;

    *claims = (struct jwt_claims){.expires_s = 0};
    if (first == NULL)
        return -EINVAL;
    first++;
    second = memchr(first, '.', len - (size_t)(first - token));
    if (second == NULL)
        return -EINVAL;
    buffer_init_secret(&payload, PAYLOAD_BYTES);
    r = base64url_decode(first, (size_t)(second - first), &payload);
    if (r == 0)
        r = read_payload(&payload, claims);
    buffer_free(&payload);
    return r;
}

void jwt_explain_trust(const struct jwt_claims *claims, char *text, size_t size)
{
    const char *issuer = claims->issuer;

    /* IAM names an OIDC provider without the scheme. */
    if (strncmp(issuer, "https://", 8) == 0)
        issuer += 8;
    if (*issuer == '\0')
        issuer = "the token's issuer";
    snprintf(text, size,
        "allow sts:AssumeRoleWithWebIdentity to the OIDC provider %s where its :sub is %s and its "
        ":aud is %s",
        issuer, claims->subject[0] != '\0' ? claims->subject : "(none)",
        claims->audience[0] != '\0' ? claims->audience : "(none)");
}
