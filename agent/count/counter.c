/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/counter.h"

#include "agent/count/adhoc_count.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOURS_OF_MONTH 730

/* The states of one trigger of the configuration. */
struct slot {
    struct identity *identity;
    struct held_budget *budget;      /* held; NULL: the trigger has none of its own */
    double evicted_rcu;              /* what the states that made room for others had read */
    struct trigger_state *state;     /* of the trigger's own values; NULL: not requested yet */
    struct trigger_state **variants; /* of clients' values, most recently used first; NULL: none */
    size_t variant_count;
};

struct counter {
    struct count_context context;
    double price; /* of a million read request units */
    struct identities *identities;
    struct snapshot *snapshot;
    struct slot *slots; /* as the configuration's triggers */
    unsigned generation;
    int64_t loaded_wall;
    unsigned rejections; /* of newer configurations, in a row */
    char rejection[320]; /* why */
};

/* ---- ended states ---- */

static void counter_reap(void *data)
{
    struct counter *counter = data;

    adhoc_counts_reap(&counter->context);
    trigger_states_reap(&counter->context);
}

/* ---- slots ---- */

static void slots_free(struct slot *slots, size_t count)
{
    for (size_t i = 0; slots != NULL && i < count; i++) {
        trigger_state_destroy(slots[i].state);
        for (size_t k = 0; k < slots[i].variant_count; k++)
            trigger_state_destroy(slots[i].variants[k]);
        free(slots[i].variants);
        identity_release(slots[i].identity);
        held_budget_unref(slots[i].budget);
    }
    free(slots);
}

static struct slot *slots_create(
    struct identities *identities, const struct config *config, int64_t now)
{
    struct slot *slots = calloc(config->trigger_count + 1, sizeof(*slots));

    for (size_t i = 0; slots != NULL && i < config->trigger_count; i++) {
        slots[i].identity = identity_acquire(identities, config->triggers[i].identity);
        if (slots[i].identity == NULL) {
            slots_free(slots, i);
            return NULL;
        }
        /* If there is no memory for it, --budget still holds. */
        if (config->triggers[i].budget_rcu > 0)
            slots[i].budget = held_budget_create();
        if (slots[i].budget != NULL)
            rcu_budget_set(&slots[i].budget->budget, config->triggers[i].budget_rcu, now);
    }
    return slots;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_query(const struct query *a, const struct query *b)
{
    if (a->client_value_count != b->client_value_count || a->shard_count != b->shard_count)
        return false;
    for (size_t i = 0; i < a->client_value_count; i++)
        if (!same_text(a->client_values[i], b->client_values[i]))
            return false;
    for (size_t i = 0; i < a->shard_count; i++)
        if (!same_text(a->shards[i], b->shards[i]))
            return false;
    return same_text(a->region, b->region) && same_text(a->endpoint, b->endpoint) &&
           same_text(a->table, b->table) && same_text(a->index, b->index) &&
           same_text(a->key_condition, b->key_condition) && same_text(a->filter, b->filter) &&
           same_text(a->names, b->names) && same_text(a->values, b->values) &&
           a->consistent_read == b->consistent_read && a->count_limit == b->count_limit &&
           a->max_pages == b->max_pages;
}

static void slot_abandon(struct slot *slot)
{
    if (slot->state != NULL)
        trigger_state_abandon(slot->state);
    for (size_t i = 0; i < slot->variant_count; i++)
        trigger_state_abandon(slot->variants[i]);
    slot->state = NULL;
    slot->variant_count = 0;
}

static void slot_move(struct slot *to, struct slot *from, struct snapshot *snapshot,
    const struct trigger *trigger, int64_t now)
{
    if (to->budget != NULL && from->budget != NULL) { /* what was used stays used */
        rcu_budget_set(&from->budget->budget, to->budget->budget.per_hour, now);
        held_budget_unref(to->budget);
        to->budget = held_budget_ref(from->budget);
    }
    to->evicted_rcu = from->evicted_rcu;
    to->state = from->state;
    to->variants = from->variants;
    to->variant_count = from->variant_count;
    from->state = NULL;
    from->variants = NULL;
    from->variant_count = 0;
    if (to->state != NULL)
        trigger_state_adopt(to->state, snapshot, trigger, to->budget);
    for (size_t i = 0; i < to->variant_count; i++)
        trigger_state_adopt(to->variants[i], snapshot, trigger, to->budget);
}

/* Both configurations are sorted by name, so one pass over both finds the unchanged triggers. */
static void slots_take_over(struct counter *counter, struct snapshot *snapshot, struct slot *slots)
{
    const struct config *old = counter->snapshot->config;
    const struct config *new = snapshot->config;
    size_t at = 0;

    for (size_t i = 0; i < old->trigger_count; i++) {
        while (at < new->trigger_count && strcmp(new->triggers[at].name, old->triggers[i].name) < 0)
            at++;
        if (at < new->trigger_count && strcmp(new->triggers[at].name, old->triggers[i].name) == 0 &&
            slots[at].identity == counter->slots[i].identity &&same_query(
                                      &new->triggers[at].query, &old->triggers[i].query))
            slot_move(&slots[at], &counter->slots[i], snapshot, &new->triggers[at],
                loop_now(counter->context.loop));
        else
            slot_abandon(&counter->slots[i]);
    }
}

static void start_warm(struct counter *counter)
{
    const struct config *config = counter->snapshot->config;

    /* A state that cannot be created now is created at the next request. */
    for (size_t i = 0; i < config->trigger_count; i++) {
        struct trigger_state *state;

        if (config->triggers[i].warm)
            counter_state(counter, &config->triggers[i], NULL, &state);
    }
}

/* Called once the configuration is in force: updates each watch. */
static void notify_watchers(struct counter *counter)
{
    for (size_t i = 0; i < counter->snapshot->config->trigger_count; i++)
        if (counter->slots[i].state != NULL)
            trigger_state_notify_watchers(counter->slots[i].state);
    trigger_states_dismiss_watchers(&counter->context);
}

int counter_load(struct counter *counter, struct config *config)
{
    struct snapshot *snapshot = snapshot_create(config);
    struct slot *slots;

    if (snapshot == NULL)
        return -ENOMEM;
    slots = slots_create(counter->identities, config, loop_now(counter->context.loop));
    if (slots == NULL) {
        free(snapshot);
        return -ENOMEM;
    }
    if (counter->snapshot != NULL) {
        slots_take_over(counter, snapshot, slots);
        slots_free(counter->slots, counter->snapshot->config->trigger_count);
        snapshot_unref(counter->snapshot);
    }
    counter->snapshot = snapshot;
    counter->slots = slots;
    counter->generation++;
    counter->loaded_wall = loop_wall(counter->context.loop);
    counter->rejections = 0;
    start_warm(counter);
    notify_watchers(counter);
    trigger_states_reap(&counter->context); /* now: their flights would go on for a turn */
    return 0;
}

/* ---- states ---- */

static struct slot *slot_of(const struct counter *counter, const struct trigger *trigger)
{
    return &counter->slots[trigger - counter->snapshot->config->triggers];
}

static struct trigger_state *counter_make(
    struct counter *counter, const struct trigger *trigger, const char *values)
{
    const struct slot *slot = slot_of(counter, trigger);

