/* From a count to what an autoscaler would make of it: KEDA's and the HPA's arithmetic. Pure.
 * The HPA's tolerance and stabilisation are not modelled. */
#ifndef TALLY_AGENT_COUNT_DECISION_H
#define TALLY_AGENT_COUNT_DECISION_H

#include "agent/config/trigger.h"

#include <stdbool.h>
#include <stdint.h>

struct decision {
    bool active;      /* count > activation */
    bool has_desired; /* false: the cluster would have to be asked */
    int32_t desired;  /* replicas (of a ScaledJob: jobs) */
};

#define REPLICAS_UNKNOWN (-1)

/* `replicas`: how many there are now, for metricType Value; or REPLICAS_UNKNOWN. */
struct decision decision_make(
    const struct trigger_scaling *scaling, uint64_t count, int32_t replicas);

/* What applies after too many failures, where the trigger has a fallback: has_desired is false
 * where it has none. */
struct decision decision_fallback(const struct trigger_scaling *scaling);

#endif
