/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the blocking library share: a fake agent and a handle for it. */
#ifndef TALLY_TESTS_UNIT_CLIENT_WORLD_H
#define TALLY_TESTS_UNIT_CLIENT_WORLD_H

#include "client/tally.h"
#include "proto/writer.h"
#include "tests/fake/fake_agent.h"
#include "tests/unit/test.h"

/* A folder, a socket in it, an agent behind that, and a handle. */
struct world {
    char folder[64];
    char path[96];
    struct fake_agent *agent;
    struct tally *tally;
};

static inline void answer_count(struct buffer *out, uint32_t id, int64_t count)
{
    message_begin_answer(out, id);
    write_map(out, 3);
    write_string(out, "count");
    write_int(out, count);
    write_string(out, "quality");
    write_string(out, "exact");
    write_string(out, "trigger");
    write_string(out, "default/orders");
}

/* Answers the n-th request with the count n. */
static inline bool reply_count(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)data;
    answer_count(out, request->id, count);
    return true;
}

static inline void world_open(struct world *world, fake_reply *reply, void *data)
{
    fake_folder_make(world->folder, sizeof(world->folder));
    snprintf(world->path, sizeof(world->path), "%s/tally.sock", world->folder);
    world->agent = reply != NULL ? fake_agent_start(world->path, reply, data) : NULL;
    CHECK_INT(0, tally_open(&world->tally, world->path));
}

static inline void world_close(struct world *world)
{
    tally_close(world->tally);
    if (world->agent != NULL)
        fake_agent_stop(world->agent);
    fake_folder_remove(world->folder);
}

static inline bool reply_never(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)request;
    (void)count;
    (void)out;
    (void)data;
    return true;
}

#endif
