/* SPDX-License-Identifier: Apache-2.0 */
/* Who failed, as it is said. */
#include "agent/aws/call.h"
#include "tests/unit/test.h"

#define STS "https://sts.eu-west-1.amazonaws.com/"

static const struct proxy plain = {"HTTPS_PROXY", "http://proxy.example:3128"};
static const struct proxy with_user = {"ALL_PROXY", "http://svc:hunter2@proxy.example:3128"};

static const char *message_of(const char *url, struct http_response response)
{
    static struct aws_error error;

    error = (struct aws_error){.status = 0};
    transport_error_set(&error, url, &response);
    CHECK(strstr(error.message, "hunter2") == NULL);
    CHECK_INT(response.refused_tls ? AWS_REFUSED : AWS_TRANSIENT, error.outcome);
    return error.message;
}

#define MESSAGE(url, ...) message_of(url, (struct http_response){__VA_ARGS__})

TEST(the_proxy_is_named_where_it_failed)
{
    CHECK_STR("the proxy proxy.example:3128 (HTTPS_PROXY) requires a user and a password for "
              "https://sts.eu-west-1.amazonaws.com (HTTP 407)",
        MESSAGE(STS, .outcome = HTTP_BROKEN, .error = "x", .proxy = &plain, .proxy_failed = true,
            .proxy_status = 407));
    CHECK_STR("the proxy proxy.example:3128 (ALL_PROXY) does not accept its user and password for "
              "https://sts.eu-west-1.amazonaws.com (HTTP 407)",
        MESSAGE(STS, .outcome = HTTP_BROKEN, .error = "x", .proxy = &with_user,
            .proxy_failed = true, .proxy_status = 407));
    CHECK_STR("the proxy proxy.example:3128 (HTTPS_PROXY) does not allow connections to "
              "https://sts.eu-west-1.amazonaws.com (HTTP 403); allow it there, or add the name to "
              "NO_PROXY",
        MESSAGE(STS, .outcome = HTTP_BROKEN, .error = "x", .proxy = &plain, .proxy_failed = true,
            .proxy_status = 403));
    CHECK_STR("the proxy proxy.example:3128 (HTTPS_PROXY) cannot be reached: no",
        MESSAGE(STS, .outcome = HTTP_UNREACHABLE, .error = "no", .proxy = &plain,
            .proxy_failed = true));
}

TEST(the_server_is_named_where_it_failed_behind_a_proxy_or_without_one)
{
    CHECK_STR("https://sts.eu-west-1.amazonaws.com did not answer in time: no progress",
        MESSAGE(STS, .outcome = HTTP_STALLED, .error = "no progress", .proxy = &plain,
            .proxy_status = 200));
    CHECK_STR("https://sts.eu-west-1.amazonaws.com cannot be reached: no",
        MESSAGE(STS, .outcome = HTTP_UNREACHABLE, .error = "no", .unresolved = true));
}

TEST(a_certificate_is_explained_by_its_issuer_and_the_variable_that_helps)
{
    CHECK_STR("the certificate of https://sts.eu-west-1.amazonaws.com is not trusted: unable; its "
              "issuer is Corp CA; AWS_CA_BUNDLE names the file of CA certificates (SSL_CERT_FILE "
              "is not read)",
        MESSAGE(STS, .outcome = HTTP_UNREACHABLE, .error = "unable", .refused_tls = true,
            .issuer = "Corp CA"));
}

TEST(a_name_that_a_setting_made_names_the_setting)
{
    const char *message = MESSAGE("https://dynamodb-fips.eu-west-9.amazonaws.com/",
        .outcome = HTTP_UNREACHABLE, .error = "no", .unresolved = true);

    CHECK(strstr(message, "; AWS_USE_FIPS_ENDPOINT (or a fips region)") != NULL);
    message = MESSAGE("https://dynamodb.eu-west-9.api.aws/", .outcome = HTTP_UNREACHABLE,
        .error = "no", .unresolved = true);
    CHECK(strstr(message, "; AWS_USE_DUALSTACK_ENDPOINT") != NULL);
}

TEST_MAIN(RUN(the_proxy_is_named_where_it_failed),
    RUN(the_server_is_named_where_it_failed_behind_a_proxy_or_without_one),
    RUN(a_certificate_is_explained_by_its_issuer_and_the_variable_that_helps),
    RUN(a_name_that_a_setting_made_names_the_setting))
