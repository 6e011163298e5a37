/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the whole identity room share: identities in a world, asked by their public
 * functions, and STS answered by hand. */
#ifndef TALLY_TESTS_UNIT_IDENTITY_ROOM_H
#define TALLY_TESTS_UNIT_IDENTITY_ROOM_H

#include "agent/credentials/identity.h"
#include "tests/unit/identity_world.h"

#define ROLE_A "arn:aws:iam::111122223333:role/a"
#define ROLE_B "arn:aws:iam::444455556666:role/b"

static struct world world;
static struct identities *identities;

static inline void start_with(bool imds)
{
    struct identities_options options;

    world_open(&world);
    options = (struct identities_options){
        .loop = world.loop,
        .client = world.context.client,
        .environment = world.context.environment,
        .imds = imds,
        .getenv = world_getenv,
        .random = world_random,
    };
    world_set("HOSTNAME", "pod-7");
    identities = identities_create(&options);
    CHECK(identities != NULL);
}

static inline void start(void)
{
    start_with(false);
}

static inline void stop(void)
{
    identities_destroy(identities);
    world_close(&world);
}

static inline void set_web_identity(void)
{
    world_set("AWS_WEB_IDENTITY_TOKEN_FILE", world_write(&world, "token", "t0ken"));
    world_set("AWS_ROLE_ARN", ROLE_A);
}

static inline struct value_ref literal(const char *text)
{
    return (struct value_ref){.source = SOURCE_LITERAL, .text = text, .origin = "the test"};
}

static inline void ask(struct asker *asker, struct identity *identity)
{
    asker->request.done = asker_done;
    asker->request.data = asker;
    identity_get(identity, &asker->request);
}

static inline void answer_web_identity(const char *key_id)
{
    fake_http_answer(
        200, world_sts_reply(&world, "AssumeRoleWithWebIdentity", key_id, 60 * MINUTE));
}

static inline void answer_assume_role(const char *key_id)
{
    fake_http_answer(200, world_sts_reply(&world, "AssumeRole", key_id, 60 * MINUTE));
}

static inline const char *body_at(int index)
{
    return fake_http_at(index)->body;
}

#endif
