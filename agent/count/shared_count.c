/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/shared_count.h"

#include "agent/aws/dynamodb.h"
#include "agent/aws/retry.h"
#include "agent/aws/shared_record.h"
#include "agent/credentials/identity.h"
#include "agent/log.h"
#include "proto/saturating.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALL_MS       1500 /* for a reply: a slow table must not delay the count */
#define STEP_MS        2500 /* for all of a reply */
#define LOOK_SPREAD_MS 250  /* the first look while another agent counts is spread over this, */
#define LOOK_FIRST_MS  500  /* the second is so much later, doubled for each more up to: */
#define LOOK_MAX_MS    4000
#define HOLD_BACK_MS   250 /* before a free lease is taken, at most */
#define FLEET_SIZE     10000.0
#define THROTTLE_MS    500  /* before a throttled table is asked again, doubled each time, */
#define THROTTLES      3    /* as often as this */
#define RENEW_MS       5000 /* between two renewals of the lease */
#define ALONE_FIRST_MS 2000 /* without the table after a failure, doubled up to: */
#define ALONE_MAX_MS   60000

#define BODY_BYTES (8u * 1024u)

enum share_step {
    SHARE_START,
    SHARE_LOOK,  /* GetItem */
    SHARE_TAKE,  /* UpdateItem: the lease */
    SHARE_WAIT,  /* for the agent that has the lease */
    SHARE_ALONE, /* counts without the lease */
    SHARE_COUNT, /* counts with it, and renews it */
    SHARE_END,   /* the last UpdateItem is under way; nothing that was borrowed is used */
};

struct shared_count {
    struct shared_count_options options;
    const struct shared_count_events *events;
    void *data;
    struct ring link; /* shared_count_options::all */
    enum share_step step;
    struct signed_call call;
    struct loop_timer *timer; /* the deadline of a step, the next look, the next renewal */
    struct endpoint endpoint;
    struct buffer body;
    char what[120];
    char key[SHARED_RECORD_KEY_SIZE];
    char table[512]; /* copies: the last request outlives the configuration */
    char owner[SHARED_RECORD_NAME_SIZE];
    char token[SHARED_RECORD_TOKEN_SIZE];
    struct shared_record record; /* as seen last */
    bool is_held;                /* its creator still has it: not freed before that one ends it */
    bool lost_lease;
    bool held_back;       /* see share_hold_back */
    unsigned throttles;   /* requests that the table refused for their rate */
    unsigned looks;       /* while it waits */
    int64_t begun_ms;     /* AWS's time at the first reply's request; 0: none yet */
    int64_t won_at;       /* loop_now: when it took the lease */
    int64_t seen_ms;      /* when the first number was completed that was too old; 0: none */
    int64_t aws_ahead_ms; /* AWS's clock before this machine's, at the latest reply */
};

static void share_look(struct shared_count *shared);
static void share_take(struct shared_count *shared);

/* ---- the end ---- */

static void shared_count_free(struct shared_count *shared)
{
    ring_remove(&shared->link);
    signed_call_clear(&shared->call);
    loop_timer_destroy(shared->timer);
    buffer_free(&shared->body);
    identity_release(shared->options.identity);
    free(shared);
}

/* The last request is done, or there is none. */
static void share_over(struct shared_count *shared)
{
    signed_call_clear(&shared->call);
    loop_timer_stop(shared->timer);
    ring_remove(&shared->link);
    shared->step = SHARE_ALONE;
    if (!shared->is_held)
        shared_count_free(shared);
}

static int64_t share_now(const struct shared_count *shared)
{
    return saturating_add(loop_wall(shared->options.loop), shared->aws_ahead_ms);
}

