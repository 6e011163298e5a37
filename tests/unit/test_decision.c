/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/decision.h"

#include "tests/unit/test.h"

#define NO_IDLE (-1)
#define NONE    (-1) /* no desired number */

static const struct row {
    const char *what;
    enum metric_type metric;
    int64_t target, activation;
    int32_t min, max, idle;
    bool job;
    uint64_t count;
    int32_t replicas;
    bool active;
    int32_t desired;
} rows[] = {
    /* what, metric, target, activation, min, max, idle, job, count, replicas, active, desired */
    {"nothing waits", METRIC_AVERAGE_VALUE, 5, 0, 0, 100, NO_IDLE, false, 0, NONE, false, 0},
    {"one waits", METRIC_AVERAGE_VALUE, 5, 0, 0, 100, NO_IDLE, false, 1, NONE, true, 1},
    {"exactly the target", METRIC_AVERAGE_VALUE, 5, 0, 0, 100, NO_IDLE, false, 5, NONE, true, 1},
    {"one over the target", METRIC_AVERAGE_VALUE, 5, 0, 0, 100, NO_IDLE, false, 6, NONE, true, 2},
    {"at the activation", METRIC_AVERAGE_VALUE, 5, 10, 0, 100, NO_IDLE, false, 10, NONE, false, 0},
    {"over it", METRIC_AVERAGE_VALUE, 5, 10, 0, 100, NO_IDLE, false, 11, NONE, true, 3},
    {"at most max", METRIC_AVERAGE_VALUE, 1, 0, 0, 7, NO_IDLE, false, 1000, NONE, true, 7},
    {"at least min", METRIC_AVERAGE_VALUE, 5, 0, 4, 100, NO_IDLE, false, 6, NONE, true, 4},
    {"a minimum ignores activation", METRIC_AVERAGE_VALUE, 1, 50, 2, 100, NO_IDLE, false, 20, NONE,
        false, 20},
    {"but not with an idle count", METRIC_AVERAGE_VALUE, 1, 50, 2, 100, 0, false, 20, NONE, false,
        0},
    {"idle", METRIC_AVERAGE_VALUE, 5, 0, 3, 100, 1, false, 0, NONE, false, 1},
    {"idle no more", METRIC_AVERAGE_VALUE, 5, 0, 3, 100, 1, false, 1, NONE, true, 3},
    {"a negative activation is always active", METRIC_AVERAGE_VALUE, 5, -1, 0, 9, NO_IDLE, false, 0,
        NONE, true, 1},
    {"near 2^63", METRIC_AVERAGE_VALUE, 1, 0, 0, INT32_MAX, NO_IDLE, false, INT64_MAX, NONE, true,
        INT32_MAX},
    {"the largest count", METRIC_AVERAGE_VALUE, 3, INT64_MAX, 0, 50, NO_IDLE, false, UINT64_MAX,
        NONE, true, 50},
    {"a target near 2^63", METRIC_AVERAGE_VALUE, INT64_MAX, 0, 0, 9, NO_IDLE, false,
        (uint64_t)INT64_MAX + 1, NONE, true, 2},
    {"Value needs the replicas", METRIC_VALUE, 5, 0, 0, 100, NO_IDLE, false, 20, NONE, true, NONE},
    {"Value, active, three of them", METRIC_VALUE, 5, 0, 0, 100, NO_IDLE, false, 20, 3, true, 12},
    {"Value, none runs yet", METRIC_VALUE, 5, 0, 0, 100, NO_IDLE, false, 20, 0, true, 1},
    {"Value, not active", METRIC_VALUE, 5, 30, 0, 100, NO_IDLE, false, 20, NONE, false, 0},
    {"Value does not wrap", METRIC_VALUE, 1, 0, 0, 100, NO_IDLE, false, UINT64_MAX, INT32_MAX, true,
        100},
    {"a job for each", METRIC_AVERAGE_VALUE, 1, 0, 0, 100, NO_IDLE, true, 12, NONE, true, 12},
    {"no job", METRIC_AVERAGE_VALUE, 1, 0, 0, 100, NO_IDLE, true, 0, NONE, false, 0},
    {"jobs, at most max", METRIC_AVERAGE_VALUE, 2, 0, 0, 5, NO_IDLE, true, 12, NONE, true, 5},
    {"jobs, not active", METRIC_AVERAGE_VALUE, 1, 50, 0, 100, NO_IDLE, true, 20, NONE, false, 0},
    {"jobs, active by minimum", METRIC_AVERAGE_VALUE, 1, 50, 2, 100, NO_IDLE, true, 20, NONE, false,
        20},
    {"jobs, at least min", METRIC_AVERAGE_VALUE, 1, 0, 2, 100, NO_IDLE, true, 0, NONE, false, 2},
    {"jobs, Value", METRIC_VALUE, 1, 0, 0, 100, NO_IDLE, true, 20, NONE, true, 0},
    {"jobs, Value, replicas given", METRIC_VALUE, 1, 0, 0, 100, NO_IDLE, true, 20, 7, true, 0},
    {"no target", METRIC_AVERAGE_VALUE, 0, 0, 0, 100, NO_IDLE, false, 20, 7, true, NONE},
    {"no target, not active", METRIC_VALUE, 0, 30, 0, 100, NO_IDLE, false, 20, 7, false, NONE},
    {"no target, jobs", METRIC_AVERAGE_VALUE, 0, 0, 0, 100, NO_IDLE, true, 20, NONE, true, NONE},
};

