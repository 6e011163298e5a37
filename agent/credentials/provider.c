#include "agent/credentials/provider.h"

#include <stddef.h>

/* Whoever asks while the answers go out waits in a fresh ring, whoever leaves meanwhile still
 * finds its neighbours; and a callback may destroy the provider: all that is used is local. */
static void answer_all(
    struct provider *provider, struct credentials *credentials, const struct failure *failure)
{
    struct failure copy = {0};
    struct ring waiting;

    if (failure != NULL)
        copy = *failure;
    ring_take_all(&provider->waiting, &waiting);
    while (!ring_is_empty(&waiting)) {
        struct provider_request *request = RING_MEMBER(waiting.next, struct provider_request, link);

        ring_remove(&request->link);
        request->provider = NULL;
        request->done(request->data, credentials, credentials != NULL ? NULL : &copy);
    }
}

static void set_shutting_down(struct failure *failure)
{
    failure_set(failure, ERROR_SHUTTING_DOWN, "the identity is being shut down");
}

void provider_init(struct provider *provider, const struct provider_ops *ops)
{
    provider->ops = ops;
    ring_init(&provider->waiting);
    provider->fetching = false;
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
    if (provider->fetching)
        return;
    provider->fetching = true;
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
    struct credentials *held = NULL;

    provider->fetching = false;
    if (credentials != NULL)
        held = credentials_ref(credentials);
    answer_all(provider, held, failure);
    credentials_unref(held);
}

void provider_trouble(void *data, const struct failure *failure)
{
    struct provider *provider = data;

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
    set_shutting_down(&failure);
    answer_all(provider, NULL, &failure);
    provider->ops->destroy(provider);
}
