#include "agent/identity/aws_rule.h"

#include "agent/identity/assume_role.h"
#include "agent/identity/explain.h"
#include "agent/identity/web_identity.h"

#include <stdlib.h>

struct aws_rule {
    struct provider base;
    struct provider *web_identity; /* owned, as the next */
    struct provider *assume_role;
    struct provider_request request; /* to the one that is being tried */
    struct failure refusal;          /* of the web identity */
};

static void on_assume_role(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;
    struct failure both;

    if (credentials != NULL) {
        provider_finish(&self->base, credentials, NULL);
        return;
    }
    both = *failure;
    failure_explain(&both, "before that, %.180s", self->refusal.message);
    provider_finish(&self->base, NULL, &both);
}

static void on_web_identity(
    void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;

    if (credentials != NULL || !web_identity_refused(failure)) {
        provider_finish(&self->base, credentials, failure);
        return;
    }
    self->refusal = *failure;
    self->request.done = on_assume_role;
    provider_get(self->assume_role, &self->request);
}

/* The auth parameter awsRoleArn is empty, so there is nothing to assume. */
static void on_base(void *data, struct credentials *credentials, const struct failure *failure)
{
    struct aws_rule *self = data;

    provider_finish(&self->base, credentials, failure);
}

static void aws_rule_fetch(struct provider *provider)
{
    struct aws_rule *self = (struct aws_rule *)provider;

    if (!assume_role_has_role(self->assume_role)) {
        self->request.done = on_base;
        provider_get(self->assume_role, &self->request);
        return;
    }
    self->request.done = on_web_identity;
    provider_get(self->web_identity, &self->request);
}

static void aws_rule_destroy(struct provider *provider)
{
    struct aws_rule *self = (struct aws_rule *)provider;

    provider_cancel(&self->request);
    provider_destroy(self->web_identity);
    provider_destroy(self->assume_role);
    free(self);
}

static const struct provider_ops aws_rule_ops = {
    .kind = "aws", .fetch = aws_rule_fetch, .destroy = aws_rule_destroy};

struct provider *aws_rule_create(struct provider *web_identity, struct provider *assume_role)
{
    struct aws_rule *self = calloc(1, sizeof(*self));

    if (self == NULL || web_identity == NULL || assume_role == NULL) {
        provider_destroy(web_identity);
        provider_destroy(assume_role);
        free(self);
        return NULL;
    }
    provider_init(&self->base, &aws_rule_ops);
    self->web_identity = web_identity;
    self->assume_role = assume_role;
    self->request.trouble = provider_trouble;
    self->request.data = self;
    return &self->base;
}
