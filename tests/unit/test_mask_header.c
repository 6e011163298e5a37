/* SPDX-License-Identifier: Apache-2.0 */
/* What of a request's headers may be shown. */
#include "agent/aws/credentials.h"
#include "agent/ipc/method_explain.h"
#include "tests/unit/test.h"

static const char *shown(const char *name, const char *value)
{
    static char text[1024];

    mask_header(name, value, text, sizeof(text));
    return text;
}

TEST(what_is_no_secret_is_shown)
{
    CHECK_STR(
        "dynamodb.eu-west-1.amazonaws.com", shown("host", "dynamodb.eu-west-1.amazonaws.com"));
    CHECK_STR("20260201T080000Z", shown("x-amz-date", "20260201T080000Z"));
    CHECK_STR("a?b", shown("content-type", "a\xff"
                                           "b"));
}

TEST(a_token_is_not_shown)
{
    CHECK_STR("(masked)", shown("x-amz-security-token", "IQoJb3JpZ2luX2VjEXAMPLE"));
}

TEST(of_a_signature_its_scope_is_shown)
{
    CHECK_STR(
        "AWS4-HMAC-SHA256 Credential=ASIA\u2026MPLE/20260201/eu-west-1/dynamodb/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=(masked)",
        shown("authorization",
            "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20260201/eu-west-1/dynamodb/"
            "aws4_request, SignedHeaders=host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfb"));
}

TEST(a_form_that_is_not_known_is_masked_as_a_whole)
{
    static const char *const values[] = {"Bearer secret", "AWS4-HMAC-SHA256 Credential=AKID",
        "Credential=AKIAIOSFODNN7EXAMPLE, Signature=5d67", "", "Signature=5d67, Credential=AKIA/x"};
    char letters[201], long_id[400];

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        CHECK_STR("(masked)", shown("authorization", values[i]));
    memset(letters, 'A', sizeof(letters));
    snprintf(long_id, sizeof(long_id), "Credential=%.200s/scope, Signature=x", letters);
    CHECK_STR("(masked)", shown("authorization", long_id));
}

TEST(of_a_key_id_the_ends_are_shown)
{
    char masked[CREDENTIALS_MASKED_SIZE];

    credentials_mask_id("AKIAIOSFODNN7EXAMPLE", masked);
    CHECK_STR("AKIA\u2026MPLE", masked);
    credentials_mask_id("AKIAIOSFODNN", masked);
    CHECK_STR("AK\u2026", masked);
    credentials_mask_id("", masked);
    CHECK_STR("\u2026", masked);
}

TEST_MAIN(RUN(what_is_no_secret_is_shown), RUN(a_token_is_not_shown),
    RUN(of_a_signature_its_scope_is_shown), RUN(a_form_that_is_not_known_is_masked_as_a_whole),
    RUN(of_a_key_id_the_ends_are_shown))
