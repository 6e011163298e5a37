/* SPDX-License-Identifier: Apache-2.0 */
/* The forms that go to STS and the XML that comes back. The valid replies have the shape of the
 * ones in AWS's documentation; the error is one that users have quoted. */
#include "agent/aws/sts.h"
#include "tests/unit/test.h"

#include <errno.h>

/* ---- requests ---- */

static struct buffer body;

static struct buffer *fresh(void)
{
    buffer_free(&body);
    buffer_init_secret(&body, 64 * 1024);
    return &body;
}

TEST(a_web_identity_form_encodes_every_value)
{
    sts_web_identity_body(
        fresh(), "arn:aws:iam::123456789012:role/a+b=c,d@e", "tally-pod_1.x", "eyJ.a-b_c~", 10, 0);
    CHECK_STR("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
              "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Bb%3Dc%2Cd%40e"
              "&RoleSessionName=tally-pod_1.x&WebIdentityToken=eyJ.a-b_c~",
        buffer_string(&body));
    sts_web_identity_body(fresh(), "r", "n", "a b\r\n&\0\xc3\xa9%", 10, 3600);
    CHECK_STR("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=n"
              "&WebIdentityToken=a%20b%0D%0A%26%00%C3%A9%25&DurationSeconds=3600",
        buffer_string(&body));
}

TEST(an_assume_role_form_has_the_external_id_where_there_is_one)
{
    sts_assume_role_body(fresh(), "r", "n", NULL, 0);
    CHECK_STR(
        "Action=AssumeRole&Version=2011-06-15&RoleArn=r&RoleSessionName=n", buffer_string(&body));
    sts_assume_role_body(fresh(), "r", "n", "tenant/1:2", 900);
    CHECK_STR("Action=AssumeRole&Version=2011-06-15&RoleArn=r&RoleSessionName=n"
              "&ExternalId=tenant%2F1%3A2&DurationSeconds=900",
        buffer_string(&body));
    sts_caller_identity_body(fresh());
    CHECK_STR("Action=GetCallerIdentity&Version=2011-06-15", buffer_string(&body));
}

TEST(a_form_that_does_not_fit_stays_failed)
{
    buffer_free(&body);
    buffer_init_secret(&body, 60);
    sts_web_identity_body(&body, "arn:aws:iam::123456789012:role/x", "n", "token", 5, 0);
    CHECK(body.failed);
}

static const struct {
    const char *wanted, *name;
} names[] = {
    {"tally-my-pod-7d9f.example_1+=,.@-", "tally-my-pod-7d9f.example_1+=,.@-"},
    {"a/b c:d#", "a-b-c-d-"},
    {"", "--"},
    {"a", "a-"},
    {"\xc3\xa9", "--"},
    {"0123456789012345678901234567890123456789012345678901234567890123XYZ",
        "0123456789012345678901234567890123456789012345678901234567890123"},
};

TEST(session_names_fit_the_rule_of_sts)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[STS_SESSION_NAME_SIZE];

        sts_session_name(names[i].wanted, name);
        CHECK_STR(names[i].name, name);
    }
}

/* ---- credentials ---- */

#define XMLNS " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""
#define CREDENTIALS                                                                                \
    "<Credentials><SessionToken>TOKEN+/=</SessionToken>"                                           \
    "<SecretAccessKey>SECRET+/x</SecretAccessKey>"                                                 \
    "<Expiration>2026-01-02T03:04:05Z</Expiration>"                                                \
    "<AccessKeyId>ASIAEXAMPLE</AccessKeyId></Credentials>"
#define USER                                                                                       \
    "<AssumedRoleUser><AssumedRoleId>AROA:app1</AssumedRoleId>"                                    \
    "<Arn>arn:aws:sts::123456789012:assumed-role/Role/app1</Arn></AssumedRoleUser>"
#define WEB(inside)                                                                                \
    "<AssumeRoleWithWebIdentityResponse" XMLNS ">\n <AssumeRoleWithWebIdentityResult>" inside      \
    "</AssumeRoleWithWebIdentityResult>\n <ResponseMetadata><RequestId>id</RequestId>"             \
    "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>\n"

static struct sts_credentials credentials;
static char why[200];

static int parse_part(const char *xml, size_t len)
{
    /* In memory of its own size, so that a sanitizer sees its end. */
    char *copy = malloc(len > 0 ? len : 1);

    memcpy(copy, xml, len);
    why[0] = '\0';
    int r = sts_parse_credentials(copy, len, &credentials, why, sizeof(why));
    free(copy);
    return r;
}

static int parse(const char *xml)
{
    return parse_part(xml, strlen(xml));
}

