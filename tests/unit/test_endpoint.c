/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go, and which configured URLs are refused. The names of all regions are
 * compared with botocore's in tests/integration/test_endpoints_botocore.py. */
#include "agent/endpoint.h"
#include "tests/unit/test.h"

#include <errno.h>

static struct endpoint endpoint;
static char why[240];

#define CHECK_ENDPOINT(url_, host_, path_, region_)                                                \
    do {                                                                                           \
        CHECK_STR(url_, endpoint.url);                                                             \
        CHECK_STR(host_, endpoint.host);                                                           \
        CHECK_STR(path_, endpoint.path);                                                           \
        CHECK_STR(region_, endpoint.region);                                                       \
    } while (0)

static int dynamodb(
    const struct endpoint_environment *environment, const char *region, const char *custom)
{
    why[0] = '\0';
    return endpoint_dynamodb(&endpoint, environment, region, custom, why, sizeof(why));
}

static int sts(const struct endpoint_environment *environment, const char *fallback)
{
    why[0] = '\0';
    return endpoint_sts(&endpoint, environment, fallback, why, sizeof(why));
}

/* ---- names by region ---- */

static const struct {
    const char *region;
    bool fips, dual_stack;
    const char *host;
} hosts[] = {
    {"eu-west-1", false, false, "dynamodb.eu-west-1.amazonaws.com"},
    {"eu-west-1", true, false, "dynamodb-fips.eu-west-1.amazonaws.com"},
    {"eu-west-1", false, true, "dynamodb.eu-west-1.api.aws"},
    {"eu-west-1", true, true, "dynamodb-fips.eu-west-1.api.aws"},
    {"mars-north-1", false, false, "dynamodb.mars-north-1.amazonaws.com"},
    {"cn-north-1", false, false, "dynamodb.cn-north-1.amazonaws.com.cn"},
    {"cn-north-1", false, true, "dynamodb.cn-north-1.api.amazonwebservices.com.cn"},
    {"us-gov-west-1", false, false, "dynamodb.us-gov-west-1.amazonaws.com"},
    {"us-gov-west-1", true, false, "dynamodb.us-gov-west-1.amazonaws.com"},
    {"us-gov-west-1", true, true, "dynamodb-fips.us-gov-west-1.api.aws"},
    {"eusc-de-east-1", false, false, "dynamodb.eusc-de-east-1.amazonaws.eu"},
    {"eusc-de-east-1", false, true, "dynamodb.eusc-de-east-1.api.amazonwebservices.eu"},
    {"us-iso-east-1", false, false, "dynamodb.us-iso-east-1.c2s.ic.gov"},
    {"us-iso-east-1", false, true, "dynamodb.us-iso-east-1.api.aws.ic.gov"},
    {"us-isob-east-1", false, false, "dynamodb.us-isob-east-1.sc2s.sgov.gov"},
    {"us-isob-east-1", true, true, "dynamodb-fips.us-isob-east-1.api.aws.scloud"},
    {"eu-isoe-west-1", false, false, "dynamodb.eu-isoe-west-1.cloud.adc-e.uk"},
    {"eu-isoe-west-1", false, true, "dynamodb.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"us-isof-south-1", false, false, "dynamodb.us-isof-south-1.csp.hci.ic.gov"},
    {"us-isof-south-1", false, true, "dynamodb.us-isof-south-1.api.aws.hci.ic.gov"},
};

TEST(each_partition_has_its_names)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct endpoint_environment environment = {
            .fips = hosts[i].fips, .dual_stack = hosts[i].dual_stack};
        char url[ENDPOINT_URL_SIZE];

        CHECK_INT(0, dynamodb(&environment, hosts[i].region, NULL));
        snprintf(url, sizeof(url), "https://%s/", hosts[i].host);
        CHECK_ENDPOINT(url, hosts[i].host, "/", hosts[i].region);
    }
}

TEST(a_fips_pseudo_region_means_the_region_and_its_fips_endpoint)
{
    struct endpoint_environment environment = {.fips = false};

    CHECK_INT(0, dynamodb(&environment, "us-east-1-fips", NULL));
    CHECK_ENDPOINT("https://dynamodb-fips.us-east-1.amazonaws.com/",
        "dynamodb-fips.us-east-1.amazonaws.com", "/", "us-east-1");
    CHECK_INT(0, sts(&environment, "fips-us-west-2"));
    CHECK_STR("sts-fips.us-west-2.amazonaws.com", endpoint.host);
    CHECK_STR("us-west-2", endpoint.region);
    CHECK_INT(-EINVAL, dynamodb(&environment, "us-east-1-fips", "https://x"));
}

