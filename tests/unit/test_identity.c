/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity_room.h"

TEST(a_hundred_triggers_with_one_role_make_one_call)
{
    struct asker askers[100] = {0};
    struct identity *held[100];
    struct identity_spec spec = {
        .kind = IDENTITY_WEB_IDENTITY, .reason = "podIdentity aws-eks", .region = "eu-west-1"};

    start();
    set_web_identity();
    for (int i = 0; i < 100; i++) {
        held[i] = identity_acquire(identities, &spec);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(1, identities_count(identities));
    CHECK(identities_at(identities, 0) == held[99]);
    CHECK(identities_at(identities, 1) == NULL);
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIA1");
    for (int i = 0; i < 100; i++) {
        CHECK_STR("ASIA1", askers[i].credentials->access_key_id);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    CHECK_INT(0, identities_count(identities));
    stop();
}

TEST(different_reasons_and_roads_to_one_role_make_one_call)
{
    static const struct identity_spec specs[] = {
        {.kind = IDENTITY_WEB_IDENTITY, .reason = "podIdentity aws-eks", .region = "eu-west-1"},
        {.kind = IDENTITY_WEB_IDENTITY, .reason = "another", .region = "us-east-1"},
        {.kind = IDENTITY_CHAIN, .reason = "identityOwner operator"},
        {.kind = IDENTITY_AWS, .reason = "podIdentity aws"},
    };
    struct asker askers[4] = {0};
    struct identity *held[4];

    start();
    set_web_identity();
    for (int i = 0; i < 4; i++) {
        held[i] = identity_acquire(identities, &specs[i]);
        ask(&askers[i], held[i]);
    }
    CHECK_INT(4, identities_count(identities));
    CHECK_INT(1, fake_http_count());
    answer_web_identity("ASIA1");
    for (int i = 0; i < 4; i++) {
        CHECK_STR("ASIA1", askers[i].credentials->access_key_id);
        asker_clear(&askers[i]);
        identity_release(held[i]);
    }
    stop();
}

TEST(credentials_go_with_their_last_holder)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    for (int i = 0; i < 2; i++) {
        identity = identity_acquire(identities, &spec);
        ask(&asker, identity);
        CHECK_INT(i + 1, fake_http_count());
        answer_web_identity("ASIA1");
        asker_clear(&asker);
        identity_release(identity);
    }
    stop();
}

static void release_in_callback(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    (void)credentials;
    (void)failure;
    identity_release(data);
}

TEST(the_last_holder_may_let_go_in_the_callback)
{
    static const struct identity_spec specs[] = {
        {.kind = IDENTITY_CHAIN},
        {.kind = IDENTITY_WEB_IDENTITY},
        {.kind = IDENTITY_ASSUME_ROLE, .role = {.source = SOURCE_LITERAL, .text = ROLE_B}},
        {.kind = IDENTITY_AWS, .role = {.source = SOURCE_LITERAL, .text = ROLE_B}},
    };

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct credentials_request request = {.done = release_in_callback};
        struct identity *identity;

        start();
        set_web_identity();
        identity = identity_acquire(identities, &specs[i]);
        request.data = identity;
        identity_get(identity, &request);
        answer_web_identity("ASIA1");
        if (fake_http_open() > 0)
            answer_assume_role("ASIA2");
        CHECK_INT(0, identities_count(identities));
        stop();
    }
}

/* ---- what AWS calls expired, what changes ---- */

TEST(expired_credentials_are_dropped_and_fetched_once)
{
    struct identity_spec spec = {.kind = IDENTITY_CHAIN};
    struct asker asker = {0};
    struct identity *identity;

    start();
    set_web_identity();
    identity = identity_acquire(identities, &spec);
    ask(&asker, identity);
    answer_web_identity("ASIA1");
    ask(&asker, identity);
    CHECK_INT(1, fake_http_count());
    identity_refused(identity, asker.credentials, "ExpiredTokenException");
    ask(&asker, identity);
    CHECK_INT(2, fake_http_count());
    answer_web_identity("ASIA2");
    CHECK_STR("ASIA2", asker.credentials->access_key_id);
    identity_refresh(identity);
    ask(&asker, identity);
    CHECK_INT(3, fake_http_count());
    answer_web_identity("ASIA3");
    CHECK_STR("ASIA3", asker.credentials->access_key_id);
    asker_clear(&asker);
    identity_release(identity);
    stop();
}

TEST_MAIN(RUN(a_hundred_triggers_with_one_role_make_one_call),
    RUN(different_reasons_and_roads_to_one_role_make_one_call),
    RUN(credentials_go_with_their_last_holder), RUN(the_last_holder_may_let_go_in_the_callback),
    RUN(expired_credentials_are_dropped_and_fetched_once))
