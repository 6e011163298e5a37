/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity_room.h"

/* ---- AssumeRole on top ---- */

TEST(a_role_is_assumed_by_the_chain_with_its_external_id)
{
    struct identity_spec spec = {
        .kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B), .external_id = literal("ext+1")};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    CHECK(strstr(body_at(0), "Action=AssumeRoleWithWebIdentity") != NULL);
    CHECK(strstr(body_at(0), "ExternalId") == NULL);
    answer_web_identity("ASIABASE");
    CHECK_INT(2, fake_http_count());
    CHECK(strstr(body_at(1), "Action=AssumeRole&") != NULL);
    CHECK(strstr(body_at(1), "444455556666%3Arole%2Fb") != NULL);
    CHECK(strstr(body_at(1), "ExternalId=ext%2B1") != NULL);
    CHECK(strstr(body_at(1), "RoleSessionName=tally-pod-7") != NULL);
    CHECK(strstr(fake_http_at(1)->headers, "Credential=ASIABASE/") != NULL);
    CHECK(strstr(fake_http_at(1)->headers, "token-of-ASIABASE") != NULL);
    answer_assume_role("ASIATOP");
    CHECK_STR("ASIATOP", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(several_roles_stand_on_one_base)
{
    struct identity_spec specs[2] = {
        {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B)},
        {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_A)},
    };
    struct asker askers[2] = {0};
    struct identity *held[2];

    start();
    set_web_identity();
    for (int i = 0; i < 2; i++) {
        held[i] = identity_acquire(identities, &specs[i]);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIABASE");
    CHECK_INT(3, fake_http_count());
    answer_assume_role("ASIA1");
    answer_assume_role("ASIA2");
    for (int i = 0; i < 2; i++) {
        CHECK_INT(1, askers[i].answers);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    stop();
}

TEST(aws_eks_assumes_another_role_on_top_but_not_its_own)
{
    static const struct {
        const char *role;
        int calls;
    } cases[] = {{ROLE_A, 1}, {ROLE_B, 2}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity_spec spec = {.kind = IDENTITY_WEB_IDENTITY, .role = literal(cases[i].role)};
        struct asker asker = {0};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        answer_web_identity("ASIA1");
        CHECK_INT(cases[i].calls, fake_http_count());
        if (cases[i].calls == 2)
            answer_assume_role("ASIA2");
        CHECK_STR(cases[i].calls == 2 ? "ASIA2" : "ASIA1", asker.credentials->access_key_id);
        asker_clear(&asker);
        identity_release(identity);
        stop();
    }
}

TEST(an_expired_base_is_refreshed_and_the_call_replayed_once)
{
    struct identity_spec spec = {.kind = IDENTITY_ASSUME_ROLE, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    answer_web_identity("ASIAOLD");
    fake_http_answer(403, world_sts_error("ExpiredToken", "expired"));
    CHECK_INT(3, fake_http_count());
    CHECK(strstr(body_at(2), "AssumeRoleWithWebIdentity") != NULL);
    answer_web_identity("ASIANEW");
    CHECK_INT(4, fake_http_count());
    CHECK(strstr(fake_http_at(3)->headers, "Credential=ASIANEW/") != NULL);
    fake_http_answer(403, world_sts_error("ExpiredToken", "expired"));
    CHECK_INT(4, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK_STR("ExpiredToken", asker.failure.aws_code);
    identity_release(identity);
    stop();
}

/* ---- podIdentity aws ---- */

TEST(podidentity_aws_assumes_a_role_only_after_a_refusal)
{
    static const struct {
        int status;
        const char *code, *message;
        bool falls_back;
    } cases[] = {
        {403, "AccessDenied", "no", true},
        {400, "InvalidIdentityToken", "No OpenIDConnect provider found", true},
        {400, "ValidationError", "bad", false},
        {400, "ExpiredTokenException", "old", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
        struct asker asker = {0};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        CHECK(strstr(body_at(0), "WebIdentity") != NULL && strstr(body_at(0), "role%2Fb") != NULL);
        fake_http_answer(cases[i].status, world_sts_error(cases[i].code, cases[i].message));
        if (cases[i].falls_back) {
            /* The base is the pod's own role. */
            CHECK(strstr(body_at(1), "WebIdentity") != NULL);
            CHECK(strstr(body_at(1), "role%2Fa") != NULL);
            answer_web_identity("ASIABASE");
            CHECK(strstr(body_at(2), "Action=AssumeRole&") != NULL);
            answer_assume_role("ASIATOP");
            CHECK_STR("ASIATOP", asker.credentials->access_key_id);
        } else {
            CHECK_INT(1, fake_http_count());
            CHECK_INT(1, asker.answers);
            CHECK(asker.credentials == NULL);
        }
        asker_clear(&asker);
        identity_release(identity);
        stop();
    }
}

TEST(podidentity_aws_takes_no_fault_for_a_refusal)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    for (int attempt = 1; attempt <= 4; attempt++) {
        CHECK_INT(attempt, fake_http_count());
        CHECK(strstr(body_at(attempt - 1), "role%2Fb") != NULL);
        fake_http_answer(400, world_sts_error("InvalidIdentityToken",
                                  "Couldn't retrieve verification key from your provider"));
        if (fake_loop_next(world.loop) >= 0)
            fake_loop_advance(world.loop, fake_loop_next(world.loop));
    }
    CHECK_INT(4, fake_http_count());
    CHECK_INT(1, asker.answers);
    CHECK_STR("InvalidIdentityToken", asker.failure.aws_code);
    identity_release(identity);
    stop();
}

TEST(podidentity_aws_decides_anew_at_each_refresh)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    fake_http_answer(403, world_sts_error("AccessDenied", "no"));
    answer_web_identity("ASIABASE");
    answer_assume_role("ASIATOP");
    CHECK_INT(3, fake_http_count());
    identity_refused(identity, asker.credentials, "ExpiredTokenException");
    ask(&asker, identity);
    CHECK(strstr(body_at(3), "WebIdentity") != NULL && strstr(body_at(3), "role%2Fb") != NULL);
    answer_web_identity("ASIADIRECT");
    CHECK_INT(4, fake_http_count());
    CHECK_STR("ASIADIRECT", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST(a_double_refusal_shows_both)
{
    struct identity_spec spec = {.kind = IDENTITY_AWS, .role = literal(ROLE_B)};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    fake_http_answer(403, world_sts_error("AccessDenied", "no web identity"));
    answer_web_identity("ASIABASE");
    fake_http_answer(403, world_sts_error("AccessDenied", "no assume role"));
    CHECK_INT(ERROR_ACCESS_DENIED, asker.failure.code);
    CHECK(strstr(asker.failure.message, "AssumeRole of role") != NULL);
    CHECK(strstr(asker.failure.message, "AssumeRoleWithWebIdentity of role") != NULL);
    identity_release(identity);
    stop();
}

static const char *answered[2];
static int answer_count;
static char above[] = "above", below[] = "below";

static void note_answer(void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)failure;
    CHECK(credentials != NULL);
    answered[answer_count++] = data;
}

/* Else each source's answer would be sent from within that of the source below it. */
TEST(a_source_answers_after_the_source_below_it_has_answered)
{
    struct identity_spec specs[2] = {
        {.kind = IDENTITY_WEB_IDENTITY, .role = literal(ROLE_A)}, {.kind = IDENTITY_WEB_IDENTITY}};
    struct credentials_request requests[2] = {
        {.done = note_answer, .data = above}, {.done = note_answer, .data = below}};
    struct identity *held[2];

    start();
    set_web_identity();
    answer_count = 0;
    for (int i = 0; i < 2; i++) {
        held[i] = identity_acquire(identities, &specs[i]);
        identity_get(held[i], &requests[i]);
    }
    answer_web_identity("ASIA1");
    CHECK_INT(2, answer_count);
    CHECK_STR("below", answered[0]);
    CHECK_STR("above", answered[1]);
    for (int i = 0; i < 2; i++)
        identity_release(held[i]);
    stop();
}

TEST_MAIN(RUN(a_source_answers_after_the_source_below_it_has_answered),
    RUN(a_role_is_assumed_by_the_chain_with_its_external_id), RUN(several_roles_stand_on_one_base),
    RUN(aws_eks_assumes_another_role_on_top_but_not_its_own),
    RUN(an_expired_base_is_refreshed_and_the_call_replayed_once),
    RUN(podidentity_aws_assumes_a_role_only_after_a_refusal),
    RUN(podidentity_aws_takes_no_fault_for_a_refusal),
    RUN(podidentity_aws_decides_anew_at_each_refresh), RUN(a_double_refusal_shows_both))
