/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/metadata.h"
#include "agent/credentials/web_identity.h"
#include "agent/json_value.h"
#include "tests/unit/test.h"

#include <errno.h>

static char why[200];

TEST(fields_are_picked_by_name_and_type)
{
    enum { TEXT, NUMBER, REAL, LIST, OTHER, NOTHING, ABSENT, COUNT };
    struct json_field fields[COUNT] = {
        [TEXT] = {.name = "t"},
        [NUMBER] = {.name = "n"},
        [REAL] = {.name = "r"},
        [LIST] = {.name = "l"},
        [OTHER] = {.name = "o"},
        [NOTHING] = {.name = "z"},
        [ABSENT] = {.name = "a"},
    };
    const char *json = "{\"t\":\"x\\u00e9\",\"n\":-7,\"r\":1.75e9,\"l\":[\"p\",\"q\"],\"o\":{},"
                       "\"z\":null,\"more\":[1,{}]}";

    CHECK_INT(0, json_fields_read(json, strlen(json), fields, COUNT, why, sizeof(why)));
    CHECK_INT(JSON_FIELD_TEXT, fields[TEXT].type);
    CHECK_STR("x\xc3\xa9", fields[TEXT].text);
    CHECK_INT(JSON_FIELD_NUMBER, fields[NUMBER].type);
    CHECK_INT(-7, fields[NUMBER].number);
    CHECK_INT(1750000000, fields[REAL].number);
    CHECK_INT(JSON_FIELD_TEXTS, fields[LIST].type);
    CHECK_STR("p, q", fields[LIST].text);
    CHECK_INT(JSON_FIELD_OTHER, fields[OTHER].type);
    CHECK_INT(JSON_FIELD_ABSENT, fields[NOTHING].type);
    CHECK_INT(JSON_FIELD_ABSENT, fields[ABSENT].type);
    json_fields_clear(fields, COUNT);
    CHECK(fields[TEXT].text == NULL);
    json_fields_clear(fields, COUNT);
}

TEST(what_is_no_object_is_refused_without_quoting_it)
{
    static const char *const texts[] = {"", "null", "[]", "\"s3cret\"", "{\"t\":\"s3cret\"",
        "{\"t\":\"s3cret\"} x", "{\"t\":\"s3cret\\u0000\"}", "{\"t\":\"s3cret\xff\"}",
        "{\"t\":\"s3cret\",\"t\":1}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct json_field field = {.name = "t"};

        why[0] = '\0';
        CHECK_INT(
            -EPROTO, json_fields_read(texts[i], strlen(texts[i]), &field, 1, why, sizeof(why)));
        CHECK(why[0] != '\0');
        CHECK(strstr(why, "s3cret") == NULL);
        CHECK(field.text == NULL);
    }
}

TEST(deep_nesting_is_refused)
{
    static char deep[100000];
    struct json_field field = {.name = "t"};

    snprintf(deep, sizeof(deep), "{\"t\":");
    memset(deep + strlen(deep), '[', sizeof(deep) - strlen(deep));
    CHECK_INT(-EPROTO, json_fields_read(deep, sizeof(deep), &field, 1, why, sizeof(why)));
}

/* ---- the token's claims ---- */

TEST(claims_are_read_from_a_token_of_kubernetes)
{
    /* {"aud":["sts.amazonaws.com"],"exp":1750086400,"iss":"https://oidc.example/id/X",
     *  "sub":"system:serviceaccount:shop:worker"} */
    static const char token[] =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJhdWQiOlsic3RzLmFtYXpvbmF3cy5jb20iXSwiZXhwIjoxNzUwMDg2NDAwLCJpc3MiOiJodHRwczovL29pZGMu"
        "ZXhhbXBsZS9pZC9YIiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6d29ya2VyIn0."
        "c2ln";
    struct jwt_claims claims;
    char text[800];

    CHECK_INT(0, jwt_read_claims(token, strlen(token), &claims));
    CHECK_STR("https://oidc.example/id/X", claims.issuer);
    CHECK_STR("system:serviceaccount:shop:worker", claims.subject);
    CHECK_STR("sts.amazonaws.com", claims.audience);
    CHECK_INT(1750086400, claims.expires_s);
    jwt_explain_trust(&claims, text, sizeof(text));
    CHECK_STR("allow sts:AssumeRoleWithWebIdentity to the OIDC provider oidc.example/id/X where "
              "its :sub is system:serviceaccount:shop:worker and its :aud is sts.amazonaws.com",
        text);
}

TEST(what_is_no_token_has_no_claims)
{
    static const char *const texts[] = {"", "a", "a.b", "a.!.c", "a..c", "a.e30", "..",
        "a.bm8gSlNPTg.c" /* no JSON */, "a.W10.c" /* [] */};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct jwt_claims claims = {.issuer = "left over"};

        CHECK_INT(-EINVAL, jwt_read_claims(texts[i], strlen(texts[i]), &claims));
        CHECK_STR("", claims.issuer);
    }
}

