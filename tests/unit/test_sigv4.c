/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures, compared with AWS's published examples and with ones made by botocore; and what
 * is left of the secret in memory. Random requests are compared with botocore itself in
 * tests/integration/test_sigv4_botocore.py. */
#include "agent/aws/sigv4.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdbool.h>
#include <ucontext.h>

#define SECRET   "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define PREAMBLE "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/x-amz-json-1.0"

#define PUBLISHED_TIME INT64_C(1440938160) /* 20150830T123600Z */
#define TIME           INT64_C(1767323045) /* 20260102T030405Z */

struct example {
    const char *name;
    const char *method, *path, *query;
    struct sigv4_header headers[3];
    const char *body;
    const char *token;
    const char *region, *service;
    int64_t unix_seconds;
    const char *authorization;
};

static const struct example examples[] = {
    {"ListUsers of the documentation", "GET", "/", "Action=ListUsers&Version=2010-05-08",
        {{"content-type", FORM "; charset=utf-8"}, {"host", "iam.amazonaws.com"}}, "", NULL,
        "us-east-1", "iam", PUBLISHED_TIME,
        PREAMBLE "20150830/us-east-1/iam/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date, "
                 "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
    {"get-vanilla of AWS's test suite", "GET", "/", "", {{"host", "example.amazonaws.com"}}, "",
        NULL, "us-east-1", "service", PUBLISHED_TIME,
        PREAMBLE "20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
                 "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case", "GET", "/", "Param1=value1&Param2=value2",
        {{"host", "example.amazonaws.com"}}, "", NULL, "us-east-1", "service", PUBLISHED_TIME,
        PREAMBLE "20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
                 "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"post-x-www-form-urlencoded", "POST", "/", "",
        {{"content-type", FORM}, {"host", "example.amazonaws.com"}}, "Param1=value1", NULL,
        "us-east-1", "service", PUBLISHED_TIME,
        PREAMBLE "20150830/us-east-1/service/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date, "
                 "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"a Query with a session token", "POST", "/", "",
        {{"content-type", JSON}, {"host", "dynamodb.eu-west-1.amazonaws.com"},
            {"x-amz-target", "DynamoDB_20120810.Query"}},
        "{\"TableName\":\"orders\"}", "TOKEN+/=", "eu-west-1", "dynamodb", TIME,
        PREAMBLE "20260102/eu-west-1/dynamodb/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                 "Signature=1ebc974d07bc07913a374ee60fac56a767ee98b40e1111235dade9dc4b1d4b02"},
    {"a host with a port", "POST", "/", "",
        {{"content-type", JSON}, {"host", "localhost:8000"},
            {"x-amz-target", "DynamoDB_20120810.Query"}},
        "{}", NULL, "eu-west-1", "dynamodb", TIME,
        PREAMBLE "20260102/eu-west-1/dynamodb/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                 "Signature=8ac75dca85225dc47a040594ff7f7e31daf67290a1e54d86bdc93e0b9e6656b1"},
    {"GetCallerIdentity", "POST", "/", "", {{"content-type", FORM}, {"host", "sts.amazonaws.com"}},
        "Action=GetCallerIdentity&Version=2011-06-15", NULL, "us-east-1", "sts", TIME,
        PREAMBLE "20260102/us-east-1/sts/aws4_request, "
                 "SignedHeaders=content-type;host;x-amz-date, "
                 "Signature=eca4b99240052b6ba748610ad8b7f8dbebde6ba120861913d5bdfbb57485859f"},
};

static struct credentials *example_credentials(const struct example *example)
{
    return credentials_create(
        "AKIDEXAMPLE", SECRET, example->token, CREDENTIALS_NEVER_EXPIRE, NULL);
}

static int sign_with(const struct credentials *credentials, const struct example *example,
    struct sigv4_signature *signature)
{
    struct sigv4_request request = {.method = example->method,
        .path = example->path,
        .query = example->query,
        .headers = example->headers,
        .body = example->body,
        .body_len = strlen(example->body)};

    while (request.header_count < 3 && example->headers[request.header_count].name != NULL)
        request.header_count++;
    return sigv4_sign(
        &request, credentials, example->region, example->service, example->unix_seconds, signature);
}

static int sign_example(const struct example *example, struct sigv4_signature *signature)
{
    struct credentials *credentials = example_credentials(example);
    int r = sign_with(credentials, example, signature);

    credentials_unref(credentials);
    return r;
}

TEST(examples_have_their_published_signatures)
{
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct sigv4_signature signature;

        CHECK_INT(0, sign_example(&examples[i], &signature));
        if (strcmp(examples[i].authorization, signature.authorization) != 0)
            TEST_FAIL("%s:\n%s", examples[i].name, signature.authorization);
    }
}

TEST(the_date_is_the_published_one)
{
    struct sigv4_signature signature;

    CHECK_INT(0, sign_example(&examples[0], &signature));
    CHECK_STR("20150830T123600Z", signature.date);
}

/* ---- the keys that are kept with the credentials ---- */

static struct sigv4_signature sign_in(
    const struct credentials *credentials, const char *region, const char *service, int64_t time)
{
    struct sigv4_request request = {.method = "GET", .path = "/", .query = ""};
    struct sigv4_signature signature = {.authorization = ""};

    CHECK_INT(0, sigv4_sign(&request, credentials, region, service, time, &signature));
    return signature;
}

/* As if nothing had been signed before. */
static struct sigv4_signature sign_afresh(const char *region, const char *service, int64_t time)
{
    struct credentials *credentials = credentials_create("id", "s", NULL, 0, NULL);
    struct sigv4_signature signature = sign_in(credentials, region, service, time);

    credentials_unref(credentials);
    return signature;
}

TEST(a_key_is_derived_once_for_a_scope)
{
    struct credentials *credentials = credentials_create("id", "s", NULL, 0, NULL);
    struct signing_key *kept = &credentials->derived->keys[0];
    struct sigv4_signature right = sign_in(credentials, "r", "s", TIME);

    CHECK_STR("20260102/r/s/aws4_request", kept->scope);
    memset(kept->hmac + sizeof(kept->hmac) / 2, 0, sizeof(kept->hmac) / 2);
    CHECK(strcmp(right.authorization, sign_in(credentials, "r", "s", TIME).authorization) != 0);
    credentials_unref(credentials);
}

TEST(keys_of_many_days_regions_and_services_are_distinguished)
{
    static const char *const regions[] = {"eu-west-1", "eu-west-2", "eu-west-3", "us-east-1"};
    static const char *const services[] = {"dynamodb", "sts"};
    struct credentials *credentials = credentials_create("id", "s", NULL, 0, NULL);

    /* More than are kept: each is replaced, and made again. */
    for (size_t i = 0; i < 3 * 16; i++) {
        const char *region = regions[i % 4], *service = services[i / 4 % 2];
        int64_t time = TIME + (int64_t)(i / 8 % 2) * 86400;

        CHECK_STR(sign_afresh(region, service, time).authorization,
            sign_in(credentials, region, service, time).authorization);
        CHECK_STR(sign_afresh(region, service, time).authorization,
            sign_in(credentials, region, service, time).authorization);
    }
    credentials_unref(credentials);
}

/* ---- the front of a request, whose hash is kept with the credentials ---- */

static struct credentials *with_token(size_t bytes)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char token[2048];

    for (size_t i = 0; i < bytes; i++)
        token[i] = letters[(i * 7 + i / 65) % (sizeof(letters) - 1)];
    token[bytes] = '\0';
    return credentials_create("id", "s", bytes > 0 ? token : NULL, 0, NULL);
}

static const struct example page = {.method = "POST",
    .path = "/",
    .query = "",
    .headers = {{"content-type", JSON}, {"host", "dynamodb.eu-west-1.amazonaws.com"},
        {"x-amz-target", "DynamoDB_20120810.Query"}},
    .body = "{}",
    .region = "eu-west-1",
    .service = "dynamodb",
    .unix_seconds = TIME};

/* Signs the request with credentials that signed others before, and with new ones. */
static void check_kept(struct credentials *credentials, const struct example *request)
{
    struct sigv4_signature kept = {.authorization = ""}, fresh = {.authorization = ""};
    struct credentials *others = credentials_create(credentials->access_key_id,
        credentials->secret_access_key, credentials->session_token, 0, NULL);

    CHECK_INT(0, sign_with(credentials, request, &kept));
    CHECK_INT(0, sign_with(others, request, &fresh));
    CHECK_STR(fresh.authorization, kept.authorization);
    CHECK_STR(fresh.date, kept.date);
    credentials_unref(others);
}

TEST(requests_that_follow_one_another_are_signed_as_first_ones)
{
    /* The token ends at each place of a block of SHA-256, and there is none. */
    for (size_t bytes = 0; bytes <= 130; bytes++) {
        struct credentials *credentials = with_token(bytes < 130 ? bytes : 1000);
        struct example changed[] = {
            page, page, page, page, page, page, page, page, page, page, page};

        changed[1].unix_seconds = TIME + 1;
        changed[2].headers[1].value = "dynamodb.eu-west-2.amazonaws.com";
        changed[3].headers[0].value = FORM;
        changed[4].method = "PUT";
        changed[5].path = "/other";
        changed[6].query = "a=b";
        changed[7].headers[2].value = "DynamoDB_20120810.Scan";
        changed[8].body = "{\"a\":1}";
        changed[9].region = "eu-west-2"; /* the same front, and another key */
        changed[10].unix_seconds = TIME + 86400;
        for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
            check_kept(credentials, &page);
            check_kept(credentials, &page);
            check_kept(credentials, &changed[i]);
            check_kept(credentials, &changed[i]);
        }
        credentials_unref(credentials);
    }
}

