#include "agent/count/decision.h"

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
        decision.desired = bounded(ceil_ratio(count, 1, target), 0, scaling->max_replicas);
        return decision;
    }
    if (!decision.active && !ignores_activation(scaling)) {
        decision.desired = scaling->idle_replicas >= 0 ? scaling->idle_replicas : least;
        return decision;
    }
    if (scaling->metric_type == METRIC_VALUE) {
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
    return decision;
}
