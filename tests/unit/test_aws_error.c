/* SPDX-License-Identifier: Apache-2.0 */
/* What each error of AWS leads to, and what of it may be shown. */
#include "agent/aws/aws_error.h"
#include "tests/unit/test.h"

struct classified {
    int status;
    const char *code;
    const char *message;
    enum aws_outcome outcome;
};

static const struct classified table[] = {
    /* Throttles, which DynamoDB sends as HTTP 400. */
    {400, "ProvisionedThroughputExceededException", "", AWS_THROTTLED},
    {400, "ThrottlingException", "", AWS_THROTTLED},
    {400, "RequestLimitExceeded", "", AWS_THROTTLED},
    {400, "Throttling", "Rate exceeded", AWS_THROTTLED},
    {400, "ThrottledException", "", AWS_THROTTLED},
    {400, "RequestThrottled", "", AWS_THROTTLED},
    {400, "RequestThrottledException", "", AWS_THROTTLED},
    {400, "TooManyRequestsException", "", AWS_THROTTLED},
    {400, "BandwidthLimitExceeded", "", AWS_THROTTLED},
    {400, "LimitExceededException", "", AWS_THROTTLED},
    {503, "SlowDown", "", AWS_THROTTLED},
    {400, "PriorRequestNotComplete", "", AWS_THROTTLED},
    {400, "TransactionInProgressException", "", AWS_THROTTLED},
    {400, "EC2ThrottledException", "", AWS_THROTTLED},
    {429, "", "", AWS_THROTTLED},
    /* Faults that pass. */
    {0, "", "connection reset", AWS_TRANSIENT},
    {400, "RequestTimeout", "", AWS_TRANSIENT},
    {400, "RequestTimeoutException", "", AWS_TRANSIENT},
    {408, "", "", AWS_TRANSIENT},
    {500, "InternalServerError", "", AWS_TRANSIENT},
    {500, "", "", AWS_TRANSIENT},
    {502, "", "", AWS_TRANSIENT},
    {503, "SomethingNew", "", AWS_TRANSIENT},
    {504, "", "", AWS_TRANSIENT},
    {529, "", "", AWS_TRANSIENT},
    {400, "IDPCommunicationError", "Error communicating with the provider", AWS_TRANSIENT},
    {400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider",
        AWS_TRANSIENT},
    /* Credentials. */
    {400, "ExpiredTokenException", "", AWS_EXPIRED},
    {403, "ExpiredToken", "", AWS_EXPIRED},
    {400, "UnrecognizedClientException", "", AWS_EXPIRED},
    {403, "InvalidClientTokenId", "", AWS_EXPIRED},
    {400, "InvalidSignatureException", "The request signature we calculated does not match",
        AWS_EXPIRED},
    {403, "SignatureDoesNotMatch", "The request signature we calculated does not match",
        AWS_EXPIRED},
    /* The clock. */
    {400, "InvalidSignatureException",
        "Signature expired: 20260102T030405Z is now earlier than 20260102T040405Z", AWS_SKEWED},
    {400, "InvalidSignatureException",
        "Signature not yet current: 20260102T050405Z is still later than 20260102T040405Z",
        AWS_SKEWED},
    {403, "SignatureDoesNotMatch", "Signature expired: x is now earlier than y", AWS_SKEWED},
    {403, "SignatureDoesNotMatch", "Signature not yet current: x", AWS_SKEWED},
    {403, "RequestTimeTooSkewed", "", AWS_SKEWED},
    {400, "RequestExpired", "", AWS_SKEWED},
    {400, "RequestInTheFuture", "", AWS_SKEWED},
    /* Denied. */
    {400, "AccessDeniedException", "User: x is not authorized", AWS_DENIED},
    {403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", AWS_DENIED},
    {403, "", "", AWS_DENIED},
    {401, "", "", AWS_DENIED},
    /* Refused for good. */
    {400, "ValidationException", "Signature expired", AWS_REFUSED},
    {400, "ResourceNotFoundException", "", AWS_REFUSED},
    {400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account", AWS_REFUSED},
    {403, "RegionDisabledException", "", AWS_REFUSED},
    {400, "MalformedPolicyDocument", "", AWS_REFUSED},
    {400, "IncompleteSignature", "", AWS_REFUSED},
    {400, "", "", AWS_REFUSED},
    {404, "", "", AWS_REFUSED},
    {413, "", "", AWS_REFUSED},
    {501, "", "", AWS_REFUSED},
    {505, "", "", AWS_REFUSED},
    {301, "", "", AWS_REFUSED},
    {302, "", "", AWS_REFUSED},
    {304, "", "", AWS_REFUSED},
    {307, "", "", AWS_REFUSED},
    {308, "", "", AWS_REFUSED},
    {200, "", "", AWS_OK},
    {204, "", "", AWS_OK},
};

TEST(each_error_has_its_outcome)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        enum aws_outcome outcome = aws_error_classify(
            table[i].status, table[i].code, table[i].message);

        if (outcome != table[i].outcome)
            TEST_FAIL("HTTP %d %s \"%s\" is %d, expected %d", table[i].status, table[i].code,
                table[i].message, (int)outcome, (int)table[i].outcome);
    }
}