TEST(examples_keep_their_published_signatures)
{
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct credentials *credentials = example_credentials(&examples[i]);
        struct sigv4_signature signature;

        for (int times = 0; times < 3; times++) {
            struct example later = examples[i];

            CHECK_INT(0, sign_with(credentials, &examples[i], &signature));
            CHECK_STR(examples[i].authorization, signature.authorization);
            later.unix_seconds++;
            CHECK_INT(0, times > 0 ? sign_with(credentials, &later, &signature) : 0);
        }
        credentials_unref(credentials);
    }
}

TEST(a_front_is_hashed_once_for_a_second_and_a_host)
{
    struct credentials *credentials = with_token(1000);
    struct signed_front *front = &credentials->derived->keys[0].front;
    struct sigv4_signature right, wrong = {.authorization = ""};
    struct example later = page;

    CHECK_INT(0, sign_with(credentials, &page, &right));
    CHECK(front->len > 0);
    memset(front->hash + sizeof(front->hash) - 32, 0x55,
        32); /* a broken state shows that it is used */
    CHECK_INT(0, sign_with(credentials, &page, &wrong));
    CHECK(strcmp(right.authorization, wrong.authorization) != 0);
    later.unix_seconds++;
    check_kept(credentials, &later);
    check_kept(credentials, &page);
    credentials_unref(credentials);
}

