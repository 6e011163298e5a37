/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/identity.h"
#include "proto/message.h"
#include "proto/writer.h"
#include "tests/unit/identity_world.h"

#define ROLE "arn:aws:iam::111122223333:role/reader"
/* sub system:serviceaccount:ns:sa, aud sts.amazonaws.com, iss https://oidc.example/id/X,
 * exp 1750000000 */
#define JWT                                                                                        \
    "eyJhbGciOiJub25lIn0."                                                                         \
    "eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS9pZC9YIiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50Om5zOnNh" \
    "IiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl0sImV4cCI6MTc1MDAwMDAwMH0."                             \
    "c2lnbmF0dXJl"

static struct world world;
static struct identities *identities;
static struct identity *identity;
static struct asker asker;
static struct buffer answer;

static void start(const struct identity_spec *spec)
{
    struct identities_options options = {
        .loop = world.loop,
        .client = world.context.client,
        .environment = world.context.environment,
        .getenv = world_getenv,
        .random = world_random,
    };

    identities = identities_create(&options);
    CHECK(identities != NULL);
    identity = identity_acquire(identities, spec);
    CHECK(identity != NULL);
    asker = (struct asker){.answers = 0};
    buffer_init(&answer, 65536);
}

static void ask(void)
{
    asker.request.done = asker_done;
    asker.request.data = &asker;
    identity_get(identity, &asker.request);
}

static void stop(void)
{
    buffer_free(&answer);
    asker_clear(&asker);
    identity_release(identity);
    identities_destroy(identities);
    world_close(&world);
}

/* The map as whoami answers it; every pair is counted, or the reader fails. */
static struct reader describe(uint32_t *pairs)
{
    struct reader reader;
    struct map map;

    buffer_clear(&answer);
    map = map_begin(&answer);
    identity_describe(identity, &map);
    map_end(&map);
    CHECK(!answer.failed);
    reader_init(&reader, answer.data, answer.len);
    CHECK(reader_map(&reader, pairs));
    CHECK_INT(map.pairs, *pairs);
    return reader;
}

/* The value of a key (of the inner map `in`, or NULL) as text; "" where it is missing. */
static const char *said(const char *in, const char *key)
{
    static char text[1024];
    struct text name, value;
    uint32_t pairs;
    struct reader reader = describe(&pairs);
    int64_t number;

    for (; pairs > 0; pairs--) {
        CHECK(reader_text(&reader, &name));
        if (in != NULL && text_equals(name, in)) {
            CHECK(reader_map(&reader, &pairs));
            pairs++;
            in = NULL;
        } else if (in != NULL || !text_equals(name, key)) {
            CHECK(reader_skip(&reader, &value));
        } else if (reader_peek(&reader) == VALUE_INTEGER) {
            CHECK(reader_int(&reader, &number));
            snprintf(text, sizeof(text), "%lld", (long long)number);
            return text;
        } else {
            CHECK(reader_text(&reader, &value));
            snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data);
            return text;
        }
    }
    return "";
}

static bool is_told(const char *text)
{
    uint32_t pairs;

    describe(&pairs);
    return memmem(answer.data, answer.len, text, strlen(text)) != NULL;
}

TEST(an_identity_nobody_used_shows_what_is_configured)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN, .reason = "identityOwner operator"};

    world_open(&world);
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", JWT "\n"));
    world_set("AWS_ROLE_ARN", ROLE);
    world_set("AWS_ROLE_SESSION_NAME", "my session");
    CHECK_INT(0, chmod(world_path(&world, "token"), 0640));
    start(&spec);
    CHECK_STR("web-identity", said(NULL, "kind"));
    CHECK_STR("identityOwner operator; AWS_WEB_IDENTITY_TOKEN_FILE is set", said(NULL, "why"));
    CHECK_STR(ROLE, said(NULL, "role"));
    CHECK_STR("my-session", said(NULL, "session_name"));
    CHECK_STR("none", said(NULL, "state"));
    CHECK_STR("", said(NULL, "access_key_id"));
    CHECK_STR(world_path(&world, "token"), said("token_file", "path"));
    CHECK_STR("0640", said("token_file", "mode"));
    CHECK_STR("system:serviceaccount:ns:sa", said("token_file", "subject"));
    CHECK_STR("sts.amazonaws.com", said("token_file", "audience"));
    CHECK_STR("https://oidc.example/id/X", said("token_file", "issuer"));
    CHECK_STR("2025-06-15T15:06:40Z", said("token_file", "expires_at"));
    CHECK(strstr(said(NULL, "trust"), "oidc.example/id/X") != NULL);
    CHECK_INT(0, fake_http_count());
    stop();
}

