/* SPDX-License-Identifier: Apache-2.0 */
#include "client/bridge/agent_link.h"

#include "agent/fnv.h"
#include "agent/log.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define CALLS_MAX    16384 /* at the agent or waiting for it */
#define LINK_BUCKETS 1024
#define HANDLES_MAX  257 /* the first for calls, each other one for LIMIT_WATCHES watches */

/* One connection to the agent. */
struct link_handle {
    struct agent_link *link;
    struct tally_async *async;
    struct loop_watch *watch;
    struct loop_timer *timer;
    unsigned watches;
};

/* A method and its param; `method` and `field` are static, and compared as pointers. */
struct call_key {
    const char *method, *field, *value;
    int64_t enough; /* 0: not given */
};

/* A call that one or more wait for. Freed when libtally ends it. */
struct shared_call {
    struct ring ring; /* of its bucket */
    struct ring waiters;
    struct agent_link *link;
    uint64_t hash;
    struct call_key key; /* its value is: */
    char value[];
};

/* A watched trigger, and all that want to know it. Freed when libtally ends the watch. */
struct trigger_watch {
    struct ring ring; /* of its bucket, or of none once it is cancelled */
    struct ring due;  /* of the link's watches that have a watcher which is not notified yet */
    struct ring watchers;
    size_t watcher_count;
    struct link_handle *handle;
    uint32_t id;
    bool known, active; /* the latest state; not known while there is an error */
    char trigger[];
};

struct agent_link {
    struct agent_link_options options;
    struct link_handle *handles[HANDLES_MAX];
    size_t handle_count;
    struct ring calls[LINK_BUCKETS];
    size_t call_count;
    bool unsent; /* calls were added since the last turn */
    struct ring watches[LINK_BUCKETS];
    struct ring due;
    struct loop_timer *soon; /* notifies those of `due` */
    struct trigger_book *book;
    struct outage outage;
    struct agent_link_stats stats;
};

/* ---- handles ---- */

/* Whatever was begun or ended may change when libtally wants to run. */
static void handle_arm(struct link_handle *handle)
{
    int timeout = tally_async_timeout(handle->async);

    if (timeout < 0)
        loop_timer_stop(handle->timer);
    else
        loop_timer_start(handle->timer, timeout);
}

static void handle_turn(struct link_handle *handle)
{
    if (tally_async_process(handle->async) == TALLY_ENOMEM)
        log_often(LOG_LEVEL_ERROR, "no_memory", LOG_TEXT("what", "a connection to the agent"));
    handle_arm(handle);
}

static void on_handle_time(void *data)
{
    struct link_handle *handle = data;

    handle_turn(handle);
    handle->link->options.turned(handle->link->options.data);
}

static void on_handle_event(void *data, unsigned events)
{
    (void)events;
    on_handle_time(data);
}

static void handle_destroy(struct link_handle *handle)
{
    if (handle == NULL)
        return;
    loop_watch_destroy(handle->watch);
    loop_timer_destroy(handle->timer);
    tally_async_close(handle->async);
    free(handle);
}

static struct link_handle *handle_create(struct agent_link *link)
{
    if (link->handle_count == HANDLES_MAX)
        return NULL;
    struct link_handle *handle = calloc(1, sizeof(*handle));
    if (handle == NULL)
        return NULL;
    handle->link = link;
    if (tally_async_open(&handle->async, link->options.socket) == 0) {
        handle->timer = loop_timer_create(link->options.loop, on_handle_time, handle);
        handle->watch = loop_watch_create(
            link->options.loop, tally_async_fd(handle->async), on_handle_event, handle);
    }
    if (handle->timer == NULL || handle->watch == NULL ||
        loop_watch_set(handle->watch, LOOP_READABLE) < 0) {
        handle_destroy(handle);
        return NULL;
    }
    link->handles[link->handle_count++] = handle;
    return handle;
}

void agent_link_turn(struct agent_link *link)
{
    if (!link->unsent)
        return;
    link->unsent = false;
    handle_turn(link->handles[0]);
}

/* ---- calls ---- */

void link_waiter_init(struct link_waiter *waiter, link_fn *fn, void *data)
{
    ring_init(&waiter->ring);
    waiter->fn = fn;
    waiter->data = data;
}

void link_waiter_cancel(struct link_waiter *waiter)
{
    ring_remove(&waiter->ring);
}