TEST(headers_that_run_into_one_another_are_distinguished)
{
    static const struct sigv4_header pairs[][2] = {{{"a", "bc"}, {"d", "e"}},
        {{"ab", "c"}, {"d", "e"}}, {{"a", "b"}, {"cd", "e"}}, {{"a", ""}, {"bcd", "e"}},
        {{"a", "bcd"}, {"e", ""}}};
    struct credentials *credentials = with_token(100);
    struct example request = page;

    request.headers[2] = (struct sigv4_header){.name = NULL};
    for (size_t i = 0; i < 2 * sizeof(pairs) / sizeof(pairs[0]); i++) {
        memcpy(request.headers, pairs[i / 2], sizeof(pairs[0]));
        check_kept(credentials, &request);
    }
    credentials_unref(credentials);
}

TEST(a_long_front_is_signed_and_not_kept)
{
    struct credentials *credentials = with_token(100);
    struct example request = page, other;
    char host[400], another[400];

    for (size_t bytes = 130; bytes < sizeof(host); bytes += 3) {
        memset(host, 'h', bytes);
        host[bytes] = '\0';
        memcpy(another, host, sizeof(host));
        another[bytes - 1] = 'x';
        request.headers[1].value = host;
        other = request;
        other.headers[1].value = another;
        check_kept(credentials, &request);
        check_kept(credentials, &request);
        check_kept(credentials, &other);
    }
    CHECK_INT(0, credentials->derived->keys[0].front.len);
    credentials_unref(credentials);
}

TEST(what_follows_a_kept_front_is_still_checked)
{
    struct credentials *credentials = with_token(100);
    struct sigv4_signature signature;
    struct example line_end = page, unsorted = page;

    line_end.headers[2].value = "a\nb";
    unsorted.headers[2].name = "x-amz-date";
    CHECK_INT(0, sign_with(credentials, &page, &signature));
    CHECK_INT(-EINVAL, sign_with(credentials, &line_end, &signature));
    CHECK_INT(-EINVAL, sign_with(credentials, &unsorted, &signature));
    unsorted.headers[2].name = "x-amz-security-token";
    CHECK_INT(-EINVAL, sign_with(credentials, &unsorted, &signature));
    check_kept(credentials, &page);
    credentials_unref(credentials);
}