TEST(credentials_of_a_web_identity_are_read)
{
    CHECK_INT(
        0, parse(WEB("<Audience>sts.amazonaws.com</Audience>" USER "<Provider>p</Provider>"
                     "<SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken>" CREDENTIALS)));
    CHECK_STR("ASIAEXAMPLE", credentials.access_key_id);
    CHECK_STR("SECRET+/x", credentials.secret_access_key);
    CHECK_STR("TOKEN+/=", credentials.session_token);
    CHECK_STR("arn:aws:sts::123456789012:assumed-role/Role/app1", credentials.arn);
    CHECK_INT(INT64_C(1767323045000), credentials.expires_ms);
}

TEST(credentials_of_an_assumed_role_are_read)
{
    CHECK_INT(0, parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AssumeRoleResponse" XMLNS ">"
                       "<AssumeRoleResult><SourceIdentity>x</SourceIdentity>" CREDENTIALS
                       "<PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>"
                       "</AssumeRoleResponse>"));
    CHECK_STR("ASIAEXAMPLE", credentials.access_key_id);
    CHECK_STR("", credentials.arn);
}

TEST(white_space_comments_and_references_are_xml_s_own_business)
{
    CHECK_INT(0, parse(WEB("<Credentials>\n  <AccessKeyId>\n ASIA<!-- x -->EX </AccessKeyId>\n"
                           "<SecretAccessKey><![CDATA[SE<C]]>RET</SecretAccessKey>"
                           "<SessionToken>A&#x2b;&amp;&lt;B</SessionToken>"
                           "<Expiration> 2026-01-02T03:04:05.678Z\n</Expiration></Credentials>")));
    CHECK_STR("ASIAEX", credentials.access_key_id);
    CHECK_STR("SE<CRET", credentials.secret_access_key);
    CHECK_STR("A+&<B", credentials.session_token);
    CHECK_INT(INT64_C(1767323045678), credentials.expires_ms);
}

#define ID(text)     "<AccessKeyId>" text "</AccessKeyId>"
#define SECRET(text) "<SecretAccessKey>" text "</SecretAccessKey>"
#define TOKEN(text)  "<SessionToken>" text "</SessionToken>"
#define TIME(text)   "<Expiration>" text "</Expiration>"
#define GOOD_TIME    TIME("2026-01-02T03:04:05Z")
#define KEYS(inside) WEB("<Credentials>" inside "</Credentials>")

static const struct {
    const char *xml, *why;
} refused[] = {
    {KEYS(SECRET("s") TOKEN("t") GOOD_TIME), "Credentials/AccessKeyId is missing"},
    {KEYS(ID("i") TOKEN("t") GOOD_TIME), "Credentials/SecretAccessKey is missing"},
    {KEYS(ID("i") SECRET("s") GOOD_TIME), "Credentials/SessionToken is missing"},
    {KEYS(ID("i") SECRET("s") TOKEN("t")), "Credentials/Expiration is missing"},
    {KEYS(ID("") SECRET("s") TOKEN("t") GOOD_TIME), "Credentials/AccessKeyId is missing"},
    {KEYS(ID(" \n") SECRET("s") TOKEN("t") GOOD_TIME), "Credentials/AccessKeyId is missing"},
    {KEYS(ID("i") ID("j") SECRET("s") TOKEN("t") GOOD_TIME),
        "it has Credentials/AccessKeyId twice"},
    {WEB(CREDENTIALS CREDENTIALS), "it has Credentials/SessionToken twice"},
    {KEYS(ID("i") SECRET("s") TOKEN("t") TIME("tomorrow")),
        "Credentials/Expiration is not a time in ISO 8601"},
    {KEYS(ID("i") SECRET("s") TOKEN("t") TIME("1767323045")),
        "Credentials/Expiration is not a time in ISO 8601"},
    {KEYS(ID("i&#10;x: y") SECRET("s") TOKEN("t") GOOD_TIME),
        "Credentials/AccessKeyId is not plain ASCII"},
    {KEYS(ID("i") SECRET("s") TOKEN("t\nt") GOOD_TIME),
        "Credentials/SessionToken is not plain ASCII"},
    {KEYS(ID("i") SECRET("\xc3\xa9") TOKEN("t") GOOD_TIME),
        "Credentials/SecretAccessKey is not plain ASCII"},
    {KEYS(ID("i<b/>") SECRET("s") TOKEN("t") GOOD_TIME),
        "Credentials/AccessKeyId has elements inside"},
    {WEB(ID("i") SECRET("s") TOKEN("t") GOOD_TIME), "Credentials/AccessKeyId is missing"},
    {"<AssumeRoleResponse>" CREDENTIALS "</AssumeRoleResponse>",
        "Credentials/AccessKeyId is missing"},
    {"<AssumeRoleResponse><AssumeRoleWithWebIdentityResult>" CREDENTIALS
     "</AssumeRoleWithWebIdentityResult></AssumeRoleResponse>",
        "Credentials/AccessKeyId is missing"},
    {"<GetCallerIdentityResponse>" CREDENTIALS "</GetCallerIdentityResponse>",
        "its root element is not the expected one"},
    {"<AssumeRole>" CREDENTIALS "</AssumeRole>", "its root element is not the expected one"},
    {"<ErrorResponse><Error><Code>x</Code></Error></ErrorResponse>",
        "its root element is not the expected one"},
    {"<html><body>Sign in</body></html>", "its root element is not the expected one"},
    {"<!DOCTYPE html><html></html>", "it has a document type, which is not accepted"},
    {"<!DOCTYPE x [<!ENTITY a \"b\">]><AssumeRoleResponse>&a;</AssumeRoleResponse>",
        "it has a document type, which is not accepted"},
    {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><AssumeRoleResponse/>",
        "it has a document type, which is not accepted"},
    {KEYS(ID("&unknown;") SECRET("s") TOKEN("t") GOOD_TIME),
        "it is not valid XML (undefined entity in line 2)"},
    {"", "it is not valid XML (no element found in line 1)"},
    {"{\"Credentials\":{}}", "it is not valid XML (not well-formed (invalid token) in line 1)"},
    {"<a><b></a>", "its root element is not the expected one"},
    {WEB(CREDENTIALS) "<x/>", "it is not valid XML (junk after document element in line 4)"},
    {KEYS(ID("i\xff") SECRET("s") TOKEN("t") GOOD_TIME),
        "it is not valid XML (not well-formed (invalid token) in line 2)"},
    {WEB("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"), "it is nested too deeply"},
};