    return trigger_state_create(
        &counter->context, counter->snapshot, trigger, slot->identity, values, slot->budget);
}

/* The variant with these values, moved to the front; NULL: none. */
static struct trigger_state *find_variant(struct slot *slot, const char *values)
{
    for (size_t i = 0; i < slot->variant_count; i++) {
        struct trigger_state *found = slot->variants[i];

        if (strcmp(trigger_state_values(found), values) == 0) {
            memmove(&slot->variants[1], &slot->variants[0], i * sizeof(struct trigger_state *));
            slot->variants[0] = found;
            return found;
        }
    }
    return NULL;
}

/* The least recently used variant without waiters; variant_count: there is none. */
static size_t find_unwanted(const struct slot *slot)
{
    for (size_t i = slot->variant_count; i-- > 0;)
        if (!trigger_state_is_wanted(slot->variants[i]))
            return i;
    return slot->variant_count;
}

static void remove_variant(struct slot *slot, size_t place)
{
    slot->evicted_rcu += trigger_state_rcu_total(slot->variants[place]);
    trigger_state_abandon(slot->variants[place]);
    slot->variant_count--;
    memmove(&slot->variants[place], &slot->variants[place + 1],
        (slot->variant_count - place) * sizeof(struct trigger_state *));
}

static int add_variant(struct counter *counter, const struct trigger *trigger, struct slot *slot,
    const char *values, struct trigger_state **state)
{
    bool full = slot->variant_count == COUNTER_VARIANTS_MAX;
    size_t place = full ? find_unwanted(slot) : 0;

    if (full && place == slot->variant_count)
        return -EBUSY;
    if (slot->variants == NULL)
        slot->variants = calloc(COUNTER_VARIANTS_MAX, sizeof(struct trigger_state *));
    if (slot->variants == NULL)
        return -ENOMEM;
    *state = counter_make(counter, trigger, values);
    if (*state == NULL)
        return -ENOMEM;
    if (full)
        remove_variant(slot, place);
    memmove(&slot->variants[1], &slot->variants[0],
        slot->variant_count * sizeof(struct trigger_state *));
    slot->variants[0] = *state;
    slot->variant_count++;
    return 0;
}

int counter_state(struct counter *counter, const struct trigger *trigger, const char *values,
    struct trigger_state **state)
{
    struct slot *slot = slot_of(counter, trigger);

