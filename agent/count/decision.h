/* SPDX-License-Identifier: Apache-2.0 */
/* What an autoscaler would decide from a count: KEDA's and the HPA's arithmetic. Pure. The HPA's
 * tolerance and stabilisation are not modelled. */
#ifndef TALLY_AGENT_COUNT_DECISION_H
#define TALLY_AGENT_COUNT_DECISION_H

#include "agent/config/trigger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rule that gives the number of replicas. */
enum decision_rule {
    RULE_JOBS,           /* of a ScaledJob: ceil(count / target) within the bounds */
    RULE_JOBS_INACTIVE,  /* of a ScaledJob: not active, so 0 jobs */
    RULE_JOBS_VALUE,     /* of a ScaledJob: metricType Value starts no jobs beyond the minimum */
    RULE_IDLE,           /* not active: idleReplicaCount */
    RULE_INACTIVE,       /* not active: minReplicaCount */
    RULE_AVERAGE,        /* ceil(count / target) within the bounds */
    RULE_VALUE,          /* ceil(replicas * count / target) within the bounds */
    RULE_VALUE_UNKNOWN,  /* the same, but the replicas are not known */
    RULE_NO_TARGET,      /* only the formula of scalingModifiers has a target */
    RULE_FALLBACK,       /* the fallback's number within the bounds */
    RULE_FALLBACK_OTHER, /* a fallback that cannot be computed from what is known */
};

struct decision {
    bool active;      /* count > activation */
    bool has_desired; /* false: only the cluster knows */
    int32_t desired;  /* replicas (of a ScaledJob: jobs) */
    enum decision_rule rule;
};

#define REPLICAS_UNKNOWN (-1)

/* `replicas`: how many there are now, for metricType Value; or REPLICAS_UNKNOWN. Of a ScaledJob
 * running jobs are not subtracted: only the cluster knows them. */
struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas);

/* What applies after too many failures, where the trigger has a fallback: has_desired is false if
 * it has none. `replicas` as above, for the behaviors that keep them. */
struct decision decision_fallback(const struct trigger_scaling *scaling, int32_t replicas);

/* Writes the reason for the decision, for users: "ceil(1800 / 500) within 0 to 100". Takes the same
 * arguments as the decision. */
void decision_explain(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, int32_t replicas, char *why, size_t size);

#endif