TEST(table)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct trigger_scaling scaling = {.metric_type = row->metric,
            .target = row->target,
            .activation = row->activation,
            .min_replicas = row->min,
            .max_replicas = row->max,
            .idle_replicas = row->idle,
            .is_job = row->job};
        struct decision decision = decision_make(&scaling, row->count, row->replicas);
        int32_t desired = decision.has_desired ? decision.desired : NONE;

        if (decision.active != row->active || desired != row->desired)
            TEST_FAIL("%s: active %d, desired %d; expected %d, %d", row->what, decision.active,
                desired, row->active, row->desired);
    }
}

TEST(fallback_is_reported_only_where_it_is_known)
{
    struct trigger_scaling scaling = {
        .has_fallback = true, .fallback_replicas = 6, .max_replicas = 9};

    CHECK_INT(6, decision_fallback(&scaling, NONE).desired);
    scaling.fallback_behavior = FALLBACK_CURRENT;
    CHECK(!decision_fallback(&scaling, NONE).has_desired);
    CHECK(decision_fallback(&scaling, 0).has_desired);
    scaling.fallback_behavior = FALLBACK_UNKNOWN;
    CHECK(!decision_fallback(&scaling, 5).has_desired);
    scaling = (struct trigger_scaling){.has_fallback = false, .max_replicas = 9};
    CHECK(!decision_fallback(&scaling, 5).has_desired);
}

static const struct {
    enum fallback_behavior behavior;
    int32_t fixed, min, max, replicas, desired;
} fallbacks[] = {
    {FALLBACK_STATIC, 6, 0, 9, NONE, 6},
    {FALLBACK_STATIC, 60, 0, 9, NONE, 9},
    {FALLBACK_STATIC, 1, 2, 9, NONE, 2},
    {FALLBACK_STATIC, 0, 0, 9, 5, 0},
    {FALLBACK_CURRENT, 6, 0, 9, 3, 3},
    {FALLBACK_CURRENT, 6, 0, 9, 30, 9},
    {FALLBACK_CURRENT, 6, 2, 9, 0, 2},
    {FALLBACK_CURRENT, 6, 0, 9, NONE, NONE},
    {FALLBACK_CURRENT_IF_HIGHER, 6, 0, 9, 7, 7},
    {FALLBACK_CURRENT_IF_HIGHER, 6, 0, 9, 3, 6},
    {FALLBACK_CURRENT_IF_HIGHER, 6, 0, 9, INT32_MAX, 9},
    {FALLBACK_CURRENT_IF_LOWER, 6, 0, 9, 7, 6},
    {FALLBACK_CURRENT_IF_LOWER, 6, 0, 9, 3, 3},
    {FALLBACK_CURRENT_IF_LOWER, 6, 4, 9, 3, 4},
    {FALLBACK_CURRENT_IF_LOWER, 6, 0, 9, NONE, NONE},
    {FALLBACK_UNKNOWN, 6, 0, 9, 3, NONE},
};

TEST(a_fallback_follows_its_behavior_within_the_bounds)
{
    for (size_t i = 0; i < sizeof(fallbacks) / sizeof(fallbacks[0]); i++) {
        struct trigger_scaling scaling = {.has_fallback = true,
            .target = 5,
            .min_replicas = fallbacks[i].min,
            .max_replicas = fallbacks[i].max,
            .fallback_replicas = fallbacks[i].fixed,
            .fallback_behavior = fallbacks[i].behavior};
        struct decision decision = decision_fallback(&scaling, fallbacks[i].replicas);
        int32_t desired = decision.has_desired ? decision.desired : NONE;

        if (desired != fallbacks[i].desired)
            TEST_FAIL("row %zu: %d, expected %d", i, desired, fallbacks[i].desired);
    }
}

#define IGNORED                                                                                    \
    "; KEDA ignores activationTargetValue where minReplicaCount is 1 or more and no "              \
    "idleReplicaCount is set"