/* ---- what is the same, and what is not ---- */

static struct sigv4_signature sign_simple(
    const char *secret, const char *path, const char *host, int *r)
{
    struct sigv4_header header = {"host", host};
    struct sigv4_request request = {
        .method = "GET", .path = path, .query = "", .headers = &header, .header_count = 1};
    struct sigv4_signature signature = {.authorization = ""};
    struct credentials *credentials = credentials_create("id", secret, NULL, 0, NULL);

    *r = sigv4_sign(&request, credentials, "r", "s", TIME, &signature);
    credentials_unref(credentials);
    return signature;
}

static bool same_signature(const char *secret, const char *path, const char *host,
    const char *other_secret, const char *other_path, const char *other_host)
{
    int r;
    struct sigv4_signature one = sign_simple(secret, path, host, &r);

    CHECK_INT(0, r);
    struct sigv4_signature other = sign_simple(other_secret, other_path, other_host, &r);
    CHECK_INT(0, r);
    return strcmp(one.authorization, other.authorization) == 0;
}

TEST(another_secret_signs_otherwise)
{
    CHECK(same_signature("one", "/", "h", "one", "/", "h"));
    CHECK(!same_signature("one", "/", "h", "two", "/", "h"));
}

TEST(white_space_of_header_values_is_canonical)
{
    CHECK(same_signature("s", "/", "a b c", "s", "/", "  a   b\t c\t "));
    CHECK(!same_signature("s", "/", "a b c", "s", "/", "a bc"));
    CHECK(same_signature("s", "/", "", "s", "/", "  "));
}

TEST(empty_path_segments_are_left_out)
{
    CHECK(same_signature("s", "/a/b/", "h", "s", "//a///b//", "h"));
    CHECK(!same_signature("s", "/a/b", "h", "s", "/a/b/", "h"));
    CHECK(!same_signature("s", "/a%20b", "h", "s", "/a b", "h"));
}

TEST(what_cannot_be_signed_is_refused)
{
    int r;

    sign_simple("s", "/", "host\r\nx-evil: 1", &r);
    CHECK_INT(-EINVAL, r);

    char secret[300];
    memset(secret, 's', sizeof(secret));
    secret[256] = '\0';
    sign_simple(secret, "/", "h", &r);
    CHECK_INT(0, r);
    secret[256] = 's';
    secret[257] = '\0';
    sign_simple(secret, "/", "h", &r);
    CHECK_INT(-EMSGSIZE, r);

    struct sigv4_signature signature;
    struct sigv4_header unsorted[] = {{"host", "h"}, {"content-type", "x"}};
    struct sigv4_header twice[] = {{"host", "h"}, {"x-amz-date", "x"}};
    struct sigv4_header many[15];
    char names[15][16];
    for (int i = 0; i < 15; i++) {
        snprintf(names[i], sizeof(names[i]), "h%02d", i);
        many[i] = (struct sigv4_header){names[i], ""};
    }
    struct sigv4_request request = {.method = "GET", .path = "/", .query = ""};
    struct credentials *good = credentials_create("id", "s", "t", 0, NULL);
    struct credentials *line_end = credentials_create("id\n", "s", NULL, 0, NULL);
    struct credentials *token_end = credentials_create("id", "s", "t\n", 0, NULL);
    char region[80];
    memset(region, 'r', sizeof(region) - 1);
    region[sizeof(region) - 1] = '\0';

    request.headers = unsorted;
    request.header_count = 2;
    CHECK_INT(-EINVAL, sigv4_sign(&request, good, "r", "s", TIME, &signature));
    request.headers = twice;
    CHECK_INT(-EINVAL, sigv4_sign(&request, good, "r", "s", TIME, &signature));
    request.headers = many;
    request.header_count = 14;
    CHECK_INT(0, sigv4_sign(&request, good, "r", "s", TIME, &signature));
    request.header_count = 15;
    CHECK_INT(-EMSGSIZE, sigv4_sign(&request, good, "r", "s", TIME, &signature));
    request.header_count = 1;
    CHECK_INT(-EINVAL, sigv4_sign(&request, line_end, "r", "s", TIME, &signature));
    CHECK_INT(-EINVAL, sigv4_sign(&request, token_end, "r", "s", TIME, &signature));
    CHECK_INT(-EMSGSIZE, sigv4_sign(&request, good, region, "s", TIME, &signature));
    CHECK_INT(-ERANGE, sigv4_sign(&request, good, "r", "s", -1, &signature));
    credentials_unref(good);
    credentials_unref(line_end);
    credentials_unref(token_end);
}