static void set(struct aws_error *error, int status, const char *code, const char *message)
{
    aws_error_set(error, status, code, strlen(code), message, strlen(message));
}

TEST(a_repeated_canonical_request_is_not_shown)
{
    struct aws_error error;

    set(&error, 400, "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\n\n"
        "host:dynamodb.us-east-1.amazonaws.com\nx-amz-security-token:THE-TOKEN\n'");
    CHECK_STR("The request signature we calculated does not match the signature you provided. "
              "Check your AWS Secret Access Key and signing method.",
        error.message);
    CHECK_INT(AWS_EXPIRED, error.outcome);
    set(&error, 403, "X", "headers: x-amz-security-token:THE-TOKEN");
    CHECK_STR("headers:", error.message);
}

TEST(a_word_as_long_as_a_token_is_not_shown)
{
    struct aws_error error;
    char message[1024];
    char token[401];

    memset(token, 'j', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    snprintf(message, sizeof(message), "Value '%s' at 'webIdentityToken' is too long", token);
    set(&error, 400, "ValidationError", message);
    CHECK_STR("Value [...] at 'webIdentityToken' is too long", error.message);

    /* The ARN of a table with a long name is no token. */
    snprintf(message, sizeof(message), "%.300s is missing", token);
    set(&error, 400, "ResourceNotFoundException", message);
    CHECK_STR(message, error.message);
}

TEST(texts_become_one_line_of_utf8)
{
    struct aws_error error;

    aws_error_set(&error, 400, "Code", 4, " a\r\n\tb\0c \xff \xc3\xa9 ", 14);
    CHECK_STR("a b c ? \xc3\xa9", error.message);
    set(&error, 400, "Two words", "");
    CHECK_STR("", error.code);
    aws_error_set_request_id(&error, "id\r\nX: y", 8);
    CHECK_STR("", error.request_id);
    aws_error_set_request_id(&error, "0123-abc", 8);
    CHECK_STR("0123-abc", error.request_id);
}

TEST(texts_that_are_too_long_are_cut)
{
    struct aws_error error;
    char message[2001];

    for (size_t i = 0; i < sizeof(message) - 1; i++)
        message[i] = i % 10 == 9 ? ' ' : 'a';
    message[sizeof(message) - 1] = '\0';
    set(&error, 400, "Code", message);
    CHECK(strlen(error.message) > 390 && strlen(error.message) < sizeof(error.message));
    for (size_t len = 0; len < 410; len++) { /* each place of the cut */
        aws_error_set(&error, 400, "Code", 4, message, len);
        CHECK(strlen(error.message) <= len);
    }
    memset(message, 'c', sizeof(message) - 1);
    set(&error, 400, message, "");
    CHECK_INT(sizeof(error.code) - 1, strlen(error.code));
}

TEST(reasons_are_listed_whole_or_not_at_all)
{
    struct aws_error error = {.outcome = AWS_THROTTLED};
    char resource[200];

    aws_error_add_reason(&error, "TableReadKeyRangeThroughputExceeded", "arn:aws:dynamodb:x");
    aws_error_add_reason(&error, "Other", "");
    CHECK_STR("TableReadKeyRangeThroughputExceeded arn:aws:dynamodb:x, Other", error.reasons);
    memset(resource, 'r', sizeof(resource) - 1);
    resource[sizeof(resource) - 1] = '\0';
    aws_error_add_reason(&error, "Third", resource);
    CHECK_STR("TableReadKeyRangeThroughputExceeded arn:aws:dynamodb:x, Other", error.reasons);
}

struct answer {
    struct aws_error error;
    enum error_code code;
    const char *message;
};

static const struct answer failures[] = {
    {{AWS_THROTTLED, 400, "ThrottlingException", "Rate exceeded", "", ""}, ERROR_THROTTLED,
        "Query of table t was throttled: Rate exceeded"},
    {{AWS_THROTTLED, 429, "", "", "", ""}, ERROR_THROTTLED, "Query of table t was throttled"},
    {{AWS_TRANSIENT, 0, "", "https://x/ cannot be reached: refused", "", ""}, ERROR_AWS_UNAVAILABLE,
        "Query of table t: https://x/ cannot be reached: refused"},
    {{AWS_TRANSIENT, 200, "", "the reply is not valid: no Count", "", ""}, ERROR_AWS_UNAVAILABLE,
        "Query of table t: the reply is not valid: no Count"},
    {{AWS_TRANSIENT, 503, "", "", "", ""}, ERROR_AWS_UNAVAILABLE,
        "Query of table t failed with HTTP 503"},
    {{AWS_TRANSIENT, 500, "InternalServerError", "oops", "", ""}, ERROR_AWS_UNAVAILABLE,
        "Query of table t failed with HTTP 500: oops"},
    {{AWS_EXPIRED, 400, "ExpiredTokenException", "The token is expired", "", ""}, ERROR_CREDENTIALS,
        "Query of table t: AWS does not accept the credentials: The token is expired"},
    {{AWS_EXPIRED, 400, "ExpiredTokenException", "", "", ""}, ERROR_CREDENTIALS,
        "Query of table t: AWS does not accept the credentials: ExpiredTokenException"},
    {{AWS_SKEWED, 400, "InvalidSignatureException", "Signature expired: x", "", ""},
        ERROR_AWS_REJECTED,
        "Query of table t: AWS does not accept the time of the request; check the clock of this "
        "machine: Signature expired: x"},
    {{AWS_DENIED, 400, "AccessDeniedException", "User x is not authorized", "", ""},
        ERROR_ACCESS_DENIED, "Query of table t was denied: User x is not authorized"},
    {{AWS_DENIED, 403, "", "", "", ""}, ERROR_ACCESS_DENIED,
        "Query of table t: HTTP 403 without an AWS error code; a proxy or firewall may have "
        "answered"},
    {{AWS_REFUSED, 400, "ValidationException", "bad key", "", ""}, ERROR_AWS_REJECTED,
        "Query of table t was refused: bad key"},
    {{AWS_REFUSED, 307, "", "", "", ""}, ERROR_AWS_REJECTED,
        "Query of table t: HTTP 307 is a redirect, which is never followed; check the endpoint"},
    {{AWS_REFUSED, 404, "", "", "", ""}, ERROR_AWS_REJECTED,
        "Query of table t: HTTP 404 without an AWS error code; check the endpoint"},
    {{AWS_REFUSED, 0, "", "https://x/ cannot be reached: certificate", "", ""}, ERROR_AWS_REJECTED,
        "Query of table t: https://x/ cannot be reached: certificate"},
    {{AWS_OK, 200, "", "", "", ""}, ERROR_INTERNAL, "Query of table t did not fail"},
};

TEST(each_outcome_has_its_error_name_and_sentence)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct failure failure;

        aws_error_failure(&failures[i].error, "Query of table t", &failure);
        CHECK_STR(failures[i].message, failure.message);
        CHECK_INT(failures[i].code, failure.code);
        CHECK_INT(error_retryable(failures[i].code), failure.retryable);
    }
}