TEST(claims_of_wrong_types_are_absent)
{
    /* {"aud":1,"exp":"soon","iss":{},"sub":[1]} */
    static const char token[] = "a.eyJhdWQiOjEsImV4cCI6InNvb24iLCJpc3MiOnt9LCJzdWIiOlsxXX0.c";
    struct jwt_claims claims;

    CHECK_INT(0, jwt_read_claims(token, strlen(token), &claims));
    CHECK_STR("", claims.audience);
    CHECK_STR("", claims.issuer);
    CHECK_STR("", claims.subject);
    CHECK_INT(0, claims.expires_s);
}

/* ---- credentials ---- */

static int parse(const char *json, struct credentials **credentials)
{
    why[0] = '\0';
    *credentials = NULL;
    return credentials_json_parse(json, strlen(json), credentials, why, sizeof(why));
}

TEST(credentials_are_read_as_both_endpoints_send_them)
{
    static const char *const replies[] = {
        /* EKS Pod Identity, ECS */
        "{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s/+\",\"Token\":\"t==\","
        "\"AccountId\":\"111122223333\",\"Expiration\":\"2025-06-15T15:06:40Z\"}",
        /* the instance metadata */
        "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2025-06-15T09:00:00Z\",\n"
        "  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIA1\",\n"
        "  \"SecretAccessKey\" : \"s/+\",\n  \"Token\" : \"t==\",\n"
        "  \"Expiration\" : \"2025-06-15T15:06:40Z\"\n}",
    };
    struct credentials *credentials;

    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(0, parse(replies[i], &credentials));
        CHECK_STR("ASIA1", credentials->access_key_id);
        CHECK_STR("s/+", credentials->secret_access_key);
        CHECK_STR("t==", credentials->session_token);
        CHECK(credentials->expires_ms == 1750000000000);
        credentials_unref(credentials);
    }
}

TEST(credentials_without_an_end_or_a_part_are_refused_by_name)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{}", "AccessKeyId is missing"},
        {"{\"AccessKeyId\":7}", "AccessKeyId is not a string"},
        {"{\"AccessKeyId\":\"\"}", "AccessKeyId is empty"},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"x\"}",
            "Token is missing"},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
            "Expiration is missing"},
        {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"x\"}",
            "Expiration is not an ISO 8601 time in UTC"},
        {"{\"AccessKeyId\":\"A b\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
            "AccessKeyId holds characters that cannot be part of it"},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"x\"}",
            "it holds no credentials but the error AssumeRoleUnauthorizedAccess"},
    };
    struct credentials *credentials;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(-EPROTO, parse(cases[i].json, &credentials));
        CHECK(credentials == NULL);
        CHECK_STR(cases[i].why, why);
    }
}

TEST(error_replies_of_any_shape_are_classified)
{
    static const struct {
        int status;
        const char *body, *code, *message;
        enum aws_outcome outcome;
    } cases[] = {
        {400, "{\"code\":\"InvalidTokenException\",\"message\":\"m\"}", "InvalidTokenException",
            "m", AWS_REFUSED},
        {403, "{\"Code\":\"AccessDenied\",\"Message\":\"m\"}", "AccessDenied", "m", AWS_DENIED},
        {404, "", "", "", AWS_REFUSED},
        {429, "Too Many Requests. x\n", "", "Too Many Requests. x", AWS_THROTTLED},
        /* As the Pod Identity agent words them. */
        {404, "[r-1]: (ResourceNotFoundException): No association found, fault: client\nmore\n",
            "ResourceNotFoundException", "No association found", AWS_REFUSED},
        {400, "[r-1]: (ExpiredTokenException): old, fault: client\n", "ExpiredTokenException",
            "old", AWS_EXPIRED},
        {400, "Service account token cannot be empty\n", "",
            "Service account token cannot be empty", AWS_REFUSED},
        {403, "Access Denied. x", "", "Access Denied. x", AWS_DENIED},
        {400, "[half", "", "[half", AWS_REFUSED},
        {500, "<html><body>secret</body></html>", "", "", AWS_TRANSIENT},
        {400, "{\"code\":7}", "", "", AWS_REFUSED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aws_error error = {.status = 0};

        credentials_json_parse_error(cases[i].status, cases[i].body, strlen(cases[i].body), &error);
        CHECK_INT(cases[i].status, error.status);
        CHECK_STR(cases[i].code, error.code);
        CHECK_STR(cases[i].message, error.message);
        CHECK_INT(cases[i].outcome, error.outcome);
    }
}

TEST_MAIN(RUN(fields_are_picked_by_name_and_type),
    RUN(what_is_no_object_is_refused_without_quoting_it), RUN(deep_nesting_is_refused),
    RUN(claims_are_read_from_a_token_of_kubernetes), RUN(what_is_no_token_has_no_claims),
    RUN(claims_of_wrong_types_are_absent), RUN(credentials_are_read_as_both_endpoints_send_them),
    RUN(credentials_without_an_end_or_a_part_are_refused_by_name),
    RUN(error_replies_of_any_shape_are_classified))
