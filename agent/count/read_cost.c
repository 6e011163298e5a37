/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/count/read_cost.h"

#include <stdlib.h>

#define HOUR_MS   (3600 * 1000)
#define MINUTE_MS (60 * 1000)
#define LOW       0.2 /* of a budget */

/* The units come from outside, and a budget may be tiny: their quotient is not always a time. */
#define OVERDRAWN_MOST 1e15
#define WAIT_MOST_MS   (INT64_C(365) * 24 * HOUR_MS)

/* ---- meter ---- */

/* The meter as it is at this time. */
static struct rcu_meter rcu_meter_at(const struct rcu_meter *meter, int64_t now_ms)
{
    struct rcu_meter at = *meter;

    if (at.hour_at == 0 || now_ms - at.hour_at >= 2 * (int64_t)HOUR_MS) {
        at.before = at.now = 0;
        at.hour_at = now_ms;
    } else if (now_ms - at.hour_at >= HOUR_MS) {
        at.before = at.now;
        at.now = 0;
        at.hour_at += HOUR_MS;
    }
    return at;
}

void rcu_meter_add(struct rcu_meter *meter, double units, int64_t now_ms)
{
    if (meter->hour_at == 0)
        meter->since = now_ms;
    *meter = rcu_meter_at(meter, now_ms);
    meter->now += units;
    meter->total += units;
}

double rcu_meter_last_hour(const struct rcu_meter *meter, int64_t now_ms)
{
    struct rcu_meter at = rcu_meter_at(meter, now_ms);
    double passed = (double)(now_ms - at.hour_at) / HOUR_MS;

    return at.before * (1 - passed) + at.now;
}

double rcu_meter_per_hour(const struct rcu_meter *meter, int64_t now_ms)
{
    int64_t used_ms = now_ms - meter->since;

    if (meter->hour_at == 0 || used_ms < MINUTE_MS)
        return 0;
    return rcu_meter_last_hour(meter, now_ms) * HOUR_MS /
           (double)(used_ms < HOUR_MS ? used_ms : HOUR_MS);
}

/* ---- budget ---- */

void rcu_budget_set(struct rcu_budget *budget, double per_hour, int64_t now_ms)
{
    double used = budget->per_hour > 0 ? budget->per_hour - rcu_budget_left(budget, now_ms) : 0;

    *budget = (struct rcu_budget){.per_hour = per_hour, .left = per_hour - used, .at = now_ms};
}

double rcu_budget_left(const struct rcu_budget *budget, int64_t now_ms)
{
    double left = budget->left + budget->per_hour * (double)(now_ms - budget->at) / HOUR_MS;

    return left < budget->per_hour ? left : budget->per_hour;
}

void rcu_budget_use(struct rcu_budget *budget, double units, int64_t now_ms)
{
    if (!(budget->per_hour > 0))
        return;
    budget->left = rcu_budget_left(budget, now_ms) - units;
    if (!(budget->left > -OVERDRAWN_MOST))
        budget->left = -OVERDRAWN_MOST;
    budget->at = now_ms;
}

int64_t rcu_budget_wait_ms(const struct rcu_budget *budget, double units, int64_t now_ms)
{
    double missing, wait_ms;

    if (!(budget->per_hour > 0))
        return 0;
    if (units > budget->per_hour)
        units = budget->per_hour;
    missing = (units > 0 ? units : 0) - rcu_budget_left(budget, now_ms);
    /* An overdrawn budget holds nothing for a count of unknown cost either. */
    if (missing < 0 || (missing <= 0 && units > 0))
        return 0;
    wait_ms = missing / budget->per_hour * HOUR_MS;
    return wait_ms < (double)WAIT_MOST_MS ? (int64_t)wait_ms + 1 : WAIT_MOST_MS;
}

bool rcu_budget_is_low(const struct rcu_budget *budget, int64_t now_ms)
{
    return budget->per_hour > 0 && rcu_budget_left(budget, now_ms) < LOW * budget->per_hour;
}

/* ---- a held budget ---- */

struct held_budget *held_budget_create(void)
{
    struct held_budget *held = calloc(1, sizeof(*held));

    if (held != NULL)
        held->references = 1;
    return held;
}

struct held_budget *held_budget_ref(struct held_budget *held)
{
    if (held != NULL)
        held->references++;
    return held;
}

void held_budget_unref(struct held_budget *held)
{
    if (held != NULL && --held->references == 0)
        free(held);
}