/* Whether the agent answers, and a log line when that changes. */
static void link_note(struct agent_link *link, const struct tally_answer *answer)
{
    int error = tally_answer_error(answer);
    int64_t now = loop_now(link->options.loop);
    struct outage ended;

    if (error == TALLY_ECLOSED || error == TALLY_ECANCELLED)
        return;
    link->stats.up = error > -100 || error == TALLY_EARGUMENT;
    if (!link->stats.up) {
        link->stats.lost++;
        trigger_book_forget(link->book);
        if (outage_failed(&link->outage, now))
            log_event(LOG_LEVEL_WARN, "agent_lost",
                LOG_TEXT("message", tally_answer_error_message(answer)),
                LOG_NUMBER("failures", link->outage.failures));
    } else if (outage_over(&link->outage, &ended)) {
        log_event(LOG_LEVEL_INFO, "agent_found", LOG_NUMBER("failures", ended.failures));
    }
}

static void on_answer(const struct tally_answer *answer, void *data)
{
    struct shared_call *call = data;
    struct ring waiters;

    ring_remove(&call->ring);
    ring_take_all(&call->waiters, &waiters);
    call->link->call_count--;
    link_note(call->link, answer);
    free(call);
    while (!ring_is_empty(&waiters)) {
        struct link_waiter *waiter = RING_MEMBER(ring_pop(&waiters), struct link_waiter, ring);

        waiter->fn(answer, waiter->data);
    }
}

static uint64_t call_key_hash(const struct call_key *key)
{
    uint64_t hash = fnv_text(FNV_START, key->method);

    hash = fnv_text(hash, key->field != NULL ? key->field : "");
    hash = fnv_bytes(hash, &key->enough, sizeof(key->enough));
    return fnv_text(hash, key->value);
}

static bool call_key_equal(const struct call_key *a, const struct call_key *b)
{
    return a->method == b->method && a->field == b->field && a->enough == b->enough &&
           strcmp(a->value, b->value) == 0;
}

static struct shared_call *link_find_call(
    struct ring *bucket, uint64_t hash, const struct call_key *key)
{
    RING_EACH(at, bucket) {
        struct shared_call *call = RING_MEMBER(at, struct shared_call, ring);

        if (call->hash == hash && call_key_equal(&call->key, key))
            return call;
    }
    return NULL;
}

static const char method_count[] = "count", method_list[] = "list", method_whoami[] = "whoami",
                  field_trigger[] = "trigger", field_after[] = "after";

static int shared_call_send(struct shared_call *call)
{
    const struct call_key *key = &call->key;
    struct tally_request *request = NULL;
    int r = tally_request_new(&request, key->method);

    if (r == 0 && key->field != NULL)
        tally_request_set_string(request, key->field, key->value);
    if (r == 0 && key->enough > 0)
        tally_request_set_integer(request, "enough", key->enough);
    if (r == 0 && key->method == method_whoami)
        tally_request_set_bool(request, "known", 1);
    if (r == 0)
        r = tally_async_call(
            call->link->handles[0]->async, request, AGENT_LINK_ANSWER_MS, on_answer, call, NULL);
    tally_request_free(request);
    return r;
}

static struct shared_call *shared_call_create(
    struct agent_link *link, uint64_t hash, const struct call_key *key)
{
    size_t size = strlen(key->value) + 1;
    struct shared_call *call = malloc(sizeof(*call) + size);

    if (call == NULL)
        return NULL;
    *call = (struct shared_call){.link = link, .hash = hash, .key = *key};
    call->key.value = memcpy(call->value, key->value, size);
    ring_init(&call->ring);
    ring_init(&call->waiters);
    return call;
}

/* Waits for the same call where one is pending, else starts it. */
static int link_call(
    struct agent_link *link, const struct call_key *key, struct link_waiter *waiter)
{
    uint64_t hash = call_key_hash(key);
    struct ring *bucket = &link->calls[hash % LINK_BUCKETS];
    struct shared_call *call = link_find_call(bucket, hash, key);

    link->stats.calls++;
    if (call != NULL) {
        link->stats.joined++;
        ring_add(&call->waiters, &waiter->ring);
        return 0;
    }
    if (link->call_count == CALLS_MAX)
        return TALLY_EBUSY;
    call = shared_call_create(link, hash, key);
    int r = call != NULL ? shared_call_send(call) : TALLY_ENOMEM;
    if (r < 0) {
        free(call);
        return r;
    }
    link->call_count++;
    ring_add(bucket, &call->ring);
    ring_add(&call->waiters, &waiter->ring);
    if (!link->unsent)
        loop_timer_start(link->handles[0]->timer, 0);
    link->unsent = true;
    return 0;
}

