/* SPDX-License-Identifier: Apache-2.0 */
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

static int32_t decision_bounded(uint64_t wanted, int32_t min, int32_t max)
{
    if (wanted < (uint64_t)min)
        return min;
    return wanted > (uint64_t)max ? max : (int32_t)wanted;
}

/* KEDA ignores activation if at least one replica always runs and no idle count is set. */
static bool ignores_activation(const struct trigger_scaling *scaling)
{
    return scaling->min_replicas >= 1 && scaling->idle_replicas < 0;
}

/* KEDA runs minReplicaCount jobs whatever the metric says; that makes a ScaledJob active. */
static struct decision decide_jobs(
    const struct trigger_scaling *scaling, struct decision decision, uint64_t count)
{
    uint64_t wanted = 0;

    decision.rule = RULE_JOBS;
    if (scaling->metric_type == METRIC_VALUE)
        decision.rule = RULE_JOBS_VALUE;
    else if (!decision.active && scaling->min_replicas < 1)
        decision.rule = RULE_JOBS_INACTIVE;
    else
        wanted = ceil_ratio(count, 1, (uint64_t)scaling->target);
    decision.desired = decision_bounded(wanted, scaling->min_replicas, scaling->max_replicas);
    return decision;
}

struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas)
{
    struct decision decision = {.has_desired = true};
    uint64_t factor = 1;
    int32_t least = scaling->min_replicas;

    decision.active = scaling->activation < 0 || count > (uint64_t)scaling->activation;
    if (scaling->target <= 0)
        return (struct decision){.active = decision.active, .rule = RULE_NO_TARGET};
    if (scaling->is_job)
        return decide_jobs(scaling, decision, count);
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
        decision.desired = decision_bounded(
            ceil_ratio(count, factor, (uint64_t)scaling->target), least, scaling->max_replicas);
    return decision;
}

/* Before the bounds; REPLICAS_UNKNOWN: it cannot be computed. */
static int32_t fallback_wanted(const struct trigger_scaling *scaling, int32_t replicas)
{
    int32_t fixed = scaling->fallback_replicas;
    enum fallback_behavior behavior = scaling->fallback_behavior;

    if (behavior == FALLBACK_STATIC)
        return fixed;
    if (behavior == FALLBACK_UNKNOWN || replicas == REPLICAS_UNKNOWN)
        return REPLICAS_UNKNOWN;
    if (behavior == FALLBACK_CURRENT_IF_HIGHER)
        return replicas > fixed ? replicas : fixed;
    if (behavior == FALLBACK_CURRENT_IF_LOWER)
        return replicas < fixed ? replicas : fixed;
    return replicas;
}

struct decision decision_fallback(const struct trigger_scaling *scaling, int32_t replicas)
{
    struct decision decision = {.rule = RULE_FALLBACK_OTHER};
    int32_t wanted = fallback_wanted(scaling, replicas);

    if (!scaling->has_fallback || wanted == REPLICAS_UNKNOWN)
        return decision;
    decision.rule = RULE_FALLBACK;
    decision.has_desired = true;
    decision.desired = decision_bounded(
        (uint64_t)wanted, scaling->min_replicas, scaling->max_replicas);
    return decision;
}

/* "the count 3 is not above activationTargetValue 10" */
static void say_inactive(
    const struct trigger_scaling *scaling, uint64_t count, char *text, size_t size)
{
    snprintf(text, size, "the count %" PRIu64 " is not above activationTargetValue %" PRId64, count,
        scaling->activation);
}

/* " within 0 to 100", and any special property of these bounds. */
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

static void explain_jobs(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, char *why, size_t size)
{
    char inactive[120];

    say_inactive(scaling, count, inactive, sizeof(inactive));
    if (decision->rule == RULE_JOBS_VALUE)
        snprintf(why, size,
            "metricType Value: KEDA finds no average for a ScaledJob, and starts no jobs beyond "
            "minReplicaCount");
    else if (decision->rule == RULE_JOBS_INACTIVE)
        snprintf(why, size, "%s, so no jobs", inactive);
    else
        snprintf(why, size,
            "ceil(%" PRIu64 " / %" PRId64 ") jobs within %" PRId32 " to %" PRId32
            "; those that run already are not subtracted",
            count, scaling->target, scaling->min_replicas, scaling->max_replicas);
}

static void explain_fallback(
    const struct decision *decision, const struct trigger_scaling *scaling, char *why, size_t size)
{
    const char *name = fallback_behavior_name(scaling->fallback_behavior);

    if (decision->rule == RULE_FALLBACK_OTHER)
        snprintf(why, size,
            "fallback.behavior %s cannot be computed%s, after more than %" PRId32
            " failures in a row",
            name != NULL ? name : "of this name",
            name != NULL ? " without the present replicas" : "", scaling->fallback_threshold);
    else
        snprintf(why, size,
            "fallback (%s) within %" PRId32 " to %" PRId32 ", after more than %" PRId32
            " failures in a row",
            name != NULL ? name : "", scaling->min_replicas, scaling->max_replicas,
            scaling->fallback_threshold);
}

void decision_explain(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, int32_t replicas, char *why, size_t size)
{
    char inactive[120], bounds[200];

    say_inactive(scaling, count, inactive, sizeof(inactive));
    say_bounds(decision, scaling, count == 0 || replicas == 0, bounds, sizeof(bounds));
    switch (decision->rule) {
    case RULE_JOBS:
    case RULE_JOBS_INACTIVE:
    case RULE_JOBS_VALUE:
        explain_jobs(decision, scaling, count, why, size);
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
    case RULE_NO_TARGET:
        snprintf(why, size,
            "no targetValue: KEDA computes the replicas with advanced.scalingModifiers, tally does "
            "not");
        return;
    case RULE_FALLBACK:
    case RULE_FALLBACK_OTHER:
        explain_fallback(decision, scaling, why, size);
        return;
    }
}