TEST(anything_else_is_refused_and_wiped)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        memset(&credentials, 'x', sizeof(credentials));
        if (parse(refused[i].xml) != -EPROTO)
            TEST_FAIL("accepted: %s", refused[i].xml);
        CHECK_STR(refused[i].why, why);
        for (size_t byte = 0; byte < sizeof(credentials); byte++)
            CHECK_INT(0, ((const char *)&credentials)[byte]);
    }
}

TEST(a_reply_that_breaks_off_is_refused)
{
    static const char xml[] = WEB(USER CREDENTIALS);

    for (size_t len = 0; len < sizeof(xml) - 2; len++) /* without the line end */
        CHECK_INT(-EPROTO, parse_part(xml, len));
}

static void token_of(char *xml, size_t size, size_t len)
{
    char *token = malloc(len + 1);

    memset(token, 't', len);
    token[len] = '\0';
    snprintf(xml, size, KEYS(ID("i") SECRET("s") TOKEN("%s") GOOD_TIME), token);
    free(token);
}

TEST(a_token_may_be_as_long_as_its_room)
{
    static char xml[32 * 1024];

    token_of(xml, sizeof(xml), sizeof(credentials.session_token) - 1);
    CHECK_INT(0, parse(xml));
    CHECK_INT(sizeof(credentials.session_token) - 1, strlen(credentials.session_token));
    token_of(xml, sizeof(xml), sizeof(credentials.session_token));
    CHECK_INT(-EPROTO, parse(xml));
    CHECK_STR("Credentials/SessionToken is too long", why);
}

TEST(a_long_element_name_is_refused)
{
    static char xml[2048];
    char name[1001];

    memset(name, 'n', 1000);
    name[1000] = '\0';
    snprintf(xml, sizeof(xml), "<AssumeRoleResponse><%s/></AssumeRoleResponse>", name);
    CHECK_INT(-EPROTO, parse(xml));
    CHECK_STR("it is nested too deeply", why);
    for (int len = 400; len < 520; len++) { /* each place of the end of the path's room */
        snprintf(xml, sizeof(xml), "<AssumeRoleResponse><%.*s/>", len, name);
        CHECK_INT(-EPROTO, parse(xml));
    }
}

/* ---- identity ---- */

TEST(an_identity_is_read)
{
    static const char xml[] =
        "<GetCallerIdentityResponse" XMLNS "><GetCallerIdentityResult>"
        "<Arn>arn:aws:sts::123456789012:assumed-role/Role/x</Arn><UserId>AROA:x</UserId>"
        "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    static const char no_account[] =
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>a</Arn><UserId>u</UserId>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>";
    struct sts_identity identity;

    CHECK_INT(0, sts_parse_identity(xml, strlen(xml), &identity, why, sizeof(why)));
    CHECK_STR("arn:aws:sts::123456789012:assumed-role/Role/x", identity.arn);
    CHECK_STR("AROA:x", identity.user_id);
    CHECK_STR("123456789012", identity.account);
    CHECK_INT(
        -EPROTO, sts_parse_identity(no_account, strlen(no_account), &identity, why, sizeof(why)));
    CHECK_STR("Account is missing", why);
}