int agent_link_count(
    struct agent_link *link, const char *trigger, int64_t enough, struct link_waiter *waiter)
{
    const struct call_key key = {method_count, field_trigger, trigger, enough};

    return link_call(link, &key, waiter);
}

int agent_link_find(struct agent_link *link, const char *trigger, struct link_waiter *waiter)
{
    const struct call_key key = {method_list, field_trigger, trigger, 0};

    return link_call(link, &key, waiter);
}

int agent_link_list(struct agent_link *link, const char *after, struct link_waiter *waiter)
{
    const struct call_key key = {
        method_list, after != NULL ? field_after : NULL, after != NULL ? after : "", 0};

    return link_call(link, &key, waiter);
}

int agent_link_identities(struct agent_link *link, struct link_waiter *waiter)
{
    return agent_link_call(link, method_whoami, waiter);
}

int agent_link_call(struct agent_link *link, const char *method, struct link_waiter *waiter)
{
    const struct call_key key = {method, NULL, "", 0};

    return link_call(link, &key, waiter);
}

/* ---- watches ---- */

void link_watcher_init(struct link_watcher *watcher, link_watch_fn *fn, void *data)
{
    *watcher = (struct link_watcher){.fn = fn, .data = data};
    ring_init(&watcher->ring);
}

static void watcher_notify(struct link_watcher *watcher, bool active)
{
    if (watcher->notified && watcher->notified_active == active)
        return;
    watcher->notified = true;
    watcher->notified_active = active;
    watcher->fn(&(struct watch_state){.active = active}, watcher->data);
}

void link_watcher_learn(struct link_watcher *watcher, bool active)
{
    if (!watcher->notified)
        watcher_notify(watcher, active);
}

/* A callback may unwatch itself and others: the watch itself stays until libtally ends it. */
static void watch_notify(struct trigger_watch *watch)
{
    struct ring watchers;

    ring_remove(&watch->due);
    ring_take_all(&watch->watchers, &watchers);
    while (!ring_is_empty(&watchers)) {
        struct ring *one = ring_pop(&watchers);

        ring_add(&watch->watchers, one);
        watcher_notify(RING_MEMBER(one, struct link_watcher, ring), watch->active);
    }
}

static void watch_end(struct trigger_watch *watch, const struct tally_answer *answer)
{
    struct watch_state state = {
        .error = tally_answer_error(answer), .message = tally_answer_error_message(answer)};

    ring_remove(&watch->ring);
    ring_remove(&watch->due);
    watch->handle->watches--;
    watch->handle->link->stats.watches--;
    while (!ring_is_empty(&watch->watchers)) {
        struct link_watcher *one = RING_MEMBER(
            ring_pop(&watch->watchers), struct link_watcher, ring);

        one->watch = NULL;
        one->fn(&state, one->data);
    }
    free(watch);
}

/* Whether libtally ended the watch with this error: errors of the count have the trigger's name
 * beside them, and an agent that is away comes back. Any other error is either the refusal of
 * the subscription, which is over, or the connection's, and then the watch is ended here. */
static bool watch_is_over(const struct trigger_watch *watch, const struct tally_answer *answer)
{
    const char *name;
    size_t len;

    switch (tally_answer_error(answer)) {
    case TALLY_ENOAGENT:
        return false;
    case TALLY_EUNKNOWN_TRIGGER:
    case TALLY_ECLOSED:
    case TALLY_ECANCELLED:
        return true;
    default:
        return tally_answer_text(answer, "trigger", &name, &len) < 0 &&
               tally_async_cancel(watch->handle->async, watch->id) < 0;
    }
}

static void on_changed(const struct tally_answer *answer, void *data)
{
    struct trigger_watch *watch = data;
    int active = 0;

    if (tally_answer_error(answer) < 0 && watch_is_over(watch, answer)) {
        watch_end(watch, answer);
        return;
    }
    watch->known = tally_answer_error(answer) == 0 &&
                   tally_answer_bool(answer, "active", &active) == 0;
    if (!watch->known)
        return;
    watch->active = active != 0;
    watch_notify(watch);
}

static size_t link_watch_bucket(const char *trigger)
{
    return fnv_text(FNV_START, trigger) % LINK_BUCKETS;
}

static struct trigger_watch *link_find_watch(const struct agent_link *link, const char *trigger)
{
    const struct ring *bucket = &link->watches[link_watch_bucket(trigger)];