static const struct {
    struct trigger_scaling scaling;
    uint64_t count;
    int32_t replicas;
    const char *why;
} reasons[] = {
    {{.target = 500, .max_replicas = 100, .idle_replicas = NO_IDLE}, 1800, NONE,
        "ceil(1800 / 500) within 0 to 100"},
    {{.target = 5, .min_replicas = 2, .max_replicas = 9, .idle_replicas = NO_IDLE}, 7, NONE,
        "ceil(7 / 5) within 2 to 9"},
    {{.target = 5, .activation = -1, .max_replicas = 9, .idle_replicas = NO_IDLE}, 0, NONE,
        "ceil(0 / 5) within 0 to 9, and at least 1 while active"},
    {{.target = 5,
         .activation = 10,
         .min_replicas = 1,
         .max_replicas = 9,
         .idle_replicas = NO_IDLE},
        7, NONE, "ceil(7 / 5) within 1 to 9" IGNORED},
    {{.target = 5, .activation = 10, .max_replicas = 9, .idle_replicas = NO_IDLE}, 10, NONE,
        "the count 10 is not above activationTargetValue 10, so minReplicaCount"},
    {{.target = 5, .min_replicas = 3, .max_replicas = 9, .idle_replicas = 1}, 0, NONE,
        "the count 0 is not above activationTargetValue 0, so idleReplicaCount"},
    {{.metric_type = METRIC_VALUE, .target = 5, .max_replicas = 9, .idle_replicas = NO_IDLE}, 7, 3,
        "ceil(3 replicas * 7 / 5) within 0 to 9"},
    {{.metric_type = METRIC_VALUE, .target = 5, .max_replicas = 9, .idle_replicas = NO_IDLE}, 7, 0,
        "ceil(0 replicas * 7 / 5) within 0 to 9, and at least 1 while active"},
    {{.metric_type = METRIC_VALUE, .target = 5, .max_replicas = 9, .idle_replicas = NO_IDLE}, 7,
        NONE,
        "metricType Value: ceil(replicas * 7 / 5) within 0 to 9, and the present replicas were not "
        "given"},
    {{.is_job = true, .target = 5, .max_replicas = 9, .idle_replicas = NO_IDLE}, 7, NONE,
        "ceil(7 / 5) jobs within 0 to 9; those that run already are not subtracted"},
    {{.is_job = true, .target = 5, .activation = 8, .max_replicas = 9}, 7, NONE,
        "the count 7 is not above activationTargetValue 8, so no jobs"},
    {{.is_job = true, .metric_type = METRIC_VALUE, .target = 5, .max_replicas = 9}, 7, NONE,
        "metricType Value: KEDA finds no average for a ScaledJob, and starts no jobs beyond "
        "minReplicaCount"},
    {{.max_replicas = 9}, 7, NONE,
        "no targetValue: KEDA computes the replicas with advanced.scalingModifiers, tally does "
        "not"},
    {{.target = INT64_MAX, .max_replicas = INT32_MAX, .idle_replicas = NO_IDLE}, UINT64_MAX, NONE,
        "ceil(18446744073709551615 / 9223372036854775807) within 0 to 2147483647"},
};

TEST(the_reason_is_reported_for_every_rule)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct decision decision = decision_make(
            &reasons[i].scaling, reasons[i].count, reasons[i].replicas);
        char why[300];

        decision_explain(&decision, &reasons[i].scaling, reasons[i].count, reasons[i].replicas, why,
            sizeof(why));
        CHECK_STR(reasons[i].why, why);
    }
}

TEST(the_reason_of_a_fallback_is_reported)
{
    struct trigger_scaling scaling = {
        .has_fallback = true, .fallback_threshold = 3, .fallback_replicas = 6, .max_replicas = 9};
    struct decision decision = decision_fallback(&scaling, NONE);
    char why[300];

    decision_explain(&decision, &scaling, 0, NONE, why, sizeof(why));
    CHECK_STR("fallback (static) within 0 to 9, after more than 3 failures in a row", why);
    scaling.fallback_behavior = FALLBACK_CURRENT;
    decision = decision_fallback(&scaling, NONE);
    decision_explain(&decision, &scaling, 0, NONE, why, sizeof(why));
    CHECK_STR("fallback.behavior currentReplicas cannot be computed without the present replicas, "
              "after more than 3 failures in a row",
        why);
    scaling.fallback_behavior = FALLBACK_UNKNOWN;
    decision_explain(&decision, &scaling, 0, NONE, why, sizeof(why));
    CHECK_STR("fallback.behavior of this name cannot be computed, after more than 3 failures in a "
              "row",
        why);
}

TEST_MAIN(RUN(table), RUN(fallback_is_reported_only_where_it_is_known),
    RUN(a_fallback_follows_its_behavior_within_the_bounds),
    RUN(the_reason_is_reported_for_every_rule), RUN(the_reason_of_a_fallback_is_reported))