static const char *const no_regions[] = {"", "-", "EU-WEST-1", "eu_west_1", "eu-west-1.evil.org",
    "eu-west-1/", "eu-west-1#", "eu-west-1:80", "a b", "-eu", "eu-", "123", "\xc3\xa9", "x@y",
    "eu-west-1\n", "fips-", "-fips", "fips--a", "fips-1",
    "a123456789-123456789-123456789-123456789-123456789-123456789-123"};

TEST(a_region_is_a_host_label)
{
    struct endpoint_environment environment = {.fips = false};

    for (size_t i = 0; i < sizeof(no_regions) / sizeof(no_regions[0]); i++) {
        if (dynamodb(&environment, no_regions[i], NULL) != -EINVAL)
            TEST_FAIL("accepted: %s", no_regions[i]);
        CHECK(why[0] != '\0');
        CHECK_INT(-EINVAL, sts(&environment, no_regions[i]));
        CHECK_INT(-EINVAL, dynamodb(&environment, no_regions[i], "https://x"));
    }
    CHECK_INT(-EINVAL, dynamodb(&environment, "EU", NULL));
    CHECK_STR("\"EU\" is not a region; one looks like eu-west-1", why);
    CHECK_INT(-EINVAL, sts(&environment, NULL));
    CHECK_STR("no region is known; set AWS_REGION", why);
    CHECK_INT(0, dynamodb(&environment,
                     "a123456789-123456789-123456789-123456789-123456789-123456789-12", NULL));
}

/* ---- STS ---- */

TEST(sts_is_regional)
{
    struct endpoint_environment environment = {.region = "eu-west-1"};

    CHECK_INT(0, sts(&environment, "us-east-2"));
    CHECK_ENDPOINT(
        "https://sts.eu-west-1.amazonaws.com/", "sts.eu-west-1.amazonaws.com", "/", "eu-west-1");
    environment.region = NULL;
    CHECK_INT(0, sts(&environment, "us-east-2"));
    CHECK_STR("sts.us-east-2.amazonaws.com", endpoint.host);
    environment.fips = true;
    CHECK_INT(0, sts(&environment, "us-east-2"));
    CHECK_STR("sts-fips.us-east-2.amazonaws.com", endpoint.host);
    CHECK_INT(0, sts(&environment, "us-gov-east-1"));
    CHECK_STR("sts.us-gov-east-1.amazonaws.com", endpoint.host);
}

