/* Notices that the configuration's files changed: edited in place, replaced, added, removed, or
 * swapped as a ConfigMap mount does (its `..data` link is renamed, the files' names stay). */
#ifndef TALLY_AGENT_CONFIG_WATCH_H
#define TALLY_AGENT_CONFIG_WATCH_H

#include "agent/loop.h"

#include <stddef.h>
#include <stdint.h>

/* Which files there are, and in which state, in one number. Taken before they are read, a change
 * while they are read shows. */
uint64_t config_stamp(const char *const *paths, size_t path_count);

struct config_watch;

/* paths: files and folders, borrowed. `stamp`: of what is in force. `changed` is called a moment
 * after the last of several changes, and only where a file of the configuration is another one
 * than before. NULL: no memory; then SIGHUP still reloads. */
struct config_watch *config_watch_create(struct loop *loop, const char *const *paths,
    size_t path_count, uint64_t stamp, loop_fn *changed, void *data);
void config_watch_destroy(struct config_watch *watch); /* NULL is allowed */

/* The files are about to be read for another reason. */
void config_watch_note(struct config_watch *watch); /* NULL is allowed */

#endif