TEST(valid_credentials_are_reported_without_their_secrets)
{
    struct identity_spec spec = {.kind = IDENTITY_WEB_IDENTITY, .reason = "podIdentity aws-eks"};

    world_open(&world);
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", JWT));
    world_set("AWS_ROLE_ARN", ROLE);
    start(&spec);
    ask();
    CHECK_STR("fetching", said(NULL, "state"));
    fake_http_answer(200,
        world_sts_reply(&world, "AssumeRoleWithWebIdentity", "ASIAABCDEFGHIJKLMNOP", 60 * MINUTE));
    CHECK_STR("valid", said(NULL, "state"));
    CHECK_STR("ASIA\u2026MNOP", said(NULL, "access_key_id"));
    CHECK_STR("111122223333", said(NULL, "account"));
    CHECK_STR("arn:aws:sts::111122223333:assumed-role/r/tally-pod-7", said(NULL, "arn"));
    CHECK_STR("3600000", said(NULL, "expires_in_ms"));
    CHECK_STR("2025-06-15T16:06:40Z", said(NULL, "expires_at"));
    CHECK_STR("2700000", said(NULL, "refresh_in_ms"));
    CHECK(!is_told("secret-of"));
    CHECK(!is_told("token-of"));
    CHECK(!is_told("c2lnbmF0dXJl"));
    CHECK(!is_told("ABCDEFGHIJKL"));
    stop();
}

TEST(a_failure_is_reported_with_what_aws_said)
{
    struct identity_spec spec = {.kind = IDENTITY_WEB_IDENTITY};

    world_open(&world);
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", JWT));
    world_set("AWS_ROLE_ARN", ROLE);
    start(&spec);
    ask();
    fake_http_answer(403,
        world_sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"));
    CHECK_STR("failed", said(NULL, "state"));
    CHECK_STR("ACCESS_DENIED", said("last_error", "name"));
    CHECK(strstr(said("last_error", "message"), "trust policy") != NULL);
    stop();
}

TEST(an_environment_without_identity_is_reported_as_a_failure)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN, .reason = "no authenticationRef"};

    world_open(&world);
    start(&spec);
    CHECK_STR("chain", said(NULL, "kind"));
    CHECK_STR("failed", said(NULL, "state"));
    CHECK_STR("CREDENTIALS", said("last_error", "name"));
    stop();
}

TEST(keys_are_reported_by_their_ends_and_never_expire)
{
    struct identity_spec spec = {.kind = IDENTITY_STATIC,
        .reason = "keys in the metadata",
        .key_id = {.source = SOURCE_LITERAL, .text = "AKIAABCDEFGHIJKLMNOP"},
        .secret_key = {.source = SOURCE_LITERAL, .text = "s3cr3ts3cr3t"}};

    world_open(&world);
    start(&spec);
    ask();
    CHECK_STR("static", said(NULL, "kind"));
    CHECK_STR("AKIA\u2026MNOP", said(NULL, "access_key_id"));
    CHECK_STR("", said(NULL, "expires_in_ms"));
    CHECK_STR("", said(NULL, "refresh_in_ms"));
    CHECK(!is_told("s3cr3t"));
    stop();
}

static int learnt;
static struct failure learnt_failure;

