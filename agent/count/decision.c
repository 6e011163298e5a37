#include "agent/count/decision.h"

#include <inttypes.h>
#include <stdio.h>

/* ceil(a * b / c) for c > 0, saturating: neither the product nor the result may wrap. */
static uint64_t ceil_ratio(uint64_t a, uint64_t b, uint64_t c)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    unsigned __int128 result = product / c + (product % c != 0);

    return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

static int32_t bounded(uint64_t wanted, int32_t min, int32_t max)
{
    if (wanted < (uint64_t)min)
        return min;
    return wanted > (uint64_t)max ? max : (int32_t)wanted;
}

/* KEDA ignores activation where at least one replica always runs and no idle count is set. */
static bool ignores_activation(const struct trigger_scaling *scaling)
{
    return scaling->min_replicas >= 1 && scaling->idle_replicas < 0;
}

struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas)
{
    struct decision decision = {.has_desired = true};
    uint64_t target = (uint64_t)scaling->target;
    uint64_t factor = 1;
    int32_t least = scaling->min_replicas;

    decision.active = scaling->activation < 0 || count > (uint64_t)scaling->activation;
    if (scaling->is_job) {
        /* Jobs that run already are not subtracted: they are the cluster's to know. */
        decision.rule = RULE_JOBS;
        decision.desired = bounded(ceil_ratio(count, 1, target), 0, scaling->max_replicas);
        return decision;
    }
    if (!decision.active && !ignores_activation(scaling)) {
        decision.rule = scaling->idle_replicas >= 0 ? RULE_IDLE : RULE_INACTIVE;
        decision.desired = scaling->idle_replicas >= 0 ? scaling->idle_replicas : least;
        return decision;
    }
    decision.rule = RULE_AVERAGE;
    if (scaling->metric_type == METRIC_VALUE) {
        decision.rule = replicas != REPLICAS_UNKNOWN ? RULE_VALUE : RULE_VALUE_UNKNOWN;
        decision.has_desired = replicas != REPLICAS_UNKNOWN;
        factor = replicas > 0 ? (uint64_t)replicas : 0;
    }
    if (least < 1)
        least = 1;
    if (decision.has_desired)
        decision.desired = bounded(ceil_ratio(count, factor, target), least, scaling->max_replicas);
    return decision;
}

struct decision decision_fallback(const struct trigger_scaling *scaling)
{
    struct decision decision = {0};

    decision.has_desired = scaling->has_fallback && scaling->fallback_replicas >= 0;
    decision.desired = decision.has_desired ? scaling->fallback_replicas : 0;
    decision.rule = decision.has_desired ? RULE_FALLBACK : RULE_FALLBACK_OTHER;
    return decision;
}

/* "the count 3 is not above activationTargetValue 10" */
static void say_inactive(
    const struct trigger_scaling *scaling, uint64_t count, char *text, size_t size)
{
    snprintf(text, size, "the count %" PRIu64 " is not above activationTargetValue %" PRId64, count,
        scaling->activation);
}

/* " within 0 to 100", and what is special about these bounds. */
static void say_bounds(const struct decision *decision, const struct trigger_scaling *scaling,
    bool is_zero, char *text, size_t size)
{
    const char *special = "";

    if (!decision->active)
        special = "; KEDA ignores activationTargetValue where minReplicaCount is 1 or more and no "
                  "idleReplicaCount is set";
    else if (is_zero && scaling->min_replicas == 0)
        special = ", and at least 1 while active";
    snprintf(text, size, " within %" PRId32 " to %" PRId32 "%s", scaling->min_replicas,
        scaling->max_replicas, special);
}

void decision_explain(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, int32_t replicas, char *why, size_t size)
{
    char inactive[120], bounds[200];

    say_inactive(scaling, count, inactive, sizeof(inactive));
    say_bounds(decision, scaling, count == 0 || replicas == 0, bounds, sizeof(bounds));
    switch (decision->rule) {
    case RULE_JOBS:
        snprintf(why, size,
            "ceil(%" PRIu64 " / %" PRId64 ") jobs, at most %" PRId32
            "; those that run already are not subtracted",
            count, scaling->target, scaling->max_replicas);
        return;
    case RULE_IDLE:
        snprintf(why, size, "%s, so idleReplicaCount", inactive);
        return;
    case RULE_INACTIVE:
        snprintf(why, size, "%s, so minReplicaCount", inactive);
        return;
    case RULE_AVERAGE:
        snprintf(why, size, "ceil(%" PRIu64 " / %" PRId64 ")%s", count, scaling->target, bounds);
        return;
    case RULE_VALUE:
        snprintf(why, size, "ceil(%" PRId32 " replicas * %" PRIu64 " / %" PRId64 ")%s", replicas,
            count, scaling->target, bounds);
        return;
    case RULE_VALUE_UNKNOWN:
        snprintf(why, size,
            "metricType Value: ceil(replicas * %" PRIu64 " / %" PRId64
            ")%s, and the present replicas were not given",
            count, scaling->target, bounds);
        return;
    case RULE_FALLBACK:
        snprintf(why, size, "fallback.replicas, after more than %" PRId32 " failures in a row",
            scaling->fallback_threshold);
        return;
    case RULE_FALLBACK_OTHER:
        snprintf(why, size,
            "a fallback that needs the cluster, after more than %" PRId32 " failures in a row",
            scaling->fallback_threshold);
        return;
    }
}
