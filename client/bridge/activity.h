/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one trigger is active, found out once. The answer comes from the watch of the trigger
 * where there is one, so that StreamIsActive and IsActive agree; else from a count up to the
 * trigger's activation and one more, for which the agent reads no more items than that. */
#ifndef TALLY_BRIDGE_ACTIVITY_H
#define TALLY_BRIDGE_ACTIVITY_H

#include "client/bridge/agent_link.h"

struct activity { /* zeroed, then activity_init */
    struct agent_link *link;
    struct link_waiter waiter;
    char *trigger;  /* owned; as it was requested. NULL: no call is pending */
    int64_t enough; /* of the count under way; 0: the trigger is looked up */
    link_watch_fn *fn;
    void *data;
};

/* `fn` is called once for each activity_start that returned 0, unless activity_cancel came before.
 */
void activity_init(
    struct activity *activity, struct agent_link *link, link_watch_fn *fn, void *data);

/* 0: `fn` will be called, later. ACTIVITY_KNOWN: it will not, *active is the answer. Else a
 * negative enum tally_error. No call may be pending. */
#define ACTIVITY_KNOWN 1
int activity_start(struct activity *activity, const char *trigger, bool *active);
void activity_cancel(struct activity *activity); /* also where none is pending */

/* Whether an answer of agent_link_find is one trigger. An agent that does not know `trigger` of
 * `list` answers all of them: the first is another one. */
bool activity_is_row(const struct tally_answer *answer);

/* Reads that trigger. False: a field is missing. `full`, of SCALER_TRIGGER_BYTES, gets its full
 * name, to which the entry points. */
bool activity_read_row(const struct tally_answer *answer, struct trigger_entry *entry, char *full);

#endif
