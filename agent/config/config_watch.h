/* SPDX-License-Identifier: Apache-2.0 */
/* Notices that the configuration's files changed: edited in place, replaced, added, removed, or
 * swapped as a ConfigMap mount does (its `..data` link is renamed, the files' names stay). */
#ifndef TALLY_AGENT_CONFIG_CONFIG_WATCH_H
#define TALLY_AGENT_CONFIG_CONFIG_WATCH_H

#include "agent/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which files there are, and in which state, in one number. Taken before they are read, a change
 * while they are read shows. */
uint64_t config_stamp(const char *const *paths, size_t path_count);

struct config_watch;

/* paths: files and folders, borrowed. `stamp`: of what is in force. `changed` is called where a
 * file of the configuration is another one than before, once all of them have rested a moment:
 * half a file is a configuration too. NULL: no memory; then SIGHUP still reloads. */
struct config_watch *config_watch_create(struct loop *loop, const char *const *paths,
    size_t path_count, uint64_t stamp, loop_fn *changed, void *data);
void config_watch_destroy(struct config_watch *watch); /* NULL is allowed */

/* Why changes are not noticed by events, as a negative errno: inotify has no room, so the files are
 * only looked at every ten seconds. 0: events tell. */
int config_watch_error(const struct config_watch *watch);

/* `changed` will be called whether they changed or not, once they have rested a moment. */
void config_watch_demand(struct config_watch *watch);

/* Whether they stayed as they were while they were read. If not, `changed` will be called. */
bool config_watch_confirm(struct config_watch *watch); /* NULL: true */

#endif
