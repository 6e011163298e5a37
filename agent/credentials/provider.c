/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/provider.h"

#include <stddef.h>

/* The finished providers whose requests have yet to be answered. Providers are layered, so an
 * answer often finishes the next provider: its requests are answered after the first callback has
 * returned, not from within it. So each function is on the stack only once. */
static struct {
    struct ring waiting; /* provider::finished */
    bool answering;
} finished = {.waiting = {&finished.waiting, &finished.waiting}};

/* A request that arrives while answers are sent waits in a new ring, one that is cancelled
 * meanwhile still has valid neighbours; and a callback may destroy the provider: so only local data
 * is used. */
static void provider_answer(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    struct ring waiting;

    ring_take_all(&provider->waiting, &waiting);
    while (!ring_is_empty(&waiting)) {
        struct provider_request *request = RING_MEMBER(waiting.next, struct provider_request, link);

        ring_remove(&request->link);
        request->provider = NULL;
        request->done(request->data, credentials, failure);
    }
}

static void provider_answer_finished(struct provider *provider)
{
    struct credentials *credentials = provider->credentials;
    struct failure failure;

    provider->credentials = NULL;
    provider->fetching = false;
    if (credentials == NULL)
        failure = provider->failure;
    provider_answer(provider, credentials, credentials == NULL ? &failure : NULL);
    credentials_unref(credentials);
}

static void set_shutting_down(struct failure *failure)
{
    failure_set(failure, ERROR_SHUTTING_DOWN, "the identity is being shut down");
}

void provider_init(struct provider *provider, const struct provider_ops *ops)
{
    provider->ops = ops;
    ring_init(&provider->waiting);
    ring_init(&provider->finished);
    provider->credentials = NULL;
    provider->fetching = false;
    provider->troubled = false;
    provider->closing = false;
}

void provider_get(struct provider *provider, struct provider_request *request)
{
    if (provider->closing) {
        struct failure failure;
        set_shutting_down(&failure);
        request->done(request->data, NULL, &failure);
        return;
    }
    request->provider = provider;
    ring_add(&provider->waiting, &request->link);
    if (provider->fetching) {
        /* The next attempt may come after this request's deadline. */
        if (provider->troubled && request->trouble != NULL)
            request->trouble(request->data, &provider->failure);
        return;
    }
    provider->fetching = true;
    provider->troubled = false;
    provider->ops->fetch(provider);
}

void provider_cancel(struct provider_request *request)
{
    if (request->provider == NULL)
        return;
    ring_remove(&request->link);
    request->provider = NULL;
}

void provider_finish(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    if (credentials != NULL)
        provider->credentials = credentials_ref(credentials);
    else
        provider->failure = *failure;
    ring_add(&finished.waiting, &provider->finished);
    if (finished.answering)
        return;
    finished.answering = true;
    while (!ring_is_empty(&finished.waiting))
        provider_answer_finished(
            RING_MEMBER(ring_pop(&finished.waiting), struct provider, finished));
    finished.answering = false;
}

void provider_trouble(void *data, const struct failure *failure)
{
    struct provider *provider = data;

    provider->failure = *failure;
    provider->troubled = true;
    for (struct ring *at = provider->waiting.next; at != &provider->waiting; at = at->next) {
        struct provider_request *request = RING_MEMBER(at, struct provider_request, link);

        if (request->trouble != NULL)
            request->trouble(request->data, failure);
    }
}

void provider_destroy(struct provider *provider)
{
    struct failure failure;

    if (provider == NULL)
        return;
    provider->closing = true;
    ring_remove(&provider->finished);
    credentials_unref(provider->credentials);
    set_shutting_down(&failure);
    provider_answer(provider, NULL, &failure);
    provider->ops->destroy(provider);
}
