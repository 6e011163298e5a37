/* SPDX-License-Identifier: Apache-2.0 */
/* A source of credentials whose provider the test drives. */
#ifndef TALLY_TESTS_UNIT_IDENTITY_SOURCE_H
#define TALLY_TESTS_UNIT_IDENTITY_SOURCE_H

#include "agent/credentials/source.h"
#include "tests/unit/identity_world.h"

/* The provider of the source: counts its fetches and ends them when the test says so, or at once
 * where `instant` is set. */
struct driven {
    struct provider base;
    struct credentials *instant;
};

static struct world world;
static struct driven *driven;
static struct source *source;
static int fetches;
static int destroyed;

static inline void driven_fetch(struct provider *provider)
{
    fetches++;
    if (driven->instant != NULL)
        provider_finish(provider, driven->instant, NULL);
}

static inline void driven_destroy(struct provider *provider)
{
    destroyed++;
    free(provider);
}

static const struct provider_ops driven_ops = {
    .kind = "driven", .fetch = driven_fetch, .destroy = driven_destroy};

static inline void start(void)
{
    world_open(&world);
    fetches = 0;
    destroyed = 0;
    driven = calloc(1, sizeof(*driven));
    CHECK(driven != NULL);
    driven->base.ops = &driven_ops;
    source = world_source(&world, &driven->base);
}

static inline void stop(void)
{
    source_release(source);
    world_close(&world);
}

static inline void succeed_until(const char *key_id, int64_t expires_ms)
{
    struct credentials *credentials = credentials_create(
        key_id, "secret", "token", expires_ms, NULL);

    CHECK(credentials != NULL);
    CHECK(source->fetching);
    provider_finish(&driven->base, credentials, NULL);
    credentials_unref(credentials);
}

static inline void succeed(const char *key_id, int64_t life_ms)
{
    succeed_until(key_id, loop_wall(world.loop) + life_ms);
}

static inline void fail_with(enum error_code code, const char *message)
{
    struct failure failure;

    failure_set(&failure, code, "%s", message);
    CHECK(source->fetching);
    provider_finish(&driven->base, NULL, &failure);
}

/* Asks; the answer's key id, "" for a failure, "waits" where no answer came. */
static inline const char *ask(void)
{
    static char key_id[40];
    struct asker asker = {0};

    asker_ask_source(&asker, source);
    if (asker.answers == 0) {
        source_cancel(&asker.request);
        return "waits";
    }
    snprintf(key_id, sizeof(key_id), "%s",
        asker.credentials != NULL ? asker.credentials->access_key_id : "");
    asker_clear(&asker);
    return key_id;
}

static inline struct failure ask_failure(void)
{
    struct asker asker = {0};
    struct failure failure;

    asker_ask_source(&asker, source);
    CHECK_INT(1, asker.answers);
    CHECK(asker.credentials == NULL);
    failure = asker.failure;
    asker_clear(&asker);
    return failure;
}

#endif
