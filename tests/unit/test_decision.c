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

TEST(fallback_is_told_only_where_it_is_known)
{
    struct trigger_scaling scaling = {.has_fallback = true, .fallback_replicas = 6};

    CHECK_INT(6, decision_fallback(&scaling).desired);
    scaling.fallback_replicas = -1; /* a behaviour that needs the cluster */
    CHECK(!decision_fallback(&scaling).has_desired);
    scaling = (struct trigger_scaling){.has_fallback = false};
    CHECK(!decision_fallback(&scaling).has_desired);
}

TEST_MAIN(RUN(table), RUN(fallback_is_told_only_where_it_is_known))