static const struct {
    const char *region, *host, *signed_for;
} legacy[] = {
    {"eu-west-1", "sts.amazonaws.com", "us-east-1"},
    {"us-east-1", "sts.amazonaws.com", "us-east-1"},
    {"us-west-2", "sts.amazonaws.com", "us-east-1"},
    {"ap-northeast-1", "sts.amazonaws.com", "us-east-1"},
    {"aws-global", "sts.amazonaws.com", "us-east-1"},
    /* Younger regions and other partitions have no part in it. */
    {"ap-northeast-2", "sts.ap-northeast-2.amazonaws.com", "ap-northeast-2"},
    {"eu-south-1", "sts.eu-south-1.amazonaws.com", "eu-south-1"},
    {"me-central-1", "sts.me-central-1.amazonaws.com", "me-central-1"},
    {"cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "cn-north-1"},
    {"us-gov-west-1", "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
};

TEST(the_legacy_setting_sends_old_regions_to_the_global_endpoint)
{
    for (size_t i = 0; i < sizeof(legacy) / sizeof(legacy[0]); i++) {
        struct endpoint_environment environment = {.sts_legacy = true};

        CHECK_INT(0, sts(&environment, legacy[i].region));
        CHECK_STR(legacy[i].host, endpoint.host);
        CHECK_STR(legacy[i].signed_for, endpoint.region);
        environment.dual_stack = true; /* there is no such global endpoint */
        CHECK_INT(0, sts(&environment, legacy[i].region));
        CHECK(strcmp("sts.amazonaws.com", endpoint.host) != 0);
    }
}

/* ---- precedence of configured URLs ---- */

TEST(configured_urls_come_first_in_their_order)
{
    struct endpoint_environment environment = {.endpoint_url = "https://both",
        .endpoint_url_dynamodb = "https://ddb",
        .endpoint_url_sts = "https://sts"};

    CHECK_INT(0, dynamodb(&environment, "eu-west-1", "https://own:8443/x"));
    CHECK_ENDPOINT("https://own:8443/x", "own:8443", "/x", "eu-west-1");
    CHECK_INT(0, dynamodb(&environment, "eu-west-1", NULL));
    CHECK_STR("ddb", endpoint.host);
    CHECK_INT(0, sts(&environment, "eu-west-1"));
    CHECK_ENDPOINT("https://sts/", "sts", "/", "eu-west-1");
    environment.endpoint_url_dynamodb = environment.endpoint_url_sts = NULL;
    environment.sts_legacy = true;
    CHECK_INT(0, dynamodb(&environment, "eu-west-1", NULL));
    CHECK_STR("both", endpoint.host);
    CHECK_INT(0, sts(&environment, "eu-west-1"));
    CHECK_ENDPOINT("https://both/", "both", "/", "eu-west-1");
    environment.ignore_configured = true;
    CHECK_INT(0, dynamodb(&environment, "eu-west-1", NULL));
    CHECK_STR("dynamodb.eu-west-1.amazonaws.com", endpoint.host);
    CHECK_INT(0, dynamodb(&environment, "eu-west-1", "https://own"));
    CHECK_STR("own", endpoint.host); /* the trigger's own word is no ambient setting */
}

TEST(a_custom_endpoint_excludes_fips_and_dual_stack)
{
    struct endpoint_environment environment = {.fips = true};

    CHECK_INT(-EINVAL, dynamodb(&environment, "eu-west-1", "https://x"));
    CHECK_STR("awsEndpoint gives the endpoint, so AWS_USE_FIPS_ENDPOINT (or a fips region) cannot "
              "choose one; remove one of the two",
        why);
    environment = (struct endpoint_environment){.dual_stack = true, .endpoint_url = "https://x"};
    CHECK_INT(-EINVAL, sts(&environment, "eu-west-1"));
    CHECK_STR("AWS_ENDPOINT_URL gives the endpoint, so AWS_USE_DUALSTACK_ENDPOINT cannot choose "
              "one; remove one of the two",
        why);
    environment.ignore_configured = true;
    CHECK_INT(0, sts(&environment, "eu-west-1"));
}

TEST(a_bad_url_is_reported_with_its_source)
{
    struct endpoint_environment environment = {.endpoint_url_sts = "ftp://x"};

    CHECK_INT(-EINVAL, sts(&environment, "eu-west-1"));
    CHECK_STR("AWS_ENDPOINT_URL_STS: it must begin with https:// or http://", why);
    CHECK_INT(-EINVAL, dynamodb(&environment, "eu-west-1", "https://user:secret@x/"));
    CHECK_STR("awsEndpoint: a user or password cannot be in it", why);
}

/* ---- URLs ---- */

static const struct {
    const char *url, *as, *host, *path;
} urls[] = {
    {"https://dynamodb.eu-west-1.amazonaws.com", "https://dynamodb.eu-west-1.amazonaws.com/",
        "dynamodb.eu-west-1.amazonaws.com", "/"},
    {"HTTPS://Example.ORG:443/Path", "https://example.org/Path", "example.org", "/Path"},
    {"https://example.org:8443", "https://example.org:8443/", "example.org:8443", "/"},
    {"https://example.org:80/", "https://example.org:80/", "example.org:80", "/"},
    {"http://localhost:80/", "http://localhost/", "localhost", "/"},
    {"http://localhost:8000", "http://localhost:8000/", "localhost:8000", "/"},
    {"http://LOCALHOST:443", "http://localhost:443/", "localhost:443", "/"},
    {"http://127.0.0.1:8000", "http://127.0.0.1:8000/", "127.0.0.1:8000", "/"},
    {"http://127.255.1.2", "http://127.255.1.2/", "127.255.1.2", "/"},
    {"http://[::1]:8000/", "http://[::1]:8000/", "[::1]:8000", "/"},
    {"http://[::ffff:127.0.0.1]", "http://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]", "/"},
    {"https://[2001:DB8::1]/a/b%2Fc", "https://[2001:db8::1]/a/b%2Fc", "[2001:db8::1]", "/a/b%2Fc"},
    {"https://[FD00:EC2:0:0::0023]:443/x", "https://[fd00:ec2::23]/x", "[fd00:ec2::23]", "/x"},
    {"https://1a.2b.c3/", "https://1a.2b.c3/", "1a.2b.c3", "/"},
    {"https://10.0.0.1/", "https://10.0.0.1/", "10.0.0.1", "/"},
    {"https://a_b.example/x.y/...//.z;=@:/", "https://a_b.example/x.y/...//.z;=@:/", "a_b.example",
        "/x.y/...//.z;=@:/"},
};

TEST(good_urls_are_brought_into_one_form)
{
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        if (endpoint_parse_url(&endpoint, urls[i].url, false, why, sizeof(why)) != 0)
            TEST_FAIL("%s: %s", urls[i].url, why);
        CHECK_ENDPOINT(urls[i].as, urls[i].host, urls[i].path, "");
    }
}

static const char *const bad_urls[] = {"", "https:", "https://", "https:///path", "https:example",
    "example.org", "//example.org", "ftp://example.org", "unix:///run/x", "https//x",
    " https://example.org", "https://example.org ", "https://exa mple.org", "https://:8000",
    "https://example.org:", "https://example.org:0", "https://example.org:65536",
    "https://example.org:123456", "https://example.org:8a", "https://example.org:-1",
    "https://example.org:80:80", "https://user@example.org", "https://u:p@example.org",
    "https://@example.org", "https://example.org?x=1", "https://example.org/?x=1",
    "https://example.org#f", "https://example.org/#f", "https://example.org\\@evil.org",
    "https://example.org/\\x", "https://.example.org", "https://example..org",
    "https://example.org.", "https://-a.org", "https://a-.org", "https://ex\xc3\xa4mple.org",
    "https://127.1", "https://2130706433", "https://0x7f.1", "https://x.0xab", "https://0177.0.0.1",
    "https://1.2.3.4.5", "https://256.1.1.1", "https://a%2eb", "https://[::1", "https://::1",
    "https://[]", "https://[::1]x", "https://[::1%25lo]", "https://[127.0.0.1]",
    "https://[example.org]", "https://[v1.x]", "https://a/\n", "https://a/b c", "https://a/\"",
    "https://a/{}", "https://a/%", "https://a/%4", "https://a/%zz", "https://a/.", "https://a/..",
    "https://a/b/../c", "https://a/./", "https://a/%2e%2E/b", "https://a/.%2e",
    "https://a/\xc3\xa4",
    /* http, but not to a loopback address, whatever the name looks like */
    "http://example.org", "http://127.evil.example", "http://127.0.0.1.evil.example",
    "http://localhost.evil.example", "http://127.1", "http://2130706433", "http://0x7f.0.0.1",
    "http://0177.0.0.1", "http://10.0.0.1", "http://0.0.0.0", "http://[::]", "http://[::2]",
    "http://[::ffff:10.0.0.1]", "http://169.254.170.2", "http://127.0.0.1@evil.example"};

TEST(bad_urls_are_refused)
{
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        why[0] = '\0';
        if (endpoint_parse_url(&endpoint, bad_urls[i], false, why, sizeof(why)) != -EINVAL)
            TEST_FAIL("accepted: %s", bad_urls[i]);
        CHECK(why[0] != '\0');
    }
}