/* Counts without the fleet, which leaves the table alone for a while. */
static void share_count_alone(struct shared_count *shared, const struct failure *failure)
{
    struct share_memory *memory = shared->options.memory;

    shared->options.stats->failed++;
    shared->options.stats->last = *failure;
    memory->not_before = saturating_add(
        loop_now(shared->options.loop), backoff_ms(ALONE_FIRST_MS, ALONE_MAX_MS, memory->failures));
    if (memory->failures < UINT32_MAX)
        memory->failures++;
    log_failure(LOG_LEVEL_WARN, "share_failed", shared->options.trigger->name, failure);
    loop_timer_stop(shared->timer);
    shared->step = SHARE_ALONE;
    shared->events->count(shared->data);
}

static void share_count_alone_because(struct shared_count *shared, const char *why)
{
    struct failure failure;

    failure_set(&failure, ERROR_AWS_REJECTED, "%s: %s", shared->what, why);
    share_count_alone(shared, &failure);
}

/* ---- the record ---- */

static int64_t share_age(const struct shared_count *shared, const struct aws_reply *reply)
{
    int64_t age = saturating_subtract(reply->aws_ms, shared->record.number.completed_ms);

    return saturating_add(age > 0 ? age : 0, reply->aws_error_ms);
}

/* Young enough, or completed after this count began: as a request that joins a flight is answered
 * by that flight. */
static bool share_is_fresh(const struct shared_count *shared, const struct aws_reply *reply)
{
    int64_t completed_ms = shared->record.number.completed_ms;

    if (!shared->record.has_number || completed_ms <= shared->seen_ms)
        return false;
    return share_age(shared, reply) < shared->options.goal->max_age_ms ||
           completed_ms >= shared->begun_ms;
}

static void share_answer(struct shared_count *shared, const struct aws_reply *reply)
{
    const struct shared_count_events *events = shared->events;
    const struct shared_number *number = &shared->record.number;
    struct count_value value = {.count = number->count,
        .scanned = number->scanned,
        .consumed_rcu = number->rcu,
        .pages = number->pages,
        .at_least = number->at_least,
        .is_shared = true};
    char owner[SHARED_RECORD_NAME_SIZE];
    int64_t age_ms = share_age(shared, reply);
    void *data = shared->data;

    memcpy(owner, shared->record.counted_by, sizeof(owner));
    shared->options.stats->hits++;
    shared->options.stats->last.code = ERROR_NONE;
    *shared->options.memory = (struct share_memory){.failures = 0};
    shared_count_free(shared);
    events->answer(data, &value, age_ms, owner);
}

/* The agent that counted failed for a cause that all meet: its lease is the fleet's backoff. */
static void share_fail(struct shared_count *shared)
{
    const struct shared_count_events *events = shared->events;
    const struct shared_record *record = &shared->record;
    struct failure failure;
    void *data = shared->data;

    failure_set(&failure, ERROR_AWS_UNAVAILABLE, "agent %.60s could not count for the fleet: %s",
        record->owner, record->reason);
    failure.retryable = true;
    failure.retry_after_ms = saturating_subtract(record->lease_ms, share_now(shared));
    shared_count_free(shared);
    events->failed(data, &failure);
}

static int64_t share_random(const struct shared_count *shared, int64_t most_ms)
{
    return (int64_t)((uint64_t)shared->options.random() * (uint64_t)most_ms >> 32);
}

static void share_pause(struct shared_count *shared, int64_t delay_ms)
{
    shared->step = SHARE_WAIT;
    loop_timer_start(shared->timer, delay_ms);
}

/* The first look is when the count should be done, if it takes as long as the last one. */
static int64_t share_first_look(const struct shared_count *shared)
{
    const struct shared_record *record = &shared->record;
    int64_t took_ms = record->has_number ? record->number.took_ms : 0;
    int64_t left_ms = saturating_subtract(
        saturating_add(record->since_ms, took_ms), share_now(shared));

    if (!record->is_leased || left_ms < 0)
        left_ms = 0;
    return (left_ms < LOOK_MAX_MS ? left_ms : LOOK_MAX_MS) + share_random(shared, LOOK_SPREAD_MS);
}

