/* Notices that the configuration's files changed: edited in place, replaced, added, removed, or
 * swapped as a ConfigMap mount does (its `..data` link is renamed, the files' names stay). */
#ifndef TALLY_AGENT_CONFIG_WATCH_H
#define TALLY_AGENT_CONFIG_WATCH_H

#include "agent/loop.h"

#include <stddef.h>

struct config_watch;

/* paths: files and folders, borrowed. `changed` is called a moment after the last of several
 * changes, and only where a file of the configuration is another one than before. NULL: no
 * memory, or no folder can be watched; then SIGHUP still reloads. */
struct config_watch *config_watch_create(
    struct loop *loop, const char *const *paths, size_t path_count, loop_fn *changed, void *data);
void config_watch_destroy(struct config_watch *watch); /* NULL is allowed */

#endif