TEST(http_anywhere_has_to_be_allowed)
{
    CHECK_INT(0, endpoint_parse_url(&endpoint, "http://dynamodb:8000", true, why, sizeof(why)));
    CHECK_ENDPOINT("http://dynamodb:8000/", "dynamodb:8000", "/", "");
    CHECK_INT(-EINVAL, endpoint_parse_url(&endpoint, "ftp://x", true, why, sizeof(why)));
}

TEST(a_url_may_be_as_long_as_its_room)
{
    char url[700];

    for (size_t len = ENDPOINT_URL_SIZE - 5; len < ENDPOINT_URL_SIZE + 100; len++) {
        size_t used = (size_t)snprintf(url, sizeof(url), "https://example.org/");

        memset(url + used, 'x', len - used);
        url[len] = '\0';
        int expected = len < ENDPOINT_URL_SIZE ? 0 : -EINVAL;
        CHECK_INT(expected, endpoint_parse_url(&endpoint, url, false, why, sizeof(why)));
        if (expected == 0)
            CHECK_STR(url, endpoint.url);
        else
            CHECK_STR("it is too long", why);
    }
    memset(url, 'a', 600);
    memcpy(url, "https://", 8);
    url[600] = '\0';
    CHECK_INT(-EINVAL, endpoint_parse_url(&endpoint, url, false, why, sizeof(why)));
    CHECK_STR("the host name is too long", why);
}

/* ---- credential endpoints ---- */