static void share_wait(struct shared_count *shared)
{
    int64_t delay;

    if (shared->looks++ == 0) {
        shared->options.stats->lost++;
        share_pause(shared, share_first_look(shared));
        return;
    }
    delay = backoff_ms(LOOK_FIRST_MS, LOOK_MAX_MS, shared->looks - 2);
    share_pause(shared, delay / 2 + share_random(shared, delay));
}

/* The record is free and too old, perhaps for ten thousand agents at this moment: each looks again
 * after a time that is distributed exponentially, so that of a fleet of any size a few come first,
 * and the others see their lease. The agent that counted last takes the lease at once. */
static bool share_hold_back(struct shared_count *shared)
{
    double random = ((double)shared->options.random() + 1) / 4294967296.0;
    double part = 1 + log(random) / log(FLEET_SIZE);

    if (shared->held_back || strcmp(shared->record.counted_by, shared->owner) == 0)
        return false;
    shared->held_back = true;
    share_pause(shared, part > 0 ? (int64_t)(part * HOLD_BACK_MS) : 0);
    return true;
}

/* Thresholds are cheap: they are answered by a fresh record, and not counted for the fleet. Nor is
 * a count that the budget will refuse. */
static void share_count_without_lease(struct shared_count *shared)
{
    loop_timer_stop(shared->timer);
    shared->step = SHARE_ALONE;
    shared->events->count(shared->data);
}

/* What the record says, after a look or after a lease that was refused. */
static void share_judge(struct shared_count *shared, const struct aws_reply *reply)
{
    struct shared_record *record = &shared->record;
    bool was_refused = shared->step == SHARE_TAKE;
    bool is_free;

    shared->aws_ahead_ms = saturating_subtract(reply->aws_ms, loop_wall(shared->options.loop));
    if (shared->begun_ms == 0)
        shared->begun_ms = saturating_add(
            saturating_subtract(reply->aws_ms, reply->elapsed_us / 1000), reply->aws_error_ms);
    shared_record_settle(record, reply->aws_ms);
    if (record->fault[0] != '\0' && was_refused) {
        share_count_alone_because(shared, record->fault);
        return;
    }
    if (share_is_fresh(shared, reply)) {
        share_answer(shared, reply);
        return;
    }
    if (record->has_number && shared->seen_ms == 0)
        shared->seen_ms = record->number.completed_ms;
    is_free = !record->is_leased && !was_refused;
    if (shared->options.goal->enough > 0 || (is_free && shared->options.look_only))
        share_count_without_lease(shared);
    else if (record->is_leased && record->reason[0] != '\0')
        share_fail(shared);
    else if (!is_free)
        share_wait(shared);
    else if (!share_hold_back(shared))
        share_take(shared);
}

/* ---- requests ---- */

static int share_parse_record(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct shared_count *shared = data;
    double units;
    int r = shared_record_parse(body, len, &shared->record, &units, why, why_size);

    shared->options.stats->consumed_rcu += units;
    return r;
}

/* An UpdateItem replies with its cost alone. */
static int share_parse_update(void *data, const void *body, size_t len, char *why, size_t why_size)
{
    struct shared_count *shared = data;
    struct shared_record none;
    double units;
    int r = shared_record_parse(body, len, &none, &units, why, why_size);

    shared->options.stats->consumed_wcu += units;
    return r;
}

/* A refused condition comes with the record that refused it. */
static void share_read_refusal(void *data, const void *body, size_t len)
{
    struct shared_count *shared = data;
    struct shared_record record;
    char why[100];
    double units;

    /* What is no refusal of a condition has no record; then the one that was seen before stands. */
    if (shared_record_parse(body, len, &record, &units, why, sizeof(why)) == 0 && record.exists)
        shared->record = record;
}

