/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the identity room share: a loop whose clocks they move, a network they
 * script, an environment they set, and someone who asks for credentials. */
#ifndef TALLY_TESTS_UNIT_IDENTITY_WORLD_H
#define TALLY_TESTS_UNIT_IDENTITY_WORLD_H

#include "agent/credentials/source.h"
#include "tests/fake/fake_http.h"
#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VARIABLES_MAX 16
#define SECOND        1000
#define MINUTE        60000

struct world {
    struct loop *loop;
    struct http *http;
    struct identity_context context;
    struct sources sources;
    char folder[64];
};

static struct {
    const char *name;
    char value[512];
} world_variables[VARIABLES_MAX];
static uint32_t world_random_value;

static inline void world_set(const char *name, const char *value)
{
    for (int i = 0; i < VARIABLES_MAX; i++) {
        if (world_variables[i].name != NULL && strcmp(world_variables[i].name, name) != 0)
            continue;
        world_variables[i].name = name;
        snprintf(world_variables[i].value, sizeof(world_variables[i].value), "%s", value);
        return;
    }
    TEST_FAIL("too many variables");
}

static inline const char *world_getenv(const char *name)
{
    for (int i = 0; i < VARIABLES_MAX && world_variables[i].name != NULL; i++)
        if (strcmp(world_variables[i].name, name) == 0)
            return world_variables[i].value;
    return NULL;
}

static inline uint32_t world_random(void)
{
    return world_random_value;
}

static inline void world_open(struct world *world)
{
    memset(world_variables, 0, sizeof(world_variables));
    world_random_value = 0;
    fake_http_reset();
    *world = (struct world){.loop = loop_create()};
    world->http = http_create(world->loop, NULL, NULL);
    world->context = (struct identity_context){
        .loop = world->loop,
        .client = aws_client_create(world->loop, world->http),
        .environment = {.region = "eu-west-1"},
        .getenv = world_getenv,
        .random = world_random,
        .session_name = "tally-pod-7",
    };
    sources_init(&world->sources, &world->context);
    snprintf(world->folder, sizeof(world->folder), "/tmp/tally-identity-XXXXXX");
    CHECK(mkdtemp(world->folder) != NULL);
}

static inline int world_remove(
    const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

/* Everything that was made in this world has been destroyed before, or this fails. */
static inline void world_close(struct world *world)
{
    CHECK_INT(0, fake_http_open());
    CHECK_INT(0, loop_timers(world->loop));
    aws_client_destroy(world->context.client);
    http_destroy(world->http);
    loop_destroy(world->loop);
    fake_http_reset();
    CHECK_INT(0, nftw(world->folder, world_remove, 8, FTW_DEPTH | FTW_PHYS));
}

/* The path of a file in the world's folder. Two are valid at a time. */
static inline const char *world_path(const struct world *world, const char *name)
{
    static char paths[2][128];
    static int turn;

    turn = !turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", world->folder, name);
    return paths[turn];
}

/* Replaces the file as the kubelet does: by another one of the same name. */
static inline const char *world_write(
    const struct world *world, const char *name, const char *content)
{
    const char *path = world_path(world, name);
    char fresh[160];
    FILE *file;

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    file = fopen(fresh, "w");
    CHECK(file != NULL);
    CHECK(fputs(content, file) >= 0);
    CHECK_INT(0, fclose(file));
    CHECK_INT(0, rename(fresh, path));
    return path;
}

/* Someone who wants credentials. */
struct asker {
    struct credentials_request request; /* to a source */
    int answers;
    struct credentials *credentials; /* of the last answer, held */
    struct failure failure;
};

static inline void asker_done(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct asker *asker = data;

    CHECK((credentials == NULL) != (failure == NULL));
    asker->answers++;
    credentials_unref(asker->credentials);
    asker->credentials = credentials != NULL ? credentials_ref(credentials) : NULL;
    asker->failure = failure != NULL ? *failure : (struct failure){.code = ERROR_NONE};
}

static inline void asker_ask_source(struct asker *asker, struct source *source)
{
    asker->request.done = asker_done;
    asker->request.data = asker;
    source_get(source, &asker->request);
}

/* A provider without a source: the asker owns it during the fetch. */
static inline void asker_fetched(void *data, const struct fetch_end *end)
{
    asker_done(data, end->credentials, end->failure);
}

static inline void asker_trouble(void *data, const struct failure *failure)
{
    const struct asker *asker = data;

    if (asker->request.trouble != NULL)
        asker->request.trouble(asker->request.data, failure);
}

static const struct provider_owner asker_owner = {.done = asker_fetched, .trouble = asker_trouble};

static inline void asker_ask(struct asker *asker, struct provider *provider)
{
    provider->owner = &asker_owner;
    provider->data = asker;
    provider->ops->fetch(provider);
}

/* A source for this provider, which is taken over. */
static inline struct source *world_source(struct world *world, struct provider *provider)
{
    static const struct identity_spec spec = {.kind = IDENTITY_STATIC};
    struct source *source = source_acquire(&world->sources, SOURCE_KIND_STATIC, &spec);

    CHECK(source != NULL);
    source_set_provider(source, provider);
    return source;
}

static inline void asker_clear(struct asker *asker)
{
    credentials_unref(asker->credentials);
    *asker = (struct asker){.answers = 0};
}

/* A successful reply of STS with credentials that live so long from now. */
static inline const char *world_sts_reply(
    const struct world *world, const char *action, const char *key_id, int64_t life_ms)
{
    static char reply[2048];
    time_t expires = (time_t)((loop_wall(world->loop) + life_ms) / 1000);
    struct tm parts;
    char text[40];

    CHECK(gmtime_r(&expires, &parts) != NULL);
    CHECK(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
    snprintf(reply, sizeof(reply),
        "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult>"
        "<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/r/%s</Arn>"
        "<AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>"
        "<Credentials><AccessKeyId>%s</AccessKeyId>"
        "<SecretAccessKey>secret-of-%s</SecretAccessKey>"
        "<SessionToken>token-of-%s</SessionToken><Expiration>%s</Expiration></Credentials>"
        "</%sResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
        "</%sResponse>",
        action, action, world->context.session_name, key_id, key_id, key_id, text, action, action);
    return reply;
}

static inline const char *world_sts_error(const char *code, const char *message)
{
    static char reply[1024];

    snprintf(reply, sizeof(reply),
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
        "<Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>"
        "<RequestId>r-2</RequestId></ErrorResponse>",
        code, message);
    return reply;
}

#endif
