/* Everything about one count, from the configuration to the decision: what `explain` answers. */
#ifndef TALLY_AGENT_IPC_EXPLANATION_H
#define TALLY_AGENT_IPC_EXPLANATION_H

#include "agent/count/counter.h"

/* All borrowed. */
struct explanation {
    const struct config *config; /* that the trigger is of */
    const struct trigger *trigger;
    const struct counter *counter;
    const struct identity *identity;
    const struct aws_request *request; /* of the first page */
    const struct page_log *pages;
    const struct count_value *value;
    int64_t age_ms;   /* of the value */
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
};

/* As one map. */
void explanation_pack(struct buffer *buffer, const struct explanation *explanation);

#endif
