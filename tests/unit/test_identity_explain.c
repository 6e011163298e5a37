/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/provider.h"
#include "agent/library_text.h"
#include "tests/unit/test.h"

static struct failure failure;

TEST(advice_is_added_and_the_rest_stays)
{
    failure_set(&failure, ERROR_ACCESS_DENIED, "AssumeRole was denied");
    failure_set_aws(&failure, "AccessDenied", "r-1", NULL);
    failure.retry_after_ms = 7;
    failure_explain(&failure, "ask %s", "somebody");
    CHECK_STR("AssumeRole was denied; ask somebody", failure.message);
    CHECK_INT(ERROR_ACCESS_DENIED, failure.code);
    CHECK_STR("AccessDenied", failure.aws_code);
    CHECK_INT(7, failure.retry_after_ms);
}

TEST(a_long_message_makes_room_for_the_advice)
{
    char text[396];

    memset(text, 'm', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    failure_set(&failure, ERROR_ACCESS_DENIED, "%s", text);
    failure_explain(&failure, "do this, then that");
    CHECK_INT(399, strlen(failure.message));
    CHECK_STR("m\u2026; do this, then that", failure.message + 399 - 24);
}

TEST(long_advice_leaves_the_beginning_of_the_message)
{
    char text[380];

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    failure_set(&failure, ERROR_ACCESS_DENIED, "short");
    failure_explain(&failure, "%s", text);
    CHECK(strncmp(failure.message, "short; aaa", 10) == 0);
    memset(text, 'm', 200);
    failure_set(&failure, ERROR_ACCESS_DENIED, "%.200s", text);
    failure_explain(&failure, "%s", text);
    CHECK_INT('m', failure.message[119]);
    CHECK(strlen(failure.message) < sizeof(failure.message));
}

TEST(tokens_are_taken_out)
{
    static const struct {
        const char *message, *shown;
    } cases[] = {
        {"nothing here", "nothing here"},
        {"value 'eyJhbGciOiJub25lIn0.eyJ0.c2ln' at 'x'", "value '*' at 'x'"},
        {"eyJa.b eyJc", "* *"},
        {"cut eyJhbGci", "cut *"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        failure_set(&failure, ERROR_CREDENTIALS, "%s", cases[i].message);
        library_text_hide_tokens(failure.message);
        CHECK_STR(cases[i].shown, failure.message);
    }
}

TEST(advice_follows_from_the_sentence)
{
    static const struct {
        const char *code, *message, *words; /* NULL: no advice */
    } cases[] = {
        {"InvalidIdentityToken",
            "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
            "thumbprint"},
        {"InvalidIdentityToken", "No OpenIDConnect provider found in your account", NULL},
        {"ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            "shorter session"},
        {"ValidationError",
            "1 validation error detected: Value 'x' at 'roleArn' failed to satisfy constraint",
            "ARN of a role"},
        {"ValidationError", "1 validation error detected: Value 'x' at 'policy' failed", NULL},
        {"AccessDeniedException",
            "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
            "pods.eks.amazonaws.com"},
        {"RegionDisabledException", "STS is not activated in this region", "activate STS"},
        {"AccessDenied", "Not authorized to perform sts:AssumeRole", NULL},
        {"", "", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *advice;

        failure_set(&failure, ERROR_ACCESS_DENIED, "AssumeRole was refused: %s", cases[i].message);
        failure_set_aws(&failure, cases[i].code, "r-1", NULL);
        advice = failure_advice(&failure);
        if (cases[i].words == NULL ? advice != NULL
                                   : advice == NULL || strstr(advice, cases[i].words) == NULL)
            TEST_FAIL("%s: %s", cases[i].message, advice != NULL ? advice : "(none)");
    }
}

TEST(an_explicit_deny_is_not_cured_by_a_policy_that_allows)
{
    failure_set(&failure, ERROR_ACCESS_DENIED,
        "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sts:AssumeRole on "
        "resource: arn:aws:iam::2:role/c");
    failure_set_aws(&failure, "AccessDenied", "r-1", NULL);
    CHECK(failure_lacks_permission(&failure));
    failure_set(&failure, ERROR_ACCESS_DENIED,
        "User: a is not authorized to perform: sts:AssumeRole with an explicit deny in a service "
        "control policy");
    failure_set_aws(&failure, "AccessDenied", "r-1", NULL);
    CHECK(!failure_lacks_permission(&failure));
    failure_set(&failure, ERROR_CREDENTIALS, "not authorized to perform sts:AssumeRole");
    CHECK(!failure_lacks_permission(&failure));
}

TEST_MAIN(RUN(advice_follows_from_the_sentence),
    RUN(an_explicit_deny_is_not_cured_by_a_policy_that_allows),
    RUN(advice_is_added_and_the_rest_stays), RUN(a_long_message_makes_room_for_the_advice),
    RUN(long_advice_leaves_the_beginning_of_the_message), RUN(tokens_are_taken_out))