TEST(code_request_id_and_reasons_are_passed_on)
{
    struct aws_error error = {AWS_THROTTLED, 400, "ThrottlingException", "m", "id-1", "r a"};
    struct failure failure;

    aws_error_failure(&error, "x", &failure);
    CHECK_STR("ThrottlingException", failure.aws_code);
    CHECK_STR("id-1", failure.aws_request_id);
    CHECK_STR("r a", failure.aws_reasons);
}

static const char *title_of(const char *page)
{
    static char title[60];

    return aws_error_page_title(page, strlen(page), title, sizeof(title)) ? title : "none";
}

TEST(a_page_is_shown_by_its_title_or_its_first_words)
{
    CHECK_STR("Sign in to CorpNet",
        title_of("<!DOCTYPE html>\n<html><head><TITLE> Sign in\n to CorpNet</title><body>x"));
    CHECK_STR("502 Bad Gateway nginx", title_of("<html><h1>502 Bad Gateway</h1><hr>nginx</html>"));
    CHECK_STR("", title_of("  <HTML><title></title>"));
    CHECK_STR("unclosed", title_of("<html><title>unclosed"));
    CHECK_STR("", title_of("<html"));
    CHECK_STR("none", title_of("{\"Count\":1}"));
    CHECK_STR("none", title_of("<ErrorResponse/>"));
    CHECK_STR("none", title_of(""));
}

TEST_MAIN(RUN(a_page_is_shown_by_its_title_or_its_first_words), RUN(each_error_has_its_outcome),
    RUN(a_repeated_canonical_request_is_not_shown), RUN(a_word_as_long_as_a_token_is_not_shown),
    RUN(texts_become_one_line_of_utf8), RUN(texts_that_are_too_long_are_cut),
    RUN(reasons_are_listed_whole_or_not_at_all), RUN(each_outcome_has_its_error_name_and_sentence),
    RUN(code_request_id_and_reasons_are_passed_on))