static void on_learnt(void *data, const struct failure *failure)
{
    (void)data;
    learnt++;
    learnt_failure = failure != NULL ? *failure : (struct failure){.code = ERROR_NONE};
}

#define CALLER_REPLY                                                                               \
    "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"              \
    "<GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ci</Arn><UserId>AIDA</UserId>"   \
    "<Account>111122223333</Account></GetCallerIdentityResult><ResponseMetadata>"                  \
    "<RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"

static void start_with_keys(void)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};

    world_open(&world);
    world_set("AWS_ACCESS_KEY_ID", "AKIAABCDEFGHIJKLMNOP");
    world_set("AWS_SECRET_ACCESS_KEY", "s3cr3ts3cr3t");
    start(&spec);
    learnt = 0;
}

TEST(who_a_key_is_is_asked_once)
{
    start_with_keys();
    CHECK_STR("", said(NULL, "arn"));
    CHECK(identity_ask_caller(identity, on_learnt, NULL) != NULL);
    CHECK_INT(0, learnt);
    fake_loop_advance(world.loop, 0);
    CHECK_INT(1, fake_http_count());
    CHECK(strstr(fake_http_at(0)->body, "Action=GetCallerIdentity") != NULL);
    CHECK(strstr(fake_http_at(0)->headers, "Credential=AKIAABCDEFGHIJKLMNOP/") != NULL);
    fake_http_answer(200, CALLER_REPLY);
    CHECK_INT(1, learnt);
    CHECK_INT(ERROR_NONE, learnt_failure.code);
    CHECK_STR("arn:aws:iam::111122223333:user/ci", said(NULL, "arn"));
    CHECK_STR("111122223333", said(NULL, "account"));
    CHECK(identity_ask_caller(identity, on_learnt, NULL) == NULL);
    CHECK_INT(1, fake_http_count());
    stop();
}

TEST(who_a_key_is_may_stay_unknown)
{
    struct caller *caller;

    start_with_keys();
    CHECK(identity_ask_caller(identity, on_learnt, NULL) != NULL);
    fake_loop_advance(world.loop, 0);
    fake_http_answer(403, world_sts_error("AccessDenied", "no"));
    CHECK_INT(1, learnt);
    CHECK_INT(ERROR_ACCESS_DENIED, learnt_failure.code);
    caller = identity_ask_caller(identity, on_learnt, NULL);
    identity_cancel_caller(caller);
    caller = identity_ask_caller(identity, on_learnt, NULL);
    fake_loop_advance(world.loop, 0);
    CHECK_INT(1, fake_http_open());
    identity_cancel_caller(caller);
    CHECK_INT(1, learnt);
    stop();
}

TEST(a_role_on_a_base_shows_the_bases_token_file)
{
    struct identity_spec spec = {.kind = IDENTITY_ASSUME_ROLE,
        .role = {.source = SOURCE_LITERAL, .text = "arn:aws:iam::444455556666:role/top"},
        .external_id = {.source = SOURCE_LITERAL, .text = "ext"}};

    world_open(&world);
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", JWT));
    world_set("AWS_ROLE_ARN", ROLE);
    start(&spec);
    CHECK_STR("assume-role", said(NULL, "kind"));
    CHECK_STR("arn:aws:iam::444455556666:role/top", said(NULL, "role"));
    CHECK_STR(world_path(&world, "token"), said("token_file", "path"));
    CHECK(strstr(said(NULL, "trust"), "sts:AssumeRole") != NULL);
    stop();
}

TEST_MAIN(RUN(an_identity_nobody_used_shows_what_is_configured),
    RUN(valid_credentials_are_reported_without_their_secrets),
    RUN(a_failure_is_reported_with_what_aws_said),
    RUN(an_environment_without_identity_is_reported_as_a_failure),
    RUN(keys_are_reported_by_their_ends_and_never_expire), RUN(who_a_key_is_is_asked_once),
    RUN(who_a_key_is_may_stay_unknown), RUN(a_role_on_a_base_shows_the_bases_token_file))
