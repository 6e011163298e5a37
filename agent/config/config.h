/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration, as config_read made it: triggers, found by name, and findings. It is immutable;
 * all its strings live in one arena that is wiped when it is destroyed, because Secrets are in it.
 */
#ifndef TALLY_AGENT_CONFIG_CONFIG_H
#define TALLY_AGENT_CONFIG_CONFIG_H

#include "agent/config/arena.h"
#include "agent/config/findings.h"
#include "agent/config/trigger.h"

#include <stdio.h>

struct config {
    const struct trigger *triggers; /* sorted by name */
    size_t trigger_count;
    const struct finding *findings; /* in the order of files and lines */
    size_t finding_count;
    size_t error_count;        /* findings of level error: the config must not be used */
    const struct names *names; /* for config_find */
    struct arena *arena;
};

void config_destroy(struct config *config); /* NULL is allowed */

/* The short names of a trigger: `object`, `object/trigger`, `trigger` if it has a name, and each
 * with the namespace. An object's name takes precedence over a trigger's. */
struct names;

/* `triggers` are sorted by name and outlive the names. NULL: no memory. */
const struct names *names_create(struct arena *arena, const struct trigger *triggers, size_t count);

/* Finds a trigger by its full name or an unambiguous shorter one. `*matches` is the number of
 * matching triggers; the result is NULL unless it is 1. candidates (may be NULL) gets up to
 * `capacity` of the matching names. */
const struct trigger *config_find(const struct config *config, const char *name, size_t len,
    size_t *matches, const char **candidates, size_t capacity);

/* How many triggers of `old` are not in `new`. */
size_t config_count_removed(const struct config *old, const struct config *new);

/* A file with triggers in `old` that still exists but has none in `new`: it may be truncated, by an
 * editor that starts with an empty file or by a full disk. NULL: none. `old` owns the name. */
const char *config_emptied_file(const struct config *old, const struct config *new);

/* ---- snapshot ---- */

/* A configuration in force, reference-counted: a reload replaces it, and a flight that began under
 * it holds it until the flight ends. */

struct snapshot {
    struct config *config;
    unsigned references;
};

/* Takes the config over. One reference; NULL: out of memory, the caller keeps the config. */
struct snapshot *snapshot_create(struct config *config);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is allowed */

/* ---- config check ---- */

/* `tallyd --check`: what is wrong with the configuration, or a short table of it. */

/* Writes each finding to `err`, and if there is no error the triggers to `out`. The exit code: 0,
 * or 2 on an error or without a trigger. */
int config_check(const struct config *config, FILE *out, FILE *err);

#endif