    RING_EACH(at, bucket) {
        struct trigger_watch *watch = RING_MEMBER(at, struct trigger_watch, ring);

        if (strcmp(watch->trigger, trigger) == 0)
            return watch;
    }
    return NULL;
}

/* A connection that can have one more watch. */
static struct link_handle *link_handle_for_watch(struct agent_link *link)
{
    for (size_t i = 1; i < link->handle_count; i++) {
        if (link->handles[i]->watches < LIMIT_WATCHES)
            return link->handles[i];
    }
    return handle_create(link);
}

static int link_begin_watch(
    struct agent_link *link, const char *trigger, struct trigger_watch **begun)
{
    size_t size = strlen(trigger) + 1;
    struct link_handle *handle = link_handle_for_watch(link);
    struct trigger_watch *watch = handle != NULL ? malloc(sizeof(*watch) + size) : NULL;

    if (watch == NULL)
        return TALLY_ENOMEM;
    *watch = (struct trigger_watch){.handle = handle};
    memcpy(watch->trigger, trigger, size);
    ring_init(&watch->due);
    ring_init(&watch->watchers);
    int r = tally_async_watch(handle->async, trigger, -1, on_changed, watch, &watch->id);
    if (r < 0) {
        free(watch);
        return r;
    }
    handle->watches++;
    link->stats.watches++;
    ring_add(&link->watches[link_watch_bucket(trigger)], &watch->ring);
    handle_arm(handle);
    *begun = watch;
    return 0;
}

int agent_link_watch(struct agent_link *link, const char *trigger, struct link_watcher *watcher)
{
    struct trigger_watch *watch = link_find_watch(link, trigger);

    if (watch == NULL) {
        int r = link_begin_watch(link, trigger, &watch);

        if (r < 0)
            return r;
    }
    watcher->watch = watch;
    watch->watcher_count++;
    ring_add(&watch->watchers, &watcher->ring);
    if (watch->known && ring_is_empty(&watch->due)) {
        ring_add(&link->due, &watch->due);
        loop_timer_start(link->soon, 0);
    }
    return 0;
}

bool agent_link_knows(const struct agent_link *link, const char *trigger, bool *active)
{
    const struct trigger_watch *watch = link_find_watch(link, trigger);

    if (watch == NULL || !watch->known)
        return false;
    *active = watch->active;
    return true;
}

static void on_soon(void *data)
{
    struct agent_link *link = data;

    while (!ring_is_empty(&link->due))
        watch_notify(RING_MEMBER(link->due.next, struct trigger_watch, due));
    link->options.turned(link->options.data);
}

void link_unwatch(struct link_watcher *watcher)
{
    struct trigger_watch *watch = watcher->watch;

    if (watch == NULL)
        return;
    watcher->watch = NULL;
    ring_remove(&watcher->ring);
    if (--watch->watcher_count > 0)
        return;
    ring_remove(&watch->ring);
    ring_remove(&watch->due);
    tally_async_cancel(watch->handle->async, watch->id);
    handle_arm(watch->handle);
}

/* ---- names ---- */

void agent_link_note(struct agent_link *link, const char *name, const struct trigger_entry *entry)
{
    trigger_book_note(link->book, name, entry, loop_now(link->options.loop));
}

const struct trigger_entry *agent_link_recall(const struct agent_link *link, const char *name)
{
    return trigger_book_find(link->book, name, loop_now(link->options.loop));
}

/* ---- life ---- */

struct agent_link *agent_link_create(const struct agent_link_options *options)
{
    struct agent_link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->options = *options;
    ring_init(&link->due);
    for (size_t i = 0; i < LINK_BUCKETS; i++) {
        ring_init(&link->calls[i]);
        ring_init(&link->watches[i]);
    }
    link->soon = loop_timer_create(options->loop, on_soon, link);
    link->book = trigger_book_create();
    if (link->soon == NULL || link->book == NULL || handle_create(link) == NULL) {
        agent_link_destroy(link);
        return NULL;
    }
    return link;
}

void agent_link_destroy(struct agent_link *link)
{
    if (link == NULL)
        return;
    for (size_t i = 0; i < link->handle_count; i++)
        handle_destroy(link->handles[i]);
    loop_timer_destroy(link->soon);
    trigger_book_destroy(link->book);
    free(link);
}

void agent_link_read_stats(const struct agent_link *link, struct agent_link_stats *stats)
{
    *stats = link->stats;
    stats->connections = (unsigned)link->handle_count;
}
