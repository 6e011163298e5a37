/* SPDX-License-Identifier: Apache-2.0 */
/* One `aws-dynamodb` trigger as plain data: the result of reading the configuration, and all that
 * counting needs. Strings are owned by the config that holds the trigger and live as long as it. */
#ifndef TALLY_AGENT_CONFIG_TRIGGER_H
#define TALLY_AGENT_CONFIG_TRIGGER_H

#include "agent/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIGGERS_MAX 20000 /* in a configuration */

struct identity_spec;

enum trigger_owner { OWNER_SCALED_OBJECT, OWNER_SCALED_JOB, OWNER_SNIPPET };
enum metric_type { METRIC_AVERAGE_VALUE, METRIC_VALUE };

/* KEDA's fallback.behavior. */
enum fallback_behavior {
    FALLBACK_STATIC,            /* fallback.replicas */
    FALLBACK_CURRENT,           /* the current replicas */
    FALLBACK_CURRENT_IF_HIGHER, /* the higher of both */
    FALLBACK_CURRENT_IF_LOWER,  /* the lower of both */
    FALLBACK_UNKNOWN,           /* a formula, or a behavior that KEDA does not have */
};
/* As in the YAML; NULL: FALLBACK_UNKNOWN. Of scaled_object.c, which reads it. */
const char *fallback_behavior_name(enum fallback_behavior behavior);

/* From count to replicas. */
struct trigger_scaling {
    int64_t target;     /* > 0; 0: none, which scalingModifiers allow */
    int64_t activation; /* active means count > activation */
    enum metric_type metric_type;
    int32_t min_replicas;
    int32_t max_replicas;
    int32_t idle_replicas; /* -1: unset */
    int32_t fallback_threshold;
    int32_t fallback_replicas;
    enum fallback_behavior fallback_behavior;
    bool is_job; /* ScaledJob */
    bool has_fallback;
};

struct trigger {
    const char *name; /* as `list` shows it: "ns/object" or "ns/object/trigger" */
    const char *namespace_;
    const char *object;
    const char *trigger_name; /* NULL: unnamed */
    enum trigger_owner owner;
    unsigned index; /* in the object's `triggers` */
    const char *file;
    unsigned line, column;
    int64_t polling_ms;
    const char *metric_name;
    double budget_rcu;       /* for an hour; 0: none of its own */
    const char *share_table; /* shareTable; NULL: the agent's --share-table; "": not shared */
    struct query query;
    struct trigger_scaling scaling;
    /* Shared by triggers with equal ones. NULL only in a config with errors. */
    const struct identity_spec *identity;
    bool only; /* the object's only DynamoDB trigger */
    bool warm;
};

#endif
