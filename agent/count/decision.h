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
    RULE_JOBS,           /* ceil(count / target), at most the maximum */
    RULE_IDLE,           /* not active: idleReplicaCount */
    RULE_INACTIVE,       /* not active: minReplicaCount */
    RULE_AVERAGE,        /* ceil(count / target) within the bounds */
    RULE_VALUE,          /* ceil(replicas * count / target) within the bounds */
    RULE_VALUE_UNKNOWN,  /* the same, but the replicas are not known */
    RULE_FALLBACK,       /* the fallback's number */
    RULE_FALLBACK_OTHER, /* a fallback that needs the cluster */
};

struct decision {
    bool active;      /* count > activation */
    bool has_desired; /* false: the cluster would have to be asked */
    int32_t desired;  /* replicas (of a ScaledJob: jobs) */
    enum decision_rule rule;
};

#define REPLICAS_UNKNOWN (-1)

/* `replicas`: how many there are now, for metricType Value; or REPLICAS_UNKNOWN. */
struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas);

/* What applies after too many failures, where the trigger has a fallback: has_desired is false
 * where it has none. */
struct decision decision_fallback(const struct trigger_scaling *scaling);

/* Writes why the decision came out as it did, for people: "ceil(1800 / 500) within 0 to 100".
 * The arguments are those it was made of. */
void decision_explain(const struct decision *decision, const struct trigger_scaling *scaling,
    uint64_t count, int32_t replicas, char *why, size_t size);

#endif