/* ---- errors ---- */

#define ERROR_XML(code, message)                                                                   \
    "<ErrorResponse" XMLNS ">\n  <Error>\n    <Type>Sender</Type>\n    <Code>" code "</Code>\n"    \
    "    <Message>" message "</Message>\n  </Error>\n  <RequestId>id-1</RequestId>\n"              \
    "</ErrorResponse>\n"

static const struct {
    int status;
    const char *xml;
    enum aws_outcome outcome;
    const char *code, *message, *request_id;
} errors[] = {
    {400,
        ERROR_XML("InvalidIdentityToken", "Couldn't retrieve verification key from your identity "
                                          "provider,  please reference the documentation"),
        AWS_TRANSIENT, "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider, please reference the "
        "documentation",
        "id-1"},
    {400, ERROR_XML("IDPCommunicationError", "x"), AWS_TRANSIENT, "IDPCommunicationError", "x",
        "id-1"},
    {403,
        ERROR_XML(
            "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity &lt;x&gt;"),
        AWS_DENIED, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity <x>",
        "id-1"},
    {400, ERROR_XML("ExpiredTokenException", "Token expired"), AWS_EXPIRED, "ExpiredTokenException",
        "Token expired", "id-1"},
    {400, ERROR_XML("Throttling", "Rate exceeded"), AWS_THROTTLED, "Throttling", "Rate exceeded",
        "id-1"},
    {403, ERROR_XML("SignatureDoesNotMatch", "Signature expired: a is now earlier than b"),
        AWS_SKEWED, "SignatureDoesNotMatch", "Signature expired: a is now earlier than b", "id-1"},
    {400, "<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>", AWS_REFUSED, "X", "", ""},
    /* Not STS's: the status alone counts. */
    {400, "<Error><Code>Throttling</Code></Error>", AWS_REFUSED, "", "", ""},
    {400, "<ErrorResponse><Error><Code>Throttling</Code><Code>X</Code></Error></ErrorResponse>",
        AWS_REFUSED, "", "", ""},
    {503, "<html><body>Service Unavailable</body></html>", AWS_TRANSIENT, "", "Service Unavailable",
        ""},
    {502, "", AWS_TRANSIENT, "", "", ""},
    {403, "{\"message\":\"Forbidden\"}", AWS_DENIED, "", "", ""},
    {302, "<html>", AWS_REFUSED, "", "", ""},
    {429, "", AWS_THROTTLED, "", "", ""},
};

TEST(errors_are_read_and_classified)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct aws_error error;

        sts_parse_error(errors[i].status, errors[i].xml, strlen(errors[i].xml), &error);
        CHECK_STR(errors[i].code, error.code);
        CHECK_STR(errors[i].message, error.message);
        CHECK_STR(errors[i].request_id, error.request_id);
        CHECK_INT(errors[i].outcome, error.outcome);
        CHECK_INT(errors[i].status, error.status);
    }
}

TEST(a_long_error_message_is_cut)
{
    static char xml[8192];
    char message[5001];
    struct aws_error error;

    for (size_t i = 0; i < 5000; i++)
        message[i] = i % 8 == 7 ? ' ' : 'm';
    message[5000] = '\0';
    snprintf(xml, sizeof(xml), ERROR_XML("Throttling", "%s"), message);
    sts_parse_error(400, xml, strlen(xml), &error);
    CHECK_STR("Throttling", error.code);
    CHECK_INT(AWS_THROTTLED, error.outcome);
    CHECK(strlen(error.message) > 390);
}

TEST_MAIN(RUN(a_web_identity_form_encodes_every_value),
    RUN(an_assume_role_form_has_the_external_id_where_there_is_one),
    RUN(a_form_that_does_not_fit_stays_failed), RUN(session_names_fit_the_rule_of_sts),
    RUN(credentials_of_a_web_identity_are_read), RUN(credentials_of_an_assumed_role_are_read),
    RUN(white_space_comments_and_references_are_xml_s_own_business),
    RUN(anything_else_is_refused_and_wiped), RUN(a_reply_that_breaks_off_is_refused),
    RUN(a_token_may_be_as_long_as_its_room), RUN(a_long_element_name_is_refused),
    RUN(an_identity_is_read), RUN(errors_are_read_and_classified), RUN(a_long_error_message_is_cut))