static const char *const credential_urls[] = {"http://169.254.170.2/v2/credentials/x",
    "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials",
    "http://[fd00:ec2:0:0:0:0:0:23]:80/", "http://[FD00:0EC2::0023]/", "http://127.0.0.1:51679/x",
    "http://[::1]/", "http://localhost:1234/", "https://example.org/get?a=b&c=%20",
    "http://localhost?a=b"};

static const char *const no_credential_urls[] = {"http://169.254.170.3/", "http://169.254.169.254/",
    "http://169.254.170.2.evil.example/", "http://169.254.170.23x/", "http://[fd00:ec2::24]/",
    "http://[fd00:ec2::2300]/", "http://[fe80::1]/", "http://127.evil.example/", "http://10.0.0.1/",
    "http://example.org/", "http://169.254.170.2@evil.example/",
    "http://evil.example/169.254.170.2", "http://169.254.170.2/#x", "http://169.254.170.2/../x",
    "/v2/credentials", "ftp://127.0.0.1/"};

TEST(credential_endpoints_are_local_or_https)
{
    for (size_t i = 0; i < sizeof(credential_urls) / sizeof(credential_urls[0]); i++)
        if (endpoint_parse_credentials_url(&endpoint, credential_urls[i], why, sizeof(why)) != 0)
            TEST_FAIL("%s: %s", credential_urls[i], why);
    CHECK_ENDPOINT("http://localhost/?a=b", "localhost", "/", "");
    for (size_t i = 0; i < sizeof(no_credential_urls) / sizeof(no_credential_urls[0]); i++)
        if (endpoint_parse_credentials_url(&endpoint, no_credential_urls[i], why, sizeof(why)) !=
            -EINVAL)
            TEST_FAIL("accepted: %s", no_credential_urls[i]);
}

/* ---- environment ---- */

static const char *const *variables;

static const char *get(const char *name)
{
    for (const char *const *v = variables; *v != NULL; v += 2)
        if (strcmp(v[0], name) == 0)
            return v[1];
    return NULL;
}

TEST(the_environment_is_read)
{
    static const char *const all[] = {"AWS_ENDPOINT_URL", "u", "AWS_ENDPOINT_URL_DYNAMODB", "d",
        "AWS_ENDPOINT_URL_STS", "s", "AWS_REGION", "r", "AWS_DEFAULT_REGION", "x",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True", "AWS_STS_REGIONAL_ENDPOINTS", "legacy",
        "AWS_USE_FIPS_ENDPOINT", "true", "AWS_USE_DUALSTACK_ENDPOINT", "TRUE", NULL};
    static const char *const off[] = {"AWS_ENDPOINT_URL", "", "AWS_ENDPOINT_URL_STS", " ",
        "AWS_REGION", "", "AWS_DEFAULT_REGION", "r", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false",
        "AWS_STS_REGIONAL_ENDPOINTS", "regional", "AWS_USE_FIPS_ENDPOINT", "no",
        "AWS_USE_DUALSTACK_ENDPOINT", "", NULL};
    struct endpoint_environment environment = {.allow_http = true};

    variables = all;
    endpoint_environment_read(&environment, get);
    CHECK_STR("u", environment.endpoint_url);
    CHECK_STR("d", environment.endpoint_url_dynamodb);
    CHECK_STR("s", environment.endpoint_url_sts);
    CHECK_STR("r", environment.region);
    CHECK(environment.ignore_configured && environment.sts_legacy && environment.fips &&
          environment.dual_stack && environment.allow_http);

    variables = off;
    endpoint_environment_read(&environment, get);
    CHECK(environment.endpoint_url == NULL && environment.endpoint_url_dynamodb == NULL &&
          environment.endpoint_url_sts == NULL);
    CHECK_STR("r", environment.region);
    CHECK(!environment.ignore_configured && !environment.sts_legacy && !environment.fips &&
          !environment.dual_stack && environment.allow_http);
}

TEST_MAIN(RUN(each_partition_has_its_names),
    RUN(a_fips_pseudo_region_means_the_region_and_its_fips_endpoint), RUN(a_region_is_a_host_label),
    RUN(sts_is_regional), RUN(the_legacy_setting_sends_old_regions_to_the_global_endpoint),
    RUN(configured_urls_come_first_in_their_order),
    RUN(a_custom_endpoint_excludes_fips_and_dual_stack), RUN(a_bad_url_is_reported_with_its_source),
    RUN(good_urls_are_brought_into_one_form), RUN(bad_urls_are_refused),
    RUN(http_anywhere_has_to_be_allowed), RUN(a_url_may_be_as_long_as_its_room),
    RUN(credential_endpoints_are_local_or_https), RUN(the_environment_is_read))