    if (values == NULL) {
        if (slot->state == NULL)
            slot->state = counter_make(counter, trigger, NULL);
        *state = slot->state;
        return *state != NULL ? 0 : -ENOMEM;
    }
    *state = find_variant(slot, values);
    return *state != NULL ? 0 : add_variant(counter, trigger, slot, values, state);
}

void counter_peek(
    const struct counter *counter, const struct trigger *trigger, struct count_answer *answer)
{
    const struct slot *slot = slot_of(counter, trigger);

    if (slot->state != NULL)
        trigger_state_peek(slot->state, answer);
    else
        *answer = (struct count_answer){.trigger = trigger};
}

struct identity *counter_identity(const struct counter *counter, const struct trigger *trigger)
{
    return slot_of(counter, trigger)->identity;
}

/* ---- life ---- */

struct counter *counter_create(const struct counter_options *options)
{
    struct counter *counter = calloc(1, sizeof(*counter));

    if (counter == NULL)
        return NULL;
    counter->context = (struct count_context){.loop = options->loop,
        .client = options->client,
        .environment = options->environment,
        .max_stale_ms = options->max_stale_ms,
        .min_age_ms = options->min_age_ms,
        .flight_timeout_ms = options->flight_timeout_ms,
        .random = options->random};
    ring_init(&counter->context.abandoned);
    ring_init(&counter->context.adhoc_counts);
    ring_init(&counter->context.ended_adhoc_counts);
    ring_init(&counter->context.shared_counts);
    counter->context.share_table = options->share_table;
    rcu_budget_set(&counter->context.budget, options->budget_rcu, loop_now(options->loop));
    counter->price = options->price;
    counter->context.share_owner = identities_session_name(options->identities);
    counter->identities = options->identities;
    counter->context.reaper = loop_timer_create(options->loop, counter_reap, counter);
    if (counter->context.reaper == NULL) {
        free(counter);
        return NULL;
    }
    return counter;
}

void counter_destroy(struct counter *counter)
{
    if (counter == NULL)
        return;
    adhoc_counts_end(&counter->context);
    if (counter->snapshot != NULL)
        slots_free(counter->slots, counter->snapshot->config->trigger_count);
    trigger_states_end(&counter->context);
    shared_counts_end(&counter->context.shared_counts);
    loop_timer_destroy(counter->context.reaper);
    snapshot_unref(counter->snapshot);
    free(counter);
}

const struct config *counter_config(const struct counter *counter)
{
    return counter->snapshot->config;
}

unsigned counter_generation(const struct counter *counter)
{
    return counter->generation;
}

void counter_reject(struct counter *counter, const char *why)
{
    counter->rejections++;
    snprintf(counter->rejection, sizeof(counter->rejection), "%s", why);
}

unsigned counter_rejections(const struct counter *counter)
{
    return counter->rejections;
}

const char *counter_rejection(const struct counter *counter)
{
    return counter->rejection;
}

int64_t counter_loaded_wall(const struct counter *counter)
{
    return counter->loaded_wall;
}

void counter_cost(
    const struct counter *counter, const struct trigger *trigger, struct counter_cost *cost)
{
    const struct slot *slot = slot_of(counter, trigger);

    *cost = (struct counter_cost){.rcu_total = slot->evicted_rcu};
    if (slot->state != NULL) {
        cost->rcu_per_hour = trigger_state_rcu_per_hour(slot->state);
        cost->rcu_total = trigger_state_rcu_total(slot->state);
    }
    for (size_t i = 0; i < slot->variant_count; i++) {
        cost->rcu_per_hour += trigger_state_rcu_per_hour(slot->variants[i]);
        cost->rcu_total += trigger_state_rcu_total(slot->variants[i]);
    }
}

const struct rcu_budget *counter_budget(const struct counter *counter)
{
    return &counter->context.budget;
}

bool counter_has_price(const struct counter *counter)
{
    return counter->price > 0;
}

double counter_month(const struct counter *counter, double rcu_per_hour)
{
    return rcu_per_hour * HOURS_OF_MONTH * counter->price / 1e6;
}

const char *counter_share_table(const struct counter *counter, const struct trigger *trigger)
{
    return trigger_share_table(&counter->context, trigger);
}

const struct share_stats *counter_share_stats(const struct counter *counter)
{
    return &counter->context.share_stats;
}

bool counter_give_back(struct counter *counter)
{
    return shared_counts_give_back(&counter->context.shared_counts);
}

const struct count_stats *counter_stats(const struct counter *counter)
{
    return &counter->context.stats;
}

struct count_context *counter_context(struct counter *counter)
{
    return &counter->context;
}

struct snapshot *counter_snapshot(const struct counter *counter)
{
    return counter->snapshot;
}