static void share_send(struct shared_count *shared, const char *target)
{
    bool is_look = shared->step == SHARE_LOOK;
    struct aws_request request = {.service = AWS_DYNAMODB,
        .what = shared->what,
        .endpoint = &shared->endpoint,
        .content_type = DYNAMODB_CONTENT_TYPE,
        .target = target,
        .body = shared->body.data,
        .body_len = shared->body.len,
        .max_reply = SHARED_RECORD_REPLY_BYTES,
        .retry_base_ms = RETRY_BASE_DYNAMODB_MS,
        .max_attempts = 1,
        .stall_ms = STALL_MS,
        .is_dated = true,
        .parse_reply = is_look ? share_parse_record : share_parse_update,
        .parse_error = dynamodb_parse_error,
        .read_error = share_read_refusal};
    struct failure failure;

    loop_timer_start(shared->timer, shared->step == SHARE_COUNT ? RENEW_MS : STEP_MS);
    if (!shared->body.failed) {
        signed_call_start(&shared->call, &request);
        return;
    }
    failure_set_buffer(&failure, shared->what, &shared->body);
    share_count_alone(shared, &failure);
}

static struct shared_lease share_lease(const struct shared_count *shared)
{
    return (struct shared_lease){
        .table = shared->table, .key = shared->key, .owner = shared->owner, .token = shared->token};
}

static void share_look(struct shared_count *shared)
{
    struct shared_lease lease = share_lease(shared);

    shared->step = SHARE_LOOK;
    buffer_clear(&shared->body);
    shared_record_get_body(&shared->body, &lease);
    share_send(shared, SHARED_RECORD_GET_TARGET);
}

static void share_take(struct shared_count *shared)
{
    struct shared_lease lease = share_lease(shared);
    int64_t now_ms = share_now(shared);
    int64_t stale_ms = saturating_subtract(now_ms, shared->options.goal->max_age_ms);

    shared->step = SHARE_TAKE;
    buffer_clear(&shared->body);
    shared_record_take_body(&shared->body, &lease, now_ms, stale_ms);
    share_send(shared, SHARED_RECORD_UPDATE_TARGET);
}

static void share_renew(struct shared_count *shared)
{
    struct shared_lease lease = share_lease(shared);

    signed_call_clear(&shared->call); /* one that has not been answered since the last renewal */
    buffer_clear(&shared->body);
    if (shared_record_renew_body(&shared->body, &lease, share_now(shared)) == 0)
        share_send(shared, SHARED_RECORD_UPDATE_TARGET);
}

/* The last request, whose body is built. */
static void share_end(struct shared_count *shared)
{
    if (shared->body.failed) {
        share_over(shared);
        return;
    }
    signed_call_clear(&shared->call);
    shared->step = SHARE_END;
    share_send(shared, SHARED_RECORD_UPDATE_TARGET);
}

static void share_give_back(struct shared_count *shared)
{
    struct shared_lease lease = share_lease(shared);

    buffer_clear(&shared->body);
    shared_record_give_back_body(&shared->body, &lease, share_now(shared));
    share_end(shared);
}

/* ---- replies ---- */

static void share_won(struct shared_count *shared, const struct aws_reply *reply)
{
    shared->aws_ahead_ms = saturating_subtract(reply->aws_ms, loop_wall(shared->options.loop));
    shared->won_at = loop_now(shared->options.loop);
    shared->options.stats->won++;
    *shared->options.memory = (struct share_memory){.failures = 0};
    shared->step = SHARE_COUNT;
    loop_timer_start(shared->timer, RENEW_MS);
    shared->events->count(shared->data);
}

/* A request failed before the count. A table is throttled because a large fleet shares it: if each
 * agent counted alone then, that would cost most when it is least wanted. */
static void share_trouble(struct shared_count *shared, const struct failure *failure)
{
    if (failure->code == ERROR_THROTTLED && shared->throttles < THROTTLES) {
        share_pause(shared, share_random(shared, THROTTLE_MS << shared->throttles++));
        return;
    }
    share_count_alone(shared, failure);
}

