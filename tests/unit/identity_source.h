/* SPDX-License-Identifier: Apache-2.0 */
/* A cache in front of a source of credentials that the test drives. */
#ifndef TALLY_TESTS_UNIT_IDENTITY_SOURCE_H
#define TALLY_TESTS_UNIT_IDENTITY_SOURCE_H

#include "agent/credentials/cached.h"
#include "tests/unit/identity_world.h"

/* The source behind the cache: counts its fetches and ends them when the test says so, or at
 * once where `instant` is set. */
struct source {
    struct provider base;
    int *fetches;
    struct credentials *instant;
};

static inline void source_fetch(struct provider *provider)
{
    struct source *source = (struct source *)provider;

    (*source->fetches)++;
    if (source->instant != NULL)
        provider_finish(provider, source->instant, NULL);
}

static inline void source_destroy(struct provider *provider)
{
    free(provider);
}

static const struct provider_ops source_ops = {
    .kind = "source", .fetch = source_fetch, .destroy = source_destroy};

static struct world world;
static struct source *source;
static struct provider *cached;
static int fetches;
static const struct facts facts = {.kind = "source"};

static inline void start(void)
{
    world_open(&world);
    fetches = 0;
    source = calloc(1, sizeof(*source));
    CHECK(source != NULL);
    provider_init(&source->base, &source_ops);
    source->fetches = &fetches;
    cached = cached_create(&world.context, &facts, &source->base);
    CHECK(cached != NULL);
}

static inline void stop(void)
{
    provider_destroy(cached);
    world_close(&world);
}

static inline void succeed_until(const char *key_id, int64_t expires_ms)
{
    struct credentials *credentials = credentials_create(
        key_id, "secret", "token", expires_ms, NULL);

    CHECK(credentials != NULL);
    CHECK(source->base.fetching);
    provider_finish(&source->base, credentials, NULL);
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
    CHECK(source->base.fetching);
    provider_finish(&source->base, NULL, &failure);
}

/* Asks; the answer's key id, "" for a failure, "waits" where no answer came. */
static inline const char *ask(void)
{
    static char key_id[40];
    struct asker asker = {0};

    asker_ask(&asker, cached);
    if (asker.answers == 0) {
        provider_cancel(&asker.request);
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

    asker_ask(&asker, cached);
    CHECK_INT(1, asker.answers);
    CHECK(asker.credentials == NULL);
    failure = asker.failure;
    asker_clear(&asker);
    return failure;
}

#endif
