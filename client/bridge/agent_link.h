/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the agent: libtally on the loop. Equal calls are made once, for all that wait
 * for them, and each trigger is watched once. Every answer comes within AGENT_LINK_ANSWER_MS by
 * libtally's clock; an agent that cannot be reached is an error, and libtally reconnects. */
#ifndef TALLY_BRIDGE_AGENT_LINK_H
#define TALLY_BRIDGE_AGENT_LINK_H

#include "agent/loop.h"
#include "agent/ring.h"
#include "client/bridge/trigger_book.h"
#include "client/tally.h"

#include <stdbool.h>
#include <stddef.h>

/* KEDA sets no deadline and holds its scale loop meanwhile: it has an answer within 2 s. */
#define AGENT_LINK_ANSWER_MS 1800

struct agent_link;

struct agent_link_options {
    struct loop *loop;
    const char *socket;         /* NULL: libtally's default */
    void (*turned)(void *data); /* after the callbacks of one turn: what they packed can be sent */
    void *data;
};

/* NULL: out of memory or descriptors. */
struct agent_link *agent_link_create(const struct agent_link_options *options);

/* All waiters and watchers must have been cancelled. NULL is allowed. */
void agent_link_destroy(struct agent_link *link);

/* Sends and receives what is possible now, so that a batch of calls is sent at once. */
void agent_link_turn(struct agent_link *link);

/* ---- calls ---- */

/* The answer is borrowed until the callback returns. Called once, never inside the function that
 * starts the call, unless link_waiter_cancel came before. */
typedef void link_fn(const struct tally_answer *answer, void *data);

struct link_waiter { /* the owner sets fn and data; in no ring: not waiting */
    struct ring ring;
    link_fn *fn;
    void *data;
};
void link_waiter_init(struct link_waiter *waiter, link_fn *fn, void *data);
void link_waiter_cancel(struct link_waiter *waiter); /* or not waiting */

/* Each returns 0, or a negative enum tally_error: then the callback does not come.
 *
 * count: as fresh as the trigger's polling interval; it may end at `enough` items (0: all are
 * counted). find: the row of one trigger in `list`, under "triggers.0". list: the triggers behind
 * the name `after` (NULL: from the first). identities: `whoami`, as far as it is known, so that no
 * scrape makes a call to AWS. call: a method without params. */
int agent_link_count(
    struct agent_link *link, const char *trigger, int64_t enough, struct link_waiter *waiter);
int agent_link_find(struct agent_link *link, const char *trigger, struct link_waiter *waiter);
int agent_link_list(struct agent_link *link, const char *after, struct link_waiter *waiter);
int agent_link_identities(struct agent_link *link, struct link_waiter *waiter);
int agent_link_call(struct agent_link *link, const char *method, struct link_waiter *waiter);

/* ---- watches ---- */

struct watch_state {
    int error; /* 0, or why the watch has ended: the watcher is removed */
    bool active;
    const char *message; /* of the error; borrowed until the callback returns */
};

/* Called with the state where it is known, from the next turn on, then with each change of it. Not
 * called for an error of the count, or while the agent cannot be reached. */
typedef void link_watch_fn(const struct watch_state *state, void *data);

struct link_watcher {
    struct ring ring;
    struct trigger_watch *watch;    /* NULL: not watching */
    bool notified, notified_active; /* with which state, last */
    link_watch_fn *fn;
    void *data;
};
void link_watcher_init(struct link_watcher *watcher, link_watch_fn *fn, void *data);
void link_unwatch(struct link_watcher *watcher); /* or not watching */

/* `trigger` is a full name. 0, or a negative enum tally_error. */
int agent_link_watch(struct agent_link *link, const char *trigger, struct link_watcher *watcher);

/* Whether there is a watch of the trigger, by its full name, that has its state now. */
bool agent_link_knows(const struct agent_link *link, const char *trigger, bool *active);

/* Notifies a watcher that was not notified yet, of a state that another call found. */
void link_watcher_learn(struct link_watcher *watcher, bool active);

/* ---- names ---- */

/* The entry of a trigger in the agent's list, by the name that was requested; all are dropped when
 * the agent cannot be reached. NULL: none. Borrowed until the next agent_link_note, or turn. */
void agent_link_note(struct agent_link *link, const char *name, const struct trigger_entry *entry);
const struct trigger_entry *agent_link_recall(const struct agent_link *link, const char *name);

/* ---- statistics, for /metrics ---- */

struct agent_link_stats {
    bool up; /* the latest call was answered by an agent */
    unsigned watches, connections;
    unsigned long long calls, joined, lost;
};
void agent_link_read_stats(const struct agent_link *link, struct agent_link_stats *stats);

#endif
