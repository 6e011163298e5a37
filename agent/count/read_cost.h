/* SPDX-License-Identifier: Apache-2.0 */
/* What counting costs in read capacity units: what was used in the last hour, and a budget. Pure:
 * the time is a parameter, loop_now in ms. */
#ifndef TALLY_AGENT_COUNT_READ_COST_H
#define TALLY_AGENT_COUNT_READ_COST_H

#include <stdbool.h>
#include <stdint.h>

/* The units of the last hour: those of the present hour, and the part of the hour before that is
 * still within sixty minutes, as if it was spread evenly. Zeroed: nothing was used. */
struct rcu_meter {
    double total;
    double before, now; /* in the hour before, in the present one */
    int64_t hour_at;    /* when the present one began; 0: none */
    int64_t since;      /* the first use */
};

void rcu_meter_add(struct rcu_meter *meter, double units, int64_t now_ms);
double rcu_meter_last_hour(const struct rcu_meter *meter, int64_t now_ms);

/* The rate for an hour: where the first use is less than an hour ago, of the time since then; 0 in
 * the first minute, when it would be a guess. */
double rcu_meter_per_hour(const struct rcu_meter *meter, int64_t now_ms);

/* A token bucket: it holds the units of one hour, and is filled evenly. A count whose cost is not
 * known in advance may overdraw it; then no count starts until it is filled again. Zeroed: no
 * budget. */
struct rcu_budget {
    double per_hour; /* 0: no budget */
    double left;     /* at: */
    int64_t at;
};

/* Keeps what was used where only the size changes. */
void rcu_budget_set(struct rcu_budget *budget, double per_hour, int64_t now_ms);
double rcu_budget_left(const struct rcu_budget *budget, int64_t now_ms);
void rcu_budget_use(struct rcu_budget *budget, double units, int64_t now_ms);

/* How long a count that should cost `units` has to wait, at most a year; 0: it may start. One that
 * costs more than the budget holds may start when that is full. */
int64_t rcu_budget_wait_ms(const struct rcu_budget *budget, double units, int64_t now_ms);

/* The budget of one trigger, which all its states hold, whatever values clients set: else clients
 * that vary their values would have one each. */
struct held_budget {
    unsigned references;
    struct rcu_budget budget;
};
struct held_budget *held_budget_create(void);                  /* NULL: out of memory */
struct held_budget *held_budget_ref(struct held_budget *held); /* NULL is allowed */
void held_budget_unref(struct held_budget *held);              /* NULL is allowed */

/* Less than a fifth is left. */
bool rcu_budget_is_low(const struct rcu_budget *budget, int64_t now_ms);

#endif