/* The number was shared, or the lease given back; or neither. An agent that took the lease
 * meanwhile shares its own, which is no failure. */
static void share_take_end(struct shared_count *shared, const struct failure *failure)
{
    struct share_stats *stats = shared->options.stats;

    if (failure != NULL) {
        log_failure(LOG_LEVEL_WARN, "share_failed", shared->key, failure);
        stats->last = *failure;
    } else {
        stats->last.code = ERROR_NONE;
    }
}

static void on_call_done(void *data, const struct aws_reply *reply, const struct failure *failure)
{
    struct shared_count *shared = data;
    bool is_ok = reply != NULL && reply->error.outcome == AWS_OK;
    bool is_unmet = reply != NULL && reply->error.outcome == AWS_UNMET;

    switch (shared->step) {
    case SHARE_LOOK:
        if (is_ok)
            share_judge(shared, reply);
        else
            share_trouble(shared, failure);
        break;
    case SHARE_TAKE:
        if (is_ok)
            share_won(shared, reply);
        else if (is_unmet)
            share_judge(shared, reply);
        else
            share_trouble(shared, failure);
        break;
    case SHARE_COUNT:
        shared->lost_lease |= is_unmet;
        break;
    case SHARE_END:
        share_take_end(shared, is_unmet ? NULL : failure);
        share_over(shared);
        break;
    case SHARE_START:
    case SHARE_WAIT:
    case SHARE_ALONE:
        break;
    }
}

static void on_timer(void *data)
{
    struct shared_count *shared = data;
    char why[80];

    snprintf(why, sizeof(why), "no reply within %d ms", STEP_MS);
    switch (shared->step) {
    case SHARE_START:
    case SHARE_WAIT:
        share_look(shared);
        break;
    case SHARE_LOOK:
    case SHARE_TAKE:
        if (!signed_call_is_sent(&shared->call)) { /* the count needs the credentials, too */
            loop_timer_start(shared->timer, STEP_MS);
            break;
        }
        /* If the lease was taken nevertheless, it ends by itself. */
        signed_call_clear(&shared->call);
        share_count_alone_because(shared, why);
        break;
    case SHARE_COUNT:
        if (!shared->lost_lease)
            share_renew(shared);
        break;
    case SHARE_END:
        share_over(shared);
        break;
    case SHARE_ALONE:
        break;
    }
}

/* ---- life ---- */

static void share_set_token(struct shared_count *shared)
{
    uint32_t (*bits)(void) = shared->options.random;

    snprintf(
        shared->token, sizeof(shared->token), "%08x%08x%08x%08x", bits(), bits(), bits(), bits());
}

struct shared_count *shared_count_start(const struct shared_count_options *options,
    const struct shared_count_events *events, void *data)
{
    static const struct signed_call_events call_events = {.done = on_call_done};
    const struct query *query = &options->trigger->query;
    struct shared_count *shared = calloc(1, sizeof(*shared));
    char why[200];

    if (shared == NULL)
        return NULL;
    shared->timer = loop_timer_create(options->loop, on_timer, shared);
    if (shared->timer == NULL || strlen(options->table) >= sizeof(shared->table) ||
        endpoint_dynamodb(&shared->endpoint, options->environment, query->region, query->endpoint,
            why, sizeof(why)) < 0 || /* the count says what is wrong with it */
        shared_record_key(shared->key, options->trigger->namespace_, query, options->values) < 0) {
        loop_timer_destroy(shared->timer);
        free(shared);
        return NULL;
    }
    shared->options = *options;
    shared->options.identity = identity_ref(options->identity);
    shared->events = events;
    shared->data = data;
    shared->is_held = true;
    ring_add(options->all, &shared->link);
    signed_call_init(
        &shared->call, options->loop, options->client, options->identity, &call_events, shared);
    buffer_init(&shared->body, BODY_BYTES);
    snprintf(shared->what, sizeof(shared->what), "share table %.80s", options->table);
    snprintf(shared->table, sizeof(shared->table), "%s", options->table);
    snprintf(shared->owner, sizeof(shared->owner), "%s", options->owner);
    share_set_token(shared);
    loop_timer_start(shared->timer, 0);
    return shared;
}

