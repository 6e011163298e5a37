/* Everything about one count, from the configuration to the decision: what `explain` answers. */
#ifndef TALLY_AGENT_IPC_EXPLANATION_H
#define TALLY_AGENT_IPC_EXPLANATION_H

#include "agent/count/counter.h"

#define EXPLANATION_PAGES 1000 /* shown; all are counted */

/* All borrowed. */
struct explanation {
    const struct config *config; /* that the trigger is of */
    const struct trigger *trigger;
    const struct counter *counter;
    const struct identity *identity;
    const struct aws_request *request; /* of the first page */
    int64_t unix_seconds;              /* when it was signed */
    const struct scan_page *pages;     /* the first ones */
    size_t page_count;
    uint64_t first_count; /* of the first page */
    const struct count_value *value;
    int32_t replicas; /* REPLICAS_UNKNOWN: not given */
};

/* As one map. */
void explanation_pack(struct buffer *buffer, const struct explanation *explanation);

#endif