/* ---- what is left in memory: the signature is made on a stack that can be searched afterwards
 * ---- */

static uint8_t stack[256 * 1024];
static ucontext_t main_context, signing_context;
static struct credentials *stack_credentials;
static struct sigv4_signature stack_signature;
static int stack_result;

static void sign_on_stack(void)
{
    stack_result = sign_with(stack_credentials, &examples[4], &stack_signature);
}

/* Eight bytes as they are, or as the two big-endian words that SHA-256 makes of them. */
static bool stack_has(const void *bytes, uint8_t mask, bool as_words)
{
    uint8_t wanted[8];

    for (size_t i = 0; i < sizeof(wanted); i++)
        wanted[i] = ((const uint8_t *)bytes)[as_words ? i ^ 3 : i] ^ mask;
    return memmem(stack, sizeof(stack), wanted, sizeof(wanted)) != NULL;
}

/* Zeros and the first byte of a key may be on the stack by chance, in a number or an address. */
static bool is_mostly_zero(const uint8_t *bytes)
{
    unsigned zeros = 0;

    for (size_t i = 0; i < 8; i++)
        zeros += bytes[i] == 0;
    return zeros > 2;
}

static void check_stack(const void *bytes, size_t len)
{
    static const uint8_t masks[] = {0, 0x36, 0x5c}; /* as it is, and as HMAC pads it */

    for (size_t i = 0; i < sizeof(masks); i++) {
        for (size_t at = 0; at + 8 <= len; at++) {
            if (is_mostly_zero((const uint8_t *)bytes + at))
                continue;
            CHECK(!stack_has((const uint8_t *)bytes + at, masks[i], false));
            CHECK(!stack_has((const uint8_t *)bytes + at, masks[i], true));
        }
    }
}

static void sign_on_searched_stack(void)
{
    memset(stack, 0, sizeof(stack));
    CHECK_INT(0, getcontext(&signing_context));
    signing_context.uc_stack.ss_sp = stack;
    signing_context.uc_stack.ss_size = sizeof(stack);
    signing_context.uc_link = &main_context;
    makecontext(&signing_context, sign_on_stack, 0);
    CHECK_INT(0, swapcontext(&main_context, &signing_context));
    CHECK_INT(0, stack_result);
}

TEST(no_key_material_stays_on_the_stack)
{
    const struct signing_key *derived;

    stack_credentials = example_credentials(&examples[4]);
    sign_on_searched_stack();
    CHECK_STR(examples[4].authorization, stack_signature.authorization);
    check_stack(SECRET, strlen(SECRET));
    derived = &stack_credentials->derived->keys[0];
    check_stack(derived->hmac, sizeof(derived->hmac));
    credentials_unref(stack_credentials);
}

TEST(no_token_stays_on_the_stack)
{
    /* When its front is hashed, and when the kept one is taken; ending within a block, or with one.
     */
    for (size_t bytes = 100; bytes < 164; bytes += 21) {
        stack_credentials = with_token(bytes);
        for (int times = 0; times < 2; times++) {
            sign_on_searched_stack();
            check_stack(stack_credentials->session_token, bytes);
        }
        credentials_unref(stack_credentials);
    }
}

TEST_MAIN(RUN(examples_have_their_published_signatures), RUN(the_date_is_the_published_one),
    RUN(a_key_is_derived_once_for_a_scope),
    RUN(keys_of_many_days_regions_and_services_are_distinguished),
    RUN(another_secret_signs_otherwise), RUN(white_space_of_header_values_is_canonical),
    RUN(empty_path_segments_are_left_out), RUN(what_cannot_be_signed_is_refused),
    RUN(no_key_material_stays_on_the_stack), RUN(no_token_stays_on_the_stack),
    RUN(requests_that_follow_one_another_are_signed_as_first_ones),
    RUN(examples_keep_their_published_signatures),
    RUN(a_front_is_hashed_once_for_a_second_and_a_host),
    RUN(headers_that_run_into_one_another_are_distinguished),
    RUN(a_long_front_is_signed_and_not_kept), RUN(what_follows_a_kept_front_is_still_checked))