/* Or may have it: the reply to the request for it is not there yet. */
static bool share_has_lease(const struct shared_count *shared)
{
    return (shared->step == SHARE_COUNT && !shared->lost_lease) ||
           (shared->step == SHARE_TAKE && signed_call_is_sent(&shared->call));
}

/* Its creator has no more to do with it. Whether it has the lease. */
static bool share_let_go(struct shared_count *shared)
{
    bool has_lease = share_has_lease(shared);

    shared->is_held = false;
    if (!has_lease && shared->step != SHARE_END)
        shared_count_free(shared);
    return has_lease;
}

void shared_count_publish(
    struct shared_count *shared, const struct count_value *value, int64_t completed_ms)
{
    struct shared_lease lease = share_lease(shared);
    struct shared_number number = {.count = value->count,
        .scanned = value->scanned,
        .rcu = value->consumed_rcu,
        .pages = value->pages,
        .at_least = value->at_least,
        .completed_ms = completed_ms,
        .took_ms = saturating_subtract(loop_now(shared->options.loop), shared->won_at)};

    if (!share_let_go(shared))
        return;
    buffer_clear(&shared->body);
    shared_record_publish_body(&shared->body, &lease, &number);
    share_end(shared);
}

void shared_count_fail(struct shared_count *shared, const struct failure *failure)
{
    struct shared_lease lease = share_lease(shared);
    bool all_meet_it = failure->code == ERROR_THROTTLED || failure->code == ERROR_AWS_UNAVAILABLE;

    if (!share_let_go(shared))
        return;
    if (!all_meet_it) {
        share_give_back(shared);
        return;
    }
    buffer_clear(&shared->body);
    shared_record_fail_body(&shared->body, &lease, share_now(shared), failure->message);
    share_end(shared);
}

void shared_count_leave(struct shared_count *shared)
{
    if (share_let_go(shared))
        share_give_back(shared);
}

bool shared_count_waits(const struct shared_count *shared, char *text, size_t size)
{
    int64_t since_ms = saturating_subtract(share_now(shared), shared->record.since_ms);

    if (shared->step != SHARE_WAIT && shared->step != SHARE_LOOK)
        return false;
    if (!shared->record.is_leased)
        return false;
    snprintf(text, size, "agent %.60s has been counting for the fleet for %lld s",
        shared->record.owner, (long long)(since_ms > 0 ? since_ms / 1000 : 0));
    return true;
}

/* It takes no lease any more, and waits for its creator to end it. */
static void share_freeze(struct shared_count *shared)
{
    signed_call_clear(&shared->call);
    loop_timer_stop(shared->timer);
    shared->step = SHARE_ALONE;
}

bool shared_counts_give_back(struct ring *all)
{
    bool is_busy = false;
    struct ring leaving;

    ring_take_all(all, &leaving);
    while (!ring_is_empty(&leaving)) {
        struct shared_count *shared = RING_MEMBER(ring_pop(&leaving), struct shared_count, link);

        ring_add(all, &shared->link);
        if (share_has_lease(shared))
            share_give_back(shared);
        else if (shared->step != SHARE_END)
            share_freeze(shared);
    }
    RING_EACH(at, all)
        is_busy |= RING_MEMBER(at, struct shared_count, link)->step == SHARE_END;
    return is_busy;
}

void shared_counts_end(struct ring *all)
{
    while (!ring_is_empty(all)) {
        share_over(RING_MEMBER(ring_pop(all), struct shared_count, link));
    }
}
