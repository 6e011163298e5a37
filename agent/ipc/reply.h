/* SPDX-License-Identifier: Apache-2.0 */
/* Packs counts as the protocol shows them: the result of `count`, which `changed` and `explain`
 * also contain. */
#ifndef TALLY_AGENT_IPC_REPLY_H
#define TALLY_AGENT_IPC_REPLY_H

#include "agent/count/counter.h"
#include "agent/count/trigger_state.h"
#include "proto/writer.h"

/* The fields of every count, as pairs of the caller's map: count, quality, age_ms, pages, scanned,
 * consumed_rcu. Returns the offset of the age in the buffer. */
size_t pack_count_fields(
    struct map *map, const struct count_value *value, enum count_quality quality, int64_t age_ms);

/* Where the value of an answer came from, as pairs of the caller's map: source, counted_by. */
void pack_source(struct map *map, const struct count_answer *answer);

/* How fast the count changes, where that is known: rate_per_s, rate_over_ms, empty_in_ms. */
void pack_rate(struct map *map, const struct count_answer *answer);

/* An answer that has a value, as one map. `replicas` as for decision_make. Returns the offset of
 * the age in the buffer. */
size_t pack_count_map(struct buffer *buffer, const struct count_answer *answer, int32_t replicas);

/* The same as the whole answer to a request. */
void pack_count_answer(
    struct buffer *buffer, uint32_t id, const struct count_answer *answer, int32_t replicas);

/* For an answer without a value: the pairs that it adds to its error map. */
void pack_failed_decision(struct map *map, const struct count_answer *answer, int32_t replicas);

/* The params of `changed`: the count, or why there is none; `extra`: as message_error. */
void pack_change(struct buffer *buffer, const struct count_answer *answer);
void pack_change_error(struct buffer *buffer, const char *trigger, const struct failure *failure,
    const struct map *extra);

/* A fingerprint of what `changed` says, without the fields that differ between two counts of the
 * same number: those that do not notify. False: out of memory. */
bool pack_fingerprint(const struct count_answer *answer, uint64_t *fingerprint);

/* Packs identities as `whoami` and `explain` show them. */

/* What is known about the identity, and the names of all triggers that use it, as pairs of the
 * caller's map. */
void pack_identity(struct map *map, const struct counter *counter, const struct identity *identity);

#endif
