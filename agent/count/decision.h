/* SPDX-License-Identifier: Apache-2.0 */
/* From a count to what an autoscaler would make of it: KEDA's and the HPA's arithmetic. Pure.
 * The HPA's tolerance and stabilisation are not modelled. */
#ifndef TALLY_AGENT_COUNT_DECISION_H
#define TALLY_AGENT_COUNT_DECISION_H

#include "agent/config/trigger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the number of replicas follows from. */
enum decision_rule {
    RULE_JOBS,           /* of a ScaledJob: ceil(count / target) within the bounds */
    RULE_JOBS_INACTIVE,  /* of a ScaledJob: not active, so none */
    RULE_JOBS_VALUE,     /* of a ScaledJob: metricType Value starts none beyond the minimum */
    RULE_IDLE,           /* not active: idleReplicaCount */
    RULE_INACTIVE,       /* not active: minReplicaCount */
    RULE_AVERAGE,        /* ceil(count / target) within the bounds */
    RULE_VALUE,          /* ceil(replicas * count / target) within the bounds */
    RULE_VALUE_UNKNOWN,  /* the same, but the replicas are not known */
    RULE_NO_TARGET,      /* only the formula of scalingModifiers has one */
    RULE_FALLBACK,       /* the fallback's number within the bounds */
    RULE_FALLBACK_OTHER, /* a fallback that cannot be computed from what is known */
};

struct decision {
    bool active;      /* count > activation */
    bool has_desired; /* false: the cluster would have to be asked */
    int32_t desired;  /* replicas (of a ScaledJob: jobs) */
    enum decision_rule rule;
};

#define REPLICAS_UNKNOWN (-1)

/* `replicas`: how many there are now, for metricType Value; or REPLICAS_UNKNOWN. Of a ScaledJob
 * those that run already are not subtracted: they are the cluster's to know. */
struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas);

/* What applies after too many failures, where the trigger has a fallback: has_desired is false
 * where it has none. `replicas` as above, for the behaviors that keep them. */
struct decision decision_fallback(const struct trigger_scaling *scaling, int32_t replicas);

/* Writes why the decision came out as it did, for people: "ceil(1800 / 500) within 0 to 100".
 * The arguments are those it was made of. */
void decision_explain(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, int32_t replicas, char *why, size_t size);

#endif
